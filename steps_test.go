package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

// TestSeveralSteps checks that each step that registers a cluster has a condition of its own.
func TestSeveralSteps(t *testing.T) {
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	h.resources["cluster"] = observation{resource: aks}
	first := h.reconcile(t)
	for input, want := range map[string]string{
		"output: {resourceName: second}":                            "ArgoCDClusterRegistered-second",
		"output: {resourceName: second}\nconditionType: Registered": "Registered",
		"conditionType: Registered":                                 "Registered",
		"output: {resourceName: 'a b'}":                             "",
	} {
		h.input = input
		s := h.reconcile(t)
		got, _, _ := strings.Cut(s.Condition, "=")
		if got == strings.Split(first.Condition, "=")[0] || want != "" && got != want || strings.Contains(got, " ") {
			t.Errorf("%s: %s", input, s.Condition)
		}
	}
}

// TestEarlierSteps checks what a step makes of an earlier step's registration of the same cluster,
// and of what only looks like one.
func TestEarlierSteps(t *testing.T) {
	run := func(t *testing.T, h *hub, name string, earlier *structpb.Struct) summary {
		t.Helper()
		req := h.request(t)
		req.Desired.Resources["first"] = &fnv1.Resource{Resource: earlier}
		return summarize(t, h.run(t, req), name)
	}
	for kind, output := range outputs() {
		for _, unable := range []bool{false, true} {
			t.Run(fmt.Sprintf("SecretOf%sUnable=%t", kind, unable), func(t *testing.T) {
				info := mustStruct(t, "{apiVersion: v1, kind: Secret, metadata: {namespace: argocd, name: info}, data: {name: "+base64Of("prod-x7k2p")+", server: "+base64Of("https://api.example.org")+"}}")
				h := plainHub(legacyXR, tokenKubeconfig("canary-good"), output)
				h.unable = unable
				if s := run(t, h, "argocd-cluster", info); s.Composed == nil {
					t.Errorf("We should not take any Secret for a registration, because it has no mark: %s%s: %s", s.Fatal, s.Condition, s.Message)
				}
				h.registered(t)
				if s := run(t, h, "argocd-cluster", info); verdict(s) != "TRUE/Registered" {
					t.Errorf("We should not take any Secret for a registration, because it has no mark: %s%s: %s", s.Fatal, s.Condition, s.Message)
				}
			})
		}
	}
	first := func(t *testing.T, input string) (*hub, *structpb.Struct) {
		t.Helper()
		h := plainHub(legacyXR+"    other: prod-x7k2p\n", tokenKubeconfig("canary-good"), input)
		return h, h.run(t, h.request(t)).GetDesired().GetResources()["argocd-cluster"].GetResource()
	}
	const second = "https://second.example.org"
	cases := map[string]struct {
		reason, input, want string

		// server is the second step's, by default the first one's, and fatal begins its result.
		server, fatal string
	}{
		"SameSecret":            {reason: "We should not have two steps write one Secret, because each would undo the other's.", input: "", server: second, fatal: "cluster.name: another pipeline step already uses Secret " + prodKey},
		"OtherCluster":          {reason: "We should register two clusters, because their names and servers differ.", input: "}\ncluster: {name: secondary, server: a.b", want: "FALSE/Registering"},
		"OtherClusterElsewhere": {reason: "We should register a second cluster in another namespace, because it is another Argo CD's.", input: "namespace: other", server: second, want: "FALSE/Registering"},
		"Namespace":             {reason: "We should register one cluster in two namespaces, because each is another Argo CD's.", input: "namespace: gitops", want: "FALSE/Registering"},
		"Remote":                {reason: "We should register one cluster here and in a remote Argo CD, because each has its own Secrets.", input: "argoCD: Remote, object: {providerConfigRef: {name: eu}}", want: "FALSE/Registering"},
		"RemoteOfAnotherName":   {reason: "We should register one cluster in a remote Argo CD by another Secret's name, because it has its own Secrets.", input: "name: foo, argoCD: Remote, object: {providerConfigRef: {name: eu}}", want: "FALSE/Registering"},
		"OtherProviderConfig":   {reason: "We should not register one cluster by two ProviderConfigs, because both write to one Argo CD.", input: "name: foo, object: {providerConfigRef: {name: eu}}", want: "FALSE/NameConflict"},
		"SameArgoCDOtherNames":  {reason: "We should not register one server twice in one Argo CD, because it would use either's credentials.", input: "name: foo}\ncluster: {name: foo", want: "FALSE/ServerConflict"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h, earlier := first(t, "")
			h.input = "output: {resourceName: second, " + tc.input + "}"
			if tc.server != "" {
				h.resources = of(aks, kubeconfigOf(tc.server, "token: canary-second"))
			}
			s := run(t, h, "second", earlier)
			if verdict(s) != tc.want || !strings.HasPrefix(s.Fatal, tc.fatal) || (s.Composed == nil) == (tc.want == "FALSE/Registering") {
				t.Errorf("%s\nwant %s%s, got %s%s: %s", tc.reason, tc.fatal, tc.want, s.Fatal, verdict(s), s.Message)
			}
		})
	}
	for kind, output := range outputs() {
		t.Run("NameByFieldOf"+kind, func(t *testing.T) {
			h, earlier := first(t, output)
			h.input = "cluster: {nameFrom: {fieldPath: spec.parameters.other}}\noutput: {resourceName: second, " + strings.TrimPrefix(output, "\noutput: {")
			if s := run(t, h, "second", earlier); s.Fatal != "" || s.Composed != nil || verdict(s) != "FALSE/NameConflict" {
				t.Errorf("We should say that two steps have one name, because the XR's user chose it and not the author: %s%s: %s", s.Fatal, s.Condition, s.Message)
			}
		})
	}
	t.Run("NameByFieldOnceRegistered", func(t *testing.T) {
		_, earlier := first(t, "")
		h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "cluster: {nameFrom: {fieldPath: metadata.name}}")
		h.registered(t)
		s := run(t, h, "argocd-cluster", earlier)
		if diff := cmp.Diff([]string{"Observe"}, policiesOf(t, s)); diff != "" || verdict(s) != "FALSE/NameConflict" {
			t.Errorf("We should not delete the Secret with our Object, because the earlier step has it: %s: %s\n-want, +got:\n%s", s.Condition, s.Message, diff)
		}
	})
	t.Run("OlderThanEarlierStep", func(t *testing.T) {
		_, earlier := first(t, "cluster: {name: foo}")
		h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
		h.unable = true
		h.registered(t)
		if s := run(t, h, "argocd-cluster", earlier); verdict(s) != "TRUE/Registered" {
			t.Errorf("We should go on with a registration that is there, because a step that is new must not end it: %s%s: %s", s.Fatal, s.Condition, s.Message)
		}
	})
	t.Run("TwoRemoteArgoCDs", func(t *testing.T) {
		h, earlier := first(t, "output: {argoCD: Remote, object: {providerConfigRef: {name: us}}}")
		h.input = "output: {resourceName: second, argoCD: Remote, object: {providerConfigRef: {name: eu}}}"
		if s := run(t, h, "second", earlier); verdict(s) != "FALSE/Registering" || s.Composed == nil {
			t.Errorf("We should register one cluster in two remote Argo CDs: %s%s: %s", s.Fatal, s.Condition, s.Message)
		}
		h.input = strings.Replace(h.input, "eu", "us", 1)
		if s := run(t, h, "second", earlier); !strings.Contains(s.Fatal, "cluster.name: another pipeline step already uses Secret "+prodKey) {
			t.Errorf("We should not have two steps write one Secret of one Argo CD: %s%s: %s", s.Fatal, s.Condition, s.Message)
		}
	})
}

