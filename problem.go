package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/crossplane/function-sdk-go/errors"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// Reasons of the condition.
const (
	reasonRegistered             = "Registered"
	reasonRetained               = "Retained"
	reasonDraining               = "Draining"
	reasonUpdating               = "Updating"
	reasonCredentialsExpired     = "CredentialsExpired"
	reasonRegistering            = "Registering"
	reasonWaitingForKubeconfig   = "WaitingForKubeconfig"
	reasonWaitingForToken        = "WaitingForToken"
	reasonWaitingForField        = "WaitingForField"
	reasonInvalidField           = "InvalidField"
	reasonAmbiguousKubeconfig    = "AmbiguousKubeconfig"
	reasonNameConflict           = "NameConflict"
	reasonServerConflict         = "ServerConflict"
	reasonInvalidKubeconfig      = string(kubeconfig.InvalidKubeconfig)
	reasonUnsupportedCredentials = string(kubeconfig.UnsupportedCredentials)
)

// A problem is why a cluster cannot be registered now, or not as it should be. It is
// about what is observed, which may change. What only a change to the Composition can
// fix is an ordinary error.
type problem struct {
	reason  string
	message string
}

func (p *problem) Error() string { return p.message }

// problemOf returns what an error says to the XR's user; nil for an error about the
// Composition.
func problemOf(err error) *problem {
	if k := (*kubeconfig.Error)(nil); errors.As(err, &k) {
		return &problem{reason: string(k.Reason), message: k.Message}
	}
	if p := (*problem)(nil); errors.As(err, &p) {
		return p
	}
	return nil
}

// problems are all that keeps a cluster from being registered, the first of them first.
type problems []error //nolint:recvcheck // Only add changes it.

func (p problems) Error() string { return strings.Join(p.messages(), "; ") }

// messages returns the message of each problem once.
func (p problems) messages() []string {
	messages := make([]string, 0, len(p))
	for _, err := range p {
		if m := err.Error(); !slices.Contains(messages, m) {
			messages = append(messages, m)
		}
	}
	return messages
}

// add an error, if there is one. Problems are added one by one.
func (p *problems) add(err error) {
	more, ok := err.(problems) //nolint:errorlint // They are never wrapped.
	for _, err := range more {
		p.add(err)
	}
	if !ok && err != nil {
		*p = append(*p, err)
	}
}

// error returns the problems as an error; nil if there are none.
func (p problems) error() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

func waitingForKubeconfig(message string) error {
	return &problem{reason: reasonWaitingForKubeconfig, message: message}
}

func waitingForToken(message string) error {
	return &problem{reason: reasonWaitingForToken, message: message}
}

func waitingForField(from *v1beta1.FieldSource) error {
	return &problem{reason: reasonWaitingForField, message: "waiting for " + fieldName(from) + ", which is not set"}
}

func invalidField(from *v1beta1.FieldSource, message string) error {
	return &problem{reason: reasonInvalidField, message: fieldName(from) + " " + message}
}

// nameConflict says that a Secret exists which is not this XR's. Its owner is empty where
// nothing says whose it is.
func nameConflict(id identity, owner string, xr *composite) error {
	if owner != "" {
		return &problem{reason: reasonNameConflict, message: fmt.Sprintf("Secret %s already belongs to %s. Set cluster.name or output.name to use another Secret", id.secretName(), owner)}
	}
	return &problem{reason: reasonNameConflict, message: fmt.Sprintf(
		"Secret %s already exists and was not created for this XR. Set cluster.name or output.name to use another Secret, or annotate the Secret with %s: %s to let this XR take it over",
		id.secretName(), annotationComposite, xr.identity())}
}
