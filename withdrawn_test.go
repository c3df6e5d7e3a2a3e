package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
)

// TestEdit has a tenant edit what it can: the connection Secret, the managed cluster's status,
// the composed Object. What is composed is what was there, or has no credentials.
func TestEdit(t *testing.T) {
	manifest := func(h *hub) *structpb.Struct {
		return structAt(h.registrations["argocd-cluster"], "spec", "forProvider", "manifest")
	}
	set := func(h *hub, key, value string) {
		structAt(manifest(h), "data").Fields[key] = structpb.NewStringValue(base64Of(value))
		h.provide("argocd-cluster")
	}
	gone := func(h *hub) { h.resources = of(gke, "") }
	withStatus := func(status, kubeconfig string) map[string]observation {
		return of("{apiVersion: container.gcp.m.upbound.io/v1beta1, kind: Cluster, status: {atProvider: {"+status+"}}}", kubeconfig)
	}
	type want struct{ condition, server, config, ready string }
	kept := want{"TRUE/Retained", gkeServer, gcpConfig, "READY_TRUE"}
	dropped := want{"FALSE/UnsupportedCredentials", gkeServer, noConfig, "READY_FALSE"}
	cases := map[string]struct {
		reason string
		input  string
		change func(*hub)
		want   want
	}{
		"Kubeconfig": {
			reason: "We should keep the connection if the kubeconfig's server changes and the cloud's status does not.",
			change: func(h *hub) { h.resources = of(gke, kubeconfigOf(attacker, "")) }, want: kept,
		},
		"KubeconfigAndStatus": {
			reason: "We should drop the credentials if the cloud names another server.",
			change: func(h *hub) { h.resources = withStatus("endpoint: 1.2.3.4", kubeconfigOf(attacker, "")) }, want: dropped,
		},
		"StatusGone": {
			reason: "We should keep the connection if the cloud names no server any more, because that withdraws nothing.",
			change: func(h *hub) { h.resources = withStatus("", kubeconfigOf(gkeServer, "")) }, want: kept,
		},
		"ResourceGone": {
			reason: "We should keep the connection if the cluster's resource is gone.",
			change: func(h *hub) { h.resources = nil }, want: kept,
		},
		"Replaced": {
			reason: "We should follow a cluster that was replaced.",
			change: func(h *hub) { h.resources = withStatus("endpoint: 1.2.3.4", kubeconfigOf("https://1.2.3.4", "")) },
			want:   want{"TRUE/Registered", "https://1.2.3.4", gcpConfig, "READY_TRUE"},
		},
		"TypeKubeconfig": {
			reason: "We should drop Argo CD's identity if the author withdraws it.",
			change: func(h *hub) { h.input += "credentials: {type: Kubeconfig}\n" }, want: dropped,
		},
		"TypeAWS": {
			reason: "We should drop the credentials if the author chooses another cloud, and the kubeconfig is gone.",
			change: func(h *hub) { h.input += "credentials: {type: AWS, aws: {clusterName: x}}\n"; gone(h) }, want: dropped,
		},
		"TypeExec": {
			reason: "We should drop the credentials if the author chooses a plugin, and the kubeconfig is gone.",
			change: func(h *hub) { h.input += "credentials: {type: Exec, exec: {command: x}}\n"; gone(h) }, want: dropped,
		},
		"TypeGCP": {
			reason: "We should keep the credentials if the author only makes them explicit.",
			change: func(h *hub) { h.input += "credentials: {type: GCP}\n"; gone(h) }, want: kept,
		},
		"ObjectCommand": {
			reason: "We should not keep a command that somebody wrote into the Object.",
			change: func(h *hub) {
				gone(h)
				set(h, "config", `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"sh","args":["-c","id"]}}`)
			},
			want: dropped,
		},
		"ObjectArguments": {
			reason: "We should not keep arguments that this function does not write.",
			change: func(h *hub) {
				gone(h)
				set(h, "config", strings.Replace(gcpConfig, `["gcp"]`, `["gcp","--x"]`, 1))
			},
			want: dropped,
		},
		"ObjectEnvironment": {
			reason: "We should not keep variables that this function does not write.",
			change: func(h *hub) {
				gone(h)
				set(h, "config", strings.Replace(gcpConfig, `["gcp"]`, `["gcp"],"env":{"HTTPS_PROXY":"http://attacker"}`, 1))
			},
			want: dropped,
		},
		"ObjectRole": {
			reason: "We should not keep a role that only the author may set.",
			change: func(h *hub) {
				gone(h)
				set(h, "config", `{"tlsClientConfig":{"insecure":false},"awsAuthConfig":{"clusterName":"x","roleARN":"arn:aws:iam::123456789012:role/admin"}}`)
			},
			want: dropped,
		},
		"ObjectServer": {
			reason: "We should not keep a server that the cloud's status does not name.",
			change: func(h *hub) { gone(h); set(h, "server", attacker) },
			want:   want{"FALSE/UnsupportedCredentials", attacker, noConfig, "READY_FALSE"},
		},
		"ObjectInsecure": {
			reason: "We should not keep what does not verify the server.",
			change: func(h *hub) { gone(h); set(h, "config", strings.Replace(gcpConfig, "false", "true", 1)) }, want: dropped,
		},
		"ObjectProxy": {
			reason: "We should not keep a proxy for Argo CD's own identity.",
			change: func(h *hub) {
				gone(h)
				set(h, "config", strings.TrimSuffix(gcpConfig, "}")+`,"proxyUrl":"http://attacker.example.org"}`)
			},
			want: dropped,
		},
		"ObjectUnknownField": {
			reason: "We should not keep fields that this function does not write.",
			change: func(h *hub) { gone(h); set(h, "config", strings.Replace(gcpConfig, "{", `{"x":1,`, 1)) }, want: dropped,
		},
		"ObjectHub": {
			reason: "We should not keep the hub's own address, with which Argo CD needs no credentials.",
			change: func(h *hub) { gone(h); set(h, "server", "https://kubernetes.default.svc") },
			want:   want{"FALSE/UnsupportedCredentials", "https://prod-x7k2p.invalid", noConfig, "READY_FALSE"},
		},
		"ObjectToken": {
			reason: "We should keep a token, which is of a kind that this function writes, but follow the kubeconfig again.",
			change: func(h *hub) { set(h, "config", `{"bearerToken":"x","tlsClientConfig":{"insecure":false}}`) },
			want:   want{"TRUE/Registered", gkeServer, gcpConfig, "READY_TRUE"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, "", tc.input)
			h.resources = of(gke, kubeconfigOf(gkeServer, ""))
			h.registered(t)
			tc.change(h)
			h.reconcile(t)
			h.reconcile(t)
			s := h.reconcile(t)
			data := dataOf(secretOf(t, s))
			got := want{strings.TrimPrefix(s.Condition, "ArgoCDClusterRegistered="), data["server"], data["config"], s.Ready}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s\n%s", tc.reason, diff, s.Message)
			}
			if n := data["name"]; n != "prod-x7k2p" {
				t.Errorf("%s\nname: %v", tc.reason, n)
			}
		})
	}
}

