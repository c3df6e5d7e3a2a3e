package main

import (
	"testing"
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
