package argocd

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// TestUsePlugin covers what of the translation of plugins the samples do not.
func TestUsePlugin(t *testing.T) {
	exec := func(name string, args ...string) kubeconfig.Credential {
		return kubeconfig.Credential{Exec: &kubeconfig.Exec{Name: name, Args: args}}
	}
	cases := map[string]struct {
		reason     string
		credential kubeconfig.Credential
		want       string
	}{
		"AWSWithoutRegion": {
			reason:     "awsAuthConfig is enough where no region is named.",
			credential: exec("aws", "eks", "get-token", "--cluster-name=demo", "--output=json"),
			want:       `{"tlsClientConfig":{"insecure":false},"awsAuthConfig":{"clusterName":"demo"}}`,
		},
		"AWSRegionInEnvironment": {
			reason: "A region may be in the environment.",
			credential: kubeconfig.Credential{Exec: &kubeconfig.Exec{
				Name: "aws", Args: []string{"eks", "get-token", "--cluster-name", "demo"},
				Env: map[string]string{"AWS_DEFAULT_REGION": "us-gov-west-1", "AWS_STS_REGIONAL_ENDPOINTS": "regional"},
			}},
			want: `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["aws","--cluster-name","demo"],"env":{"AWS_REGION":"us-gov-west-1"},"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"IAMAuthenticator": {
			reason:     "aws-iam-authenticator, with its short flag.",
			credential: exec("aws-iam-authenticator", "token", "-i", "demo"),
			want:       `{"tlsClientConfig":{"insecure":false},"awsAuthConfig":{"clusterName":"demo"}}`,
		},
		"IAMAuthenticatorWithRegion": {
			reason:     "aws-iam-authenticator, with its long flag.",
			credential: exec("aws-iam-authenticator", "--region", "eu-west-1", "token", "--cluster-id=demo"),
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["aws","--cluster-name","demo"],"env":{"AWS_REGION":"eu-west-1"},"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"KubeloginShortFlags": {
			reason:     "kubelogin's short flags, and none for what has a default.",
			credential: exec("kubelogin", "get-token", "-l", "azurecli", "-t", "contoso.onmicrosoft.com"),
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"],"env":{"AZURE_TENANT_ID":"contoso.onmicrosoft.com"},"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"KubeloginBare": {
			reason:     "kubelogin's defaults are those of Argo CD's plugin.",
			credential: exec("kubelogin", "get-token"),
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"],"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"GCPAuthProvider": {
			reason:     "The auth-provider that gke-gcloud-auth-plugin replaced, whose cached token is the caller's.",
			credential: kubeconfig.Credential{AuthProvider: &kubeconfig.AuthProvider{Name: "gcp", Config: map[string]string{"access-token": "x", "cmd-path": "/usr/bin/gcloud"}}},
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["gcp"],"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cfg, err := NewClusterConfig(&kubeconfig.Connection{Server: "https://192.0.2.1"})
			if err != nil {
				t.Fatal(err)
			}
			if err := cfg.UsePlugin(tc.credential); err != nil {
				t.Fatalf("\n%s\nUsePlugin(...): %v", tc.reason, err)
			}
			got, err := json.Marshal(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Errorf("\n%s\nUsePlugin(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
