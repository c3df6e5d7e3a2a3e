package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
)

// A loss is what a call makes of a registration that gives way to another.
type loss struct {
	Condition, Ready string

	// Policies of the Object, which must not write or delete another's Secret.
	Policies []string
}

// check that a call made this of a registration.
func (want loss) check(t testing.TB, reason string, s summary) {
	t.Helper()
	got := loss{verdict(s), s.Ready, policiesOf(t, s)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n-want, +got:\n%s\nmessage: %s", reason, diff, s.Message)
	}
}

// TestNameConflict checks what becomes of a Secret that exists before the registration.
func TestNameConflict(t *testing.T) {
	cases := map[string]struct {
		reason  string
		secret  string
		want    summary
		message string
	}{
		"Free":      {"We should register the cluster, because its Secret does not exist.", "", summary{Condition: "FALSE/Registering"}, "Waiting for the Object"},
		"Ours":      {"We should take over our own Secret, because its Object may be lost.", "{metadata: {namespace: argocd, name: cluster-prod, annotations: {argocd.fn.crossplane.io/composite: XAKSCluster.platform.example.org/prod-x7k2p}}}", summary{Condition: "FALSE/Registering"}, "Waiting for the Object"},
		"AnotherXR": {"We should not touch another XR's Secret, because Argo CD would lose its cluster.", "{metadata: {namespace: argocd, name: cluster-prod, annotations: {argocd.fn.crossplane.io/composite: GKECluster.platform.example.org/team-b/prod}}}", summary{Condition: "FALSE/NameConflict", Warning: "NameConflict", XRReady: "READY_FALSE"}, "already belongs to GKECluster.platform.example.org/team-b/prod"},
		"ByHand":    {"We should not touch a Secret that was made by hand, because Argo CD would lose its cluster.", "{metadata: {namespace: argocd, name: cluster-prod, labels: {argocd.argoproj.io/secret-type: cluster}}}", summary{Condition: "FALSE/NameConflict", Warning: "NameConflict", XRReady: "READY_FALSE"}, "annotate the Secret with argocd.fn.crossplane.io/composite: XAKSCluster.platform.example.org/prod-x7k2p"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHub(tokenKubeconfig("canary-good"))
			if tc.secret != "" {
				h.secrets["argocd/cluster-prod"] = mustStruct(t, tc.secret)
			}
			s := h.reconcile(t)
			warning, _, _ := strings.Cut(s.Warning, ":")
			if diff := cmp.Diff(tc.want, summary{Condition: verdict(s), Warning: warning, XRReady: s.XRReady}); diff != "" || !says(s.Message, tc.message) {
				t.Errorf("%s\nwant %q in %q, -want, +got:\n%s", tc.reason, tc.message, s.Message, diff)
			}
			if conflict := tc.want.Warning != ""; conflict != (s.Composed == nil) {
				t.Errorf("%s\ncomposed: %v", tc.reason, s.Composed)
			}
		})
	}
}

