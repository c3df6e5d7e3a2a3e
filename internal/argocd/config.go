package argocd

import (
	"maps"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// A ClusterConfig is the `config` of a cluster Secret. Its fields, their order and
// their tags are those of Argo CD's own ClusterConfig
// (pkg/apis/application/v1alpha1/types.go), so that Argo CD, marshalling it again,
// changes nothing. Fields that this package never sets are left out.
type ClusterConfig struct {
	Username           string              `json:"username,omitempty"`
	Password           string              `json:"password,omitempty"`
	BearerToken        string              `json:"bearerToken,omitempty"`
	TLSClientConfig    TLSClientConfig     `json:"tlsClientConfig"`
	AWSAuthConfig      *AWSAuthConfig      `json:"awsAuthConfig,omitempty"`
	ExecProviderConfig *ExecProviderConfig `json:"execProviderConfig,omitempty"`
	DisableCompression bool                `json:"disableCompression,omitempty"`
	ProxyURL           string              `json:"proxyUrl,omitempty"`
}

// TLSClientConfig says how to verify the server and how to prove who the client is.
type TLSClientConfig struct {
	Insecure   bool   `json:"insecure"`
	ServerName string `json:"serverName,omitempty"`
	CertData   []byte `json:"certData,omitempty"`
	KeyData    []byte `json:"keyData,omitempty"`
	CAData     []byte `json:"caData,omitempty"`
}

// AWSAuthConfig has Argo CD authenticate to an EKS cluster by its own AWS identity.
type AWSAuthConfig struct {
	ClusterName string `json:"clusterName,omitempty"`
	RoleARN     string `json:"roleARN,omitempty"`
	Profile     string `json:"profile,omitempty"`
}

// ExecProviderConfig has Argo CD run a credential plugin.
type ExecProviderConfig struct {
	Command            string            `json:"command,omitempty"`
	Args               []string          `json:"args,omitempty"`
	Env                map[string]string `json:"env,omitempty"`
	APIVersion         string            `json:"apiVersion,omitempty"`
	InstallHint        string            `json:"installHint,omitempty"`
	ProvideClusterInfo bool              `json:"provideClusterInfo,omitempty"`

	// Config is for the plugin. Argo CD before v3.5 ignores it.
	Config map[string]any `json:"config,omitempty"`
}

// NewClusterConfig returns a config that reaches and verifies the server, without
// credentials.
func NewClusterConfig(c *kubeconfig.Connection) *ClusterConfig {
	return &ClusterConfig{
		TLSClientConfig:    TLSClientConfig{Insecure: c.Insecure, ServerName: c.TLSServerName, CAData: c.CAData},
		DisableCompression: c.DisableCompression,
		ProxyURL:           c.ProxyURL,
	}
}

// UseCredential has Argo CD authenticate by a kubeconfig's certificate, token, or
// username and password. It reports false if there is none of them.
func (cfg *ClusterConfig) UseCredential(c kubeconfig.Credential) bool {
	switch {
	case c.ClientCertificate != nil:
		cfg.TLSClientConfig.CertData = c.ClientCertificate.CertData
		cfg.TLSClientConfig.KeyData = c.ClientCertificate.KeyData
	case c.BearerToken != "":
		cfg.BearerToken = c.BearerToken
	case c.BasicAuth != nil:
		cfg.Username, cfg.Password = c.BasicAuth.Username, c.BasicAuth.Password
	default:
		return false
	}
	return true
}

// UseGCP has Argo CD authenticate by its own Google identity. Its token is bound to no
// cluster: anyone who can set the server receives one.
func (cfg *ClusterConfig) UseGCP() { cfg.ExecProviderConfig = k8sAuth("gcp") }

// An AzureIdentity says how Argo CD authenticates by its own Azure identity. What is
// empty is as in Argo CD's environment.
type AzureIdentity struct {
	TenantID, ClientID, ServerID, Environment, LoginMethod string
}

// UseAzure has Argo CD authenticate by its own Azure identity.
func (cfg *ClusterConfig) UseAzure(i AzureIdentity) {
	env := map[string]string{
		"AAD_ENVIRONMENT_NAME":      i.Environment,
		"AAD_LOGIN_METHOD":          i.LoginMethod,
		"AAD_SERVER_APPLICATION_ID": i.ServerID,
		"AZURE_CLIENT_ID":           i.ClientID,
		"AZURE_TENANT_ID":           i.TenantID,
	}
	maps.DeleteFunc(env, func(_, v string) bool { return v == "" })
	cfg.ExecProviderConfig = k8sAuth("azure")
	cfg.ExecProviderConfig.Env = env
}

// An AWSIdentity says how Argo CD authenticates by its own AWS identity. What is empty,
// except for the EKS cluster's name, is as in Argo CD's environment.
type AWSIdentity struct {
	ClusterName, RoleARN, Profile, Region string
}

// UseAWS has Argo CD authenticate by its own AWS identity. awsAuthConfig has no place for
// a region.
func (cfg *ClusterConfig) UseAWS(i AWSIdentity) {
	if i.Region == "" {
		cfg.AWSAuthConfig = &AWSAuthConfig{ClusterName: i.ClusterName, RoleARN: i.RoleARN, Profile: i.Profile}
		return
	}
	args := []string{"aws", "--cluster-name", i.ClusterName}
	if i.RoleARN != "" {
		args = append(args, "--role-arn", i.RoleARN)
	}
	if i.Profile != "" {
		args = append(args, "--profile", i.Profile)
	}
	cfg.ExecProviderConfig = k8sAuth(args...)
	cfg.ExecProviderConfig.Env = map[string]string{"AWS_REGION": i.Region}
}

// UseExec has Argo CD run a credential plugin.
func (cfg *ClusterConfig) UseExec(e ExecProviderConfig) { cfg.ExecProviderConfig = &e }

// CredentialType names how a config has Argo CD authenticate: ClientCertificate,
// BearerToken, BasicAuth, AWS, Azure, GCP, Exec or None.
func (cfg *ClusterConfig) CredentialType() string {
	e := cfg.ExecProviderConfig
	switch {
	case cfg.AWSAuthConfig != nil:
		return providerAWS
	case e != nil && e.Command == k8sAuthCommand && len(e.Args) > 0:
		switch e.Args[0] {
		case "aws":
			return providerAWS
		case "azure":
			return providerAzure
		case "gcp":
			return providerGCP
		}
		return "Exec"
	case e != nil:
		return "Exec"
	case len(cfg.TLSClientConfig.CertData) > 0:
		return "ClientCertificate"
	case cfg.BearerToken != "":
		return "BearerToken"
	case cfg.Username != "":
		return "BasicAuth"
	}
	return "None"
}
