package main

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// manifestOf returns what is expected to be composed under a name: the manifest of an Object, or else
// the resource itself.
func manifestOf(t *testing.T, stage, name string) unstructured.Unstructured {
	t.Helper()
	o := unstructured.Unstructured{Object: composedIn(exampleObjects(t, filepath.Join("example", filepath.FromSlash(stage)), "expected.yaml"), name)}
	if manifest, ok, _ := unstructured.NestedMap(o.Object, "spec", "forProvider", "manifest"); ok {
		return unstructured.Unstructured{Object: manifest}
	}
	return o
}

// TestFluxExamples checks what Flux is expected to get for each kind of cluster: how it connects, and what it
// applies. The references must lead somewhere, which no schema checks.
func TestFluxExamples(t *testing.T) {
	type flux struct {
		Provider, Cluster string // of the ConfigMap
		Key               string // of the connection Secret
		Path              string
	}
	cases := map[string]struct {
		reason string
		want   flux
	}{
		"flux": {
			reason: "We should name GKE as Google's API does, because Flux asks it for the address.",
			want:   flux{Provider: "gcp", Cluster: "projects/example-project/locations/europe-west1/clusters/prod-4f0c2f1d7c5e", Path: "./clusters/production"},
		},
		"flux/draining": {
			reason: "We should have Flux apply nothing, because it then prunes what it has applied.",
			want:   flux{Provider: "gcp", Cluster: "projects/example-project/locations/europe-west1/clusters/prod-4f0c2f1d7c5e", Path: "./clusters/drained"},
		},
		"flux/eks": {
			reason: "We should name EKS by its ARN, because Flux takes the region from it.",
			want:   flux{Provider: "aws", Cluster: "arn:aws:eks:eu-west-1:123456789012:cluster/prod-a6620f4be1d7", Path: "./clusters/production"},
		},
		"flux/aks": {
			reason: "We should name AKS by its resource ID, because Flux asks Azure's API for the address.",
			want: flux{
				Provider: "azure", Path: "./clusters/production",
				Cluster: "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/prod-4f0c2f1d7c5e/providers/Microsoft.ContainerService/managedClusters/prod-9d1f6a0b3e27",
			},
		},
		"flux/credentials": {
			reason: "We should give Flux the connection Secret, because it has the credentials.",
			want:   flux{Key: "kubeconfig", Path: "./clusters/production"},
		},
	}
	for stage, tc := range cases {
		t.Run(stage, func(t *testing.T) {
			var k struct {
				Metadata metav1.ObjectMeta
				Spec     struct {
					Path       string
					KubeConfig struct {
						ConfigMapRef, SecretRef struct{ Name, Key string }
					}
				}
			}
			kustomization := manifestOf(t, stage, "flux-kustomization")
			if err := yaml.Unmarshal([]byte(toYAML(t, kustomization.Object)), &k); err != nil {
				t.Fatal(err)
			}
			got := flux{Path: k.Spec.Path}
			if ref := k.Spec.KubeConfig.ConfigMapRef; ref.Name != "" {
				cm := manifestOf(t, stage, "flux-kubeconfig")
				if cm.GetName() != ref.Name || cm.GetNamespace() != k.Metadata.Namespace || cm.GetNamespace() != "flux-clusters" {
					t.Errorf("%s\nthe Kustomization is in %s and refers to %s; the ConfigMap is %s/%s", tc.reason, k.Metadata.Namespace, ref.Name, cm.GetNamespace(), cm.GetName())
				}
				data, _, _ := unstructured.NestedStringMap(cm.Object, "data")
				got.Provider, got.Cluster = data["provider"], data["cluster"]
				// With both, Flux would send its token there without asking the cloud.
				if len(data) != 2 {
					t.Errorf("%s\nthe ConfigMap has other keys than provider and cluster: %v", tc.reason, data)
				}
			}
			if ref := k.Spec.KubeConfig.SecretRef; ref.Name != "" {
				secret := exampleObjects(t, filepath.Join("example", filepath.FromSlash(stage)), "connection-secret.yaml")[0]
				data, _, _ := unstructured.NestedStringMap(secret.Object, "data")
				if secret.GetName() != ref.Name || secret.GetNamespace() != k.Metadata.Namespace || data[ref.Key] == "" {
					t.Errorf("%s\nthe Kustomization in %s refers to %+v; the connection Secret is %s/%s", tc.reason, k.Metadata.Namespace, ref, secret.GetNamespace(), secret.GetName())
				}
				got.Key = ref.Key
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n-want, +expected.yaml:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestNeighboursTrustNoUser checks that nothing that decides whom Flux trusts comes from the XR's user.
func TestNeighboursTrustNoUser(t *testing.T) {
	for _, dir := range []string{"flux", "flux/eks", "flux/aks", "flux/credentials"} {
		t.Run(dir, func(t *testing.T) {
			path := filepath.Join("example", filepath.FromSlash(dir))
			got := trusting(stepInput(t, path, "function-patch-and-transform"), stepInput(t, path, "function-argocd-cluster"))
			if diff := cmp.Diff([]string(nil), got); diff != "" {
				t.Errorf("decided by the XR's user: -want, +got:\n%s", diff)
			}
		})
	}
}
