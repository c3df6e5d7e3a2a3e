package v1beta1

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
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

// defaults returns the defaults of a schema by the path of their field.
func defaults(schema map[string]any, path string, out map[string]any) {
	if d, ok := schema["default"]; ok {
		out[path] = d
	}
	if items, ok := schema["items"].(map[string]any); ok {
		defaults(items, path, out)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		defaults(p.(map[string]any), strings.TrimPrefix(path+"."+name, "."), out)
	}
}

// allocate every struct that a value leads to, and one element of each list of structs.
func allocate(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type().Elem().Kind() == reflect.Struct && v.CanSet() {
			v.Set(reflect.New(v.Type().Elem()))
			allocate(v.Elem())
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			allocate(v.Index(0))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i).Name; f != "TypeMeta" && f != "ObjectMeta" && f != "Config" {
				allocate(v.Field(i))
			}
		}
	}
}

// texts returns the texts in a value by the path of their field.
func texts(v any, path string, out map[string]any) {
	switch v := v.(type) {
	case map[string]any:
		for name, f := range v {
			texts(f, strings.TrimPrefix(path+"."+name, "."), out)
		}
	case []any:
		for _, e := range v {
			texts(e, path, out)
		}
	case string:
		if v != "" {
			out[path] = v
		}
	}
}

// TestDefault checks that Default sets every default in the CRD, and no other.
func TestDefault(t *testing.T) {
	in := &ClusterRegistration{}
	allocate(reflect.ValueOf(in).Elem())
	in.Default()
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	got, want := map[string]any{}, map[string]any{}
	texts(fields, "", got)
	defaults(crd(t), "", want)
	if len(want) < 20 {
		t.Errorf("want the defaults of all fields that name a source, got %d defaults", len(want))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults: -CRD, +Default:\n%s", diff)
	}

	again := in.DeepCopy()
	again.Default()
	if diff := cmp.Diff(in, again); diff != "" {
		t.Errorf("Default changed what it had set: -once, +twice:\n%s", diff)
	}
}

// TestDefaultKeeps checks that Default changes nothing that is set.
func TestDefaultKeeps(t *testing.T) {
	in := &ClusterRegistration{
		KubeconfigFrom: KubeconfigSource{Type: KubeconfigSourceSecret},
		Credentials:    Credentials{Type: CredentialsExec, Exec: &ExecCredentials{APIVersion: "client.authentication.k8s.io/v1"}},
		Cluster: Cluster{
			NameFrom:   &FieldSource{Type: FromEnvironmentFieldPath},
			LabelsFrom: []MetadataSource{{FieldSource: FieldSource{Type: FromEnvironmentFieldPath}, Policy: FromFieldPathOptional}},
		},
		Output: Output{Type: OutputSecret, ArgoCD: ArgoCDRemote, ResourceName: "x", Namespace: "y"},
	}
	want := in.DeepCopy()
	in.Default()
	if diff := cmp.Diff(want, in); diff != "" {
		t.Errorf("-before, +after:\n%s", diff)
	}
}
