package kubeconfig

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTokenNotAfter checks when a token ends, as far as it says so.
func TestTokenNotAfter(t *testing.T) {
	cases := map[string]struct {
		reason string
		token  string
		want   time.Time
	}{
		"JWT":          {"We should read the end in seconds, because a JWT has it so.", jwt(`{"iss":"x","exp":1798761600}`), time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)},
		"Fraction":     {"We should drop a fraction, because a JWT may have one.", jwt(`{"exp":1798761600.75}`), time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)},
		"Exponent":     {"We should read an exponent, because a JWT may have one.", jwt(`{"exp":1.7987616e9}`), time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)},
		"Padded":       {"We should read padded base64, because some issuers pad it.", strings.Replace(jwt(`{"exp":1798761600 }`), ".", "==.", 1), time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)},
		"WithoutExp":   {"We should return no end, because a ServiceAccount's token may have none.", jwt(`{"iss":"kubernetes/serviceaccount"}`), time.Time{}},
		"OtherCase":    {"We should ignore a claim in capitals, because claims have a case.", jwt(`{"EXP":1798761600}`), time.Time{}},
		"Text":         {"We should ignore an end in text, because a JWT's is a number.", jwt(`{"exp":"1798761600"}`), time.Time{}},
		"Null":         {"We should ignore a null end, because it is not a time.", jwt(`{"exp":null}`), time.Time{}},
		"Zero":         {"We should ignore an end of 0, because some issuers write it for none.", jwt(`{"exp":0}`), time.Time{}},
		"Negative":     {"We should ignore a negative end, because it is not a time of any token.", jwt(`{"exp":-1798761600}`), time.Time{}},
		"Milliseconds": {"We should ignore an end after the year 9999, because it is in milliseconds.", jwt(`{"exp":1798761600000}`), time.Time{}},
		"Huge":         {"We should ignore a huge end, because no integer can hold it.", jwt(`{"exp":1e300}`), time.Time{}},
		"Overflow":     {"We should ignore a larger end, because no number can hold it.", jwt(`{"exp":1e999}`), time.Time{}},
		"NaN":          {"We should ignore NaN, because it is not JSON.", jwt(`{"exp":NaN}`), time.Time{}},
		"Array":        {"We should ignore an array, because a JWT's payload is an object.", jwt(`[1798761600]`), time.Time{}},
		"Opaque":       {"We should return no end of an opaque token, because it does not say when it ends.", "sha256~canary", time.Time{}},
		"EKS":          {"We should return no end of EKS's token, because it is not a JWT.", "k8s-aws-v1.aHR0cHM6Ly9zdHM", time.Time{}},
		"NotBase64":    {"We should ignore parts that are not base64, because the token is not a JWT.", "a.b!.c", time.Time{}},
		"BadSignature": {"We should ignore a signature that is not base64, because the token is not a JWT.", jwt(`{"exp":1798761600}`) + "!", time.Time{}},
		"FourParts":    {"We should ignore a token with four parts, because a JWT has three.", jwt(`{"exp":1798761600}`) + ".x", time.Time{}},
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

// TestCertificateNotAfter checks when a client certificate ends.
func TestCertificateNotAfter(t *testing.T) {
	cert := string(clientCert(t))
	end := time.Date(2028, time.November, 19, 0, 0, 0, 0, time.UTC)
	cases := map[string]struct {
		reason string
		cert   string
		want   time.Time
	}{
		"Certificate": {"We should return the certificate's end, because the cluster refuses it from then on.", cert, end},
		"Chain":       {"We should return the first certificate's end, because it is the client's.", cert + pemCA(t), end},
		"KeyBefore":   {"We should skip other blocks, because a file may begin with them.", "-----BEGIN EC PARAMETERS-----\neA==\n-----END EC PARAMETERS-----\n" + cert, end},
		"NotPEM":      {"We should return no end of what is not PEM, because other checks refuse it.", "canary", time.Time{}},
		"NotX509":     {"We should return no end of what is not a certificate, because other checks refuse it.", "-----BEGIN CERTIFICATE-----\neA==\n-----END CERTIFICATE-----\n" + cert, time.Time{}},
		"Empty":       {"We should return no end of an empty certificate, because other checks refuse it.", "", time.Time{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, CertificateNotAfter([]byte(tc.cert)).Truncate(24*time.Hour)); diff != "" {
				t.Errorf("\n%s\nCertificateNotAfter(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestCertificateEnd checks the second at which a certificate expires: it is the one of Argo CD's
// TLS library.
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
