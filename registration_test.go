package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
)

// TestRestored checks that a composed resource which somebody edits is recognised as ours by what
// is left, and restored to the byte, even if the input changes at the same time.
func TestRestored(t *testing.T) {
	without := func(kind string, keys ...string) func(m *structpb.Struct) {
		return func(m *structpb.Struct) {
			for _, k := range keys {
				delete(structAt(m, "metadata", kind).GetFields(), k)
			}
		}
	}
	name := func(name string) func(m *structpb.Struct) {
		return func(m *structpb.Struct) {
			structAt(m, "data").Fields["name"] = structpb.NewStringValue(base64Of(name))
		}
	}
	set := func(key string, path ...string) func(s *structpb.Struct) {
		return func(s *structpb.Struct) { structAt(s, path...).Fields[key] = structpb.NewStringValue("x") }
	}
	owner, label := without("annotations", annotationComposite), without("labels", "argocd.argoproj.io/secret-type")
	const renamed = "because Argo CD deletes the Applications of a renamed cluster."
	cases := map[string]struct {
		reason string

		// manifest changes the Secret's manifest, and object the Object.
		manifest, object func(*structpb.Struct)

		// alone says that the input must stay, because it says what was changed.
		alone bool

		// only is the type of output that can have the change, by default both.
		only string
	}{
		"Owner":          {reason: "We should restore our mark, because our resource name says whose it is.", manifest: owner},
		"Label":          {reason: "We should restore Argo CD's label, because our mark says what it is.", manifest: label},
		"OwnerAndLabel":  {reason: "We should restore both marks, because our resource name says what it is.", manifest: func(m *structpb.Struct) { owner(m); label(m) }},
		"NoKind":         {reason: "We should restore the kind, because our mark says what it is.", manifest: func(m *structpb.Struct) { delete(m.GetFields(), "kind") }, only: kindObject},
		"OtherKind":      {reason: "We should restore the kind, because our mark says what it is.", manifest: set("kind"), only: kindObject},
		"OtherKindOwner": {reason: "We should restore the kind and our mark, because the Object's name says what it makes.", manifest: func(m *structpb.Struct) { set("kind")(m); owner(m) }, alone: true, only: kindObject},
		"Annotations":    {reason: "We should restore all annotations, because the Object's name says what it makes.", manifest: func(m *structpb.Struct) { set("kind")(m); delete(structAt(m, "metadata").GetFields(), "annotations") }, alone: true, only: kindObject},
		"SecretName":     {reason: "We should restore the Secret's name, because the Object's own name says what it was.", manifest: set("name", "metadata"), alone: true, only: kindObject},
		"Namespace":      {reason: "We should restore the Secret's namespace, because the Object's own name says what it was.", manifest: set("namespace", "metadata"), alone: true, only: kindObject},
		"ProviderConfig": {reason: "We should restore the ProviderConfig, because the Object's own name says what it was.", object: set("name", "spec", "providerConfigRef"), alone: true, only: kindObject},
		"NameReserved":   {reason: "We should restore the cluster's name, " + renamed, manifest: name("in-cluster")},
		"NameOther":      {reason: "We should restore the cluster's name, " + renamed, manifest: name("renamed")},
		"NameEmpty":      {reason: "We should restore the cluster's name, " + renamed, manifest: name("")},
		"NameInvalid":    {reason: "We should restore the cluster's name, " + renamed, manifest: name("a\nb")},
	}
	for n, tc := range cases {
		for kind, output := range outputs() {
			for mode := range 8 {
				unable, down, renames := mode&1 != 0, mode&2 != 0, mode&4 != 0
				if tc.only != "" && tc.only != kind || tc.alone && renames {
					continue
				}
				t.Run(fmt.Sprintf("%sOf%sUnable=%tDown=%tRenamed=%t", n, kind, unable, down, renames), func(t *testing.T) {
					h := plainHub(legacyXR, tokenKubeconfig("canary-good"), output)
					h.unable = unable
					before := h.registered(t)
					spec := structAt(h.registrations["argocd-cluster"], "spec").AsMap()
					h.down = down
					h.recompose(func(res *structpb.Struct) {
						if tc.manifest != nil {
							tc.manifest(manifestIn(res))
						}
						if tc.object != nil {
							tc.object(res)
						}
					})
					h.provide("argocd-cluster")
					if renames {
						h.input += "cluster: {name: other}"
					}
					if diff := cmp.Diff(before, secretOf(t, h.reconcile(t))); diff != "" {
						t.Errorf("%s\n-before, +after:\n%s", tc.reason, diff)
					}
					h.down = false
					h.provide("argocd-cluster")
					s := h.settle(t)
					state{"TRUE/Registered", "READY_TRUE", before}.check(t, tc.reason, s)
					if diff := cmp.Diff(spec, structAt(h.registrations["argocd-cluster"], "spec").AsMap()); diff != "" {
						t.Errorf("%s\nspec: -before, +after:\n%s", tc.reason, diff)
					}
					if got := decode(h.secrets[prodKey], "name"); got != "prod-x7k2p" {
						t.Errorf("%s\nthe Secret on the hub is of %q", tc.reason, got)
					}
				})
			}
		}
	}
}

