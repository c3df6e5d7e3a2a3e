package argocd

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/applicationset/controllers/template"
	"github.com/argoproj/argo-cd/v3/applicationset/generators"
	"github.com/argoproj/argo-cd/v3/applicationset/utils"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	fakeclient "sigs.k8s.io/controller-runtime/pkg/client/fake"
)

const theHub = v1alpha1.KubernetesInternalAPIServerAddr

// An asked is a cluster that a team asked for, with the labels that the examples' Compositions give.
func asked(namespace, name, environment, server, more string) cluster {
	return cluster{
		xr: "{apiVersion: platform.example.org/v1alpha1, kind: GKECluster, metadata: {namespace: " + namespace + ", name: " + name + "}, spec: {environment: '" + environment + "', region: europe-west1}}",
		input: `
cluster:
  labels: {cloud: google}
  labelsFrom:
  - {fieldPath: spec.environment, key: environment}
  - {fieldPath: spec.region, key: region}
  - {fieldPath: metadata.namespace, key: team}
` + more,
		details: map[string]string{
			"kubeconfig": `{current-context: c, clusters: [{name: c, cluster: {server: "` + server + `"}}], contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {token: fake-token}}]}`,
		},
	}
}

// generated has Argo CD generate the Applications of an ApplicationSet for clusters.
func generated(t *testing.T, set *v1alpha1.ApplicationSet, clusters ...cluster) []v1alpha1.Application {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	builder := fakeclient.NewClientBuilder().WithScheme(scheme)
	for _, c := range clusters {
		builder = builder.WithObjects(register(t, c))
	}
	client := builder.Build()
	// Of Argo CD's generators, those that need nothing but the hub.
	all := generators.GetGenerators(t.Context(), client, nil, "argocd", nil, nil, generators.SCMConfig{}, nil)
	apps, _, err := template.GenerateApplications(logrus.NewEntry(logrus.StandardLogger()), *set, all, &utils.Render{}, client)
	if err != nil {
		t.Fatal(err)
	}
	return apps
}

