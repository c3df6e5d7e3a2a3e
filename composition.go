package main

import (
	"slices"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane/function-sdk-go/errors"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// A composition is what is composed of a registration.
type composition struct {
	identity

	// objectName is the name of an Object.
	objectName string

	// manifest of the Secret.
	manifest *structpb.Struct

	// policies of an Object; the provider's own if there are none. repair is the value of
	// its annotation.
	policies []v1beta1.ManagementAction
	repair   string

	// watch has the provider watch the Secret.
	watch bool
}

// resource returns the composed resource.
func (c *composition) resource() *structpb.Struct {
	if c.kind == kindSecret {
		return c.manifest
	}
	metadata := fields{"name": structpb.NewStringValue(c.objectName)}
	if c.repair != "" {
		metadata["annotations"] = fields{annotationRepair: structpb.NewStringValue(c.repair)}.value()
	}
	ref := fields{"name": structpb.NewStringValue(c.config.name)}
	if c.config.kind != "" {
		ref["kind"] = structpb.NewStringValue(c.config.kind)
	}
	none := structpb.NewListValue(&structpb.ListValue{})
	spec := fields{
		"providerConfigRef": ref.value(),
		"forProvider":       fields{"manifest": structpb.NewStructValue(c.manifest)}.value(),
		// Empty, so that nobody else adds any.
		"references":        none,
		"connectionDetails": none,
	}
	if len(c.policies) > 0 {
		list := &structpb.ListValue{}
		for _, p := range c.policies {
			list.Values = append(list.Values, structpb.NewStringValue(string(p)))
		}
		spec["managementPolicies"] = structpb.NewListValue(list)
	}
	if c.watch {
		spec["watch"] = structpb.NewBoolValue(true)
	}
	return fields{
		"apiVersion": structpb.NewStringValue(c.apiVersion),
		"kind":       structpb.NewStringValue(c.kind),
		"metadata":   metadata.value(),
		"spec":       spec.value(),
	}.value().GetStructValue()
}

type fields map[string]*structpb.Value

func (f fields) value() *structpb.Value {
	return structpb.NewStructValue(&structpb.Struct{Fields: f})
}

// newComposition returns what is composed of a cluster under an identity, in place of what
// there was.
func newComposition(id identity, was *registration, c *argocd.Cluster, out *v1beta1.Output) (*composition, error) {
	manifest, err := structpb.NewStruct(c.Secret(id.namespace, id.name))
	if err != nil {
		return nil, errors.New("cannot compose the cluster Secret")
	}
	comp := &composition{
		identity:   id,
		objectName: id.objectName(),
		manifest:   manifest,
		policies:   out.ManagementPolicies(),
		watch:      out.ArgoCD == v1beta1.ArgoCDRemote,
	}
	comp.clear(was)
	// Crossplane never renames a composed resource.
	if was != nil && was.resource != nil && was.kind == kindObject {
		if n := stringAt(was.resource, "metadata", "name"); n != "" {
			comp.objectName = n
		}
	}
	return comp, nil
}

// clear gives what Argo CD reads of the Secret, and is not composed, an empty value. Server-side apply
// leaves out only what nobody else has written; of what has another value, it makes this the only
// writer. Once the value is empty, it is left out.
func (c *composition) clear(was *registration) {
	if was == nil {
		return
	}
	data := structAt(c.manifest, "data").GetFields()
	for k, v := range structAt(was.secret, "data").GetFields() {
		if _, composed := data[k]; !composed && v.GetStringValue() != "" && slices.Contains(argocd.DataKeys(), k) {
			data[k] = structpb.NewStringValue("")
		}
	}
}