// TestForeignSecret checks that another's Secret in the place of a registered cluster's is never
// written, whatever the input, and that the registration goes on once it is gone.
func TestForeignSecret(t *testing.T) {
	cases := map[string]struct{ reason, metadata string }{
		"MadeByHand": {"We should not take over a Secret that was made by hand, because Argo CD would lose its cluster.", "annotations: {hand: made}"},
		"AnotherXRs": {"We should not take over another XR's Secret, because Argo CD would lose its cluster.", "annotations: {argocd.fn.crossplane.io/composite: GKECluster.platform.example.org/team-b/prod}"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
			before := h.registered(t)
			delete(h.secrets, prodKey)
			h.store(mustStruct(t, "{apiVersion: v1, kind: Secret, metadata: {namespace: argocd, name: cluster-prod-x7k2p, labels: {argocd.argoproj.io/secret-type: cluster}, "+tc.metadata+"}, data: {server: aHR0cHM6Ly9vdGhlcg==, name: b3RoZXI=, config: e30=}}"))
			foreign := clone(h.secrets[prodKey]).AsMap()
			// The provider looks at what it no longer writes, and says what it sees.
			for i := range 6 {
				if i == 4 {
					h.input, h.resources = "credentials: {type: Exec, exec: {command: x}}", of(aks, "")
				}
				s := h.reconcile(t)
				loss{"FALSE/NameConflict", "READY_FALSE", []string{"Observe"}}.check(t, tc.reason, s)
				if diff := cmp.Diff(foreign, h.secrets[prodKey].AsMap()); diff != "" {
					t.Fatalf("%s\nreconcile %d: -before, +after:\n%s", tc.reason, i, diff)
				}
				if says(s.Message, "kept without credentials") {
					t.Errorf("We should not say that the Secret is kept without credentials, because it is not ours: %s", s.Message)
				}
			}
			h.input, h.resources = "", of(aks, tokenKubeconfig("canary-good"))
			delete(h.secrets, prodKey)
			state{"TRUE/Registered", "READY_TRUE", before}.check(t, "We should go on, because the other is gone.", h.settle(t))
		})
	}
	t.Run("MarkedAsAnothers", func(t *testing.T) {
		h := plainHub(legacyXR, "", "")
		h.resources = of(gke, kubeconfigOf(gkeServer, ""))
		h.registered(t)
		h.edit(prodKey, func(s *structpb.Struct) {
			structAt(s, "metadata", "annotations").Fields[annotationComposite] = structpb.NewStringValue("Other.example.org/x")
		})
		h.input = "credentials: {type: Kubeconfig}"
		if s := h.reconcile(t); says(s.Message, "kept without credentials") || says(s.Message, "annotate the Secret") {
			t.Errorf("We should neither say that the Secret is kept nor ask for our mark on it, because it is another's: %s", s.Message)
		}
	})
}

// twoClusters returns the hub of a registered cluster, and that of an XR of another team with the
// same Secrets.
func twoClusters(t *testing.T, input, server string) (first, second *hub) {
	t.Helper()
	first = plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	first.registered(t)
	second = plainHub(namespacedXR, kubeconfigOf(server, "token: canary-second"), input)
	second.secrets, second.revision = first.secrets, 10
	return first, second
}

// TestSecondRegistration checks that no second registration has the name or the server of another
// one in the same Argo CD.
func TestSecondRegistration(t *testing.T) {
	cases := map[string]struct{ reason, input, server, want string }{
		"Name":            {"We should not register a second cluster of one name, because Argo CD finds clusters by name.", "cluster: {name: prod-x7k2p}\noutput: {name: other}", "https://second.example.org", "FALSE/NameConflict"},
		"SecretsName":     {"We should not write another registration's Secret, because Argo CD would lose its cluster.", "output: {name: cluster-prod-x7k2p}", "https://second.example.org", "FALSE/NameConflict"},
		"Server":          {"We should not register one server twice, because Argo CD would use either's credentials.", "", "https://api.example.org", "FALSE/ServerConflict"},
		"ServerWithSlash": {"We should not register one server twice, because a slash makes no difference to Argo CD.", "", "https://api.example.org/", "FALSE/ServerConflict"},
		"OtherNamespace":  {"We should register one server in two namespaces, because each is another Argo CD's.", "output: {namespace: other}", "https://api.example.org", "FALSE/Registering"},
		"AllOther":        {"We should register a second cluster, because its name and its server are others.", "", "https://second.example.org", "FALSE/Registering"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, h := twoClusters(t, tc.input, tc.server)
			s := h.reconcile(t)
			if verdict(s) != tc.want || (s.Composed == nil) != strings.HasSuffix(tc.want, "Conflict") {
				t.Errorf("%s\nwant %s, got %s: %s", tc.reason, tc.want, verdict(s), s.Message)
			}
		})
	}
}

