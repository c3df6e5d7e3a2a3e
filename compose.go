package main

import (
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

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

// A registration is a composed resource that registers a cluster: an Object that
// holds a cluster Secret's manifest, or that Secret itself.
type registration struct {
	// apiVersion and kind of the composed resource.
	apiVersion, kind string

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
	reg := &registration{apiVersion: stringAt(res, "apiVersion"), kind: stringAt(res, "kind")}
	switch g := group(reg.apiVersion); {
	case reg.kind == kindSecret && g == "":
		reg.manifest, reg.ready = secretManifest(res), true
	case reg.kind == kindObject && (g == groupClusterObject || g == groupNamespacedObject):
		reg.manifest, reg.ready = structAt(res, "spec", "forProvider", "manifest"), isReady(res)
	}
	// Either is enough: somebody may have taken the other away, and gets it back.
	if stringAt(reg.manifest, "metadata", "labels", argocd.LabelSecretType) != argocd.SecretTypeCluster &&
		stringAt(reg.manifest, "metadata", "annotations", v1beta1.AnnotationComposite) == "" {
		return nil, errors.Errorf("output.resourceName: the composed resource %q is a %s that registers no cluster; name the registration otherwise", name, reg.kind)
	}
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

// isReady reports whether a resource has the condition Ready.
func isReady(res *structpb.Struct) bool {
	for _, c := range structAt(res, "status").GetFields()["conditions"].GetListValue().GetValues() {
		if stringAt(c.GetStructValue(), "type") == "Ready" {
			return stringAt(c.GetStructValue(), "status") == "True"
		}
	}
	return false
}

// newRegistration returns the registration of a cluster. What of an observed one
// cannot be changed without deleting the Secret stays as it is.
func newRegistration(out *v1beta1.Output, xr *composite, c *argocd.Cluster, observed *registration) (*registration, error) {
	namespace, name := out.GetNamespace(), out.GetName()
	if name == "" {
		name = argocd.SecretName(c.Name)
	}
	reg := &registration{}
	reg.apiVersion, reg.kind = outputKind(out, xr)
	if observed != nil {
		reg.apiVersion, reg.kind, reg.ready = observed.apiVersion, observed.kind, observed.ready
		namespace = stringAt(observed.manifest, "metadata", "namespace")
		name = stringAt(observed.manifest, "metadata", "name")
	}
	secret, err := c.Secret(namespace, name)
	if err != nil {
		return nil, err
	}
	reg.manifest, err = structpb.NewStruct(secret)
	return reg, err
}

// outputKind returns the API version and kind of what is composed for an XR that has
// no registration yet.
func outputKind(out *v1beta1.Output, xr *composite) (apiVersion, kind string) {
	switch {
	case out.GetType() == v1beta1.OutputSecret:
		return "v1", kindSecret
	case xr.namespace != "":
		return apiVersionNamespacedObject, kindObject
	}
	return apiVersionClusterObject, kindObject
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

// secretName returns the namespace and name of the registration's Secret.
func (r *registration) secretName() string {
	return stringAt(r.manifest, "metadata", "namespace") + "/" + stringAt(r.manifest, "metadata", "name")
}

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

// desired returns the response's desired state, which a first step has none of.
func desired(rsp *fnv1.RunFunctionResponse) *fnv1.State {
	if rsp.GetDesired() == nil {
		rsp.Desired = &fnv1.State{}
	}
	return rsp.GetDesired()
}
