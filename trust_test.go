package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
)

// TestSourceRemembered has another composed resource publish a kubeconfig. It never takes the
// place of the one that the cluster was registered from.
func TestSourceRemembered(t *testing.T) {
	other := observation{resource: aks, details: map[string]string{"kubeconfig": kubeconfigOf("https://other.example.org", "token: canary-other")}}
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	before := h.registered(t)
	h.resources["other"] = other
	if s := h.reconcile(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" || cmp.Diff(before, manifestOf(t, s)) != "" {
		t.Errorf("with another kubeconfig: %s: %s", s.Condition, s.Message)
	}
	h.resources["cluster"] = observation{resource: aks}
	for range 3 {
		s := h.reconcile(t)
		if s.Condition != "ArgoCDClusterRegistered=TRUE/Retained" || !says(s.Message, `composed resource "cluster" has no connection details`) || !strings.Contains(s.Message, "kubeconfigFrom.resourceName") {
			t.Errorf("with only the other: %s: %s", s.Condition, s.Message)
		}
		if diff := cmp.Diff(before, manifestOf(t, s)); diff != "" {
			t.Fatalf("The registration is another cluster's. -before, +after:\n%s", diff)
		}
	}
	// Nor does it where the annotation was taken away.
	delete(structAt(h.registrations["argocd-cluster"], "spec", "forProvider", "manifest", "metadata", "annotations").GetFields(), annotationSource)
	delete(h.registrations["argocd-cluster"].GetFields(), "status")
	h.edit("argocd/cluster-prod-x7k2p", func(s *structpb.Struct) { delete(structAt(s, "metadata", "annotations").GetFields(), annotationSource) })
	if s := h.reconcile(t); dataOf(t, s)["server"] != "https://api.example.org" || !strings.Contains(s.Message, "another server than the registration's") {
		t.Errorf("without the annotation: %s: %s", s.Condition, s.Message)
	}
	h.input = "kubeconfigFrom: {resourceName: other}"
	if s := h.settle(t); dataOf(t, s)["server"] != "https://other.example.org" || annotationsOf(t, s)[annotationSource] != "other" {
		t.Errorf("We should register another cluster if the author names it: %s: %s", s.Condition, s.Message)
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
		if s.Condition != "ArgoCDClusterRegistered=FALSE/ServerConflict" || dataOf(t, s)["server"] != "https://second.example.org" || s.Ready != "READY_FALSE" {
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
	policies := s.Composed["spec"].(map[string]any)["managementPolicies"]
	if diff := cmp.Diff([]any{"Observe", "Delete"}, policies); diff != "" || s.Condition != "ArgoCDClusterRegistered=FALSE/ServerConflict" || s.Ready != "READY_FALSE" {
		t.Errorf("We should only observe the younger: %s: %s: %v", s.Condition, s.Message, policies)
	}
	delete(first.secrets, "argocd/cluster-prod-x7k2p")
	if s := h.settle(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" || s.Composed["spec"].(map[string]any)["managementPolicies"] != nil {
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
	if diff := cmp.Diff([]any{"Observe"}, loser.Composed["spec"].(map[string]any)["managementPolicies"]); diff != "" {
		t.Errorf("We should never delete another's Secret: -want, +got:\n%s", diff)
	}
}

// TestExpired has what is kept expire.
func TestExpired(t *testing.T) {
	notAfter := time.Date(2028, time.November, 19, 18, 55, 47, 0, time.UTC)
	h := plainHub(legacyXR, sample(t, "kc-capi.yaml"), "")
	before := h.registered(t)
	for _, kubeconfig := range []string{"", sample(t, "kc-capi.yaml")} {
		h.resources = of(aks, kubeconfig)
		h.now = notAfter.Add(time.Hour)
		s := h.reconcile(t)
		if diff := cmp.Diff(before, manifestOf(t, s)); diff != "" || s.Condition != "ArgoCDClusterRegistered=FALSE/CredentialsExpired" || s.Ready != "READY_TRUE" || !strings.Contains(s.Message, "2028-11-19") {
			t.Errorf("%s, %s: %s\n-before, +after:\n%s", s.Condition, s.Ready, s.Message, diff)
		}
	}
	h.resources = of(aks, tokenKubeconfig("canary-new"))
	if s := h.settle(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" {
		t.Errorf("with new credentials: %s: %s", s.Condition, s.Message)
	}
}
