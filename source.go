package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// A source is an observed kubeconfig.
type source struct {
	kubeconfig []byte

	// gke says that the kubeconfig is the connection detail of a resource of GKE's
	// provider, and so written by nobody else.
	gke bool
}

// A kubeconfigKey is a key under which providers publish a kubeconfig.
type kubeconfigKey struct {
	name string

	// generic keys are in use for other things too.
	generic bool
}

// kubeconfigKeys returns the keys to look for, first things first.
func kubeconfigKeys() []kubeconfigKey {
	return []kubeconfigKey{
		{name: "kubeconfig"},
		{name: "attribute.kube_config_raw"},
		{name: "attribute.kube_config.0.raw_config"},
		{name: "attribute.kubeconfig.0.config_file"},
		{name: "attribute.kubeconfig"},
		{name: "attribute.kube_config"},
		{name: "value", generic: true},
		{name: "value.yaml", generic: true},
		{name: "config", generic: true},
	}
}

// observedKubeconfig returns the kubeconfig that the input names. The error is a
// *problem where there may be one later, and about the input otherwise.
func observedKubeconfig(req *fnv1.RunFunctionRequest, in *v1beta1.ClusterRegistration, xr *composite) (*source, error) {
	from := in.KubeconfigFrom
	if from.GetType() == v1beta1.KubeconfigSourceCompositeResource {
		kc := find(xr.connectionDetails, from.GetKey())
		if kc == nil {
			return nil, noKubeconfig("the XR", xr.connectionDetails, from.GetKey(), "only legacy XRs have connection details of their own")
		}
		return &source{kubeconfig: kc}, nil
	}

	observed := req.GetObserved().GetResources()
	if name := from.GetResourceName(); name != "" {
		r, ok := observed[name]
		if !ok {
			return nil, waitingForKubeconfig(fmt.Sprintf("the composed resource %q does not exist yet", name))
		}
		kc := find(r.GetConnectionDetails(), from.GetKey())
		if kc == nil {
			return nil, noKubeconfig(fmt.Sprintf("the composed resource %q", name), r.GetConnectionDetails(), from.GetKey(), connectionSecretHint(r))
		}
		return newSource(kc, r), nil
	}
	return onlyKubeconfig(observed, in.Output.GetResourceName(), from.GetKey())
}

// onlyKubeconfig returns the kubeconfig of the only composed resource that has one,
// but for our own.
func onlyKubeconfig(observed map[string]*fnv1.Resource, own, key string) (*source, error) {
	var names []string
	var found *source
	for name, r := range observed {
		if name == own {
			continue
		}
		if kc := find(r.GetConnectionDetails(), key); kc != nil {
			names, found = append(names, name), newSource(kc, r)
		}
	}
	switch len(names) {
	case 1:
		return found, nil
	case 0:
		return nil, waitingForKubeconfig("no composed resource has a kubeconfig in its connection details yet; it is published by one with spec.writeConnectionSecretToRef")
	}
	slices.Sort(names)
	return nil, errors.Errorf("kubeconfigFrom.resourceName: more than one composed resource has a kubeconfig, name one of %s", strings.Join(names, ", "))
}

func newSource(kc []byte, r *fnv1.Resource) *source {
	return &source{
		kubeconfig: kc,
		gke:        strings.HasPrefix(group(stringAt(r.GetResource(), "apiVersion")), "container.gcp."),
	}
}

// find returns the kubeconfig among connection details; nil if there is none.
func find(details map[string][]byte, key string) []byte {
	if key != "" {
		return nonEmpty(details[key])
	}
	if len(details) == 0 {
		return nil
	}
	for _, k := range kubeconfigKeys() {
		if kc := nonEmpty(details[k.name]); kc != nil && (!k.generic || kubeconfig.Is(kc)) {
			return kc
		}
	}
	return nil
}

// nonEmpty returns nil for a value that a provider has not filled in yet.
func nonEmpty(b []byte) []byte {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	return b
}

// noKubeconfig says why connection details have no kubeconfig, and what may help:
// the hint where they are empty.
func noKubeconfig(owner string, details map[string][]byte, key, hint string) error {
	switch {
	case len(details) == 0:
		return waitingForKubeconfig(fmt.Sprintf("%s has no connection details yet; %s", owner, hint))
	case key != "":
		return waitingForKubeconfig(fmt.Sprintf("the connection details of %s have no kubeconfig yet under the key %q", owner, key))
	}
	return waitingForKubeconfig(fmt.Sprintf("the connection details of %s have no kubeconfig yet under a known key; name another in kubeconfigFrom.key", owner))
}

// connectionSecretHint says what a composed resource without connection details
// waits for.
func connectionSecretHint(r *fnv1.Resource) string {
	if structAt(r.GetResource(), "spec", "writeConnectionSecretToRef") == nil {
		return "it must have spec.writeConnectionSecretToRef to publish them"
	}
	return "its provider has not published them"
}
