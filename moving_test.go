package main

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// A moved Secret is what must stay of one that is taken over, and what becomes of it.
type movedSecret struct {
	// UID, Cluster and Foreign are the Secret's UID, Argo CD's name of the cluster and a label, as they
	// were before.
	UID, Cluster, Foreign string

	Token, Project, Shard string
}

func movedFrom(t *testing.T, secret *structpb.Struct) movedSecret {
	t.Helper()
	cfg, err := argocd.ParseClusterConfig([]byte(decode(secret, "config")))
	if err != nil {
		t.Fatal(err)
	}
	return movedSecret{
		UID: stringAt(secret, "metadata", "uid"), Cluster: decode(secret, "name"), Foreign: stringAt(secret, "metadata", "labels", "foreign-tier"),
		Token: cfg.BearerToken, Project: decode(secret, "project"), Shard: decode(secret, "shard"),
	}
}

// handMade returns a cluster Secret that somebody made.
func handMade(t *testing.T, name, cluster, config, metadata string) *structpb.Struct {
	t.Helper()
	return mustStruct(t, fmt.Sprintf(`{apiVersion: v1, kind: Secret, type: Opaque,
metadata: {namespace: argocd, name: %s, uid: by-hand, resourceVersion: "1", labels: {argocd.argoproj.io/secret-type: cluster, foreign-tier: gold%s},
data: {name: %s, server: %s, config: %s, project: %s, shard: %s}}`, name, metadata,
		base64Of(cluster), base64Of("https://api.example.org"), base64Of(config), base64Of("payments"), base64Of("3")))
}

// give the hub a Secret that somebody made.
func (h *hub) give(secret *structpb.Struct) {
	key := stringAt(secret, "metadata", "namespace") + "/" + stringAt(secret, "metadata", "name")
	h.secrets[key] = secret
	for k := range structAt(secret, "data").GetFields() {
		h.others[key+"/"+k] = true
	}
}

const (
	byHandConfig = `{"bearerToken":"canary-by-hand","tlsClientConfig":{"insecure":false}}`
	markOfProd   = "argocd.fn.crossplane.io/composite: XAKSCluster.platform.example.org/prod-x7k2p"
)

