package main

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A repaired is what a call makes of a Secret that is not as composed.
type repaired struct{ Condition, Ready, Repair string }

// checkRepair checks the condition, and that the composed resource has the provider repair the
// Secret, or not.
func (h *hub) checkRepair(t testing.TB, reason string, s summary, want repaired) {
	t.Helper()
	if diff := cmp.Diff(want, repaired{verdict(s), s.Ready, h.repairOf()}); diff != "" {
		t.Errorf("%s\n-want, +got:\n%s\nmessage: %s", reason, diff, s.Message)
	}
}

// TestRepair checks that the provider is made to repair a Secret that somebody changed, and that
// the condition says so until it has.
func TestRepair(t *testing.T) {
	const key = "argocd/cluster-prod"
	deleted := func(h *hub) { delete(h.secrets, key) }
	edited := func(edit func(s *structpb.Struct)) change { return func(h *hub) { h.edit(key, edit) } }
	without := func(what, field string) change {
		return edited(func(s *structpb.Struct) { delete(structAt(s, "metadata", what).GetFields(), field) })
	}
	data := func(field, value string) change {
		return edited(func(s *structpb.Struct) { structAt(s, "data").Fields[field] = structpb.NewStringValue(value) })
	}
	cases := map[string]struct {
		reason string
		change change
		want   repaired
	}{
		"Deleted":    {"We should have a deleted Secret made again, because Argo CD deletes the Applications without it.", deleted, repaired{"FALSE/Registering", "READY_FALSE", "absent-after-1"}},
		"Label":      {"We should not be ready, because Argo CD does not find a Secret without its label.", without("labels", "argocd.argoproj.io/secret-type"), repaired{"FALSE/Registering", "READY_FALSE", "differs-at-2"}},
		"Config":     {"We should have a broken config replaced, because it stops every ApplicationSet.", data("config", "e30"), repaired{"FALSE/Registering", "READY_TRUE", "differs-at-2"}},
		"OtherLabel": {"We should have a label restored, because ApplicationSets select by it.", without("labels", "environment"), repaired{"FALSE/Registering", "READY_TRUE", "differs-at-2"}},
		"Annotation": {"We should have our mark restored, because it says whose the Secret is.", without("annotations", annotationComposite), repaired{"FALSE/Registering", "READY_TRUE", "differs-at-2"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h, before := registered(t, tokenKubeconfig("canary-good"))
			tc.change(h)
			h.down = true
			for range 3 {
				s := h.reconcile(t)
				h.checkRepair(t, tc.reason, s, tc.want)
				if diff := cmp.Diff(before, secretOf(t, s)); diff != "" {
					t.Errorf("%s\n-before, +after:\n%s", tc.reason, diff)
				}
			}
			h.down = false
			h.provide("argocd-cluster")
			h.checkRepair(t, "We should be done, because the provider has repaired it.", h.reconcile(t), repaired{"TRUE/Registered", "READY_TRUE", ""})
		})
	}
	t.Run("ForeignData", func(t *testing.T) {
		h, before := registered(t, tokenKubeconfig("canary-good"))
		data("shard", "MQ==")(h)
		h.others[key+"/shard"] = true
		h.down = true
		s := h.reconcile(t)
		h.checkRepair(t, "We should have a shard emptied that somebody added, because Argo CD reads it.", s, repaired{"FALSE/Registering", "READY_TRUE", "differs-at-2"})
		emptied := before.DeepCopy()
		emptied.Data["shard"] = []byte{}
		if diff := cmp.Diff(emptied, secretOf(t, s)); diff != "" {
			t.Errorf("We should write what is to be removed, because the apiserver removes only what nobody else wrote. -want, +got:\n%s", diff)
		}
		h.down = false
		for range 3 {
			h.provide("argocd-cluster")
			s = h.reconcile(t)
		}
		h.checkRepair(t, "We should be done, because the provider has removed it.", s, repaired{"TRUE/Registered", "READY_TRUE", ""})
		if _, ok := structAt(h.secrets[key], "data").GetFields()["shard"]; ok {
			t.Error("We should have removed the shard, because the input gives none.")
		}
	})
	t.Run("Foreign", func(t *testing.T) {
		h, _ := registered(t, tokenKubeconfig("canary-good"))
		h.edit(key, func(s *structpb.Struct) {
			structAt(s, "metadata", "labels").Fields["foreign"] = structpb.NewStringValue("x")
			structAt(s, "metadata", "annotations").Fields["foreign"] = structpb.NewStringValue("x")
			structAt(s, "data").Fields["foreign"] = structpb.NewStringValue("eA==")
		})
		h.checkRepair(t, "We should not repair what others add, because Argo CD does not read it.", h.reconcile(t), repaired{"TRUE/Registered", "READY_TRUE", ""})
	})
	t.Run("SecretDecides", func(t *testing.T) {
		h := newHub(tokenKubeconfig("canary-good"))
		h.reconcile(t)
		h.recompose(func(o *structpb.Struct) { delete(o.GetFields(), "status") })
		h.checkRepair(t, "We should be ready, because the Secret is as composed whatever the Object says.", h.reconcile(t), repaired{"TRUE/Registered", "READY_TRUE", ""})
	})
}

