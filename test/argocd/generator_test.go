package argocd

import (
	"fmt"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/applicationset/generators"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	fakeclient "sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// TestClusterGenerator has the cluster generator of Argo CD's ApplicationSets read what the
// function writes.
func TestClusterGenerator(t *testing.T) {
	kubeconfig := `{current-context: c, clusters: [{name: c, cluster: {server: "https://192.0.2.1"}}], contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {token: fake-token}}]}`
	details := map[string]string{"kubeconfig": kubeconfig}

	first := register(t, cluster{
		xr: "{apiVersion: platform.example.org/v1, kind: Cluster, metadata: {namespace: team-a, name: prod}, spec: {environment: production}, status: {metadata: {vpc: vpc-1, domain: Example.org}}}",
		input: `
cluster:
  project: payments
  labelsFrom: [{fieldPath: spec.environment, key: environment}]
  annotationsFrom: [{fieldPath: status.metadata, keyPrefix: example.org/}]
`,
		details: details,
	})
	second := register(t, cluster{input: "cluster: {name: 'Dev / West', labels: {environment: development}}", details: details})

	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	g := generators.NewClusterGenerator(fakeclient.NewClientBuilder().WithScheme(scheme).WithObjects(first, second).Build(), "argocd")

	labels := func(extra map[string]string) map[string]string {
		extra["argocd.argoproj.io/secret-type"] = "cluster"
		extra["argocd.fn.crossplane.io/state"] = "active"
		extra["argocd.fn.crossplane.io/server"] = "44ac6374f2c5679161c6b6768e1f7070"
		return extra
	}
	prod := map[string]any{
		"name": "team-a.prod", "nameNormalized": "team-a.prod", "server": "https://192.0.2.1", "project": "payments",
		"metadata": map[string]any{
			"labels": labels(map[string]string{"crossplane.io/composite": "prod", "environment": "production", "argocd.fn.crossplane.io/cluster": "team-a.prod"}),
			"annotations": map[string]string{
				"argocd.fn.crossplane.io/composite": "Cluster.platform.example.org/team-a/prod",
				"argocd.fn.crossplane.io/source":    "cluster",
				"example.org/vpc":                   "vpc-1",
				"example.org/domain":                "Example.org",
			},
		},
	}
	dev := map[string]any{
		"name": "Dev / West", "nameNormalized": "dev---west", "server": "https://192.0.2.1", "project": "",
		"metadata": map[string]any{
			"labels":      labels(map[string]string{"crossplane.io/composite": "demo", "environment": "development", "argocd.fn.crossplane.io/cluster": "dev-west-b74d2bc906"}),
			"annotations": map[string]string{"argocd.fn.crossplane.io/composite": "XCluster.platform.example.org/demo", "argocd.fn.crossplane.io/source": "cluster"},
		},
	}

	cases := map[string]struct {
		reason   string
		selector map[string]string
		want     []map[string]any
	}{
		"All": {
			reason:   "Every registered cluster has the state.",
			selector: map[string]string{"argocd.fn.crossplane.io/state": "active"},
			want:     []map[string]any{prod, dev},
		},
		"One": {
			reason:   "A label from the XR selects.",
			selector: map[string]string{"environment": "production"},
			want:     []map[string]any{prod},
		},
		"None": {
			reason:   "And only its value.",
			selector: map[string]string{"environment": "staging"},
			want:     []map[string]any{},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := g.GenerateParams(
				&v1alpha1.ApplicationSetGenerator{Clusters: &v1alpha1.ClusterGenerator{Selector: metav1.LabelSelector{MatchLabels: tc.selector}}},
				&v1alpha1.ApplicationSet{Spec: v1alpha1.ApplicationSetSpec{GoTemplate: true}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			byName := map[string]map[string]any{}
			for _, p := range got {
				byName[p["name"].(string)] = p
			}
			want := map[string]map[string]any{}
			for _, p := range tc.want {
				want[p["name"].(string)] = p
			}
			if diff := cmp.Diff(want, byName); diff != "" {
				t.Errorf("%s\nparameters: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestNamesDiffer checks that no two XRs of a kind get one name in Argo CD by default, nor
// one Secret: the cluster generator would lose one of the clusters.
func TestNamesDiffer(t *testing.T) {
	kubeconfig := `{current-context: c, clusters: [{name: c, cluster: {server: "https://192.0.2.1"}}], contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {token: fake-token}}]}`
	names := []string{"a", "b", "a-b", "a.b", "b.c", "a.b.c", "c", "b-c", strings.Repeat("a", 63), strings.Repeat("a", 62)}
	for _, namespaces := range [][]string{{""}, {"a", "b", "a-b", "b-c", strings.Repeat("a", 63), strings.Repeat("a", 62)}} {
		clusters, secrets := map[string]string{}, map[string]string{}
		for _, ns := range namespaces {
			for _, n := range names {
				xr := fmt.Sprintf("{apiVersion: platform.example.org/v1, kind: Cluster, metadata: {namespace: %q, name: %q}}", ns, n)
				s := register(t, cluster{xr: xr, details: map[string]string{"kubeconfig": kubeconfig}})
				if other, ok := clusters[string(s.Data["name"])]; ok {
					t.Errorf("%s and %s are both %s", other, xr, s.Data["name"])
				}
				if other, ok := secrets[s.Name]; ok {
					t.Errorf("%s and %s both have the Secret %s", other, xr, s.Name)
				}
				clusters[string(s.Data["name"])], secrets[s.Name] = xr, xr
			}
		}
	}
}
