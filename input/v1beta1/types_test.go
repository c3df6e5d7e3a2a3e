package v1beta1

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func crd(t *testing.T) map[string]any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "package", "input", "argocd.fn.crossplane.io_clusterregistrations.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Spec struct {
			Names    struct{ Kind string }
			Group    string
			Versions []struct {
				Name   string
				Schema struct{ OpenAPIV3Schema map[string]any }
			}
		}
	}
	if err := yaml.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	v := c.Spec.Versions[0]
	if diff := cmp.Diff([]string{APIVersion, Kind}, []string{c.Spec.Group + "/" + v.Name, c.Spec.Names.Kind}); diff != "" {
		t.Errorf("apiVersion and kind: -constants, +CRD:\n%s", diff)
	}
	return v.Schema.OpenAPIV3Schema
}

// walk a schema, and visit each property with its path.
func walk(schema map[string]any, path []string, visit func(path string, schema map[string]any)) {
	visit(strings.Join(path, "."), schema)
	if items, ok := schema["items"].(map[string]any); ok {
		walk(items, path, visit)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		walk(p.(map[string]any), append(path[:len(path):len(path)], name), visit)
	}
}

// TestDefaults checks that every default in the CRD is what the function takes, and
// that every default that the function takes is in the CRD.
func TestDefaults(t *testing.T) {
	want := map[string]any{
		"kubeconfigFrom.type":                  string((*KubeconfigSource)(nil).GetType()),
		"credentials.type":                     string((*Credentials)(nil).GetType()),
		"cluster.labelsFrom.type":              string((*MetadataSource)(nil).GetType()),
		"cluster.annotationsFrom.type":         string((*MetadataSource)(nil).GetType()),
		"credentials.exec.apiVersion":          (*ExecCredentials)(nil).GetAPIVersion(),
		"cluster.labelsFrom.policy":            string((*MetadataSource)(nil).GetPolicy()),
		"cluster.annotationsFrom.policy":       string((*MetadataSource)(nil).GetPolicy()),
		"output.type":                          string((*Output)(nil).GetType()),
		"output.argoCD":                        string((*Output)(nil).GetArgoCD()),
		"output.resourceName":                  (*Output)(nil).GetResourceName(),
		"output.namespace":                     (*Output)(nil).GetNamespace(),
		"output.object.providerConfigRef.name": (*ObjectOutput)(nil).GetProviderConfigRef().GetName(),
	}
	got := map[string]any{}
	walk(crd(t), nil, func(path string, schema map[string]any) {
		if d, ok := schema["default"]; ok {
			got[path] = d
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults: -Go, +CRD:\n%s", diff)
	}
}

// TestEnums checks that the function takes each value that the CRD lists, and no other.
func TestEnums(t *testing.T) {
	inputs := map[string]func(string) *ClusterRegistration{
		"kubeconfigFrom.type": func(v string) *ClusterRegistration {
			in := &ClusterRegistration{KubeconfigFrom: &KubeconfigSource{Type: KubeconfigSourceType(v)}}
			if in.KubeconfigFrom.Type == KubeconfigSourceSecret {
				in.KubeconfigFrom.SecretRef = &SecretReference{Name: ptr("x")}
			}
			return in
		},
		"credentials.type": func(v string) *ClusterRegistration {
			c := &Credentials{Type: CredentialsType(v)}
			switch c.Type {
			case CredentialsAWS:
				c.AWS = &AWSCredentials{ClusterName: ptr("x")}
			case CredentialsExec:
				c.Exec = &ExecCredentials{Command: "x"}
			}
			return &ClusterRegistration{Credentials: c}
		},
		"credentials.azure.loginMethod": func(v string) *ClusterRegistration {
			return &ClusterRegistration{Credentials: &Credentials{Type: CredentialsAzure, Azure: &AzureCredentials{LoginMethod: AzureLoginMethod(v)}}}
		},
		"credentials.exec.apiVersion": func(v string) *ClusterRegistration {
			return &ClusterRegistration{Credentials: &Credentials{Type: CredentialsExec, Exec: &ExecCredentials{Command: "x", APIVersion: v}}}
		},
		"cluster.labelsFrom.type": func(v string) *ClusterRegistration {
			return &ClusterRegistration{Cluster: &Cluster{LabelsFrom: []MetadataSource{{FieldPath: "a", Type: MetadataSourceType(v)}}}}
		},
		"cluster.annotationsFrom.type": func(v string) *ClusterRegistration {
			return &ClusterRegistration{Cluster: &Cluster{AnnotationsFrom: []MetadataSource{{FieldPath: "a", Type: MetadataSourceType(v)}}}}
		},
		"cluster.labelsFrom.policy": func(v string) *ClusterRegistration {
			return &ClusterRegistration{Cluster: &Cluster{LabelsFrom: []MetadataSource{{FieldPath: "a", Policy: FromFieldPathPolicy(v)}}}}
		},
		"cluster.annotationsFrom.policy": func(v string) *ClusterRegistration {
			return &ClusterRegistration{Cluster: &Cluster{AnnotationsFrom: []MetadataSource{{FieldPath: "a", Policy: FromFieldPathPolicy(v)}}}}
		},
		"output.type": func(v string) *ClusterRegistration {
			return &ClusterRegistration{Output: &Output{Type: OutputType(v)}}
		},
		"output.argoCD": func(v string) *ClusterRegistration {
			return &ClusterRegistration{Output: &Output{ArgoCD: ArgoCDLocation(v)}}
		},
		"output.object.providerConfigRef.kind": func(v string) *ClusterRegistration {
			return &ClusterRegistration{Output: &Output{Object: &ObjectOutput{ProviderConfigRef: &ProviderConfigReference{Kind: ProviderConfigKind(v)}}}}
		},
		"output.object.managementPolicies": func(v string) *ClusterRegistration {
			policies := []ManagementAction{ManagementAction(v), ManagementActionObserve, ManagementActionCreate, ManagementActionUpdate}
			return &ClusterRegistration{Output: &Output{Object: &ObjectOutput{ManagementPolicies: policies}}}
		},
	}
	seen := 0
	walk(crd(t), nil, func(path string, schema map[string]any) {
		enum, ok := schema["enum"].([]any)
		if !ok {
			return
		}
		seen++
		input, ok := inputs[path]
		if !ok {
			t.Errorf("enum at %s is not tested", path)
			return
		}
		for _, v := range append(enum, "Other") {
			in := input(v.(string))
			in.APIVersion, in.Kind = APIVersion, Kind
			if errs := in.Validate(); (len(errs) == 0) != (v != "Other") {
				t.Errorf("%s: %v: %v", path, v, errs)
			}
		}
	})
	if seen != len(inputs) {
		t.Errorf("want %d enums in the CRD, got %d", len(inputs), seen)
	}
}

func ptr(s string) *string { return &s }
