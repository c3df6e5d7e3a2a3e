package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// TestObjectName checks that an Object's name follows from what it makes: two Objects of one
// Secret have one name, and no others.
func TestObjectName(t *testing.T) {
	name := func(xr, input string) string {
		h := plainHub(xr, tokenKubeconfig("canary-good"), input)
		s := h.reconcile(t)
		if s.Composed == nil {
			t.Fatalf("%s%s: %s", s.Fatal, s.Condition, s.Message)
		}
		return s.Composed.GetName()
	}
	if got := name(legacyXR, ""); got != "argocd.cluster-prod-x7k2p" {
		t.Errorf("name: %s", got)
	}
	again := name(strings.Replace(legacyXR, "name: prod-x7k2p", "name: other", 1), "cluster: {name: prod-x7k2p}")
	if again != "argocd.cluster-prod-x7k2p" {
		t.Errorf("We should give two XRs' Objects of one Secret one name: %s", again)
	}
	seen := map[string]string{}
	long := strings.Repeat("a", 240)
	for _, input := range []string{
		"", "output: {namespace: a}", "output: {namespace: a-b, name: c}", "output: {namespace: a, name: b-c}", "output: {name: argocd.x}",
		"output: {object: {providerConfigRef: {name: x}}}", "output: {object: {providerConfigRef: {name: z}}}",
		"output: {object: {providerConfigRef: {kind: ProviderConfig}}}", "output: {name: " + long + "}", "output: {name: " + long + "b}",
	} {
		n := name(namespacedXR, input)
		if other, ok := seen[n]; ok || len(n) > 253 {
			t.Errorf("%q and %q have one name, or it is too long: %s", other, input, n)
		}
		seen[n] = input
	}
}

