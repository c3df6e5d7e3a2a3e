package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/request"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// A source is where a kubeconfig is, and the kubeconfig if it is there.
type source struct {
	kubeconfig foundKubeconfig

	// resourceName and resource are the composed resource that publishes the kubeconfig;
	// empty if something else does.
	resourceName string
	resource     *fnv1.Resource

	// secret that holds the kubeconfig, if Crossplane is to read or watch it.
	secret *fnv1.ResourceSelector
}

// A foundKubeconfig is data, and what it says if that was decoded to recognize it, and kept.
type foundKubeconfig struct {
	data   []byte
	config *kubeconfig.Config
}

// connection returns the kubeconfig's connection.
func (f foundKubeconfig) connection(o kubeconfig.Options) (*kubeconfig.Connection, error) {
	if f.config != nil {
		return f.config.Connection(o)
	}
	return kubeconfig.Parse(f.data, o)
}

// kubeconfigKeys are the keys under which providers publish a kubeconfig, in order of
// preference.
func kubeconfigKeys() []string {
	return []string{
		"kubeconfig",
		"attribute.kube_config_raw",
		"attribute.kube_config.0.raw_config",
		"attribute.kubeconfig.0.config_file",
		"attribute.kubeconfig",
		"attribute.kube_config",
		"attribute.kubeconfig.raw_config",
	}
}

// genericKeys may also hold other things, so their values are checked.
func genericKeys() []string {
	return []string{"value", "value.yaml", "config", "kubeconfig.yaml", "kubeconfig.json", "kube_config_raw", "kube_config", "admin.conf", "admin.svc"}
}

// findSource returns the source that the input names. If it names no composed resource, it
// is the one that the cluster was registered from, so that no other cluster ever takes its
// place; else the only one that has a kubeconfig. The error is a *problem if there may be
// a kubeconfig later.
func findSource(req *fnv1.RunFunctionRequest, in *v1beta1.ClusterRegistration, xr *composite, was *registration, all map[string]foundKubeconfig) (source, error) {
	from := &in.KubeconfigFrom
	switch from.Type {
	case v1beta1.KubeconfigSourceSecret:
		return requiredSecret(req, from, xr)
	case v1beta1.KubeconfigSourceCompositeResource:
		kc := find(xr.connectionDetails, from.Key)
		if kc.data == nil {
			return source{}, noKubeconfig("the XR", len(xr.connectionDetails), from.Key, "has no connection details; only legacy (v1-style) XRs have them. Set kubeconfigFrom.type to ComposedResource or Secret")
		}
		return source{kubeconfig: kc}, nil
	case v1beta1.KubeconfigSourceComposedResource:
	}

	observed := req.GetObserved().GetResources()
	name, remembered := from.ResourceName, ""
	if name == "" {
		name = was.source()
		remembered = fmt.Sprintf(". The cluster was registered from composed resource %q; to register it from another one, set kubeconfigFrom.resourceName", name)
	}
	if name == "" {
		var err error
		if name, err = onlyKubeconfig(all, was, in.Output.ResourceName, from.Key); err != nil {
			return source{}, err
		}
	} else if _, ok := observed[name]; !ok {
		return source{resourceName: name}, waitingForKubeconfig(fmt.Sprintf("waiting for composed resource %q, which does not exist", name) + missingHint(from) + suffix(from, remembered))
	}
	r := observed[name]
	kc, ok := all[name]
	if !ok {
		kc = find(r.GetConnectionDetails(), from.Key)
	}
	src := source{kubeconfig: kc, resourceName: name, resource: r}
	// Crossplane watches required resources, but not connection Secrets. Requiring the
	// connection Secret makes a rotation trigger a reconcile; the function already has its
	// data.
	if request.HasCapability(req, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES) {
		src.secret = connectionSecret(r)
	}
	if src.kubeconfig.data == nil {
		err := noKubeconfig(fmt.Sprintf("composed resource %q", name), len(r.GetConnectionDetails()), from.Key, "has no connection details; "+connectionSecretHint(r))
		message := err.Error()
		if len(r.GetConnectionDetails()) > 0 && from.Key == "" {
			message += ". For a Secret that is not composed set kubeconfigFrom.type: Secret"
		}
		return src, waitingForKubeconfig(message + suffix(from, remembered))
	}
	return src, nil
}