// TestInsecureWithdrawn has the author turn allowInsecure off.
func TestInsecureWithdrawn(t *testing.T) {
	kc := strings.Replace(tokenKubeconfig("canary-good"), "cluster: {server", "cluster: {insecure-skip-tls-verify: true, server", 1)
	h := plainHub(legacyXR, kc, "credentials: {allowInsecure: true}")
	h.registered(t)
	h.input = "credentials: {allowInsecure: false}"
	h.reconcile(t)
	s := h.reconcile(t)
	if got := string(secretOf(t, s).Data["config"]); got != noConfig || !strings.HasSuffix(s.Condition, "FALSE/UnsupportedCredentials") || s.Ready != "READY_FALSE" {
		t.Errorf("%s: %s: %v", s.Condition, s.Message, got)
	}
	h.resources = of(aks, tokenKubeconfig("canary-new"))
	h.reconcile(t)
	if s := h.reconcile(t); !strings.HasSuffix(s.Condition, "TRUE/Registered") {
		t.Errorf("with a kubeconfig that verifies: %s: %s", s.Condition, s.Message)
	}
}

// TestVouchingWithdrawn has the author withdraw what allowed Argo CD's own identity.
func TestVouchingWithdrawn(t *testing.T) {
	plugin := kubeconfigOf(attacker, "exec: {command: gke-gcloud-auth-plugin}")
	none := kubeconfigOf("https://x.example.org", "")
	cases := map[string]struct {
		reason, before, kubeconfig, after string
		gone                              bool
	}{
		"ServerRemoved":                {"We should drop Argo CD's identity, because o trusted source confirms the server any more.", "cluster: {server: 'https://author.example.org'}", plugin, "", false},
		"ServerRemovedAndSource":       {"We should drop Argo CD's identity if the kubeconfig is empty, too.", "cluster: {server: 'https://author.example.org'}", plugin, "", true},
		"ServerChangedAndSource":       {"We should drop Argo CD's identity, because the author gives another server.", "cluster: {server: 'https://author.example.org'}", plugin, "cluster: {server: 'https://new.example.org'}", true},
		"TypeRemoved":                  {"We should drop Argo CD's identity, because the author chose it by its type.", "credentials: {type: GCP}", none, "", false},
		"TypeRemovedAndSource":         {"We should drop Argo CD's identity if the kubeconfig is empty, too.", "credentials: {type: GCP}", none, "", true},
		"ServerFromUsersFieldOnceType": {"We should drop Argo CD's identity if the XR's user is to give the server.", "credentials: {type: GCP}", none, "credentials: {type: GCP}\ncluster: {serverFrom: {fieldPath: spec.parameters.apiserver}}", false},
	}
	for name, tc := range cases {
		for kind, output := range outputs() {
			t.Run(name+"Of"+kind, func(t *testing.T) {
				h := plainHub(legacyXR, "", tc.before+output)
				h.resources = of(bucket, tc.kubeconfig)
				h.registered(t)
				h.input = tc.after + output
				if tc.gone {
					h.resources = of(bucket, "")
				}
				for range 3 {
					s := h.reconcile(t)
					if verdict(s) != "FALSE/UnsupportedCredentials" || string(secretOf(t, s).Data["config"]) != noConfig || s.Ready != "READY_FALSE" {
						t.Errorf("%s\n%s, %s: %s\n%v", tc.reason, s.Condition, s.Ready, s.Message, secretOf(t, s).Data)
					}
				}
				if got := decode(h.secrets[prodKey], "config"); got != noConfig {
					t.Errorf("%s\nthe Secret has %s", tc.reason, got)
				}
			})
		}
	}
}

