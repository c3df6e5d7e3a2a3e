package main

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// tokenObject publishes the token of a ServiceAccount that is on the cluster.
const tokenObject = "{apiVersion: kubernetes.crossplane.io/v1alpha2, kind: Object, metadata: {name: token}, spec: {writeConnectionSecretToRef: {namespace: ns, name: token}, forProvider: {manifest: {apiVersion: v1, kind: Secret}}}}"

const ofToken = "credentials: {type: Token, token: {resourceName: token}}\n"

// testCA returns a CA in PEM, of the sample that has the kubeconfigs' own or of another one.
func testCA(t testing.TB, sampleName string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(sampleField(t, sampleName, "certificate-authority-data"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// withToken adds the token's composed resource to others.
func withToken(resources map[string]observation, token, ca string) map[string]observation {
	details := map[string]string{"namespace": "kube-system"}
	if token != "" {
		details["token"] = token
	}
	if ca != "" {
		details["ca.crt"] = ca
	}
	out := maps.Clone(resources)
	if out == nil {
		out = map[string]observation{}
	}
	out["token"] = observation{resource: tokenObject, details: details}
	return out
}

// configOf returns Argo CD's config of the Secret of what is composed.
func configOf(t testing.TB, s summary) argocd.ClusterConfig {
	t.Helper()
	var cfg argocd.ClusterConfig
	if err := json.Unmarshal(secretOf(t, s).Data["config"], &cfg); err != nil {
		t.Fatalf("%v: %s: %s", err, s.Condition, s.Message)
	}
	return cfg
}

// TestToken registers a cluster by a token that the Composition made.
func TestToken(t *testing.T) {
	ca, other := testCA(t, "kc-capi.yaml"), testCA(t, "kc-aks-local-account.yaml")
	withCA := strings.Replace(kubeconfigOf("https://192.0.2.1:6443", "client-certificate: /canary, exec: {command: sh}"), "cluster: {", "cluster: {certificate-authority-data: "+base64.StdEncoding.EncodeToString([]byte(other))+", ", 1)
	insecure := strings.Replace(kubeconfigOf("https://192.0.2.1:6443", ""), "cluster: {", "cluster: {insecure-skip-tls-verify: true, ", 1)
	const author, gkeDNS = "cluster: {server: api.example.org}", "https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog"
	secret := func(name string) string {
		return "{apiVersion: v1, kind: Secret, metadata: {namespace: clusters, name: " + name + "}, data: {token: " + base64Of("canary-token") + ", ca.crt: " + base64Of(ca) + "}}"
	}

	type want struct {
		verdict, server, ca string
		insecure            bool

		// token is canary-token if it is empty.
		token string

		// message is a part of the condition's.
		message string
	}
	registering := func(server, ca string) want { return want{verdict: "FALSE/Registering", server: server, ca: ca} }
	cases := map[string]struct {
		reason, xr, input string
		resources         map[string]observation
		secrets           []string
		want              want
	}{
		"CAOfToken": {
			"We should verify the server with the token's own CA, because the token then goes nowhere else.",
			legacyXR, ofToken, withToken(of(bucket, withCA), "canary-token", ca), nil, registering("https://192.0.2.1:6443", ca),
		},
		"CAOfKubeconfig": {
			"We should take the kubeconfig's CA, because the token comes without one.",
			legacyXR, ofToken, withToken(of(bucket, withCA), "canary-token", ""), nil, registering("https://192.0.2.1:6443", other),
		},
		"CAUnderAnotherKey": {
			"We should read the CA and the token under the input's keys, because not every token is a ServiceAccount's.",
			legacyXR, "credentials: {type: Token, token: {resourceName: token, key: namespace, caKey: none}}", withToken(of(bucket, withCA), "canary-token", ca), nil,
			want{verdict: "FALSE/Registering", server: "https://192.0.2.1:6443", ca: other, token: "kube-system"},
		},
		"WithoutKubeconfig": {
			"We should need no kubeconfig, because the input gives the server and the token comes with its CA.",
			legacyXR, ofToken + author, withToken(nil, "canary-token", ca), nil, registering("https://api.example.org", ca),
		},
		"WithoutTwoKubeconfigs": {
			"We should not look for a kubeconfig that is not needed, because there may be several.",
			legacyXR, ofToken + author, withToken(map[string]observation{"a": of(bucket, withCA)["cluster"], "b": of(bucket, withCA)["cluster"]}, "canary-token", ca), nil, registering("https://api.example.org", ca),
		},
		"InsecureKubeconfig": {
			"We should not mind that the kubeconfig is insecure, because the token's CA verifies the server.",
			legacyXR, ofToken, withToken(of(bucket, insecure), "canary-token", ca), nil, registering("https://192.0.2.1:6443", ca),
		},
		"InsecureRefused": {
			"We should refuse an insecure kubeconfig without a CA, because a token is sent all the same.",
			legacyXR, ofToken, withToken(of(bucket, insecure), "canary-token", ""), nil,
			want{verdict: "FALSE/InvalidKubeconfig", message: "insecure-skip-tls-verify"},
		},
		"InsecureAllowed": {
			"We should let an insecure kubeconfig in, because the author does.",
			legacyXR, "credentials: {type: Token, allowInsecure: true, token: {resourceName: token}}", withToken(of(bucket, insecure), "canary-token", ""), nil,
			want{verdict: "FALSE/Registering", server: "https://192.0.2.1:6443", insecure: true},
		},
		"GKEDNSEndpoint": {
			"We should trust the public CAs for GKE's DNS endpoint, because its certificate is theirs.",
			legacyXR, ofToken, withToken(of(gke, kubeconfigOf(gkeDNS, "")), "canary-token", ca), nil, registering(gkeDNS, ""),
		},
		"GKEDNSEndpointOfAnotherCluster": {
			"We should not send the token to another GKE cluster, because GKE's provider names ours.",
			legacyXR, ofToken, withToken(of(gke, kubeconfigOf("https://gke-attacker.europe-west8.gke.goog", "")), "canary-token", ca), nil,
			want{verdict: "FALSE/UnsupportedCredentials", message: `The server is not one that status.atProvider of composed resource cluster names, so Argo CD does not send it the token under the key "token" of composed resource "token". Set cluster.server`},
		},
		"GKEDNSEndpointOfXRsUser": {
			"We should not send the token to a server of the XR's user without the token's CA, because it could be their own.",
			legacyXR + "    endpoint: attacker.europe-west8.gke.goog\n", ofToken + "cluster: {serverFrom: {fieldPath: spec.parameters.endpoint}}", withToken(nil, "canary-token", ca), nil,
			want{verdict: "FALSE/UnsupportedCredentials", message: "and no CA of the cluster's own verifies the server there"},
		},
		"OtherServerOfCloud": {
			"We should not send the token to a server that the kubeconfig alone names, because the cloud names another.",
			legacyXR, ofToken, withToken(of(aks, withCA), "canary-token", ""), nil,
			want{verdict: "FALSE/UnsupportedCredentials", message: "is not one that status.atProvider of composed resource cluster names"},
		},
		"OtherServerOfAuthor": {
			"We should send the token to the author's server, because the author may know better than the cloud.",
			legacyXR, ofToken + "kubeconfigFrom: {resourceName: cluster}\n" + author, withToken(of(aks, withCA), "canary-token", ""), nil, registering("https://api.example.org", other),
		},
		"Secret": {
			"We should read the token from any Secret of the hub, because not every token is composed.",
			legacyXR, "credentials: {type: Token, token: {secretRef: {namespace: clusters, name: token}}}\n" + author, nil,
			[]string{secret("token")},
			registering("https://api.example.org", ca),
		},
		"SecretMissing": {
			"We should wait for the Secret, because it may come.",
			legacyXR, "credentials: {type: Token, token: {secretRef: {namespace: clusters, name: token}}}\n" + author, nil, nil,
			want{verdict: "FALSE/WaitingForToken", message: "Secret clusters/token does not exist; check credentials.token.secretRef"},
		},
		"SecretsNameMissing": {
			"We should wait for the field that names the Secret, because it may come.",
			legacyXR, "credentials: {type: Token, token: {secretRef: {namespace: clusters, nameFrom: {fieldPath: spec.token}}}}\n" + author, nil, nil,
			want{verdict: "FALSE/WaitingForField", message: "Waiting for the XR's field spec.token, which is not set"},
		},
		"ResourceMissing": {
			"We should wait for the composed resource, because a later step may compose it.",
			legacyXR, ofToken, of(bucket, withCA), nil,
			want{verdict: "FALSE/WaitingForToken", message: `Waiting for composed resource "token", which does not exist`},
		},
		"NoDetails": {
			"We should wait for the connection details, because the token is made after the ServiceAccount.",
			legacyXR, ofToken,
			map[string]observation{"cluster": of(bucket, withCA)["cluster"], "token": {resource: tokenObject}},
			nil,
			want{verdict: "FALSE/WaitingForToken", message: `Composed resource "token" has no connection details; its provider has not published them`},
		},
		"NoSuchKey": {
			"We should name the key, because it may be mistyped.",
			legacyXR, ofToken, withToken(of(bucket, withCA), "", ca), nil,
			want{verdict: "FALSE/WaitingForToken", message: `Composed resource "token" has no token under the key "token"; check credentials.token.key`},
		},
		"EmptyToken": {
			"We should wait for a token that is empty, because a provider may not know it yet.",
			legacyXR, ofToken, withToken(of(bucket, withCA), " \n", ca), nil,
			want{verdict: "FALSE/WaitingForToken", message: "has no token under the key"},
		},
		"NeitherKubeconfigNorToken": {
			"We should say all that is missing, because both must come.",
			legacyXR, ofToken, nil, nil,
			want{verdict: "FALSE/WaitingForKubeconfig", message: `Waiting for composed resource "token", which does not exist`},
		},
		"TokenOfTwoLines": {
			"We should refuse what cannot be a token, because Argo CD could not send it.",
			legacyXR, ofToken, withToken(of(bucket, withCA), "canary\ntoken", ca), nil,
			want{verdict: "FALSE/InvalidKubeconfig", message: `The token under the key "token" of composed resource "token" holds a space or a control character`},
		},
		"ExpiredToken": {
			"We should refuse a token that has expired, because no server takes it.",
			legacyXR, ofToken, withToken(of(bucket, withCA), jwt(testNow()), ca), nil,
			want{verdict: "FALSE/InvalidKubeconfig", message: `The token under the key "token" of composed resource "token" expired on 2027-01-01`},
		},
		"CAOfNoCertificate": {
			"We should refuse a CA that is not one, because Argo CD could not verify the server.",
			legacyXR, ofToken, withToken(of(bucket, withCA), "canary-token", "canary"), nil,
			want{verdict: "FALSE/InvalidKubeconfig", message: `The CA under the key "ca.crt" of composed resource "token" does not hold a PEM certificate; check credentials.token.caKey`},
		},
	}
	for name, tc := range cases {
		for kind, output := range outputs() {
			t.Run(name+"Of"+kind, func(t *testing.T) {
				h := plainHub(tc.xr, "", tc.input+output)
				h.resources = tc.resources
				for _, s := range tc.secrets {
					h.store(mustStruct(t, s))
				}
				s := h.reconcile(t)
				got := want{verdict: verdict(s), message: s.Message}
				if s.Composed != nil {
					cfg := configOf(t, s)
					got.token = tc.want.token
					token := tc.want.token
					if token == "" {
						token = "canary-token"
					}
					got.server = string(secretOf(t, s).Data["server"])
					got.ca, got.insecure = string(cfg.TLSClientConfig.CAData), cfg.TLSClientConfig.Insecure
					if diff := cmp.Diff(argocd.ClusterConfig{BearerToken: token}, argocd.ClusterConfig{BearerToken: cfg.BearerToken, Username: cfg.Username, ExecProviderConfig: cfg.ExecProviderConfig, AWSAuthConfig: cfg.AWSAuthConfig}); diff != "" {
						t.Errorf("%s\ncredentials: -want, +got:\n%s", tc.reason, diff)
					}
				}
				if strings.Contains(got.message, tc.want.message) {
					got.message = tc.want.message
				}
				if kind == kindSecret && tc.want.verdict == "FALSE/Registering" {
					tc.want.verdict = got.verdict
				}
				if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
					t.Errorf("%s\n%s-want, +got:\n%s", tc.reason, s.Fatal, diff)
				}
			})
		}
	}
}

// TestTokenLife takes a cluster that is registered by its token through its life.
func TestTokenLife(t *testing.T) {
	ca := testCA(t, "kc-capi.yaml")
	kubeconfig := tokenKubeconfig("canary-admin")
	cases := map[string]struct {
		reason string

		// change what was registered, and the verdict and the token after it. The server stays.
		change         func(h *hub)
		verdict, token string
		message        string
	}{
		"Rotated": {
			"We should use a new token at once, because the old one may be revoked.",
			func(h *hub) { h.resources = withToken(of(aks, kubeconfig), "canary-new", ca) }, "TRUE/Updating", "canary-new", "",
		},
		"KubeconfigRotated": {
			"We should not mind a new credential in the kubeconfig, because it is not used.",
			func(h *hub) { h.resources = withToken(of(aks, tokenKubeconfig("canary-other")), "canary-token", ca) }, "TRUE/Registered", "canary-token", "",
		},
		"TokenGone": {
			"We should keep the registration, because the token may come back.",
			func(h *hub) { h.resources = withToken(of(aks, kubeconfig), "", ca) }, "TRUE/Retained", "canary-token", `has no token under the key "token"`,
		},
		"TokensResourceGone": {
			"We should keep the registration, because the composed resource may come back.",
			func(h *hub) { h.resources = of(aks, kubeconfig) }, "TRUE/Retained", "canary-token", `composed resource "token", which does not exist`,
		},
		"TokenUnusable": {
			"We should keep the registration, because a broken token is no better.",
			func(h *hub) { h.resources = withToken(of(aks, kubeconfig), "canary broken", ca) }, "TRUE/Retained", "canary-token", "holds a space or a control character",
		},
		"KubeconfigGone": {
			"We should keep the registration, because the server is known from it.",
			func(h *hub) { h.resources = withToken(of(aks, ""), "canary-new", ca) }, "TRUE/Retained", "canary-token", "",
		},
		"AllGone": {
			"We should keep the registration, because everything may come back.",
			func(h *hub) { h.resources = nil }, "TRUE/Retained", "canary-token", "",
		},
		"BackToAuto": {
			"We should use the kubeconfig's credential, because the author says so.",
			func(h *hub) { h.input = "" }, "TRUE/Updating", "canary-admin", "",
		},
		"AutoWithoutKubeconfig": {
			"We should keep the token, because Auto allows tokens.",
			func(h *hub) { h.input, h.resources = "", withToken(of(aks, ""), "canary-token", ca) }, "TRUE/Retained", "canary-token", "",
		},
		"ToAWS": {
			"We should drop the token, because the author now has Argo CD use another identity, and nothing else is known.",
			func(h *hub) {
				h.input, h.resources = "credentials: {type: AWS, aws: {clusterName: prod}}", withToken(of(aks, ""), "canary-token", ca)
			}, "FALSE/UnsupportedCredentials", "", "",
		},
	}
	for name, tc := range cases {
		for kind, output := range outputs() {
			t.Run(name+"Of"+kind, func(t *testing.T) {
				h := plainHub(legacyXR, "", ofToken+output)
				h.resources = withToken(of(aks, kubeconfig), "canary-token", ca)
				h.registered(t)
				tc.change(h)
				if !strings.Contains(h.input, "output:") {
					h.input += output
				}
				s := h.reconcile(t)
				v := tc.verdict
				if kind == kindSecret && v == "TRUE/Updating" {
					v = verdict(s)
				}
				if verdict(s) != v || configOf(t, s).BearerToken != tc.token || !strings.Contains(s.Message, tc.message) {
					t.Errorf("%s\ngot %s: %s: token %q", tc.reason, s.Condition, s.Message, configOf(t, s).BearerToken)
				}
				if got := string(secretOf(t, s).Data["server"]); got != "https://api.example.org" {
					t.Errorf("%s\ngot server %v", tc.reason, got)
				}
			})
		}
	}
}

// TestSwitchToToken changes a registered cluster's credentials to a token.
func TestSwitchToToken(t *testing.T) {
	ca := testCA(t, "kc-capi.yaml")
	for kind, output := range outputs() {
		t.Run(kind, func(t *testing.T) {
			h := plainHub(legacyXR, "", output)
			h.resources = clusterOf(aks, connectionDetails(t, "conn-aks-local.yaml"))
			before := h.registered(t)
			h.input = ofToken + output
			for range 2 {
				s := h.reconcile(t)
				if diff := cmp.Diff(before, secretOf(t, s)); diff != "" || verdict(s) != "TRUE/Retained" || !strings.Contains(s.Message, `Waiting for composed resource "token"`) {
					t.Fatalf("We should keep the old credential until the token is there, because Argo CD would lose the cluster: %s: %s\n-before, +after:\n%s", s.Condition, s.Message, diff)
				}
			}
			h.resources = withToken(h.resources, "canary-token", ca)
			h.reconcile(t)
			s := h.settle(t)
			want := argocd.ClusterConfig{BearerToken: "canary-token", TLSClientConfig: argocd.TLSClientConfig{CAData: []byte(ca)}}
			if diff := cmp.Diff(want, configOf(t, s)); diff != "" || verdict(s) != "TRUE/Registered" || s.Ready != "READY_TRUE" {
				t.Errorf("We should replace the certificate by the token: %s: %s\n-want, +got:\n%s", s.Condition, s.Message, diff)
			}
			if config := decode(h.secrets[prodKey], "config"); strings.Contains(config, "certData") || strings.Contains(config, "keyData") {
				t.Error("The Secret still has the certificate.")
			}
		})
	}
}

// TestSwitchToTokenFromOwnIdentity changes the credentials of a cluster that Argo CD's own identity
// registered, and has somebody edit the Object before there is a token.
func TestSwitchToTokenFromOwnIdentity(t *testing.T) {
	h := plainHub(namespacedXR, "", "")
	h.resources = of(gke, kubeconfigOf(gkeServer, ""))
	before := h.registered(t)
	h.input = ofToken
	s := h.reconcile(t)
	if diff := cmp.Diff(before, secretOf(t, s)); diff != "" || verdict(s) != "TRUE/Retained" {
		t.Errorf("We should keep Argo CD's identity until the token is there, because the cloud still names the server: %s: %s\n%s", s.Condition, s.Message, diff)
	}
	h.tamper(func(m *structpb.Struct) {
		structAt(m, "data").Fields["server"] = structpb.NewStringValue(base64Of(attacker))
	})
	if s = h.reconcile(t); strings.Contains(string(secretOf(t, s).Data["config"]), "argocd-k8s-auth") {
		t.Errorf("We should not send a token of Argo CD's own to a server that the cloud does not name: %s: %s", s.Condition, s.Message)
	}
}

// TestTokenRequired checks that Crossplane is to watch what has the token, and how long the response
// then holds.
func TestTokenRequired(t *testing.T) {
	ca := testCA(t, "kc-capi.yaml")
	const author = "cluster: {server: api.example.org}"
	cases := map[string]struct {
		reason, input string
		resources     map[string]observation
		want          []string
		ttl           int64
	}{
		"Both":         {"We should have Crossplane watch both Secrets, because either may be rotated.", ofToken, withToken(of(aks, tokenKubeconfig("canary-admin")), "canary-token", ca), []string{requirementKubeconfig, requirementToken}, 600},
		"TokenOnly":    {"We should not require a kubeconfig that is not needed.", ofToken + author, withToken(of(aks, tokenKubeconfig("canary-admin")), "canary-token", ca), []string{requirementToken}, 600},
		"TokenUnknown": {"We should look again soon, because nothing wakes Crossplane for a Secret that is not named.", ofToken + author, map[string]observation{"token": {resource: bucket, details: map[string]string{"token": "canary-token", "ca.crt": ca}}}, nil, 60},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, "", tc.input)
			h.resources = tc.resources
			h.registered(t)
			rsp := h.run(t, h.request(t))
			var got []string
			for _, r := range []string{requirementKubeconfig, requirementToken} {
				if rsp.GetRequirements().GetResources()[r] != nil {
					got = append(got, r)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || rsp.GetMeta().GetTtl().GetSeconds() != tc.ttl {
				t.Errorf("%s\nttl %v, requirements: -want, +got:\n%s", tc.reason, rsp.GetMeta().GetTtl(), diff)
			}
		})
	}
	h := plainHub(legacyXR, "", ofToken)
	h.resources = map[string]observation{"token": {resource: tokenObject}}
	want := secretSelector("ns", "token")
	if got := h.run(t, h.request(t)).GetRequirements().GetResources()[requirementToken]; got.GetNamespace() != want.GetNamespace() || got.GetMatchName() != want.GetMatchName() || got.GetKind() != kindSecret {
		t.Errorf("We should require the Secret before it has a token, because its creation then wakes Crossplane: %v", got)
	}
}

// TestTokenExpires checks what is said of a token that ends.
func TestTokenExpires(t *testing.T) {
	ca := testCA(t, "kc-capi.yaml")
	h := plainHub(legacyXR, "", ofToken)
	h.resources = withToken(of(aks, tokenKubeconfig("canary-admin")), jwt(testNow().AddDate(0, 0, 10)), ca)
	h.registered(t)
	if s := h.settle(t); !strings.Contains(s.Message, "The token expires on 2027-01-11") {
		t.Errorf("We should say when the token expires, because nobody else does: %s: %s", s.Condition, s.Message)
	}
	h.now = testNow().AddDate(0, 0, 11)
	if s := h.reconcile(t); verdict(s) != "FALSE/CredentialsExpired" || s.Ready != "READY_TRUE" || configOf(t, s).BearerToken == "" {
		t.Errorf("We should keep the registration of an expired token, and say that it expired: %s, %s: %s", s.Condition, s.Ready, s.Message)
	}
	h.resources = withToken(of(aks, tokenKubeconfig("canary-admin")), jwt(testNow().AddDate(1, 0, 0)), ca)
	if s := h.settle(t); verdict(s) != "TRUE/Registered" {
		t.Errorf("We should go on with a new token: %s: %s", s.Condition, s.Message)
	}
}
