package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/crossplane/function-sdk-go/errors"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// A connection is how Argo CD connects to a cluster. It is one unit: no part of one is ever
// combined with a part of another.
type connection struct {
	server string

	// config is a marshalled argocd.ClusterConfig, and credentials the type of its
	// credentials.
	config      []byte
	credentials string

	// notAfter is when the credentials expire; zero if that is not known.
	notAfter time.Time

	// notice is what the condition's message says of the credentials; often nothing.
	notice string
}

// A given is what the input gives of the connection.
type given struct {
	server, tlsServerName, proxyURL text

	// With type AWS.
	eksCluster, roleARN, region text

	// With type Azure.
	tenantID, clientID text
}

// readGiven returns what the input gives of the connection. The error names every field that is
// missing or cannot be used.
func readGiven(in *v1beta1.ClusterRegistration, xr *composite) (*given, error) {
	g := &given{}
	var all problems
	read := func(t *text, what string, literal *string, from *v1beta1.FieldSource, check func(string) []string) {
		var err error
		*t, err = xr.text(what, literal, from, check)
		all.add(err)
	}
	c := &in.Cluster
	read(&g.server, "the cluster's server", c.Server, c.ServerFrom, checkServer)
	read(&g.tlsServerName, "the server's TLS name", c.TLSServerName, c.TLSServerNameFrom, kubeconfig.CheckTLSServerName)
	read(&g.proxyURL, "a proxy", c.ProxyURL, c.ProxyURLFrom, checkProxy)
	if aws := in.Credentials.AWS; aws != nil {
		read(&g.eksCluster, "an EKS cluster's name", aws.ClusterName, aws.ClusterNameFrom, argocd.CheckEKSClusterName)
		read(&g.roleARN, "an IAM role", aws.RoleARN, aws.RoleARNFrom, argocd.CheckRoleARN)
		read(&g.region, "an AWS region", aws.Region, aws.RegionFrom, argocd.CheckAWSRegion)
	}
	if azure := in.Credentials.Azure; azure != nil {
		read(&g.tenantID, "an Entra ID tenant", azure.TenantID, azure.TenantIDFrom, argocd.CheckAzureTenant)
		read(&g.clientID, "a client ID", azure.ClientID, azure.ClientIDFrom, argocd.CheckUUID)
	}
	// The input's own may be on this host, and were checked with the input.
	normalize(&g.server, kubeconfig.Server, kubeconfig.ChosenServer)
	normalize(&g.proxyURL, kubeconfig.Proxy, kubeconfig.ChosenProxy)
	return g, all.error()
}

// normalize brings a valid URL to its normal spelling.
func normalize(t *text, field, literal func(string) (string, error)) {
	if t.value == "" {
		return
	}
	if t.literal {
		field = literal
	}
	if u, err := field(t.value); err == nil {
		t.value = u
	}
}

// A connector finds out how Argo CD is to connect.
type connector struct {
	in    *v1beta1.ClusterRegistration
	given *given
	src   source

	// token is only for type Token.
	token token

	// clouds are the observed clusters of clouds that may vouch for a server.
	clouds clouds
	now    time.Time
}

// needsKubeconfig reports whether a kubeconfig is needed to connect. It is not where the input
// gives the server, and the token comes with its CA.
func needsKubeconfig(in *v1beta1.ClusterRegistration, g *given, t token) bool {
	isSet := in.KubeconfigFrom != (v1beta1.KubeconfigSource{Type: v1beta1.KubeconfigSourceComposedResource})
	givesServer := g.server.value != "" || g.server.missing
	return in.Credentials.Type != v1beta1.CredentialsToken || isSet || !givesServer || t.value != "" && t.ca == nil
}

// connect returns how Argo CD is to connect.
func (c *connector) connect() (connection, error) {
	credentials := c.in.Credentials.Type
	options := kubeconfig.Options{
		Context:       c.in.KubeconfigFrom.Context,
		Server:        c.given.server.value,
		TLSServerName: c.given.tlsServerName.value,
		ProxyURL:      c.given.proxyURL.value,
		AllowInsecure: c.in.Credentials.AllowInsecure,
		NoCredential:  credentials != v1beta1.CredentialsAuto && credentials != v1beta1.CredentialsKubeconfig,
		CAData:        c.token.ca,
		Now:           c.now,
	}
	parse := func() (*kubeconfig.Connection, error) { return c.src.kubeconfig.connection(options) }
	if !needsKubeconfig(c.in, c.given, c.token) {
		parse = func() (*kubeconfig.Connection, error) { return kubeconfig.Direct(options) }
	}
	parsed, err := parse()
	if err != nil {
		return connection{}, err
	}
	if credentials == v1beta1.CredentialsToken {
		if parsed.Credential, err = kubeconfig.Token(c.token.value, c.token.what, c.now); err != nil {
			return connection{}, err
		}
		if err := c.vouchForToken(parsed); err != nil {
			return connection{}, err
		}
	}
	cfg := argocd.NewClusterConfig(parsed)
	if err := c.authenticate(cfg, parsed.Credential); err != nil {
		return connection{}, err
	}
	if err := c.vouch(cfg, parsed.Server); err != nil {
		return connection{}, err
	}
	conn := connection{server: parsed.Server, credentials: cfg.CredentialType(), notAfter: parsed.Credential.NotAfter, notice: parsed.Credential.Notice}
	if conn.config, err = json.Marshal(cfg); err != nil {
		return connection{}, errors.New("cannot marshal Argo CD's config")
	}
	return conn, nil
}

