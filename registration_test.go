package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
)

// TestMarks takes one mark after another off what is composed. Each by itself is enough to
// know our own registration.
func TestMarks(t *testing.T) {
	without := func(paths ...string) func(*structpb.Struct) {
		return func(m *structpb.Struct) {
			for _, p := range paths {
				kind, key, _ := strings.Cut(p, " ")
				delete(structAt(m, "metadata", kind).GetFields(), key)
			}
		}
	}
	owner, label := "annotations "+annotationComposite, "labels argocd.argoproj.io/secret-type"
	for name, change := range map[string]func(*structpb.Struct){
		"Owner": without(owner), "Label": without(label), "Both": without(owner, label),
		"Kind": func(m *structpb.Struct) { delete(m.GetFields(), "kind") },
	} {
		for _, output := range []string{"Object", "Secret"} {
			if name == "Kind" && output == "Secret" {
				continue
			}
			t.Run(name+"Of"+output, func(t *testing.T) {
				h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "output: {type: "+output+"}")
				before := h.registered(t)
				h.down = true
				h.tamper(change)
				h.input += "\ncluster: {name: renamed}"
				s := h.reconcile(t)
				if s.Fatal != "" || strings.HasSuffix(s.Condition, "Conflict") {
					t.Fatalf("We should know our own, because it has our resource name: %s%s: %s", s.Fatal, s.Condition, s.Message)
				}
				if diff := cmp.Diff(before, secretOf(t, s)); diff != "" {
					t.Errorf("We should restore it, and keep its identity: %s: %s\n-before, +after:\n%s", s.Condition, s.Message, diff)
				}
			})
		}
	}
}

// TestOtherKind has the Object hold something that is not a Secret.
func TestOtherKind(t *testing.T) {
	for _, unable := range []bool{false, true} {
		h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
		h.unable = unable
		before := h.registered(t)
		h.down = true
		h.tamper(func(m *structpb.Struct) { m.Fields["kind"] = structpb.NewStringValue("ConfigMap") })
		s := h.reconcile(t)
		if s.Fatal != "" {
			t.Fatalf("We should not stop the pipeline, because the author did nothing wrong: %s", s.Fatal)
		}
		if diff := cmp.Diff(before, secretOf(t, s)); diff != "" {
			t.Errorf("We should compose the Secret again: %s: %s\n-before, +after:\n%s", s.Condition, s.Message, diff)
		}
	}
	// Without our mark it is somebody else's.
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	h.registrations["argocd-cluster"] = mustStruct(t, "{apiVersion: kubernetes.crossplane.io/v1alpha2, kind: Object, spec: {forProvider: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {namespace: a, name: b}}}}}")
	if s := h.reconcile(t); !strings.Contains(s.Fatal, "not a cluster registration") {
		t.Errorf("We should not replace another thing of our name: %s%s: %s", s.Fatal, s.Condition, s.Message)
	}
}

// TestObjectKindAndMarkEdited gives the Object's manifest another kind, and takes its mark away.
func TestObjectKindAndMarkEdited(t *testing.T) {
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	h.registered(t)
	h.down = true
	h.tamper(func(m *structpb.Struct) {
		m.Fields["kind"] = structpb.NewStringValue("x")
		delete(structAt(m, "metadata").GetFields(), "annotations")
	})
	if s := h.reconcile(t); s.Fatal != "" {
		t.Error(s.Fatal)
	}
}

// TestObjectIdentityEdited edits the Object to make another Secret, or to use another ProviderConfig.
func TestObjectIdentityEdited(t *testing.T) {
	for name, change := range map[string]func(spec *structpb.Struct){
		"Name": func(s *structpb.Struct) {
			structAt(s, "forProvider", "manifest", "metadata").Fields["name"] = structpb.NewStringValue("x")
		},
		"Namespace": func(s *structpb.Struct) {
			structAt(s, "forProvider", "manifest", "metadata").Fields["namespace"] = structpb.NewStringValue("x")
		},
		"ProviderConfig": func(s *structpb.Struct) {
			structAt(s, "providerConfigRef").Fields["name"] = structpb.NewStringValue("x")
		},
	} {
		h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
		h.registered(t)
		before := clone(h.registrations["argocd-cluster"])
		o := clone(before)
		change(structAt(o, "spec"))
		h.registrations["argocd-cluster"] = o
		h.provide("argocd-cluster")
		s := h.settle(t)
		if diff := cmp.Diff(structAt(before, "spec").AsMap(), structAt(h.registrations["argocd-cluster"], "spec").AsMap()); diff != "" {
			t.Errorf("%s: We should restore it, because the Object's own name says what it was: %s: %s\n-before, +after:\n%s", name, s.Condition, s.Message, diff)
		}
	}
}

