package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
)

// TestObjectName checks that an Object's name follows from what it makes.
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

// TestIdentity changes what would delete the Secret or rename the cluster. It is not
// followed, and the condition says so.
func TestIdentity(t *testing.T) {
	rename := func(h *hub) {
		h.input = strings.Replace(h.input, "nameFrom: {fieldPath: 'metadata.labels[crossplane.io/claim-name]'}", "name: renamed", 1)
	}
	cases := map[string]struct {
		reason string
		change func(*hub)
		fields string
	}{
		"Type":           {"We should keep the Object, because deleting it deletes the Secret.", func(h *hub) { h.input += "output: {type: Secret}" }, "output.type changed"},
		"Namespace":      {"We should keep the Secret's namespace, because the Secret cannot move.", func(h *hub) { h.input += "output: {namespace: gitops}" }, "output.namespace changed"},
		"Name":           {"We should keep the Secret's name, because the Secret cannot be renamed.", func(h *hub) { h.input += "output: {name: other}" }, "output.name changed"},
		"NameAndType":    {"We should name all fields that were not applied.", func(h *hub) { h.input += "output: {name: other, type: Secret}" }, "output.type, output.name changed but were not applied"},
		"ClusterName":    {"We should keep the cluster's name, because ApplicationSets prune the workloads of a renamed cluster.", rename, "cluster.name changed"},
		"ProviderConfig": {"We should keep the ProviderConfig, because with another one a second Secret is made and the first is orphaned.", func(h *hub) { h.input += "output: {object: {providerConfigRef: {name: other}}}" }, "output.object.providerConfigRef changed"},
		"ResourceName":   {"We should keep the composed resource, because Crossplane deletes one that is not desired under its name.", func(h *hub) { h.input += "output: {resourceName: other}" }, "output.resourceName changed"},
	}
	for name, tc := range cases {
		for _, unable := range []bool{false, true} {
			t.Run(fmt.Sprintf("%sUnable=%t", name, unable), func(t *testing.T) {
				h := newHub(tokenKubeconfig("canary-good"))
				h.unable = unable
				before := h.registered(t)
				tc.change(h)
				for range 3 {
					s := h.reconcile(t)
					if diff := cmp.Diff(before, secretOf(t, s)); diff != "" || s.Composed.GetKind() != "Object" {
						t.Errorf("%s\n%v: -before, +after:\n%s", tc.reason, s.Composed.GetKind(), diff)
					}
					if s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" || !says(s.Message, tc.fields) || !strings.Contains(s.Message, "not applied") {
						t.Errorf("%s\n%s: %s", tc.reason, s.Condition, s.Message)
					}
				}
			})
		}
	}
}

// TestResourceNameAndMore changes output.resourceName together with what else identifies the
// registration.
func TestResourceNameAndMore(t *testing.T) {
	for _, input := range []string{
		"output: {resourceName: other, name: foo%s}",
		"output: {resourceName: other, namespace: gitops%s}",
		"output: {resourceName: other, name: foo, namespace: gitops%s}",
		"output: {resourceName: other, name: cluster-prod-x7k2p%s}\ncluster: {name: renamed}",
		"output: {resourceName: other, namespace: gitops%s}\ncluster: {name: renamed}\nkubeconfigFrom: {resourceName: cluster}",
		"output: {resourceName: other%s}\ncluster: {nameFrom: {fieldPath: spec.missing}}",
	} {
		for kind := range outputs() {
			for _, unable := range []bool{false, true} {
				t.Run(fmt.Sprintf("%sOf%sUnable=%t", input, kind, unable), func(t *testing.T) {
					h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "output: {type: "+kind+"}")
					h.unable = unable
					before := h.registered(t)
					h.input = fmt.Sprintf(input, ", type: "+kind)
					for range 3 {
						s := h.reconcile(t)
						if s.Fatal != "" || s.Composed == nil || h.registrations["other"] != nil {
							t.Fatalf("We should go on with the composed resource, because Crossplane would delete it and Argo CD the Applications: %s%s: %s", s.Fatal, s.Condition, s.Message)
						}
						if diff := cmp.Diff(before, secretOf(t, s)); diff != "" || s.Ready != "READY_TRUE" || !strings.HasPrefix(s.Condition, "ArgoCDClusterRegistered=TRUE/") {
							t.Errorf("%s, %s: %s\n-before, +after:\n%s", s.Condition, s.Ready, s.Message, diff)
						}
					}
				})
			}
		}
	}
}

