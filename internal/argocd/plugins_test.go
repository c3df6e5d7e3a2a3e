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
			reason:     "We should write awsAuthConfig, because no region is named.",
			credential: exec("aws", "eks", "get-token", "--cluster-name=demo", "--output=json"),
			want:       `{"tlsClientConfig":{"insecure":false},"awsAuthConfig":{"clusterName":"demo"}}`,
		},
		"AWSRegionInEnvironment": {
			reason: "We should read the region from a variable, because the AWS CLI does the same.",
			credential: kubeconfig.Credential{Exec: &kubeconfig.Exec{
				Name: "aws", Args: []string{"eks", "get-token", "--cluster-name", "demo"},
				Env: map[string]string{"AWS_DEFAULT_REGION": "us-gov-west-1", "AWS_STS_REGIONAL_ENDPOINTS": "regional"},
			}},
			want: `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["aws","--cluster-name","demo"],"env":{"AWS_REGION":"us-gov-west-1"},"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"IAMAuthenticator": {
			reason:     "We should read aws-iam-authenticator's short flag, because most kubeconfigs have it.",
			credential: exec("aws-iam-authenticator", "token", "-i", "demo"),
			want:       `{"tlsClientConfig":{"insecure":false},"awsAuthConfig":{"clusterName":"demo"}}`,
		},
		"IAMAuthenticatorWithRegion": {
			reason:     "We should read aws-iam-authenticator's long flag, because some kubeconfigs have it.",
			credential: exec("aws-iam-authenticator", "--region", "eu-west-1", "token", "--cluster-id=demo"),
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["aws","--cluster-name","demo"],"env":{"AWS_REGION":"eu-west-1"},"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"KubeloginShortFlags": {
			reason:     "We should read kubelogin's short flags, because people write them.",
			credential: exec("kubelogin", "get-token", "-l", "azurecli", "-t", "contoso.onmicrosoft.com"),
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"],"env":{"AZURE_TENANT_ID":"contoso.onmicrosoft.com"},"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"KubeloginBare": {
			reason:     "We should set nothing by default, because Argo CD's plugin has kubelogin's defaults.",
			credential: exec("kubelogin", "get-token"),
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"],"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"KubeloginOfAPerson": {
			reason:     "We should ignore how a person logs in, because Argo CD uses its own identity.",
			credential: exec("kubelogin", "get-token", "--login", "interactive", "--login-hint", "a@example.org", "--redirect-url", "http://localhost:8000", "--subscription=x", "--client-id", "80faf920-1908-4b52-b5ef-a8e7bedfc67a"),
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"],"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"KubeloginServerID": {
			reason:     "We should accept AKS's own application in capitals, because a UUID is the same in both.",
			credential: exec("kubelogin", "get-token", "--server-id", "6DAE42F8-4368-4678-94FF-3960E28E3630", "-s", "x"),
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"],"env":{"AAD_SERVER_APPLICATION_ID":"6DAE42F8-4368-4678-94FF-3960E28E3630"},"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"AWSOutposts": {
			reason:     "We should use an ID, because a cluster on Outposts has one instead of a name.",
			credential: exec("aws", "--region", "eu-west-1", "eks", "get-token", "--cluster-id", "0a1b2c3d-4e5f-6789-abcd-ef0123456789", "--output", "json"),
			want:       `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["aws","--cluster-name","0a1b2c3d-4e5f-6789-abcd-ef0123456789"],"env":{"AWS_REGION":"eu-west-1"},"apiVersion":"client.authentication.k8s.io/v1beta1"}}`,
		},
		"GCPAuthProvider": {
			reason:     "We should translate the old auth-provider and ignore its token, because the token is the caller's.",
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
		"None":             {"We should say what to set, because Argo CD cannot connect without credentials.", kubeconfig.Credential{}, "the kubeconfig's user has no credentials; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"Unknown":          {"We should name an unknown plugin, because the user must replace it.", exec("my-plugin", "canary"), "the kubeconfig's user runs the plugin my-plugin, which has no equivalent in Argo CD; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"UnknownUnnamed":   {"We should not repeat what does not look like a name, because it may hold a secret.", exec("canary\nplugin"), "the kubeconfig's user runs the plugin (name withheld), which has no equivalent in Argo CD; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"UnknownNewline":   {"We should not repeat a name with a line break, because it is not a plain name.", exec("canary\n"), "the kubeconfig's user runs the plugin (name withheld), which has no equivalent in Argo CD; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"AuthProvider":     {"We should name an unknown auth-provider, because the user must replace it.", authProvider("oidc", nil), "the kubeconfig's user has the auth-provider oidc, which has no equivalent in Argo CD; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"AuthProviderName": {"We should not repeat what does not look like a name, because it may hold a secret.", authProvider("a b", nil), "the kubeconfig's user has the auth-provider (name withheld), which has no equivalent in Argo CD; set credentials.type to Token, AWS, Azure, GCP or Exec"},

		"AWSRoleARN":     {"We should refuse --role-arn, because a kubeconfig must not choose the identity.", aws("--role-arn", "canary"), "the kubeconfig's user runs aws with --role-arn" + identity + "AWS and credentials.aws.roleARN instead"},
		"AWSRole":        {"We should refuse --role, because aws eks update-kubeconfig writes it for a role.", aws("--role", "canary"), "the kubeconfig's user runs aws with --role" + identity + "AWS and credentials.aws.roleARN instead"},
		"AWSProfile":     {"We should refuse --profile, because a kubeconfig must not choose the identity.", aws("--profile", "canary"), "the kubeconfig's user runs aws with --profile" + identity + "AWS and credentials.aws.profile instead"},
		"AWSProfileEnv":  {"We should refuse AWS_PROFILE, because it sets the profile as --profile does.", env(aws(), "AWS_PROFILE"), "the kubeconfig's user runs aws with AWS_PROFILE" + identity + "AWS and credentials.aws.profile instead"},
		"AWSEnv":         {"We should refuse unknown variables, because they may change the identity.", env(aws(), "AWS_ROLE_ARN"), "the kubeconfig's user runs aws with environment variables that could change the identity Argo CD uses; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"AWSEndpoint":    {"We should refuse an endpoint, because it would receive the caller's credentials.", aws("--endpoint-url", "canary"), "the kubeconfig's user runs aws" + arguments},
		"AWSSubcommand":  {"We should refuse another command, because it does not print a token for EKS.", exec("aws", "s3", "ls"), "the kubeconfig's user runs aws" + arguments},
		"AWSNameAndID":   {"We should refuse a name and an ID, because we cannot know which is meant.", aws("--cluster-id", "canary"), "the kubeconfig's user runs aws with both --cluster-name and --cluster-id; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"AWSNoCluster":   {"We should refuse no cluster, because a token is for one cluster.", exec("aws", "eks", "get-token"), "the kubeconfig's user runs aws without the name of an EKS cluster; set credentials.type AWS and credentials.aws.clusterName"},
		"AWSBadCluster":  {"We should refuse a name that looks like a flag, because Argo CD's plugin would read it as one.", exec("aws", "eks", "get-token", "--cluster-name", "-canary"), "the kubeconfig's user runs aws without the name of an EKS cluster; set credentials.type AWS and credentials.aws.clusterName"},
		"AWSBadRegion":   {"We should refuse an invalid region, because it becomes part of a URL.", aws("--region", "canary.example.org/"), "the kubeconfig's user runs aws with an invalid region; set credentials.type AWS and credentials.aws.region"},
		"IAMRole":        {"We should refuse --role, because a kubeconfig must not choose the identity.", iam("--role", "canary"), "the kubeconfig's user runs aws-iam-authenticator with --role" + identity + "AWS and credentials.aws.roleARN instead"},
		"IAMRoleShort":   {"We should refuse -r, because it chooses a role as --role does.", iam("-r", "canary"), "the kubeconfig's user runs aws-iam-authenticator with --role" + identity + "AWS and credentials.aws.roleARN instead"},
		"IAMExternalID":  {"We should refuse an external ID, because it is used to assume a role.", iam("-e", "canary"), "the kubeconfig's user runs aws-iam-authenticator with --external-id" + identity + "AWS and credentials.aws instead"},
		"IAMSessionName": {"We should refuse a session's name, because it names the caller.", iam("--session-name", "canary"), "the kubeconfig's user runs aws-iam-authenticator with --session-name" + identity + "AWS and credentials.aws instead"},
		"IAMProfileEnv":  {"We should refuse AWS_PROFILE, because a kubeconfig must not choose the identity.", env(iam(), "AWS_PROFILE"), "the kubeconfig's user runs aws-iam-authenticator with AWS_PROFILE" + identity + "AWS and credentials.aws.profile instead"},

		"AzureServerID":       {"We should refuse another application, because the kubeconfig's server would receive a token for it.", kubelogin("--server-id", "797f4846-ba00-4fd7-ba43-dac1f8f63013"), serverID},
		"AzureServerIDNoUUID": {"We should refuse another application and not repeat it, because it may hold anything.", kubelogin("--server-id", "https://canary"), serverID},
		"AzureProvider":       {"We should refuse another application of the older plugin, because it is the same field by another name.", authProvider("azure", map[string]string{"apiserver-id": "00000003-0000-0000-c000-000000000000"}), serverID},
		"AzureTenant":         {"We should refuse an invalid tenant, because it becomes part of a URL.", kubelogin("--tenant-id", "canary/../x"), "the kubeconfig's user names an Azure tenant that is neither a UUID nor a domain; set credentials.type Azure and credentials.azure.tenantID"},
		"AzureEnvironment":    {"We should refuse AzureStackCloud, because its client reads a file.", kubelogin("-e", "AzureStackCloud"), "the kubeconfig's user names an unknown Azure environment; set credentials.type Azure and credentials.azure.environment"},
		"AzureUnknownFlag":    {"We should refuse an unknown flag, because it may change the identity.", kubelogin("--pop-enabled"), "the kubeconfig's user runs kubelogin" + arguments},
		"AzureEnv":            {"We should refuse unknown variables, because they may change the identity.", env(kubelogin(), "AZURE_CLIENT_ID"), "the kubeconfig's user runs kubelogin with environment variables that could change the identity Argo CD uses; set credentials.type to Token, AWS, Azure, GCP or Exec"},
		"GCPArguments":        {"We should refuse arguments of Google's plugin, because they may change the identity.", exec("gke-gcloud-auth-plugin", "canary"), "the kubeconfig's user runs gke-gcloud-auth-plugin" + arguments},
		"GCPEnv":              {"We should refuse variables of Google's plugin, because they may change the identity.", env(exec("gke-gcloud-auth-plugin"), "GOOGLE_APPLICATION_CREDENTIALS"), "the kubeconfig's user runs gke-gcloud-auth-plugin with environment variables that could change the identity Argo CD uses; set credentials.type to Token, AWS, Azure, GCP or Exec"},
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
