package main

import (
	"encoding/base64"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"
	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/request"

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

// A registration is a composed resource that registers a cluster: an Object that
// holds a cluster Secret's manifest, or that Secret itself.
type registration struct {
	identity

	// manifest of the Secret.
	manifest *structpb.Struct

	// ready says that the composed resource is observed to be ready.
	ready bool
}

// observedRegistration returns the registration that is there already; nil if there
// is none. The error says that something else is there under its name.
func observedRegistration(name string, r *fnv1.Resource) (*registration, error) {
	res := r.GetResource()
	if res == nil {
		return nil, nil
	}
	reg := &registration{identity: identity{apiVersion: stringAt(res, "apiVersion"), kind: stringAt(res, "kind")}}
	switch g := group(reg.apiVersion); {
	case reg.kind == kindSecret && g == "":
		reg.manifest, reg.ready = secretManifest(res), true
	case reg.kind == kindObject && (g == groupClusterObject || g == groupNamespacedObject):
		reg.manifest, reg.ready = structAt(res, "spec", "forProvider", "manifest"), stringAt(conditionAt(res, "Ready"), "status") == "True"
	}
	// Either is enough: somebody may have taken the other away, and gets it back.
	if stringAt(reg.manifest, "metadata", "labels", argocd.LabelSecretType) != argocd.SecretTypeCluster &&
		stringAt(reg.manifest, "metadata", "annotations", v1beta1.AnnotationComposite) == "" {
		return nil, errors.Errorf("output.resourceName: the composed resource %q is a %s that registers no cluster; name the registration otherwise", name, reg.kind)
	}
	reg.namespace, reg.name = stringAt(reg.manifest, "metadata", "namespace"), stringAt(reg.manifest, "metadata", "name")
	return reg, nil
}

// secretManifest returns what was composed of an observed Secret: without what
// Crossplane and the API server added to it.
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

// data returns the value of a key of the Secret's data; empty if there is none.
func (r *registration) data(key string) string {
	b, err := base64.StdEncoding.DecodeString(stringAt(r.manifest, "data", key))
	if err != nil {
		return ""
	}
	return string(b)
}

// metadata returns the Secret's labels or annotations.
func (r *registration) metadata(kind string) map[string]string {
	fields := structAt(r.manifest, "metadata", kind).GetFields()
	out := make(map[string]string, len(fields))
	for k, v := range fields {
		out[k] = v.GetStringValue()
	}
	return out
}

// An identity is what of a registration cannot be changed without deleting the Secret, and
// with it the cluster's Applications.
type identity struct {
	// apiVersion and kind of the composed resource.
	apiVersion, kind string

	// namespace and name of the Secret.
	namespace, name string
}

// wantedIdentity returns the identity of a registration that is not there yet.
func wantedIdentity(out *v1beta1.Output, xr *composite, cluster string) identity {
	id := identity{namespace: out.GetNamespace(), name: out.GetName()}
	if id.name == "" {
		id.name = argocd.SecretName(cluster)
	}
	switch {
	case out.GetType() == v1beta1.OutputSecret:
		id.apiVersion, id.kind = "v1", kindSecret
	case xr.namespace != "":
		id.apiVersion, id.kind = apiVersionNamespacedObject, kindObject
	default:
		id.apiVersion, id.kind = apiVersionClusterObject, kindObject
	}
	return id
}

// unchanged names the fields of the input that ask for another identity than the one that
// is there.
func (id identity) unchanged(out *v1beta1.Output, observed identity) []string {
	var fields []string
	if id.kind != observed.kind {
		fields = append(fields, "output.type")
	}
	if id.namespace != observed.namespace {
		fields = append(fields, "output.namespace")
	}
	// A name that follows from the cluster's was not asked for.
	if out.GetName() != "" && id.name != observed.name {
		fields = append(fields, "output.name")
	}
	return fields
}

// checkSecretFree has Crossplane read the Secret of a registration that is not there yet,
// where it can, and returns a problem if the Secret is another's: then Argo CD would lose
// one of two clusters. If it is that of an earlier step, the error is about the Composition.
func checkSecretFree(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse, id identity, xr *composite) error {
	for name, r := range req.GetDesired().GetResources() {
		// Whatever is no registration is none of ours.
		if other, err := observedRegistration(name, r); err == nil && other != nil && other.secretName() == id.secretName() {
			return errors.Errorf("cluster.name: another step of the pipeline registers a cluster by Secret %s; give each its own cluster.name", id.secretName())
		}
	}
	if !request.HasCapability(req, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES) {
		return nil
	}
	require(rsp, requirementSecret, secretSelector(id.namespace, id.name))
	found, ok := req.GetRequiredResources()[requirementSecret]
	if !ok {
		return &problem{reason: reasonRegistering, message: "finding out whether Secret " + id.secretName() + " is free"}
	}
	for _, r := range found.GetItems() {
		if owner := stringAt(r.GetResource(), "metadata", "annotations", v1beta1.AnnotationComposite); owner != xr.identity() {
			return nameConflict(id, owner, xr)
		}
	}
	return nil
}

// newRegistration returns the registration of a cluster.
func newRegistration(id identity, c *argocd.Cluster, ready bool) (*registration, error) {
	manifest, err := structpb.NewStruct(c.Secret(id.namespace, id.name))
	return &registration{identity: id, manifest: manifest, ready: ready}, err
}

// resource returns the composed resource. Crossplane names an Object.
func (r *registration) resource(o *v1beta1.ObjectOutput) (*structpb.Struct, error) {
	if r.kind == kindSecret {
		return r.manifest, nil
	}
	ref := map[string]any{"name": o.GetProviderConfigRef().GetName()}
	if group(r.apiVersion) == groupNamespacedObject {
		ref["kind"] = string(o.GetProviderConfigRef().GetKind())
	}
	spec := map[string]any{"providerConfigRef": ref}
	if policies := o.GetManagementPolicies(); len(policies) > 0 {
		list := make([]any, len(policies))
		for i, p := range policies {
			list[i] = string(p)
		}
		spec["managementPolicies"] = list
	}
	res, err := structpb.NewStruct(map[string]any{"apiVersion": r.apiVersion, "kind": r.kind, "spec": spec})
	if err != nil {
		return nil, err
	}
	structAt(res, "spec").Fields["forProvider"] = structpb.NewStructValue(&structpb.Struct{
		Fields: map[string]*structpb.Value{"manifest": structpb.NewStructValue(r.manifest)},
	})
	return res, nil
}

// secretName returns the namespace and name of the Secret.
func (id identity) secretName() string { return id.namespace + "/" + id.name }

// desire the registration, ready only once it is observed to be.
func (r *registration) desire(rsp *fnv1.RunFunctionResponse, name string, o *v1beta1.ObjectOutput) error {
	res, err := r.resource(o)
	if err != nil {
		return err
	}
	d := desired(rsp)
	if d.GetResources() == nil {
		d.Resources = make(map[string]*fnv1.Resource, 1)
	}
	ready := fnv1.Ready_READY_FALSE
	if r.ready {
		ready = fnv1.Ready_READY_TRUE
	}
	d.Resources[name] = &fnv1.Resource{Resource: res, Ready: ready}
	return nil
}

// reportStatus puts what is not secret of the registration into the XR's status, beside what
// earlier steps put there.
func (r *registration) reportStatus(rsp *fnv1.RunFunctionResponse, path *string, credentials string) error {
	if path == nil {
		return nil
	}
	xr := desiredComposite(rsp)
	status := fieldpath.Pave(xr.GetResource().AsMap())
	for k, v := range map[string]string{
		"name":                r.data("name"),
		"server":              r.data("server"),
		"secretRef.namespace": r.namespace,
		"secretRef.name":      r.name,
		"credentials":         credentials,
	} {
		if err := status.SetValue(*path+"."+k, v); err != nil {
			return errors.Errorf("statusFieldPath: %s cannot be written beside what earlier steps desire there", *path)
		}
	}
	s, err := structpb.NewStruct(status.UnstructuredContent())
	xr.Resource = s
	return err
}

// desiredComposite returns the response's desired XR, which a first step has none of.
func desiredComposite(rsp *fnv1.RunFunctionResponse) *fnv1.Resource {
	d := desired(rsp)
	if d.GetComposite() == nil {
		d.Composite = &fnv1.Resource{}
	}
	return d.GetComposite()
}

// desired returns the response's desired state, which a first step has none of.
func desired(rsp *fnv1.RunFunctionResponse) *fnv1.State {
	if rsp.GetDesired() == nil {
		rsp.Desired = &fnv1.State{}
	}
	return rsp.GetDesired()
}
