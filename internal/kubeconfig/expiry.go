package kubeconfig

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/json"
)

// maxExp is the end of the year 9999, the last that dates are written for.
const maxExp = 253402300799

// TokenNotAfter returns when a token expires, if it is a JWT that says so; zero otherwise.
// The token's signature is not verified: only the cluster can.
func TokenNotAfter(token string) time.Time {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	var payload []byte
	for i, p := range parts {
		b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(p, "="))
		if err != nil {
			return time.Time{}
		}
		if i == 1 {
			payload = b
		}
	}
	var claims struct {
		Exp float64 `json:"exp"`
	}
	// Unlike the standard library's, this decoder does not take Exp for exp.
	if err := json.UnmarshalCaseSensitivePreserveInts(payload, &claims); err != nil || claims.Exp < 1 || claims.Exp > maxExp {
		return time.Time{}
	}
	return time.Unix(int64(claims.Exp), 0).UTC()
}

// CertificateNotAfter returns when a PEM certificate expires, the first of a chain; zero if
// it cannot be parsed.
func CertificateNotAfter(certPEM []byte) time.Time {
	for block, rest := pem.Decode(certPEM); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			break
		}
		return cert.NotAfter
	}
	return time.Time{}
}

// CheckToken says what is wrong with a bearer token; nothing if it is fine.
func CheckToken(token string) []string {
	switch {
	case token == "":
		return []string{"must not be empty"}
	case !utf8.ValidString(token):
		return []string{"must be UTF-8 text"}
	case strings.ContainsFunc(token, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return []string{"must not hold a space or a control character"}
	}
	return nil
}

// CheckCA says what is wrong with the certificates that a server's certificate is verified
// with; nothing if they are fine.
func CheckCA(ca []byte) []string {
	if !x509.NewCertPool().AppendCertsFromPEM(ca) {
		return []string{"must hold a PEM certificate"}
	}
	return nil
}
