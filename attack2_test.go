package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadyStays rotates the credentials while the Object is not ready for a moment.
func TestReadyStays(t *testing.T) {
	for condition, want := range map[string]string{"ArgoCDClusterRegistered": "READY_TRUE", "Ready": "READY_TRUE", "Other": "READY_FALSE"} {
		h, _ := registered(t, tokenKubeconfig("canary-good"))
		registeredBefore := h.conditions["ArgoCDClusterRegistered"]
		h.resources = of(aks, tokenKubeconfig("canary-new"))
		h.unready = true
		h.reconcile(t)
		delete(h.conditions, "ArgoCDClusterRegistered")
		h.conditions[condition] = registeredBefore
		if s := h.reconcile(t); s.Ready != want {
			t.Errorf("We should stay ready only if the XR says that it was, so that it does not flap (%s): %s, %s: %s", condition, s.Ready, s.Condition, s.Message)
		}
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
				labels := labelsOf(t, s)
				if got := []any{labels["addons.example.org/ingress"], labels["a"]}; cmp.Diff([]any{"traefik", "b"}, got) != "" || verdict(s) != "TRUE/Retained" {
					t.Errorf("We should keep the missing map's entries and follow the other's, because that one is there: %v: %s: %s", got, s.Condition, s.Message)
				}
			})
		}
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
			labels := labelsOf(t, s)
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
			labels = labelsOf(t, h.reconcile(t))
			if got := []any{labels[labelClaimName], labels[labelClaimNamespace]}; cmp.Diff([]any{"prod", "team-a"}, got) != "" {
				t.Errorf("We should keep the labels, because Argo CD may select by them: %v", got)
			}
		})
	}
	h := plainHub(strings.ReplaceAll(legacyXR, "prod-x7k2p", long), tokenKubeconfig("canary-good"), "")
	if v, ok := labelsOf(t, h.reconcile(t))[labelComposite]; ok {
		t.Errorf("We should leave out the XR's name, because %q is no value of a label", v)
	}
}
