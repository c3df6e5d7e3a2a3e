package main

import (
	"testing"

	"google.golang.org/protobuf/types/known/structpb"
)

// TestSanitized has provider-kubernetes hide what Secrets hold, by its flag --sanitize-secrets:
// instead of the data, the Object's status then has one key without a value.
func TestSanitized(t *testing.T) {
	for name, remote := range map[string]bool{"Unable": false, "Remote": true} {
		t.Run(name, func(t *testing.T) {
			input := ""
			if remote {
				input = "output: {argoCD: Remote}"
			}
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), input)
			h.remote, h.unable = remote, !remote
			h.registered(t)
			h.down = true
			hide := func() {
				seen := structAt(h.registrations["argocd-cluster"], "status", "atProvider", "manifest")
				seen.Fields["data"] = fields{"redacted": structpb.NewNullValue()}.value()
			}
			hide()
			if s := h.reconcile(t); verdict(s) != "TRUE/Registered" {
				t.Errorf("We should not wait for data that the provider never shows: %s: %s", s.Condition, s.Message)
			}
			h.resources = of(aks, tokenKubeconfig("canary-new"))
			if s := h.reconcile(t); verdict(s) != "TRUE/Updating" {
				t.Errorf("We should wait for the Object to have the new credentials: %s: %s", s.Condition, s.Message)
			}
		})
	}
}