// missingHint returns what to check if a composed resource does not exist.
func missingHint(from *v1beta1.KubeconfigSource) string {
	if from.ResourceName == "" {
		return ""
	}
	return "; check kubeconfigFrom.resourceName"
}

// suffix returns what is added to a message about a composed resource that the input does
// not name.
func suffix(from *v1beta1.KubeconfigSource, remembered string) string {
	if from.ResourceName != "" {
		return ""
	}
	return remembered
}

// kubeconfigs returns the kubeconfigs that composed resources have published.
func kubeconfigs(observed map[string]*fnv1.Resource, key string) map[string]foundKubeconfig {
	all := make(map[string]foundKubeconfig, 1)
	for name, r := range observed {
		kc := find(r.GetConnectionDetails(), key)
		if kc.data == nil {
			continue
		}
		if len(all) > 0 {
			// Of several, at most one is used, and decoded it may take ten times the memory.
			kc.config = nil
		}
		all[name] = kc
	}
	return all
}

// onlyKubeconfig returns the name of the only composed resource that has a kubeconfig,
// except for the registration itself.
func onlyKubeconfig(all map[string]foundKubeconfig, was *registration, own, key string) (string, error) {
	var names []string
	for name := range all {
		if name != own && (was == nil || name != was.resourceName) {
			names = append(names, name)
		}
	}
	switch len(names) {
	case 1:
		return names[0], nil
	case 0:
		if key != "" {
			return "", waitingForKubeconfig(fmt.Sprintf("no composed resource has published a kubeconfig under the key %q; check kubeconfigFrom.key, and that the cluster sets spec.writeConnectionSecretToRef", key))
		}
		return "", waitingForKubeconfig("no composed resource has published a kubeconfig under a well-known key; check that the cluster sets spec.writeConnectionSecretToRef. For another key set kubeconfigFrom.key, and for a Secret that is not composed set kubeconfigFrom.type: Secret")
	}
	slices.Sort(names)
	return "", &problem{reason: reasonAmbiguousKubeconfig, message: "several composed resources have published a kubeconfig; set kubeconfigFrom.resourceName to one of " + strings.Join(names, ", ")}
}

// requiredSecret returns the Secret that the input names as a source of the kubeconfig.
func requiredSecret(req *fnv1.RunFunctionRequest, from *v1beta1.KubeconfigSource, xr *composite) (source, error) {
	s, err := readSecret(req, requirementKubeconfig, from.SecretRef, xr, "kubeconfigFrom.secretRef", waitingForKubeconfig)
	src := source{secret: s.selector}
	if err != nil {
		return src, err
	}
	if src.kubeconfig = find(decoded(s.data, from.Key), from.Key); src.kubeconfig.data == nil {
		return src, noKubeconfig(s.what, len(s.data.GetFields()), from.Key, "has no data")
	}
	return src, nil
}

// A readingOf is what Crossplane read of a Secret that the input names.
type readingOf struct {
	// selector is how Crossplane finds the Secret; nil if its name is not known.
	selector *fnv1.ResourceSelector

	// what names the Secret in messages.
	what string
	data *structpb.Struct
}