// TestVoucherReplaced has who vouches name another server, while the kubeconfig is gone.
func TestVoucherReplaced(t *testing.T) {
	const withoutStatus = "{apiVersion: container.gcp.m.upbound.io/v1beta1, kind: Cluster}"
	userServer := "cluster: {serverFrom: {fieldPath: spec.parameters.endpoint}}"
	cases := map[string]struct{ reason, before, resource, after, xr string }{
		"OtherCloudsSource": {"We should not let another cloud's source vouch by itself once the author's server is gone.", "credentials: {type: GCP}\ncluster: {server: '" + gkeServer + "'}", aks, "credentials: {type: GCP}", legacyXR},
		"UsersFieldGone":    {"We should follow the cloud if the XR's user gave the server, and gives none now.", userServer, strings.Replace(gke, "34.10.20.30", "1.2.3.4", 1), userServer, legacyXR},
		"AuthorsServer":     {"We should follow the author if the cloud names no server.", "cluster: {server: '" + gkeServer + "'}", withoutStatus, "cluster: {server: 'https://new.example.org'}", legacyXR},
	}
	for name, tc := range cases {
		for kind, output := range outputs() {
			t.Run(name+"Of"+kind, func(t *testing.T) {
				h := plainHub(legacyXR+"    endpoint: 34.10.20.30\n", "", tc.before+output)
				h.resources = of(gke, kubeconfigOf(gkeServer, ""))
				h.registered(t)
				h.input, h.resources, h.xr = tc.after+output, of(tc.resource, ""), tc.xr
				if s := h.reconcile(t); verdict(s) != "FALSE/UnsupportedCredentials" || string(secretOf(t, s).Data["config"]) != noConfig {
					t.Errorf("%s\n%s: %s: %v", tc.reason, s.Condition, s.Message, secretOf(t, s).Data)
				}
			})
		}
	}
}

