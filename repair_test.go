package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestRepair changes the Secret by hand. The condition says so, and the provider is made to
// look again.
func TestRepair(t *testing.T) {
	const key = "argocd/cluster-prod"
	metadata := func(s *structpb.Struct, what string) map[string]*structpb.Value {
		return structAt(s, "metadata", what).GetFields()
	}
	cases := map[string]struct {
		reason string
		change func(h *hub)
		ready  string
		repair string
	}{
		"Deleted": {"We should have a deleted Secret made again.", func(h *hub) { delete(h.secrets, key) }, "READY_FALSE", "absent-after-1"},
		"Label": {"We should not say that Argo CD has a Secret without its label.", func(h *hub) {
			h.edit(key, func(s *structpb.Struct) { delete(metadata(s, "labels"), "argocd.argoproj.io/secret-type") })
		}, "READY_FALSE", "differs-at-2"},
		"Config": {"We should have a config that does not parse replaced, because it stops every ApplicationSet.", func(h *hub) {
			h.edit(key, func(s *structpb.Struct) { structAt(s, "data").Fields["config"] = structpb.NewStringValue("e30") })
		}, "READY_TRUE", "differs-at-2"},
		"OtherLabel": {"We should have a label restored.", func(h *hub) { h.edit(key, func(s *structpb.Struct) { delete(metadata(s, "labels"), "environment") }) }, "READY_TRUE", "differs-at-2"},
		"Annotation": {"We should have our mark restored.", func(h *hub) {
			h.edit(key, func(s *structpb.Struct) { delete(metadata(s, "annotations"), annotationComposite) })
		}, "READY_TRUE", "differs-at-2"},
		"ForeignData": {"We should have a project removed that somebody added, because Argo CD reads it.", func(h *hub) {
			h.edit(key, func(s *structpb.Struct) { structAt(s, "data").Fields["shard"] = structpb.NewStringValue("MQ==") })
		}, "READY_TRUE", "differs-at-2"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h, before := registered(t, tokenKubeconfig("canary-good"))
			tc.change(h)
			h.down = true
			for range 3 {
				s := h.reconcile(t)
				repair := stringAt(h.registrations["argocd-cluster"], "metadata", "annotations", annotationRepair)
				if s.Condition != "ArgoCDClusterRegistered=FALSE/Registering" || s.Ready != tc.ready || repair != tc.repair {
					t.Errorf("%s\n%s, %s, repair %q: %s", tc.reason, s.Condition, s.Ready, repair, s.Message)
				}
				if diff := cmp.Diff(before, secretOf(t, s)); diff != "" {
					t.Errorf("%s\n-before, +after:\n%s", tc.reason, diff)
				}
			}
			h.down = false
			h.provide("argocd-cluster")
			s := h.reconcile(t)
			if repair := stringAt(h.registrations["argocd-cluster"], "metadata", "annotations", annotationRepair); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" || repair != "" {
				t.Errorf("%s\nrepaired: %s, repair %q: %s", tc.reason, s.Condition, repair, s.Message)
			}
		})
	}
	t.Run("Foreign", func(t *testing.T) {
		h, _ := registered(t, tokenKubeconfig("canary-good"))
		h.edit(key, func(s *structpb.Struct) {
			metadata(s, "labels")["foreign"] = structpb.NewStringValue("x")
			metadata(s, "annotations")["foreign"] = structpb.NewStringValue("x")
			structAt(s, "data").Fields["foreign"] = structpb.NewStringValue("eA==")
		})
		if s := h.reconcile(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" || stringAt(h.registrations["argocd-cluster"], "metadata", "annotations", annotationRepair) != "" {
			t.Errorf("We should not mind what others add: %s: %s", s.Condition, s.Message)
		}
	})
	t.Run("Rotation", func(t *testing.T) {
		h, _ := registered(t, tokenKubeconfig("canary-good"))
		h.resources = of(aks, tokenKubeconfig("canary-new"))
		h.down = true
		for range 3 {
			s := h.reconcile(t)
			repair := stringAt(h.registrations["argocd-cluster"], "metadata", "annotations", annotationRepair)
			if s.Condition != "ArgoCDClusterRegistered=TRUE/Updating" || s.Ready != "READY_TRUE" || repair != "" {
				t.Errorf("We should wait for the provider to write what changed: %s, %s, repair %q: %s", s.Condition, s.Ready, repair, s.Message)
			}
		}
		h.down = false
		h.provide("argocd-cluster")
		if s := h.reconcile(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" {
			t.Errorf("written: %s: %s", s.Condition, s.Message)
		}
	})
	t.Run("SecretDecides", func(t *testing.T) {
		h := newHub(tokenKubeconfig("canary-good"))
		h.reconcile(t)
		delete(h.registrations["argocd-cluster"].GetFields(), "status")
		if s := h.reconcile(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" || s.Ready != "READY_TRUE" {
			t.Errorf("We should be ready once the Secret is as composed, whatever the Object says: %s: %s", s.Condition, s.Message)
		}
	})
}

