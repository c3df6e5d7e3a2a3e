package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDrain checks that only the state changes of a cluster that is drained, and that it is drained
// until the field says otherwise.
func TestDrain(t *testing.T) {
	h, before := registered(t, tokenKubeconfig("canary-good"))
	h.xr = strings.Replace(h.xr, "drain: false", "drain: true", 1)
	draining := before.DeepCopy()
	draining.Labels["argocd.fn.crossplane.io/state"] = "draining"
	state{"TRUE/Updating", "READY_TRUE", draining}.check(t, "We should say Updating, because the Secret is not written yet.", h.reconcile(t))
	state{"TRUE/Draining", "READY_TRUE", draining}.check(t, "We should only change the state, because the cluster is the same.", h.reconcile(t))
	delete(h.resources, "cluster")
	s := h.reconcile(t)
	state{"TRUE/Draining", "READY_TRUE", draining}.check(t, "We should go on draining, because the kubeconfig has nothing to do with it.", s)
	if !says(s.Message, "does not exist") {
		t.Errorf("We should say that the cluster is missing: %s", s.Message)
	}
	h.xr = strings.Replace(h.xr, "drain: true", "drain: maybe", 1)
	state{"TRUE/Draining", "READY_TRUE", draining}.check(t, "We should go on draining while the field is not a boolean, because ApplicationSets would deploy again.", h.settle(t))
	h.xr = strings.Replace(h.xr, "    drain: maybe\n", "", 1)
	if got := secretOf(t, h.settle(t)).Labels["argocd.fn.crossplane.io/state"]; got != "active" {
		t.Errorf("We should have ApplicationSets deploy again, because the field is gone: %s", got)
	}
}

// TestClaimLabels checks that the names of the XR and its claim are only labels if they can be
// values of labels: Kubernetes would refuse the whole Secret.
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
					t.Errorf("We should leave out %s, because %q cannot be the value of a label", k, v)
				}
			}
			if verdict(s) != "TRUE/Registered" {
				t.Errorf("We should register the cluster without them: %s: %s", verdict(s), s.Message)
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
		t.Errorf("We should leave out the XR's name, because %q cannot be the value of a label", v)
	}
}

// TestMissingMap checks that the labels of a map that vanishes are kept while those of another one
// are followed, whichever comes first.
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
					t.Errorf("We should keep the missing map's entries and follow the other's, because that one exists: %v: %s: %s", got, verdict(s), s.Message)
				}
			})
		}
	}
}
