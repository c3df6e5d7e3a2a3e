package main

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
)

// exampleObjects returns the objects in a file of an example, or else of the folder above.
func exampleObjects(t *testing.T, dir, name string) []unstructured.Unstructured {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		return exampleObjects(t, filepath.Dir(dir), name)
	}
	if err != nil {
		t.Fatal(err)
	}
	var out []unstructured.Unstructured
	for doc := range strings.SplitSeq("\n"+string(b), "\n---\n") {
		o := unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &o.Object); err != nil {
			t.Fatal(err)
		}
		if o.Object != nil {
			out = append(out, o)
		}
	}
	return out
}

func resourceName(o *unstructured.Unstructured) string {
	return o.GetAnnotations()["crossplane.io/composition-resource-name"]
}

// composedIn returns what is composed under a name; nil if nothing is.
func composedIn(objects []unstructured.Unstructured, name string) map[string]any {
	for i := range objects {
		if resourceName(&objects[i]) == name {
			return objects[i].Object
		}
	}
	return nil
}

// tokenRequest returns the request with which Crossplane calls this function for an example of
// ServiceAccounts.
func tokenRequest(t *testing.T, dir string) *fnv1.RunFunctionRequest {
	t.Helper()
	xr := exampleObjects(t, dir, "xr.yaml")[0]
	req := &fnv1.RunFunctionRequest{Observed: &fnv1.State{
		Composite: &fnv1.Resource{Resource: mustStruct(t, toYAML(t, xr.Object))},
		Resources: map[string]*fnv1.Resource{},
	}}
	pipeline, _, _ := unstructured.NestedSlice(exampleObjects(t, dir, "composition.yaml")[0].Object, "spec", "pipeline")
	for _, s := range pipeline {
		if step, ok := s.(map[string]any); ok && step["step"] == "register-with-argocd" {
			req.Input = mustStruct(t, toYAML(t, step["input"]))
		}
	}
	secrets := exampleObjects(t, dir, "connection-secret.yaml")
	for _, o := range exampleObjects(t, dir, "observed.yaml") {
		r := &fnv1.Resource{Resource: mustStruct(t, toYAML(t, o.Object)), ConnectionDetails: map[string][]byte{}}
		ref, _, _ := unstructured.NestedStringMap(o.Object, "spec", "writeConnectionSecretToRef")
		for _, s := range secrets {
			data, _, _ := unstructured.NestedStringMap(s.Object, "data")
			if ref["name"] != s.GetName() || s.GetNamespace() != ref["namespace"] && s.GetNamespace() != o.GetNamespace() {
				continue
			}
			for k, v := range data {
				b, err := base64.StdEncoding.DecodeString(v)
				if err != nil {
					t.Fatal(err)
				}
				r.ConnectionDetails[k] = b
			}
		}
		req.Observed.Resources[resourceName(&o)] = r
	}
	return req
}

// TestServiceAccountExamples checks that what the function composes for each example of
// ServiceAccounts is what is expected of the whole rendering, and that nothing in it is an
// admin's credential.
func TestServiceAccountExamples(t *testing.T) {
	cases := map[string]struct {
		reason string
		want   string
	}{
		"aks":            {"A cluster-scoped XR, and AKS with a local account.", "BearerToken credentials"},
		"aks/waiting":    {"The token is composed once its ServiceAccount has been seen.", `Waiting for composed resource "token"`},
		"aks/restricted": {"The ServiceAccount has rights in some namespaces only.", "BearerToken credentials"},
		"aks/entra-id":   {"The provider authenticates by an Azure identity, and the kubeconfig has a plugin.", "BearerToken credentials"},
		"team":           {"A namespaced XR.", "BearerToken credentials"},
		"gke":            {"The provider authenticates by a Google identity, and the kubeconfig has nothing.", "BearerToken credentials"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("example", "service-account", filepath.FromSlash(name))
			expected := exampleObjects(t, dir, "expected.yaml")
			rsp := run(t, tokenRequest(t, dir))

			want, got := composedIn(expected, "argocd-cluster"), rsp.GetDesired().GetResources()["argocd-cluster"].GetResource().AsMap()
			if want != nil {
				metadata, _, _ := unstructured.NestedMap(want, "metadata")
				want["metadata"] = map[string]any{"name": metadata["name"]}
			}
			if diff := cmp.Diff(want, got); diff != "" && (want != nil || len(got) > 0) {
				t.Errorf("%s\nObject: -expected.yaml, +function:\n%s", tc.reason, diff)
			}
			config, _, _ := unstructured.NestedString(got, "spec", "forProvider", "manifest", "data", "config")
			if b, err := base64.StdEncoding.DecodeString(config); err != nil || config != "" && !strings.HasPrefix(string(b), `{"bearerToken":"fake-token-of-argocd-hub-eu","tlsClientConfig":{"insecure":false,"caData":"`) {
				t.Errorf("%s\nconfig: %s, %v", tc.reason, b, err)
			}

			conditions, _, _ := unstructured.NestedSlice(expected[0].Object, "status", "conditions")
			i := slices.IndexFunc(conditions, func(c any) bool { return c.(map[string]any)["type"] == v1beta1.DefaultConditionType })
			if i < 0 {
				t.Fatalf("%s\nno condition %s in expected.yaml", tc.reason, v1beta1.DefaultConditionType)
			}
			message := rsp.GetConditions()[0].GetMessage()
			if diff := cmp.Diff(conditions[i].(map[string]any)["message"], any(message)); diff != "" || !strings.Contains(message, tc.want) {
				t.Errorf("%s\nwant a message with %q\n-expected.yaml, +function:\n%s", tc.reason, tc.want, diff)
			}
		})
	}
}

// TestServiceAccountCompositions checks what keeps what they compose on a cluster from hanging
// when the cluster is gone, and in tenants' namespaces from being written first.
func TestServiceAccountCompositions(t *testing.T) {
	for _, name := range []string{"aks", "aks/restricted", "aks/entra-id", "team", "gke"} {
		objects := exampleObjects(t, filepath.Join("example", "service-account", filepath.FromSlash(name)), "expected.yaml")
		if composedIn(objects, "token") == nil || composedIn(objects, "service-account") == nil {
			t.Errorf("%s: want a ServiceAccount and its token", name)
		}
		for i := range objects {
			o := &objects[i]
			if o.GetKind() == kindObject && resourceName(o) != "argocd-cluster" {
				policies, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "managementPolicies")
				if diff := cmp.Diff([]string{"Observe", "Create", "Update"}, policies); diff != "" {
					t.Errorf("%s: %s would wait for a cluster that is gone: -want, +got:\n%s", name, resourceName(o), diff)
				}
			}
			secret, ok, _ := unstructured.NestedString(o.Object, "spec", "writeConnectionSecretToRef", "name")
			if ok && o.GetNamespace() != "" && !strings.HasSuffix(secret, "-cluster-connection") {
				t.Errorf("%s: the name of connection Secret %s is not reserved", name, secret)
			}
		}
	}
}
