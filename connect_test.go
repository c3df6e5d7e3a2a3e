package main

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCredentials checks how Argo CD connects by the kubeconfigs of many clouds and tools. What is
// refused is in TestRefused.
func TestCredentials(t *testing.T) {
	const (
		azure = `"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"],"env":{"AAD_ENVIRONMENT_NAME":"AzurePublicCloud","AAD_SERVER_APPLICATION_ID":"6dae42f8-4368-4678-94ff-3960e28e3630","AZURE_TENANT_ID":"11111111-2222-3333-4444-555555555555"},"apiVersion":"client.authentication.k8s.io/v1beta1"}`
		gcp   = `"execProviderConfig":{"command":"argocd-k8s-auth","args":["gcp"],"apiVersion":"client.authentication.k8s.io/v1beta1"}`
	)
	fake := map[string]string{"kubeconfig": kubeconfigOf("https://api.example.org", "token: fake-token")}
	type want struct {
		server string

		// golden is the file of the config.
		golden string

		// or config is the config, with placeholders for what is long.
		config string
	}
	cases := map[string]struct {
		reason   string
		input    string
		resource string
		details  map[string]string

		// observed are other composed resources, and status is what an earlier step desires
		// of the XR.
		observed map[string]observation
		status   string
		want     want
	}{
		"AKSLocalAccount": {
			reason:   "We should use a local account's certificate and leave its token out, because argocd cluster add does the same.",
			resource: aks,
			details:  connectionDetails(t, "conn-aks-local.yaml"),
			want:     want{server: "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443", golden: "argocd-config-aks-local.json"},
		},
		"AKSWithAAD": {
			reason:   "We should translate kubelogin to Argo CD's own Azure plugin and ignore the admin kubeconfig, because it has more rights.",
			resource: aks,
			details:  connectionDetails(t, "conn-aks-aad.yaml"),
			want:     want{server: "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443", golden: "argocd-config-aks-exec.json"},
		},
		"AKSWithLegacyAAD": {
			reason:   "We should translate the old auth-provider as kubelogin, because kubelogin replaced it.",
			resource: aks,
			details:  kubeconfigDetails(t, "kc-aks-aad-authprovider-legacy.yaml"),
			want:     want{server: "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443", golden: "argocd-config-aks-exec.json"},
		},
		"GKEWithoutCredentials": {
			reason:   "We should use Argo CD's own Google identity, because GKE's provider publishes a kubeconfig without credentials.",
			resource: gke,
			details:  connectionDetails(t, "conn-gke.yaml"),
			want:     want{server: "https://34.10.20.30", golden: "argocd-config-gke-exec.json"},
		},
		"GKEDNSEndpoint": {
			reason:   "We should leave out the CA of a DNS endpoint, because its certificate is publicly trusted.",
			resource: gke,
			details:  kubeconfigDetails(t, "kc-gke-upjet-dns-endpoint.yaml"),
			want:     want{server: "https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog", config: `{"tlsClientConfig":{"insecure":false},` + gcp + `}`},
		},
		"AlmostGKEDNSEndpoint": {
			reason:   "We should keep the CA for a name that only ends like GKE's, because its certificate need not be publicly trusted.",
			resource: bucket,
			details:  map[string]string{"kubeconfig": strings.Replace(kubeconfigOf("https://notgke.goog", "token: fake-token"), "cluster: {", "cluster: {certificate-authority-data: "+sampleField(t, "kc-capi.yaml", "certificate-authority-data")+", ", 1)},
			want:     want{server: "https://notgke.goog", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false,"caData":"…"}}`},
		},
		"GKEGcloudExec": {
			reason:   "We should translate gcloud's plugin to Argo CD's own, because the input vouches for the server.",
			input:    "cluster: {server: https://34.10.20.30}",
			resource: bucket,
			details:  kubeconfigDetails(t, "kc-gke-gcloud-exec.yaml"),
			want:     want{server: "https://34.10.20.30", golden: "argocd-config-gke-exec.json"},
		},
		"GKEClientCertificate": {
			reason:   "We should prefer a client certificate, because kubectl does the same.",
			resource: gke,
			details:  kubeconfigDetails(t, "kc-gke-upjet-clientcert.yaml"),
			want:     want{server: "https://34.10.20.30", config: `{"tlsClientConfig":{"insecure":false,"certData":"…","keyData":"…","caData":"…"}}`},
		},
		"EKSToken": {
			reason:   "We should use a token, because it is all that EKS publishes.",
			resource: bucket,
			details:  connectionDetails(t, "conn-eks-clusterauth.yaml"),
			want:     want{server: "https://0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false,"caData":"…"}}`},
		},
		"EKSExecWithRegion": {
			reason:   "We should translate the AWS CLI to Argo CD's own plugin, which has a place for the region, because the input vouches for the server.",
			input:    "cluster: {server: 0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com}",
			resource: bucket,
			details:  kubeconfigDetails(t, "kc-eks-awscli-plain.yaml"),
			want:     want{server: "https://0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com", golden: "argocd-config-eks-exec-region.json"},
		},
		"ClusterAPI": {
			reason:   "We should find a kubeconfig under a generic key, because Cluster API uses one.",
			resource: bucket,
			details:  connectionDetails(t, "conn-capi-secret.yaml"),
			want:     want{server: "https://10.0.0.10:6443", config: `{"tlsClientConfig":{"insecure":false,"certData":"…","keyData":"…","caData":"…"}}`},
		},
		"RancherWithPath": {
			reason:   "We should keep a server's path and use only the current context, because Rancher serves all clusters on one host.",
			resource: bucket,
			details:  kubeconfigDetails(t, "kc-rancher-ace.yaml"),
			want:     want{server: "https://rancher.example.org/k8s/clusters/c-m-abcd1234", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false}}`},
		},
		"OpenShiftSeveralContexts": {
			reason:   "We should follow names with slashes and colons, because OpenShift writes them.",
			resource: bucket,
			details:  kubeconfigDetails(t, "kc-openshift-multi-ctx.yaml"),
			want:     want{server: "https://api.demo.example.org:6443", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false}}`},
		},
		"Base64": {
			reason:   "We should decode base64 once, because some providers publish it.",
			resource: bucket,
			details:  map[string]string{"attribute.kubeconfig": sample(t, "edge-base64-wrapped.txt")},
			want:     want{server: "https://10.0.0.1:6443", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false,"caData":"…"}}`},
		},
		"TrailingSlash": {
			reason:   "We should remove a trailing slash, because Argo CD compares servers without one.",
			resource: bucket,
			details:  kubeconfigDetails(t, "edge-trailing-slash.yaml"),
			want:     want{server: "https://10.0.0.1:6443", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false,"caData":"…"}}`},
		},
		"BasicAuth": {
			reason:   "We should use a username with a password, because Argo CD supports them.",
			resource: bucket,
			details:  map[string]string{"kubeconfig": kubeconfigOf("https://[2001:db8::1]:6443", "username: admin, password: canary-password")},
			want:     want{server: "https://[2001:db8::1]:6443", config: `{"username":"admin","password":"canary-password","tlsClientConfig":{"insecure":false}}`},
		},
		"ServerOfFieldIsAHost": {
			reason:   "We should take a bare host from a field, because GKE's and AKS's status has one.",
			input:    "cluster: {serverFrom: {fieldPath: spec.parameters.host}}",
			resource: bucket,
			details:  fake,
			want:     want{server: "https://api.prod.example.org", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false}}`},
		},
		"ServerOfFieldIsAHostAndPort": {
			reason:   "We should take a host and port from a field, because some clouds' status has them.",
			input:    "cluster: {serverFrom: {fieldPath: spec.parameters.hostPort}}",
			resource: bucket,
			details:  fake,
			want:     want{server: "https://api.prod.example.org:6443", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false}}`},
		},
		"ServerIsAHost": {
			reason:   "We should take a bare host from the input, because a field may give one too.",
			input:    "cluster: {server: api.prod.example.org}",
			resource: bucket,
			details:  fake,
			want:     want{server: "https://api.prod.example.org", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false}}`},
		},
		"ServerIsAHostAndPort": {
			reason:   "We should take a host and port from the input, because a field may give them too.",
			input:    `cluster: {server: "api.prod.example.org:6443"}`,
			resource: bucket,
			details:  fake,
			want:     want{server: "https://api.prod.example.org:6443", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false}}`},
		},
		"ServerIsAnIPv6Address": {
			reason:   "We should put an IPv6 address in brackets, because a URL needs them.",
			input:    `cluster: {server: "2001:db8::1"}`,
			resource: bucket,
			details:  fake,
			want:     want{server: "https://[2001:db8::1]", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false}}`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			observed := clusterOf(tc.resource, tc.details)
			maps.Copy(observed, tc.observed)
			req := newRequest(t, legacyXR, tc.input, observed)
			req.Context = mustStruct(t, environment)
			if tc.status != "" {
				req.Desired.Composite.Resource = mustStruct(t, tc.status)
			}
			data := dataOf(secretOf(t, summarize(t, run(t, req), "argocd-cluster")))
			if diff := cmp.Diff(tc.want.server, data["server"]); diff != "" {
				t.Errorf("%s\nserver: -want, +got:\n%s", tc.reason, diff)
			}
			want, got := tc.want.config, data["config"]
			if tc.want.golden != "" {
				want = strings.TrimSpace(sample(t, tc.want.golden))
			} else {
				got = shorten(got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\nconfig: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// shorten puts … for every long string in JSON.
func shorten(j string) string {
	parts := strings.Split(j, `"`)
	for i, p := range parts {
		if i%2 == 1 && (len(p) > 60 || p == "fake-token" || strings.HasPrefix(p, "sha256~")) {
			parts[i] = "…"
		}
	}
	return strings.Join(parts, `"`)
}