// readSecret returns a Secret that the input names in a field. The error, of the kind that waiting
// makes, says why it could not be read.
func readSecret(req *fnv1.RunFunctionRequest, requirement string, ref *v1beta1.SecretReference, xr *composite, input string, waiting func(string) error) (readingOf, error) {
	var missing problems
	name, err := xr.text("a Secret's name", ref.Name, ref.NameFrom, checkSecretName)
	missing.add(err)
	namespace, err := xr.text("a namespace", ref.Namespace, ref.NamespaceFrom, checkNamespace)
	missing.add(err)
	if len(missing) > 0 {
		return readingOf{}, missing
	}
	if namespace.value == "" {
		namespace.value = xr.namespace
	}
	r := readingOf{selector: secretSelector(namespace.value, name.value), what: fmt.Sprintf("Secret %s/%s", namespace.value, name.value)}

	found, ok := req.GetRequiredResources()[requirement]
	switch {
	case !ok && !request.AdvertisesCapabilities(req):
		// Crossplane v1 has only extra resources, which have no namespace, and so
		// cannot be Secrets.
		return r, waiting(r.what + " cannot be read: this Crossplane does not support it. Upgrade to v2.0 or later")
	case !ok:
		return r, waiting(r.what + " has been requested from Crossplane")
	case len(found.GetItems()) == 0:
		return r, waiting(r.what + " does not exist; check " + input)
	case !isNamed(resourceOf(found.GetItems()[0]), namespace.value, name.value):
		return r, waiting(r.what + " has been requested from Crossplane")
	}
	r.data = structAt(resourceOf(found.GetItems()[0]), "data")
	return r, nil
}

// decoded returns the values of a Secret's data that may be the kubeconfig.
func decoded(data *structpb.Struct, key string) map[string][]byte {
	keys := []string{key}
	if key == "" {
		keys = append(kubeconfigKeys(), genericKeys()...)
	}
	out := make(map[string][]byte, 1)
	for _, k := range keys {
		if b := decodedAt(data, k); len(b) > 0 {
			out[k] = b
		}
	}
	return out
}

// decodedAt returns a value of a Secret's data; nil if there is none. An API server writes only
// base64.
func decodedAt(data *structpb.Struct, key string) []byte {
	b, err := base64.StdEncoding.DecodeString(stringAt(data, key))
	if err != nil {
		return nil
	}
	return b
}

// connectionSecret returns the Secret to which a composed resource publishes its
// connection details; nil if it does not.
func connectionSecret(res *fnv1.Resource) *fnv1.ResourceSelector {
	name := textOf(res, "spec", "writeConnectionSecretToRef", "name")
	namespace := cmp.Or(textOf(res, "metadata", "namespace"), textOf(res, "spec", "writeConnectionSecretToRef", "namespace"))
	if name == "" || namespace == "" {
		return nil
	}
	return secretSelector(namespace, name)
}

// connectionSecretHint explains why a composed resource has no connection details.
func connectionSecretHint(res *fnv1.Resource) string {
	if structAt(resourceOf(res), "spec", "writeConnectionSecretToRef") == nil {
		return "set spec.writeConnectionSecretToRef on it"
	}
	return "its provider has not published them"
}

// find returns the kubeconfig among connection details; without data if there is none.
func find(details map[string][]byte, key string) foundKubeconfig {
	if len(details) == 0 {
		return foundKubeconfig{}
	}
	if key != "" {
		return foundKubeconfig{data: nonEmpty(details[key])}
	}
	for _, k := range kubeconfigKeys() {
		if kc := nonEmpty(details[k]); kc != nil {
			return foundKubeconfig{data: kc}
		}
	}
	for _, k := range genericKeys() {
		kc := nonEmpty(details[k])
		if kc == nil {
			continue
		}
		if config := kubeconfig.Recognize(kc); config != nil {
			return foundKubeconfig{kc, config}
		}
	}
	return foundKubeconfig{}
}

// nonEmpty returns nil for a value that a provider has not filled in yet.
func nonEmpty(b []byte) []byte {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	return b
}

// noKubeconfig explains why owner has no kubeconfig. none is the explanation if it has no
// connection details at all.
func noKubeconfig(owner string, details int, key, none string) error {
	switch {
	case details == 0:
		return waitingForKubeconfig(owner + " " + none)
	case key != "":
		return waitingForKubeconfig(fmt.Sprintf("%s has no kubeconfig under the key %q; check kubeconfigFrom.key", owner, key))
	}
	return waitingForKubeconfig(owner + " has no kubeconfig under any well-known key; set kubeconfigFrom.key")
}
