package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// The APIs of provider-kubernetes.
const (
	groupClusterObject    = "kubernetes.crossplane.io"
	groupNamespacedObject = "kubernetes.m.crossplane.io"

	apiVersionClusterObject    = groupClusterObject + "/v1alpha2"
	apiVersionNamespacedObject = groupNamespacedObject + "/v1alpha1"

	kindObject = "Object"
	kindSecret = "Secret"
)

// annotationCreated is what a provider sets once it has created what it manages.
const annotationCreated = "crossplane.io/external-create-succeeded"

// An identity is what of a registration cannot change without deleting the Secret, or
// renaming the cluster. Argo CD deletes Applications after either.
type identity struct {
	// apiVersion and kind of the composed resource.
	apiVersion, kind string

	// namespace and name of the Secret.
	namespace, name string

	// cluster is Argo CD's name of the cluster.
	cluster string

	// config is the provider-kubernetes configuration of an Object.
	config providerConfig
}

// A providerConfig refers to a provider-kubernetes configuration. Objects of cluster-scoped
// XRs have no kind for it.
type providerConfig struct{ kind, name string }

// secretName returns the namespace and name of the Secret.
func (id identity) secretName() string { return id.namespace + "/" + id.name }

// wantedIdentity returns the identity that the input asks for. The cluster's name is empty
// if it is not known, and then the Secret's may be.
func wantedIdentity(out *v1beta1.Output, xr *composite, cluster string) identity {
	id := identity{namespace: out.Namespace, name: out.Name, cluster: cluster}
	if id.name == "" && cluster != "" {
		id.name = argocd.SecretName(cluster)
	}
	if out.Type == v1beta1.OutputSecret {
		id.apiVersion, id.kind = "v1", kindSecret
		return id
	}
	ref := out.Object.ProviderConfigRef
	id.apiVersion, id.kind, id.config = apiVersionClusterObject, kindObject, providerConfig{name: ref.Name}
	if xr.namespace != "" {
		id.apiVersion, id.config.kind = apiVersionNamespacedObject, cmp.Or(string(ref.Kind), string(v1beta1.ProviderConfigKindCluster))
	}
	return id
}

// unchanged names the fields of the input that ask for another identity than the one that
// is kept.
func (id identity) unchanged(kept identity) []string {
	var fields []string
	if id.kind != kept.kind {
		fields = append(fields, "output.type")
	}
	if id.namespace != kept.namespace {
		fields = append(fields, "output.namespace")
	}
	switch {
	case id.cluster != "" && id.cluster != kept.cluster:
		// The Secret's name may follow from the cluster's.
		fields = append(fields, "cluster.name")
		if id.name != argocd.SecretName(id.cluster) && id.name != kept.name {
			fields = append(fields, "output.name")
		}
	case id.name != "" && id.name != kept.name:
		fields = append(fields, "output.name")
	}
	if id.kind == kindObject && kept.kind == kindObject && id.config != kept.config {
		fields = append(fields, "output.object.providerConfigRef")
	}
	return fields
}

// objectName returns the name of an Object. It follows from what the Object makes: an XR that
// is deleted and made again waits for the old Object's end instead of being undone by it,
// and two cluster-scoped XRs cannot make one Secret. A namespace has no dots.
func (id identity) objectName() string {
	name := id.namespace + "." + id.name
	isDefault := id.config.name == v1beta1.DefaultProviderConfigName &&
		(id.config.kind == "" || id.config.kind == string(v1beta1.ProviderConfigKindCluster))
	if isDefault && len(name) <= validation.DNS1123SubdomainMaxLength {
		return name
	}
	sum := sha256.Sum256([]byte(name + "\n" + id.config.kind + "\n" + id.config.name))
	hash := "-" + hex.EncodeToString(sum[:5])
	name = name[:min(len(name), validation.DNS1123SubdomainMaxLength-len(hash))]
	return strings.TrimRight(name, ".-") + hash
}