// aws returns the identity that the input gives with type AWS.
func (c *connector) aws() argocd.AWSIdentity {
	g := c.given
	return argocd.AWSIdentity{ClusterName: g.eksCluster.value, RoleARN: g.roleARN.value, Profile: c.in.Credentials.AWS.Profile, Region: g.region.value}
}

// azure returns the identity that the input gives with type Azure.
func (c *connector) azure() argocd.AzureIdentity {
	in, g := c.in.Credentials.Azure, c.given
	if in == nil {
		return argocd.AzureIdentity{}
	}
	return argocd.AzureIdentity{
		TenantID: g.tenantID.value, ClientID: g.clientID.value, ServerID: in.ServerID,
		Environment: in.Environment, LoginMethod: string(in.LoginMethod),
	}
}

// plugin returns the plugin that the input gives with type Exec.
func plugin(in *v1beta1.ExecCredentials) argocd.ExecProviderConfig {
	config, _ := execConfig(in) // It was validated.
	return argocd.ExecProviderConfig{
		Command: in.Command, Args: in.Args, Env: in.Env, APIVersion: in.APIVersion,
		InstallHint: in.InstallHint, ProvideClusterInfo: in.ProvideClusterInfo, Config: config,
	}
}

// choosesIdentity reports whether the author has Argo CD use its own identity, by the type of the
// credentials.
func (c *connector) choosesIdentity() bool {
	t := c.in.Credentials.Type
	return t == v1beta1.CredentialsAWS || t == v1beta1.CredentialsAzure || t == v1beta1.CredentialsGCP
}

// authenticate has Argo CD authenticate as the input says.
func (c *connector) authenticate(cfg *argocd.ClusterConfig, cred kubeconfig.Credential) error {
	switch c.in.Credentials.Type {
	case v1beta1.CredentialsToken:
		cfg.UseCredential(cred)
	case v1beta1.CredentialsAWS:
		cfg.UseAWS(c.aws())
	case v1beta1.CredentialsAzure:
		cfg.UseAzure(c.azure())
	case v1beta1.CredentialsGCP:
		cfg.UseGCP()
	case v1beta1.CredentialsExec:
		cfg.UseExec(plugin(c.in.Credentials.Exec))
	case v1beta1.CredentialsKubeconfig:
		if !cfg.UseCredential(cred) {
			return kubeconfig.Unsupported("the kubeconfig's user has no client certificate, token, or username and password, and credentials.type Kubeconfig accepts nothing else")
		}
	case v1beta1.CredentialsAuto:
		switch {
		case cfg.UseCredential(cred):
		case cred.IsZero() && cloudOf(c.src.resource) == cloudGCP:
			// GKE's provider gives no credentials, and means Google's.
			cfg.UseGCP()
		default:
			return cfg.UsePlugin(cred)
		}
	}
	return nil
}

// vouch returns a problem if a config would have Argo CD send a token of its own cloud
// identity to a server that no trusted source confirms. The receiver of such a token can use
// it elsewhere, and anyone who can edit a kubeconfig chooses the receiver.
func (c *connector) vouch(cfg *argocd.ClusterConfig, server string) error {
	if c.in.Credentials.Type == v1beta1.CredentialsExec {
		return nil
	}
	provider, aws, _, own := cfg.OwnIdentity()
	if !own {
		return nil
	}
	if err := checkAuthor(c.given.tlsServerName, cfg.TLSClientConfig.ServerName, "tls-server-name", "cluster.tlsServerName", provider); err != nil {
		return err
	}
	if err := checkAuthor(c.given.proxyURL, cfg.ProxyURL, "proxy-url", "cluster.proxyURL", provider); err != nil {
		return err
	}
	given := c.given.server
	if given.author && given.value == server {
		return nil
	}
	names, fields := c.clouds.servers(c.src, provider, aws.ClusterName)
	if slices.Contains(names, hostPort(server)) {
		return nil
	}
	// The author chose the identity, and where the kubeconfig comes from. The XR's user may
	// still not choose the server.
	explicit := c.choosesIdentity()
	if explicit && cloudOf(c.src.resource) == "" && given.value == "" {
		return nil
	}
	const means = ", so Argo CD does not send it a token of its own "
	set := " identity. Set cluster.server to the server's URL"
	switch {
	case fields == "":
		if !explicit && cloudOf(c.src.resource) == "" {
			set += ", or set credentials.type to " + provider
		}
		return kubeconfig.Unsupported("no trusted source confirms the server" + means + provider + set)
	case len(names) == 0:
		return kubeconfig.Unsupported(fields + " does not name the cluster's server" + means + provider + set)
	}
	return kubeconfig.Unsupported("the server is not one that " + fields + " names" + means + provider + set)
}