// TestNameEdited edits Argo CD's name of the cluster. The old one comes back.
func TestNameEdited(t *testing.T) {
	edit := func(name string) func(*structpb.Struct) {
		return func(m *structpb.Struct) {
			structAt(m, "data").Fields["name"] = structpb.NewStringValue(base64Of(name))
		}
	}
	for _, name := range []string{"in-cluster", "renamed", "", "a\nb"} {
		for kind, output := range outputs() {
			t.Run(fmt.Sprintf("%qOf%s", name, kind), func(t *testing.T) {
				h := plainHub(legacyXR, tokenKubeconfig("canary-good"), output)
				before := h.registered(t)
				h.tamper(edit(name))
				s := h.reconcile(t)
				if diff := cmp.Diff(before, secretOf(t, s)); diff != "" {
					t.Errorf("We should restore the name, because Argo CD deletes the Applications of a renamed cluster: %s: %s\n-before, +after:\n%s", s.Condition, s.Message, diff)
				}
				if s := h.settle(t); verdict(s) != "TRUE/Registered" || decode(h.secrets[prodKey], "name") != "prod-x7k2p" {
					t.Errorf("restored: %s: %s", s.Condition, s.Message)
				}
			})
			t.Run(fmt.Sprintf("%qAdoptedAs%s", name, kind), func(t *testing.T) {
				h := plainHub(legacyXR, tokenKubeconfig("canary-good"), output)
				before := h.registered(t)
				h.edit(prodKey, edit(name))
				h.registrations = map[string]*structpb.Struct{}
				if diff := cmp.Diff(before, secretOf(t, h.reconcile(t))); diff != "" {
					t.Errorf("We should not adopt the name with the Secret, because somebody else wrote it: -before, +after:\n%s", diff)
				}
			})
		}
	}
}

// TestLabelsLost takes the labels and the data off the Object while their fields are missing,
// too. The Secret still has them.
func TestLabelsLost(t *testing.T) {
	h, before := registered(t, tokenKubeconfig("canary-good"))
	res := clone(h.registrations["argocd-cluster"])
	delete(structAt(res, "spec", "forProvider", "manifest", "metadata").GetFields(), "labels")
	h.registrations["argocd-cluster"] = res
	h.environment = "{}"
	h.xr = strings.Replace(h.xr, "    environment: production\n", "", 1)
	s := h.reconcile(t)
	if diff := cmp.Diff(before, secretOf(t, s)); diff != "" || verdict(s) != "TRUE/Retained" {
		t.Errorf("We should keep the labels that the Secret has, because Argo CD prunes by them: %s: %s\n-before, +after:\n%s", s.Condition, s.Message, diff)
	}
}