// A registration is what exists of a cluster's registration: the composed resource, which is
// an Object that holds the cluster Secret's manifest or that Secret itself, and the Secret as
// Crossplane read it. A nil registration has nothing.
type registration struct {
	identity

	// resourceName is the composition resource name.
	resourceName string

	// resource is the composed resource; nil if only its Secret exists.
	resource *structpb.Struct

	// manifest of the Secret that the composed resource holds; that of the Secret if there
	// is no composed resource.
	manifest *structpb.Struct

	// secret is what Crossplane read; nil if there is no Secret. read says whether it did.
	secret *structpb.Struct
	read   bool

	// handedOver says that somebody gave the Secret to the XR.
	handedOver bool
}

// composedRegistration returns the registration in a composed resource; nil if the resource
// is something else.
func composedRegistration(resourceName string, res *structpb.Struct) *registration {
	r := &registration{resourceName: resourceName, resource: res}
	r.apiVersion, r.kind = stringAt(res, "apiVersion"), stringAt(res, "kind")
	switch g := group(r.apiVersion); {
	case r.kind == kindSecret && g == "":
		r.manifest, r.secret, r.read = secretManifest(res), res, true
	case r.kind == kindObject && (g == groupClusterObject || g == groupNamespacedObject):
		r.manifest = withoutStringData(structAt(res, "spec", "forProvider", "manifest"))
		ref := structAt(res, "spec", "providerConfigRef")
		r.config = providerConfig{kind: stringAt(ref, "kind"), name: stringAt(ref, "name")}
		if k := stringAt(r.manifest, "kind"); k != "" && k != kindSecret && r.mark() == "" {
			return nil
		}
	default:
		return nil
	}
	r.namespace, r.name = stringAt(r.manifest, "metadata", "namespace"), stringAt(r.manifest, "metadata", "name")
	r.cluster = r.data("name")
	return r
}

// registrationIn returns the registration in a resource of a request; nil if the resource is
// something else.
func registrationIn(resourceName string, r *fnv1.Resource) *registration {
	if kind := textOf(r, "kind"); kind != kindSecret && kind != kindObject {
		return nil
	}
	return composedRegistration(resourceName, resourceOf(r))
}

// observe returns the registration that exists. It is what is composed under the name that
// the input gives. If there is none, it is what was composed for this XR under another
// name, if no earlier step desires that, and it has the Secret, the cluster's name or the
// source that this step wants: a changed name must not cost the registration. It is nil if
// nothing is composed, and an error if something else is.
func observe(req *fnv1.RunFunctionRequest, resourceName, source, conditionType string, xr *composite, want identity) (*registration, error) {
	observed := req.GetObserved().GetResources()
	if res := resourceOf(observed[resourceName]); res != nil {
		if r := composedRegistration(resourceName, res); r != nil {
			return r.complete(want), nil
		}
		// Its name says that it was ours, whatever somebody wrote into it.
		if stringAt(res, "kind") == kindObject && stringAt(res, "metadata", "name") == want.objectName() {
			res = proto.CloneOf(res)
			delete(structAt(res, "spec", "forProvider", "manifest").GetFields(), "kind")
			if r := composedRegistration(resourceName, res); r != nil {
				return r.complete(want), nil
			}
		}
		return nil, errors.Errorf("output.resourceName: composed resource %q of kind %s is not a cluster registration; choose another output.resourceName", resourceName, stringAt(res, "kind"))
	}
	return formerRegistration(req, source, conditionType, xr, want), nil
}

