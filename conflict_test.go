package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

// TestNameConflict has the Secret exist before the registration.
func TestNameConflict(t *testing.T) {
	cases := map[string]struct {
		reason  string
		secret  string
		want    string
		message string
	}{
		"Free":      {"We should register the cluster if there is no such Secret.", "", "FALSE/Registering", "Waiting for the Object"},
		"Ours":      {"We should take over our own Secret, because its Object may be lost.", "{metadata: {namespace: argocd, name: cluster-prod, annotations: {argocd.fn.crossplane.io/composite: XAKSCluster.platform.example.org/prod-x7k2p}}}", "FALSE/Registering", "Waiting for the Object"},
		"AnotherXR": {"We should not touch another XR's Secret, because Argo CD would lose its cluster.", "{metadata: {namespace: argocd, name: cluster-prod, annotations: {argocd.fn.crossplane.io/composite: GKECluster.platform.example.org/team-b/prod}}}", "FALSE/NameConflict", "already belongs to GKECluster.platform.example.org/team-b/prod"},
		"Nobodys":   {"We should not touch a Secret that was made by hand.", "{metadata: {namespace: argocd, name: cluster-prod, labels: {argocd.argoproj.io/secret-type: cluster}}}", "FALSE/NameConflict", "annotate the Secret with argocd.fn.crossplane.io/composite: XAKSCluster.platform.example.org/prod-x7k2p"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHub(tokenKubeconfig("canary-good"))
			if tc.secret != "" {
				h.secrets["argocd/cluster-prod"] = mustStruct(t, tc.secret)
			}
			s := h.reconcile(t)
			if s.Condition != "ArgoCDClusterRegistered="+tc.want || !says(s.Message, tc.message) {
				t.Errorf("%s\n%s: %s", tc.reason, s.Condition, s.Message)
			}
			if conflict := strings.HasSuffix(tc.want, "NameConflict"); (s.Composed == nil) != conflict || (s.Warning != "") != conflict || (s.XRReady == "READY_FALSE") != conflict {
				t.Errorf("%s\n%+v", tc.reason, s)
			}
		})
	}
	t.Run("AnotherStep", func(t *testing.T) {
		h, _ := registered(t, tokenKubeconfig("canary-good"))
		first := h.registrations["argocd-cluster"]
		for input, want := range map[string]string{
			"output: {resourceName: second}":                                          "cluster.name: another pipeline step already uses Secret argocd/cluster-prod-x7k2p",
			"output: {resourceName: second, namespace: other}":                        "",
			"output: {resourceName: second}\ncluster: {name: secondary, server: a.b}": "",
		} {
			structAt(first, "spec", "forProvider", "manifest", "metadata").Fields["name"] = structpb.NewStringValue("cluster-prod-x7k2p")
			req := newRequest(t, h.xr, input, map[string]observation{"cluster": {resource: aks, details: map[string]string{"kubeconfig": kubeconfigOf("https://second.example.org", "token: canary-second")}}})
			req.Desired.Resources["argocd-cluster"] = &fnv1.Resource{Resource: first}
			rsp := run(t, req)
			fatal := ""
			for _, r := range rsp.GetResults() {
				fatal += r.GetMessage()
			}
			if !strings.HasPrefix(fatal, want) || want == "" && (fatal != "" || rsp.GetDesired().GetResources()["second"] == nil) {
				t.Errorf("Two steps must not have one Secret, and may have two, with %s: %s", input, fatal)
			}
		}
	})
}