// TestRoleWithdrawn has the author remove the role while the cluster's name is missing.
func TestRoleWithdrawn(t *testing.T) {
	h := plainHub(legacyXR, "", "credentials: {type: AWS, aws: {clusterNameFrom: {fieldPath: spec.parameters.environment}, roleARN: 'arn:aws:iam::123456789012:role/admin'}}")
	h.resources = of(bucket, kubeconfigOf("https://x.example.org", ""))
	h.registered(t)
	h.input = "credentials: {type: AWS, aws: {clusterNameFrom: {fieldPath: spec.parameters.missing}}}"
	if s := h.reconcile(t); strings.Contains(string(secretOf(t, s).Data["config"]), "role/admin") {
		t.Errorf("We should drop a role that the author removed: %s: %s", s.Condition, s.Message)
	}
}

// TestRouteOfXRsUser has the input read a proxy and a TLS name from where the XR's user writes, for
// a cluster that is registered by Argo CD's own identity.
func TestRouteOfXRsUser(t *testing.T) {
	for _, f := range []string{"proxyURL", "tlsServerName"} {
		for kind, output := range outputs() {
			t.Run(f+"Of"+kind, func(t *testing.T) {
				h := plainHub(legacyXR, "", "credentials: {type: GCP}\ncluster: {"+f+": http://proxy.example.org:3128}"+output)
				if f == "tlsServerName" {
					h.input = strings.Replace(h.input, "http://proxy.example.org:3128", "api.example.org", 1)
				}
				h.resources = of(bucket, kubeconfigOf("https://x.example.org", ""))
				h.registered(t)
				h.input = "credentials: {type: GCP}\ncluster: {" + f + "From: {fieldPath: spec.parameters.route}}" + output
				for _, route := range []string{"", "    route: http://proxy.example.org:3128\n", "    route: api.example.org\n"} {
					h.xr = legacyXR + route
					s := h.copy().reconcile(t)
					if verdict(s) != "FALSE/UnsupportedCredentials" || len(secretOf(t, s).Data["config"]) == 0 || strings.Contains(string(secretOf(t, s).Data["config"]), "argocd-k8s-auth") {
						t.Errorf("We should drop Argo CD's identity, because the XR's user could lead it elsewhere: %q: %s: %s: %v", route, s.Condition, s.Message, secretOf(t, s).Data)
					}
				}
			})
		}
	}
}

// TestSourceEdited edits the annotation that names the source, and the server with it.
func TestSourceEdited(t *testing.T) {
	for _, source := range []string{"", "nonexistent", "bucket", "cluster"} {
		for kind, output := range outputs() {
			t.Run(fmt.Sprintf("%qOf%s", source, kind), func(t *testing.T) {
				h := plainHub(legacyXR, "", output)
				h.resources = of(gke, kubeconfigOf(gkeServer, ""))
				h.registered(t)
				delete(h.secrets, prodKey)
				h.tamper(func(m *structpb.Struct) {
					structAt(m, "data").Fields["server"] = structpb.NewStringValue(base64Of(attacker))
					structAt(m, "metadata", "annotations").Fields[annotationSource] = structpb.NewStringValue(source)
					if source == "" {
						delete(structAt(m, "metadata", "annotations").GetFields(), annotationSource)
					}
				})
				h.resources = of(gke, "")
				h.resources["bucket"] = observation{resource: bucket}
				for range 2 {
					s := h.reconcile(t)
					if d := dataOf(secretOf(t, s)); d["config"] != noConfig || verdict(s) != "FALSE/UnsupportedCredentials" {
						t.Errorf("We should not send a token to a server that the cloud's status does not name, whatever the annotation says: %s: %s: %v", s.Condition, s.Message, d)
					}
				}
			})
		}
	}
}
