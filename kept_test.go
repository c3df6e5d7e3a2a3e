package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// A change is what happens to a hub.
type change func(h *hub)

// all makes one change of several.
func all(changes ...change) change {
	return func(h *hub) {
		for _, c := range changes {
			c(h)
		}
	}
}

// gone takes what a resource has published away.
func gone(resource string) change { return func(h *hub) { h.resources = of(resource, "") } }

// publishes has a resource publish a kubeconfig.
func publishes(resource, kubeconfig string) change {
	return func(h *hub) { h.resources = of(resource, kubeconfig) }
}

// environmentIs replaces the pipeline's environment.
func environmentIs(environment string) change { return func(h *hub) { h.environment = environment } }

// without removes a line from the XR.
func without(line string) change { return replaced(line, "") }

// replaced replaces a part of the XR.
func replaced(before, after string) change {
	return func(h *hub) {
		if !strings.Contains(h.xr, before) {
			panic("the XR has no " + before)
		}
		h.xr = strings.Replace(h.xr, before, after, 1)
	}
}

// TestKept checks that the registration of a cluster stays as it was, to the byte, while
// something that it was made from is missing or broken, and that it goes on afterwards.
func TestKept(t *testing.T) {
	const (
		more = legacyXR + `    shard: 2
    namespaces: [web, jobs]
    tls: api.example.org
    proxy: http://proxy.example.org:3128
    region: eu-west-1
    role: arn:aws:iam::123456789012:role/argocd
`
		route = `
apiextensions.crossplane.io/environment:
  tls: api.example.org
  proxy: http://proxy.example.org:3128
  tenant: 11111111-2222-3333-4444-555555555555
  client: 22222222-3333-4444-5555-666666666666
`
		environmentServer = "cluster: {serverFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.endpoint}}"
		statusServer      = "cluster: {serverFrom: {fieldPath: status.endpoint}}"
		noKubeconfig      = `composed resource "cluster" has no kubeconfig under any well-known key`
		noStatus          = "waiting for the XR's field status.endpoint, which is not set"
		gateway           = "https://gateway.example.org"
	)
	// much is a hub whose cluster is registered by much that can vanish.
	much := func() *hub { return newHub(tokenKubeconfig("canary-good")) }
	hubOf := func(xr, input, resource, kubeconfig string) func() *hub {
		return func() *hub {
			h := plainHub(xr, kubeconfig, input)
			h.resources = of(resource, kubeconfig)
			return h
		}
	}
	// own is a hub whose cluster Argo CD connects to by its own identity.
	own := func(input string) func() *hub { return hubOf(more, input, bucket, kubeconfigOf(gateway, "")) }
	withStatus := func(h func() *hub) func() *hub {
		return func() *hub {
			h := h()
			h.desired = "status: {endpoint: west.example.org}"
			return h
		}
	}
	withRoute := func(h func() *hub) func() *hub {
		return func() *hub {
			h := h()
			h.environment = route
			return h
		}
	}
	noStep := func(h *hub) { h.desired = "" }
	noParameters := func(h *hub) {
		h.xr, _, _ = strings.Cut(h.xr, "  parameters:")
		h.environment = "{}"
	}
	gke0 := kubeconfigOf(gkeServer, "")
	plugin := kubeconfigOf(gkeServer, "exec: {command: gke-gcloud-auth-plugin}")
	withOther := func(kubeconfig string) change {
		return func(h *hub) {
			h.resources = of(gke, "")
			h.resources["other"] = observation{resource: bucket, details: map[string]string{"kubeconfig": kubeconfig}}
		}
	}
	ofOther := func() *hub {
		h := plainHub(legacyXR, "", "credentials: {type: GCP}\nkubeconfigFrom: {resourceName: other}")
		withOther(kubeconfigOf(gateway, ""))(h)
		return h
	}
	ofSecret := func() *hub {
		h := plainHub(legacyXR, "", "credentials: {type: GCP}\nkubeconfigFrom: {type: Secret, secretRef: {name: kc, namespace: clusters}}")
		h.resources = of(gke, "")
		h.secrets["clusters/kc"] = mustStruct(t, "{metadata: {namespace: clusters, name: kc}, data: {value: "+base64Of(kubeconfigOf(gateway, ""))+"}}")
		return h
	}
	settings := hubOf(more, "cluster: {shardFrom: {fieldPath: spec.parameters.shard}, namespacesFrom: {fieldPath: spec.parameters.namespaces}, clusterResourcesFrom: {fieldPath: spec.parameters.gold}, projectFrom: {fieldPath: spec.parameters.environment}}", bucket, tokenKubeconfig("canary-good"))
	proxied := hubOf(more, "cluster: {tlsServerNameFrom: {fieldPath: spec.parameters.tls}, proxyURLFrom: {fieldPath: spec.parameters.proxy}}", bucket, tokenKubeconfig("canary-good"))
	authorsProxy := withRoute(own("credentials: {type: GCP}\ncluster: {tlsServerNameFrom: {type: FromEnvironmentFieldPath, fieldPath: tls}, proxyURLFrom: {type: FromEnvironmentFieldPath, fieldPath: proxy}}"))
	azure := withRoute(own("credentials: {type: Azure, azure: {tenantIDFrom: {type: FromEnvironmentFieldPath, fieldPath: tenant}, clientIDFrom: {type: FromEnvironmentFieldPath, fieldPath: client}}}"))
	aws := func(fields string) func() *hub { return own("credentials: {type: AWS, aws: {" + fields + "}}") }
	region, name, role := aws("clusterName: prod, regionFrom: {fieldPath: spec.parameters.region}"), aws("clusterNameFrom: {fieldPath: spec.parameters.environment}"), aws("clusterName: prod, roleARNFrom: {fieldPath: spec.parameters.role}")
	usersServer := hubOf(legacyXR, "cluster: {serverFrom: {fieldPath: spec.parameters.apiserver}}", aks, tokenKubeconfig("canary-good"))
	noServer := without("    apiserver: https://api.prod.example.org/\n")

	cases := map[string]struct {
		reason string

		// hub is where the cluster is registered, and gone what then happens.
		hub  func() *hub
		gone change

		// message is a part of the condition's.
		message string
	}{
		"KubeconfigGone": {
			"We should keep the connection, because a deleted connection Secret comes back.",
			much, func(h *hub) { h.resources["cluster"] = observation{resource: aks} }, `composed resource "cluster" has no connection details`,
		},
		"KubeconfigEmpty":     {"We should keep the connection, because the provider may fill the kubeconfig in again.", much, gone(aks), noKubeconfig},
		"KubeconfigBroken":    {"We should keep the connection, because a broken kubeconfig says nothing about the cluster.", much, publishes(aks, "canary: ["), "cannot be decoded"},
		"NoCredentials":       {"We should keep the credentials, because the old ones may still work.", much, publishes(aks, kubeconfigOf("https://api.example.org", "")), "has no credentials"},
		"UnknownPlugin":       {"We should keep the credentials, because Argo CD cannot run the plugin.", much, publishes(aks, kubeconfigOf("https://api.example.org", "exec: {command: evil-plugin}")), "runs the plugin evil-plugin"},
		"HTTPServer":          {"We should keep the server, because http would send credentials unencrypted.", much, publishes(aks, kubeconfigOf("http://api.example.org", "token: canary-token")), "uses http"},
		"ResourceGone":        {"We should keep the connection, because a cluster that is not observed once may still exist.", much, func(h *hub) { h.resources = nil }, `composed resource "cluster", which does not exist`},
		"EnvironmentGone":     {"We should keep the project, because an earlier step may fill the environment again.", much, environmentIs("{}"), "waiting for the environment's field project, which is not set"},
		"LabelGone":           {"We should keep a label, because ApplicationSets select by it.", much, without("    environment: production\n"), "the XR's field spec.parameters.environment, which is not set"},
		"LabelInvalid":        {"We should keep a label, because Kubernetes would refuse the new value.", much, replaced("environment: production", "environment: 'not a label'"), "cannot be used as \"environment\""},
		"AnnotationsGone":     {"We should keep annotations, because their map may come back.", much, without("    addons: {cert-manager: \"true\", ingress: nginx}\n"), "spec.parameters.addons, which is not set"},
		"NameGone":            {"We should keep the name, because Argo CD deletes the Applications of a renamed cluster.", much, without("    crossplane.io/claim-name: prod\n"), "metadata.labels[crossplane.io/claim-name], which is not set"},
		"DrainInvalid":        {"We should keep the state, because a word is not a boolean.", much, replaced("drain: false", "drain: maybe"), "spec.parameters.drain must be true or false"},
		"SeveralThingsAtOnce": {"We should report all problems, because they must all be fixed.", much, all(environmentIs("{}"), func(h *hub) { h.resources = nil }), "does not exist; check kubeconfigFrom.resourceName; waiting for the environment's field project"},
		"CertificateExpired": {
			"We should keep good credentials, because the new certificate has expired.",
			much, all(publishes(aks, sample(t, "kc-capi.yaml")), func(h *hub) { h.now = time.Date(2029, time.January, 1, 0, 0, 0, 0, time.UTC) }), "expired on 2028-11-19",
		},

		"ServerGone":              {"We should keep the server, because its field may come back.", usersServer, noServer, "spec.parameters.apiserver, which is not set"},
		"ServerAndKubeconfigGone": {"We should keep the connection, because both of its parts may come back.", usersServer, all(noServer, gone(aks)), noKubeconfig + "; set kubeconfigFrom.key. For a Secret that is not composed set kubeconfigFrom.type: Secret"},
		"ServerGoneTokenNew":      {"We should keep the whole connection, because the new token may be for another server.", usersServer, all(noServer, publishes(aks, tokenKubeconfig("canary-new"))), "spec.parameters.apiserver, which is not set"},
		"LoopbackOfAuthor":        {"We should keep a loopback address, because the Composition's author gave it.", hubOf(legacyXR, "cluster: {server: 'https://localhost:6443', proxyURL: 'http://127.0.0.1:3128'}", aks, tokenKubeconfig("canary-good")), gone(aks), noKubeconfig},
		"SettingsGone":            {"We should keep Argo CD's settings, because it may manage more or less than it should without one.", settings, noParameters, "waiting for the XR's field spec.parameters.namespaces"},
		"ProxyGone":               {"We should keep the proxy and the TLS name, because Argo CD may not reach the cluster without them.", proxied, noParameters, "waiting for the XR's field spec.parameters.proxy"},

		"EnvironmentServerGone": {"We should keep Argo CD's identity while the environment is empty, because that withdraws nothing.", hubOf(legacyXR, environmentServer, gke, gke0), environmentIs("{}"), "waiting for the environment's field cluster.endpoint"},
		"DesiredServerGone":     {"We should keep Argo CD's identity while no step gives the server, because that withdraws nothing.", withStatus(hubOf(legacyXR, statusServer, gke, gke0)), noStep, noStatus},
		"StatusGone":            {"We should keep Argo CD's identity while the cloud names no server, because that withdraws nothing.", hubOf(legacyXR, "", gke, gke0), publishes(gkeWith(""), gke0), "does not name the cluster's server"},
		"OtherServer":           {"We should keep the connection if only the kubeconfig's server changes, because the cloud still names the old one.", hubOf(legacyXR, "", gke, gke0), publishes(gke, kubeconfigOf(attacker, "")), "the server is not one that"},
		"GKEGone":               {"We should keep Argo CD's identity while the GKE cluster is not observed, because that withdraws nothing.", hubOf(legacyXR, "", gke, gke0), func(h *hub) { h.resources = nil }, `composed resource "cluster", which does not exist`},
		"TypeMadeExplicit":      {"We should keep Argo CD's identity, because the author now asks for it by its type.", hubOf(legacyXR, "", gke, gke0), all(gone(gke), func(h *hub) { h.input = "credentials: {type: GCP}\n" + h.input }), noKubeconfig},
		"TypeStays":             {"We should keep Argo CD's identity, because the author chose it by its type.", own("credentials: {type: GCP}"), gone(bucket), noKubeconfig},
		"SourceOfAnotherCloud":  {"We should keep Argo CD's identity, because the author named the source.", ofOther, withOther(""), `composed resource "other" has no kubeconfig under any well-known key`},
		"SourceBroken":          {"We should keep Argo CD's identity, because the author named the source.", ofOther, withOther("canary: ["), "cannot be decoded"},
		"SourceSecretGone":      {"We should keep Argo CD's identity, because the author named the Secret.", ofSecret, func(h *hub) { delete(h.secrets, "clusters/kc") }, "clusters/kc"},
	}
	for name, source := range map[string]string{"GKE": gke, "AnySource": bucket} {
		tc := cases["DesiredServerGone"]
		tc.reason = "We should keep Argo CD's identity, because the observed status still has what an earlier step wrote."
		tc.hub, tc.message = withStatus(hubOf(legacyXR, statusServer, source, plugin)), "so Argo CD does not send it a token of its own GCP identity"
		tc.gone = all(noStep, func(h *hub) { h.xr += "status: {endpoint: west.example.org}\n" })
		cases["DesiredServerObservedOf"+name] = tc
	}
	// The same fields are missing together with the kubeconfig, too.
	for name, tc := range map[string]struct {
		reason  string
		hub     func() *hub
		gone    change
		message string
	}{
		"AuthorsProxy": {"We should keep the author's proxy and TLS name, because the environment may be filled again.", authorsProxy, noParameters, "waiting for the environment's field proxy"},
		"Azure":        {"We should keep Argo CD's identity, because the author chose its type and the fields may come back.", azure, noParameters, "waiting for the environment's field client"},
		"Region":       {"We should keep the region, because Argo CD may not reach another region's token service.", region, noParameters, "waiting for the XR's field spec.parameters.region"},
		"EKSCluster":   {"We should keep the EKS cluster's name, because the author chose the identity by its type.", name, noParameters, "waiting for the XR's field spec.parameters.environment"},
		"Role":         {"We should keep the role, because the field that gives it may come back.", role, noParameters, "waiting for the XR's field spec.parameters.role"},
	} {
		cases[name+"Gone"] = tc
		tc.gone = all(tc.gone, gone(bucket))
		cases[name+"AndKubeconfigGone"] = tc
	}
	for _, name := range []string{"EnvironmentServer", "DesiredServer"} {
		tc := cases[name+"Gone"]
		tc.gone = all(tc.gone, gone(gke))
		cases[name+"AndKubeconfigGone"] = tc
	}
	for _, name := range []string{"Settings", "Proxy"} {
		tc := cases[name+"Gone"]
		tc.gone = all(tc.gone, gone(bucket))
		cases[name+"AndKubeconfigGone"] = tc
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		tc := cases[name]
		for kind, output := range outputs() {
			t.Run(name+"Of"+kind, func(t *testing.T) {
				h := tc.hub()
				h.input += output
				before := h.registered(t)
				healthy := h.copy()
				tc.gone(h)
				for i := range 3 {
					s := h.reconcile(t)
					state{"TRUE/Retained", "READY_TRUE", before}.check(t, tc.reason, s)
					if !says(s.Message, tc.message) {
						t.Errorf("%s\nmessage: want %q in %q", tc.reason, tc.message, s.Message)
					}
					if isEvent := s.Warning != ""; isEvent != (i == 0) {
						t.Errorf("%s\nevent of reconcile %d: %q", tc.reason, i, s.Warning)
					}
				}
				healthy.registrations, healthy.conditions = h.registrations, h.conditions
				state{"TRUE/Registered", "READY_TRUE", before}.check(t, "We should go on once all is there again.", healthy.reconcile(t))
			})
		}
	}
}
