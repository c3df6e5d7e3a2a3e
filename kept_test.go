package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
)

// TestRetained breaks one thing after another of a registered cluster, and mends it. Whatever
// it is, the registration stays: the connection to the byte, and all else but what follows
// what is there.
func TestRetained(t *testing.T) {
	expired := time.Date(2029, time.January, 1, 0, 0, 0, 0, time.UTC)
	kubeconfig := func(kc string) func(*hub) {
		return func(h *hub) {
			h.resources["cluster"] = observation{resource: aks, details: map[string]string{"kubeconfig": kc}}
		}
	}
	without := func(line string) func(*hub) {
		return func(h *hub) {
			if !strings.Contains(h.xr, line) {
				panic("no " + line)
			}
			h.xr = strings.Replace(h.xr, line, "", 1)
		}
	}
	cases := map[string]struct {
		reason string
		damage func(*hub)

		// message is a part of the condition's.
		message string
	}{
		"KubeconfigGone":       {"The connection Secret was deleted.", func(h *hub) { h.resources["cluster"] = observation{resource: aks} }, `composed resource "cluster" has no connection details`},
		"KubeconfigEmpty":      {"The provider emptied it.", kubeconfig(""), "has no kubeconfig under any well-known key"},
		"KubeconfigBroken":     {"The provider broke it.", kubeconfig("canary: ["), "cannot be decoded"},
		"NoCredentials":        {"The provider left out the credentials.", kubeconfig(kubeconfigOf("https://api.example.org", "")), "has no credentials"},
		"UnknownPlugin":        {"The cluster now wants a plugin.", kubeconfig(kubeconfigOf("https://api.example.org", "exec: {command: evil-plugin}")), "runs the plugin evil-plugin"},
		"CertificateExpired":   {"Nobody renewed the certificate.", func(h *hub) { h.now = expired; kubeconfig(sample(t, "kc-capi.yaml"))(h) }, "expired on 2028-11-19"},
		"ResourceGone":         {"The cluster's resource is not observed for once.", func(h *hub) { delete(h.resources, "cluster") }, `composed resource "cluster", which does not exist`},
		"HTTPServer":           {"The server changed to one that cannot be.", kubeconfig(kubeconfigOf("http://api.example.org", "token: canary-token")), "uses http"},
		"EnvironmentGone":      {"An earlier step failed to fill the environment.", func(h *hub) { h.environment = "{}" }, "waiting for the environment's field project, which is not set"},
		"LabelFieldGone":       {"A label's field vanished from the XR.", without("    environment: production\n"), "the XR's field spec.parameters.environment, which is not set"},
		"LabelFieldInvalid":    {"A label's field got a value that no label can have.", func(h *hub) { h.xr = strings.Replace(h.xr, "environment: production", "environment: 'not a label'", 1) }, "cannot be used as \"environment\""},
		"AnnotationsFieldGone": {"A map of annotations vanished.", without("    addons: {cert-manager: \"true\", ingress: nginx}\n"), "spec.parameters.addons, which is not set"},
		"NameFieldGone":        {"The field with the name vanished.", without("    crossplane.io/claim-name: prod\n"), "metadata.labels[crossplane.io/claim-name], which is not set"},
		"DrainFieldInvalid":    {"Somebody wrote a word for a truth.", func(h *hub) { h.xr = strings.Replace(h.xr, "drain: false", "drain: maybe", 1) }, "spec.parameters.drain must be true or false"},
		"SeveralThingsAtATime": {"We should report all problems, because they must all be fixed.", func(h *hub) { h.environment = "{}"; delete(h.resources, "cluster") }, "does not exist"},
	}
	for name, tc := range cases {
		for _, output := range []string{"Object", "Secret"} {
			t.Run(name+"Of"+output, func(t *testing.T) {
				h, before := registered(t, tokenKubeconfig("canary-good"), "output: {type: "+output+"}")
				healthy := h.copy()
				tc.damage(h)
				for i := range 3 {
					s := h.reconcile(t)
					if s.Condition != "ArgoCDClusterRegistered=TRUE/Retained" || !says(s.Message, tc.message) || s.Ready != "READY_TRUE" {
						t.Fatalf("%s\n%s, %s: %s", tc.reason, s.Condition, s.Ready, s.Message)
					}
					if got := s.Warning != ""; got != (i == 0) {
						t.Errorf("%s\nevent in reconcile %d: %q", tc.reason, i, s.Warning)
					}
					after := secretOf(t, s)
					if diff := cmp.Diff(before, after); diff != "" {
						t.Fatalf("%s\n-before, +after:\n%s", tc.reason, diff)
					}
				}
				healthy.registrations, healthy.conditions, healthy.secrets = h.registrations, h.conditions, h.secrets
				if s := healthy.reconcile(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" || cmp.Diff(before, secretOf(t, s)) != "" {
					t.Errorf("%s\nnot mended: %s: %s", tc.reason, s.Condition, s.Message)
				}
			})
		}
	}
}