// TestNotOurs checks that what is not our registration is left alone.
func TestNotOurs(t *testing.T) {
	t.Run("AnotherThing", func(t *testing.T) {
		h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
		h.registrations["argocd-cluster"] = mustStruct(t, "{apiVersion: kubernetes.crossplane.io/v1alpha2, kind: Object, spec: {forProvider: {manifest: {apiVersion: v1, kind: ConfigMap, metadata: {namespace: a, name: b}}}}}")
		if s := h.reconcile(t); !strings.Contains(s.Fatal, "not a cluster registration") {
			t.Errorf("We should not replace something else that has our resource name: %s%s: %s", s.Fatal, s.Condition, s.Message)
		}
	})
	for kind := range outputs() {
		t.Run("AnotherXRs"+kind, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "output: {type: "+kind+"}")
			h.registered(t)
			h.tamper(func(m *structpb.Struct) {
				structAt(m, "metadata", "annotations").Fields[annotationComposite] = structpb.NewStringValue("XAKSCluster.platform.example.org/other")
			})
			h.input = "output: {resourceName: second, type: " + kind + ", namespace: gitops}"
			rsp := h.run(t, h.request(t))
			if _, adopted := rsp.GetDesired().GetResources()["argocd-cluster"]; adopted {
				t.Errorf("We should not go on with another XR's registration, because its name is not ours: %v", rsp.GetConditions())
			}
		})
	}
}

// TestAdopted checks that a Secret whose composed resource is not observed is registered again as
// it was, whatever name somebody wrote into it.
func TestAdopted(t *testing.T) {
	for _, name := range []string{"in-cluster", "renamed", "", "a\nb"} {
		for kind, output := range outputs() {
			t.Run(fmt.Sprintf("%qAs%s", name, kind), func(t *testing.T) {
				h := plainHub(legacyXR, tokenKubeconfig("canary-good"), output)
				before := h.registered(t)
				h.edit(prodKey, func(s *structpb.Struct) {
					structAt(s, "data").Fields["name"] = structpb.NewStringValue(base64Of(name))
				})
				h.registrations = map[string]*structpb.Struct{}
				if diff := cmp.Diff(before, secretOf(t, h.reconcile(t))); diff != "" {
					t.Errorf("We should restore the cluster's name, because Argo CD deletes the Applications of a renamed cluster: -before, +after:\n%s", diff)
				}
			})
		}
	}
}