// TestServerOfAnother checks that a registered cluster keeps its server while its kubeconfig has
// another registration's, and that the condition says so once.
func TestServerOfAnother(t *testing.T) {
	_, h := twoClusters(t, "", "https://second.example.org")
	before := h.registered(t)
	h.resources = of(gke, kubeconfigOf("https://api.example.org", "token: canary-second"))
	for range 3 {
		s := h.reconcile(t)
		if diff := cmp.Diff(dataOf(before), dataOf(secretOf(t, s))); diff != "" || verdict(s) != "FALSE/ServerConflict" || s.Ready != "READY_FALSE" {
			t.Errorf("We should keep the old server, because the new one is another cluster's: %s, %s: %s\n-before, +after:\n%s", verdict(s), s.Ready, s.Message, diff)
		}
		if n := strings.Count(s.Message, "Argo CD already has a cluster"); n != 1 {
			t.Errorf("We should say it once, not %d times: %s", n, s.Message)
		}
	}
	h.resources = of(gke, kubeconfigOf("https://second.example.org", "token: canary-second"))
	state{"TRUE/Registered", "READY_TRUE", before}.check(t, "We should go on, because the kubeconfig has the old server again.", h.settle(t))
}

// TestYounger checks that the younger of two registrations of one server gives way to the older,
// and goes on once that is gone.
func TestYounger(t *testing.T) {
	first, h := twoClusters(t, "", "https://second.example.org")
	h.registered(t)
	server := structpb.NewStringValue(base64Of("https://api.example.org"))
	h.edit("argocd/cluster-team-a.prod", func(s *structpb.Struct) {
		structAt(s, "data").Fields["server"] = server
		structAt(s, "metadata", "labels").Fields[labelServer] = structAt(first.secrets[prodKey], "metadata", "labels").GetFields()[labelServer]
	})
	h.recompose(func(o *structpb.Struct) { structAt(manifestIn(o), "data").Fields["server"] = server })
	h.resources = of(gke, kubeconfigOf("https://api.example.org", "token: canary-second"))
	if s := first.reconcile(t); verdict(s) != "TRUE/Registered" {
		t.Errorf("We should go on with the older registration: %s: %s", verdict(s), s.Message)
	}
	loss{"FALSE/ServerConflict", "READY_FALSE", []string{"Observe", "Delete"}}.check(t, "We should only observe and delete the younger Secret, because the older is in use.", h.reconcile(t))
	delete(first.secrets, prodKey)
	loss{"TRUE/Registered", "READY_TRUE", nil}.check(t, "We should go on, because the older is gone.", h.settle(t))

	older, younger := teams(t, "cluster: {name: aa}", "cluster: {name: bb}\noutput: {object: {managementPolicies: [Observe, Create, Update]}}")
	share(t, older, younger)
	loss{"FALSE/ServerConflict", "READY_FALSE", []string{"Observe"}}.check(t, "We should not delete the younger Secret, because its Object may not.", younger.reconcile(t))
}

// TestLoserRenames checks that of two XRs which find one Secret free at the same time, one is
// registered, and the other once it does what its condition says.
func TestLoserRenames(t *testing.T) {
	for name, rename := range map[string]string{"ClusterName": "cluster: {name: free}", "OutputName": "cluster: {name: free}\noutput: {name: cluster-free}"} {
		t.Run(name, func(t *testing.T) {
			winner, loser := teams(t, "cluster: {name: shared}", "cluster: {name: shared}")
			winner.resources = of(aks, kubeconfigOf("https://a.example.org", "token: canary-a"))
			share(t, winner, loser)
			if strings.Contains(stringAt(winner.secrets["argocd/cluster-shared"], "metadata", "annotations", annotationComposite), "team-b") {
				winner, loser = loser, winner
			}
			loss{"TRUE/Registered", "READY_TRUE", nil}.check(t, "We should register one of the two, because its Secret has its mark.", winner.reconcile(t))
			s := loser.reconcile(t)
			loss{"FALSE/NameConflict", "READY_FALSE", []string{"Observe"}}.check(t, "We should not delete the Secret with the other, because it is the winner's.", s)
			if !says(s.Message, "Set cluster.name") {
				t.Fatalf("We should say what to do: %s", s.Message)
			}
			before := clone(winner.secrets["argocd/cluster-shared"])
			loser.input = rename
			s = loser.settle(t)
			if name := dataOf(secretOf(t, s))["name"]; verdict(s) != "TRUE/Registered" || name != "free" || winner.secrets["argocd/cluster-free"] == nil {
				t.Errorf("We should register it under the other name, because its condition asked for one: %s, %s: %s", name, verdict(s), s.Message)
			}
			if diff := cmp.Diff(before.AsMap(), winner.secrets["argocd/cluster-shared"].AsMap()); diff != "" {
				t.Errorf("We should leave the winner's Secret as it is: -before, +after:\n%s", diff)
			}
			if s := winner.reconcile(t); verdict(s) != "TRUE/Registered" {
				t.Errorf("the winner: %s: %s", verdict(s), s.Message)
			}
		})
	}
}