// TestFieldsGone takes the fields away that the input names, after the cluster was registered.
func TestFieldsGone(t *testing.T) {
	const (
		xr = legacyXR + `    shard: 2
    namespaces: [web, jobs]
    tls: api.example.org
    proxy: http://proxy.example.org:3128
    region: eu-west-1
`
		environment = `
apiextensions.crossplane.io/environment:
  tls: api.example.org
  proxy: http://proxy.example.org:3128
  tenant: 11111111-2222-3333-4444-555555555555
  client: 22222222-3333-4444-5555-666666666666
`
	)
	cases := map[string]struct {
		reason, input, kubeconfig string

		// message is what names a missing field.
		message string
	}{
		"Settings": {
			"We should keep Argo CD's other settings, because losing one may have it manage more or less than it should.",
			"cluster: {shardFrom: {fieldPath: spec.parameters.shard}, namespacesFrom: {fieldPath: spec.parameters.namespaces}, clusterResourcesFrom: {fieldPath: spec.parameters.gold}, projectFrom: {fieldPath: spec.parameters.environment}}",
			tokenKubeconfig("canary-good"), "aiting for the XR's field spec.parameters.namespaces",
		},
		"Route": {
			"We should keep the proxy and the TLS name, because Argo CD may not reach the cluster without them.",
			"cluster: {tlsServerNameFrom: {fieldPath: spec.parameters.tls}, proxyURLFrom: {fieldPath: spec.parameters.proxy}}",
			tokenKubeconfig("canary-good"), "aiting for the XR's field spec.parameters.proxy",
		},
		"AuthorsRoute": {
			"We should keep the author's proxy and TLS name with Argo CD's own identity, because nobody withdrew them.",
			"credentials: {type: GCP}\ncluster: {tlsServerNameFrom: {type: FromEnvironmentFieldPath, fieldPath: tls}, proxyURLFrom: {type: FromEnvironmentFieldPath, fieldPath: proxy}}",
			kubeconfigOf("https://x.example.org", ""), "aiting for the environment's field proxy",
		},
		"Azure": {
			"We should keep Argo CD's identity, because the author chose its type, and the fields may come back.",
			"credentials: {type: Azure, azure: {tenantIDFrom: {type: FromEnvironmentFieldPath, fieldPath: tenant}, clientIDFrom: {type: FromEnvironmentFieldPath, fieldPath: client}}}",
			kubeconfigOf("https://x.example.org", ""), "aiting for the environment's field client",
		},
		"AWS": {
			"We should keep the region, because the token service of another may not be reached.",
			"credentials: {type: AWS, aws: {clusterName: prod, regionFrom: {fieldPath: spec.parameters.region}}}",
			kubeconfigOf("https://x.example.org", ""), "aiting for the XR's field spec.parameters.region",
		},
	}
	for name, tc := range cases {
		for kind, output := range outputs() {
			for _, kubeconfig := range []string{tc.kubeconfig, ""} {
				t.Run(name+"Of"+kind+map[bool]string{true: "WithoutKubeconfig"}[kubeconfig == ""], func(t *testing.T) {
					h := plainHub(xr, "", tc.input+output)
					h.environment = environment
					h.resources = of(bucket, tc.kubeconfig)
					before := h.registered(t)
					h.xr, _, _ = strings.Cut(legacyXR, "  parameters:")
					h.environment, h.resources = "{}", of(bucket, kubeconfig)
					s := h.reconcile(t)
					if diff := cmp.Diff(before, secretOf(t, s)); diff != "" || verdict(s) != "TRUE/Retained" || !strings.Contains(s.Message, tc.message) {
						t.Errorf("%s\n%s: %s\n-before, +after:\n%s", tc.reason, s.Condition, s.Message, diff)
					}
				})
			}
		}
	}
}

