package main

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

// withCluster returns a kubeconfig without credentials, whose cluster has more fields.
func withCluster(server, more string) string {
	return strings.Replace(kubeconfigOf(server, ""), "cluster: {", "cluster: {"+more+", ", 1)
}

// TestTokenRoute has a kubeconfig or the XR's user choose how Argo CD reaches the server that gets
// the token: by a proxy, a TLS server name or a CA.
func TestTokenRoute(t *testing.T) {
	const gkeDNS = "https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog"
	ca, other := testCA(t, "kc-capi.yaml"), base64.StdEncoding.EncodeToString([]byte(testCA(t, "kc-aks-local-account.yaml")))
	const userRoute = "proxyURLFrom: {fieldPath: spec.parameters.proxy}, tlsServerNameFrom: {fieldPath: spec.parameters.tls}"
	user := legacyXR + "    proxy: http://proxy.attacker.example.org:3128\n    tls: attacker.example.org\n"
	evil := "tls-server-name: attacker.example.org, proxy-url: 'http://proxy.attacker.example.org:3128'"
	eksCluster := withToken(of(clusterAuth, withCluster("https://attacker.example.org", "certificate-authority-data: "+other)), "canary-token", "")
	eksCluster["eks"] = observation{resource: eks}
	const refused, registering = "FALSE/UnsupportedCredentials", "FALSE/Registering"
	cases := map[string]struct {
		reason, xr, input string
		resources         map[string]observation
		want              string
	}{
		"XRsUserAtGKEDNS": {
			"We should refuse the XR user's route to GKE's DNS endpoint, because the token's CA does not verify the server there.",
			user, ofToken + "cluster: {server: '" + gkeDNS + "', " + userRoute + "}", withToken(nil, "canary-token", ca), refused,
		},
		"XRsUserWithPublicCA": {
			"We should refuse the XR user's TLS server name without a CA, because anyone can have a public certificate.",
			user, ofToken + "cluster: {server: 'https://rancher.example.org', " + userRoute + "}", withToken(of(bucket, kubeconfigOf("https://rancher.example.org", "")), "canary-token", ""), refused,
		},
		"XRsUserInsecure": {
			"We should refuse the XR user's proxy to a server that is not verified, because the proxy could pose for it.",
			user, "credentials: {type: Token, allowInsecure: true, token: {resourceName: token}}\ncluster: {server: 'https://x.example.org', proxyURLFrom: {fieldPath: spec.parameters.proxy}}", withToken(of(bucket, withCluster("https://x.example.org", "insecure-skip-tls-verify: true")), "canary-token", ""), refused,
		},
		"KubeconfigAtGKEDNS": {
			"We should refuse a kubeconfig's route to GKE's DNS endpoint, because the cloud named the server, and not the route.",
			namespacedXR, ofToken, withToken(of(gke, withCluster(gkeDNS, evil)), "canary-token", ca), refused,
		},
		"KubeconfigAtAKS": {
			"We should refuse a kubeconfig's CA and proxy together, because they end TLS.",
			namespacedXR, ofToken, withToken(of(aks, withCluster("https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443", "certificate-authority-data: "+other+", proxy-url: 'http://proxy.attacker.example.org:3128'")), "canary-token", ""), refused,
		},
		"KubeconfigAtAuthorsServer": {
			"We should refuse a kubeconfig's proxy to the author's server, because the author did not choose the proxy.",
			namespacedXR, ofToken + "kubeconfigFrom: {resourceName: cluster}\ncluster: {server: api.example.org}", withToken(of(aks, withCluster("https://x.example.org", "certificate-authority-data: "+other+", proxy-url: 'http://proxy.attacker.example.org:3128'")), "canary-token", ""), refused,
		},
		"KubeconfigOfEKS": {
			"We should compare the server with the composed EKS cluster's, because a ClusterAuth names none.",
			legacyXR, ofToken, eksCluster, refused,
		},
		"XRsUserWithCA": {
			"We should let the XR's user choose a route if the token has a CA, because this CA verifies the server.",
			user, ofToken + "cluster: {server: api.example.org, " + userRoute + "}", withToken(nil, "canary-token", ca), registering,
		},
		"KubeconfigWithCA": {
			"We should use a kubeconfig's proxy if the token has a CA, because this CA verifies the server.",
			legacyXR, ofToken, withToken(of(aks, withCluster("https://x.example.org", "proxy-url: 'http://p.example.org:3128'")), "canary-token", ca), registering,
		},
		"AuthorAtGKEDNS": {
			"We should use the author's proxy and TLS server name, because the author may choose them.",
			legacyXR, ofToken + "cluster: {proxyURL: 'http://p.example.org:3128', tlsServerName: a.gke.goog}", withToken(of(gke, kubeconfigOf(gkeDNS, "")), "canary-token", ca), registering,
		},
		"KubeconfigAlone": {
			"We should use a kubeconfig's proxy if the kubeconfig alone names the server, because the author chose this kubeconfig.",
			legacyXR, ofToken, withToken(of(bucket, withCluster("https://x.example.org", "certificate-authority-data: "+other+", proxy-url: 'http://p.example.org:3128'")), "canary-token", ""), registering,
		},
		"XRsUserWithKubeconfigsCA": {
			"We should use the XR user's proxy if a CA verifies the server, because the proxy then only sees TLS.",
			user, ofToken + "cluster: {server: api.example.org, proxyURLFrom: {fieldPath: spec.parameters.proxy}}", withToken(of(bucket, withCluster("https://x.example.org", "certificate-authority-data: "+other)), "canary-token", ""), registering,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(tc.xr, "", tc.input)
			h.resources = tc.resources
			if s := h.reconcile(t); verdict(s) != tc.want || (s.Secret != nil) != (tc.want == registering) {
				t.Errorf("%s\nwant %s, got %s%s: %s", tc.reason, tc.want, s.Fatal, s.Condition, s.Message)
			}
		})
	}
}