// TestForeignSecret replaces a registered cluster's Secret by another's.
func TestForeignSecret(t *testing.T) {
	cases := map[string]struct{ reason, metadata string }{
		"MadeByHand": {"We should never take over a Secret that was made by hand.", "annotations: {hand: made}"},
		"AnotherXRs": {"We should never take over another XR's Secret.", "annotations: {argocd.fn.crossplane.io/composite: GKECluster.platform.example.org/team-b/prod}"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
			h.registered(t)
			delete(h.secrets, prodKey)
			h.store(mustStruct(t, "{apiVersion: v1, kind: Secret, metadata: {namespace: argocd, name: cluster-prod-x7k2p, labels: {argocd.argoproj.io/secret-type: cluster}, "+tc.metadata+"}, data: {server: aHR0cHM6Ly9vdGhlcg==, name: b3RoZXI=, config: e30=}}"))
			foreign := clone(h.secrets[prodKey])
			// The provider looks at what it no longer writes, and says what it sees.
			for i := range 4 {
				s := h.reconcile(t)
				if verdict(s) != "FALSE/NameConflict" || s.Ready != "READY_FALSE" {
					t.Errorf("%s\nreconcile %d: %s, %s: %s", tc.reason, i, s.Condition, s.Ready, s.Message)
				}
				if diff := cmp.Diff([]string{"Observe"}, policiesOf(t, s)); diff != "" {
					t.Errorf("%s\nreconcile %d: policies: -want, +got:\n%s", tc.reason, i, diff)
				}
				if diff := cmp.Diff(foreign.AsMap(), h.secrets[prodKey].AsMap()); diff != "" {
					t.Fatalf("%s\nreconcile %d: -before, +after:\n%s", tc.reason, i, diff)
				}
			}
			h.input = "credentials: {type: Exec, exec: {command: x}}"
			h.resources = of(aks, "")
			for range 2 {
				s := h.reconcile(t)
				if diff := cmp.Diff(foreign.AsMap(), h.secrets[prodKey].AsMap()); diff != "" || verdict(s) != "FALSE/NameConflict" {
					t.Errorf("We should leave it alone even if the author withdraws our credentials, because it has none of them: %s: %s\n-before, +after:\n%s", s.Condition, s.Message, diff)
				}
			}
			h.input, h.resources = "", of(aks, tokenKubeconfig("canary-good"))
			delete(h.secrets, prodKey)
			if s := h.settle(t); verdict(s) != "TRUE/Registered" || string(secretOf(t, s).Data["server"]) != "https://api.example.org" {
				t.Errorf("We should go on once the other is gone: %s: %s", s.Condition, s.Message)
			}
		})
	}
}

// TestTwoRegistrations has two XRs want one name or one server.
func TestTwoRegistrations(t *testing.T) {
	first := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	first.registered(t)
	second := func(input, server string) *hub {
		h := plainHub(namespacedXR, kubeconfigOf(server, "token: canary-second"), input)
		h.secrets = first.secrets
		return h
	}
	for name, tc := range map[string]struct{ input, server, reason string }{
		"Name":             {"cluster: {name: prod-x7k2p}\noutput: {name: other}", "https://second.example.org", reasonNameConflict},
		"SecretsName":      {"output: {name: cluster-prod-x7k2p}", "https://second.example.org", reasonNameConflict},
		"Server":           {"", "https://api.example.org", reasonServerConflict},
		"ServerWithSlash":  {"", "https://api.example.org/", reasonServerConflict},
		"OtherNamespace":   {"output: {namespace: other}", "https://api.example.org", reasonRegistering},
		"NeitherOfTheBoth": {"", "https://second.example.org", reasonRegistering},
	} {
		h := second(tc.input, tc.server)
		h.secrets = map[string]*structpb.Struct{}
		for k, v := range first.secrets {
			h.secrets[k] = v
		}
		s := h.reconcile(t)
		if s.Condition != "ArgoCDClusterRegistered=FALSE/"+tc.reason || (s.Composed == nil) != strings.HasSuffix(tc.reason, "Conflict") {
			t.Errorf("%s: want %s, got %s: %s", name, tc.reason, s.Condition, s.Message)
		}
	}

	// A registered cluster's kubeconfig changes to the server of another.
	h := second("", "https://second.example.org")
	h.revision = 10
	h.registered(t)
	h.resources = of(gke, kubeconfigOf("https://api.example.org", "token: canary-second"))
	for range 3 {
		s := h.reconcile(t)
		if s.Condition != "ArgoCDClusterRegistered=FALSE/ServerConflict" || string(secretOf(t, s).Data["server"]) != "https://second.example.org" || s.Ready != "READY_FALSE" {
			t.Errorf("We should keep the old server, because the new one is another cluster's: %s: %s", s.Condition, s.Message)
		}
	}
	h.resources = of(gke, kubeconfigOf("https://second.example.org", "token: canary-second"))
	if s := h.settle(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" {
		t.Errorf("once it is back: %s: %s", s.Condition, s.Message)
	}

	// Both are there already: the younger one yields.
	h.edit("argocd/cluster-team-a.prod", func(s *structpb.Struct) {
		structAt(s, "data").Fields["server"] = structpb.NewStringValue(base64Of("https://api.example.org"))
		structAt(s, "metadata", "labels").Fields[labelServer] = structAt(first.secrets["argocd/cluster-prod-x7k2p"], "metadata", "labels").GetFields()[labelServer]
	})
	structAt(h.registrations["argocd-cluster"], "spec", "forProvider", "manifest", "data").Fields["server"] = structpb.NewStringValue(base64Of("https://api.example.org"))
	h.resources = of(gke, kubeconfigOf("https://api.example.org", "token: canary-second"))
	if s := first.reconcile(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" {
		t.Errorf("We should go on with the older registration: %s: %s", s.Condition, s.Message)
	}
	s := h.reconcile(t)
	policies := policiesOf(t, s)
	if diff := cmp.Diff([]string{"Observe", "Delete"}, policies); diff != "" || s.Condition != "ArgoCDClusterRegistered=FALSE/ServerConflict" || s.Ready != "READY_FALSE" {
		t.Errorf("We should only observe the younger: %s: %s: %v", s.Condition, s.Message, policies)
	}
	delete(first.secrets, "argocd/cluster-prod-x7k2p")
	if s := h.settle(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" || policiesOf(t, s) != nil {
		t.Errorf("We should go on once the older is gone: %s: %s", s.Condition, s.Message)
	}
}