// formerRegistration returns the registration that was composed for this step under another
// name; nil if there is none.
func formerRegistration(req *fnv1.RunFunctionRequest, source, conditionType string, xr *composite, want identity) *registration {
	observed := req.GetObserved().GetResources()
	// A step that waits has run under its name before: what is composed is another step's.
	conflicts := false
	switch stringAt(conditionAt(xr.observed, conditionType), "reason") {
	case reasonWaitingForKubeconfig, reasonWaitingForToken, reasonWaitingForField, reasonInvalidField, reasonInvalidKubeconfig, reasonAmbiguousKubeconfig:
		return nil
	case reasonNameConflict, reasonServerConflict:
		conflicts = true
	}
	var others []*registration
	for _, n := range slices.Sorted(maps.Keys(observed)) {
		if _, desired := req.GetDesired().GetResources()[n]; desired {
			continue
		}
		if r := registrationIn(n, observed[n]); r != nil && r.mark() == xr.identity() {
			others = append(others, r)
		}
	}
	isExact := func(r *registration) bool { return r.secretName() == want.secretName() && r.config == want.config }
	hasSource := func(r *registration) bool { return source != "" && r.source() == source }
	// The best match first: two steps may register one cluster with two Argo CDs.
	matches := []func(r *registration) bool{
		isExact,
		func(r *registration) bool { return r.secretName() == want.secretName() },
		func(r *registration) bool { return r.cluster == want.cluster },
		hasSource,
		func(*registration) bool { return want.cluster == "" && source == "" },
	}
	if conflicts {
		// One that is registered may be in a conflict, too. Only what this step would compose is its own.
		matches = []func(r *registration) bool{func(r *registration) bool { return isExact(r) && hasSource(r) }}
	}
	for _, isSame := range matches {
		if i := slices.IndexFunc(others, isSame); i >= 0 {
			return others[i].complete(want)
		}
	}
	return nil
}

// mark returns which XR's the registration says that it is.
func (r *registration) mark() string {
	return stringAt(r.manifest, "metadata", "annotations", annotationComposite)
}

// isWrittenFor reports whether the function has written a Secret for the XR. Its annotation alone may be
// somebody's.
func isWrittenFor(secret *structpb.Struct, xr *composite) bool {
	labels := structAt(secret, "metadata", "labels").GetFields()
	was := labels[labelComposite].GetStringValue()
	return labels[labelState].GetStringValue() != "" && (was == "" || was == xr.name)
}

// checkName returns a problem if the cluster has a name that cannot be kept. It may have none.
func (r *registration) checkName() error {
	name := r.data("name")
	errs := argocd.CheckName(name)
	if name == "" || len(errs) == 0 {
		return nil
	}
	return &problem{reason: reasonInvalidField, message: fmt.Sprintf("the cluster's name in Secret %s, %q, %s. Correct data.name there", r.secretName(), name, strings.Join(errs, ", "))}
}

// isCluster reports whether the Secret is one of Argo CD's clusters.
func (r *registration) isCluster() bool {
	return stringAt(r.manifest, "metadata", "labels", argocd.LabelSecretType) == argocd.SecretTypeCluster
}

// complete fills in what the composed resource has lost of its identity.
func (r *registration) complete(want identity) *registration {
	// The name of an Object, which nobody can change, follows from what it makes.
	if name := stringAt(r.resource, "metadata", "name"); r.kind == kindObject && want.kind == kindObject && want.name != "" && name == want.objectName() && r.objectName() != name {
		r.namespace, r.name, r.config = want.namespace, want.name, want.config
	}
	seen := structAt(r.resource, "status", "atProvider", "manifest", "metadata")
	for _, from := range []identity{{namespace: stringAt(seen, "namespace"), name: stringAt(seen, "name")}, want} {
		if len(checkNamespace(r.namespace)) > 0 {
			r.namespace = from.namespace
		}
		if len(checkSecretName(r.name)) > 0 {
			r.name = from.name
		}
	}
	if r.config.name == "" {
		r.config = want.config
	}
	if r.config.kind == "" && group(r.apiVersion) == groupNamespacedObject {
		r.config.kind = string(v1beta1.ProviderConfigKindCluster)
	}
	return r
}

// secretRegistration returns the registration of a Secret whose composed resource is not
// observed: an XR's user may have taken it out of the XR's references, or somebody may have handed
// the Secret over.
func secretRegistration(resourceName string, want identity, secret *structpb.Struct, handedOver bool) *registration {
	want.name = stringAt(secret, "metadata", "name")
	r := &registration{resourceName: resourceName, identity: want, secret: secret, read: true, handedOver: handedOver}
	if n := decode(secret, "name"); handedOver && len(argocd.CheckName(n)) == 0 {
		// The label says whose the Secret is to be, and not how Argo CD knows the cluster.
		r.secret = proto.CloneOf(secret)
		if labels := structAt(r.secret, "metadata", "labels").GetFields(); labels[labelCluster] != nil {
			labels[labelCluster] = structpb.NewStringValue(argocd.ClusterLabel(n))
		}
	}
	r.manifest = secretManifest(r.secret)
	r.cluster = r.data("name")
	return r
}

