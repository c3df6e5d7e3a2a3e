package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
)

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
				if diff := cmp.Diff([]any{"Observe"}, policiesOf(t, s)); diff != "" {
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
			if s := h.settle(t); verdict(s) != "TRUE/Registered" || dataOf(t, s)["server"] != "https://api.example.org" {
				t.Errorf("We should go on once the other is gone: %s: %s", s.Condition, s.Message)
			}
		})
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
			if verdict(s) != "TRUE/Registered" || dataOf(t, s)["name"] != "free" || winner.secrets["argocd/cluster-free"] == nil {
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
	if v, ok := labelsOf(t, s)["winner"]; ok || dataOf(t, s)["server"] != "https://api.example.org" {
		t.Errorf("We should not keep another's label (%v) or server: %s: %s: %v", v, s.Condition, s.Message, dataOf(t, s))
	}
}
