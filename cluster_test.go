package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDrain turns a cluster's state, with its credentials kept, also while they cannot be
// found out.
func TestDrain(t *testing.T) {
	h, before := registered(t, tokenKubeconfig("canary-good"))
	h.xr = strings.Replace(h.xr, "drain: false", "drain: true", 1)
	if s := h.reconcile(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Updating" || s.Ready != "READY_TRUE" {
		t.Errorf("before the Secret is written: %s: %s", s.Condition, s.Message)
	}
	s := h.reconcile(t)
	after := secretOf(t, s)
	labels := secretOf(t, s).Labels
	if labels["argocd.fn.crossplane.io/state"] != "draining" || s.Condition != "ArgoCDClusterRegistered=TRUE/Draining" || s.Ready != "READY_TRUE" {
		t.Errorf("%s: %s: %v", s.Condition, s.Message, labels)
	}
	labels["argocd.fn.crossplane.io/state"] = "active"
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("-active, +draining:\n%s", diff)
	}
	delete(h.resources, "cluster")
	if s := h.reconcile(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Draining" || !strings.Contains(s.Message, "does not exist") {
		t.Errorf("without a cluster: %s: %s", s.Condition, s.Message)
	}
	h.xr = strings.Replace(h.xr, "drain: true", "drain: maybe", 1)
	if s := h.settle(t); secretOf(t, s).Labels["argocd.fn.crossplane.io/state"] != "draining" {
		t.Errorf("We should go on draining while the field is not a boolean, because ApplicationSets would deploy again: %s: %s", s.Condition, s.Message)
	}
	h.xr = strings.Replace(h.xr, "    drain: maybe\n", "", 1)
	if got := secretOf(t, h.settle(t)).Labels["argocd.fn.crossplane.io/state"]; got != "active" {
		t.Errorf("state of a cluster that is not drained: %v", got)
	}
}

// TestClaimLabels has the claim's names be no values of labels. Kubernetes would refuse the
// whole Secret.
func TestClaimLabels(t *testing.T) {
	const ref = "namespace: team-a, name: prod}"
	long := strings.Repeat("x", 64)
	for kind, output := range outputs() {
		t.Run(kind, func(t *testing.T) {
			h := plainHub(strings.Replace(legacyXR, ref, "namespace: 'not a label!', name: "+long+"}", 1), tokenKubeconfig("canary-good"), output)
			h.reconcile(t)
			s := h.reconcile(t)
			labels := secretOf(t, s).Labels
			for _, k := range []string{labelClaimName, labelClaimNamespace} {
				if v, ok := labels[k]; ok {
					t.Errorf("We should leave out %s, because %q is no value of a label", k, v)
				}
			}
			if verdict(s) != "TRUE/Registered" {
				t.Errorf("%s: %s", s.Condition, s.Message)
			}
			h = plainHub(legacyXR, tokenKubeconfig("canary-good"), output)
			h.registered(t)
			h.xr = strings.Replace(h.xr, ref, "namespace: 'not a label!', name: "+long+"}", 1)
			labels = secretOf(t, h.reconcile(t)).Labels
			if got := []string{labels[labelClaimName], labels[labelClaimNamespace]}; cmp.Diff([]string{"prod", "team-a"}, got) != "" {
				t.Errorf("We should keep the labels, because Argo CD may select by them: %v", got)
			}
		})
	}
	h := plainHub(strings.ReplaceAll(legacyXR, "prod-x7k2p", long), tokenKubeconfig("canary-good"), "")
	if v, ok := secretOf(t, h.reconcile(t)).Labels[labelComposite]; ok {
		t.Errorf("We should leave out the XR's name, because %q is no value of a label", v)
	}
}

// TestMissingMap has one map vanish while another one changes.
func TestMissingMap(t *testing.T) {
	for _, order := range []string{"{fieldPath: spec.parameters.addons, keyPrefix: addons.example.org/}, {fieldPath: spec.extra}", "{fieldPath: spec.extra}, {fieldPath: spec.parameters.addons, keyPrefix: addons.example.org/}"} {
		for kind, output := range outputs() {
			t.Run(order+"Of"+kind, func(t *testing.T) {
				h := plainHub(legacyXR+"  extra: {a: b}\n", tokenKubeconfig("canary-good"), "cluster: {labelsFrom: ["+order+"]}"+output)
				h.registered(t)
				h.xr = strings.Replace(h.xr, "  extra: {a: b}\n", "", 1)
				h.xr = strings.Replace(h.xr, "ingress: nginx", "ingress: traefik", 1)
				s := h.settle(t)
				labels := secretOf(t, s).Labels
				if got := []string{labels["addons.example.org/ingress"], labels["a"]}; cmp.Diff([]string{"traefik", "b"}, got) != "" || verdict(s) != "TRUE/Retained" {
					t.Errorf("We should keep the missing map's entries and follow the other's, because that one is there: %v: %s: %s", got, s.Condition, s.Message)
				}
			})
		}
	}
}