// withSecret adds what Crossplane read of the Secret.
func (r *registration) withSecret(s reading) {
	if r.kind == kindSecret && r.resource != nil {
		return
	}
	r.secret, r.read = s.secret, s.read
}

// setName sets the cluster's name in Argo CD, which somebody may have edited: what the label
// that was made from it says goes before the name itself.
func (r *registration) setName(want string) {
	manifests := r.manifests()
	names := make([]string, 0, 2*len(manifests)+1)
	for _, m := range manifests {
		names = append(names, decode(m, "name"))
	}
	names = append(names, want)
	for _, m := range manifests {
		// Most names are their own label.
		names = append(names, stringAt(m, "metadata", "labels", labelCluster))
	}
	for _, m := range manifests {
		label := stringAt(m, "metadata", "labels", labelCluster)
		for _, n := range names {
			if len(argocd.CheckName(n)) == 0 && argocd.ClusterLabel(n) == label {
				r.cluster = n
				return
			}
		}
	}
	i := slices.IndexFunc(names, func(n string) bool { return len(argocd.CheckName(n)) == 0 })
	r.cluster = ""
	if i >= 0 {
		r.cluster = names[i]
	}
}

// pinned reports whether the registration's identity must stay: the Secret has been there, is
// not another's, and its end is not already decided.
func (r *registration) pinned(xr *composite) bool {
	if r == nil || !r.beenThere(xr) {
		return false
	}
	if _, taken := r.takenBy(xr); taken {
		return false
	}
	return !r.terminating() || r.owner() == xr.identity()
}

// beenThere reports whether there is or was a Secret of the registration.
func (r *registration) beenThere(xr *composite) bool {
	return r.kind == kindSecret || r.owner() == xr.identity() || r.seen("uid") != "" && r.seen("uid") == stringAt(r.secret, "metadata", "uid") ||
		len(structAt(r.resource, "status", "atProvider", "manifest").GetFields()) > 0 ||
		stringAt(r.resource, "metadata", "annotations", annotationCreated) != "" ||
		isTrue(r.resource, "Ready")
}

// isDeleted reports whether the provider has deleted the Secret of an Object that is being
// deleted.
func (r *registration) isDeleted() bool {
	return r.terminating() && stringAt(conditionAt(r.resource, "Ready"), "reason") == "Deleting" && isTrue(r.resource, "Synced")
}

// terminating reports whether the composed resource is being deleted.
func (r *registration) terminating() bool {
	return stringAt(r.resource, "metadata", "deletionTimestamp") != ""
}

// owner returns whose Secret the one that Crossplane read is; empty if nothing says so.
func (r *registration) owner() string { return ownerOf(r.secret) }

// ownerOf returns whose a Secret is; empty if nothing says so.
func ownerOf(secret *structpb.Struct) string {
	return stringAt(secret, "metadata", "annotations", annotationComposite)
}

// seen returns a field of the Secret's metadata as the provider saw it last.
func (r *registration) seen(f string) string {
	return stringAt(r.resource, "status", "atProvider", "manifest", "metadata", f)
}

// takenBy reports whether the Secret is another's, and whose if that is known. A Secret
// that lost its mark is still ours if it is the one that the provider made.
func (r *registration) takenBy(xr *composite) (owner string, taken bool) {
	if r.secret == nil || r.kind == kindSecret && r.resource != nil {
		return "", false
	}
	switch owner = r.owner(); {
	case owner == "":
		return "", r.onlyObserves() || r.seen("uid") != stringAt(r.secret, "metadata", "uid")
	case xr == nil:
		// The composed resource says whose it is.
		return owner, r.mark() != "" && owner != r.mark()
	default:
		return owner, owner != xr.identity() && xr.isKnown()
	}
}

