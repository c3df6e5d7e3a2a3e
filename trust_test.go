package main

import (
	"strings"
	"testing"

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