// vouchForToken returns a problem if a token that is not the kubeconfig's could be sent to
// another server: one that the kubeconfig chose, or one that a proxy or a TLS server name leads to.
// With a CA of its own, the token only goes to a server that this CA confirms.
func (c *connector) vouchForToken(parsed *kubeconfig.Connection) error {
	// A GKE DNS endpoint is verified by the public CAs even if the token has a CA.
	if len(c.token.ca) > 0 && bytes.Equal(parsed.CAData, c.token.ca) {
		return nil
	}
	g := c.given
	isAuthors := g.server.author && g.server.value == parsed.Server
	names, says := serversOf(c.src.resource), "status.atProvider of composed resource "+c.src.resourceName
	if len(names) == 0 && cloudOf(c.src.resource) == cloudAWS {
		names, says = c.clouds.eksServers(), "status.atProvider of the composed EKS clusters"
	}
	// If the kubeconfig chose the server, it may choose the route to it.
	isKubeconfigs := g.server.value == "" && len(names) == 0
	if err := checkRoute(g.tlsServerName, parsed.TLSServerName, "tls-server-name", "cluster.tlsServerName", c.token.what, isKubeconfigs, len(parsed.CAData) > 0); err != nil {
		return err
	}
	if err := checkRoute(g.proxyURL, parsed.ProxyURL, "proxy-url", "cluster.proxyURL", c.token.what, isKubeconfigs, !parsed.Insecure); err != nil {
		return err
	}
	switch {
	case isAuthors:
		return nil
	case g.server.value != "" && len(parsed.CAData) == 0:
		return kubeconfig.Unsupported("cluster.serverFrom reads a field that the XR's user can write, and no CA of the cluster's own verifies the server there, so Argo CD does not send it " + c.token.what + ". Set cluster.server, or read the environment, or have the token's source publish the CA (credentials.token.caKey); at a GKE DNS endpoint, a CA does not help")
	case len(names) == 0, slices.Contains(names, hostPort(parsed.Server)):
		return nil
	}
	return kubeconfig.Unsupported("the server is not one that " + says + " names, so Argo CD does not send it " + c.token.what + ". Set cluster.server to the server's URL, or have the token's source publish the CA (credentials.token.caKey)")
}

// checkRoute returns a problem if a token would be sent by a route that the Composition's author
// did not choose: that of a kubeconfig, unless it is trusted, or of the XR's user, unless the server
// is verified anyway.
func checkRoute(given text, used, key, set, what string, trusted, verified bool) error {
	switch {
	case used == "", given.author && given.value == used:
		return nil
	case given.value == used:
		if verified {
			return nil
		}
		return kubeconfig.Unsupported(set + "From reads a field that the XR's user can write, and so they could have Argo CD send " + what + " to another server. Set " + set + ", or read the environment")
	case trusted:
		return nil
	}
	return kubeconfig.Unsupported("the kubeconfig sets " + key + ", which could make Argo CD send " + what + " to another server. Set " + set + ", or have the token's source publish the CA (credentials.token.caKey)")
}

// checkAuthor returns a problem if Argo CD would send a token of its own identity to where
// somebody else than the Composition's author leads it, by a key of the kubeconfig or by a field
// of the input that reads the XR.
func checkAuthor(given text, used, key, set, provider string) error {
	switch {
	case used == "" || given.author && given.value == used:
		return nil
	case given.value == used:
		return kubeconfig.Unsupported(set + "From reads a field that the XR's user can write, and so they could have Argo CD send a token of its own " + provider + " identity to another server. Set " + set + ", or read the environment")
	}
	return kubeconfig.Unsupported("the kubeconfig sets " + key + ", which could make Argo CD send a token of its own " + provider + " identity to another server. Set " + set)
}

// isExpired reports whether a connection's credentials have expired.
func (c connection) isExpired(now time.Time) bool {
	return !c.notAfter.IsZero() && now.After(c.notAfter)
}

// what names a connection's credentials in a message about when they expire.
func (c connection) what() string {
	if strings.Contains(c.credentials, "Token") {
		return "token"
	}
	return "client certificate"
}