// onlyObserves reports whether the Object does not write its Secret. What it has seen then is
// not what it made.
func (r *registration) onlyObserves() bool {
	policies := structAt(r.resource, "spec").GetFields()["managementPolicies"].GetListValue().GetValues()
	return len(policies) > 0 && !slices.ContainsFunc(policies, func(v *structpb.Value) bool {
		return v.GetStringValue() == string(v1beta1.ManagementActionAll) || v.GetStringValue() == string(v1beta1.ManagementActionUpdate)
	})
}

// source returns the composed resource that the cluster was registered from; empty if that
// is not known.
func (r *registration) source() string {
	if r == nil {
		return ""
	}
	for _, m := range r.manifests() {
		if s := stringAt(m, "metadata", "annotations", annotationSource); s != "" {
			return s
		}
	}
	return ""
}

// manifests returns the Secret's manifests, the one to believe first: as it is composed, as it
// is, and as the provider saw it last.
func (r *registration) manifests() []*structpb.Struct {
	var out []*structpb.Struct
	secret := r.secret
	if _, taken := r.takenBy(nil); taken {
		secret = nil
	}
	seen := structAt(r.resource, "status", "atProvider", "manifest")
	if r.onlyObserves() {
		seen = nil
	}
	for _, m := range []*structpb.Struct{r.manifest, secret, seen} {
		if m != nil {
			out = append(out, m)
		}
	}
	return out
}

// data returns the value of a key of the Secret's data; empty if there is none.
func (r *registration) data(key string) string {
	if r == nil {
		return ""
	}
	return decode(r.manifest, key)
}

// decode returns the value of a key of a Secret's data; empty if there is none.
func decode(secret *structpb.Struct, key string) string {
	return string(decodedAt(structAt(secret, "data"), key))
}

// metadata returns the Secret's labels or annotations.
func (r *registration) metadata(kind string) map[string]string {
	return r.keep(kind, func(string, string) bool { return true })
}

// keep returns those of the Secret's labels or annotations that pass a check.
func (r *registration) keep(kind string, check func(k, v string) bool) map[string]string {
	out := map[string]string{}
	if r == nil {
		return out
	}
	// The one to believe last.
	for _, m := range slices.Backward(r.manifests()) {
		for k, v := range structAt(m, "metadata", kind).GetFields() {
			if check(k, v.GetStringValue()) {
				out[k] = v.GetStringValue()
			}
		}
	}
	return out
}

// secretManifest returns what was composed of an observed Secret: without what Crossplane
// and the API server added to it.
func secretManifest(res *structpb.Struct) *structpb.Struct {
	metadata := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for _, f := range []string{"namespace", "name", "labels"} {
		if v, ok := structAt(res, "metadata").GetFields()[f]; ok {
			metadata.Fields[f] = v
		}
	}
	annotations := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for k, v := range structAt(res, "metadata", "annotations").GetFields() {
		if !strings.HasPrefix(k, "crossplane.io/") {
			annotations.Fields[k] = v
		}
	}
	metadata.Fields["annotations"] = structpb.NewStructValue(annotations)
	out := &structpb.Struct{Fields: map[string]*structpb.Value{"metadata": structpb.NewStructValue(metadata)}}
	for _, f := range []string{"apiVersion", "kind", "type", "data"} {
		if v, ok := res.GetFields()[f]; ok {
			out.Fields[f] = v
		}
	}
	return out
}

// withoutStringData returns a Secret's manifest as the API server stores it.
func withoutStringData(manifest *structpb.Struct) *structpb.Struct {
	texts := structAt(manifest, "stringData").GetFields()
	if len(texts) == 0 {
		return manifest
	}
	out := proto.CloneOf(manifest)
	delete(out.GetFields(), "stringData")
	data := structAt(out, "data").GetFields()
	if data == nil {
		data = fields{}
		out.Fields["data"] = structpb.NewStructValue(&structpb.Struct{Fields: data})
	}
	for k, v := range texts {
		data[k] = structpb.NewStringValue(base64.StdEncoding.EncodeToString([]byte(v.GetStringValue())))
	}
	return out
}
