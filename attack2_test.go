package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWithdrawnInConflict has the author withdraw the credentials of a registration that must
// give way to another.
func TestWithdrawnInConflict(t *testing.T) {
	for kind, output := range outputs() {
		for name, tc := range map[string]struct{ kubeconfig, before, after string }{
			"OwnIdentity": {kubeconfigOf("https://api.example.org", ""), "credentials: {type: GCP}", "credentials: {type: Kubeconfig}"},
			"Insecure":    {strings.Replace(tokenKubeconfig("canary-b"), "cluster: {server", "cluster: {insecure-skip-tls-verify: true, server", 1), "credentials: {allowInsecure: true}", ""},
		} {
			t.Run(name+"Of"+kind, func(t *testing.T) {
				a := plainHub(namespacedXR, tokenKubeconfig("canary-a"), "cluster: {name: aa}")
				b := plainHub(legacyXR, "", "cluster: {name: bb}\n"+tc.before+output)
				b.resources = of(bucket, tc.kubeconfig)
				share(t, a, b)
				if s := b.reconcile(t); verdict(s) != "FALSE/ServerConflict" {
					t.Fatalf("want a conflict: %s: %s", s.Condition, s.Message)
				}
				b.input = "cluster: {name: bb}\n" + tc.after + output
				for range 3 {
					s := b.reconcile(t)
					if verdict(s) != "FALSE/ServerConflict" || dataOf(t, s)["config"] != noConfig || s.Ready != "READY_FALSE" {
						t.Errorf("We should drop the credentials in a conflict, too, because the author withdrew them: %s, %s: %s: %v", s.Condition, s.Ready, s.Message, dataOf(t, s))
					}
				}
				if got := decode(b.secrets["argocd/cluster-bb"], "config"); got != noConfig {
					t.Errorf("the Secret has %s", got)
				}
				if s := a.reconcile(t); verdict(s) != "TRUE/Registered" {
					t.Errorf("the older: %s: %s", s.Condition, s.Message)
				}
			})
		}
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

// TestOlderDeleted deletes the Secret of the older of two registrations of one server.
func TestOlderDeleted(t *testing.T) {
	older, younger := teams(t, "cluster: {name: aa}", "cluster: {name: bb}")
	share(t, older, younger)
	if s := younger.reconcile(t); verdict(s) != "FALSE/ServerConflict" {
		t.Fatalf("want a conflict: %s: %s", s.Condition, s.Message)
	}
	delete(older.secrets, "argocd/cluster-aa")
	for range 3 {
		if s := older.reconcile(t); strings.HasSuffix(s.Condition, "Conflict") || policiesOf(t, s) != nil {
			t.Fatalf("We should make the older again, because its cluster did not change: %s: %s", s.Condition, s.Message)
		}
		if s := younger.reconcile(t); verdict(s) != "FALSE/ServerConflict" {
			t.Errorf("the younger: %s: %s", s.Condition, s.Message)
		}
	}
	if s := older.reconcile(t); verdict(s) != "TRUE/Registered" || older.secrets["argocd/cluster-aa"] == nil {
		t.Errorf("the older: %s: %s", s.Condition, s.Message)
	}
}

// TestLoserAge has the loser of a conflict, which has watched the winner's older Secret, take
// another name while a third has its server.
func TestLoserAge(t *testing.T) {
	winner, loser := teams(t, "cluster: {name: shared}", "cluster: {name: shared}")
	third := plainHub(legacyXR, tokenKubeconfig("canary-c"), "cluster: {name: third}")
	winner.resources = of(aks, kubeconfigOf("https://a.example.org", "token: canary-a"))
	winner.registered(t)
	loser.reconcile(t)
	loser.secrets, third.secrets, third.revision = winner.secrets, winner.secrets, 200
	for range 2 {
		loser.reconcile(t)
		loser.provide("argocd-cluster")
	}
	third.registered(t)
	loser.input = "cluster: {name: free}"
	if s := loser.reconcile(t); verdict(s) != "FALSE/ServerConflict" || winner.secrets["argocd/cluster-free"] != nil {
		t.Errorf("We should not take the age of a Secret that was never ours: %s: %s", s.Condition, s.Message)
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
