package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"
	fncontext "github.com/crossplane/function-sdk-go/context"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
)

// documents returns the objects in a YAML file, by kind.
func documents(t *testing.T, path ...string) map[string]map[string]any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]any{}
	for doc := range bytes.SplitSeq(append([]byte("\n"), b...), []byte("\n---\n")) {
		var o map[string]any
		if err := yaml.Unmarshal(doc, &o); err != nil {
			t.Fatal(err)
		}
		if kind, ok := o["kind"].(string); ok {
			out[kind] = o
		}
	}
	return out
}

func toYAML(t *testing.T, v any) string {
	t.Helper()
	b, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// exampleRequest returns the request with which Crossplane calls this function for an
// example: that of the Composition's step for it, with the connection Secret's data as
// connection details of the resource that refers to it.
func exampleRequest(t *testing.T, dir string) *fnv1.RunFunctionRequest {
	t.Helper()
	req := &fnv1.RunFunctionRequest{Observed: &fnv1.State{Resources: map[string]*fnv1.Resource{}}}

	if input := stepInput(t, dir, "function-argocd-cluster"); input != nil {
		req.Input = mustStruct(t, toYAML(t, input))
	}
	for _, xr := range documents(t, dir, "xr.yaml") {
		req.Observed.Composite = &fnv1.Resource{Resource: mustStruct(t, toYAML(t, xr))}
	}

	secret := documents(t, dir, "connection-secret.yaml")["Secret"]
	details := connectionDetails(t, filepath.Join("..", "..", dir, "connection-secret.yaml"))
	refers := false
	for _, o := range documents(t, dir, "observed.yaml") {
		metadata := o["metadata"].(map[string]any)
		name := metadata["annotations"].(map[string]any)["crossplane.io/composition-resource-name"].(string)
		r := &fnv1.Resource{Resource: mustStruct(t, toYAML(t, o))}
		if ref, ok := o["spec"].(map[string]any)["writeConnectionSecretToRef"].(map[string]any); ok {
			if ref["name"] != secret["metadata"].(map[string]any)["name"] {
				t.Fatalf("%s: %s refers to another connection Secret", dir, name)
			}
			refers = true
			r.ConnectionDetails = map[string][]byte{}
			for k, v := range details {
				r.ConnectionDetails[k] = []byte(v)
			}
		}
		req.Observed.Resources[name] = r
	}
	if !refers {
		t.Fatalf("%s: nothing refers to the connection Secret", dir)
	}
	req.Context = exampleContext(t, dir, req)
	return req
}

// stepInput returns the input of the step of an example's pipeline for a function.
func stepInput(t *testing.T, dir, function string) map[string]any {
	t.Helper()
	composition := documents(t, dir, "composition.yaml")["Composition"]
	for _, s := range composition["spec"].(map[string]any)["pipeline"].([]any) {
		step := s.(map[string]any)
		if step["functionRef"].(map[string]any)["name"] == function {
			input, _ := step["input"].(map[string]any)
			return input
		}
	}
	t.Fatalf("%s has no step for %s", dir, function)
	return nil
}

// exampleContext returns what function-patch-and-transform passes on in the environment: what it
// copies there from observed resources.
func exampleContext(t *testing.T, dir string, req *fnv1.RunFunctionRequest) *structpb.Struct {
	t.Helper()
	environment := fieldpath.Pave(map[string]any{})
	for _, r := range stepInput(t, dir, "function-patch-and-transform")["resources"].([]any) {
		resource := r.(map[string]any)
		patches, _ := resource["patches"].([]any)
		for _, p := range patches {
			patch := p.(map[string]any)
			if patch["type"] != "ToEnvironmentFieldPath" {
				continue
			}
			observed := req.GetObserved().GetResources()[resource["name"].(string)].GetResource().AsMap()
			v, err := fieldpath.Pave(observed).GetValue(patch["fromFieldPath"].(string))
			if err != nil {
				t.Fatal(err)
			}
			if err := environment.SetValue(patch["toFieldPath"].(string), v); err != nil {
				t.Fatal(err)
			}
		}
	}
	return mustStruct(t, toYAML(t, map[string]any{fncontext.KeyEnvironment: environment.UnstructuredContent()}))
}

// exampleObject returns the Object in an example's expected rendering, which `make render`
// compares with what Crossplane renders.
func exampleObject(t *testing.T, dir string) map[string]any {
	t.Helper()
	object := documents(t, dir, "expected.yaml")["Object"]
	if object == nil {
		t.Fatalf("%s has no Object", dir)
	}
	return object
}

// TestExamples checks that what the function composes for each example is what is
// expected of the whole rendering, and that its config is the golden one.
func TestExamples(t *testing.T) {
	cases := map[string]struct {
		reason string
		golden string
		xr     string
	}{
		"aks": {
			reason: "We should register AKS with Entra ID without a credential, because Argo CD has an identity in Azure.",
			golden: "argocd-config-aks-azure.json",
			xr:     "AKSCluster",
		},
		"claim": {
			reason: "We should render the example of a legacy XR with a claim, because its README shows the result.",
			golden: "argocd-config-aks-local.json",
			xr:     "XAKSCluster",
		},
		"eks": {
			reason: "We should register EKS by the name that AWS has for it, because Argo CD gets its tokens for that name.",
			golden: "argocd-config-eks-cluster.json",
			xr:     "EKSCluster",
		},
		"gke": {
			reason: "We should render the example of a namespaced XR, because its README shows the result.",
			golden: "argocd-config-gke-exec.json",
			xr:     "GKECluster",
		},
		"ephemeral": {
			reason: "We should render the example of a cluster with an end date, because the reaper relies on its labels.",
			golden: "argocd-config-gke-exec.json",
			xr:     "PreviewCluster",
		},
	}
	dirs, err := filepath.Glob(filepath.Join("example", "*", "composition.yaml"))
	// TestPatterns has the other four.
	if err != nil || len(dirs) != len(cases)+4 {
		t.Errorf("want %d examples, got %v, %v", len(cases)+4, dirs, err)
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("example", name)
			rsp := run(t, exampleRequest(t, dir))
			object := exampleObject(t, dir)

			got := rsp.GetDesired().GetResources()["argocd-cluster"].GetResource().AsMap()
			want := map[string]any{
				"apiVersion": object["apiVersion"], "kind": object["kind"], "spec": object["spec"],
				"metadata": map[string]any{"name": object["metadata"].(map[string]any)["name"]},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\nObject: -expected.yaml, +function:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(strings.TrimSpace(sample(t, tc.golden)), dataOf(secretOf(t, summarize(t, rsp, "argocd-cluster")))["config"]); diff != "" {
				t.Errorf("%s\nconfig: -golden, +function:\n%s", tc.reason, diff)
			}

			xr := documents(t, dir, "expected.yaml")[tc.xr]
			for _, c := range xr["status"].(map[string]any)["conditions"].([]any) {
				condition := c.(map[string]any)
				if condition["type"] != v1beta1.DefaultConditionType {
					continue
				}
				if diff := cmp.Diff(condition["message"], rsp.GetConditions()[0].GetMessage()); diff != "" {
					t.Errorf("%s\nmessage: -expected.yaml, +function:\n%s", tc.reason, diff)
				}
				return
			}
			t.Errorf("%s\nno condition %s in expected.yaml", tc.reason, v1beta1.DefaultConditionType)
		})
	}
}