// TestEmptied empties the composed resource, and takes away what else says how it was.
func TestEmptied(t *testing.T) {
	empty := map[string]func(res *structpb.Struct){
		"ObjectWithoutManifest": func(o *structpb.Struct) { delete(structAt(o, "spec", "forProvider").GetFields(), "manifest") },
		"ObjectEmptied":         func(o *structpb.Struct) { structAt(o, "spec", "forProvider").Fields["manifest"] = fields{}.value() },
		"ObjectWithoutStatus":   func(o *structpb.Struct) { o.Fields["spec"] = fields{}.value(); delete(o.GetFields(), "status") },
		"SecretWithoutData":     func(s *structpb.Struct) { delete(s.GetFields(), "data") },
		"SecretEmptied":         func(s *structpb.Struct) { s.Fields["data"] = fields{}.value() },
	}
	for _, name := range slices.Sorted(maps.Keys(empty)) {
		for _, unable := range []bool{false, true} {
			for _, nameless := range []bool{false, true} {
				t.Run(fmt.Sprintf("%sUnable=%tNameless=%t", name, unable, nameless), func(t *testing.T) {
					h := newHub(tokenKubeconfig("canary-good"))
					h.unable = unable
					h.input += "output: {type: " + name[:6] + "}"
					h.registered(t)
					res := clone(h.registrations["argocd-cluster"])
					empty[name](res)
					h.registrations["argocd-cluster"] = res
					if name[:6] == "Secret" {
						h.secrets["argocd/cluster-prod"] = res
					}
					h.resources, h.down = of(aks, ""), true
					if nameless {
						h.xr = strings.Replace(h.xr, "    crossplane.io/claim-name: prod\n", "", 1)
					}
					rsp := h.run(t, h.request(t))
					c := rsp.GetConditions()[0]
					r := composedRegistration("", rsp.GetDesired().GetResources()["argocd-cluster"].GetResource())
					if r == nil {
						t.Fatalf("We should never leave out what is registered, because Crossplane would delete it: %v", c)
					}
					cfg := decode(r.manifest, "config")
					if hasNone := cfg == "" || cfg == noConfig; hasNone && conditionStatus(c.GetStatus()) != conditionFalse {
						t.Errorf("We should not say that a cluster without credentials is registered: %v", c)
					}
					// Where nothing says how it was called, it is left as it is.
					if left := len(structAt(r.manifest, "data").GetFields()) == 0; !left {
						for _, k := range []string{"name", "server", "config"} {
							if r.data(k) == "" {
								t.Errorf("We should not write an empty %s: %v", k, c)
							}
						}
						if r.secretName() != "argocd/cluster-prod" || r.data("name") != "prod" {
							t.Errorf("We should not rename anything: %s, %s: %v", r.secretName(), r.data("name"), c)
						}
					} else if !nameless {
						t.Errorf("We should compose what the input gives: %v", c)
					}
				})
			}
		}
	}
}

// TestNothingWritten empties what is there. What is composed is never empty.
func TestNothingWritten(t *testing.T) {
	for _, output := range []string{"Object", "Secret"} {
		for name, change := range map[string]func(manifest *structpb.Struct){
			"Data":   func(m *structpb.Struct) { m.Fields["data"] = fields{}.value() },
			"Name":   func(m *structpb.Struct) { delete(structAt(m, "metadata").GetFields(), "name") },
			"Labels": func(m *structpb.Struct) { delete(structAt(m, "metadata").GetFields(), "labels") },
			"Marks": func(m *structpb.Struct) {
				delete(structAt(m, "metadata").GetFields(), "labels")
				delete(structAt(m, "metadata").GetFields(), "annotations")
			},
			"Server": func(m *structpb.Struct) { delete(structAt(m, "data").GetFields(), "server") },
		} {
			if name == "Name" && output == "Secret" {
				continue
			}
			for _, kubeconfig := range []string{"", tokenKubeconfig("canary-good")} {
				t.Run(fmt.Sprintf("%s%s%t", output, name, kubeconfig != ""), func(t *testing.T) {
					h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "output: {type: "+output+"}\ncluster: {drainFrom: {fieldPath: spec.parameters.environment}}")
					h.input = strings.Replace(h.input, "spec.parameters.environment", "spec.parameters.gold", 1)
					h.reconcile(t)
					h.settle(t)
					h.input = strings.Replace(h.input, "spec.parameters.gold", "spec.parameters.environment", 1)
					h.unable = output == "Object"
					h.resources = of(aks, kubeconfig)
					o := clone(h.registrations["argocd-cluster"])
					m := o
					if output == "Object" {
						m = structAt(o, "spec", "forProvider", "manifest")
					}
					change(m)
					h.registrations["argocd-cluster"] = o
					s := h.reconcile(t)
					secret := secretOf(t, s)
					for _, k := range []string{"name", "server", "config"} {
						if len(secret.Data[k]) == 0 {
							t.Errorf("%s is empty: %s: %s", k, s.Condition, s.Message)
						}
					}
					if secret.Name != "cluster-prod-x7k2p" || secret.Namespace != "argocd" {
						t.Errorf("the Secret is %s/%s", secret.Namespace, secret.Name)
					}
					if state := secretOf(t, s).Labels[labelState]; state != stateActive && state != stateDraining {
						t.Errorf("state: %v", state)
					}
				})
			}
		}
	}
}