// TestNoConnection has neither a kubeconfig nor the server's field. Both may come.
func TestNoConnection(t *testing.T) {
	for name, output := range outputs() {
		t.Run(name, func(t *testing.T) {
			missing := "cluster: {serverFrom: {fieldPath: spec.parameters.missing}}" + output
			h := plainHub(legacyXR, "", missing)
			s := h.reconcile(t)
			if verdict(s) != "FALSE/WaitingForKubeconfig" || s.Composed != nil || s.XRReady != "READY_FALSE" {
				t.Errorf("We should wait, because a fatal result would keep the cluster itself from being created: %s%s: %s", s.Fatal, s.Condition, s.Message)
			}
			if !strings.Contains(s.Message, "o composed resource has published a kubeconfig") || !strings.Contains(s.Message, "aiting for the XR's field spec.parameters.missing") {
				t.Errorf("We should say all that is missing, because all of it must come: %s", s.Message)
			}

			h = plainHub(legacyXR, tokenKubeconfig("canary-good"), "cluster: {serverFrom: {fieldPath: spec.parameters.apiserver}}"+output)
			before := h.registered(t)
			h.input, h.resources = missing, of(aks, "")
			s = h.reconcile(t)
			if s.Fatal != "" || verdict(s) != "TRUE/Retained" || s.Ready != "READY_TRUE" {
				t.Fatalf("We should keep the connection, because what is missing may come back: %s%s: %s", s.Fatal, s.Condition, s.Message)
			}
			if diff := cmp.Diff(before, secretOf(t, s)); diff != "" {
				t.Errorf("-before, +after:\n%s", diff)
			}
		})
	}
}

// TestOneUnit has the server's field vanish while the kubeconfig is another's.
func TestOneUnit(t *testing.T) {
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "cluster: {serverFrom: {fieldPath: spec.parameters.apiserver}}")
	before := h.registered(t)
	h.xr = strings.Replace(h.xr, "    apiserver: https://api.prod.example.org/\n", "", 1)
	h.resources = of(aks, tokenKubeconfig("canary-new"))
	s := h.reconcile(t)
	if diff := cmp.Diff(before, secretOf(t, s)); diff != "" || s.Condition != "ArgoCDClusterRegistered=TRUE/Retained" {
		t.Errorf("We should keep the whole connection, because half of it is another's.\n%s: %s\n-before, +after:\n%s", s.Condition, s.Message, diff)
	}
}

// TestTokenFieldsGone takes away for a moment what names Argo CD's own identity, and the
// kubeconfig. The author chose the identity by its type, and still does.
func TestTokenFieldsGone(t *testing.T) {
	const role = "    role: arn:aws:iam::123456789012:role/argocd\n"
	for name, input := range map[string]string{
		"Nothing":     "type: GCP",
		"ClusterName": "type: AWS, aws: {clusterNameFrom: {fieldPath: spec.parameters.environment}}",
		"Role":        "type: AWS, aws: {clusterName: prod, roleARNFrom: {fieldPath: spec.parameters.role}}",
	} {
		for kind, output := range outputs() {
			for _, kubeconfig := range []string{"", kubeconfigOf("https://x.example.org", "")} {
				if name == "Nothing" && kubeconfig != "" {
					continue
				}
				t.Run(fmt.Sprintf("%sOf%s%t", name, kind, kubeconfig == ""), func(t *testing.T) {
					h := plainHub(legacyXR+role, "", "credentials: {"+input+"}"+output)
					h.resources = of(bucket, kubeconfigOf("https://x.example.org", ""))
					before := h.registered(t)
					h.xr = strings.Replace(legacyXR, "    environment: production\n", "", 1)
					h.resources = of(bucket, kubeconfig)
					s := h.reconcile(t)
					if diff := cmp.Diff(before, secretOf(t, s)); diff != "" || verdict(s) != "TRUE/Retained" {
						t.Errorf("We should keep the credentials, because nobody withdrew them: %s: %s\n-before, +after:\n%s", s.Condition, s.Message, diff)
					}
				})
			}
		}
	}
}

