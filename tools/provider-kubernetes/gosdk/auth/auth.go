// Package auth is a part of the stub.
package auth

// BearerToken is an access token.
type BearerToken struct{ Token string }

// ServiceAccountReader reads a service account.
type ServiceAccountReader any

// NewPrivateKeyParser returns a reader that nothing reads.
func NewPrivateKeyParser([]byte, string, string) ServiceAccountReader { return nil }