// TestPinned checks that nothing of a registration changes which would delete its Secret or
// rename the cluster, and that the condition says what was not applied.
func TestPinned(t *testing.T) {
	const nameFrom = "cluster: {nameFrom: {fieldPath: spec.parameters.environment}}\noutput: {%s}"
	cases := map[string]struct {
		reason string

		// xr and before are what the cluster is registered by, by default no more than the
		// output's type, for which %s stands. after is the input from then on, by default the
		// same, and change happens to the XR.
		xr, before, after string
		change            change

		// only is the type of output that has such a change, by default both.
		only string

		// condition is by default TRUE/Registered. message is a part of its message, and
		// unsaid is none.
		condition, message, unsaid string
	}{
		"Type":           {reason: "We should keep the Object, because its end deletes the Secret.", after: "output: {type: Secret}", only: "Object", message: "output.type changed but was not applied"},
		"TypeOfSecret":   {reason: "We should keep the composed Secret, because Argo CD deletes the Applications without it.", after: "output: {type: Object}", only: "Secret", message: "output.type changed but was not applied"},
		"Namespace":      {reason: "We should keep the Secret's namespace, because a Secret cannot move.", after: "output: {namespace: gitops, %s}", message: "output.namespace changed but was not applied"},
		"Name":           {reason: "We should keep the Secret's name, because a Secret cannot be renamed.", after: "output: {name: other, %s}", message: "output.name changed but was not applied"},
		"NameAndType":    {reason: "We should name all fields that were not applied, because each may be a mistake.", after: "output: {name: other, type: Secret}", only: "Object", message: "output.type, output.name changed but were not applied"},
		"ClusterName":    {reason: "We should keep the cluster's name, because Argo CD deletes the Applications of a renamed cluster.", after: "cluster: {name: renamed}\noutput: {%s}", message: "cluster.name changed but was not applied"},
		"ProviderConfig": {reason: "We should keep the ProviderConfig, because another one would make a second Secret and leave the first.", after: "output: {object: {providerConfigRef: {name: other}}}", only: "Object", message: "output.object.providerConfigRef changed but was not applied"},

		"ResourceName":                 {reason: "We should keep the composed resource, because Crossplane deletes one that is not desired under its name.", after: "output: {resourceName: other, %s}", message: "output.resourceName changed but was not applied"},
		"ResourceNameAndName":          {reason: "We should know our registration by its source, because its name changed with the resource's.", after: "output: {resourceName: other, name: foo, %s}", message: "not applied"},
		"ResourceNameAndNamespace":     {reason: "We should know our registration by its cluster, because its namespace changed with the resource's name.", after: "output: {resourceName: other, namespace: gitops, %s}", message: "not applied"},
		"ResourceNameNameAndNamespace": {reason: "We should know our registration by its cluster, because all of its Secret's name changed.", after: "output: {resourceName: other, name: foo, namespace: gitops, %s}", message: "not applied"},
		"ResourceNameAndClusterName":   {reason: "We should know our registration by its source, because the cluster's name changed with the resource's.", after: "output: {resourceName: other, %s}\ncluster: {name: renamed}", message: "not applied"},
		"ResourceNameOfSecret":         {reason: "We should know our registration by its Secret, because only the cluster's name changed with the resource's.", after: "output: {resourceName: other, name: cluster-prod-x7k2p, %s}\ncluster: {name: renamed}", message: "not applied"},
		"AllNames":                     {reason: "We should know our registration by its source, because all of its names changed.", after: "output: {resourceName: other, namespace: gitops, %s}\ncluster: {name: renamed}", message: "not applied"},
		"AllNamesAndSource":            {reason: "We should know our registration by its source, because the input now names it.", after: "output: {resourceName: other, namespace: gitops, %s}\ncluster: {name: renamed}\nkubeconfigFrom: {resourceName: cluster}", message: "not applied"},
		"ResourceNameWithoutClusters":  {reason: "We should know our registration by its source, because the cluster's name is missing.", after: "output: {resourceName: other, %s}\ncluster: {nameFrom: {fieldPath: spec.missing}}", condition: "TRUE/Retained", message: "spec.missing, which is not set"},

		"NameLikeItsLabel": {
			reason: "We should keep the cluster's name, because the label that was made from it is not the name.",
			xr:     legacyXR + "    alias: Prod East\n", before: "cluster: {nameFrom: {fieldPath: spec.parameters.alias}}\noutput: {%s}",
			change: replaced("Prod East", argocd.ClusterLabel("Prod East")), message: "cluster.name changed but was not applied",
		},
		"NameReserved": {
			reason: "We should keep the cluster's name, because Argo CD has the new one for its own cluster.",
			before: nameFrom, change: replaced("environment: production", "environment: in-cluster"),
			condition: "TRUE/Retained", message: "the XR's field spec.parameters.environment cannot be used", unsaid: "not applied",
		},
		"NameNoString": {
			reason: "We should keep the cluster's name, because a number is not a name.",
			before: nameFrom, change: replaced("environment: production", "environment: 3"),
			condition: "TRUE/Retained", message: "must be a string", unsaid: "not applied",
		},
		"NameOfXRReserved": {
			reason: "We should keep the cluster's name, because the XR's own cannot be one.",
			xr:     strings.ReplaceAll(legacyXR, "prod-x7k2p", "in-cluster"), before: "cluster: {name: production}\noutput: {%s}", after: "output: {%s}",
			condition: "TRUE/Retained", message: "the XR's field metadata.name cannot be used as the cluster's name", unsaid: "not applied",
		},
	}
	for name, tc := range cases {
		for kind := range outputs() {
			for _, unable := range []bool{false, true} {
				if tc.only != "" && tc.only != kind {
					continue
				}
				t.Run(fmt.Sprintf("%sOf%sUnable=%t", name, kind, unable), func(t *testing.T) {
					typed := func(input string) string { return strings.Replace(input, "%s", "type: "+kind, 1) }
					want := state{or(tc.condition, "TRUE/Registered"), "READY_TRUE", nil}
					h := plainHub(or(tc.xr, legacyXR), tokenKubeconfig("canary-good"), typed(or(tc.before, "output: {%s}")))
					h.unable = unable
					want.Secret = h.registered(t)
					if tc.after != "" {
						h.input = typed(tc.after)
					}
					if tc.change != nil {
						tc.change(h)
					}
					for range 3 {
						s := h.reconcile(t)
						want.check(t, tc.reason, s)
						if !says(s.Message, tc.message) || tc.unsaid != "" && says(s.Message, tc.unsaid) {
							t.Errorf("%s\nmessage: want %q and not %q in %q", tc.reason, tc.message, tc.unsaid, s.Message)
						}
						if h.registrations["other"] != nil || s.Composed.GetKind() != kind {
							t.Errorf("%s\na %s is composed, and another one: %t", tc.reason, s.Composed.GetKind(), h.registrations["other"] != nil)
						}
					}
				})
			}
		}
	}
}