// TestVoucherGone takes away for a moment what vouches for the server.
func TestVoucherGone(t *testing.T) {
	const environmentServer, statusServer = "cluster: {serverFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.endpoint}}", "cluster: {serverFrom: {fieldPath: status.endpoint}}"
	cases := map[string]struct {
		reason, input, kubeconfig, xr string
	}{
		"Environment":              {"We should keep the connection while the environment is empty, because that withdraws nothing.", environmentServer, kubeconfigOf(gkeServer, ""), namespacedXR},
		"EnvironmentAndKubeconfig": {"We should keep the connection while both are gone.", environmentServer, "", namespacedXR},
		"DesiredStatus":            {"We should keep the connection while no earlier step gives the field.", statusServer, kubeconfigOf(gkeServer, ""), namespacedXR},
		"DesiredStatusAndObserved": {"We should keep the author's server, and not take the user's.", statusServer, "", namespacedXR + "status: {endpoint: attacker.example.org}\n"},
	}
	for name, tc := range cases {
		for kind, output := range outputs() {
			t.Run(name+"Of"+kind, func(t *testing.T) {
				// A namespaced XR composes a Secret only where Argo CD is in its namespace.
				output = strings.Replace(output, "Secret}", "Secret, namespace: team-a}", 1)
				h := plainHub(namespacedXR, "", tc.input+output)
				h.resources = of(gke, kubeconfigOf(gkeServer, ""))
				var before *corev1.Secret
				for range 3 {
					req := h.request(t)
					req.Desired.Composite.Resource = mustStruct(t, "status: {endpoint: west.example.org}")
					s := h.apply(t, h.run(t, req))
					before = secretOf(t, s)
				}
				h.environment, h.xr, h.resources = "{}", tc.xr, of(gke, tc.kubeconfig)
				for range 2 {
					s := h.reconcile(t)
					if diff := cmp.Diff(before, secretOf(t, s)); diff != "" || verdict(s) != "TRUE/Retained" || s.Ready != "READY_TRUE" {
						t.Errorf("%s\n%s, %s: %s\n-before, +after:\n%s", tc.reason, s.Condition, s.Ready, s.Message, diff)
					}
				}
			})
		}
	}
}

// TestDesiredStatusMissing has no earlier step desire the status field that vouches, while the observed XR still has it.
func TestDesiredStatusMissing(t *testing.T) {
	for _, source := range []string{gke, bucket} {
		h := plainHub(legacyXR, "", "cluster: {serverFrom: {fieldPath: status.endpoint}}")
		h.resources = of(source, kubeconfigOf(gkeServer, "exec: {command: gke-gcloud-auth-plugin}"))
		var before *corev1.Secret
		for range 3 {
			req := h.request(t)
			req.Desired.Composite.Resource = mustStruct(t, "status: {endpoint: west.example.org}")
			before = secretOf(t, h.apply(t, h.run(t, req)))
		}
		req := h.request(t)
		structAt(req.GetObserved().GetComposite().GetResource(), "status").Fields["endpoint"] = structpb.NewStringValue("west.example.org")
		s := h.apply(t, h.run(t, req))
		if diff := cmp.Diff(before, secretOf(t, s)); diff != "" {
			t.Errorf("%s: %s\n-before, +after:\n%s", s.Condition, s.Message, diff)
		}
	}
}

// TestExplicitTypeAlongsideCluster sets the credentials' type for a source of no cloud, in an XR that also composes a cluster.
func TestExplicitTypeAlongsideCluster(t *testing.T) {
	for name, kubeconfig := range map[string]string{"Gone": "", "Broken": "canary: ["} {
		t.Run("Composed"+name, func(t *testing.T) {
			h := plainHub(legacyXR, "", "credentials: {type: GCP}\nkubeconfigFrom: {resourceName: other}")
			h.resources = of(gke, "")
			h.resources["other"] = observation{resource: bucket, details: map[string]string{"kubeconfig": kubeconfigOf("https://gateway.example.org", "")}}
			before := h.registered(t)
			h.resources["other"] = observation{resource: bucket, details: map[string]string{"kubeconfig": kubeconfig}}
			s := h.reconcile(t)
			if diff := cmp.Diff(before, secretOf(t, s)); diff != "" {
				t.Errorf("%s: %s", s.Condition, s.Message)
			}
		})
	}
	h := plainHub(legacyXR, "", "credentials: {type: GCP}\nkubeconfigFrom: {type: Secret, secretRef: {name: kc, namespace: clusters}}")
	h.resources = of(gke, "")
	h.secrets["clusters/kc"] = mustStruct(t, "{metadata: {namespace: clusters, name: kc}, data: {value: "+base64Of(kubeconfigOf("https://gateway.example.org", ""))+"}}")
	before := h.registered(t)
	delete(h.secrets, "clusters/kc")
	s := h.reconcile(t)
	if diff := cmp.Diff(before, secretOf(t, s)); diff != "" {
		t.Errorf("%s: %s", s.Condition, s.Message)
	}
}
