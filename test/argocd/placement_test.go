package argocd

import (
	"testing"

	"github.com/argoproj/argo-cd/v3/applicationset/controllers/template"
	"github.com/argoproj/argo-cd/v3/applicationset/generators"
	"github.com/argoproj/argo-cd/v3/applicationset/utils"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/settings"
	"github.com/google/go-cmp/cmp"
	log "github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	fakeclient "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"
)

// TestPlacement has Argo CD's own code make Applications of a Placement's decisions: the cluster that
// Open Cluster Management names is the one that is registered.
func TestPlacement(t *testing.T) {
	cases := map[string]struct {
		reason   string
		decision string
		want     map[string]string // an Application's server, by its name
	}{
		"Registered": {
			reason:   "Argo CD deploys to the cluster that was chosen.",
			decision: "prod-5b0f2f5e",
			want:     map[string]string{"placed-guestbook-prod-5b0f2f5e": "https://34.10.20.30"},
		},
		"NotRegistered": {
			reason:   "Argo CD leaves out a cluster that it does not know, and goes on with the others.",
			decision: "test-0c7d1e5b",
			want:     map[string]string{},
		},
	}
	const file = "open-cluster-management/placement.yaml"
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			set, config := v1alpha1.ApplicationSet{}, &corev1.ConfigMap{}
			for kind, into := range map[string]any{"ApplicationSet": &set, "ConfigMap": config} {
				if err := yaml.UnmarshalStrict([]byte(document(t, kind, file)), into); err != nil {
					t.Fatal(err)
				}
			}
			decision := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "cluster.open-cluster-management.io/v1beta1", "kind": "PlacementDecision",
				"metadata": map[string]any{"namespace": "argocd", "name": "guestbook-decision-1", "labels": map[string]any{"cluster.open-cluster-management.io/placement": "guestbook"}},
				"status":   map[string]any{"decisions": []any{map[string]any{"clusterName": tc.decision, "reason": ""}}},
			}}
			decisions := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
				{Group: "cluster.open-cluster-management.io", Version: "v1beta1", Resource: "placementdecisions"}: "PlacementDecisionList",
			}, decision)
			hub := kubefake.NewClientset(config, expectedSecret(t, "open-cluster-management"))
			clusters, err := settings.NewClusterInformer(hub, "argocd")
			if err != nil {
				t.Fatal(err)
			}
			go clusters.Run(t.Context().Done())
			if !cache.WaitForCacheSync(t.Context().Done(), clusters.HasSynced) {
				t.Fatal("the informer does not start")
			}
			apps, _, err := template.GenerateApplications(log.NewEntry(log.StandardLogger()), set, map[string]generators.Generator{
				"ClusterDecisionResource": generators.NewDuckTypeGenerator(t.Context(), decisions, hub, "argocd", clusters),
			}, &utils.Render{}, fakeclient.NewClientBuilder().Build())
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, a := range apps {
				got[a.Name] = a.Spec.Destination.Server
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nApplications: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