// TestRenamedWithClusterName renames output.resourceName together with the cluster, where the input names no source.
func TestRenamedWithClusterName(t *testing.T) {
	for _, input := range []string{
		"output: {resourceName: other}\ncluster: {name: renamed}",
		"output: {resourceName: other, namespace: gitops}\ncluster: {name: renamed}",
	} {
		for _, unable := range []bool{false, true} {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
			h.unable = unable
			h.registered(t)
			h.input = input
			s := h.reconcile(t)
			if h.registrations["argocd-cluster"] == nil {
				t.Errorf("%s (unable=%t): the registration is deleted: %s%s: %s", input, unable, s.Fatal, s.Condition, s.Message)
			}
		}
	}
}

// TestNameLikeALabel gives a cluster a name that is the label of its old one.
func TestNameLikeALabel(t *testing.T) {
	h := plainHub(legacyXR+"    alias: Prod East\n", tokenKubeconfig("canary-good"), "cluster: {nameFrom: {fieldPath: spec.parameters.alias}}")
	before := h.registered(t)
	label := before.Labels[labelCluster]
	h.xr = strings.Replace(h.xr, "Prod East", label, 1)
	if s := h.reconcile(t); string(secretOf(t, s).Data["name"]) != "Prod East" {
		t.Errorf("The cluster is renamed to %v: %s: %s", string(secretOf(t, s).Data["name"]), s.Condition, s.Message)
	}
}

// TestInvalidName has the name's source get a value that cannot be a name, once the cluster is
// registered.
func TestInvalidName(t *testing.T) {
	cases := map[string]struct {
		reason, before, after, message string
		xr                             func(string) string
	}{
		"Field": {
			"We should keep the name while its field holds none.", "cluster: {nameFrom: {fieldPath: spec.parameters.environment}}", "", "the XR's field spec.parameters.environment cannot be used",
			func(xr string) string {
				return strings.Replace(xr, "environment: production", "environment: in-cluster", 1)
			},
		},
		"FieldNoString": {
			"We should keep the name while its field is not a string.", "cluster: {nameFrom: {fieldPath: spec.parameters.environment}}", "", "must be a string",
			func(xr string) string { return strings.Replace(xr, "environment: production", "environment: 3", 1) },
		},
		"XR": {
			"We should keep the name where the XR's own cannot be one.", "cluster: {name: production}", "cluster: {}", "the XR's field metadata.name cannot be used as the cluster's name",
			func(xr string) string { return xr },
		},
	}
	for name, tc := range cases {
		for kind, output := range outputs() {
			t.Run(name+"Of"+kind, func(t *testing.T) {
				h := plainHub(legacyXR, tokenKubeconfig("canary-good"), tc.before+output)
				if name == "XR" {
					h.xr = strings.ReplaceAll(legacyXR, "prod-x7k2p", "in-cluster")
				}
				before := h.registered(t)
				h.xr = tc.xr(h.xr)
				if tc.after != "" {
					h.input = tc.after + output
				}
				for range 2 {
					s := h.reconcile(t)
					if verdict(s) != "TRUE/Retained" || !says(s.Message, tc.message) || s.Ready != "READY_TRUE" {
						t.Errorf("%s\n%s, %s: %s", tc.reason, s.Condition, s.Ready, s.Message)
					}
					if strings.Contains(s.Message, "not applied") {
						t.Errorf("We should not say that a change was not applied, because there is nothing to apply: %s", s.Message)
					}
					after := secretOf(t, s)
					if diff := cmp.Diff(before.Data, after.Data); diff != "" || before.Name != after.Name {
						t.Errorf("%s\n-before, +after:\n%s", tc.reason, diff)
					}
				}
			})
		}
	}
}

