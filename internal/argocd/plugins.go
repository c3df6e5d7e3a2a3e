package argocd

import (
	"io"
	"maps"
	"regexp"
	"slices"

	"github.com/spf13/pflag"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// A kubeconfig's credential plugin is replaced by argocd-k8s-auth, the only one in
// Argo CD's image. What names the target of the authentication is carried over.
// What names the caller is not, since the caller is Argo CD: a public client ID and
// a login method are left out, and anything by which the kubeconfig's writer would
// choose whom Argo CD poses as is refused.

// k8sAuth returns a call of Argo CD's own credential plugin. It prints credentials
// of client.authentication.k8s.io/v1beta1 only.
func k8sAuth(args ...string) *ExecProviderConfig {
	return &ExecProviderConfig{
		Command:    "argocd-k8s-auth",
		Args:       args,
		APIVersion: "client.authentication.k8s.io/v1beta1",
	}
}

func translateExec(e *kubeconfig.Exec, cfg *ClusterConfig) error {
	switch e.Name {
	case "kubelogin":
		return translateKubelogin(e, cfg)
	case "gke-gcloud-auth-plugin":
		return translateGKE(e, cfg)
	case "aws":
		return translateAWSCLI(e, cfg)
	case "aws-iam-authenticator":
		return translateIAMAuthenticator(e, cfg)
	}
	return kubeconfig.Unsupported("the kubeconfig's user runs the plugin " + pluginName(e.Name) + ", for which Argo CD has no equivalent")
}

func translateAuthProvider(p *kubeconfig.AuthProvider, cfg *ClusterConfig) error {
	switch p.Name {
	case "azure":
		return azureExec(azureTarget{
			environment: p.Config["environment"],
			serverID:    p.Config["apiserver-id"],
			tenantID:    p.Config["tenant-id"],
		}, cfg)
	case "gcp":
		cfg.ExecProviderConfig = k8sAuth("gcp")
		return nil
	}
	return kubeconfig.Unsupported("the kubeconfig's user has the auth-provider " + pluginName(p.Name) + ", for which Argo CD has no equivalent")
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// pluginName returns a plugin's name as far as it is one.
func pluginName(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return "(of no plain name)"
}

// A flags is a plugin's command line: what to take, what to leave out, and what
// makes it refused. A flag that is in none of them makes it refused too.
type flags struct {
	*pflag.FlagSet

	callers []string
}

func newFlags() *flags {
	f := &flags{FlagSet: pflag.NewFlagSet("", pflag.ContinueOnError)}
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// ignore flags that take a value and make no difference for Argo CD.
func (f *flags) ignore(names ...string) {
	for _, n := range names {
		f.String(n, "", "")
	}
}

// ignoreBool flags that take no value and make no difference for Argo CD.
func (f *flags) ignoreBool(names ...string) {
	for _, n := range names {
		f.Bool(n, false, "")
	}
}

// refuse flags that name the caller.
func (f *flags) refuse(names ...string) {
	f.ignore(names...)
	f.callers = append(f.callers, names...)
}

// parse the plugin's arguments, which must begin with the subcommand. The library's
// error quotes the arguments, and so is dropped.
func (f *flags) parse(e *kubeconfig.Exec, subcommand ...string) error {
	if err := f.Parse(e.Args); err != nil || !slices.Equal(f.Args(), subcommand) {
		return kubeconfig.Unsupported("the kubeconfig's user runs " + e.Name + " with arguments for which Argo CD has no equivalent")
	}
	for _, n := range f.callers {
		if f.Changed(n) {
			return callerRefused(e.Name, "--"+n)
		}
	}
	return nil
}

// checkEnv refuses environment variables of a plugin but for those named.
func checkEnv(e *kubeconfig.Exec, known ...string) error {
	for _, n := range slices.Sorted(maps.Keys(e.Env)) {
		if !slices.Contains(known, n) {
			return kubeconfig.Unsupported("the kubeconfig's user runs " + e.Name + " with environment variables that are not carried over, since they could say whom Argo CD is to pose as")
		}
	}
	return nil
}

func callerRefused(plugin, what string) error {
	return kubeconfig.Unsupported("the kubeconfig's user runs " + plugin + " with " + what + ", by which a kubeconfig would choose whom Argo CD poses as")
}

// translateGKE translates gke-gcloud-auth-plugin
// (k8s.io/cloud-provider-gcp/cmd/gke-gcloud-auth-plugin).
func translateGKE(e *kubeconfig.Exec, cfg *ClusterConfig) error {
	f := newFlags()
	f.ignoreBool("use_application_default_credentials")
	if err := f.parse(e); err != nil {
		return err
	}
	if err := checkEnv(e); err != nil {
		return err
	}
	cfg.ExecProviderConfig = k8sAuth("gcp")
	return nil
}

// translateKubelogin translates kubelogin (github.com/Azure/kubelogin).
func translateKubelogin(e *kubeconfig.Exec, cfg *ClusterConfig) error {
	f := newFlags()
	environment := f.StringP("environment", "e", "", "")
	serverID := f.String("server-id", "", "")
	tenantID := f.StringP("tenant-id", "t", "", "")
	f.StringP("login", "l", "", "")
	f.ignore("client-id", "token-cache-dir", "cache-dir", "timeout")
	f.ignoreBool("legacy", "use-azurerm-env-vars", "disable-environment-override", "disable-instance-discovery")
	f.refuse("client-secret", "client-certificate", "client-certificate-password", "username", "password",
		"identity-resource-id", "federated-token-file", "authority-host")
	if err := f.parse(e, "get-token"); err != nil {
		return err
	}
	if err := checkEnv(e, "AAD_LOGIN_METHOD"); err != nil {
		return err
	}
	return azureExec(azureTarget{environment: *environment, serverID: *serverID, tenantID: *tenantID}, cfg)
}

// An azureTarget is what a kubeconfig says of the cluster that it authenticates to.
type azureTarget struct {
	environment, serverID, tenantID string
}

var (
	// What go-autorest's azure.EnvironmentFromName knows, but for
	// AzureStackCloud, which reads a file.
	azureEnvironment = regexp.MustCompile(`^(?i:|AzureCloud|AzurePublicCloud|AzureChinaCloud|AzureGermanCloud|AzureUSGovernment|AzureUSGovernmentCloud)$`)

	// An application or tenant is named by a UUID, a tenant also by its domain.
	azureServerID = regexp.MustCompile(`^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?$`)
	azureTenantID = regexp.MustCompile(`^([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*)?$`)
)

func azureExec(t azureTarget, cfg *ClusterConfig) error {
	switch {
	case !azureEnvironment.MatchString(t.environment):
		return kubeconfig.Unsupported("the kubeconfig's user names an Azure environment that is not known")
	case !azureServerID.MatchString(t.serverID):
		return kubeconfig.Unsupported("the kubeconfig's user names an Azure server application that is no UUID")
	case !azureTenantID.MatchString(t.tenantID):
		return kubeconfig.Unsupported("the kubeconfig's user names an Azure tenant that is neither a UUID nor a domain")
	}
	env := map[string]string{
		"AAD_ENVIRONMENT_NAME":      t.environment,
		"AAD_SERVER_APPLICATION_ID": t.serverID,
		"AZURE_TENANT_ID":           t.tenantID,
	}
	maps.DeleteFunc(env, func(_, v string) bool { return v == "" })
	cfg.ExecProviderConfig = k8sAuth("azure")
	cfg.ExecProviderConfig.Env = env
	return nil
}

// translateAWSCLI translates the AWS CLI's `aws eks get-token`.
func translateAWSCLI(e *kubeconfig.Exec, cfg *ClusterConfig) error {
	f := newFlags()
	cluster := f.String("cluster-name", "", "")
	region := f.String("region", "", "")
	f.ignore("output")
	f.refuse("role-arn", "profile")
	if err := f.parse(e, "eks", "get-token"); err != nil {
		return err
	}
	return eksAuth(e, *cluster, *region, cfg)
}

// translateIAMAuthenticator translates `aws-iam-authenticator token`
// (sigs.k8s.io/aws-iam-authenticator).
func translateIAMAuthenticator(e *kubeconfig.Exec, cfg *ClusterConfig) error {
	f := newFlags()
	cluster := f.StringP("cluster-id", "i", "", "")
	region := f.String("region", "", "")
	f.ignore("output")
	f.ignoreBool("cache")
	f.StringP("role", "r", "", "")
	f.StringP("external-id", "e", "", "")
	f.StringP("session-name", "s", "", "")
	f.callers = []string{"role", "external-id", "session-name"}
	if err := f.parse(e, "token"); err != nil {
		return err
	}
	return eksAuth(e, *cluster, *region, cfg)
}

var (
	// https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html
	eksClusterName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$`)
	awsRegion      = regexp.MustCompile(`^([a-z]{2,}(-[a-z]+)+-\d+)?$`)
)

func eksAuth(e *kubeconfig.Exec, cluster, region string, cfg *ClusterConfig) error {
	if err := checkEnv(e, "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_STS_REGIONAL_ENDPOINTS"); err != nil {
		return err
	}
	if e.Env["AWS_PROFILE"] != "" {
		return callerRefused(e.Name, "AWS_PROFILE")
	}
	for _, n := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
		if region == "" {
			region = e.Env[n]
		}
	}
	switch {
	case !eksClusterName.MatchString(cluster):
		return kubeconfig.Unsupported("the kubeconfig's user runs " + e.Name + " without the name of an EKS cluster")
	case !awsRegion.MatchString(region):
		return kubeconfig.Unsupported("the kubeconfig's user runs " + e.Name + " with a region that is none")
	case region == "":
		cfg.AWSAuthConfig = &AWSAuthConfig{ClusterName: cluster}
	default:
		// awsAuthConfig has no place for a region.
		cfg.ExecProviderConfig = k8sAuth("aws", "--cluster-name", cluster)
		cfg.ExecProviderConfig.Env = map[string]string{"AWS_REGION": region}
	}
	return nil
}