// TestBaseline has Argo CD generate the Applications of the hub's clusters.
func TestBaseline(t *testing.T) {
	type application struct {
		Labels                                  map[string]string
		Finalizers                              []string
		Project, Repo, Revision, Path           string
		ValueFiles                              []string
		Values                                  map[string]string
		DestinationServer, DestinationNamespace string
	}
	of := func(environment, project, revision, name, server string) map[string]application {
		out := map[string]application{}
		for _, addon := range []string{"ingress-nginx", "kube-prometheus-stack", "guestbook"} {
			out[addon+"-"+name] = application{
				Labels:     map[string]string{"addon": addon, "environment": environment, "argocd.fn.crossplane.io/cluster": name},
				Finalizers: []string{"resources-finalizer.argocd.argoproj.io"},
				Project:    project, Repo: "https://github.com/crossplane-contrib/function-argocd-cluster", Revision: revision, Path: "example/hub/baseline/" + addon,
				ValueFiles:        []string{"values.yaml", "values-" + environment + ".yaml"},
				Values:            map[string]string{"cluster": name, "environment": environment, "region": "europe-west1"},
				DestinationServer: server, DestinationNamespace: addon,
			}
		}
		return out
	}
	development := of("development", "development", "main", "team-a.dev", "https://192.0.2.1")
	production := of("production", "production", "v1.0.0", "team-b.prod", "https://192.0.2.2")
	both := maps.Clone(development)
	maps.Copy(both, production)

	dev := asked("team-a", "dev", "development", "https://192.0.2.1", "")
	prod := asked("team-b", "prod", "production", "https://192.0.2.2", "")
	set := typed[v1alpha1.ApplicationSet](t, "ApplicationSet", "hub", "delivery")["baseline"]
	allProjects := projects(t)

	cases := map[string]struct {
		reason   string
		clusters []cluster
		want     map[string]application
	}{
		"NoCluster":        {reason: "The hub itself must never get what is for clusters.", want: map[string]application{}},
		"Both":             {reason: "Production follows the tag, and has values and a project of its own.", clusters: []cluster{dev, prod}, want: both},
		"Draining":         {reason: "The workloads must be deleted before the cluster is.", clusters: []cluster{dev, asked("team-b", "prod", "production", "https://192.0.2.2", "  drain: true")}, want: development},
		"OtherEnvironment": {reason: "An environment that is not in the list selects nothing.", clusters: []cluster{asked("team-a", "dev", "v1.0.0", "https://192.0.2.1", "")}, want: map[string]application{}},
		"ProjectOfCluster": {
			reason:   "The project in the cluster Secret may come from an XR, so it must not win over the list.",
			clusters: []cluster{asked("team-a", "dev", "development", "https://192.0.2.1", "  project: hub"), prod},
			want:     both,
		},
		"TemplateInAnAnnotation": {
			reason:   "What a user writes is a value, and never a template.",
			clusters: []cluster{asked("team-a", "dev", "development", "https://192.0.2.1", "  annotations: {addon: '{{ .appProject }}', revision: hostile, environment: hostile}"), prod},
			want:     both,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := map[string]application{}
			for _, app := range generated(t, set, tc.clusters...) {
				var values map[string]map[string]string
				if err := json.Unmarshal(app.Spec.Source.Helm.ValuesObject.Raw, &values); err != nil {
					t.Fatal(err)
				}
				global := values["global"]
				got[app.Name] = application{
					Labels: app.Labels, Finalizers: app.Finalizers, Project: app.Spec.Project,
					Repo: app.Spec.Source.RepoURL, Revision: app.Spec.Source.TargetRevision, Path: app.Spec.Source.Path, ValueFiles: app.Spec.Source.Helm.ValueFiles,
					Values:            global,
					DestinationServer: app.Spec.Destination.Server, DestinationNamespace: app.Spec.Destination.Namespace,
				}
				project := allProjects[app.Spec.Project]
				if !project.IsSourcePermitted(*app.Spec.Source) {
					t.Errorf("%s: project %s does not permit the source", app.Name, project.Name)
				}
				if ok, err := project.IsDestinationPermitted(&v1alpha1.Cluster{Server: app.Spec.Destination.Server, Name: global["cluster"]}, app.Spec.Destination.Namespace, nil); !ok || err != nil {
					t.Errorf("%s: project %s does not permit the destination: %v", app.Name, project.Name, err)
				}
				files := append(slices.Clone(app.Spec.Source.Helm.ValueFiles), "Chart.yaml")
				for _, f := range files {
					if _, err := os.Stat(example("..", app.Spec.Source.Path, f)); err != nil {
						t.Error(err)
					}
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nApplications: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestRollout checks that each environment of the baseline is in one step of the rollout: Argo CD
// never syncs an Application that is in none.
func TestRollout(t *testing.T) {
	set := typed[v1alpha1.ApplicationSet](t, "ApplicationSet", "hub", "delivery")["baseline"]
	var got []string
	for _, step := range set.Spec.Strategy.RollingSync.Steps {
		for _, m := range step.MatchExpressions {
			if m.Key != "environment" || m.Operator != "In" {
				t.Errorf("a step matches %s %s", m.Key, m.Operator)
			}
			got = append(got, m.Values...)
		}
	}
	if diff := cmp.Diff([]string{"development", "production"}, got); diff != "" {
		t.Errorf("environments in the order of the rollout: -want, +got:\n%s", diff)
	}
	if set.Spec.Strategy.Type != "RollingSync" {
		t.Errorf("the strategy is %q", set.Spec.Strategy.Type)
	}
	params := "argocd-cmd-params-cm"
	for _, objects := range documents(t, "hub", "argocd") {
		for _, o := range objects {
			if o.GetName() != params {
				continue
			}
			if v, _, _ := unstructured.NestedString(o.Object, "data", "applicationsetcontroller.enable.progressive.syncs"); v != "true" {
				t.Error("progressive syncs are not enabled")
			}
			params = ""
		}
	}
	if params != "" {
		t.Errorf("no %s", params)
	}
}

// TestProjects checks what the hub's projects permit.
func TestProjects(t *testing.T) {
	spoke := &v1alpha1.Cluster{Name: "team-a.dev", Server: "https://192.0.2.1"}
	hub := &v1alpha1.Cluster{Name: "in-cluster", Server: theHub}

	cases := map[string]struct {
		reason    string
		project   string
		cluster   *v1alpha1.Cluster
		group     string
		kind      string
		namespace string
		name      string
		want      bool
	}{
		"Development":            {reason: "This is what it is for.", project: "development", cluster: spoke, group: "apps", kind: "Deployment", namespace: "guestbook", want: true},
		"Production":             {reason: "This is what it is for.", project: "production", cluster: spoke, group: "apps", kind: "Deployment", namespace: "guestbook", want: true},
		"DevelopmentOnHub":       {reason: "A chart must not get to the hub.", project: "development", cluster: hub, group: "apps", kind: "Deployment", namespace: "guestbook"},
		"ProductionOnHub":        {reason: "A chart must not get to the hub.", project: "production", cluster: hub, group: "apps", kind: "Deployment", namespace: "ingress-nginx"},
		"DevelopmentInHubsArgo":  {reason: "A chart must not write cluster Secrets.", project: "development", cluster: hub, kind: "Secret", namespace: "argocd"},
		"OtherNamespace":         {reason: "A chart must not write to kube-system.", project: "production", cluster: spoke, kind: "ConfigMap", namespace: "kube-system"},
		"CRD":                    {reason: "kube-prometheus-stack has some.", project: "production", cluster: spoke, group: "apiextensions.k8s.io", kind: "CustomResourceDefinition", want: true},
		"Node":                   {reason: "No chart has cluster-scoped resources of other kinds.", project: "production", cluster: spoke, kind: "PersistentVolume"},
		"Claim":                  {reason: "Teams commit clusters.", project: "team-a", cluster: hub, group: "platform.example.org", kind: "AKSCluster", namespace: "team-a", want: true},
		"ClaimEKS":               {reason: "Teams commit clusters.", project: "team-a", cluster: hub, group: "platform.example.org", kind: "EKSCluster", namespace: "team-a", want: true},
		"ClaimGKE":               {reason: "Teams commit clusters.", project: "team-a", cluster: hub, group: "platform.example.org", kind: "GKECluster", namespace: "team-a", want: true},
		"Namespace":              {reason: "Each team has one.", project: "team-a", cluster: hub, kind: "Namespace", name: "team-a", want: true},
		"OtherNamespaceOfClaims": {reason: "A team must not relabel a namespace of the platform.", project: "team-a", cluster: hub, kind: "Namespace", name: "crossplane-system"},
		"ClaimInArgoCD":          {reason: "The policies do not apply in Argo CD's namespace.", project: "team-a", cluster: hub, group: "platform.example.org", kind: "GKECluster", namespace: "argocd"},
		"ClaimOfOtherTeam":       {reason: "A team must not drain another team's cluster.", project: "team-a", cluster: hub, group: "platform.example.org", kind: "GKECluster", namespace: "team-b"},
		"NamespaceOfOtherTeam":   {reason: "A namespace that is pruned takes its clusters along.", project: "team-a", cluster: hub, kind: "Namespace", name: "team-b"},
		"ClaimOnSpoke":           {reason: "A claim has no place on a cluster.", project: "team-a", cluster: spoke, group: "platform.example.org", kind: "GKECluster", namespace: "team-a"},
		"Object":                 {reason: "An Object can write any Secret.", project: "team-a", cluster: hub, group: "kubernetes.m.crossplane.io", kind: "Object", namespace: "team-a"},
		"Secret":                 {reason: "A Secret can be a cluster's kubeconfig.", project: "team-a", cluster: hub, kind: "Secret", namespace: "team-a"},
		"ManagedResource":        {reason: "Its status could name a server.", project: "team-a", cluster: hub, group: "container.gcp.m.upbound.io", kind: "Cluster", namespace: "team-a"},
		"Application":            {reason: "It could deploy anything anywhere.", project: "team-a", cluster: hub, group: "argoproj.io", kind: "Application", namespace: "team-a"},
		"RoleBinding":            {reason: "It could give rights.", project: "team-a", cluster: hub, group: "rbac.authorization.k8s.io", kind: "RoleBinding", namespace: "team-a"},
		"Hub":                    {reason: "This is what it is for.", project: "hub", cluster: hub, kind: "Secret", namespace: "argocd", want: true},
		"HubOnSpoke":             {reason: "The hub's own Applications are for the hub.", project: "hub", cluster: spoke, kind: "Secret", namespace: "argocd"},
	}
	all := projects(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := all[tc.project].IsResourcePermitted(schema.GroupKind{Group: tc.group, Kind: tc.kind}, tc.name, tc.namespace, tc.cluster, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\npermitted: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestApplications checks the hub's own Applications: their waves, that their projects permit them,
// and that none deletes anything that a removed file or Application did not name.
func TestApplications(t *testing.T) {
	type application struct {
		Wave       string
		Project    string
		Prune      bool
		Finalizers int
	}
	want := map[string]application{
		"hub":        {Project: "hub", Prune: true}, // Applications, whose resources stay.
		"argocd":     {Project: "hub", Wave: "0"},
		"crossplane": {Project: "hub", Wave: "1"},
		"packages":   {Project: "hub", Wave: "2"},
		"configs":    {Project: "hub", Wave: "3"},
		"apis":       {Project: "hub", Wave: "4"},
		"policies":   {Project: "hub", Wave: "4"},
		"delivery":   {Project: "hub", Wave: "5"},
		"team-a":     {Project: "team-a", Wave: "6", Prune: true},
	}
	got := map[string]application{}
	all := projects(t)
	for name, app := range typed[v1alpha1.Application](t, "Application", "hub") {
		got[name] = application{
			Wave: app.Annotations["argocd.argoproj.io/sync-wave"], Project: app.Spec.Project,
			Prune: app.Spec.SyncPolicy.Automated.GetPrune(), Finalizers: len(app.Finalizers),
		}
		project := all[app.Spec.Project]
		for _, source := range app.Spec.GetSources() {
			if !project.IsSourcePermitted(source) {
				t.Errorf("%s: project %s does not permit %s", name, project.Name, source.RepoURL)
			}
			if _, err := os.Stat(example("..", source.Path)); source.Chart == "" && err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if ok, err := project.IsDestinationPermitted(&v1alpha1.Cluster{Name: app.Spec.Destination.Name, Server: theHub}, app.Spec.Destination.Namespace, nil); !ok || err != nil {
			t.Errorf("%s: project %s does not permit %s: %v", name, project.Name, app.Spec.Destination.Namespace, err)
		}
		if retry := app.Spec.SyncPolicy.Retry; retry.Limit >= 0 || !retry.Refresh {
			t.Errorf("%s gives up, or does not take a newer commit", name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Applications: -want, +got:\n%s", diff)
	}
}

// TestPackages checks that the hub installs the same packages as the other examples.
func TestPackages(t *testing.T) {
	packages := func(files map[string][]*unstructured.Unstructured) map[string]string {
		out := map[string]string{}
		for _, objects := range files {
			for _, o := range objects {
				if o.GroupVersionKind().Group == "pkg.crossplane.io" && (o.GetKind() == "Provider" || o.GetKind() == "Function") {
					out[o.GetName()], _, _ = unstructured.NestedString(o.Object, "spec", "package")
				}
			}
		}
		return out
	}
	hub := packages(documents(t, "hub", "packages"))
	for _, folder := range []string{"install", "aks", "eks", "gke"} {
		if _, err := os.Stat(example(folder)); errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no folder %s", folder)
			continue
		}
		for name, want := range packages(documents(t, folder)) {
			if hub[name] != want {
				t.Errorf("%s of example/%s is %q on the hub, want %q", name, folder, hub[name], want)
			}
		}
	}
	// Those of a cloud are released together.
	versions := map[string]map[string]bool{}
	for name, p := range hub {
		for _, cloud := range []string{"azure", "aws", "gcp"} {
			if !strings.Contains(name, "-"+cloud) {
				continue
			}
			if versions[cloud] == nil {
				versions[cloud] = map[string]bool{}
			}
			_, version, _ := strings.Cut(p, ":")
			versions[cloud][version] = true
		}
	}
	for cloud, v := range versions {
		if len(v) != 1 {
			t.Errorf("providers for %s: %v", cloud, slices.Sorted(maps.Keys(v)))
		}
	}
	if len(versions) != 3 {
		t.Errorf("clouds: %v", versions)
	}
}

// TestBootstrap checks that the hub has the version of Argo CD that is tested here.
func TestBootstrap(t *testing.T) {
	module, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(example("hub", "bootstrap.sh"))
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(string(module), "\n\tgithub.com/argoproj/argo-cd/v3 ")
	version, _, _ = strings.Cut(version, "\n")
	if want := "\nversion=" + version + " "; version == "" || !strings.Contains(string(script), want) {
		t.Errorf("bootstrap.sh does not have %q", want)
	}
}