// TestNamelessUnready has the name's field vanish before there is a Secret.
func TestNamelessUnready(t *testing.T) {
	for _, unable := range []bool{false, true} {
		h := newHub(tokenKubeconfig("canary-good"))
		h.unable, h.down = unable, true
		before := secretOf(t, h.reconcile(t))
		h.xr = strings.Replace(h.xr, "    crossplane.io/claim-name: prod\n", "", 1)
		for range 2 {
			s := h.reconcile(t)
			if diff := cmp.Diff(before, secretOf(t, s)); diff != "" || verdict(s) != "FALSE/Registering" || !strings.Contains(s.Message, "metadata.labels[crossplane.io/claim-name], which is not set") {
				t.Errorf("We should keep the name, because there is no other: %s: %s\n-before, +after:\n%s", s.Condition, s.Message, diff)
			}
		}
	}
}

// TestBeenThere leaves only one sign that a Secret has been there. Each by itself keeps the
// identity, also while the Object is not ready.
func TestBeenThere(t *testing.T) {
	ready := func(o *structpb.Struct, status string) {
		for _, c := range structAt(o, "status").GetFields()["conditions"].GetListValue().GetValues() {
			c.GetStructValue().Fields["status"] = structpb.NewStringValue(status)
		}
	}
	unseen := func(o *structpb.Struct) { delete(structAt(o, "status").GetFields(), "atProvider") }
	cases := map[string]struct {
		reason string
		change func(h *hub, o *structpb.Struct)
		kept   bool
	}{
		"Secret": {"We should keep the identity of a Secret with our mark.", func(_ *hub, o *structpb.Struct) { delete(o.GetFields(), "status") }, true},
		"Ready":  {"We should keep the identity of an Object that is ready.", func(h *hub, o *structpb.Struct) { h.unable = true; unseen(o) }, true},
		"Seen":   {"We should keep the identity of what the provider has seen.", func(h *hub, o *structpb.Struct) { h.unable = true; ready(o, conditionFalse) }, true},
		"Created": {"We should keep the identity of what the provider has created.", func(h *hub, o *structpb.Struct) {
			h.unable = true
			delete(o.GetFields(), "status")
			structAt(o, "metadata", "annotations").Fields[annotationCreated] = structpb.NewStringValue("2027-01-01T00:00:00Z")
		}, true},
		"SeenAndSecretDeleted": {"We should keep the identity of a Secret that was deleted, because it is about to be there again.", func(h *hub, o *structpb.Struct) { ready(o, conditionFalse); h.secrets = map[string]*structpb.Struct{} }, true},
		"Nothing": {"We should follow the input if there never was a Secret.", func(h *hub, o *structpb.Struct) {
			ready(o, conditionFalse)
			unseen(o)
			h.secrets = map[string]*structpb.Struct{}
		}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
			before := h.registered(t)
			h.down = true
			o := clone(h.registrations["argocd-cluster"])
			tc.change(h, o)
			h.registrations["argocd-cluster"] = o
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

// TestNeverThere mistypes what identifies the registration, before a Secret was there.
func TestNeverThere(t *testing.T) {
	for _, unable := range []bool{false, true} {
		h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "output: {namespace: missing}")
		h.unable = unable
		h.reconcile(t)
		if s := h.reconcile(t); s.Condition != "ArgoCDClusterRegistered=FALSE/Registering" || s.Ready != "READY_FALSE" {
			t.Errorf("mistyped: %s: %s", s.Condition, s.Message)
		}
		h.input = "output: {namespace: argocd}\ncluster: {name: other}"
		h.reconcile(t)
		s := h.reconcile(t)
		if m := secretOf(t, s); m.Namespace != "argocd" || m.Name != "cluster-other" || s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" {
			t.Errorf("We should follow the input until a Secret has been there (unable=%t): %s: %s %v", unable, s.Condition, s.Message, m)
		}
		h = plainHub(legacyXR, tokenKubeconfig("canary-good"), "output: {namespace: missing}")
		h.unable = unable
		h.reconcile(t)
		h.input = "output: {type: Secret}"
		if s := h.reconcile(t); s.Composed != nil || s.Condition != "ArgoCDClusterRegistered=FALSE/Registering" {
			t.Errorf("We should wait for the old Object's end, because Crossplane cannot change a resource's kind: %s: %s", s.Condition, s.Message)
		}
		h.reconcile(t)
		if s := h.reconcile(t); s.Composed.GetKind() != "Secret" || s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" {
			t.Errorf("then compose a Secret: %s: %s", s.Condition, s.Message)
		}
	}
}