// TestLoserKeepsNothing checks that the loser of a conflict, which takes another name while its
// fields are missing, keeps nothing of the winner's Secret.
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
		t.Fatalf("want a loser: %s: %s", verdict(s), s.Message)
	}
	loser.input = "cluster: {name: free, labelsFrom: [{fieldPath: spec.missing}]}"
	s := loser.reconcile(t)
	if v, ok := secretOf(t, s).Labels["winner"]; ok || dataOf(s.Secret)["server"] != "https://api.example.org" {
		t.Errorf("We should not keep another's label %q or server %s: %s: %s", v, s.Secret.Data["server"], verdict(s), s.Message)
	}
}

// TestLoserAge checks that the loser of a conflict, which has watched the winner's older Secret,
// does not count as old when it takes another name while a third has its server.
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
		t.Errorf("We should not take the age of a Secret that was never ours: %s: %s", verdict(s), s.Message)
	}
}

// TestOlderDeleted checks that the older of two registrations of one server stays the older once
// its Secret is deleted.
func TestOlderDeleted(t *testing.T) {
	older, younger := teams(t, "cluster: {name: aa}", "cluster: {name: bb}")
	share(t, older, younger)
	if s := younger.reconcile(t); verdict(s) != "FALSE/ServerConflict" {
		t.Fatalf("want a conflict: %s: %s", verdict(s), s.Message)
	}
	delete(older.secrets, "argocd/cluster-aa")
	for range 3 {
		if s := older.reconcile(t); strings.HasSuffix(verdict(s), "Conflict") || policiesOf(t, s) != nil {
			t.Fatalf("We should make the older again, because its cluster did not change: %s: %s", verdict(s), s.Message)
		}
		if s := younger.reconcile(t); verdict(s) != "FALSE/ServerConflict" {
			t.Errorf("the younger: %s: %s", verdict(s), s.Message)
		}
	}
	if s := older.reconcile(t); verdict(s) != "TRUE/Registered" || older.secrets["argocd/cluster-aa"] == nil {
		t.Errorf("the older: %s: %s", verdict(s), s.Message)
	}
}

// TestWithdrawnInConflict checks that credentials which the author withdraws are dropped even if
// their registration must give way to another.
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
					t.Fatalf("want a conflict: %s: %s", verdict(s), s.Message)
				}
				b.input = "cluster: {name: bb}\n" + tc.after + output
				for range 3 {
					want := link{"FALSE/ServerConflict", "READY_FALSE", "https://api.example.org", noConfig}
					want.check(t, "We should drop the credentials in a conflict, because the author withdrew them.", b.reconcile(t))
				}
				if got := decode(b.secrets["argocd/cluster-bb"], "config"); got != noConfig {
					t.Errorf("the Secret on the hub has %s", got)
				}
				if s := a.reconcile(t); verdict(s) != "TRUE/Registered" {
					t.Errorf("the older: %s: %s", verdict(s), s.Message)
				}
			})
		}
	}
}