// TestTokensCAGone takes the token's CA away, while another composed resource has a kubeconfig.
func TestTokensCAGone(t *testing.T) {
	ca, other := testCA(t, "kc-capi.yaml"), base64.StdEncoding.EncodeToString([]byte(testCA(t, "kc-aks-local-account.yaml")))
	for proxy, message := range map[string]string{
		"": "comes without the server's CA (credentials.token.caKey)",
		", proxy-url: 'http://p.example.org:3128'": "he kubeconfig sets proxy-url",
	} {
		h := plainHub(legacyXR, "", ofToken+"cluster: {server: api.example.org}")
		vcluster := of(bucket, withCluster("https://vcluster.example.org", "certificate-authority-data: "+other+proxy))
		h.resources = withToken(vcluster, "canary-token", ca)
		before := h.registered(t)
		h.resources = withToken(vcluster, "canary-token", "")
		s := h.reconcile(t)
		if !bytes.Equal(secretOf(t, s).Data["config"], before.Data["config"]) || verdict(s) != "TRUE/Retained" || !strings.Contains(s.Message, message) {
			t.Errorf("We should keep the connection as it was, because the kubeconfig may be another cluster's: %s: %s", s.Condition, s.Message)
		}
	}
}

// TestTokenKeepsSource checks that the source is remembered while a token needs no kubeconfig.
func TestTokenKeepsSource(t *testing.T) {
	ca := testCA(t, "kc-capi.yaml")
	const author = "cluster: {server: api.example.org}"
	a := observation{resource: aks, details: map[string]string{"kubeconfig": tokenKubeconfig("canary-a")}}
	b := observation{resource: aks, details: map[string]string{"kubeconfig": kubeconfigOf("https://b.example.org", "token: canary-b")}}
	h := plainHub(legacyXR, "", author)
	h.resources = map[string]observation{"a": a}
	h.registered(t)
	h.resources = withToken(map[string]observation{"a": a, "b": b}, "canary-token", ca)
	h.input = ofToken + author
	h.reconcile(t)
	h.settle(t)
	h.input = author
	h.resources = map[string]observation{"a": {resource: aks}, "b": b}
	if s := h.reconcile(t); configOf(t, s).BearerToken != "canary-token" || verdict(s) != "TRUE/Retained" {
		t.Errorf("We should not send b's credentials to a's server: %s: %s, source %q", s.Condition, s.Message, secretOf(t, s).Annotations[annotationSource])
	}
}

