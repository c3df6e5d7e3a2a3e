package main

import (
	"testing"
	"time"
)

// TestExpiryNotice checks that the condition says when a client certificate expires, from 30 days
// before.
func TestExpiryNotice(t *testing.T) {
	notAfter := time.Date(2028, time.November, 19, 18, 55, 47, 0, time.UTC)
	for days, want := range map[int]bool{31: false, 30: true, 1: true} {
		h := newHub(sample(t, "kc-capi.yaml"))
		h.now = notAfter.AddDate(0, 0, -days)
		h.registered(t)
		s := h.reconcile(t)
		if got := says(s.Message, "The client certificate expires on 2028-11-19"); got != want || verdict(s) != "TRUE/Registered" {
			t.Errorf("%d days before: want the notice %t, got %s: %s", days, want, verdict(s), s.Message)
		}
	}
}

// TestExpired checks that credentials which expire stay, and that the condition says so until there
// are new ones.
func TestExpired(t *testing.T) {
	notAfter := time.Date(2028, time.November, 19, 18, 55, 47, 0, time.UTC)
	h := plainHub(legacyXR, sample(t, "kc-capi.yaml"), "")
	before := h.registered(t)
	for _, kubeconfig := range []string{"", sample(t, "kc-capi.yaml")} {
		h.resources = of(aks, kubeconfig)
		h.now = notAfter.Add(time.Hour)
		s := h.reconcile(t)
		state{"FALSE/CredentialsExpired", "READY_TRUE", before}.check(t, "We should keep the Secret, because Argo CD deletes the Applications without it.", s)
		if !says(s.Message, "2028-11-19") {
			t.Errorf("We should say when they expired: %s", s.Message)
		}
	}
	h.resources = of(aks, tokenKubeconfig("canary-new"))
	if s := h.settle(t); verdict(s) != "TRUE/Registered" {
		t.Errorf("We should go on with new credentials: %s: %s", verdict(s), s.Message)
	}
}

// TestReadyStays checks that a cluster whose credentials are rotated while its Object is not ready
// for a moment stays ready, if the XR says that it was.
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
			t.Errorf("We should stay ready only if a condition of the XR says that it was, because it would flap: %s: want %s, got %s, %s: %s", condition, want, s.Ready, verdict(s), s.Message)
		}
	}
}
