package kubeconfig

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// now is a time at which the samples' certificates are valid.
func now() time.Time { return time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC) }

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "kubeconfigs", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	type want struct {
		conn *Connection
		err  error
	}
	token := &Connection{Server: "https://192.0.2.1", Credential: Credential{BearerToken: "fake-token"}}

	cases := map[string]struct {
		reason string
		data   string
		o      Options
		want   want
	}{
		"OnlyContext": {
			reason: "Without a current-context, the only context is meant. apiVersion and kind are optional.",
			data: `
clusters: [{name: a, cluster: {server: https://192.0.2.2}}, {name: b, cluster: {server: https://192.0.2.1}}]
contexts: [{name: c, context: {cluster: b, user: u}}]
users: [{name: t, user: {token: other-token}}, {name: u, user: {token: fake-token}}]`,
			want: want{conn: token},
		},
		"JSONWithTrailingNewlineInToken": {
			reason: "A kubeconfig may be JSON, and a token often has a newline at its end.",
			data:   `{"clusters":[{"name":"a","cluster":{"server":"https://192.0.2.1/"}}],"contexts":[{"name":"c","context":{"cluster":"a","user":"u"}}],"users":[{"name":"u","user":{"token":"fake-token\n"}}]}`,
			want:   want{conn: token},
		},
		"WithoutUser": {
			reason: "A context without a user has no credential.",
			data:   `{clusters: [{name: a, cluster: {server: "https://192.0.2.1"}}], contexts: [{name: c, context: {cluster: a}}]}`,
			want:   want{conn: &Connection{Server: "https://192.0.2.1"}},
		},
		"ExecOfAnyPlatform": {
			reason: "A plugin is known by its base name, wherever it lies.",
			data: `
clusters: [{name: a, cluster: {server: "https://192.0.2.1"}}]
contexts: [{name: c, context: {cluster: a, user: u}}]
users: [{name: u, user: {exec: {command: 'C:\Program Files\kubelogin.exe', args: [get-token], env: [{name: A, value: b}], apiVersion: client.authentication.k8s.io/v1}}}]`,
			want: want{conn: &Connection{Server: "https://192.0.2.1", Credential: Credential{
				Exec: &Exec{Name: "kubelogin", Args: []string{"get-token"}, Env: map[string]string{"A": "b"}},
			}}},
		},
		"ServerReplaced": {
			reason: "The kubeconfig's server is of no account where another is given.",
			data:   `{clusters: [{name: a, cluster: {server: "http://localhost"}}], contexts: [{name: c, context: {cluster: a}}]}`,
			o:      Options{Server: "https://127.0.0.1:6443"},
			want:   want{conn: &Connection{Server: "https://127.0.0.1:6443"}},
		},
		"WrongCAOfGKEDNSEndpoint": {
			reason: "Older providers give the cluster's CA with a server whose certificate is publicly trusted.",
			data:   strings.Replace(string(sample(t, "kc-gke-upjet-nocreds.yaml")), "https://34.10.20.30", "https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog", 1),
			want:   want{conn: &Connection{Server: "https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog"}},
		},
		"ExpiredCertificate": {
			reason: "Argo CD could not connect with an expired certificate.",
			data:   string(sample(t, "kc-aks-local-account.yaml")),
			o:      Options{Now: time.Date(2029, time.January, 1, 0, 0, 0, 0, time.UTC)},
			want:   want{err: Invalid("the kubeconfig's client certificate expired on 2028-11-19")},
		},
		"AliasBomb": {
			reason: "An alias of a long scalar is no more than a few bytes, of which the decoder makes gigabytes.",
			data:   "x: &a " + strings.Repeat("y", 200<<10) + "\nl: [" + strings.Repeat("*a,", 90000) + "]",
			want:   want{err: Invalid("the kubeconfig has YAML anchors and aliases, which no tool writes; it must be written without")},
		},
		"NoAliases": {
			reason: "A token may have the characters of both, and a text may have either.",
			data: `
clusters: [{name: a, cluster: {server: "https://192.0.2.1"}}]
contexts: [{name: c, context: {cluster: a, user: u}}]
users: [{name: u, user: {token: "x&y*z", exec: {command: x, installHint: "this *is* needed"}}}]`,
			want: want{conn: &Connection{Server: "https://192.0.2.1", Credential: Credential{BearerToken: "x&y*z"}}},
		},
		"DeepNesting": {
			reason: "The decoder bounds its depth.",
			data:   "a: " + strings.Repeat("[", 400<<10),
			want:   want{err: Invalid("the kubeconfig cannot be decoded: it is no YAML or JSON of kind Config and version v1, or names one of its clusters, users or contexts twice")},
		},
		"Empty": {
			reason: "Nothing is no kubeconfig.",
			want:   want{err: Invalid("the kubeconfig has no context")},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.o.Now.IsZero() {
				tc.o.Now = now()
			}
			conn, err := Parse([]byte(tc.data), tc.o)
			if diff := cmp.Diff(tc.want.conn, conn); diff != "" {
				t.Errorf("\n%s\nParse(...): -want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.want.err, err, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("\n%s\nParse(...): -want error, +got error:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestIsLoopback(t *testing.T) {
	cases := map[string]struct {
		reason string
		server string
		want   bool
	}{
		"IPv4":        {"The whole of 127.0.0.0/8 is loopback.", "https://127.8.7.6:6443", true},
		"IPv6":        {"IPv6 has one.", "https://[::1]", true},
		"Mapped":      {"IPv4 in IPv6 is IPv4.", "https://[::ffff:127.0.0.1]", true},
		"Unspecified": {"Linux connects to itself.", "https://0.0.0.0:6443", true},
		"Localhost":   {"By name.", "https://LOCALHOST.:6443", true},
		"Subdomain":   {"Every name under localhost is loopback.", "https://kind.localhost", true},
		"Private":     {"A private address is not.", "https://10.0.0.1", false},
		"Name":        {"A name that holds it is not.", "https://localhost.example.org", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := IsLoopback(tc.server); got != tc.want {
				t.Errorf("\n%s\nIsLoopback(%q): want %t, got %t", tc.reason, tc.server, tc.want, got)
			}
		})
	}
}

// FuzzParse checks that whatever is parsed ends in a connection that may be used or in
// an error of this package.
func FuzzParse(f *testing.F) {
	samples, err := filepath.Glob(filepath.Join("..", "..", "testdata", "kubeconfigs", "[ke][cd]*"))
	if err != nil || len(samples) == 0 {
		f.Fatal("no samples", err)
	}
	for _, s := range samples {
		f.Add(sample(f, filepath.Base(s)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		conn, err := Parse(data, Options{Now: now()})
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || e.Message == "" || conn != nil {
				t.Errorf("Parse(...): %v, %v", conn, err)
			}
			return
		}
		if s, err := Server(conn.Server); err != nil || s != conn.Server || IsLoopback(s) {
			t.Errorf("Parse(...): server %q: %v", conn.Server, err)
		}
	})
}

// TestParseOpensNoFile has a kubeconfig name files that exist, by every field that can.
func TestParseOpensNoFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	const kubeconfig = `
clusters: [{name: a, cluster: {server: "https://192.0.2.1"CLUSTER}}]
contexts: [{name: c, context: {cluster: a, user: u}}]
users: [{name: u, user: {token: fake-token USER}}]`

	for field, placeholder := range map[string]string{
		"certificate-authority": "CLUSTER",
		"client-certificate":    "USER",
		"client-key":            "USER",
		"tokenFile":             "USER",
	} {
		data := strings.Replace(kubeconfig, placeholder, ", "+field+": "+file, 1)
		data = strings.NewReplacer("CLUSTER", "", "USER", "").Replace(data)
		conn, err := Parse([]byte(data), Options{Now: now()})
		if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), file) {
			t.Errorf("%s: Parse(...): %v, %v", field, conn, err)
		}
		if e := (*Error)(nil); !errors.As(err, &e) || !strings.Contains(e.Message, "file") {
			t.Errorf("%s: Parse(...): %v", field, err)
		}
	}
}
