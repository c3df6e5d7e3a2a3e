package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
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

// TestEarlierSteps has earlier steps of the pipeline compose something that looks like a
// registration, or is one.
func TestEarlierSteps(t *testing.T) {
	run := func(t *testing.T, h *hub, name string, earlier *structpb.Struct) summary {
		t.Helper()
		req := h.request(t)
		req.Desired.Resources["first"] = &fnv1.Resource{Resource: earlier}
		return summarize(t, h.run(t, req), name)
	}
	for kind, output := range outputs() {
		for _, unable := range []bool{false, true} {
			t.Run(fmt.Sprintf("SecretOf%sUnable=%t", kind, unable), func(t *testing.T) {
				info := mustStruct(t, "{apiVersion: v1, kind: Secret, metadata: {namespace: argocd, name: info}, data: {name: "+base64Of("prod-x7k2p")+", server: "+base64Of("https://api.example.org")+"}}")
				h := plainHub(legacyXR, tokenKubeconfig("canary-good"), output)
				h.unable = unable
				if s := run(t, h, "argocd-cluster", info); s.Composed == nil {
					t.Errorf("We should not take any Secret for a registration: %s%s: %s", s.Fatal, s.Condition, s.Message)
				}
				h.registered(t)
				if s := run(t, h, "argocd-cluster", info); verdict(s) != "TRUE/Registered" {
					t.Errorf("We should not take any Secret for a registration: %s%s: %s", s.Fatal, s.Condition, s.Message)
				}
			})
		}
	}
	first := func(t *testing.T, input string) (*hub, *structpb.Struct) {
		t.Helper()
		h := plainHub(legacyXR+"    other: prod-x7k2p\n", tokenKubeconfig("canary-good"), input)
		return h, h.run(t, h.request(t)).GetDesired().GetResources()["argocd-cluster"].GetResource()
	}
	cases := map[string]struct {
		reason, input, want string
	}{
		"Namespace":            {"We should register one cluster in two namespaces, because each is another Argo CD's.", "namespace: gitops", "FALSE/Registering"},
		"Remote":               {"We should register one cluster here and in a remote Argo CD.", "argoCD: Remote, object: {providerConfigRef: {name: eu}}", "FALSE/Registering"},
		"RemoteOfAnotherName":  {"We should register it there under another Secret's name, too.", "name: foo, argoCD: Remote, object: {providerConfigRef: {name: eu}}", "FALSE/Registering"},
		"OtherProviderConfig":  {"We should not register one cluster twice in one Argo CD by two ProviderConfigs.", "name: foo, object: {providerConfigRef: {name: eu}}", "FALSE/NameConflict"},
		"SameArgoCDOtherNames": {"We should not register one server twice in one Argo CD, because it would use one's credentials for both.", "name: foo}\ncluster: {name: foo", "FALSE/ServerConflict"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h, earlier := first(t, "")
			h.input = "output: {resourceName: second, " + tc.input + "}"
			if s := run(t, h, "second", earlier); verdict(s) != tc.want || (s.Composed == nil) == (tc.want == "FALSE/Registering") {
				t.Errorf("%s\nwant %s, got %s%s: %s", tc.reason, tc.want, s.Fatal, s.Condition, s.Message)
			}
		})
	}
	for kind, output := range outputs() {
		t.Run("NameByFieldOf"+kind, func(t *testing.T) {
			h, earlier := first(t, output)
			h.input = "cluster: {nameFrom: {fieldPath: spec.parameters.other}}\noutput: {resourceName: second, " + strings.TrimPrefix(output, "\noutput: {")
			if s := run(t, h, "second", earlier); s.Fatal != "" || s.Composed != nil || verdict(s) != "FALSE/NameConflict" {
				t.Errorf("We should say that two steps have one name, because the XR's user chose it and not the author: %s%s: %s", s.Fatal, s.Condition, s.Message)
			}
		})
	}
	t.Run("NameByFieldOnceRegistered", func(t *testing.T) {
		_, earlier := first(t, "")
		h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "cluster: {nameFrom: {fieldPath: metadata.name}}")
		h.registered(t)
		s := run(t, h, "argocd-cluster", earlier)
		if diff := cmp.Diff([]any{"Observe"}, policiesOf(t, s)); diff != "" || verdict(s) != "FALSE/NameConflict" {
			t.Errorf("We should not delete the Secret with our Object, because the earlier step has it: %s: %s\n-want, +got:\n%s", s.Condition, s.Message, diff)
		}
	})
	t.Run("OlderThanEarlierStep", func(t *testing.T) {
		_, earlier := first(t, "cluster: {name: foo}")
		h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
		h.unable = true
		h.registered(t)
		if s := run(t, h, "argocd-cluster", earlier); verdict(s) != "TRUE/Registered" {
			t.Errorf("We should go on with a registration that is there, because a step that is new must not end it: %s%s: %s", s.Fatal, s.Condition, s.Message)
		}
	})
	t.Run("TwoRemoteArgoCDs", func(t *testing.T) {
		h, earlier := first(t, "output: {argoCD: Remote, object: {providerConfigRef: {name: us}}}")
		h.input = "output: {resourceName: second, argoCD: Remote, object: {providerConfigRef: {name: eu}}}"
		if s := run(t, h, "second", earlier); verdict(s) != "FALSE/Registering" || s.Composed == nil {
			t.Errorf("We should register one cluster in two remote Argo CDs: %s%s: %s", s.Fatal, s.Condition, s.Message)
		}
		h.input = strings.Replace(h.input, "eu", "us", 1)
		if s := run(t, h, "second", earlier); !strings.Contains(s.Fatal, "cluster.name: another pipeline step already uses Secret "+prodKey) {
			t.Errorf("We should not have two steps write one Secret of one Argo CD: %s%s: %s", s.Fatal, s.Condition, s.Message)
		}
	})
}
