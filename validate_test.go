package main

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
)

// enums returns the enumerations of a schema by the path of their field.
func enums(schema map[string]any, path string, out map[string][]any) {
	if e, ok := schema["enum"].([]any); ok {
		out[path] = e
	}
	if items, ok := schema["items"].(map[string]any); ok {
		enums(items, path, out)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		enums(p.(map[string]any), strings.TrimPrefix(path+"."+name, "."), out)
	}
}

// TestEnums checks that the function accepts each value that the CRD lists, and no other.
func TestEnums(t *testing.T) {
	at := func(in *v1beta1.ClusterRegistration) field.ErrorList {
		in.APIVersion, in.Kind = v1beta1.APIVersion, v1beta1.Kind
		in.Default()
		return validate(in, "team-a")
	}
	name := "x"
	accepts := map[string]func(v string) field.ErrorList{
		"kubeconfigFrom.type": func(v string) field.ErrorList {
			in := &v1beta1.ClusterRegistration{KubeconfigFrom: v1beta1.KubeconfigSource{Type: v1beta1.KubeconfigSourceType(v)}}
			if v == "Secret" {
				in.KubeconfigFrom.SecretRef = &v1beta1.SecretReference{Name: &name}
			}
			return at(in)
		},
		"credentials.type": func(v string) field.ErrorList {
			c := v1beta1.Credentials{Type: v1beta1.CredentialsType(v)}
			switch v {
			case "AWS":
				c.AWS = &v1beta1.AWSCredentials{ClusterName: &name}
			case "Token":
				c.Token = &v1beta1.TokenCredentials{ResourceName: "x"}
			case "Exec":
				c.Exec = &v1beta1.ExecCredentials{Command: "x"}
			}
			return at(&v1beta1.ClusterRegistration{Credentials: c})
		},
		"credentials.azure.loginMethod": func(v string) field.ErrorList {
			c := &v1beta1.AzureCredentials{LoginMethod: v1beta1.AzureLoginMethod(v)}
			return at(&v1beta1.ClusterRegistration{Credentials: v1beta1.Credentials{Type: v1beta1.CredentialsAzure, Azure: c}})
		},
		"credentials.exec.apiVersion": func(v string) field.ErrorList {
			c := &v1beta1.ExecCredentials{Command: "x", APIVersion: v}
			return at(&v1beta1.ClusterRegistration{Credentials: v1beta1.Credentials{Type: v1beta1.CredentialsExec, Exec: c}})
		},
		"cluster.labelsFrom.policy": func(v string) field.ErrorList {
			s := v1beta1.MetadataSource{FieldSource: v1beta1.FieldSource{FieldPath: "a"}, Policy: v1beta1.FromFieldPathPolicy(v)}
			return at(&v1beta1.ClusterRegistration{Cluster: v1beta1.Cluster{LabelsFrom: []v1beta1.MetadataSource{s}}})
		},
		"cluster.annotationsFrom.policy": func(v string) field.ErrorList {
			s := v1beta1.MetadataSource{FieldSource: v1beta1.FieldSource{FieldPath: "a"}, Policy: v1beta1.FromFieldPathPolicy(v)}
			return at(&v1beta1.ClusterRegistration{Cluster: v1beta1.Cluster{AnnotationsFrom: []v1beta1.MetadataSource{s}}})
		},
		"output.type": func(v string) field.ErrorList {
			return at(&v1beta1.ClusterRegistration{Output: v1beta1.Output{Type: v1beta1.OutputType(v), Namespace: "team-a"}})
		},
		"output.argoCD": func(v string) field.ErrorList {
			return at(&v1beta1.ClusterRegistration{Output: v1beta1.Output{ArgoCD: v1beta1.ArgoCDLocation(v)}})
		},
		"output.object.providerConfigRef.kind": func(v string) field.ErrorList {
			ref := v1beta1.ProviderConfigReference{Kind: v1beta1.ProviderConfigKind(v)}
			return at(&v1beta1.ClusterRegistration{Output: v1beta1.Output{Object: &v1beta1.ObjectOutput{ProviderConfigRef: ref}}})
		},
		"output.object.managementPolicies": func(v string) field.ErrorList {
			p := []v1beta1.ManagementAction{v1beta1.ManagementAction(v), v1beta1.ManagementActionObserve, v1beta1.ManagementActionCreate, v1beta1.ManagementActionUpdate}
			return at(&v1beta1.ClusterRegistration{Output: v1beta1.Output{Object: &v1beta1.ObjectOutput{ManagementPolicies: p}}})
		},
	}
	source := func(v string) field.ErrorList {
		return validateFieldSource(field.NewPath("x"), &v1beta1.FieldSource{Type: v1beta1.FieldSourceType(v), FieldPath: "a"})
	}
	listed := map[string][]any{}
	versions := documents(t, "package", "input", "argocd.fn.crossplane.io_clusterregistrations.yaml")["CustomResourceDefinition"]["spec"].(map[string]any)["versions"].([]any)
	enums(versions[0].(map[string]any)["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any), "", listed)
	for path, values := range listed {
		accept, ok := accepts[path]
		delete(accepts, path)
		if !ok {
			accept = source
			if !strings.HasSuffix(path, "From.type") {
				t.Errorf("enum at %s is not tested", path)
			}
		}
		for _, v := range append(values, "Other") {
			if errs := accept(v.(string)); (len(errs) == 0) != (v != "Other") {
				t.Errorf("%s: %v: %v", path, v, errs)
			}
		}
	}
	for path := range accepts {
		t.Errorf("the CRD has no enum at %s", path)
	}
}

// TestFieldSources checks that every source in the input is validated, under its own path.
func TestFieldSources(t *testing.T) {
	paths := sources(reflect.TypeFor[v1beta1.ClusterRegistration](), nil)
	for _, want := range []string{"cluster.nameFrom", "kubeconfigFrom.secretRef.namespaceFrom", "credentials.aws.regionFrom", "credentials.azure.tenantIDFrom"} {
		if !slices.Contains(paths, want) {
			t.Errorf("%s was not found among %q", want, paths)
		}
	}
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			in := &v1beta1.ClusterRegistration{}
			v := reflect.ValueOf(in).Elem()
			for name := range strings.SplitSeq(path, ".") {
				v = v.FieldByNameFunc(func(f string) bool { return strings.EqualFold(f, name) })
				if v.Kind() == reflect.Pointer {
					v.Set(reflect.New(v.Type().Elem()))
					v = v.Elem()
				}
			}
			v.Set(reflect.ValueOf(v1beta1.FieldSource{FieldPath: "spec["}))
			switch {
			case strings.HasPrefix(path, "kubeconfigFrom"):
				in.KubeconfigFrom.Type = v1beta1.KubeconfigSourceSecret
			case strings.HasPrefix(path, "credentials.aws"):
				in.Credentials.Type = v1beta1.CredentialsAWS
			case strings.HasPrefix(path, "credentials.azure"):
				in.Credentials.Type = v1beta1.CredentialsAzure
			}
			in.Default()
			errs := validate(in, "team-a")
			if !slices.ContainsFunc(errs, func(e *field.Error) bool { return e.Field == path+".fieldPath" && e.Type == field.ErrorTypeInvalid }) {
				t.Errorf("want an error at %s.fieldPath, got %v", path, errs)
			}
		})
	}
}

// sources returns the paths of all fields that are a source.
func sources(typ reflect.Type, path []string) []string {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ == reflect.TypeFor[v1beta1.FieldSource]() {
		return []string{strings.Join(path, ".")}
	}
	if typ.Kind() != reflect.Struct || !strings.HasSuffix(typ.PkgPath(), "v1beta1") {
		return nil
	}
	var out []string
	for field := range typ.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		out = append(out, sources(field.Type, append(slices.Clip(path), name))...)
	}
	return out
}
