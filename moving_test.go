package main

import (
	"fmt"
	"strings"
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
metadata: {namespace: argocd, name: %s, uid: by-hand, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z", labels: {argocd.argoproj.io/secret-type: cluster, foreign-tier: gold%s},
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
		"OursOfTheSameName": {
			reason: "We should keep Argo CD's name of the cluster, because an XR of another kind or namespace may have had it.",
			secret: "by-hand", metadata: ", argocd.fn.crossplane.io/state: active, crossplane.io/composite: prod-x7k2p, argocd.fn.crossplane.io/cluster: prod-x7k2p" + marked, cluster: "production",
			composed: "argocd.by-hand",
			want:     movedSecret{UID: "by-hand", Cluster: "production", Foreign: "gold", Token: "canary-good"},
		},
		"NoName": {
			reason: "We should name a cluster that Argo CD has no name for.",
			secret: "by-hand", metadata: ", argocd.fn.crossplane.io/cluster: prod-x7k2p" + marked, cluster: "",
			composed: "argocd.by-hand",
			want:     movedSecret{UID: "by-hand", Cluster: "prod-x7k2p", Foreign: "gold", Token: "canary-good"},
		},
		"OursBefore": {
			reason: "We should keep Argo CD's name of the cluster, because the label says whose the Secret is to be, whoever had it.",
			secret: "by-hand", metadata: ", argocd.fn.crossplane.io/state: active, crossplane.io/composite: other, argocd.fn.crossplane.io/cluster: prod-x7k2p" + marked, cluster: "production",
			composed: "argocd.by-hand",
			want:     movedSecret{UID: "by-hand", Cluster: "production", Foreign: "gold", Token: "canary-good"},
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

// TestNotHandedOver checks that a Secret stays as it is, and the cluster is not registered beside it,
// while it cannot be taken over.
func TestNotHandedOver(t *testing.T) {
	const (
		label  = ", argocd.fn.crossplane.io/cluster: prod-x7k2p"
		marked = label + "}, annotations: {" + markOfProd + "}"
		others = label + "}, annotations: {argocd.fn.crossplane.io/composite: XAKSCluster.platform.example.org/other}"
	)
	kubeconfig := tokenKubeconfig("canary-good")
	type want struct{ Condition, Message string }
	cases := map[string]struct {
		reason, kubeconfig, xr string
		secrets                []*structpb.Struct
		change                 change
		want                   want
	}{
		"NoKubeconfig": {
			reason:  "We should leave the old credentials where they are, because nobody gave them to the XR's namespace.",
			secrets: []*structpb.Struct{handMade(t, "by-hand", "production", byHandConfig, marked)},
			want:    want{"FALSE/WaitingForKubeconfig", "Secret argocd/by-hand is not taken over until then"},
		},
		"Forbidden": {
			reason:  "We should leave credentials that the input forbids, because Argo CD works with them.",
			secrets: []*structpb.Struct{handMade(t, "cluster-prod-x7k2p", "prod-x7k2p", `{"tlsClientConfig":{"insecure":true},"bearerToken":"canary-by-hand"}`, "}, annotations: {"+markOfProd+"}")},
			want:    want{"FALSE/WaitingForKubeconfig", "Secret argocd/cluster-prod-x7k2p is not taken over until then"},
		},
		"ServerOfAnother": {
			reason: "We should wait for the other registration, because Argo CD cannot have a server twice.", kubeconfig: kubeconfig,
			secrets: []*structpb.Struct{handMade(t, "by-hand", "production", byHandConfig, marked)},
			change: func(h *hub) {
				other := plainHub(strings.ReplaceAll(legacyXR, "prod-x7k2p", "other"), kubeconfig, "")
				other.registered(t)
				other.edit("argocd/cluster-other", func(s *structpb.Struct) {
					structAt(s, "metadata").Fields["creationTimestamp"] = structpb.NewStringValue("2020-01-01T00:00:00Z")
				})
				h.secrets["argocd/cluster-other"] = other.secrets["argocd/cluster-other"]
			},
			want: want{"FALSE/ServerConflict", "Argo CD already has a cluster with this server: Secret argocd/cluster-other"},
		},
		"BadName": {
			reason: "We should not give the cluster another name, because Argo CD would delete its Applications.", kubeconfig: kubeconfig,
			secrets: []*structpb.Struct{handMade(t, "by-hand", "production\n", byHandConfig, marked)},
			want:    want{"FALSE/InvalidField", `The cluster's name in Secret argocd/by-hand, "production\n", must not begin or end with a space`},
		},
		"Two": {
			reason: "We should take over neither of two Secrets, because either may be the cluster's.", kubeconfig: kubeconfig,
			secrets: []*structpb.Struct{handMade(t, "a", "a", byHandConfig, marked), handMade(t, "b", "b", byHandConfig, marked)},
			want:    want{"FALSE/NameConflict", "2 Secrets are handed over to this XR"},
		},
		"OnlyLabelled": {
			reason: "We should not take over a Secret that does not name the XR.", kubeconfig: kubeconfig,
			secrets: []*structpb.Struct{handMade(t, "by-hand", "production", byHandConfig, label+"}")},
			want:    want{"FALSE/NameConflict", "annotate the Secret with " + markOfProd},
		},
		"MarkedAsAnothers": {
			reason: "We should not take over a Secret that names another XR.", kubeconfig: kubeconfig,
			secrets: []*structpb.Struct{handMade(t, "by-hand", "production", byHandConfig, others)},
			want:    want{"FALSE/NameConflict", "Secret argocd/by-hand already belongs to XAKSCluster.platform.example.org/other"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, tc.kubeconfig, "")
			before := map[string]map[string]any{}
			for _, s := range tc.secrets {
				h.give(s)
			}
			if tc.change != nil {
				tc.change(h)
			}
			for k, s := range h.secrets {
				before[k] = s.AsMap()
			}
			s := h.settle(t)
			if verdict(s) != tc.want.Condition || !says(s.Message, tc.want.Message) || s.Composed != nil {
				t.Errorf("%s\nwant %v and nothing composed, got %s: %s", tc.reason, tc.want, verdict(s), s.Message)
			}
			after := map[string]map[string]any{}
			for k, s := range h.secrets {
				after[k] = s.AsMap()
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("%s\n-before, +after:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestNotAnothers checks that a step does not take over what is another step's.
func TestNotAnothers(t *testing.T) {
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	h.registered(t)
	s := h.twoSteps(t, "", "cluster: {name: prod-x7k2p}\noutput: {name: other, resourceName: second}")
	if verdict(s) != "FALSE/NameConflict" || s.Composed != nil {
		t.Errorf("We should not take over the Secret of another step, because that would lose it: %s: %s", verdict(s), s.Message)
	}
}

// TestHandedOverLater checks that a Secret which was given to an XR is taken over when there is a
// kubeconfig.
func TestHandedOverLater(t *testing.T) {
	h := plainHub(legacyXR, "", "")
	h.give(handMade(t, "by-hand", "production", byHandConfig, ", argocd.fn.crossplane.io/cluster: prod-x7k2p}, annotations: {"+markOfProd+"}"))
	h.settle(t)
	h.resources = of(aks, tokenKubeconfig("canary-good"))
	h.settle(t)
	want := movedSecret{UID: "by-hand", Cluster: "production", Foreign: "gold", Token: "canary-good"}
	if diff := cmp.Diff(want, movedFrom(t, h.secrets["argocd/by-hand"])); diff != "" {
		t.Errorf("We should take the Secret over, because there is a kubeconfig. -want, +got:\n%s", diff)
	}
}

// template returns what a hand-written step composes.
func (h *hub) template(t *testing.T, resourceName, data string) {
	t.Helper()
	h.write(resourceName, mustStruct(t, fmt.Sprintf(`{apiVersion: %s, kind: Object, metadata: {name: prod-x7k2p-abcde}, spec: {providerConfigRef: {name: default}, forProvider: {manifest:
  {apiVersion: v1, kind: Secret, type: Opaque, metadata: {namespace: argocd, name: by-hand, labels: {argocd.argoproj.io/secret-type: cluster, foreign-tier: gold}}, %s}}}}`,
		apiVersionClusterObject, data)))
}

// TestTemplate checks that this step goes on with what a step which wrote the Secret by itself has
// composed, in whose place it is.
func TestTemplate(t *testing.T) {
	data := fmt.Sprintf("data: {name: %s, server: %s, config: %s, project: %s}", base64Of("production"), base64Of("https://api.example.org"), base64Of(byHandConfig), base64Of("payments"))
	const stringData = "stringData: {name: production, server: 'https://api.example.org', config: '" + byHandConfig + "', project: payments}"
	cases := map[string]struct {
		reason, data, input string
		want                movedSecret
	}{
		"Data":       {"We should go on with the Object that has our name.", data, "", movedSecret{Cluster: "production", Foreign: "gold", Token: "canary-good"}},
		"StringData": {"We should read what the template wrote as text.", stringData, "", movedSecret{Cluster: "production", Foreign: "gold", Token: "canary-good"}},
		"ProjectMissing": {
			"We should keep the project while the field is missing, because the cluster would be open to all projects.", stringData,
			"cluster: {projectFrom: {fieldPath: spec.missing}}",
			movedSecret{Cluster: "production", Foreign: "gold", Token: "canary-good", Project: "payments"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), tc.input+"\noutput: {resourceName: cluster-secret}")
			h.template(t, "cluster-secret", tc.data)
			tc.want.UID = stringAt(h.secrets["argocd/by-hand"], "metadata", "uid")
			s := h.reconcile(t)
			h.reconcile(t)
			if got := stringAt(h.registrations["cluster-secret"], "metadata", "name"); got != "prod-x7k2p-abcde" {
				t.Errorf("%s\nthe Object is %q: %s: %s", tc.reason, got, verdict(s), s.Message)
			}
			if diff := cmp.Diff(tc.want, movedFrom(t, h.secrets["argocd/by-hand"])); diff != "" {
				t.Errorf("%s\n%s: %s. -want, +got:\n%s", tc.reason, verdict(s), s.Message, diff)
			}
			if got := ownerOf(h.secrets["argocd/by-hand"]); got != "XAKSCluster.platform.example.org/prod-x7k2p" {
				t.Errorf("%s\nthe Secret is of %q", tc.reason, got)
			}
		})
	}
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "kubeconfigFrom: {resourceName: cluster}")
	h.resources = of(aks, kubeconfigOf("https://other.example.org", "token: canary-good"))
	h.input = "kubeconfigFrom: {}\noutput: {resourceName: cluster-secret}"
	h.template(t, "cluster-secret", stringData)
	h.settle(t)
	if got := decode(h.secrets["argocd/by-hand"], "server"); got != "https://api.example.org" {
		t.Errorf("We should not connect to another server, because the kubeconfig may be another cluster's: %s", got)
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

// TestRenamedInConflict checks that a registration stays whose composed resource has an old name, and
// which another registration is in conflict with.
func TestRenamedInConflict(t *testing.T) {
	const input = "conditionType: ArgoCDClusterRegistered\nkubeconfigFrom: {resourceName: cluster}\noutput: {resourceName: "
	moved := kubeconfigOf("https://other.example.org", "token: canary-good")
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), input+"old}")
	h.settle(t)
	other := plainHub(strings.ReplaceAll(legacyXR, "prod-x7k2p", "other"), moved, "")
	other.secrets, other.revision = h.secrets, 500
	other.registered(t)
	h.input, h.resources = input+"new}", of(aks, moved)
	var s summary
	for range 3 {
		s = h.reconcile(t)
	}
	if h.secrets[prodKey] == nil || verdict(s) != "FALSE/ServerConflict" {
		t.Errorf("We should keep the registration under its old name, because its Secret would be deleted: %s: %s", verdict(s), s.Message)
	}
}

// TestHandedOverWithoutLabels checks that a Secret which is no cluster of Argo CD's yet can be handed over.
func TestHandedOverWithoutLabels(t *testing.T) {
	for name, labels := range map[string]*structpb.Value{"None": nil, "Empty": structpb.NewStructValue(&structpb.Struct{})} {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
			secret := handMade(t, "cluster-prod-x7k2p", "production", byHandConfig, "}, annotations: {"+markOfProd+"}")
			delete(structAt(secret, "metadata").GetFields(), "labels")
			if labels != nil {
				structAt(secret, "metadata").Fields["labels"] = labels
			}
			h.give(secret)
			s := h.settle(t)
			want := movedSecret{UID: "by-hand", Cluster: "production", Token: "canary-good"}
			if diff := cmp.Diff(want, movedFrom(t, h.secrets[prodKey])); diff != "" {
				t.Errorf("We should take over what its annotation gives us. %s: %s. -want, +got:\n%s", verdict(s), s.Message, diff)
			}
		})
	}
}