// TestHandedOver checks that a Secret which somebody made and gave to an XR becomes its registration,
// whatever its name: as the same Secret, under Argo CD's same name.
func TestHandedOver(t *testing.T) {
	const marked = "}, annotations: {" + markOfProd + "}"
	cases := map[string]struct {
		reason, secret, metadata, cluster, input string

		composed string
		want     movedSecret
	}{
		"DefaultName": {
			reason: "We should take the Secret over, because its annotation names the XR.",
			secret: "cluster-prod-x7k2p", metadata: marked, cluster: "prod-x7k2p",
			composed: "argocd.cluster-prod-x7k2p",
			want:     movedSecret{UID: "by-hand", Cluster: "prod-x7k2p", Foreign: "gold", Token: "canary-good"},
		},
		"OutputName": {
			reason: "We should keep Argo CD's name of the cluster, because Applications would be deleted under another one.",
			secret: "by-hand", metadata: marked, cluster: "production", input: "output: {name: by-hand}",
			composed: "argocd.by-hand",
			want:     movedSecret{UID: "by-hand", Cluster: "production", Foreign: "gold", Token: "canary-good"},
		},
		"Labelled": {
			reason: "We should find the Secret by its label, because a Composition cannot name one for each XR.",
			secret: "by-hand", metadata: ", argocd.fn.crossplane.io/cluster: prod-x7k2p" + marked, cluster: "production",
			composed: "argocd.by-hand",
			want:     movedSecret{UID: "by-hand", Cluster: "production", Foreign: "gold", Token: "canary-good"},
		},
		"DefaultNameLabelled": {
			reason: "We should keep Argo CD's name of the cluster, because the label says whose the Secret is to be.",
			secret: "cluster-prod-x7k2p", metadata: ", argocd.fn.crossplane.io/cluster: prod-x7k2p" + marked, cluster: "production",
			composed: "argocd.cluster-prod-x7k2p",
			want:     movedSecret{UID: "by-hand", Cluster: "production", Foreign: "gold", Token: "canary-good"},
		},
		"SameSettings": {
			reason: "We should keep the settings that the input has as well.",
			secret: "by-hand", metadata: ", argocd.fn.crossplane.io/cluster: prod-x7k2p" + marked, cluster: "production",
			input:    "cluster: {project: payments, shard: 3}",
			composed: "argocd.by-hand",
			want:     movedSecret{UID: "by-hand", Cluster: "production", Foreign: "gold", Token: "canary-good", Project: "payments", Shard: "3"},
		},
		"OnlyLabelled": {
			reason: "We should not take over a Secret that does not name the XR.",
			secret: "by-hand", metadata: ", argocd.fn.crossplane.io/cluster: prod-x7k2p}", cluster: "production",
			composed: "argocd.cluster-prod-x7k2p",
			want:     movedSecret{UID: "by-hand", Cluster: "production", Foreign: "gold", Token: "canary-by-hand", Project: "payments", Shard: "3"},
		},
		"MarkedAsAnothers": {
			reason: "We should not take over a Secret that names another XR.",
			secret: "by-hand", metadata: ", argocd.fn.crossplane.io/cluster: prod-x7k2p}, annotations: {argocd.fn.crossplane.io/composite: XAKSCluster.platform.example.org/other}", cluster: "production",
			composed: "argocd.cluster-prod-x7k2p",
			want:     movedSecret{UID: "by-hand", Cluster: "production", Foreign: "gold", Token: "canary-by-hand", Project: "payments", Shard: "3"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), tc.input)
			h.give(handMade(t, tc.secret, tc.cluster, byHandConfig, tc.metadata))
			s := h.settle(t)
			if got := stringAt(h.registrations["argocd-cluster"], "metadata", "name"); got != tc.composed || verdict(s) != "TRUE/Registered" {
				t.Errorf("%s\nwant Object %s, got %q: %s: %s", tc.reason, tc.composed, got, verdict(s), s.Message)
			}
			if diff := cmp.Diff(tc.want, movedFrom(t, h.secrets["argocd/"+tc.secret])); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestTakesOneOver checks that a step does not take over what is another step's, or one of several
// Secrets.
func TestTakesOneOver(t *testing.T) {
	const metadata = ", argocd.fn.crossplane.io/cluster: second}, annotations: {" + markOfProd + "}"
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "cluster: {name: second}")
	h.give(handMade(t, "a", "a", byHandConfig, metadata))
	h.give(handMade(t, "b", "b", byHandConfig, metadata))
	h.settle(t)
	for _, name := range []string{"a", "b"} {
		if got := movedFrom(t, h.secrets["argocd/"+name]).Token; got != "canary-by-hand" {
			t.Errorf("We should take over neither of two Secrets, because either may be the cluster's: %s has the token %s", name, got)
		}
	}

	h = plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	h.registered(t)
	s := h.twoSteps(t, "", "cluster: {name: prod-x7k2p}\noutput: {name: other, resourceName: second}")
	if verdict(s) != "FALSE/NameConflict" || s.Composed != nil {
		t.Errorf("We should not take over the Secret of another step, because that would lose it: %s: %s", verdict(s), s.Message)
	}
}

// TestHandedOverTooEarly checks that a Secret which was given to an XR stays as it is while there are
// no credentials for it that the input allows.
func TestHandedOverTooEarly(t *testing.T) {
	const config = `{"tlsClientConfig":{"insecure":true},"bearerToken":"canary-by-hand"}`
	h := plainHub(legacyXR, "", "")
	h.give(handMade(t, "cluster-prod-x7k2p", "prod-x7k2p", config, "}, annotations: {"+markOfProd+"}"))
	before := clone(h.secrets[prodKey])
	s := h.settle(t)
	if verdict(s) != "FALSE/WaitingForKubeconfig" || s.Composed != nil || !says(s.Message, "not taken over until then: the registration does not verify the server") {
		t.Errorf("We should wait for the kubeconfig, because the Secret would lose its credentials: %s: %s", verdict(s), s.Message)
	}
	if diff := cmp.Diff(before.AsMap(), h.secrets[prodKey].AsMap()); diff != "" {
		t.Errorf("We should leave the Secret as it is. -before, +after:\n%s", diff)
	}
	h.resources = of(aks, tokenKubeconfig("canary-good"))
	h.settle(t)
	want := movedSecret{UID: "by-hand", Cluster: "prod-x7k2p", Foreign: "gold", Token: "canary-good"}
	if diff := cmp.Diff(want, movedFrom(t, h.secrets[prodKey])); diff != "" {
		t.Errorf("We should take the Secret over, because there is a kubeconfig. -want, +got:\n%s", diff)
	}
}

// TestTemplate checks that this step goes on with what a step which wrote the Secret by itself has
// composed, in whose place it is.
func TestTemplate(t *testing.T) {
	cases := map[string]struct {
		reason, resourceName, secret, cluster, config, input string

		// kept says that the template's registration goes on.
		kept bool
	}{
		"SameResourceName": {"We should go on with the Object that has our name.", "argocd-cluster", "by-hand", "production", "default", "", true},
		"NamedInInput":     {"We should go on with the Object that the input names.", "cluster-secret", "by-hand", "production", "default", "output: {resourceName: cluster-secret}", true},
		"SameSecret":       {"We should go on with the Object that holds our Secret, because Crossplane would delete it.", "cluster-secret", "cluster-prod-x7k2p", "production", "default", "", true},
		"SameCluster":      {"We should go on with the Object of our cluster, because Crossplane would delete it.", "cluster-secret", "by-hand", "prod-x7k2p", "default", "", true},
		"NameUnknown":      {"We should go on with the only Object, because Crossplane would delete it.", "cluster-secret", "by-hand", "production", "default", "cluster: {nameFrom: {fieldPath: spec.missing}}\nkubeconfigFrom: {type: CompositeResource}", true},
		"OtherConfig":      {"We should not take over the Object of another Argo CD.", "cluster-secret", "cluster-prod-x7k2p", "prod-x7k2p", "other", "", false},
		"OtherCluster":     {"We should not take over the Object of another cluster.", "cluster-secret", "by-hand", "production", "default", "", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), tc.input)
			o := mustStruct(t, "{apiVersion: "+apiVersionClusterObject+", kind: Object, metadata: {name: prod-x7k2p-abcde}, spec: {providerConfigRef: {name: "+tc.config+"}}}")
			manifest := handMade(t, tc.secret, tc.cluster, byHandConfig, "}")
			for _, f := range []string{"uid", "resourceVersion"} {
				delete(structAt(manifest, "metadata").GetFields(), f)
			}
			structAt(o, "spec").Fields["forProvider"] = fields{"manifest": structpb.NewStructValue(manifest)}.value()
			h.write(tc.resourceName, o)
			uid := stringAt(h.secrets["argocd/"+tc.secret], "metadata", "uid")

			s := h.reconcile(t)
			h.reconcile(t)
			now := h.secrets["argocd/"+tc.secret]
			kept := stringAt(h.registrations[tc.resourceName], "metadata", "name") == "prod-x7k2p-abcde" && stringAt(now, "metadata", "uid") == uid && decode(now, "name") == tc.cluster
			if kept != tc.kept {
				t.Errorf("%s\nthe Object and its Secret stay: %t: %s: %s", tc.reason, kept, verdict(s), s.Message)
			}
			if tc.kept && ownerOf(now) != "XAKSCluster.platform.example.org/prod-x7k2p" {
				t.Errorf("%s\nthe Secret is of %q", tc.reason, ownerOf(now))
			}
		})
	}
}