// TestRotation checks that new credentials are awaited, and that nothing is repaired, until the
// provider has written them.
func TestRotation(t *testing.T) {
	labelled := func(h *hub) {
		h.edit(prodKey, func(s *structpb.Struct) {
			structAt(s, "metadata", "labels").Fields["argocd.argoproj.io/kubernetes-version"] = structpb.NewStringValue("1.33")
		})
	}
	seen := func(h *hub) map[string]*structpb.Value {
		return structAt(h.registrations["argocd-cluster"], "status", "atProvider", "manifest").GetFields()
	}
	cases := map[string]struct {
		reason string
		input  string
		before change

		// hidden says that the provider hides at first what it saw of the data.
		hidden bool
	}{
		"Plain":    {reason: "We should wait for the provider, because the Secret is as we wrote it before."},
		"Labelled": {reason: "We should wait for the provider, because somebody only added a label.", before: labelled, hidden: true},
		"Remote":   {reason: "We should wait for the provider, because only it can read the remote Secret.", input: "output: {argoCD: Remote}"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), tc.input)
			h.remote = tc.input != ""
			h.registered(t)
			h.down = true
			if tc.before != nil {
				tc.before(h)
				h.checkRepair(t, "We should not repair what others add, because Argo CD does not read it.", h.reconcile(t), repaired{"TRUE/Registered", "READY_TRUE", ""})
			}
			if tc.hidden {
				delete(seen(h), "data")
			}
			h.resources = of(aks, tokenKubeconfig("canary-new"))
			for i := range 3 {
				// From the first on the Object holds the new token, and only what the provider
				// saw is the old one.
				if tc.hidden && i == 1 {
					seen(h)["data"] = h.secrets[prodKey].GetFields()["data"]
				}
				h.checkRepair(t, tc.reason, h.reconcile(t), repaired{"TRUE/Updating", "READY_TRUE", ""})
			}
			h.down = false
			h.provide("argocd-cluster")
			h.checkRepair(t, "We should be done, because the provider has written it.", h.reconcile(t), repaired{"TRUE/Registered", "READY_TRUE", ""})
		})
	}
}

// TestUnreadable checks that a registration is judged by its Object where the Secret cannot be
// read: with an old Crossplane, or in a remote Argo CD.
func TestUnreadable(t *testing.T) {
	for _, remote := range []bool{false, true} {
		t.Run(fmt.Sprintf("Remote=%t", remote), func(t *testing.T) {
			h := newHub(tokenKubeconfig("canary-good"))
			if h.unable, h.remote = !remote, remote; remote {
				h.input += "output: {argoCD: Remote}\n"
			}
			s := h.reconcile(t)
			if watch, _, _ := unstructured.NestedBool(s.Composed.Object, "spec", "watch"); watch != remote {
				t.Errorf("We should have the provider watch a remote Secret, because Crossplane cannot: %t", watch)
			}
			h.registered(t)
			for name := range h.run(t, h.request(t)).GetRequirements().GetResources() {
				if name != requirementKubeconfig {
					t.Errorf("We should not read Argo CD's Secrets on this hub: %s", name)
				}
			}
			h.unsynced = true
			h.provide("argocd-cluster")
			h.checkRepair(t, "We should say that the cluster is not up to date, because its Object is not synced.", h.reconcile(t), repaired{"TRUE/Updating", "READY_TRUE", ""})
			h.unready = true
			h.provide("argocd-cluster")
			h.checkRepair(t, "We should wait, because the Object is not ready.", h.reconcile(t), repaired{"FALSE/Registering", "READY_FALSE", ""})
		})
	}
}