// TestNamelessSecret has a composed Secret keep its labels and namespace where the cluster's name is lost.
func TestNamelessSecret(t *testing.T) {
	h := plainHub(strings.Replace(namespacedXR, "spec: {}", "spec: {alias: prod}", 1), tokenKubeconfig("canary-good"), "cluster: {nameFrom: {fieldPath: spec.alias}}\noutput: {type: Secret, namespace: team-a}")
	h.registered(t)
	h.tamper(func(m *structpb.Struct) { delete(structAt(m, "data").GetFields(), "name") })
	h.xr = namespacedXR
	m := structAt(h.run(t, h.request(t)).GetDesired().GetResources()["argocd-cluster"].GetResource(), "metadata")
	if stringAt(m, "labels", "argocd.argoproj.io/secret-type") != "cluster" || stringAt(m, "namespace") != "team-a" {
		t.Errorf("Argo CD prunes the workloads of a Secret that loses its label: %v", m.AsMap())
	}
}

// TestNamelessForbidden checks what is composed where the cluster's name is lost.
func TestNamelessForbidden(t *testing.T) {
	h := newHub("")
	h.resources = of(gke, kubeconfigOf(gkeServer, ""))
	h.registered(t)
	delete(h.secrets, "argocd/cluster-prod")
	h.tamper(func(m *structpb.Struct) {
		structAt(m, "data").Fields["name"] = structpb.NewStringValue("")
		structAt(m, "data").Fields["config"] = structpb.NewStringValue(base64Of(`{"execProviderConfig":{"command":"sh"}}`))
		delete(structAt(m, "metadata", "labels").GetFields(), labelCluster)
	})
	h.xr = strings.Replace(h.xr, "    crossplane.io/claim-name: prod\n", "", 1)
	r := composedRegistration("", h.run(t, h.request(t)).GetDesired().GetResources()["argocd-cluster"].GetResource())
	if got := decode(r.manifest, "config"); strings.Contains(got, "sh") {
		t.Errorf("We should not compose a command that somebody wrote: %s", got)
	}
}

// TestReferenceRemoved has the XR's user take the Object out of the XR's references. What is
// pinned stays pinned, by the Secret.
func TestReferenceRemoved(t *testing.T) {
	h, before := registered(t, tokenKubeconfig("canary-good"))
	h.registrations = map[string]*structpb.Struct{}
	h.resources["cluster"] = observation{resource: aks}
	h.environment = "{}"
	s := h.reconcile(t)
	if diff := cmp.Diff(before, secretOf(t, s)); diff != "" {
		t.Errorf("-before, +after:\n%s", diff)
	}
	if s.Composed.GetName() != "argocd.cluster-prod" || s.Condition != "ArgoCDClusterRegistered=FALSE/Registering" {
		t.Errorf("%s, %s: %s", s.Composed.GetName(), s.Condition, s.Message)
	}
	if s := h.settle(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Retained" {
		t.Errorf("%s: %s", s.Condition, s.Message)
	}
	// With a new name, too: the server is found again.
	h, _ = registered(t, tokenKubeconfig("canary-good"))
	h.registrations = map[string]*structpb.Struct{}
	h.xr = strings.Replace(h.xr, "crossplane.io/claim-name: prod", "crossplane.io/claim-name: renamed", 1)
	if s := h.reconcile(t); s.Composed != nil || s.Condition != "ArgoCDClusterRegistered=FALSE/ServerConflict" {
		t.Errorf("We should not register the cluster a second time: %s: %s", s.Condition, s.Message)
	}
}

// TestOthersRegistration has the XR observe a registration that is marked as another XR's.
func TestOthersRegistration(t *testing.T) {
	for kind := range outputs() {
		h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "output: {type: "+kind+"}")
		h.registered(t)
		h.tamper(func(m *structpb.Struct) {
			structAt(m, "metadata", "annotations").Fields[annotationComposite] = structpb.NewStringValue("XAKSCluster.platform.example.org/other")
		})
		h.input = "output: {resourceName: second, type: " + kind + ", namespace: gitops}"
		rsp := h.run(t, h.request(t))
		if _, adopted := rsp.GetDesired().GetResources()["argocd-cluster"]; adopted {
			t.Errorf("We should not go on with another XR's registration under a name that is not ours: %s: %v", kind, rsp.GetConditions())
		}
	}
}
