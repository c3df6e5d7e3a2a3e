package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/request"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// A source is where a kubeconfig is, and the kubeconfig if it is there.
type source struct {
	kubeconfig []byte

	// gke says that the kubeconfig is a connection detail of a resource of GKE's
	// provider, and so written by nobody else.
	gke bool

	// secret that holds the kubeconfig, where Crossplane is to read or watch it.
	secret *fnv1.ResourceSelector
}

// The Secrets that the function requires: the one that holds the kubeconfig, and the one
// that it is going to make.
const (
	requirementKubeconfig = "kubeconfig"
	requirementSecret     = "cluster-secret"
)

// kubeconfigKeys are the keys under which providers publish a kubeconfig, first things
// first. genericKeys are in use for other things too.
func kubeconfigKeys() []string {
	return []string{
		"kubeconfig",
		"attribute.kube_config_raw",
		"attribute.kube_config.0.raw_config",
		"attribute.kubeconfig.0.config_file",
		"attribute.kubeconfig",
		"attribute.kube_config",
	}
}

func genericKeys() []string { return []string{"value", "value.yaml", "config"} }

// findSource returns the source that the input names. The error is a *problem where
// there may be a kubeconfig later, and about the input otherwise.
func findSource(req *fnv1.RunFunctionRequest, in *v1beta1.ClusterRegistration, xr *composite) (source, error) {
	from := in.KubeconfigFrom
	switch from.GetType() {
	case v1beta1.KubeconfigSourceSecret:
		return requiredSecret(req, from, xr)
	case v1beta1.KubeconfigSourceCompositeResource:
		kc := find(xr.connectionDetails, from.GetKey())
		if kc == nil {
			return source{}, noKubeconfig("the XR", len(xr.connectionDetails), from.GetKey(), "has no connection details yet; only legacy XRs have their own")
		}
		return source{kubeconfig: kc}, nil
	case v1beta1.KubeconfigSourceComposedResource:
	}

	observed := req.GetObserved().GetResources()
	name := from.GetResourceName()
	var kc []byte
	if name == "" {
		var err error
		if name, kc, err = onlyKubeconfig(observed, in.Output.GetResourceName(), from.GetKey()); err != nil {
			return source{}, err
		}
	} else {
		if _, ok := observed[name]; !ok {
			return source{}, waitingForKubeconfig(fmt.Sprintf("the composed resource %q does not exist yet", name))
		}
		kc = find(observed[name].GetConnectionDetails(), from.GetKey())
	}
	r := observed[name]
	src := source{
		kubeconfig: kc,
		gke:        strings.HasPrefix(group(stringAt(r.GetResource(), "apiVersion")), "container.gcp."),
	}
	// Crossplane watches what a function requires, but not connection Secrets: without
	// this, a new kubeconfig waits for the response's time to live to end. It is what
	// the connection details already hold, so the function is told nothing more.
	if request.HasCapability(req, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES) {
		src.secret = connectionSecret(r.GetResource())
	}
	if src.kubeconfig == nil {
		return src, noKubeconfig(fmt.Sprintf("the composed resource %q", name), len(r.GetConnectionDetails()), from.GetKey(), "has no connection details yet; "+connectionSecretHint(r.GetResource()))
	}
	return src, nil
}

// onlyKubeconfig returns the name of the only composed resource that has a kubeconfig,
// but for our own, and that kubeconfig.
func onlyKubeconfig(observed map[string]*fnv1.Resource, own, key string) (resourceName string, kc []byte, err error) {
	var names []string
	var found []byte
	for name, r := range observed {
		if name == own {
			continue
		}
		if kc := find(r.GetConnectionDetails(), key); kc != nil {
			names, found = append(names, name), kc
		}
	}
	switch len(names) {
	case 1:
		return names[0], found, nil
	case 0:
		return "", nil, waitingForKubeconfig("no composed resource has a kubeconfig in its connection details yet; it is published by one with spec.writeConnectionSecretToRef")
	}
	slices.Sort(names)
	return "", nil, errors.Errorf("kubeconfigFrom.resourceName: more than one composed resource has a kubeconfig, name one of %s", strings.Join(names, ", "))
}

