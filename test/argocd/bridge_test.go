package argocd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/applicationset/controllers/template"
	"github.com/argoproj/argo-cd/v3/applicationset/generators"
	"github.com/argoproj/argo-cd/v3/applicationset/utils"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/google/go-cmp/cmp"
	log "github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	fakeclient "sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"
)

// document returns the document of a kind in a file of an example.
func document(t *testing.T, kind string, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{"..", "..", "example"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	for doc := range strings.SplitSeq(string(b), "\n---\n") {
		if strings.Contains("\n"+doc, "\nkind: "+kind+"\n") {
			return doc
		}
	}
	t.Fatalf("%v has no %s", path, kind)
	return ""
}

// expectedSecret returns the cluster Secret in what is expected of an example.
func expectedSecret(t *testing.T, dir string) *corev1.Secret {
	t.Helper()
	return secretOf(t, toStruct(t, document(t, "Object", dir, "expected.yaml")))
}

// TestExampleApplicationSets has Argo CD's own code make Applications of the examples' ApplicationSets
// and cluster Secrets.
func TestExampleApplicationSets(t *testing.T) {
	type application struct {
		Name, Project, RepoURL, Chart, Path, Server, Cluster, Values string
		Sources                                                      []string
		Labels                                                       map[string]string
	}
	cases := map[string]struct {
		reason string
		set    string // its file
		secret string
		change func(*corev1.Secret)
		want   []application
	}{
		"GitOpsBridge": {
			reason: "The add-on is configured from the annotations.",
			set:    "gitops-bridge/applicationset.yaml", secret: "gitops-bridge",
			want: []application{{
				Name: "external-dns-team-a.prod", Project: "default", RepoURL: "https://kubernetes-sigs.github.io/external-dns/", Chart: "external-dns",
				Server: "https://34.10.20.30",
				Labels: map[string]string{"argocd.fn.crossplane.io/cluster": "team-a.prod"},
				Values: `domainFilters:
- prod.team-a.clusters.example.org
extraArgs:
- --google-project=example-project
policy: sync
provider:
  name: google
serviceAccount:
  annotations:
    iam.gke.io/gcp-service-account: dns-5b0f2f5e-9d0e-4c57@example-project.iam.gserviceaccount.com
  name: external-dns
txtOwnerId: team-a.prod
`,
			}},
		},
		"GitOpsBridgeInjected": {
			reason: "A value stays one value, whatever it holds.",
			set:    "gitops-bridge/applicationset.yaml", secret: "gitops-bridge",
			change: func(s *corev1.Secret) {
				s.Annotations["platform.example.org/dns-service-account"] = "x\"\nprovider: {name: other}\n{{ .server }}"
			},
			want: []application{{
				Name: "external-dns-team-a.prod", Project: "default", RepoURL: "https://kubernetes-sigs.github.io/external-dns/", Chart: "external-dns",
				Server: "https://34.10.20.30",
				Labels: map[string]string{"argocd.fn.crossplane.io/cluster": "team-a.prod"},
				Values: `domainFilters:
- prod.team-a.clusters.example.org
extraArgs:
- --google-project=example-project
policy: sync
provider:
  name: google
serviceAccount:
  annotations:
    iam.gke.io/gcp-service-account: |-
      x"
      provider: {name: other}
      {{ .server }}
  name: external-dns
txtOwnerId: team-a.prod
`,
			}},
		},
		"NotBridged": {
			reason: "A cluster without the annotations is left out.",
			set:    "gitops-bridge/applicationset.yaml", secret: "gke",
		},
		"Assigned": {
			reason: "The team deploys to the cluster that it was given.",
			set:    "fleet/pool/applicationset.yaml", secret: "fleet/pool/assigned",
			want: []application{{
				Name: "shop-cluster-pool.warm-1", Project: "shop", RepoURL: "https://github.com/argoproj/argocd-example-apps", Path: "guestbook",
				Cluster: "cluster-pool.warm-1", Labels: map[string]string{"argocd.fn.crossplane.io/cluster": "cluster-pool.warm-1"},
			}},
		},
		"InThePool": {
			reason: "Nobody deploys to a cluster in the pool.",
			set:    "fleet/pool/applicationset.yaml", secret: "fleet/pool",
		},
		"AnotherTeam": {
			reason: "A team's ApplicationSet leaves other teams' clusters alone.",
			set:    "fleet/pool/applicationset.yaml", secret: "fleet/pool/assigned",
			change: func(s *corev1.Secret) { s.Labels["assigned-to"] = "search" },
		},
		"Klusterlet": {
			reason: "The klusterlet joins under the name that the ManagedCluster has, and stays while the cluster drains.",
			set:    "open-cluster-management/klusterlet.yaml", secret: "open-cluster-management/draining",
			want: []application{{
				Name: "klusterlet-prod-5b0f2f5e", Project: "default", RepoURL: "https://open-cluster-management.io/helm-charts", Chart: "klusterlet",
				Server: "https://34.10.20.30", Labels: map[string]string{"argocd.fn.crossplane.io/cluster": "prod-5b0f2f5e"},
				Values: "klusterlet:\n  clusterName: prod-5b0f2f5e\n",
			}},
		},
		"ImportedByACM": {
			reason: "ACM brings the klusterlet itself.",
			set:    "open-cluster-management/klusterlet.yaml", secret: "open-cluster-management/acm",
		},
		"Pull": {
			reason: "A cluster that pulls gets an Argo CD, and what that one pulls.",
			set:    "pull/applicationset.yaml", secret: "gke",
			change: func(s *corev1.Secret) { s.Labels["delivery"] = "pull" },
			want: []application{{
				Name: "pull-team-a.prod", Project: "default", Server: "https://34.10.20.30",
				Labels: map[string]string{"argocd.fn.crossplane.io/cluster": "team-a.prod"},
				Sources: []string{
					"https://github.com/argoproj/argo-cd v3.6.1 manifests/cluster-install",
					"https://github.com/crossplane-contrib/function-argocd-cluster main example/pull/root",
				},
			}},
		},
		"Push": {
			reason: "A cluster that the hub pushes to needs no Argo CD of its own.",
			set:    "pull/applicationset.yaml", secret: "gke",
		},
		"OutsideOfThePool": {
			reason: "A cluster of a team's own cannot get another team's workloads, whatever label its API offers.",
			set:    "fleet/pool/applicationset.yaml", secret: "fleet/pool/assigned",
			change: func(s *corev1.Secret) { s.Labels["team"] = "team-a" },
		},
	}
	scheme := clientgoscheme.Scheme
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			secret := expectedSecret(t, tc.secret)
			if tc.change != nil {
				tc.change(secret)
			}
			set := v1alpha1.ApplicationSet{}
			if err := yaml.UnmarshalStrict([]byte(document(t, "ApplicationSet", tc.set)), &set); err != nil {
				t.Fatal(err)
			}
			c := fakeclient.NewClientBuilder().WithScheme(scheme).WithObjects(client.Object(secret)).Build()
			apps, _, err := template.GenerateApplications(log.NewEntry(log.StandardLogger()), set,
				map[string]generators.Generator{"Clusters": generators.NewClusterGenerator(c, "argocd")}, &utils.Render{}, c)
			if err != nil {
				t.Fatal(err)
			}
			var got []application
			for _, a := range apps {
				app := application{Name: a.Name, Project: a.Spec.Project, Server: a.Spec.Destination.Server, Cluster: a.Spec.Destination.Name, Labels: a.Labels}
				for _, s := range a.Spec.Sources {
					app.Sources = append(app.Sources, s.RepoURL+" "+s.TargetRevision+" "+s.Path)
				}
				if s := a.Spec.Source; s != nil {
					app.RepoURL, app.Chart, app.Path = s.RepoURL, s.Chart, s.Path
					if s.Helm != nil {
						values, err := yaml.JSONToYAML(s.Helm.ValuesObject.Raw)
						if err != nil {
							t.Fatal(err)
						}
						app.Values = string(values)
					}
				}
				got = append(got, app)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nApplications: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
