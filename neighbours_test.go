package main

import (
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
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

// registeredAs returns the cluster Secret that an example is expected to have.
func registeredAs(t *testing.T, stage string) *corev1.Secret {
	t.Helper()
	return decodeSecret(t, mustStruct(t, toYAML(t, composedIn(exampleObjects(t, filepath.Join("example", filepath.FromSlash(stage)), "expected.yaml"), "argocd-cluster"))))
}

// copied checks that an Object has its manifest's field from the kubeconfig in the connection Secret of
// the XR: no schema checks where a reference leads.
func copied(t *testing.T, stage, name, field string) {
	t.Helper()
	dir := filepath.Join("example", filepath.FromSlash(stage))
	type source struct{ Kind, Namespace, Name, FieldPath, ToFieldPath string }
	var object struct {
		Spec struct {
			References []struct {
				PatchesFrom source
				ToFieldPath string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(toYAML(t, composedIn(exampleObjects(t, dir, "expected.yaml"), name))), &object); err != nil {
		t.Fatal(err)
	}
	connection := exampleObjects(t, dir, "connection-secret.yaml")[0]
	want := []source{{Kind: "Secret", Namespace: connection.GetNamespace(), Name: connection.GetName(), FieldPath: "data.kubeconfig", ToFieldPath: field}}
	var got []source
	for _, r := range object.Spec.References {
		r.PatchesFrom.ToFieldPath = r.ToFieldPath
		got = append(got, r.PatchesFrom)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: references: -connection Secret, +expected.yaml:\n%s", name, diff)
	}
}

// TestFluxExamples checks what Flux is expected to get for each kind of cluster: how it connects, and what it
// applies. The references must lead somewhere, which no schema checks.
func TestFluxExamples(t *testing.T) {
	type flux struct {
		Provider, Cluster string // of the ConfigMap
		Key               string // of the Secret
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
		"flux/credentials/refused": {
			reason: "We should give Flux nothing of a kubeconfig that the function refuses, because nobody has checked it.",
			want:   flux{},
		},
	}
	for stage, tc := range cases {
		t.Run(stage, func(t *testing.T) {
			var k struct {
				Spec struct {
					Path       string
					KubeConfig struct {
						ConfigMapRef, SecretRef struct{ Name, Key string }
					}
				}
			}
			kustomization, source := manifestOf(t, stage, "flux-kustomization"), manifestOf(t, stage, "flux-kubeconfig")
			if err := yaml.Unmarshal([]byte(toYAML(t, kustomization.Object)), &k); err != nil {
				t.Fatal(err)
			}
			got := flux{Path: k.Spec.Path}
			// Where teams have no role.
			want := types.NamespacedName{}
			if k.Spec.Path != "" {
				want = types.NamespacedName{Namespace: "flux-clusters", Name: k.Spec.KubeConfig.ConfigMapRef.Name + k.Spec.KubeConfig.SecretRef.Name}
			}
			for _, o := range []unstructured.Unstructured{kustomization, source} {
				if diff := cmp.Diff(want, types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}); diff != "" {
					t.Errorf("%s\n%s: -the Kustomization's kubeconfig, +expected.yaml:\n%s", tc.reason, o.GetKind(), diff)
				}
			}
			if source.GetKind() == "ConfigMap" {
				data, _, _ := unstructured.NestedStringMap(source.Object, "data")
				got.Provider, got.Cluster = data["provider"], data["cluster"]
				// With both, Flux would send its token there without asking the cloud.
				if len(data) != 2 {
					t.Errorf("%s\nthe ConfigMap has other keys than provider and cluster: %v", tc.reason, data)
				}
			}
			if source.GetKind() == "Secret" {
				copied(t, stage, "flux-kubeconfig", "data."+k.Spec.KubeConfig.SecretRef.Key)
				got.Key = k.Spec.KubeConfig.SecretRef.Key
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n-want, +expected.yaml:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestAccessEntries checks that each policy of EKS is for the principal that it is meant for. If a selector
// selects two access entries, the provider takes one of them.
func TestAccessEntries(t *testing.T) {
	cases := map[string]struct {
		reason string
		want   map[string][]string // the access entries that are selected, by the policy
	}{
		"eks": {
			reason: "We should give Argo CD the policy.",
			want:   map[string][]string{"argocd-access-policy": {"argocd-access"}},
		},
		"flux/eks": {
			reason: "We should give Argo CD and Flux one policy each, because two for one of them leave the other without.",
			want:   map[string][]string{"argocd-access-policy": {"argocd-access"}, "flux-access-policy": {"flux-access"}},
		},
	}
	for dir, tc := range cases {
		t.Run(dir, func(t *testing.T) {
			type resource struct {
				Name string
				Base struct {
					Kind     string
					Metadata metav1.ObjectMeta
					Spec     struct {
						ForProvider struct {
							PrincipalArnSelector struct{ MatchLabels map[string]string }
						}
					}
				}
			}
			var input struct{ Resources []resource }
			if err := yaml.Unmarshal([]byte(toYAML(t, stepInput(t, filepath.Join("example", filepath.FromSlash(dir)), "function-patch-and-transform"))), &input); err != nil {
				t.Fatal(err)
			}
			got := map[string][]string{}
			for _, policy := range input.Resources {
				if policy.Base.Kind != "AccessPolicyAssociation" {
					continue
				}
				selector := labels.SelectorFromSet(policy.Base.Spec.ForProvider.PrincipalArnSelector.MatchLabels)
				for _, entry := range input.Resources {
					if entry.Base.Kind == "AccessEntry" && selector.Matches(labels.Set(entry.Base.Metadata.Labels)) {
						got[policy.Name] = append(got[policy.Name], entry.Name)
					}
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nselected access entries: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestManagedClusters checks that Open Cluster Management knows a cluster by the name and the labels
// that Argo CD does, and which sets and Placements it is in.
func TestManagedClusters(t *testing.T) {
	selectors := map[string]labels.Selector{}
	for _, file := range []string{"clustersets.yaml", "placement.yaml"} {
		for _, o := range exampleObjects(t, filepath.Join("example", "open-cluster-management"), file) {
			var spec struct {
				ClusterSelector struct{ LabelSelector *metav1.LabelSelector }
				Predicates      []struct {
					RequiredClusterSelector struct{ LabelSelector *metav1.LabelSelector }
				}
			}
			if err := yaml.Unmarshal([]byte(toYAML(t, o.Object["spec"])), &spec); err != nil {
				t.Fatal(err)
			}
			selector := spec.ClusterSelector.LabelSelector
			if len(spec.Predicates) > 0 {
				selector = spec.Predicates[0].RequiredClusterSelector.LabelSelector
			}
			if selector == nil {
				continue
			}
			s, err := metav1.LabelSelectorAsSelector(selector)
			if err != nil {
				t.Fatal(err)
			}
			selectors[o.GetKind()+" "+o.GetName()] = s
		}
	}

	cases := map[string]struct {
		reason string
		want   []string
	}{
		"open-cluster-management": {
			reason: "We should have the cluster in the set of its environment and in that of its team, and let Placements choose it.",
			want:   []string{"ManagedClusterSet production", "ManagedClusterSet team-a", "Placement guestbook"},
		},
		"open-cluster-management/draining": {
			reason: "We should have Placements give up a cluster that drains, and keep it in its sets.",
			want:   []string{"ManagedClusterSet production", "ManagedClusterSet team-a"},
		},
		"open-cluster-management/acm": {
			reason: "We should have a cluster that ACM imports in the same sets.",
			want:   []string{"ManagedClusterSet production", "ManagedClusterSet team-a", "Placement guestbook"},
		},
	}
	for stage, tc := range cases {
		t.Run(stage, func(t *testing.T) {
			cluster, secret := manifestOf(t, stage, "managed-cluster"), registeredAs(t, stage)
			if diff := cmp.Diff(dataOf(secret)["name"], cluster.GetName()); diff != "" {
				t.Errorf("%s\nname: -Argo CD, +ManagedCluster:\n%s", tc.reason, diff)
			}
			// The hub makes a namespace of this name.
			if errs := validation.IsDNS1123Label(cluster.GetName()); len(errs) > 0 {
				t.Errorf("%s\nname: %v", tc.reason, errs)
			}
			want := map[string]string{}
			for _, k := range []string{"cloud", "environment", "region", "team", labelState} {
				want[k] = secret.Labels[k]
			}
			if diff := cmp.Diff(want, cluster.GetLabels()); diff != "" {
				t.Errorf("%s\nlabels: -cluster Secret, +ManagedCluster:\n%s", tc.reason, diff)
			}
			var got []string
			for _, name := range slices.Sorted(maps.Keys(selectors)) {
				if selectors[name].Matches(labels.Set(cluster.GetLabels())) {
					got = append(got, name)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nselected by: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestAutoImport checks that ACM is expected to get the kubeconfig where it looks for it.
func TestAutoImport(t *testing.T) {
	const stage = "open-cluster-management/acm"
	copied(t, stage, "auto-import", "data.kubeconfig")
	if o := manifestOf(t, stage+"/refused", "auto-import"); o.Object != nil {
		t.Errorf("ACM, which runs what a kubeconfig says, gets one that the function refuses:\n%s", toYAML(t, o.Object))
	}
	secret, cluster := manifestOf(t, stage, "auto-import"), manifestOf(t, stage, "managed-cluster")
	if diff := cmp.Diff(cluster.GetName()+"/auto-import-secret", secret.GetNamespace()+"/"+secret.GetName()); diff != "" {
		t.Errorf("Secret: -want, +expected.yaml:\n%s", diff)
	}
}

// TestNeighboursTrustNoUser checks what of the XR's user decides whom Flux and Open Cluster Management
// trust: the first part of the cluster's name, and labels by which no rights may be given. README.md of the
// examples says this.
func TestNeighboursTrustNoUser(t *testing.T) {
	// Together with the UID.
	nameOfUser := []string{"patch of flux.name"}
	labelsOfUser := []string{
		"patch of fleet.name",
		"patch of spec.forProvider.manifest.metadata.labels.environment",
		"patch of spec.forProvider.manifest.metadata.labels.region",
		"patch of spec.forProvider.manifest.metadata.labels[argocd.fn.crossplane.io/state]",
	}
	for dir, want := range map[string][]string{
		"flux": nameOfUser, "flux/eks": nameOfUser, "flux/aks": nameOfUser, "flux/credentials": nameOfUser,
		"open-cluster-management": labelsOfUser, "open-cluster-management/acm": labelsOfUser,
	} {
		t.Run(dir, func(t *testing.T) {
			path := filepath.Join("example", filepath.FromSlash(dir))
			var got []string
			pipeline, _, _ := unstructured.NestedSlice(exampleObjects(t, path, "composition.yaml")[0].Object, "spec", "pipeline")
			for _, s := range pipeline {
				var transform, register map[string]any
				switch step := s.(map[string]any); step["functionRef"].(map[string]any)["name"] {
				case "function-argocd-cluster":
					register = step["input"].(map[string]any)
				default:
					transform = step["input"].(map[string]any)
				}
				got = append(got, trusting(transform, register)...)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("decided by the XR's user: -want, +got:\n%s", diff)
			}
		})
	}
}