// requiredSecret returns the Secret that the input names as a source.
func requiredSecret(req *fnv1.RunFunctionRequest, from *v1beta1.KubeconfigSource, xr *composite) (source, error) {
	ref := from.GetSecretRef()
	name, err := xr.text("a Secret's name", ref.NameValue(), v1beta1.CheckSecretName)
	if err != nil {
		return source{}, err
	}
	namespace, err := xr.text("a namespace", ref.NamespaceValue(), v1beta1.CheckNamespace)
	if err != nil {
		return source{}, err
	}
	if namespace == "" {
		namespace = xr.namespace
	}
	src := source{secret: secretSelector(namespace, name)}

	what := fmt.Sprintf("the Secret %s/%s", namespace, name)
	found, ok := req.GetRequiredResources()[requirementKubeconfig]
	switch {
	case !ok && !request.AdvertisesCapabilities(req):
		// Crossplane v1 has only extra resources, which have no namespace, and so
		// cannot be Secrets.
		return src, waitingForKubeconfig(what + " was not read; Crossplane reads Secrets for functions from v2.0 on")
	case !ok:
		return src, waitingForKubeconfig(what + " was not read yet")
	case len(found.GetItems()) == 0:
		return src, waitingForKubeconfig(what + " does not exist yet")
	}
	data := structAt(found.GetItems()[0].GetResource(), "data")
	if src.kubeconfig = find(decoded(data, from.GetKey()), from.GetKey()); src.kubeconfig == nil {
		return src, noKubeconfig(what, len(data.GetFields()), from.GetKey(), "has no data yet")
	}
	return src, nil
}

// decoded returns the values of a Secret's data that may be the kubeconfig.
func decoded(data *structpb.Struct, key string) map[string][]byte {
	keys := []string{key}
	if key == "" {
		keys = append(kubeconfigKeys(), genericKeys()...)
	}
	out := make(map[string][]byte, 1)
	for _, k := range keys {
		// Whatever is no base64 was not written by an API server.
		if b, err := base64.StdEncoding.DecodeString(stringAt(data, k)); err == nil && len(b) > 0 {
			out[k] = b
		}
	}
	return out
}

func secretSelector(namespace, name string) *fnv1.ResourceSelector {
	return &fnv1.ResourceSelector{
		ApiVersion: "v1",
		Kind:       kindSecret,
		Match:      &fnv1.ResourceSelector_MatchName{MatchName: name},
		Namespace:  &namespace,
	}
}

// connectionSecret returns the Secret to which a composed resource publishes its
// connection details; nil if it does not.
func connectionSecret(res *structpb.Struct) *fnv1.ResourceSelector {
	ref := structAt(res, "spec", "writeConnectionSecretToRef")
	name, namespace := stringAt(ref, "name"), stringAt(ref, "namespace")
	if ns := stringAt(res, "metadata", "namespace"); ns != "" {
		namespace = ns
	}
	if name == "" || namespace == "" {
		return nil
	}
	return secretSelector(namespace, name)
}

// connectionSecretHint says what a composed resource without connection details waits
// for.
func connectionSecretHint(res *structpb.Struct) string {
	if structAt(res, "spec", "writeConnectionSecretToRef") == nil {
		return "it must have spec.writeConnectionSecretToRef to publish them"
	}
	return "its provider has not published them"
}

// find returns the kubeconfig among connection details; nil if there is none.
func find(details map[string][]byte, key string) []byte {
	if len(details) == 0 {
		return nil
	}
	if key != "" {
		return nonEmpty(details[key])
	}
	for _, k := range kubeconfigKeys() {
		if kc := nonEmpty(details[k]); kc != nil {
			return kc
		}
	}
	for _, k := range genericKeys() {
		if kc := nonEmpty(details[k]); kc != nil && kubeconfig.Is(kc) {
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

// noKubeconfig says why there is no kubeconfig among the details, and what may help: what
// holds of their owner where there are none at all.
func noKubeconfig(owner string, details int, key, none string) error {
	switch {
	case details == 0:
		return waitingForKubeconfig(owner + " " + none)
	case key != "":
		return waitingForKubeconfig(fmt.Sprintf("%s has no kubeconfig yet under the key %q", owner, key))
	}
	return waitingForKubeconfig(owner + " has no kubeconfig yet under a known key; name another in kubeconfigFrom.key")
}

// require has Crossplane read a Secret, on every call alike.
func require(rsp *fnv1.RunFunctionResponse, name string, secret *fnv1.ResourceSelector) {
	if secret == nil {
		return
	}
	if rsp.GetRequirements() == nil {
		rsp.Requirements = &fnv1.Requirements{Resources: map[string]*fnv1.ResourceSelector{}}
	}
	rsp.Requirements.Resources[name] = secret
}