// TestTokenUnwritable has a token and a CA that no Secret of Argo CD's can hold.
func TestTokenUnwritable(t *testing.T) {
	ca := testCA(t, "kc-capi.yaml")
	for name, tc := range map[string]struct{ reason, token, ca, message string }{
		"NotUTF8":  {"We should refuse a token that is not text, because JSON cannot hold it.", "canary\xff\xfe", ca, "is not UTF-8 text"},
		"TooLarge": {"We should refuse a CA that makes the Secret too large, because Kubernetes does not accept it.", "canary-token", strings.Repeat(ca, 900<<10/len(ca)), "do not fit into a Secret"},
	} {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, "", ofToken+"cluster: {server: api.example.org}")
			h.resources = withToken(nil, tc.token, tc.ca)
			if s := h.reconcile(t); s.Secret != nil || verdict(s) != "FALSE/InvalidKubeconfig" || !strings.Contains(s.Message, tc.message) {
				t.Errorf("%s\n%s: %s", tc.reason, s.Condition, s.Message)
			}
		})
	}
}

// TestAddedWithoutKubeconfig has the author add how Argo CD's own identity reaches the server, while
// the kubeconfig is missing.
func TestAddedWithoutKubeconfig(t *testing.T) {
	for name, tc := range map[string]struct{ before, after string }{
		"Proxy":         {"credentials: {type: GCP}", "credentials: {type: GCP}\ncluster: {proxyURL: 'http://p.example.org:3128'}"},
		"TLSServerName": {"credentials: {type: GCP}", "credentials: {type: GCP}\ncluster: {tlsServerNameFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.name}}"},
		"Region":        {"credentials: {type: AWS, aws: {clusterName: prod}}", "credentials: {type: AWS, aws: {clusterName: prod, region: eu-west-1}}"},
		"RegionGone":    {"credentials: {type: AWS, aws: {clusterName: prod, region: eu-west-1}}", "credentials: {type: AWS, aws: {clusterName: prod}}"},
	} {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR, "", tc.before)
			h.resources = of(bucket, kubeconfigOf("https://x.example.org", ""))
			before := h.registered(t)
			h.resources, h.input = of(bucket, ""), tc.after
			if s := h.reconcile(t); !bytes.Equal(secretOf(t, s).Data["config"], before.Data["config"]) || verdict(s) != "TRUE/Retained" {
				t.Errorf("We should keep the connection, because nothing was withdrawn: %s: %s", s.Condition, s.Message)
			}
		})
	}
}

// TestDrainFromEnvironment takes the environment away while a cluster is draining.
func TestDrainFromEnvironment(t *testing.T) {
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "cluster: {drainFrom: {type: FromEnvironmentFieldPath, fieldPath: drain}}")
	h.registered(t)
	h.environment = "apiextensions.crossplane.io/environment: {drain: true}"
	h.settle(t)
	h.environment = "{}"
	if s := h.reconcile(t); secretOf(t, s).Labels[labelState] != stateDraining || verdict(s) != "TRUE/Draining" {
		t.Errorf("We should go on draining, because the environment may be missing for a moment only: %s: %s", s.Condition, s.Message)
	}
	h.environment = "apiextensions.crossplane.io/environment: {drain: false}"
	if s := h.settle(t); secretOf(t, s).Labels[labelState] != stateActive || verdict(s) != "TRUE/Registered" {
		t.Errorf("We should stop draining, because the environment says so: %s: %s", s.Condition, s.Message)
	}
}