// TestTwoAtOnce has two XRs of two namespaces find one Secret free at the same time.
func TestTwoAtOnce(t *testing.T) {
	other := strings.Replace(namespacedXR, "namespace: team-a", "namespace: team-b", 1)
	a := plainHub(namespacedXR, tokenKubeconfig("canary-a"), "cluster: {name: shared}")
	b := plainHub(other, kubeconfigOf("https://b.example.org", "token: canary-b"), "cluster: {name: shared}")
	secrets := map[string]*structpb.Struct{}
	a.secrets, b.secrets = secrets, secrets
	ra, rb := a.run(t, a.request(t)), b.run(t, b.request(t))
	a.apply(t, ra)
	b.apply(t, rb)
	for range 4 {
		a.reconcile(t)
		b.reconcile(t)
	}
	sa, sb := a.reconcile(t), b.reconcile(t)
	owner := stringAt(secrets["argocd/cluster-shared"], "metadata", "annotations", annotationComposite)
	winner, loser := sb, sa
	if strings.Contains(owner, "team-a") {
		winner, loser = sa, sb
	}
	if winner.Condition != "ArgoCDClusterRegistered=TRUE/Registered" || loser.Condition != "ArgoCDClusterRegistered=FALSE/NameConflict" || loser.Ready != "READY_FALSE" {
		t.Errorf("We should register one of them, of %s: %s and %s", owner, winner.Condition, loser.Condition)
	}
	if diff := cmp.Diff([]string{"Observe"}, policiesOf(t, loser)); diff != "" {
		t.Errorf("We should never delete another's Secret: -want, +got:\n%s", diff)
	}
}

