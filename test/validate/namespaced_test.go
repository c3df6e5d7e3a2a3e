package validate

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The releases of Google's provider with namespaced kinds cannot be had as a module. The providers
// of all clouds generate both kinds' CRDs in the same way, so these are derived from the
// cluster-scoped ones, which lack the newest fields. TestNamespaced compares what is derived so with
// what others released.
const googleNamespaced = ".gcp.m.upbound.io"

// clusterScoped returns the kind that a namespaced one is derived from.
func clusterScoped(gk schema.GroupKind) schema.GroupKind {
	gk.Group = strings.Replace(gk.Group, ".m.upbound.io", ".upbound.io", 1)
	if gk.Kind == "ClusterProviderConfig" {
		gk.Kind = "ProviderConfig"
	}
	return gk
}

// toNamespaced changes a cluster-scoped CRD of a cloud's provider into that of the namespaced
// kind.
func toNamespaced(crd map[string]any, gk schema.GroupKind) {
	spec := crd["spec"].(map[string]any)
	spec["group"] = gk.Group
	spec["names"].(map[string]any)["kind"] = gk.Kind
	spec["scope"] = "Namespaced"
	versions := spec["versions"].([]any)
	version := versions[len(versions)-1].(map[string]any)
	version["name"], version["storage"] = "v1beta1", true
	spec["versions"] = []any{version}
	if strings.HasSuffix(gk.Kind, "ProviderConfig") {
		if gk.Kind == "ClusterProviderConfig" {
			spec["scope"] = "Cluster"
		}
		return
	}
	fields, _, _ := unstructured.NestedFieldNoCopy(version, "schema", "openAPIV3Schema", "properties", "spec", "properties")
	properties := fields.(map[string]any)
	delete(properties, "deletionPolicy")
	delete(properties, "publishConnectionDetailsTo")
	properties["providerConfigRef"] = map[string]any{
		"type": "object", "required": []any{"kind", "name"},
		"default":    map[string]any{"kind": "ClusterProviderConfig", "name": "default"},
		"properties": map[string]any{"kind": map[string]any{"type": "string"}, "name": map[string]any{"type": "string"}},
	}
	for _, v := range properties {
		localize(v)
	}
}

// localize the references in a schema: those to Secrets are to the namespace of the resource, and
// others may be to another one.
func localize(v any) {
	switch s := v.(type) {
	case []any:
		for _, v := range s {
			localize(v)
		}
	case map[string]any:
		if properties, ok := s["properties"].(map[string]any); ok {
			required, _ := s["required"].([]any)
			switch _, policy := properties["policy"]; {
			case policy && (properties["name"] != nil || properties["matchControllerRef"] != nil):
				properties["namespace"] = map[string]any{"type": "string"}
			case len(required) > 1 && required[len(required)-1] == "namespace" && properties["namespace"] != nil:
				delete(properties, "namespace")
				s["required"] = required[:len(required)-1]
			}
		}
		for _, v := range s {
			localize(v)
		}
	}
}

// TestNamespaced checks that what is derived for Google is what other clouds' providers have.
func TestNamespaced(t *testing.T) {
	cases := map[string]struct {
		reason string
		pin    string
		kind   schema.GroupKind
	}{
		"Cluster": {
			reason: "We should derive the kind of a cluster with nested fields, because GKE's is one.",
			pin:    "github.com/upbound/provider-azure/v2",
			kind:   schema.GroupKind{Group: "containerservice.azure.m.upbound.io", Kind: "KubernetesCluster"},
		},
		"References": {
			reason: "We should derive lists of references, because a kind may refer to several others.",
			pin:    "github.com/upbound/provider-aws/v2",
			kind:   schema.GroupKind{Group: "eks.aws.m.upbound.io", Kind: "Cluster"},
		},
		"ProviderConfig": {
			reason: "We should derive a namespace's ProviderConfig, because its Secrets' references keep their namespace.",
			pin:    "github.com/upbound/provider-aws/v2",
			kind:   schema.GroupKind{Group: "aws.m.upbound.io", Kind: "ProviderConfig"},
		},
		"ClusterProviderConfig": {
			reason: "We should derive it from the legacy ProviderConfig, because there is no legacy kind of this name.",
			pin:    "github.com/upbound/provider-aws/v2",
			kind:   schema.GroupKind{Group: "aws.m.upbound.io", Kind: "ClusterProviderConfig"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			m, err := download("tools/schemas", tc.pin)
			if err != nil {
				t.Fatal(err)
			}
			crd := func(gk schema.GroupKind) map[string]any {
				out, err := readCRD(filepath.Join(m.Dir, "package", "crds", gk.Group+"_"+strings.ToLower(gk.Kind)+"s.yaml"))
				if err != nil {
					t.Fatal(err)
				}
				return out
			}
			got := crd(clusterScoped(tc.kind))
			toNamespaced(got, tc.kind)
			if diff := cmp.Diff(essence(crd(tc.kind)), essence(got)); diff != "" {
				t.Errorf("%s\nCRD: -released, +derived:\n%s", tc.reason, diff)
			}
		})
	}
}

// essence returns what validates of a CRD.
func essence(crd map[string]any) map[string]any {
	spec := crd["spec"].(map[string]any)
	version := spec["versions"].([]any)[0].(map[string]any)
	return map[string]any{
		"group": spec["group"], "scope": spec["scope"], "kind": spec["names"].(map[string]any)["kind"],
		"version": version["name"], "schema": withoutText(version["schema"]),
	}
}

func withoutText(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, v := range v {
			if _, ok := v.(string); k != "description" || !ok {
				out[k] = withoutText(v)
			}
		}
		return out
	case []any:
		var out []any
		for _, v := range v {
			out = append(out, withoutText(v))
		}
		return out
	default:
		return v
	}
}
