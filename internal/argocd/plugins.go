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

const k8sAuthCommand = "argocd-k8s-auth"

// k8sAuth returns a call of Argo CD's own credential plugin. It prints credentials
// of client.authentication.k8s.io/v1beta1 only.
func k8sAuth(args ...string) *ExecProviderConfig {
	return &ExecProviderConfig{
		Command:    k8sAuthCommand,
		Args:       args,
		APIVersion: "client.authentication.k8s.io/v1beta1",
	}
}

// UsePlugin has Argo CD authenticate by its own plugin that does what a kubeconfig's
// does. Its errors are of type *kubeconfig.Error.
func (cfg *ClusterConfig) UsePlugin(c kubeconfig.Credential) error {
	switch {
	case c.Exec != nil:
		return cfg.useExecOf(c.Exec)
	case c.AuthProvider != nil:
		return cfg.useAuthProvider(c.AuthProvider)
	}
	return kubeconfig.Unsupported("the kubeconfig's user has no credentials; set credentials.type to AWS, Azure or GCP where Argo CD is to use its own identity")
}

func (cfg *ClusterConfig) useExecOf(e *kubeconfig.Exec) error {
	switch e.Name {
	case "kubelogin":
		return cfg.useKubelogin(e)
	case "gke-gcloud-auth-plugin":
		return cfg.useGKEPlugin(e)
	case "aws":
		return cfg.useAWSCLI(e)
	case "aws-iam-authenticator":
		return cfg.useIAMAuthenticator(e)
	}
	return kubeconfig.Unsupported("the kubeconfig's user runs the plugin " + pluginName(e.Name) + ", for which Argo CD has no equivalent; set credentials.type to what Argo CD is to use instead")
}

func (cfg *ClusterConfig) useAuthProvider(p *kubeconfig.AuthProvider) error {
	switch p.Name {
	case "azure":
		return cfg.useAzureTarget(AzureIdentity{
			Environment: p.Config["environment"],
			ServerID:    p.Config["apiserver-id"],
			TenantID:    p.Config["tenant-id"],
		})
	case "gcp":
		cfg.UseGCP()
		return nil
	}
	return kubeconfig.Unsupported("the kubeconfig's user has the auth-provider " + pluginName(p.Name) + ", for which Argo CD has no equivalent; set credentials.type to what Argo CD is to use instead")
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

// parse the plugin's arguments, whose only words must be the subcommand. The library's
// error quotes the arguments, and so is dropped.
func (f *flags) parse(e *kubeconfig.Exec, subcommand ...string) error {
	if err := f.Parse(e.Args); err != nil || !slices.Equal(f.Args(), subcommand) {
		return kubeconfig.Unsupported("the kubeconfig's user runs " + e.Name + " with arguments for which Argo CD has no equivalent; set credentials.type to what Argo CD is to use instead")
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
			return kubeconfig.Unsupported("the kubeconfig's user runs " + e.Name + " with environment variables that are not carried over, since they could say whom Argo CD is to pose as; set credentials.type to what Argo CD is to use instead")
		}
	}
	return nil
}

// callerRefused names the field of the input by which the Composition's author says
// whom Argo CD poses as.
func callerRefused(plugin, what string) error {
	field := "credentials.type AWS and credentials.aws"
	if plugin == "kubelogin" {
		field = "credentials.type Azure and credentials.azure"
	}
	return kubeconfig.Unsupported("the kubeconfig's user runs " + plugin + " with " + what + ", by which a kubeconfig would choose whom Argo CD poses as; set " + field + " instead")
}

// useGKEPlugin translates gke-gcloud-auth-plugin
// (k8s.io/cloud-provider-gcp/cmd/gke-gcloud-auth-plugin).
func (cfg *ClusterConfig) useGKEPlugin(e *kubeconfig.Exec) error {
	f := newFlags()
	f.ignoreBool("use_application_default_credentials")
	if err := f.parse(e); err != nil {
		return err
	}
	if err := checkEnv(e); err != nil {
		return err
	}
	cfg.UseGCP()
	return nil
}

// useKubelogin translates kubelogin (github.com/Azure/kubelogin).
func (cfg *ClusterConfig) useKubelogin(e *kubeconfig.Exec) error {
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
	return cfg.useAzureTarget(AzureIdentity{Environment: *environment, ServerID: *serverID, TenantID: *tenantID})
}

// useAzureTarget has Argo CD authenticate to what a kubeconfig names.
func (cfg *ClusterConfig) useAzureTarget(i AzureIdentity) error {
	switch {
	case len(CheckAzureEnvironment(i.Environment)) > 0:
		return kubeconfig.Unsupported("the kubeconfig's user names an Azure environment that is not known")
	case len(CheckUUID(i.ServerID)) > 0:
		return kubeconfig.Unsupported("the kubeconfig's user names an Azure server application that is no UUID")
	case len(CheckAzureTenant(i.TenantID)) > 0:
		return kubeconfig.Unsupported("the kubeconfig's user names an Azure tenant that is neither a UUID nor a domain")
	}
	cfg.UseAzure(i)
	return nil
}

// useAWSCLI translates the AWS CLI's `aws eks get-token`.
func (cfg *ClusterConfig) useAWSCLI(e *kubeconfig.Exec) error {
	f := newFlags()
	cluster := f.String("cluster-name", "", "")
	region := f.String("region", "", "")
	f.ignore("output")
	f.refuse("role-arn", "profile")
	if err := f.parse(e, "eks", "get-token"); err != nil {
		return err
	}
	return cfg.useEKSTarget(e, *cluster, *region)
}

// useIAMAuthenticator translates `aws-iam-authenticator token`
// (sigs.k8s.io/aws-iam-authenticator).
func (cfg *ClusterConfig) useIAMAuthenticator(e *kubeconfig.Exec) error {
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
	return cfg.useEKSTarget(e, *cluster, *region)
}

// useEKSTarget has Argo CD authenticate to what a kubeconfig names.
func (cfg *ClusterConfig) useEKSTarget(e *kubeconfig.Exec, cluster, region string) error {
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
	case len(CheckEKSClusterName(cluster)) > 0:
		return kubeconfig.Unsupported("the kubeconfig's user runs " + e.Name + " without the name of an EKS cluster")
	case len(CheckAWSRegion(region)) > 0:
		return kubeconfig.Unsupported("the kubeconfig's user runs " + e.Name + " with a region that is none")
	}
	cfg.UseAWS(AWSIdentity{ClusterName: cluster, Region: region})
	return nil
}