// TestTemplateUnknown checks that an Object which does not say yet which Secret it made gives way until
// somebody hands the Secret over.
func TestTemplateUnknown(t *testing.T) {
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	h.registered(t)
	unmark := func(s *structpb.Struct) {
		delete(structAt(s, "metadata", "annotations").GetFields(), annotationComposite)
	}
	h.edit(prodKey, unmark)
	h.recompose(func(o *structpb.Struct) {
		delete(o.GetFields(), "status")
		unmark(structAt(o, "spec", "forProvider", "manifest"))
	})
	h.down = true
	if s := h.reconcile(t); verdict(s) != "FALSE/NameConflict" || !says(s.Message, "annotate the Secret with argocd.fn.crossplane.io/composite: XAKSCluster.platform.example.org/prod-x7k2p") {
		t.Errorf("We should not believe that the Object made the Secret, because it does not say so: %s: %s", verdict(s), s.Message)
	}
	h.down = false
	h.edit(prodKey, func(s *structpb.Struct) {
		structAt(s, "metadata", "annotations").Fields[annotationComposite] = structpb.NewStringValue("XAKSCluster.platform.example.org/prod-x7k2p")
	})
	if s := h.settle(t); verdict(s) != "TRUE/Registered" {
		t.Errorf("We should go on, because the Secret was handed over: %s: %s", verdict(s), s.Message)
	}
}