// TestLabelsLost checks that labels which the Object lost while their fields are missing are
// restored from the Secret.
func TestLabelsLost(t *testing.T) {
	h, before := registered(t, tokenKubeconfig("canary-good"))
	h.recompose(func(o *structpb.Struct) { delete(structAt(manifestIn(o), "metadata").GetFields(), "labels") })
	all(environmentIs("{}"), without("    environment: production\n"))(h)
	state{"TRUE/Retained", "READY_TRUE", before}.check(t, "We should restore the labels, because ApplicationSets select by them.", h.reconcile(t))
}

// TestEmptied empties the composed resource, and takes away more that says how it was. The
// registration stays, and nothing empty is written where anything says what it was.
func TestEmptied(t *testing.T) {
	metadata := func(m *structpb.Struct, fields ...string) {
		for _, f := range fields {
			delete(structAt(m, "metadata").GetFields(), f)
		}
	}
	cases := map[string]struct {
		reason string
		change func(res *structpb.Struct)

		// only is the type of output that can have the change, by default both.
		only string
	}{
		"Manifest":      {"We should compose the Secret again, because its name is known.", func(o *structpb.Struct) { delete(structAt(o, "spec", "forProvider").GetFields(), "manifest") }, kindObject},
		"EmptyManifest": {"We should compose the Secret again, because its name is known.", func(o *structpb.Struct) { structAt(o, "spec", "forProvider").Fields["manifest"] = fields{}.value() }, kindObject},
		"SpecAndStatus": {"We should compose the Object again, because its name is known.", func(o *structpb.Struct) { o.Fields["spec"] = fields{}.value(); delete(o.GetFields(), "status") }, kindObject},
		"Data":          {"We should compose the data again, because the name is known.", func(r *structpb.Struct) { delete(manifestIn(r).GetFields(), "data") }, ""},
		"EmptyData":     {"We should compose the data again, because the name is known.", func(r *structpb.Struct) { manifestIn(r).Fields["data"] = fields{}.value() }, ""},
		"Server":        {"We should compose the server again, because a cluster must have one.", func(r *structpb.Struct) { delete(structAt(manifestIn(r), "data").GetFields(), "server") }, ""},
		"Name":          {"We should restore the Secret's name, because the Object's own name says it.", func(o *structpb.Struct) { metadata(manifestIn(o), "name") }, kindObject},
		"Labels":        {"We should restore the labels, because Argo CD finds clusters by one.", func(r *structpb.Struct) { metadata(manifestIn(r), "labels") }, ""},
		"Marks":         {"We should restore the marks, because our resource name says what it is.", func(r *structpb.Struct) { metadata(manifestIn(r), "labels", "annotations") }, ""},
	}
	for name, tc := range cases {
		for kind, output := range outputs() {
			for mode := range 8 {
				unable, nameless, gone := mode&1 != 0, mode&2 != 0, mode&4 != 0
				if tc.only != "" && tc.only != kind {
					continue
				}
				t.Run(fmt.Sprintf("%sOf%sUnable=%tNameless=%tGone=%t", name, kind, unable, nameless, gone), func(t *testing.T) {
					h := newHub(tokenKubeconfig("canary-good"))
					h.input += output
					h.unable = unable
					h.registered(t)
					h.recompose(tc.change)
					h.down = true
					replaced("drain: false", "drain: maybe")(h)
					if gone {
						h.resources = of(aks, "")
					}
					if nameless {
						without("    crossplane.io/claim-name: prod\n")(h)
					}
					s := h.reconcile(t)
					secret := secretOf(t, s)
					if c := string(secret.Data["config"]); (c == "" || c == noConfig) && !strings.HasPrefix(verdict(s), "FALSE/") {
						t.Errorf("We should not call a cluster without credentials registered: %s: %s", verdict(s), s.Message)
					}
					// Only where nothing says what the name was, all is left as it is.
					if len(secret.Data) == 0 && nameless {
						return
					}
					if secret.Namespace != "argocd" || secret.Name != "cluster-prod" || string(secret.Data["name"]) != "prod" {
						t.Errorf("%s\n%s/%s of %q: %s: %s", tc.reason, secret.Namespace, secret.Name, secret.Data["name"], verdict(s), s.Message)
					}
					for _, k := range []string{"server", "config"} {
						if len(secret.Data[k]) == 0 {
							t.Errorf("%s\n%s is empty: %s: %s", tc.reason, k, verdict(s), s.Message)
						}
					}
					if l := secret.Labels[labelState]; l != stateActive && l != stateDraining {
						t.Errorf("%s\nthe state is %q: %s: %s", tc.reason, l, verdict(s), s.Message)
					}
				})
			}
		}
	}
}

