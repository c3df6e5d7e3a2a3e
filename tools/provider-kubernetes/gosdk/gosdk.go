// Package gosdk stands in for the SDK of Nebius, another cloud that provider-kubernetes
// can sign in to. It has the few names that the provider uses. Nothing here needs the
// SDK: asking for an identity of Nebius fails.
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
