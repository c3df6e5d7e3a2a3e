package main

import (
	"strings"
	"testing"
	"time"
)

// TestRefused checks that a cluster is not registered by a kubeconfig that Argo CD cannot connect
// with, or must not, and that the condition says what to do.
func TestRefused(t *testing.T) {
	const loopback = "the kubeconfig's server is a loopback address, which Argo CD would resolve to its own Pod. Set cluster.server to an address that Argo CD can reach"
	invalid, unsupported := reasonInvalidKubeconfig, reasonUnsupportedCredentials
	user := func(user string) map[string]observation {
		return publishing(kubeconfigOf("https://api.example.org", user))
	}
	exec := func(exec string) map[string]observation {
		return user("exec: {apiVersion: client.authentication.k8s.io/v1beta1, " + exec + "}")
	}
	server := func(server string) map[string]observation {
		return publishing(kubeconfigOf(server, "token: canary-token"))
	}
	cluster := func(extra string) map[string]observation {
		return publishing(strings.Replace(kubeconfigOf("https://api.example.org", "token: canary-token"), "cluster: {", "cluster: {"+extra+", ", 1))
	}
	good := clusterOf(aks, connectionDetails(t, "conn-aks-local.yaml"))

	cases := map[string]notRegistered{
		"FileReferenceOfClusterWithOwnIdentity": {
			reason:   "We should refuse a CA in a file even with Argo CD's own identity, because the server comes from the kubeconfig.",
			input:    "credentials: {type: GCP}",
			observed: publishing(sample(t, "edge-file-refs.yaml")),
			want:     refusal{reason: invalid, message: "the kubeconfig's cluster refers to a file (certificate-authority); embed it as certificate-authority-data"},
		},
		"DuplicateUser": {
			reason:   "We should drop the decoder's error, because it quotes both tokens.",
			observed: publishing(sample(t, "edge-duplicate-user.yaml")),
			want:     refusal{reason: invalid, message: "the kubeconfig cannot be decoded"},
		},
		"UnknownAnchor": {
			reason:   "We should drop the decoder's error, because it quotes the anchor.",
			observed: publishing("token: *canary-token"),
			want:     refusal{reason: invalid, message: "the kubeconfig cannot be decoded"},
		},
		"NeitherYAMLNorBase64": {
			reason:   "We should refuse text that is neither a mapping nor base64, because a Secret may hold anything.",
			observed: publishing("canary-token"),
			want:     refusal{reason: invalid, message: "the kubeconfig is not valid YAML, JSON or base64"},
		},
		"OtherKind": {
			reason:   "We should refuse another kind of object, because it does not say how to connect.",
			observed: publishing("{apiVersion: v1, kind: Secret}"),
			want:     refusal{reason: invalid, message: "the kubeconfig cannot be decoded"},
		},
		"TooLarge": {
			reason:   "We should refuse what is larger than any kubeconfig, because decoding it takes time and memory.",
			observed: publishing(sample(t, "kc-capi.yaml") + strings.Repeat("#", 512<<10)),
			want:     refusal{reason: invalid, message: "larger than 512 KiB"},
		},
		"FileReferences": {
			reason:   "We should refuse files, because a file of the function's own container must not become a credential.",
			observed: publishing(sample(t, "edge-file-refs.yaml")),
			want:     refusal{reason: invalid, message: "the kubeconfig's cluster refers to a file (certificate-authority); embed it as certificate-authority-data"},
		},
		"TokenFile": {
			reason:   "We should refuse files, because a file of the function's own container must not become a credential.",
			observed: user("tokenFile: /etc/hostname, token: canary-token"),
			want:     refusal{reason: unsupported, message: "refers to files (client-certificate, client-key or tokenFile)"},
		},
		"Impersonation": {
			reason:   "We should refuse impersonation, because Argo CD cannot impersonate and would have other rights.",
			observed: publishing(sample(t, "edge-impersonate.yaml")),
			want:     refusal{reason: unsupported, message: "the kubeconfig's user uses impersonation, which Argo CD does not support"},
		},
		"ImpersonatedUser": {
			reason:   "We should refuse each field by itself, because each impersonates.",
			observed: user("token: canary-token, as: alice"),
			want:     refusal{reason: unsupported, message: "the kubeconfig's user uses impersonation, which Argo CD does not support"},
		},
		"ImpersonatedUID": {
			reason:   "We should refuse each field by itself, because each impersonates.",
			observed: user("token: canary-token, as-uid: canary-uid"),
			want:     refusal{reason: unsupported, message: "the kubeconfig's user uses impersonation, which Argo CD does not support"},
		},
		"ImpersonatedGroups": {
			reason:   "We should refuse each field by itself, because each impersonates.",
			observed: user("token: canary-token, as-groups: [canary-group]"),
			want:     refusal{reason: unsupported, message: "the kubeconfig's user uses impersonation, which Argo CD does not support"},
		},
		"ImpersonatedExtra": {
			reason:   "We should refuse each field by itself, because each impersonates.",
			observed: user("token: canary-token, as-user-extra: {x: [canary-extra]}"),
			want:     refusal{reason: unsupported, message: "the kubeconfig's user uses impersonation, which Argo CD does not support"},
		},
		"InsecureWithCA": {
			reason:   "We should refuse a server that is not verified, because another server could take its place.",
			observed: publishing(sample(t, "edge-insecure-with-ca.yaml")),
			want:     refusal{reason: invalid, message: "sets insecure-skip-tls-verify, so the server would not be verified"},
		},
		"InClusterServer": {
			reason:   "We should refuse an in-cluster address, because Argo CD takes it for its own cluster.",
			observed: publishing(sample(t, "edge-in-cluster-server.yaml")),
			want:     refusal{reason: invalid, message: "is an in-cluster address, which Argo CD takes for the cluster it runs in"},
		},
		"InClusterServerSpeltOtherwise": {
			reason:   "We should refuse the in-cluster address however it is spelt, because resolvers take all spellings.",
			observed: server("https://Kubernetes.Default.svc.:443/"),
			want:     refusal{reason: invalid, message: "is an in-cluster address, which Argo CD takes for the cluster it runs in"},
		},
		"InClusterServerInFull": {
			reason:   "We should refuse the in-cluster address in full, because it is the hub all the same.",
			observed: server("https://kubernetes.default.svc.cluster.local:443"),
			want:     refusal{reason: invalid, message: "is an in-cluster address, which Argo CD takes for the cluster it runs in"},
		},
		"Loopback": {
			reason:   "We should refuse a loopback address, because Argo CD would connect to itself.",
			observed: server("https://127.0.0.1:6443"),
			want:     refusal{reason: invalid, message: loopback},
		},
		"Localhost": {
			reason:   "We should refuse localhost, because Argo CD would connect to itself.",
			observed: server("https://localhost:8443"),
			want:     refusal{reason: invalid, message: loopback},
		},
		"LoopbackIPv6": {
			reason:   "We should refuse a loopback address of IPv6, because Argo CD would connect to itself.",
			observed: server("https://[::1]:8443"),
			want:     refusal{reason: invalid, message: loopback},
		},
		"HTTP": {
			reason:   "We should refuse http, because credentials would be sent unencrypted.",
			observed: server("http://api.example.org"),
			want:     refusal{reason: invalid, message: "the kubeconfig's server uses http, which would send credentials unencrypted; use https"},
		},
		"NoServer": {
			reason:   "We should refuse an empty server, because there is nothing to connect to.",
			observed: server(""),
			want:     refusal{reason: invalid, message: "the kubeconfig's server is empty"},
		},
		"ServerWithPassword": {
			reason:   "We should refuse a server with a password, because Argo CD shows servers to everyone.",
			observed: server("https://user:canary-password@api.example.org"),
			want:     refusal{reason: invalid, message: "the kubeconfig's server holds credentials, which are not copied"},
		},
		"ServerNoURL": {
			reason:   "We should not quote a server that is not a URL, because it may hold anything.",
			observed: server("https://api.example.org:canary-port"),
			want:     refusal{reason: invalid, message: "the kubeconfig's server is not a URL like https://host:port"},
		},
		"ServerWithQuery": {
			reason:   "We should refuse a server with a query, because clients drop it.",
			observed: server("https://api.example.org?canary=query"),
			want:     refusal{reason: invalid, message: "the kubeconfig's server has a query or a fragment"},
		},
		"ProxyWithPassword": {
			reason:   "We should refuse a proxy with a password, because Argo CD shows its configuration.",
			observed: cluster(`proxy-url: "http://user:canary-password@proxy:3128"`),
			want:     refusal{reason: invalid, message: "proxy-url holds credentials"},
		},
		"ProxyOfUnknownScheme": {
			reason:   "We should refuse an unknown proxy scheme, because Argo CD fails on it.",
			observed: cluster(`proxy-url: "ftp://proxy.example.org"`),
			want:     refusal{reason: invalid, message: "the kubeconfig's proxy-url does not use http or https or socks5"},
		},
		"ProxyNoURL": {
			reason:   "We should refuse a proxy that is not a URL, because Argo CD fails on it.",
			observed: cluster(`proxy-url: "proxy.example.org:canary"`),
			want:     refusal{reason: invalid, message: "the kubeconfig's proxy-url is not a URL like http://host:port"},
		},
		"CANoPEM": {
			reason:   "We should refuse a CA that is not PEM, because Argo CD fails on it.",
			observed: cluster("certificate-authority-data: Y2FuYXJ5"),
			want:     refusal{reason: invalid, message: "the kubeconfig's certificate-authority-data does not hold a PEM certificate"},
		},
		"NoContext": {
			reason:   "We should refuse a kubeconfig without contexts, because nothing pairs a cluster with a user.",
			observed: publishing("{apiVersion: v1, kind: Config}"),
			want:     refusal{reason: invalid, message: "has no context"},
		},
		"SeveralContexts": {
			reason:   "We should refuse several contexts, because we cannot know which one is meant.",
			observed: publishing(strings.Replace(sample(t, "kc-rancher-ace.yaml"), "current-context", "was", 1)),
			want:     refusal{reason: invalid, message: "the kubeconfig has 2 contexts and no current-context; set kubeconfigFrom.context"},
		},
		"DanglingCurrentContext": {
			reason:   "We should refuse a missing current-context, because another context may be of another cluster.",
			observed: publishing(strings.Replace(sample(t, "kc-rancher-ace.yaml"), "current-context: demo", "current-context: canary-other", 1)),
			want:     refusal{reason: invalid, message: "does not have the context that its current-context names"},
		},
		"UnknownContext": {
			reason:   "We should refuse a missing context of the input, because another context may be of another cluster.",
			input:    "kubeconfigFrom: {context: admin}",
			observed: good,
			want:     refusal{reason: invalid, message: "the kubeconfig does not have the context set in kubeconfigFrom.context"},
		},
		"DanglingCluster": {
			reason:   "We should refuse a missing cluster, because another cluster would receive this one's credentials.",
			observed: publishing(strings.Replace(kubeconfigOf("https://api.example.org", "token: canary-token"), "{cluster: c,", "{cluster: other,", 1)),
			want:     refusal{reason: invalid, message: "names a cluster that the kubeconfig does not have"},
		},
		"DanglingUser": {
			reason:   "We should refuse a missing user, because another user's credentials are not for this cluster.",
			observed: publishing(strings.Replace(kubeconfigOf("https://api.example.org", "token: canary-token"), "user: u}", "user: other}", 1)),
			want:     refusal{reason: invalid, message: "names a user that the kubeconfig does not have"},
		},
		"EmptyContext": {
			reason:   "We should refuse an empty context, because it names no cluster.",
			observed: publishing("{contexts: [{name: c}]}"),
			want:     refusal{reason: invalid, message: "names a cluster that the kubeconfig does not have"},
		},
		"TokenWithControlCharacter": {
			reason:   "We should refuse a token with a control character, because HTTP headers cannot hold it.",
			observed: user(`token: "canary\ttoken"`),
			want:     refusal{reason: invalid, message: "token holds a space or a control character"},
		},
		"CertificateWithoutKey": {
			reason:   "We should refuse a certificate without its key, because Argo CD cannot authenticate by it.",
			observed: user("client-certificate-data: Y2FuYXJ5, username: admin, password: canary-password"),
			want:     refusal{reason: invalid, message: "has only one of client-certificate-data and client-key-data"},
		},
		"CertificateNoPEM": {
			reason:   "We should refuse a certificate that is not PEM, because Argo CD fails on it.",
			observed: user("client-certificate-data: Y2FuYXJ5, client-key-data: Y2FuYXJ5"),
			want:     refusal{reason: invalid, message: "do not belong together"},
		},
		"CertificateOfAnotherKey": {
			reason:   "We should refuse a certificate of another key, because Argo CD fails on it.",
			observed: user("client-certificate-data: " + sampleField(t, "kc-aks-local-account.yaml", "client-certificate-data") + ", client-key-data: " + sampleField(t, "kc-capi.yaml", "client-key-data")),
			want:     refusal{reason: invalid, message: "do not belong together"},
		},
		"UsernameWithoutPassword": {
			reason:   "We should refuse a username without a password, because Argo CD cannot authenticate by it.",
			observed: user("username: admin"),
			want:     refusal{reason: unsupported, message: "has no credentials"},
		},
		"UnknownPlugin": {
			reason:   "We should refuse an unknown plugin and not quote its arguments, because the kubeconfig could run anything.",
			observed: exec("command: /usr/bin/evil-plugin, args: [canary-argument]"),
			want:     refusal{reason: unsupported, message: "runs the plugin evil-plugin, which has no equivalent in Argo CD"},
		},
		"UnnameablePlugin": {
			reason:   "We should not quote a plugin that does not look like a name, because it may hold a secret.",
			observed: exec(`command: "sh -c 'curl canary'"`),
			want:     refusal{reason: unsupported, message: "runs the plugin (name withheld), which has no equivalent in Argo CD"},
		},
		"UnknownAuthProvider": {
			reason:   "We should refuse an unknown auth-provider, because Argo CD has no plugin for it.",
			observed: user("auth-provider: {name: oidc, config: {client-secret: canary-secret}}"),
			want:     refusal{reason: unsupported, message: "has the auth-provider oidc"},
		},
		"AWSRoleAndProfile": {
			reason:   "We should refuse a role, because a kubeconfig must not choose the identity that Argo CD uses.",
			observed: publishing(sample(t, "kc-eks-awscli-exec.yaml")),
			want:     refusal{reason: unsupported, message: "runs aws with --role-arn, which would let the kubeconfig choose the identity that Argo CD uses; set credentials.type AWS and credentials.aws.roleARN instead"},
		},
		"AWSProfile": {
			reason:   "We should refuse AWS_PROFILE, because it chooses the caller as --profile does.",
			observed: exec("command: aws, args: [eks, get-token, --cluster-name, demo], env: [{name: AWS_PROFILE, value: canary-profile}]"),
			want:     refusal{reason: unsupported, message: "with AWS_PROFILE"},
		},
		"AWSUnknownEnvironment": {
			reason:   "We should refuse variables that we do not know, because they may choose the caller.",
			observed: exec("command: aws, args: [eks, get-token, --cluster-name, demo], env: [{name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /canary}]"),
			want:     refusal{reason: unsupported, message: "with environment variables that could change the identity Argo CD uses"},
		},
		"AWSWithoutCluster": {
			reason:   "We should refuse aws without a cluster, because a token is for one cluster.",
			observed: exec("command: aws, args: [eks, get-token]"),
			want:     refusal{reason: unsupported, message: "without the name of an EKS cluster"},
		},
		"AWSOtherCommand": {
			reason:   "We should refuse another aws command, because it prints something else than a token for EKS.",
			observed: exec("command: aws, args: [sts, get-session-token]"),
			want:     refusal{reason: unsupported, message: "with arguments that have no equivalent in Argo CD"},
		},
		"AWSRegionNone": {
			reason:   "We should refuse an invalid region, because it becomes a part of a URL.",
			observed: exec("command: aws, args: [--region, canary.example.org/, eks, get-token, --cluster-name, demo]"),
			want:     refusal{reason: unsupported, message: "runs aws with an invalid region"},
		},
		"IAMAuthenticatorRole": {
			reason:   "We should refuse -r, because it chooses the caller as --role does.",
			observed: exec("command: aws-iam-authenticator, args: [token, -i, demo, -r, canary-role]"),
			want:     refusal{reason: unsupported, message: "aws-iam-authenticator with --role"},
		},
		"KubeloginSecret": {
			reason:   "We should refuse a client secret, because a kubeconfig must not choose the identity that Argo CD uses.",
			observed: exec("command: kubelogin, args: [get-token, --login, spn, --client-secret, canary-secret]"),
			want:     refusal{reason: unsupported, message: "kubelogin with --client-secret"},
		},
		"KubeloginAuthority": {
			reason:   "We should refuse an authority, because the kubeconfig's authority would receive Argo CD's own token.",
			observed: exec("command: kubelogin, args: [get-token, --authority-host, https://canary.example.org]"),
			want:     refusal{reason: unsupported, message: "kubelogin with --authority-host"},
		},
		"KubeloginUnknownFlag": {
			reason:   "We should drop the flag library's error, because it quotes the flag.",
			observed: exec("command: kubelogin, args: [get-token, --canary-flag]"),
			want:     refusal{reason: unsupported, message: "kubelogin with arguments that have no"},
		},
		"KubeloginEnvironment": {
			reason:   "We should refuse AzureStackCloud, because its client reads a file.",
			observed: exec("command: kubelogin, args: [get-token, -e, AzureStackCloud]"),
			want:     refusal{reason: unsupported, message: "names an unknown Azure environment"},
		},
		"KubeloginServerID": {
			reason:   "We should refuse another server application, because its token would open another API.",
			observed: exec("command: kubelogin, args: [get-token, --server-id, https://management.azure.com]"),
			want:     refusal{reason: unsupported, message: "names an Azure server application other than AKS's own"},
		},
		"KubeloginTenant": {
			reason:   "We should refuse an invalid tenant, because it becomes a part of a URL.",
			observed: exec("command: kubelogin, args: [get-token, -t, a/../canary]"),
			want:     refusal{reason: unsupported, message: "an Azure tenant that is neither"},
		},
		"GKEPluginArguments": {
			reason:   "We should refuse arguments of the GKE plugin, because they may choose the caller.",
			observed: exec("command: gke-gcloud-auth-plugin, args: [--impersonate_service_account=canary]"),
			want:     refusal{reason: unsupported, message: "gke-gcloud-auth-plugin with arguments"},
		},
		"GKEPluginEnvironment": {
			reason:   "We should refuse a variable of the GKE plugin, because it may choose the caller.",
			observed: exec("command: gke-gcloud-auth-plugin, env: [{name: GOOGLE_APPLICATION_CREDENTIALS, value: /canary}]"),
			want:     refusal{reason: unsupported, message: "with environment variables that could change the identity Argo CD uses"},
		},
		"PluginWhereNoneIsTaken": {
			reason:   "We should refuse a plugin with type Kubeconfig, because the author wants only what the kubeconfig holds.",
			input:    "credentials: {type: Kubeconfig}",
			observed: clusterOf(aks, connectionDetails(t, "conn-aks-aad.yaml")),
			want:     refusal{reason: unsupported, message: "credentials.type Kubeconfig accepts nothing else"},
		},
		"PortZero": {
			reason:   "We should refuse port 0, because no server can listen on it.",
			observed: server("https://api.example.org:0"),
			want:     refusal{reason: invalid, message: "the kubeconfig's server has a port that is not between 1 and 65535"},
		},
		"PortTooLarge": {
			reason:   "We should refuse port 99999, because ports end at 65535.",
			observed: server("https://api.example.org:99999"),
			want:     refusal{reason: invalid, message: "the kubeconfig's server has a port that is not between 1 and 65535"},
		},
		"ServerWithFragment": {
			reason:   "We should refuse a server with a fragment, because clients drop it.",
			observed: server("https://api.example.org#canary-fragment"),
			want:     refusal{reason: invalid, message: "the kubeconfig's server has a query or a fragment"},
		},
		"ProxyOnLoopback": {
			reason:   "We should refuse a proxy on a loopback address, because Argo CD would connect to itself.",
			observed: cluster(`proxy-url: "http://127.0.0.1:3128"`),
			want:     refusal{reason: invalid, message: "the kubeconfig's proxy-url is a loopback address"},
		},
		"TLSServerNameWithControlCharacter": {
			reason:   "We should refuse a control character in a TLS server name, because no certificate has it.",
			observed: cluster(`tls-server-name: "api.example.org\n"`),
			want:     refusal{reason: invalid, message: "the kubeconfig's tls-server-name is not a DNS name or an IP address"},
		},
		"TokenWithDEL": {
			reason:   "We should refuse a token with DEL, because HTTP headers cannot hold it.",
			observed: user(`token: "canary\x7ftoken"`),
			want:     refusal{reason: invalid, message: "token holds a space or a control character"},
		},
		"TokenExpired": {
			reason:   "We should refuse a JWT from its end on, because the cluster does.",
			observed: user("token: " + jwt(testNow())),
			want:     refusal{reason: invalid, message: "the kubeconfig's token expired on 2027-01-01"},
		},
		"CertificateExpired": {
			reason:   "We should refuse a certificate a second after its end, because the cluster does.",
			observed: publishing(sample(t, "kc-capi.yaml")),
			now:      time.Date(2028, time.November, 19, 18, 55, 48, 0, time.UTC),
			want:     refusal{reason: invalid, message: "the kubeconfig's client certificate expired on 2028-11-19"},
		},
		"CertificateAndTokenExpired": {
			reason:   "We should not fall back to a token that has expired, because the cluster refuses it too.",
			observed: user("client-certificate-data: Y2FuYXJ5, token: " + jwt(testNow().AddDate(0, 0, -1))),
			want:     refusal{reason: invalid, message: "has only one of client-certificate-data and client-key-data"},
		},
		"AWSRole": {
			reason:   "We should name the field for --role, because aws eks update-kubeconfig writes it.",
			observed: exec("command: aws, args: [eks, get-token, --cluster-name, demo, --role, canary-role]"),
			want:     refusal{reason: unsupported, message: "runs aws with --role, which would let the kubeconfig choose the identity that Argo CD uses; set credentials.type AWS and credentials.aws.roleARN instead"},
		},
		"AWSProfileFlag": {
			reason:   "We should refuse --profile by itself, because it chooses the caller.",
			observed: exec("command: aws, args: [eks, get-token, --cluster-name, demo, --profile, canary-profile]"),
			want:     refusal{reason: unsupported, message: "runs aws with --profile, which would let the kubeconfig choose the identity that Argo CD uses; set credentials.type AWS and credentials.aws.profile instead"},
		},
		"IAMAuthenticatorSession": {
			reason:   "We should refuse --session-name by itself, because it names the caller.",
			observed: exec("command: aws-iam-authenticator, args: [token, -i, demo, --session-name, canary-session]"),
			want:     refusal{reason: unsupported, message: "runs aws-iam-authenticator with --session-name, which would let the kubeconfig choose the identity that Argo CD uses; set credentials.type AWS and credentials.aws instead"},
		},
		"KubeloginUsername": {
			reason:   "We should refuse --username by itself, because it names the caller.",
			observed: exec("command: kubelogin, args: [get-token, --username, canary-user]"),
			want:     refusal{reason: unsupported, message: "runs kubelogin with --username, which would let the kubeconfig choose the identity that Argo CD uses; set credentials.type Azure and credentials.azure instead"},
		},
		"ProxyWithPasswordAlone": {
			reason:   "We should refuse a proxy with a password and no user, because Argo CD shows its configuration.",
			observed: cluster(`proxy-url: "http://:canary-password@proxy:3128"`),
			want:     refusal{reason: invalid, message: "the kubeconfig's proxy-url holds credentials"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { tc.check(t) })
	}
}