// TestRotationAfterLabel rotates the credentials of a Secret that somebody labelled since the
// provider saw it last.
func TestRotationAfterLabel(t *testing.T) {
	h, _ := registered(t, tokenKubeconfig("canary-good"))
	h.down = true
	h.edit("argocd/cluster-prod", func(s *structpb.Struct) {
		structAt(s, "metadata", "labels").Fields["argocd.argoproj.io/kubernetes-version"] = structpb.NewStringValue("1.33")
	})
	if s := h.reconcile(t); verdict(s) != "TRUE/Registered" || h.repairOf() != "" {
		t.Errorf("We should not mind what others add: %s: %s", s.Condition, s.Message)
	}
	// The provider may hide what it saw.
	delete(structAt(h.registrations["argocd-cluster"], "status", "atProvider", "manifest").GetFields(), "data")
	h.resources = of(aks, tokenKubeconfig("canary-new"))
	for i := range 3 {
		// From then on the Object holds the new token, and only what the provider saw is the old.
		if i == 1 {
			structAt(h.registrations["argocd-cluster"], "status", "atProvider", "manifest").Fields["data"] = h.secrets["argocd/cluster-prod"].GetFields()["data"]
		}
		if s := h.reconcile(t); verdict(s) != "TRUE/Updating" || s.Ready != "READY_TRUE" || h.repairOf() != "" {
			t.Errorf("We should wait for the provider, because nobody changed what we wrote: %s, %s, repair %q: %s", s.Condition, s.Ready, h.repairOf(), s.Message)
		}
	}
	h.down = false
	h.provide("argocd-cluster")
	if s := h.reconcile(t); verdict(s) != "TRUE/Registered" {
		t.Errorf("written: %s: %s", s.Condition, s.Message)
	}
}

// TestRemoteNotWritten rotates credentials while the remote Argo CD's provider does nothing.
func TestRemoteNotWritten(t *testing.T) {
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "output: {argoCD: Remote}")
	h.remote = true
	h.registered(t)
	h.resources = of(aks, tokenKubeconfig("canary-new"))
	h.down = true
	for range 3 {
		if s := h.reconcile(t); verdict(s) != "TRUE/Updating" {
			t.Errorf("%s: %s", s.Condition, s.Message)
		}
	}
}

// TestUnreadable judges a registration by its Object where the Secret cannot be read.
func TestUnreadable(t *testing.T) {
	for _, remote := range []bool{false, true} {
		h := newHub(tokenKubeconfig("canary-good"))
		h.unable, h.remote = !remote, remote
		if remote {
			h.input += "output: {argoCD: Remote}\n"
		}
		s := h.reconcile(t)
		if watch, _, _ := unstructured.NestedBool(s.Composed.Object, "spec", "watch"); watch != remote {
			t.Errorf("remote=%t: watch is %v", remote, watch)
		}
		h.registered(t)
		for name := range h.run(t, h.request(t)).GetRequirements().GetResources() {
			if name != requirementKubeconfig {
				t.Errorf("We should not read Argo CD's Secrets on this hub (remote=%t): %s", remote, name)
			}
		}
		h.unsynced = true
		h.provide("argocd-cluster")
		if s := h.reconcile(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Updating" || s.Ready != "READY_TRUE" {
			t.Errorf("We should say that an Object that is not synced is not up to date (remote=%t): %s: %s", remote, s.Condition, s.Message)
		}
		h.unready = true
		h.provide("argocd-cluster")
		if s := h.reconcile(t); s.Condition != "ArgoCDClusterRegistered=FALSE/Registering" || s.Ready != "READY_FALSE" {
			t.Errorf("remote=%t: %s: %s", remote, s.Condition, s.Message)
		}
	}
}