// TestNameless checks what is composed where nothing says any more what the cluster is called:
// the Secret keeps its labels and its namespace, and credentials that are not ours are dropped.
func TestNameless(t *testing.T) {
	t.Run("Labels", func(t *testing.T) {
		h := plainHub(strings.Replace(namespacedXR, "spec: {}", "spec: {alias: prod}", 1), tokenKubeconfig("canary-good"), "cluster: {nameFrom: {fieldPath: spec.alias}}\noutput: {type: Secret, namespace: team-a}")
		h.registered(t)
		h.tamper(func(m *structpb.Struct) { delete(structAt(m, "data").GetFields(), "name") })
		h.xr = namespacedXR
		secret := secretOf(t, h.reconcile(t))
		if secret.Labels["argocd.argoproj.io/secret-type"] != "cluster" || secret.Namespace != "team-a" {
			t.Errorf("We should keep the label and the namespace, because Argo CD deletes the Applications of a Secret without them: %v", secret.ObjectMeta)
		}
	})
	t.Run("Command", func(t *testing.T) {
		h := newHub("")
		h.resources = of(gke, kubeconfigOf(gkeServer, ""))
		h.registered(t)
		delete(h.secrets, "argocd/cluster-prod")
		h.tamper(func(m *structpb.Struct) {
			structAt(m, "data").Fields["name"] = structpb.NewStringValue("")
			structAt(m, "data").Fields["config"] = structpb.NewStringValue(base64Of(`{"execProviderConfig":{"command":"sh"}}`))
			delete(structAt(m, "metadata", "labels").GetFields(), labelCluster)
		})
		without("    crossplane.io/claim-name: prod\n")(h)
		if got := string(secretOf(t, h.reconcile(t)).Data["config"]); strings.Contains(got, "sh") {
			t.Errorf("We should drop a command, because somebody wrote it into the composed resource: %s", got)
		}
	})
}

// TestReferenceRemoved checks that a registration which the XR's user takes out of the XR's
// references stays as it was, because the Secret says so.
func TestReferenceRemoved(t *testing.T) {
	h, before := registered(t, tokenKubeconfig("canary-good"))
	h.registrations = map[string]*structpb.Struct{}
	h.resources["cluster"] = observation{resource: aks}
	h.environment = "{}"
	s := h.reconcile(t)
	state{"FALSE/Registering", "READY_FALSE", before}.check(t, "We should compose the Object again, because its Secret has our mark.", s)
	if s.Composed.GetName() != "argocd.cluster-prod" {
		t.Errorf("We should give the Object its old name, because two Objects would write one Secret: %s", s.Composed.GetName())
	}
	if s := h.settle(t); verdict(s) != "TRUE/Retained" {
		t.Errorf("%s: %s", verdict(s), s.Message)
	}
	// With a new name, the Secret is found by its server.
	h, _ = registered(t, tokenKubeconfig("canary-good"))
	h.registrations = map[string]*structpb.Struct{}
	h.xr = strings.Replace(h.xr, "crossplane.io/claim-name: prod", "crossplane.io/claim-name: renamed", 1)
	if s := h.reconcile(t); s.Composed != nil || verdict(s) != "FALSE/ServerConflict" {
		t.Errorf("We should not register the cluster a second time: %s: %s", s.Condition, s.Message)
	}
}
