package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

// TestConflictKeepsPolicies has an Object that must not delete lose a conflict.
func TestConflictKeepsPolicies(t *testing.T) {
	a, b := teams(t, "cluster: {name: aa}", "cluster: {name: bb}\noutput: {object: {managementPolicies: [Observe, Create, Update]}}")
	share(t, a, b)
	if diff := cmp.Diff([]any{"Observe"}, policiesOf(t, b.reconcile(t))); diff != "" {
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