// TestNamelessUnready checks that a name stays whose field vanishes before there is a Secret.
func TestNamelessUnready(t *testing.T) {
	for _, unable := range []bool{false, true} {
		h := newHub(tokenKubeconfig("canary-good"))
		h.unable, h.down = unable, true
		before := secretOf(t, h.reconcile(t))
		h.xr = strings.Replace(h.xr, "    crossplane.io/claim-name: prod\n", "", 1)
		for range 2 {
			s := h.reconcile(t)
			state{"FALSE/Registering", "READY_FALSE", before}.check(t, "We should keep the name, because no other is known.", s)
			if want := "metadata.labels[crossplane.io/claim-name], which is not set"; !says(s.Message, want) {
				t.Errorf("message: want %q in %q", want, s.Message)
			}
		}
	}
}

// TestBeenThere checks that each sign by itself that a Secret has been there keeps the
// identity, also while the Object is not ready.
func TestBeenThere(t *testing.T) {
	unready := func(o *structpb.Struct) {
		setCondition(o, "Ready", conditionFalse)
		setCondition(o, "Synced", conditionFalse)
	}
	unseen := func(o *structpb.Struct) { delete(structAt(o, "status").GetFields(), "atProvider") }
	cases := map[string]struct {
		reason string
		change func(h *hub, o *structpb.Struct)
		kept   bool
	}{
		"Secret": {"We should keep the identity, because the Secret has our mark.", func(_ *hub, o *structpb.Struct) { delete(o.GetFields(), "status") }, true},
		"Ready":  {"We should keep the identity, because an Object that is ready has made its Secret.", func(h *hub, o *structpb.Struct) { h.unable = true; unseen(o) }, true},
		"Seen":   {"We should keep the identity, because the provider has seen the Secret.", func(h *hub, o *structpb.Struct) { h.unable = true; unready(o) }, true},
		"Created": {"We should keep the identity, because the provider has created the Secret.", func(h *hub, o *structpb.Struct) {
			h.unable = true
			delete(o.GetFields(), "status")
			structAt(o, "metadata", "annotations").Fields[annotationCreated] = structpb.NewStringValue("2027-01-01T00:00:00Z")
		}, true},
		"SeenAndSecretDeleted": {"We should keep the identity, because the provider makes a deleted Secret again.", func(h *hub, o *structpb.Struct) { unready(o); h.secrets = map[string]*structpb.Struct{} }, true},
		"Nothing": {"We should follow the input, because a Secret that never existed has no Applications.", func(h *hub, o *structpb.Struct) {
			unready(o)
			unseen(o)
			h.secrets = map[string]*structpb.Struct{}
		}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
			before := h.registered(t)
			h.down = true
			h.recompose(func(o *structpb.Struct) { tc.change(h, o) })
			h.input = "cluster: {name: renamed}\noutput: {namespace: gitops, name: other}"
			s := h.reconcile(t)
			if diff := cmp.Diff(before, secretOf(t, s)); (diff == "") != tc.kept {
				t.Errorf("%s\n%s: %s\n-before, +after:\n%s", tc.reason, s.Condition, s.Message, diff)
			}
			if strings.Contains(s.Message, "not applied") != tc.kept {
				t.Errorf("%s\n%s", tc.reason, s.Message)
			}
		})
	}
}

// TestNeverThere checks that the input is followed until a Secret has been there, so that a
// mistyped namespace can be corrected.
func TestNeverThere(t *testing.T) {
	for _, unable := range []bool{false, true} {
		mistyped := func() *hub {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "output: {namespace: missing}")
			h.unable = unable
			h.reconcile(t)
			return h
		}
		t.Run(fmt.Sprintf("NamespaceUnable=%t", unable), func(t *testing.T) {
			h := mistyped()
			if s := h.reconcile(t); verdict(s) != "FALSE/Registering" || s.Ready != "READY_FALSE" {
				t.Errorf("We should wait for the Secret: %s, %s: %s", verdict(s), s.Ready, s.Message)
			}
			h.input = "output: {namespace: argocd}\ncluster: {name: other}"
			h.reconcile(t)
			s := h.reconcile(t)
			want := []string{"argocd", "cluster-other", "TRUE/Registered"}
			if diff := cmp.Diff(want, []string{secretOf(t, s).Namespace, s.Secret.Name, verdict(s)}); diff != "" {
				t.Errorf("We should follow the input, because nothing is lost: -want, +got:\n%s\n%s", diff, s.Message)
			}
		})
		t.Run(fmt.Sprintf("TypeUnable=%t", unable), func(t *testing.T) {
			h := mistyped()
			h.input = "output: {type: Secret}"
			if s := h.reconcile(t); s.Composed != nil || verdict(s) != "FALSE/Registering" {
				t.Errorf("We should wait for the old Object's end, because Crossplane cannot change a resource's kind: %s: %s", verdict(s), s.Message)
			}
			h.reconcile(t)
			if s := h.reconcile(t); verdict(s) != "TRUE/Registered" || s.Composed.GetKind() != kindSecret {
				t.Errorf("We should then compose a Secret: %s: %s", verdict(s), s.Message)
			}
		})
	}
}

