package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
)

// A pattern is one of the examples that are configured from other steps, and by stages of one XR.
type pattern struct {
	// stage is its folder below example.
	stage string

	// environment is what function-patch-and-transform writes there, and status what it writes
	// to the XR's.
	environment, status string
}

// What the steps before it give the function for the examples.
const (
	bridgeEnvironment     = `dns: {zone: prod-e3a85b1f7c40, domain: prod.team-a.clusters.example.org., serviceAccount: dns-5b0f2f5e-9d0e-4c57@example-project.iam.gserviceaccount.com}`
	bridgeStatus          = `network: {name: prod-1c7d5e0b3a92, subnetwork: prod-7be20f94c6d1}`
	clusterAPIEnvironment = `kubeconfig: {secretName: prod-4f0c2f1d7c5e-kubeconfig}`
	joinedEnvironment     = `fleet: {name: prod-5b0f2f5e}`
)

// request returns the request with which Crossplane calls this function for the pattern.
func (p pattern) request(t *testing.T) *fnv1.RunFunctionRequest {
	t.Helper()
	dir := filepath.Join("example", filepath.FromSlash(p.stage))
	req := tokenRequest(t, dir)
	spec := structAt(req.GetObserved().GetComposite().GetResource(), "spec")
	// As the API server does with the XRD's default.
	if spec.GetFields()["hibernate"] == nil {
		spec.Fields["hibernate"] = structpb.NewBoolValue(false)
	}
	for _, o := range exampleObjects(t, dir, "connection-secret.yaml") {
		var requirement string
		switch kind, _, _ := unstructured.NestedString(o.Object, "type"); {
		case kind == "cluster.x-k8s.io/secret":
			requirement = requirementKubeconfig
		case o.GetLabels()["argocd.argoproj.io/secret-type"] != "":
			requirement = requirementSecret
		default:
			continue
		}
		req.RequiredResources = map[string]*fnv1.Resources{requirement: {Items: []*fnv1.Resource{{Resource: mustStruct(t, toYAML(t, o.Object))}}}}
	}
	req.Context = mustStruct(t, "apiextensions.crossplane.io/environment: {"+p.environment+"}")
	req.Desired = &fnv1.State{Composite: &fnv1.Resource{Resource: mustStruct(t, "status: {"+p.status+"}")}}
	return req
}

