package main

import (
	"fmt"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/request"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// A token is what credentials.type Token authenticates with.
type token struct {
	value string

	// ca of the server; empty for the kubeconfig's.
	ca []byte

	// what names the token in messages.
	what string

	// secret that holds the token, if Crossplane is to read or watch it.
	secret *fnv1.ResourceSelector
}

// findToken returns the token that the input names. The error is a *problem: the token may come
// later.
func findToken(req *fnv1.RunFunctionRequest, in *v1beta1.TokenCredentials, xr *composite) (token, error) {
	t, values, err := tokenValues(req, in, xr)
	if err != nil {
		return t, err
	}
	owner := t.what
	t.what = fmt.Sprintf("the token under the key %q of %s", in.Key, owner)
	if t.value = string(nonEmpty(values(in.Key))); t.value == "" {
		return t, waitingForToken(fmt.Sprintf("%s has no token under the key %q; check credentials.token.key", owner, in.Key))
	}
	if t.ca = nonEmpty(values(in.CAKey)); t.ca != nil && len(kubeconfig.CheckCA(t.ca)) > 0 {
		return t, kubeconfig.Invalid(fmt.Sprintf("the CA under the key %q of %s does not hold a PEM certificate; check credentials.token.caKey", in.CAKey, owner))
	}
	if len(t.value)+len(t.ca) > kubeconfig.MaxSize {
		return t, kubeconfig.Invalid(fmt.Sprintf("the token and the CA under the keys %q and %q of %s are larger than %d KiB, and do not fit into a Secret", in.Key, in.CAKey, owner, kubeconfig.MaxSize>>10))
	}
	return t, nil
}

// tokenValues returns how to read the values of the token's source, and the token with nothing but
// its Secret and what names that source.
func tokenValues(req *fnv1.RunFunctionRequest, in *v1beta1.TokenCredentials, xr *composite) (token, func(key string) []byte, error) {
	if in.SecretRef != nil {
		s, err := readSecret(req, requirementToken, in.SecretRef, xr, "credentials.token.secretRef", waitingForToken)
		return token{secret: s.selector, what: s.what}, func(key string) []byte { return decodedAt(s.data, key) }, err
	}
	t := token{what: fmt.Sprintf("composed resource %q", in.ResourceName)}
	r, ok := req.GetObserved().GetResources()[in.ResourceName]
	if !ok {
		return t, nil, waitingForToken("waiting for " + t.what + ", which does not exist; check credentials.token.resourceName")
	}
	if request.HasCapability(req, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES) {
		t.secret = connectionSecret(r)
	}
	details := r.GetConnectionDetails()
	if len(details) == 0 {
		return t, nil, waitingForToken(t.what + " has no connection details; " + connectionSecretHint(r))
	}
	return t, func(key string) []byte { return details[key] }, nil
}