// TestTerminating has somebody delete the Object, to have another name applied. The Object
// deletes the Secret that it holds at its end: until then it must be the old one.
func TestTerminating(t *testing.T) {
	terminate := func(h *hub) {
		o := clone(h.registrations["argocd-cluster"])
		structAt(o, "metadata").Fields["deletionTimestamp"] = structpb.NewStringValue("2027-01-01T00:00:00Z")
		h.registrations["argocd-cluster"] = o
		h.down = true
	}
	for _, argoCD := range []string{"Local", "Remote"} {
		t.Run(argoCD, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "output: {argoCD: "+argoCD+"}")
			h.remote = argoCD == "Remote"
			before := h.registered(t)
			terminate(h)
			h.input += "\ncluster: {name: renamed}"
			for range 2 {
				s := h.reconcile(t)
				if diff := cmp.Diff(before, secretOf(t, s)); diff != "" || verdict(s) != "FALSE/Registering" || s.Ready != "READY_FALSE" || h.repairOf() != "" {
					t.Errorf("We should leave the Object its Secret, because it would orphan that: %s, %s: %s\n-before, +after:\n%s", s.Condition, s.Ready, s.Message, diff)
				}
			}
			// The provider deletes the Secret.
			delete(h.secrets, prodKey)
			for _, v := range structAt(h.registrations["argocd-cluster"], "status").GetFields()["conditions"].GetListValue().GetValues() {
				if c := v.GetStructValue(); stringAt(c, "type") == "Ready" {
					c.Fields["status"], c.Fields["reason"] = structpb.NewStringValue(conditionFalse), structpb.NewStringValue("Deleting")
				}
			}
			s := h.reconcile(t)
			if string(secretOf(t, s).Data["name"]) != "renamed" || verdict(s) != "FALSE/Registering" || s.Ready != "READY_FALSE" || h.repairOf() != "" {
				t.Errorf("We should then follow the input: %s: %s: %v", s.Condition, s.Message, secretOf(t, s).Data)
			}
			h.registrations, h.down = map[string]*structpb.Struct{}, false
			if s := h.settle(t); string(secretOf(t, s).Data["name"]) != "renamed" || verdict(s) != "TRUE/Registered" {
				t.Errorf("once the Object is gone: %s: %s", s.Condition, s.Message)
			}
		})
	}
}

// TestDeletedObject deletes the Object by hand, to have a change applied.
func TestDeletedObject(t *testing.T) {
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	h.registered(t)
	h.input = "cluster: {name: renamed}"
	h.settle(t)
	terminate := func() {
		structAt(h.registrations["argocd-cluster"], "metadata").Fields["deletionTimestamp"] = structpb.NewStringValue("2027-01-01T00:00:00Z")
	}
	terminate()
	h.down = true
	s := h.reconcile(t)
	if string(secretOf(t, s).Data["name"]) != "prod-x7k2p" || s.Condition != "ArgoCDClusterRegistered=FALSE/Registering" || s.Ready != "READY_FALSE" {
		t.Errorf("We should leave the Object as it is until its Secret is gone, because it would orphan the Secret: %s: %s", s.Condition, s.Message)
	}
	delete(h.secrets, "argocd/cluster-prod-x7k2p")
	h.resources["cluster"] = observation{resource: aks}
	s = h.reconcile(t)
	if d := dataOf(secretOf(t, s)); d["name"] != "renamed" || d["config"] == "" || secretOf(t, s).Name != "cluster-renamed" || s.Ready != "READY_FALSE" {
		t.Errorf("We should then follow the input, with the connection kept: %s: %s: %v", s.Condition, s.Message, d)
	}
	h.registrations, h.down = map[string]*structpb.Struct{}, false
	h.resources = of(aks, tokenKubeconfig("canary-good"))
	h.reconcile(t)
	if s := h.settle(t); string(secretOf(t, s).Data["name"]) != "renamed" || s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" {
		t.Errorf("once it is gone: %s: %s", s.Condition, s.Message)
	}
}