// TestPatterns checks that what the function composes for each pattern is what is expected of the
// whole rendering.
func TestPatterns(t *testing.T) {
	cases := map[string]struct {
		reason  string
		pattern pattern
	}{
		"GitOpsBridge": {
			reason:  "We should write what the cloud made as annotations, because the add-ons are configured from them.",
			pattern: pattern{stage: "gitops-bridge", environment: bridgeEnvironment, status: bridgeStatus},
		},
		"ClusterAPI": {
			reason:  "We should register a cluster from the Secret that Cluster API writes, because no composed resource publishes its kubeconfig.",
			pattern: pattern{stage: "cluster-api", environment: clusterAPIEnvironment},
		},
		"ClusterAPIServiceAccount": {
			reason:  "We should give Argo CD the token, because the administrator's certificate cannot be revoked alone.",
			pattern: pattern{stage: "cluster-api/service-account", environment: clusterAPIEnvironment},
		},
		"Flux": {
			reason:  "We should register a cluster of Flux's as any other, because both deploy to it.",
			pattern: pattern{stage: "flux"},
		},
		"FluxDraining": {
			reason:  "We should write that the cluster drains, because Flux prunes its part at the same time.",
			pattern: pattern{stage: "flux/draining"},
		},
		"FluxEKS": {
			reason:  "We should register EKS by the name that AWS has for it, because Argo CD's tokens are for that name.",
			pattern: pattern{stage: "flux/eks", environment: "cluster: {name: prod-a6620f4be1d7}"},
		},
		"FluxAKS": {
			reason:  "We should give Argo CD its own identity, because Flux's is another one.",
			pattern: pattern{stage: "flux/aks"},
		},
		"FluxCredentials": {
			reason:  "We should take the credentials that Flux takes, because the connection Secret is for both.",
			pattern: pattern{stage: "flux/credentials"},
		},
		"FluxRefused": {
			reason:  "We should register nothing of a kubeconfig that runs a plugin, because Flux waits for the registration.",
			pattern: pattern{stage: "flux/credentials/refused"},
		},
		"Joined": {
			reason:  "We should name the cluster as Open Cluster Management does, because a Placement's decisions name it so.",
			pattern: pattern{stage: "open-cluster-management", environment: joinedEnvironment},
		},
		"JoinedDraining": {
			reason:  "We should write that the cluster drains, because a Placement gives it up at the same time.",
			pattern: pattern{stage: "open-cluster-management/draining", environment: joinedEnvironment},
		},
		"JoinedToACM": {
			reason:  "We should register the cluster that ACM imports, because its kubeconfig is good for both.",
			pattern: pattern{stage: "open-cluster-management/acm", environment: joinedEnvironment},
		},
		"RefusedForACM": {
			reason:  "We should register nothing of a kubeconfig that runs a plugin, because ACM waits for the registration, and would run it.",
			pattern: pattern{stage: "open-cluster-management/acm/refused", environment: joinedEnvironment},
		},
		"Pool": {
			reason:  "We should leave out the label while nobody has the cluster, because an ApplicationSet would select it.",
			pattern: pattern{stage: "fleet/pool"},
		},
		"Assigned": {
			reason:  "We should write whom the cluster is assigned to, because the team's ApplicationSet selects it by that.",
			pattern: pattern{stage: "fleet/pool/assigned"},
		},
		"Hibernated": {
			reason:  "We should have Argo CD skip a cluster that hibernates, because it has no nodes to run anything.",
			pattern: pattern{stage: "fleet/pool/hibernated"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rsp := run(t, tc.pattern.request(t))
			expected := exampleObjects(t, filepath.Join("example", filepath.FromSlash(tc.pattern.stage)), "expected.yaml")
			want := map[string]any{"spec": composedIn(expected, "argocd-cluster")["spec"], "argocd": map[string]any{}}
			status := expected[0].Object["status"].(map[string]any)
			if argocd, ok := status["argocd"]; ok {
				want["argocd"] = argocd
			}
			for _, c := range status["conditions"].([]any) {
				if c := c.(map[string]any); c["type"] == v1beta1.DefaultConditionType {
					want["message"] = c["message"]
				}
			}
			got := map[string]any{
				"spec":    rsp.GetDesired().GetResources()["argocd-cluster"].GetResource().AsMap()["spec"],
				"message": rsp.GetConditions()[0].GetMessage(),
				"argocd":  structAt(rsp.GetDesired().GetComposite().GetResource(), "status", "argocd").AsMap(),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n-expected.yaml, +function:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestGitOpsBridgeForged has the user of a bridged cluster write its status, and checks what of it
// gets to the add-ons. README.md of the example says this.
func TestGitOpsBridgeForged(t *testing.T) {
	const (
		zone, account, network = "platform.example.org/dns-zone", "platform.example.org/dns-service-account", "platform.example.org/network"

		forged = "network: {name: forged, subnetwork: forged}, dns: {zone: forged, domain: forged., serviceAccount: forged@example.org}"
	)
	type outcome struct{ Verdict, Zone, Account, Network string }
	made := outcome{Zone: "prod-e3a85b1f7c40", Account: "dns-5b0f2f5e-9d0e-4c57@example-project.iam.gserviceaccount.com", Network: "prod-1c7d5e0b3a92"}
	with := func(verdict string, change func(*outcome)) outcome {
		o := made
		o.Verdict = verdict
		if change != nil {
			change(&o)
		}
		return o
	}

	cases := map[string]struct {
		reason              string
		environment, status string
		registered          bool
		want                outcome
	}{
		"EverythingMade": {
			reason:      "We should take what the pipeline says, because it says so in each pass.",
			environment: bridgeEnvironment, status: bridgeStatus,
			want: with("FALSE/Registering", nil),
		},
		"NoAccountYet": {
			reason:      "We should wait for the account, because the one in the status may be another team's.",
			environment: strings.Replace(bridgeEnvironment, "serviceAccount", "other", 1), status: bridgeStatus,
			want: outcome{Verdict: "FALSE/WaitingForField"},
		},
		"NothingMadeYet": {
			reason: "We should wait, because all of the status is the user's.",
			want:   outcome{Verdict: "FALSE/WaitingForField"},
		},
		"AccountMissingOnceRegistered": {
			reason:      "We should keep the account, because the user must not replace it while the pipeline does not know it.",
			environment: strings.Replace(bridgeEnvironment, "serviceAccount", "other", 1), status: bridgeStatus,
			registered: true,
			want:       with("TRUE/Retained", nil),
		},
		"NoNetworkYet": {
			reason:      "We take the network from the status, which its user may write: no rights depend on it.",
			environment: bridgeEnvironment,
			want:        with("FALSE/Registering", func(o *outcome) { o.Network = "forged" }),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			req := pattern{stage: "gitops-bridge", environment: tc.environment, status: tc.status}.request(t)
			xr := req.GetObserved().GetComposite().GetResource()
			xr.Fields["status"] = mustStruct(t, "status: {"+forged+"}").GetFields()["status"]
			if tc.registered {
				object := mustStruct(t, toYAML(t, exampleObject(t, filepath.Join("example", "gitops-bridge"))))
				object.Fields["status"] = mustStruct(t, "status: {conditions: [{type: Ready, status: 'True'}, {type: Synced, status: 'True'}]}").GetFields()["status"]
				req.Observed.Resources["argocd-cluster"] = &fnv1.Resource{Resource: object}
			}
			s := summarize(t, run(t, req), "argocd-cluster")
			got := outcome{Verdict: verdict(s)}
			if s.Secret != nil {
				got.Zone, got.Account, got.Network = s.Secret.Annotations[zone], s.Secret.Annotations[account], s.Secret.Annotations[network]
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s\n%s", tc.reason, diff, s.Message)
			}
		})
	}
}

// TestClusterSet checks what is expected of a set's rendering: clusters with all that their API
// needs, of which each drains with the set.
func TestClusterSet(t *testing.T) {
	cluster := func(environment, region, size, version string, nodes float64, drain bool) map[string]any {
		return map[string]any{"environment": environment, "region": region, "size": size, "version": version, "nodes": nodes, "drain": drain}
	}
	for stage, drain := range map[string]bool{"set": false, "set/draining": true} {
		got := map[string]any{}
		for _, o := range exampleObjects(t, filepath.Join("example", "fleet", filepath.FromSlash(stage)), "expected.yaml") {
			if o.GetKind() == "GKECluster" {
				got[o.GetName()] = o.Object["spec"]
			}
		}
		want := map[string]any{
			"shop-development": cluster("development", "europe-west1", "small", "1.36", 1, drain),
			"shop-primary":     cluster("production", "europe-west1", "medium", "1.35", 3, drain),
			"shop-secondary":   cluster("production", "us-east1", "medium", "1.35", 3, drain),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: clusters: -want, +got:\n%s", stage, diff)
		}
	}
}

// TestPatternApplicationSets checks that what the ApplicationSets deploy, and with whose rights, is
// the platform's word alone, and that their Applications say which cluster they are on.
func TestPatternApplicationSets(t *testing.T) {
	for _, dir := range []string{"gitops-bridge", "fleet/pool"} {
		set := documents(t, "example", dir, "applicationset.yaml")["ApplicationSet"]
		spec := set["spec"].(map[string]any)
		template := spec["template"].(map[string]any)
		source := template["spec"].(map[string]any)["source"].(map[string]any)
		for field, v := range map[string]any{
			"project": template["spec"].(map[string]any)["project"], "repoURL": source["repoURL"], "targetRevision": source["targetRevision"],
			"path": source["path"], "chart": source["chart"], "namespace": template["spec"].(map[string]any)["destination"].(map[string]any)["namespace"],
		} {
			if text, _ := v.(string); strings.Contains(text, "{{") {
				t.Errorf("%s: %s is a template: %s", dir, field, text)
			}
		}
		type asked struct{ Label, State, Option any }
		selector := spec["generators"].([]any)[0].(map[string]any)["clusters"].(map[string]any)["selector"].(map[string]any)["matchLabels"].(map[string]any)
		got := asked{
			Label:  template["metadata"].(map[string]any)["labels"].(map[string]any)[labelCluster],
			State:  selector[labelState],
			Option: spec["goTemplateOptions"].([]any)[0],
		}
		want := asked{Label: `{{ index .metadata.labels "` + labelCluster + `" }}`, State: stateActive, Option: "missingkey=error"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", dir, diff)
		}
	}
}