// TestDeleted checks that an Object which somebody deletes, to have another name applied, keeps
// its Secret until the provider has deleted that: it would orphan the Secret otherwise. Then the
// input is followed.
func TestDeleted(t *testing.T) {
	deleting := func(o *structpb.Struct) {
		setCondition(o, "Ready", conditionFalse)
		conditionAt(o, "Ready").Fields["reason"] = structpb.NewStringValue("Deleting")
	}
	cases := map[string]struct {
		reason string
		remote bool

		// before says that the cluster is renamed before the Object is deleted.
		before bool

		// gone is what the Object says once the Secret is gone, if it says it already.
		gone func(o *structpb.Struct)

		// resources are what is observed from then on.
		resources map[string]observation
	}{
		"Local":          {reason: "We should wait for the Secret's end, because we can read the Secret.", gone: deleting, resources: of(aks, tokenKubeconfig("canary-good"))},
		"Remote":         {reason: "We should wait for the Object's condition, because we cannot read the remote Secret.", remote: true, gone: deleting, resources: of(aks, tokenKubeconfig("canary-good"))},
		"RenamedBefore":  {reason: "We should follow the input before the Object's condition says so, because the Secret is gone.", before: true, resources: of(aks, tokenKubeconfig("canary-good"))},
		"KubeconfigGone": {reason: "We should follow the input with the old connection, because the kubeconfig is missing.", before: true, resources: map[string]observation{"cluster": {resource: aks}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
			if h.remote = tc.remote; tc.remote {
				h.input = "output: {argoCD: Remote}\n"
			}
			before := h.registered(t)
			if tc.before {
				h.input += "cluster: {name: renamed}"
				h.settle(t)
			}
			h.recompose(func(o *structpb.Struct) {
				structAt(o, "metadata").Fields["deletionTimestamp"] = structpb.NewStringValue("2027-01-01T00:00:00Z")
			})
			h.down = true
			if !tc.before {
				h.input += "cluster: {name: renamed}"
			}
			for range 2 {
				state{"FALSE/Registering", "READY_FALSE", before}.check(t, tc.reason, h.reconcile(t))
				if h.repairOf() != "" {
					t.Errorf("%s\nrepair: %s", tc.reason, h.repairOf())
				}
			}
			delete(h.secrets, prodKey)
			if tc.gone != nil {
				h.recompose(tc.gone)
			}
			h.resources = tc.resources
			s := h.reconcile(t)
			want := dataOf(before)
			want["name"] = "renamed"
			if diff := cmp.Diff(want, dataOf(secretOf(t, s))); diff != "" || s.Secret.Name != "cluster-renamed" {
				t.Errorf("%s\n%s: -want, +got:\n%s", tc.reason, s.Secret.Name, diff)
			}
			if got := []string{verdict(s), s.Ready, h.repairOf()}; !slices.Equal(got, []string{"FALSE/Registering", "READY_FALSE", ""}) {
				t.Errorf("%s\nuntil the Object is gone: %q: %s", tc.reason, got, s.Message)
			}
			h.registrations, h.down, h.resources = map[string]*structpb.Struct{}, false, of(aks, tokenKubeconfig("canary-good"))
			h.reconcile(t)
			s = h.settle(t)
			if got := dataOf(secretOf(t, s))["name"]; got != "renamed" || verdict(s) != "TRUE/Registered" {
				t.Errorf("%s\nonce the Object is gone: %s, %s: %s", tc.reason, got, verdict(s), s.Message)
			}
		})
	}
}