// TestLoserRenames has the loser of a conflict do what the condition says.
func TestLoserRenames(t *testing.T) {
	for name, rename := range map[string]string{"ClusterName": "cluster: {name: free}", "OutputName": "cluster: {name: free}\noutput: {name: cluster-free}"} {
		t.Run(name, func(t *testing.T) {
			winner, loser := teams(t, "cluster: {name: shared}", "cluster: {name: shared}")
			winner.resources = of(aks, kubeconfigOf("https://a.example.org", "token: canary-a"))
			share(t, winner, loser)
			if strings.Contains(stringAt(winner.secrets["argocd/cluster-shared"], "metadata", "annotations", annotationComposite), "team-b") {
				winner, loser = loser, winner
			}
			s := loser.reconcile(t)
			if verdict(s) != "FALSE/NameConflict" || !strings.Contains(s.Message, "Set cluster.name") {
				t.Fatalf("want a loser: %s: %s", s.Condition, s.Message)
			}
			before := clone(winner.secrets["argocd/cluster-shared"])
			loser.input = rename
			s = loser.settle(t)
			if verdict(s) != "TRUE/Registered" || string(secretOf(t, s).Data["name"]) != "free" || winner.secrets["argocd/cluster-free"] == nil {
				t.Errorf("We should register it under the other name, because its condition asked for one: %s: %s", s.Condition, s.Message)
			}
			if diff := cmp.Diff(before.AsMap(), winner.secrets["argocd/cluster-shared"].AsMap()); diff != "" {
				t.Errorf("We should leave the winner's Secret as it is: -before, +after:\n%s", diff)
			}
			if s := winner.reconcile(t); verdict(s) != "TRUE/Registered" {
				t.Errorf("the winner: %s: %s", s.Condition, s.Message)
			}
		})
	}
}

// TestLoserKeepsNothing has the loser of a conflict take another name while its fields are
// missing. Nothing of the winner's Secret becomes its own.
func TestLoserKeepsNothing(t *testing.T) {
	winner, loser := teams(t, "cluster: {name: shared, labels: {winner: 'true'}}", "cluster: {name: shared}")
	winner.resources = of(aks, kubeconfigOf("https://a.example.org", "token: canary-a"))
	winner.registered(t)
	loser.secrets = map[string]*structpb.Struct{}
	loser.reconcile(t)
	loser.secrets = winner.secrets
	loser.reconcile(t)
	loser.provide("argocd-cluster")
	if s := loser.reconcile(t); verdict(s) != "FALSE/NameConflict" {
		t.Fatalf("want a loser: %s: %s", s.Condition, s.Message)
	}
	loser.input = "cluster: {name: free, labelsFrom: [{fieldPath: spec.missing}]}"
	s := loser.reconcile(t)
	if v, ok := secretOf(t, s).Labels["winner"]; ok || string(secretOf(t, s).Data["server"]) != "https://api.example.org" {
		t.Errorf("We should not keep another's label (%v) or server: %s: %s: %v", v, s.Condition, s.Message, secretOf(t, s).Data)
	}
}

// TestLoserAge has the loser of a conflict, which has watched the winner's older Secret, take
// another name while a third has its server.
func TestLoserAge(t *testing.T) {
	winner, loser := teams(t, "cluster: {name: shared}", "cluster: {name: shared}")
	third := plainHub(legacyXR, tokenKubeconfig("canary-c"), "cluster: {name: third}")
	winner.resources = of(aks, kubeconfigOf("https://a.example.org", "token: canary-a"))
	winner.registered(t)
	loser.reconcile(t)
	loser.secrets, third.secrets, third.revision = winner.secrets, winner.secrets, 200
	for range 2 {
		loser.reconcile(t)
		loser.provide("argocd-cluster")
	}
	third.registered(t)
	loser.input = "cluster: {name: free}"
	if s := loser.reconcile(t); verdict(s) != "FALSE/ServerConflict" || winner.secrets["argocd/cluster-free"] != nil {
		t.Errorf("We should not take the age of a Secret that was never ours: %s: %s", s.Condition, s.Message)
	}
}

// TestOlderDeleted deletes the Secret of the older of two registrations of one server.
func TestOlderDeleted(t *testing.T) {
	older, younger := teams(t, "cluster: {name: aa}", "cluster: {name: bb}")
	share(t, older, younger)
	if s := younger.reconcile(t); verdict(s) != "FALSE/ServerConflict" {
		t.Fatalf("want a conflict: %s: %s", s.Condition, s.Message)
	}
	delete(older.secrets, "argocd/cluster-aa")
	for range 3 {
		if s := older.reconcile(t); strings.HasSuffix(s.Condition, "Conflict") || policiesOf(t, s) != nil {
			t.Fatalf("We should make the older again, because its cluster did not change: %s: %s", s.Condition, s.Message)
		}
		if s := younger.reconcile(t); verdict(s) != "FALSE/ServerConflict" {
			t.Errorf("the younger: %s: %s", s.Condition, s.Message)
		}
	}
	if s := older.reconcile(t); verdict(s) != "TRUE/Registered" || older.secrets["argocd/cluster-aa"] == nil {
		t.Errorf("the older: %s: %s", s.Condition, s.Message)
	}
}

