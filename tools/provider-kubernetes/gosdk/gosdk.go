// Package gosdk is a stub of the few names that provider-kubernetes uses of the SDK of
// Nebius, another cloud that it can sign in to. The SDK, which is not on the public Go
// module proxy, is not needed here: asking for an identity of Nebius fails.
package gosdk

import (
	"context"
	"errors"

	"github.com/nebius/gosdk/auth"
)

// SDK stands in for the client.
type SDK struct{}

// Option configures New.
type Option func()

// Credentials names a source of credentials.
type Credentials any

var errStub = errors.New("this build of provider-kubernetes cannot sign in to Nebius")

// New fails.
func New(context.Context, ...Option) (*SDK, error) { return nil, errStub }

// WithCredentials does nothing.
func WithCredentials(Credentials) Option { return func() {} }

// ServiceAccountReader returns what it is given.
func ServiceAccountReader(r auth.ServiceAccountReader) Credentials { return r }

// BearerToken fails.
func (*SDK) BearerToken(context.Context) (auth.BearerToken, error) {
	return auth.BearerToken{}, errStub
}