// TestStepWaitsByItself checks that a step that waits, or that lost a conflict, leaves alone what a
// later step registered.
func TestStepWaitsByItself(t *testing.T) {
	const second = "kubeconfigFrom: {resourceName: cluster}\n"
	cases := map[string]struct {
		reason, first, second string
		change                func(*hub)
	}{
		"NameMissing": {"We should wait by ourselves, because what is composed is not of the step whose name is missing.", "kubeconfigFrom: {type: Secret, secretRef: {name: edge, namespace: clusters}}\ncluster: {nameFrom: {fieldPath: spec.edge}}", second + "output: {resourceName: second}", nil},
		"Conflict": {"We should wait by ourselves, because what is composed is not of the step that lost a conflict.", "", second + "output: {resourceName: second, namespace: argocd-2}", func(h *hub) {
			h.secrets[prodKey] = mustStruct(t, "{metadata: {namespace: argocd, name: cluster-prod-x7k2p}}")
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
			if tc.change != nil {
				tc.change(h)
			}
			for i := range 3 {
				if s := h.twoSteps(t, tc.first, tc.second); s.Fatal != "" {
					t.Fatalf("%s\nreconcile %d: %s", tc.reason, i, s.Fatal)
				}
			}
		})
	}
}

// TestRenamedStepKeepsItsOwn checks that a renamed step adopts its own registration, and not that
// of another step for another Argo CD.
func TestRenamedStepKeepsItsOwn(t *testing.T) {
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	const second = "output: {resourceName: second, namespace: argocd-2}"
	for range 3 {
		h.twoSteps(t, "output: {resourceName: zz}", second)
	}
	if s := h.twoSteps(t, "output: {resourceName: renamed}", second); s.Fatal != "" || h.registrations["zz"] == nil {
		t.Errorf("We should adopt the registration of our Argo CD, because the other one is another step's: %s", s.Fatal)
	}
}