// TestWithdrawnInConflict has the author withdraw the credentials of a registration that must
// give way to another.
func TestWithdrawnInConflict(t *testing.T) {
	for kind, output := range outputs() {
		for name, tc := range map[string]struct{ kubeconfig, before, after string }{
			"OwnIdentity": {kubeconfigOf("https://api.example.org", ""), "credentials: {type: GCP}", "credentials: {type: Kubeconfig}"},
			"Insecure":    {strings.Replace(tokenKubeconfig("canary-b"), "cluster: {server", "cluster: {insecure-skip-tls-verify: true, server", 1), "credentials: {allowInsecure: true}", ""},
		} {
			t.Run(name+"Of"+kind, func(t *testing.T) {
				a := plainHub(namespacedXR, tokenKubeconfig("canary-a"), "cluster: {name: aa}")
				b := plainHub(legacyXR, "", "cluster: {name: bb}\n"+tc.before+output)
				b.resources = of(bucket, tc.kubeconfig)
				share(t, a, b)
				if s := b.reconcile(t); verdict(s) != "FALSE/ServerConflict" {
					t.Fatalf("want a conflict: %s: %s", s.Condition, s.Message)
				}
				b.input = "cluster: {name: bb}\n" + tc.after + output
				for range 3 {
					s := b.reconcile(t)
					if verdict(s) != "FALSE/ServerConflict" || string(secretOf(t, s).Data["config"]) != noConfig || s.Ready != "READY_FALSE" {
						t.Errorf("We should drop the credentials in a conflict, too, because the author withdrew them: %s, %s: %s: %v", s.Condition, s.Ready, s.Message, secretOf(t, s).Data)
					}
				}
				if got := decode(b.secrets["argocd/cluster-bb"], "config"); got != noConfig {
					t.Errorf("the Secret has %s", got)
				}
				if s := a.reconcile(t); verdict(s) != "TRUE/Registered" {
					t.Errorf("the older: %s: %s", s.Condition, s.Message)
				}
			})
		}
	}
}

// TestConflictKeepsPolicies has an Object that must not delete lose a conflict.
func TestConflictKeepsPolicies(t *testing.T) {
	a, b := teams(t, "cluster: {name: aa}", "cluster: {name: bb}\noutput: {object: {managementPolicies: [Observe, Create, Update]}}")
	share(t, a, b)
	if diff := cmp.Diff([]string{"Observe"}, policiesOf(t, b.reconcile(t))); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestMessagesInConflict reads what the condition says in a conflict.
func TestMessagesInConflict(t *testing.T) {
	a, b := teams(t, "cluster: {name: aa}", "cluster: {name: bb}")
	b.resources = of(gke, kubeconfigOf("https://b.example.org", "token: canary-b"))
	share(t, a, b)
	b.resources = of(gke, tokenKubeconfig("canary-b"))
	if s := b.reconcile(t); strings.Count(s.Message, "Argo CD already has a cluster") != 1 {
		t.Errorf("said twice: %s", s.Message)
	}
	// A foreign Secret, and the author withdraws: nothing is "kept without credentials".
	h := plainHub(legacyXR, "", "")
	h.resources = of(gke, kubeconfigOf(gkeServer, ""))
	h.registered(t)
	h.edit(prodKey, func(s *structpb.Struct) {
		structAt(s, "metadata", "annotations").Fields[annotationComposite] = structpb.NewStringValue("Other.example.org/x")
	})
	h.input = "credentials: {type: Kubeconfig}"
	if s := h.reconcile(t); strings.Contains(s.Message, "kept without credentials") || strings.Contains(s.Message, "annotate the Secret") {
		t.Errorf("untrue, or dangerous: %s", s.Message)
	}
	_ = fnv1.Ready_READY_FALSE
}
