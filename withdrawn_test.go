package main

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"
)

// TestWithdrawn checks that credentials which the Composition no longer allows, or which were
// edited into what is composed, are dropped: Argo CD keeps the cluster without them.
func TestWithdrawn(t *testing.T) {
	const author = "https://author.example.org"
	authors := "cluster: {server: '" + author + "'}"
	gke0, gateway := kubeconfigOf(gkeServer, ""), kubeconfigOf("https://x.example.org", "")
	plugin := kubeconfigOf(attacker, "exec: {command: gke-gcloud-auth-plugin}")
	insecure := strings.Replace(tokenKubeconfig("canary-good"), "cluster: {server", "cluster: {insecure-skip-tls-verify: true, server", 1)
	usersServer := "cluster: {serverFrom: {fieldPath: spec.parameters.endpoint}}"
	endpoint := legacyXR + "    endpoint: 34.10.20.30\n"

	input := func(input string) change { return func(h *hub) { h.input = input } }
	// data writes a value of the Secret's data into what is composed.
	data := func(key, value string) change {
		return func(h *hub) {
			h.tamper(func(m *structpb.Struct) { structAt(m, "data").Fields[key] = structpb.NewStringValue(base64Of(value)) })
		}
	}
	config := func(config string) change { return all(gone(gke), data("config", config)) }
	dropped := func(server string) link { return link{"FALSE/UnsupportedCredentials", "READY_FALSE", server, noConfig} }

	type test struct {
		reason string
		xr     string

		// input and kubeconfig are what the cluster is registered by, from a resource.
		input, resource, kubeconfig string

		// desired is the status that an earlier step desires of the XR.
		desired string
		change  change
		want    link
	}
	cases := map[string]test{
		"StatusOfAnotherServer": {
			reason: "We should drop Argo CD's identity if the cloud names another server, because the cluster is another one.",
			change: publishes(gkeWith("endpoint: 1.2.3.4"), kubeconfigOf(attacker, "")),
		},
		"TypeKubeconfig": {reason: "We should drop Argo CD's identity, because the author withdraws it.", change: input("credentials: {type: Kubeconfig}")},
		"TypeAWS":        {reason: "We should drop the credentials, because the author chooses another cloud.", change: all(gone(gke), input("credentials: {type: AWS, aws: {clusterName: x}}"))},
		"TypeExec":       {reason: "We should drop the credentials, because the author chooses a plugin.", change: all(gone(gke), input("credentials: {type: Exec, exec: {command: x}}"))},

		"ConfigWithCommand":     {reason: "We should drop a command, because somebody wrote it into the composed resource.", change: config(`{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"sh","args":["-c","id"]}}`)},
		"ConfigWithArguments":   {reason: "We should drop arguments, because this function does not write them.", change: config(strings.Replace(gcpConfig, `["gcp"]`, `["gcp","--x"]`, 1))},
		"ConfigWithEnvironment": {reason: "We should drop variables, because this function does not write them.", change: config(strings.Replace(gcpConfig, `["gcp"]`, `["gcp"],"env":{"HTTPS_PROXY":"http://attacker"}`, 1))},
		"ConfigWithRole":        {reason: "We should drop a role, because only the author may set one.", change: config(`{"tlsClientConfig":{"insecure":false},"awsAuthConfig":{"clusterName":"x","roleARN":"arn:aws:iam::123456789012:role/admin"}}`)},
		"ConfigInsecure":        {reason: "We should drop credentials that are sent to any server, because the author did not allow that.", change: config(strings.Replace(gcpConfig, "false", "true", 1))},
		"ConfigWithProxy":       {reason: "We should drop a proxy of Argo CD's own identity, because only the author may set one.", change: config(strings.TrimSuffix(gcpConfig, "}") + `,"proxyUrl":"http://attacker.example.org"}`)},
		"ConfigWithOtherField":  {reason: "We should drop other fields, because this function does not write them.", change: config(strings.Replace(gcpConfig, "{", `{"x":1,`, 1))},
		"Server":                {reason: "We should drop Argo CD's identity, because the cloud does not name the server.", change: all(gone(gke), data("server", attacker)), want: dropped(attacker)},
		"ServerIsTheHub": {
			reason: "We should not keep the hub's own address, because Argo CD would manage its own cluster.",
			change: all(gone(gke), data("server", "https://kubernetes.default.svc")), want: dropped("https://prod-x7k2p.invalid"),
		},

		"Insecure": {
			reason: "We should drop a token for a server that is not verified, because the author withdraws allowInsecure.",
			input:  "credentials: {allowInsecure: true}", resource: aks, kubeconfig: insecure,
			change: input("credentials: {allowInsecure: false}"), want: dropped("https://api.example.org"),
		},
		"Loopback": {
			reason: "We should drop a loopback address, because the author withdraws it.",
			input:  "cluster: {server: 'https://localhost:6443', proxyURL: 'http://127.0.0.1:3128'}", resource: aks, kubeconfig: tokenKubeconfig("canary-good"),
			change: all(gone(aks), input("")), want: dropped("https://prod-x7k2p.invalid"),
		},
		"AuthorsServer": {
			reason: "We should drop Argo CD's identity, because no trusted source confirms the server any more.",
			input:  authors, resource: bucket, kubeconfig: plugin, change: input(""), want: dropped(author),
		},
		"AuthorsServerAndKubeconfig": {
			reason: "We should drop Argo CD's identity while the kubeconfig is empty, because no trusted source confirms the server any more.",
			input:  authors, resource: bucket, kubeconfig: plugin, change: all(gone(bucket), input("")), want: dropped(author),
		},
		"AuthorsServerChanged": {
			reason: "We should drop Argo CD's identity, because the author gives another server.",
			input:  authors, resource: bucket, kubeconfig: plugin, change: all(gone(bucket), input("cluster: {server: 'https://new.example.org'}")), want: dropped(author),
		},
		"AuthorsServerOfGKE": {
			reason: "We should drop Argo CD's identity, because the author gives another server and the cloud gives none.",
			input:  "cluster: {server: '" + gkeServer + "'}", change: all(gone("{apiVersion: container.gcp.m.upbound.io/v1beta1, kind: Cluster}"), input("cluster: {server: 'https://new.example.org'}")),
		},
		"Type": {
			reason: "We should drop Argo CD's identity, because the author chose it by its type.",
			input:  "credentials: {type: GCP}", resource: bucket, kubeconfig: gateway, change: input(""), want: dropped("https://x.example.org"),
		},
		"TypeAndKubeconfig": {
			reason: "We should drop Argo CD's identity while the kubeconfig is empty, because the author chose it by its type.",
			input:  "credentials: {type: GCP}", resource: bucket, kubeconfig: gateway, change: all(gone(bucket), input("")), want: dropped("https://x.example.org"),
		},
		"ServerNowOfXRsUser": {
			reason: "We should drop Argo CD's identity, because the XR's user now gives the server.",
			input:  "credentials: {type: GCP}", resource: bucket, kubeconfig: gateway,
			change: input("credentials: {type: GCP}\ncluster: {serverFrom: {fieldPath: spec.parameters.apiserver}}"), want: dropped("https://x.example.org"),
		},
		"SourceOfAnotherCloud": {
			reason: "We should drop Argo CD's identity, because another cloud's source does not confirm the server.",
			input:  "credentials: {type: GCP}\ncluster: {server: '" + gkeServer + "'}", change: all(gone(aks), input("credentials: {type: GCP}")),
		},
		"XRsServerGone": {
			reason: "We should drop Argo CD's identity, because the cloud names another server than the XR's user gave.",
			input:  usersServer, xr: endpoint, change: all(gone(gkeWith("endpoint: 1.2.3.4")), without("    endpoint: 34.10.20.30\n")),
		},
		"StatusOfXRsUser": {
			reason: "We should drop Argo CD's identity, because no step desires the server any more and the XR's user may have written another.",
			input:  "cluster: {serverFrom: {fieldPath: status.endpoint}}", desired: "status: {endpoint: west.example.org}",
			change: all(gone(gke), func(h *hub) { h.desired, h.xr = "", h.xr+"status: {endpoint: attacker.example.org}\n" }), want: dropped("https://west.example.org"),
		},
		"Role": {
			reason: "We should drop a role that the author removed, because it may be more than the cluster needs.",
			input:  "credentials: {type: AWS, aws: {clusterNameFrom: {fieldPath: spec.parameters.environment}, roleARN: 'arn:aws:iam::123456789012:role/admin'}}", resource: bucket, kubeconfig: gateway,
			change: input("credentials: {type: AWS, aws: {clusterNameFrom: {fieldPath: spec.parameters.missing}}}"), want: dropped("https://x.example.org"),
		},
	}
	// The annotation that names the source is edited together with the server.
	for name, source := range map[string]string{"Missing": "", "OfNothing": "nonexistent", "OfAnotherResource": "bucket", "OfTheSource": "cluster"} {
		cases["Annotation"+name] = test{
			reason: "We should drop Argo CD's identity whatever the annotation says, because the cloud does not name the server.",
			want:   dropped(attacker),
			change: all(func(h *hub) {
				delete(h.secrets, prodKey)
				h.tamper(func(m *structpb.Struct) {
					annotations := structAt(m, "metadata", "annotations").GetFields()
					annotations[annotationSource] = structpb.NewStringValue(source)
					if source == "" {
						delete(annotations, annotationSource)
					}
				})
			}, gone(gke), data("server", attacker), func(h *hub) { h.resources["bucket"] = observation{resource: bucket} }),
		}
	}
	// A field that the XR's user writes gives the proxy or the TLS name, whatever its value is.
	for field, value := range map[string]string{"proxyURL": "http://proxy.example.org:3128", "tlsServerName": "api.example.org"} {
		for name, route := range map[string]string{"Missing": "", "Proxy": "    route: http://proxy.example.org:3128\n", "Name": "    route: api.example.org\n"} {
			want := dropped("https://x.example.org")
			switch {
			case field == "tlsServerName":
				want.Config = `{"tlsClientConfig":{"insecure":false,"serverName":"api.example.org"}}`
			case strings.Contains(route, value):
				want.Config = `{"tlsClientConfig":{"insecure":false},"proxyUrl":"http://proxy.example.org:3128"}`
			}
			cases[field+"Of"+name] = test{
				reason: "We should drop Argo CD's identity, because the XR's user could lead it to another server.",
				input:  fmt.Sprintf("credentials: {type: GCP}\ncluster: {%s: %q}", field, value), resource: bucket, kubeconfig: gateway,
				change: all(input("credentials: {type: GCP}\ncluster: {"+field+"From: {fieldPath: spec.parameters.route}}"), func(h *hub) { h.xr += route }),
				want:   want,
			}
		}
	}
	for name, tc := range cases {
		for kind, output := range outputs() {
			t.Run(name+"Of"+kind, func(t *testing.T) {
				if tc.resource == "" {
					tc.resource, tc.kubeconfig = gke, gke0
				}
				if tc.xr == "" {
					tc.xr = legacyXR
				}
				if tc.want == (link{}) {
					tc.want = dropped(gkeServer)
				}
				h := plainHub(tc.xr, "", tc.input+output)
				h.resources, h.desired = of(tc.resource, tc.kubeconfig), tc.desired
				before := h.registered(t)
				healthy := h.copy()
				h.input = strings.TrimSuffix(h.input, output)
				tc.change(h)
				h.input += output
				for range 3 {
					s := h.reconcile(t)
					tc.want.check(t, tc.reason, s)
					if s.Secret.Name != before.Name || dataOf(s.Secret)["name"] != "prod-x7k2p" {
						t.Errorf("%s\nthe Secret is %s of %s", tc.reason, s.Secret.Name, dataOf(s.Secret)["name"])
					}
				}
				if got := decode(h.secrets[prodKey], "config"); got != tc.want.Config {
					t.Errorf("%s\nthe Secret on the hub has %s", tc.reason, got)
				}
				// The input overrules an edited annotation.
				healthy.input += "kubeconfigFrom: {resourceName: cluster}"
				healthy.registrations, healthy.conditions, healthy.secrets, healthy.revision = h.registrations, h.conditions, h.secrets, h.revision
				state{"TRUE/Registered", "READY_TRUE", before}.check(t, "We should connect again once the Composition allows it.", healthy.settle(t))
			})
		}
	}
}

