package kubeconfig

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTokenNotAfter(t *testing.T) {
	cases := map[string]struct {
		reason string
		token  string
		want   time.Time
	}{
		"JWT":          {"A JWT has its end in seconds.", jwt(`{"iss":"x","exp":1798761600}`), time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)},
		"Fraction":     {"The number may have a fraction.", jwt(`{"exp":1798761600.75}`), time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)},
		"Exponent":     {"Or an exponent.", jwt(`{"exp":1.7987616e9}`), time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)},
		"Padded":       {"Some issuers pad base64.", strings.Replace(jwt(`{"exp":1798761600 }`), ".", "==.", 1), time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)},
		"WithoutExp":   {"A ServiceAccount's token may never end.", jwt(`{"iss":"kubernetes/serviceaccount"}`), time.Time{}},
		"OtherCase":    {"Claims have a case.", jwt(`{"EXP":1798761600}`), time.Time{}},
		"Text":         {"We should ignore an end that is not a number.", jwt(`{"exp":"1798761600"}`), time.Time{}},
		"Null":         {"We should ignore an end that is null.", jwt(`{"exp":null}`), time.Time{}},
		"Zero":         {"We should ignore an end at the beginning of time.", jwt(`{"exp":0}`), time.Time{}},
		"Negative":     {"We should ignore an end before that.", jwt(`{"exp":-1798761600}`), time.Time{}},
		"Milliseconds": {"We should ignore an end after the year 9999.", jwt(`{"exp":1798761600000}`), time.Time{}},
		"Huge":         {"We should ignore what no integer can hold.", jwt(`{"exp":1e300}`), time.Time{}},
		"Overflow":     {"We should ignore what no number can hold.", jwt(`{"exp":1e999}`), time.Time{}},
		"NaN":          {"We should ignore what is not JSON.", jwt(`{"exp":NaN}`), time.Time{}},
		"Array":        {"We should ignore a payload that is not an object.", jwt(`[1798761600]`), time.Time{}},
		"Opaque":       {"Most tokens are opaque.", "sha256~canary", time.Time{}},
		"EKS":          {"EKS's token has two parts.", "k8s-aws-v1.aHR0cHM6Ly9zdHM", time.Time{}},
		"NotBase64":    {"We should ignore parts that are not base64.", "a.b!.c", time.Time{}},
		"BadSignature": {"We should ignore a token of which one part is not base64.", jwt(`{"exp":1798761600}`) + "!", time.Time{}},
		"FourParts":    {"We should ignore a token with more parts.", jwt(`{"exp":1798761600}`) + ".x", time.Time{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, TokenNotAfter(tc.token)); diff != "" {
				t.Errorf("\n%s\nTokenNotAfter(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// clientCert returns the client certificate of a sample.
func clientCert(t testing.TB) []byte {
	t.Helper()
	m := regexp.MustCompile(`client-certificate-data: *(\S+)`).FindSubmatch(sample(t, "kc-capi.yaml"))
	b, err := base64.StdEncoding.DecodeString(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCertificateNotAfter(t *testing.T) {
	cert := string(clientCert(t))
	end := time.Date(2028, time.November, 19, 0, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		reason string
		cert   string
		want   time.Time
	}{
		"Certificate": {"A certificate has an end.", cert, end},
		"Chain":       {"The first of a chain is the client's.", cert + pemCA(t), end},
		"KeyBefore":   {"A file may hold other things first.", "-----BEGIN EC PARAMETERS-----\neA==\n-----END EC PARAMETERS-----\n" + cert, end},
		"NotPEM":      {"We should not fail on what is not PEM.", "canary", time.Time{}},
		"NotX509":     {"We should not fail on what is not a certificate.", "-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n" + cert, time.Time{}},
		"Empty":       {"We should not fail on nothing.", "", time.Time{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, CertificateNotAfter([]byte(tc.cert)).Truncate(24*time.Hour)); diff != "" {
				t.Errorf("\n%s\nCertificateNotAfter(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestCertificateEnd checks the second at which a certificate expires, by which Argo CD's TLS
// library goes, too.
func TestCertificateEnd(t *testing.T) {
	notAfter := CertificateNotAfter(clientCert(t))
	conn, err := Parse(sample(t, "kc-capi.yaml"), Options{Now: notAfter})
	if err != nil || !conn.Credential.NotAfter.Equal(notAfter) {
		t.Errorf("Parse(...) at %s: %v, %v", notAfter, conn, err)
	}
	if conn, err := Parse(sample(t, "kc-capi.yaml"), Options{Now: notAfter.Add(time.Second)}); err == nil {
		t.Errorf("Parse(...) a second after %s: %v", notAfter, conn)
	}
}
