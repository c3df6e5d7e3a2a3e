package argocd

import (
	"encoding/json"
	"strings"
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
		"KubeloginOfAPerson": {
			reason:     "How and as whom a person logs in makes no difference for Argo CD.",
			credential: exec("kubelogin", "get-token", "--login", "interactive", "--login-hint", "a@example.org", "--redirect-url", "http://localhost:8000", "--subscription=x", "--client-id", "80faf920-1908-4b52-b5ef-a8e7bedfc67a"),
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"],"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"KubeloginServerID": {
			reason:     "AKS's own application is the only one that a kubeconfig may name, in either case.",
			credential: exec("kubelogin", "get-token", "--server-id", "6DAE42F8-4368-4678-94FF-3960E28E3630", "-s", "x"),
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"],"env":{"AAD_SERVER_APPLICATION_ID":"6DAE42F8-4368-4678-94FF-3960E28E3630"},"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"AWSOutposts": {
			reason:     "A cluster on Outposts has an ID instead of a name.",
			credential: exec("aws", "--region", "eu-west-1", "eks", "get-token", "--cluster-id", "0a1b2c3d-4e5f-6789-abcd-ef0123456789", "--output", "json"),
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["aws","--cluster-name","0a1b2c3d-4e5f-6789-abcd-ef0123456789"],"env":{"AWS_REGION":"eu-west-1"},"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"GCPAuthProvider": {
			reason:     "The auth-provider that gke-gcloud-auth-plugin replaced, whose cached token is the caller's.",
			credential: kubeconfig.Credential{AuthProvider: &kubeconfig.AuthProvider{Name: "gcp", Config: map[string]string{"access-token": "x", "cmd-path": "/usr/bin/gcloud"}}},
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["gcp"],"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cfg := NewClusterConfig(&kubeconfig.Connection{Server: "https://192.0.2.1"})
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

// TestUsePluginRefused covers what would let a kubeconfig choose whose token Argo CD gets, or
// what it is for. No message holds an argument, or a line break.
func TestUsePluginRefused(t *testing.T) {
	exec := func(name string, args ...string) kubeconfig.Credential {
		return kubeconfig.Credential{Exec: &kubeconfig.Exec{Name: name, Args: args}}
	}
	env := func(c kubeconfig.Credential, name string) kubeconfig.Credential {
		c.Exec.Env = map[string]string{name: "canary"}
		return c
	}
	kubelogin := func(args ...string) kubeconfig.Credential {
		return exec("kubelogin", append([]string{"get-token"}, args...)...)
	}
	aws := func(args ...string) kubeconfig.Credential {
		return exec("aws", append([]string{"eks", "get-token", "--cluster-name", "demo"}, args...)...)
	}
	iam := func(args ...string) kubeconfig.Credential {
		return exec("aws-iam-authenticator", append([]string{"token", "-i", "demo"}, args...)...)
	}
	authProvider := func(name string, config map[string]string) kubeconfig.Credential {
		return kubeconfig.Credential{AuthProvider: &kubeconfig.AuthProvider{Name: name, Config: config}}
	}
	const (
		identity  = ", which would let the kubeconfig choose the identity that Argo CD uses; set credentials.type "
		arguments = " with arguments that have no equivalent in Argo CD; set credentials.type to Token, AWS, Azure, GCP or Exec"
		serverID  = "the kubeconfig's user names an Azure server application other than AKS's own, so it would choose what Argo CD's token is for; set credentials.type Azure and credentials.azure.serverID"
	)
	azure := func(flag string) string {
		return "the kubeconfig's user runs kubelogin with --" + flag + identity + "Azure and credentials.azure instead"
	}
	type test struct {
		reason     string
		credential kubeconfig.Credential
		want       string
	}
	cases := map[string]test{
		"None":             {"We should say how to do without credentials.", kubeconfig.Credential{}, "the kubeconfig's user has no credentials; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"Unknown":          {"We should name a plugin that we do not know.", exec("my-plugin", "canary"), "the kubeconfig's user runs the plugin my-plugin, which has no equivalent in Argo CD; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"UnknownUnnamed":   {"We should not repeat what does not look like a name.", exec("canary\nplugin"), "the kubeconfig's user runs the plugin (name withheld), which has no equivalent in Argo CD; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"UnknownNewline":   {"We should not repeat a line break at the end of a name.", exec("canary\n"), "the kubeconfig's user runs the plugin (name withheld), which has no equivalent in Argo CD; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"AuthProvider":     {"We should name an auth-provider that we do not know.", authProvider("oidc", nil), "the kubeconfig's user has the auth-provider oidc, which has no equivalent in Argo CD; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"AuthProviderName": {"We should not repeat what does not look like a name.", authProvider("a b", nil), "the kubeconfig's user has the auth-provider (name withheld), which has no equivalent in Argo CD; set credentials.type to Token, AWS, Azure, GCP or Exec"},

		"AWSRoleARN":     {"A role is the caller's.", aws("--role-arn", "canary"), "the kubeconfig's user runs aws with --role-arn" + identity + "AWS and credentials.aws.roleARN instead"},
		"AWSRole":        {"aws eks update-kubeconfig --role-arn writes --role.", aws("--role", "canary"), "the kubeconfig's user runs aws with --role" + identity + "AWS and credentials.aws.roleARN instead"},
		"AWSProfile":     {"So is a profile.", aws("--profile", "canary"), "the kubeconfig's user runs aws with --profile" + identity + "AWS and credentials.aws.profile instead"},
		"AWSProfileEnv":  {"Wherever it is set.", env(aws(), "AWS_PROFILE"), "the kubeconfig's user runs aws with AWS_PROFILE" + identity + "AWS and credentials.aws.profile instead"},
		"AWSEnv":         {"We should not pass on what we do not know.", env(aws(), "AWS_ROLE_ARN"), "the kubeconfig's user runs aws with environment variables that could change the identity Argo CD uses; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"AWSEndpoint":    {"We should refuse an endpoint, to which the caller's credentials would go.", aws("--endpoint-url", "canary"), "the kubeconfig's user runs aws" + arguments},
		"AWSSubcommand":  {"We should refuse other commands.", exec("aws", "s3", "ls"), "the kubeconfig's user runs aws" + arguments},
		"AWSNameAndID":   {"A cluster has a name or an ID.", aws("--cluster-id", "canary"), "the kubeconfig's user runs aws with both --cluster-name and --cluster-id; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"AWSNoCluster":   {"We should have a cluster.", exec("aws", "eks", "get-token"), "the kubeconfig's user runs aws without the name of an EKS cluster; set credentials.type AWS and credentials.aws.clusterName"},
		"AWSBadCluster":  {"We should check its name.", exec("aws", "eks", "get-token", "--cluster-name", "-canary"), "the kubeconfig's user runs aws without the name of an EKS cluster; set credentials.type AWS and credentials.aws.clusterName"},
		"AWSBadRegion":   {"We should check the region, which becomes part of a URL.", aws("--region", "canary.example.org/"), "the kubeconfig's user runs aws with an invalid region; set credentials.type AWS and credentials.aws.region"},
		"IAMRole":        {"A role is the caller's.", iam("--role", "canary"), "the kubeconfig's user runs aws-iam-authenticator with --role" + identity + "AWS and credentials.aws.roleARN instead"},
		"IAMRoleShort":   {"By its short flag, too.", iam("-r", "canary"), "the kubeconfig's user runs aws-iam-authenticator with --role" + identity + "AWS and credentials.aws.roleARN instead"},
		"IAMExternalID":  {"So is an external ID.", iam("-e", "canary"), "the kubeconfig's user runs aws-iam-authenticator with --external-id" + identity + "AWS and credentials.aws instead"},
		"IAMSessionName": {"So is a session's name.", iam("--session-name", "canary"), "the kubeconfig's user runs aws-iam-authenticator with --session-name" + identity + "AWS and credentials.aws instead"},
		"IAMProfileEnv":  {"So is a profile.", env(iam(), "AWS_PROFILE"), "the kubeconfig's user runs aws-iam-authenticator with AWS_PROFILE" + identity + "AWS and credentials.aws.profile instead"},

		"AzureServerID":       {"A token for Azure's own API would go to the kubeconfig's server.", kubelogin("--server-id", "797f4846-ba00-4fd7-ba43-dac1f8f63013"), serverID},
		"AzureServerIDNoUUID": {"We should not repeat it.", kubelogin("--server-id", "https://canary"), serverID},
		"AzureProvider":       {"The older plugin names it otherwise.", authProvider("azure", map[string]string{"apiserver-id": "00000003-0000-0000-c000-000000000000"}), serverID},
		"AzureTenant":         {"We should check the tenant, which becomes part of a URL.", kubelogin("--tenant-id", "canary/../x"), "the kubeconfig's user names an Azure tenant that is neither a UUID nor a domain; set credentials.type Azure and credentials.azure.tenantID"},
		"AzureEnvironment":    {"We should refuse an environment that is read from a file.", kubelogin("-e", "AzureStackCloud"), "the kubeconfig's user names an unknown Azure environment; set credentials.type Azure and credentials.azure.environment"},
		"AzureUnknownFlag":    {"We should refuse what we do not know.", kubelogin("--pop-enabled"), "the kubeconfig's user runs kubelogin" + arguments},
		"AzureEnv":            {"We should not pass on what we do not know.", env(kubelogin(), "AZURE_CLIENT_ID"), "the kubeconfig's user runs kubelogin with environment variables that could change the identity Argo CD uses; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"GCPArguments":        {"Google's plugin has no arguments.", exec("gke-gcloud-auth-plugin", "canary"), "the kubeconfig's user runs gke-gcloud-auth-plugin" + arguments},
		"GCPEnv":              {"Nor an environment.", env(exec("gke-gcloud-auth-plugin"), "GOOGLE_APPLICATION_CREDENTIALS"), "the kubeconfig's user runs gke-gcloud-auth-plugin with environment variables that could change the identity Argo CD uses; set credentials.type to Token, AWS, Azure, GCP or Exec"},
	}
	for _, flag := range []string{
		"client-secret", "client-certificate", "client-certificate-password", "username", "password",
		"identity-resource-id", "federated-token-file", "authority-host", "azure-pipelines-service-connection-id",
	} {
		cases["Azure"+flag] = test{"What names the caller is the author's to set.", kubelogin("--"+flag, "canary"), azure(flag)}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cfg := &ClusterConfig{}
			err := cfg.UsePlugin(tc.credential)
			if diff := cmp.Diff(error(kubeconfig.Unsupported(tc.want)), err); diff != "" {
				t.Errorf("\n%s\nUsePlugin(...): -want error, +got error:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(&ClusterConfig{}, cfg); diff != "" {
				t.Errorf("\n%s\nUsePlugin(...): -want, +got:\n%s", tc.reason, diff)
			}
			if strings.Contains(tc.want, "canary") || strings.Contains(tc.want, "\n") {
				t.Errorf("\n%s\nUsePlugin(...): the message repeats the kubeconfig", tc.reason)
			}
		})
	}
}
