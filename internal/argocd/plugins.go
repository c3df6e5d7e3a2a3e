package argocd

import (
	"cmp"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// A kubeconfig's credential plugin is replaced by argocd-k8s-auth, the only one in
// Argo CD's image. What names the target of the authentication is carried over.
// What names the caller is not, since the caller is Argo CD: a public client ID and
// a login method are left out, and anything that would let the kubeconfig's writer
// choose the identity that Argo CD uses is refused.

const (
	k8sAuthCommand = "argocd-k8s-auth"

	// aksServerID is the application that AKS clusters accept tokens for. It is what
	// argocd-k8s-auth requests one for by default.
	aksServerID = "6dae42f8-4368-4678-94ff-3960e28e3630"

	setType = "; set credentials.type to Token, AWS, Azure, GCP or Exec"
)

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
	return kubeconfig.Unsupported("the kubeconfig's user has no credentials" + setType)
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
	return kubeconfig.Unsupported("the kubeconfig's user runs the plugin " + pluginName(e.Name) + ", which has no equivalent in Argo CD" + setType)
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
	return kubeconfig.Unsupported("the kubeconfig's user has the auth-provider " + pluginName(p.Name) + ", which has no equivalent in Argo CD" + setType)
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// pluginName returns a plugin's name if it looks like one, and not like a secret.
func pluginName(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return "(name withheld)"
}

// A flags is a plugin's command line: what to take, what to leave out, and what
// makes it refused. A flag that is in none of them makes it refused too.
type flags struct {
	*pflag.FlagSet

	refused []refusedFlag
}

// A refusedFlag names the caller. The input has a field for that.
type refusedFlag struct{ name, field string }

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

// refuse flags that take a value and name the caller, for which the input has a field.
func (f *flags) refuse(field string, names ...string) {
	for _, n := range names {
		f.refuseP(field, n, "")
	}
}

// refuseP is refuse for a flag with a short form.
func (f *flags) refuseP(field, name, short string) {
	f.StringP(name, short, "", "")
	f.refused = append(f.refused, refusedFlag{name, field})
}

// parse the plugin's arguments, whose only words must be the subcommand. The library's
// error quotes the arguments, and so is dropped.
func (f *flags) parse(e *kubeconfig.Exec, subcommand ...string) error {
	if err := f.Parse(e.Args); err != nil || !slices.Equal(f.Args(), subcommand) {
		return kubeconfig.Unsupported("the kubeconfig's user runs " + e.Name + " with arguments that have no equivalent in Argo CD" + setType)
	}
	for _, r := range f.refused {
		if f.Changed(r.name) {
			return callerRefused(e.Name, "--"+r.name, r.field)
		}
	}
	return nil
}

// checkEnv refuses environment variables of a plugin, except those named.
func checkEnv(e *kubeconfig.Exec, known ...string) error {
	for _, n := range slices.Sorted(maps.Keys(e.Env)) {
		if !slices.Contains(known, n) {
			return kubeconfig.Unsupported("the kubeconfig's user runs " + e.Name + " with environment variables that could change the identity Argo CD uses" + setType)
		}
	}
	return nil
}

// The fields of the input that choose the identity that Argo CD uses.
const (
	fieldAWS        = "credentials.type AWS and credentials.aws"
	fieldAWSRole    = "credentials.type AWS and credentials.aws.roleARN"
	fieldAWSProfile = "credentials.type AWS and credentials.aws.profile"
	fieldAzure      = "credentials.type Azure and credentials.azure"
)

// callerRefused names the field of the input by which the Composition's author chooses the
// identity that Argo CD uses.
func callerRefused(plugin, what, field string) error {
	return kubeconfig.Unsupported("the kubeconfig's user runs " + plugin + " with " + what + ", which would let the kubeconfig choose the identity that Argo CD uses; set " + field + " instead")
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
	// How and as whom a person would log in, and where the result is cached.
	f.StringP("login", "l", "", "")
	f.StringP("subscription", "s", "", "")
	f.ignore("client-id", "login-hint", "redirect-url", "token-cache-dir", "cache-dir", "timeout")
	f.ignoreBool("legacy", "use-azurerm-env-vars", "disable-environment-override", "disable-instance-discovery")
	f.refuse(fieldAzure, "client-secret", "client-certificate", "client-certificate-password", "username", "password",
		"identity-resource-id", "federated-token-file", "authority-host", "azure-pipelines-service-connection-id")
	if err := f.parse(e, "get-token"); err != nil {
		return err
	}
	if err := checkEnv(e, "AAD_LOGIN_METHOD"); err != nil {
		return err
	}
	return cfg.useAzureTarget(AzureIdentity{Environment: *environment, ServerID: *serverID, TenantID: *tenantID})
}

// useAzureTarget has Argo CD authenticate to what a kubeconfig names. That may only be AKS:
// the token for another application, say Azure's own API, would go to the kubeconfig's server.
func (cfg *ClusterConfig) useAzureTarget(i AzureIdentity) error {
	switch {
	case len(CheckAzureEnvironment(i.Environment)) > 0:
		return kubeconfig.Unsupported("the kubeconfig's user names an unknown Azure environment; set credentials.type Azure and credentials.azure.environment")
	case !IsAKSServerID(i.ServerID):
		return kubeconfig.Unsupported("the kubeconfig's user names an Azure server application other than AKS's own, so it would choose what Argo CD's token is for; set credentials.type Azure and credentials.azure.serverID")
	case len(CheckAzureTenant(i.TenantID)) > 0:
		return kubeconfig.Unsupported("the kubeconfig's user names an Azure tenant that is neither a UUID nor a domain; set credentials.type Azure and credentials.azure.tenantID")
	}
	cfg.UseAzure(i)
	return nil
}

// useAWSCLI translates the AWS CLI's `aws eks get-token`. A cluster on Outposts has an ID
// instead of a name. `aws eks update-kubeconfig --role-arn` writes --role, which the CLI takes
// for --role-arn.
func (cfg *ClusterConfig) useAWSCLI(e *kubeconfig.Exec) error {
	f := newFlags()
	cluster := f.String("cluster-name", "", "")
	id := f.String("cluster-id", "", "")
	region := f.String("region", "", "")
	f.ignore("output")
	f.refuse(fieldAWSRole, "role-arn", "role")
	f.refuse(fieldAWSProfile, "profile")
	if err := f.parse(e, "eks", "get-token"); err != nil {
		return err
	}
	if *cluster != "" && *id != "" {
		return kubeconfig.Unsupported("the kubeconfig's user runs aws with both --cluster-name and --cluster-id" + setType)
	}
	return cfg.useEKSTarget(e, cmp.Or(*cluster, *id), *region)
}

// useIAMAuthenticator translates `aws-iam-authenticator token`
// (sigs.k8s.io/aws-iam-authenticator).
func (cfg *ClusterConfig) useIAMAuthenticator(e *kubeconfig.Exec) error {
	f := newFlags()
	cluster := f.StringP("cluster-id", "i", "", "")
	region := f.String("region", "", "")
	f.ignore("output")
	f.ignoreBool("cache")
	f.refuseP(fieldAWSRole, "role", "r")
	f.refuseP(fieldAWS, "external-id", "e")
	f.refuseP(fieldAWS, "session-name", "s")
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
		return callerRefused(e.Name, "AWS_PROFILE", fieldAWSProfile)
	}
	region = cmp.Or(region, e.Env["AWS_REGION"], e.Env["AWS_DEFAULT_REGION"])
	switch {
	case len(CheckEKSClusterName(cluster)) > 0:
		return kubeconfig.Unsupported("the kubeconfig's user runs " + e.Name + " without the name of an EKS cluster; set credentials.type AWS and credentials.aws.clusterName")
	case len(CheckAWSRegion(region)) > 0:
		return kubeconfig.Unsupported("the kubeconfig's user runs " + e.Name + " with an invalid region; set credentials.type AWS and credentials.aws.region")
	}
	cfg.UseAWS(AWSIdentity{ClusterName: cluster, Region: region})
	return nil
}

// IsAKSServerID reports whether a server application is the one of all AKS clusters. Empty
// stands for it.
func IsAKSServerID(id string) bool { return id == "" || strings.EqualFold(id, aksServerID) }
