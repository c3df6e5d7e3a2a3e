package kubeconfig

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCAData gives a CA that replaces the kubeconfig's.
func TestCAData(t *testing.T) {
	cases := map[string]struct{ reason, cluster string }{
		"NoCA":      {"We should use the given CA where there is none.", "server: https://api.example.org"},
		"OtherCA":   {"We should use the given CA instead of the kubeconfig's.", "server: https://api.example.org, certificate-authority-data: b3RoZXI="},
		"CAInAFile": {"We should not mind a file that is not needed.", "server: https://api.example.org, certificate-authority: /canary"},
		"Insecure":  {"We should verify the server, because the CA was given for that.", "server: https://api.example.org, insecure-skip-tls-verify: true"},
	}
	for name, tc := range cases {
		for _, allow := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				got, err := Parse([]byte(clusterOf(tc.cluster)), Options{CAData: []byte("ca"), AllowInsecure: allow, Now: now()})
				if err != nil {
					t.Fatalf("%s\n%v", tc.reason, err)
				}
				want := &Connection{Server: "https://api.example.org", CAData: []byte("ca")}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
				}
			})
		}
	}
}

// TestDirect makes a connection without a kubeconfig.
func TestDirect(t *testing.T) {
	o := Options{Server: "https://api.example.org", TLSServerName: "tls.example.org", ProxyURL: "http://proxy.example.org:3128", CAData: []byte("ca"), Now: now()}
	got, err := Direct(o)
	if err != nil {
		t.Fatal(err)
	}
	want := &Connection{Server: o.Server, TLSServerName: o.TLSServerName, ProxyURL: o.ProxyURL, CAData: o.CAData}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
	if _, err := Direct(Options{CAData: []byte("ca")}); err == nil {
		t.Error("We should refuse to connect without a server.")
	}
}

// TestToken makes a credential of a token that a kubeconfig does not have.
func TestToken(t *testing.T) {
	got, err := Token("\tcanary-token\n", "the token of x", now())
	if diff := cmp.Diff(Credential{BearerToken: "canary-token"}, got); diff != "" || err != nil {
		t.Errorf("%v\n-want, +got:\n%s", err, diff)
	}
	for token, want := range map[string]string{
		"canary token":            "the token of x holds a space or a control character",
		"":                        "the token of x holds a space or a control character",
		jwt(`{"exp":1798761599}`): "the token of x expired on 2026-12-31",
	} {
		if _, err := Token(token, "the token of x", now()); err == nil || err.Error() != want || strings.Contains(err.Error(), "canary") {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
