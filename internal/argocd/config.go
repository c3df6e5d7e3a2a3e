package argocd

import (
	"strings"

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
}

// ExecProviderConfig has Argo CD run a credential plugin.
type ExecProviderConfig struct {
	Command    string            `json:"command,omitempty"`
	Args       []string          `json:"args,omitempty"`
	Env        map[string]string `json:"env,omitempty"`
	APIVersion string            `json:"apiVersion,omitempty"`
}

// ConfigOptions for NewClusterConfig.
type ConfigOptions struct {
	// NoPlugins refuses a kubeconfig that authenticates by a plugin.
	NoPlugins bool

	// GKE says that GKE's provider wrote the kubeconfig, so that one without any
	// credential is for Argo CD's own Google identity. A Google token is bound to
	// no cluster: whoever else could write a server into a kubeconfig would be
	// sent one.
	GKE bool
}

// NewClusterConfig returns the config with which Argo CD connects as the kubeconfig
// says. Its errors are of type *kubeconfig.Error.
func NewClusterConfig(c *kubeconfig.Connection, o ConfigOptions) (*ClusterConfig, error) {
	if IsInCluster(c.Server) {
		return nil, kubeconfig.Invalid("the kubeconfig's server is the hub's own in-cluster address, by which Argo CD means the hub; set cluster.server to the address at which Argo CD reaches the cluster")
	}
	cfg := &ClusterConfig{
		TLSClientConfig:    TLSClientConfig{ServerName: c.TLSServerName, CAData: c.CAData},
		DisableCompression: c.DisableCompression,
		ProxyURL:           c.ProxyURL,
	}
	cred := c.Credential
	switch {
	case cred.ClientCertificate != nil:
		cfg.TLSClientConfig.CertData = cred.ClientCertificate.CertData
		cfg.TLSClientConfig.KeyData = cred.ClientCertificate.KeyData
		return cfg, nil
	case cred.BearerToken != "":
		cfg.BearerToken = cred.BearerToken
		return cfg, nil
	case cred.BasicAuth != nil:
		cfg.Username, cfg.Password = cred.BasicAuth.Username, cred.BasicAuth.Password
		return cfg, nil
	case o.NoPlugins:
		return nil, kubeconfig.Unsupported("the kubeconfig's user has no client certificate, token, or username and password, and credentials.type Kubeconfig takes nothing else")
	case cred.Exec != nil:
		return cfg, translateExec(cred.Exec, cfg)
	case cred.AuthProvider != nil:
		return cfg, translateAuthProvider(cred.AuthProvider, cfg)
	case o.GKE:
		cfg.ExecProviderConfig = k8sAuth("gcp")
		return cfg, nil
	}
	return nil, kubeconfig.Unsupported("the kubeconfig's user has no credentials")
}

// CredentialType names how a config authenticates, for people.
func (c *ClusterConfig) CredentialType() string {
	switch {
	case c.AWSAuthConfig != nil:
		return "Argo CD's AWS identity"
	case c.ExecProviderConfig != nil:
		return strings.Join(append([]string{c.ExecProviderConfig.Command}, c.ExecProviderConfig.Args[:1]...), " ")
	case len(c.TLSClientConfig.CertData) > 0:
		return "client certificate"
	case c.BearerToken != "":
		return "bearer token"
	}
	return "basic auth"
}
