package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestExpiryNotice tells the end of a client certificate from 30 days before.
func TestExpiryNotice(t *testing.T) {
	notAfter := time.Date(2028, time.November, 19, 18, 55, 47, 0, time.UTC)
	for days, want := range map[int]bool{31: false, 30: true, 1: true} {
		h := newHub(sample(t, "kc-capi.yaml"))
		h.now = notAfter.AddDate(0, 0, -days)
		h.reconcile(t)
		s := h.reconcile(t)
		if got := strings.Contains(s.Message, "The client certificate expires on 2028-11-19"); got != want || s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" {
			t.Errorf("%d days before: %s: %s", days, s.Condition, s.Message)
		}
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
		if diff := cmp.Diff(before, secretOf(t, s)); diff != "" || s.Condition != "ArgoCDClusterRegistered=FALSE/CredentialsExpired" || s.Ready != "READY_TRUE" || !strings.Contains(s.Message, "2028-11-19") {
			t.Errorf("%s, %s: %s\n-before, +after:\n%s", s.Condition, s.Ready, s.Message, diff)
		}
	}
	h.resources = of(aks, tokenKubeconfig("canary-new"))
	if s := h.settle(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" {
		t.Errorf("with new credentials: %s: %s", s.Condition, s.Message)
	}
}

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