// TestFollowed checks that a registration follows what is new, also after its credentials were
// dropped.
func TestFollowed(t *testing.T) {
	insecure := strings.Replace(tokenKubeconfig("canary-good"), "cluster: {server", "cluster: {insecure-skip-tls-verify: true, server", 1)
	token := `{"bearerToken":"canary-new","tlsClientConfig":{"insecure":false}}`
	cases := map[string]struct {
		reason     string
		input      string
		resource   string
		kubeconfig string
		change     change
		want       link
	}{
		"Replaced": {
			"We should follow a cluster that was replaced, because the cloud names its server.", "", gke, kubeconfigOf(gkeServer, ""),
			publishes(gkeWith("endpoint: 1.2.3.4"), kubeconfigOf("https://1.2.3.4", "")),
			link{"TRUE/Registered", "READY_TRUE", "https://1.2.3.4", gcpConfig},
		},
		"TokenEdited": {
			"We should follow the kubeconfig, because somebody edited the credentials.", "", gke, kubeconfigOf(gkeServer, ""),
			func(h *hub) {
				h.tamper(func(m *structpb.Struct) {
					structAt(m, "data").Fields["config"] = structpb.NewStringValue(base64Of(`{"bearerToken":"x","tlsClientConfig":{"insecure":false}}`))
				})
			},
			link{"TRUE/Registered", "READY_TRUE", gkeServer, gcpConfig},
		},
		"VerifiedAgain": {
			"We should connect again, because the new kubeconfig verifies the server.", "credentials: {allowInsecure: true}", aks, insecure,
			func(h *hub) {
				h.input = strings.Replace(h.input, "true", "false", 1)
				h.reconcile(t)
				h.resources = of(aks, tokenKubeconfig("canary-new"))
			},
			link{"TRUE/Registered", "READY_TRUE", "https://api.example.org", token},
		},
	}
	for name, tc := range cases {
		for kind, output := range outputs() {
			t.Run(name+"Of"+kind, func(t *testing.T) {
				h := plainHub(legacyXR, "", tc.input+output)
				h.resources = of(tc.resource, tc.kubeconfig)
				h.registered(t)
				tc.change(h)
				h.reconcile(t)
				tc.want.check(t, tc.reason, h.reconcile(t))
			})
		}
	}
}
