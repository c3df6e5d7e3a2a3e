package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

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

	// clouds are the observed clusters of clouds that may vouch for a server.
	clouds clouds
	now    time.Time
}

// connect returns how Argo CD is to connect by the kubeconfig.
func (c *connector) connect() (connection, error) {
	credentials := c.in.Credentials.Type
	parsed, err := kubeconfig.Parse(c.src.kubeconfig, kubeconfig.Options{
		Context:       c.in.KubeconfigFrom.Context,
		Server:        c.given.server.value,
		TLSServerName: c.given.tlsServerName.value,
		ProxyURL:      c.given.proxyURL.value,
		AllowInsecure: c.in.Credentials.AllowInsecure,
		NoCredential:  credentials != v1beta1.CredentialsAuto && credentials != v1beta1.CredentialsKubeconfig,
		Now:           c.now,
	})
	if err != nil {
		return connection{}, err
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

// authenticate has Argo CD authenticate as the input says.
func (c *connector) authenticate(cfg *argocd.ClusterConfig, cred kubeconfig.Credential) error {
	switch c.in.Credentials.Type {
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
// identity to a server that nobody vouches for. Whoever receives such a token can use it
// elsewhere, and whoever can edit a kubeconfig chooses who receives it.
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
	explicit := c.in.Credentials.Type != v1beta1.CredentialsAuto
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
		return kubeconfig.Unsupported("nobody vouches for the server" + means + provider + set)
	case len(names) == 0:
		return kubeconfig.Unsupported(fields + " does not name the cluster's server" + means + provider + set)
	}
	return kubeconfig.Unsupported("the server is not one that " + fields + " names" + means + provider + set)
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
	return kubeconfig.Unsupported("the kubeconfig sets " + key + ", by which Argo CD could send a token of its own " + provider + " identity to another server. Set " + set)
}

// kept returns the connection that a registration has, and why the input forbids it; empty
// if it does not. What is kept is checked like what is new: whoever can edit the composed
// resource could have written it.
func (c *connector) kept(was *registration) (conn connection, forbidden string) {
	for _, m := range was.manifests() {
		got, why := c.keep(m)
		if why == "" {
			return got, ""
		}
		if conn.server == "" {
			conn = got
		}
		forbidden = cmp.Or(forbidden, why)
	}
	if forbidden == "" {
		forbidden = "the registration has lost its connection"
	}
	if conn.server == "" {
		// A name that never resolves: without one, Argo CD could take the cluster for the
		// one that it runs in.
		conn.server = "https://" + argocd.ClusterLabel(was.cluster) + ".invalid"
	}
	cfg := &argocd.ClusterConfig{}
	if old, err := argocd.ParseClusterConfig(conn.config); err == nil && old.Check() == nil {
		cfg = old
		cfg.DropCredentials()
		if cfg.ProxyURL != c.given.proxyURL.value {
			cfg.ProxyURL = ""
		}
	}
	conn = connection{server: conn.server, credentials: cfg.CredentialType()}
	conn.config, _ = json.Marshal(cfg) //nolint:errchkjson // It holds only strings, booleans and bytes.
	return conn, forbidden
}

// keep returns the connection in a Secret, and why it may not be kept; empty if it may.
func (c *connector) keep(secret *structpb.Struct) (conn connection, forbidden string) {
	conn = connection{config: []byte(decode(secret, "config"))}
	server, err := kubeconfig.Server(decode(secret, "server"))
	if given := c.given.server.value; given != "" && given == decode(secret, "server") {
		// The author may have chosen one that a kubeconfig may not.
		server, err = given, nil
	}
	if err != nil {
		return conn, "the registration's server is not valid"
	}
	conn.server = server
	cfg, err := argocd.ParseClusterConfig(conn.config)
	if err != nil || cfg.Check() != nil {
		return conn, "the registration's config is not one that this function writes"
	}
	if cfg.ProxyURL != "" && cfg.ProxyURL != c.given.proxyURL.value {
		if _, err := kubeconfig.Proxy(cfg.ProxyURL); err != nil {
			return conn, "the registration's proxy is not valid"
		}
	}
	conn.credentials, conn.notAfter = cfg.CredentialType(), cfg.NotAfter()
	if cfg.TLSClientConfig.Insecure && !c.in.Credentials.AllowInsecure {
		return conn, "the registration does not verify the server, and credentials.allowInsecure is not set"
	}
	return conn, c.forbids(cfg, server)
}

// forbids returns why the input forbids a registration's credentials; empty if it does not.
func (c *connector) forbids(cfg *argocd.ClusterConfig, server string) string {
	in := &c.in.Credentials
	provider, aws, az, own := cfg.OwnIdentity()
	if in.Type == v1beta1.CredentialsExec {
		if !isSame(cfg.ExecProviderConfig, plugin(in.Exec)) {
			return "the registration's credentials are not those of credentials.exec"
		}
		return ""
	}
	kind := cfg.CredentialType()
	switch {
	case kind == "None":
		return "Argo CD has no credentials that the Composition allows"
	case !own && (cfg.ExecProviderConfig != nil || cfg.AWSAuthConfig != nil):
		return "the registration runs a plugin that this function did not configure"
	}
	allowed := false
	switch in.Type {
	case v1beta1.CredentialsAuto:
		allowed = !own || aws.RoleARN == "" && aws.Profile == "" && az.ClientID == "" && az.LoginMethod == "" && argocd.IsAKSServerID(az.ServerID)
	case v1beta1.CredentialsKubeconfig:
		allowed = !own
	case v1beta1.CredentialsAWS:
		allowed = own && provider == "AWS" && aws == c.awsAllowed(aws)
	case v1beta1.CredentialsAzure:
		allowed = own && provider == "Azure" && az == c.azureAllowed(az)
	case v1beta1.CredentialsGCP:
		allowed = own && provider == "GCP"
	case v1beta1.CredentialsExec:
	}
	if !allowed {
		return "the registration's credentials (" + kind + ") are not those that credentials.type " + string(in.Type) + " allows"
	}
	if own {
		return c.disowned(cfg, server, provider, aws.ClusterName)
	}
	return ""
}

// awsAllowed returns the identity that the input gives. A field that is missing now may have had
// the value that the registration has.
func (c *connector) awsAllowed(has argocd.AWSIdentity) argocd.AWSIdentity {
	want := c.aws()
	want.ClusterName = c.given.eksCluster.or(has.ClusterName)
	want.RoleARN = c.given.roleARN.or(has.RoleARN)
	want.Region = c.given.region.or(has.Region)
	return want
}

// azureAllowed does the same for Azure.
func (c *connector) azureAllowed(has argocd.AzureIdentity) argocd.AzureIdentity {
	want := c.azure()
	want.TenantID = c.given.tenantID.or(has.TenantID)
	want.ClientID = c.given.clientID.or(has.ClientID)
	return want
}

// isSame reports whether a plugin is configured as the input says. Empty and missing fields
// are the same.
func isSame(got *argocd.ExecProviderConfig, want argocd.ExecProviderConfig) bool {
	if got == nil {
		return false
	}
	g, errGot := json.Marshal(got)
	w, errWant := json.Marshal(want)
	return errGot == nil && errWant == nil && bytes.Equal(g, w)
}

// disowned returns why Argo CD must no longer send a token of its own to a registration's
// server; empty if it may. That who vouched for the server is gone is no reason.
func (c *connector) disowned(cfg *argocd.ClusterConfig, server, provider, eks string) string {
	if !mayHave(c.given.proxyURL, c.in.Cluster.ProxyURLFrom, cfg.ProxyURL) ||
		!mayHave(c.given.tlsServerName, c.in.Cluster.TLSServerNameFrom, cfg.TLSClientConfig.ServerName) {
		return "the registration uses a proxy or a TLS server name that cluster.proxyURL and cluster.tlsServerName do not give, with Argo CD's own " + provider + " identity"
	}
	given := c.given.server
	if server != "" && mayHave(given, c.in.Cluster.ServerFrom, server) {
		return ""
	}
	// The author chose the identity, and where the kubeconfig comes from, if it is not one that
	// is found by what the composed resource says.
	explicit := c.in.Credentials.Type != v1beta1.CredentialsAuto && cloudOf(c.src.resource) == "" && given.value == "" && !given.missing
	from := &c.in.KubeconfigFrom
	if explicit && (from.Type != v1beta1.KubeconfigSourceComposedResource || from.ResourceName != "") {
		return ""
	}
	const sends = ", and the registration has Argo CD send a token of its own "
	names, fields := c.clouds.servers(c.src, provider, eks)
	if cloudOf(c.src.resource) != provider {
		names, fields = c.clouds.all(provider, eks), "the status of the composed clusters"
	}
	switch {
	case slices.Contains(names, hostPort(server)):
		return ""
	case len(names) > 0:
		return fields + " names other servers" + sends + provider + " identity to its server"
	case given.author && given.value != "":
		return "cluster.server is another server" + sends + provider + " identity to its server"
	case cloudOf(c.src.resource) == provider, c.src.resource == nil && c.in.KubeconfigFrom.Type == v1beta1.KubeconfigSourceComposedResource:
		return ""
	case explicit:
		return ""
	}
	return "nobody vouches for the registration's server any more" + sends + provider + " identity there"
}

// mayHave reports whether the author may have given a value that a registration has: it is the
// one given now, or none can be read now, from where only the author writes.
func mayHave(given text, from *v1beta1.FieldSource, has string) bool {
	authors := from != nil && (from.Type == v1beta1.FromEnvironmentFieldPath || isStatus(from))
	switch {
	case given.missing:
		return has == "" || authors
	case given.value != has:
		return false
	}
	// The observed XR may still have what an earlier step wrote to its status.
	return has == "" || given.author || authors
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