// TestApplicationSet checks that the example ApplicationSet selects every cluster of the
// examples and not the hub, and that its template renders with what the cluster
// generator gives.
func TestApplicationSet(t *testing.T) {
	spec := documents(t, "example", "argocd", "applicationset.yaml")["ApplicationSet"]["spec"].(map[string]any)
	var generators []struct {
		Clusters struct{ Selector metav1.LabelSelector }
	}
	if err := yaml.Unmarshal([]byte(toYAML(t, spec["generators"])), &generators); err != nil {
		t.Fatal(err)
	}
	selector, err := metav1.LabelSelectorAsSelector(&generators[0].Clusters.Selector)
	if err != nil {
		t.Fatal(err)
	}
	if selector.Matches(labels.Set{}) {
		t.Error("the selector takes the hub, which has no Secret")
	}
	tmpl, err := template.New("").Option("missingkey=error").Parse(toYAML(t, spec["template"]))
	if err != nil {
		t.Fatal(err)
	}

	type application struct{ name, cluster, server string }

	cases := map[string]struct {
		reason string
		want   application
	}{
		"aks": {
			reason: "We should deploy to AKS at the server that Azure named, because the kubeconfig says the same.",
			want:   application{name: "guestbook-team-a.prod", cluster: "team-a.prod", server: "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443"},
		},
		"claim": {
			reason: "We should name the Application after a cluster-scoped XR, because the cluster has its name.",
			want:   application{name: "guestbook-prod-x7k2p", cluster: "prod-x7k2p", server: "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443"},
		},
		"eks": {
			reason: "We should deploy to EKS at the endpoint of the Cluster, because the ClusterAuth names none.",
			want:   application{name: "guestbook-team-a.prod", cluster: "team-a.prod", server: "https://0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com"},
		},
		"gke": {
			reason: "We should name the Application after a namespaced XR and its namespace, because the cluster's name has both.",
			want:   application{name: "guestbook-team-a.prod", cluster: "team-a.prod", server: "https://34.10.20.30"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			secret := decodeSecret(t, mustStruct(t, toYAML(t, exampleObject(t, filepath.Join("example", name)))))
			if !selector.Matches(labels.Set(secret.Labels)) {
				t.Errorf("%s\nthe selector does not take %v", tc.reason, secret.Labels)
			}
			data := dataOf(secret)
			out := &strings.Builder{}
			// The parameters of Argo CD's cluster generator that the template uses. These
			// names need no normalizing.
			if err := tmpl.Execute(out, map[string]any{
				"nameNormalized": data["name"], "server": data["server"], "metadata": map[string]any{"labels": secret.Labels},
			}); err != nil {
				t.Fatal(err)
			}
			var rendered struct {
				Metadata struct {
					Name   string
					Labels map[string]string
				}
				Spec struct{ Destination struct{ Server string } }
			}
			if err := yaml.Unmarshal([]byte(out.String()), &rendered); err != nil {
				t.Fatal(err)
			}
			got := application{name: rendered.Metadata.Name, cluster: rendered.Metadata.Labels[labelCluster], server: rendered.Spec.Destination.Server}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(application{})); diff != "" {
				t.Errorf("%s\nApplication: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
