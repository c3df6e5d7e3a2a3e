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

// A connector finds out how Argo CD is to connect.
type connector struct {
	in  *v1beta1.ClusterRegistration
	xr  *composite
	src source

	// clouds are the observed clusters of clouds that may vouch for a server.
	clouds clouds
	now    time.Time
}

// server returns the server that the input gives; empty if it is the kubeconfig's.
func (c *connector) server() (text, error) {
	if c.in.Cluster == nil {
		return text{}, nil
	}
	t, err := c.xr.text("the cluster's server", c.in.Cluster.ServerValue(), v1beta1.CheckServer)
	if err != nil || t.value == "" {
		return text{}, err
	}
	if c.in.Cluster.ServerValue().Literal != nil {
		t.value, err = kubeconfig.ChosenServer(t.value)
	} else {
		t.value, err = kubeconfig.Server(t.value)
	}
	return t, err
}

// connect returns how Argo CD is to connect by the kubeconfig.
func (c *connector) connect() (connection, error) {
	server, aws, err := c.fields()
	if err != nil {
		return connection{}, err
	}
	credentials := c.in.Credentials.GetType()
	parsed, err := kubeconfig.Parse(c.src.kubeconfig, kubeconfig.Options{
		Context:       c.in.KubeconfigFrom.GetContext(),
		Server:        server.value,
		TLSServerName: c.in.Cluster.GetTLSServerName(),
		ProxyURL:      c.in.Cluster.GetProxyURL(),
		AllowInsecure: c.in.Credentials.GetAllowInsecure(),
		NoCredential:  credentials != v1beta1.CredentialsAuto && credentials != v1beta1.CredentialsKubeconfig,
		Now:           c.now,
	})
	if err != nil {
		return connection{}, err
	}
	cfg := argocd.NewClusterConfig(parsed)
	if err := c.authenticate(cfg, aws, parsed.Credential); err != nil {
		return connection{}, err
	}
	if err := c.vouch(cfg, parsed.Server, server); err != nil {
		return connection{}, err
	}
	conn := connection{server: parsed.Server, credentials: cfg.CredentialType(), notAfter: parsed.Credential.NotAfter, notice: parsed.Credential.Notice}
	if conn.config, err = json.Marshal(cfg); err != nil {
		return connection{}, errors.New("cannot marshal Argo CD's config")
	}
	return conn, nil
}

// aws returns the identity that the input gives with type AWS.
func (c *connector) aws() (argocd.AWSIdentity, error) {
	in := c.in.Credentials
	if in.GetType() != v1beta1.CredentialsAWS {
		return argocd.AWSIdentity{}, nil
	}
	var missing problems
	cluster, err := c.xr.text("an EKS cluster's name", in.AWS.ClusterNameValue(), argocd.CheckEKSClusterName)
	missing.add(err)
	role, err := c.xr.text("an IAM role", in.AWS.RoleARNValue(), argocd.CheckRoleARN)
	missing.add(err)
	return argocd.AWSIdentity{ClusterName: cluster.value, RoleARN: role.value, Profile: in.AWS.Profile, Region: in.AWS.Region}, missing.error()
}

// fields returns what the input gives of the connection. The error names all that is not known.
func (c *connector) fields() (server text, aws argocd.AWSIdentity, err error) {
	var p problems
	server, err = c.server()
	p.add(err)
	aws, err = c.aws()
	p.add(err)
	return server, aws, p.error()
}

// azure returns the identity that the input gives with type Azure.
func azure(in *v1beta1.AzureCredentials) argocd.AzureIdentity {
	if in == nil {
		return argocd.AzureIdentity{}
	}
	return argocd.AzureIdentity{
		TenantID: in.TenantID, ClientID: in.ClientID, ServerID: in.ServerID,
		Environment: in.Environment, LoginMethod: string(in.LoginMethod),
	}
}

// plugin returns the plugin that the input gives with type Exec.
func plugin(in *v1beta1.ExecCredentials) argocd.ExecProviderConfig {
	return argocd.ExecProviderConfig{
		Command: in.Command, Args: in.Args, Env: in.Env, APIVersion: in.GetAPIVersion(),
		InstallHint: in.InstallHint, ProvideClusterInfo: in.ProvideClusterInfo,
	}
}

// authenticate has Argo CD authenticate as the input says.
func (c *connector) authenticate(cfg *argocd.ClusterConfig, aws argocd.AWSIdentity, cred kubeconfig.Credential) error {
	switch in := c.in.Credentials; in.GetType() {
	case v1beta1.CredentialsAWS:
		cfg.UseAWS(aws)
	case v1beta1.CredentialsAzure:
		cfg.UseAzure(azure(in.Azure))
	case v1beta1.CredentialsGCP:
		cfg.UseGCP()
	case v1beta1.CredentialsExec:
		cfg.UseExec(plugin(in.Exec))
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
func (c *connector) vouch(cfg *argocd.ClusterConfig, server string, given text) error {
	if c.in.Credentials.GetType() == v1beta1.CredentialsExec {
		return nil
	}
	provider, aws, _, own := cfg.OwnIdentity()
	if !own {
		return nil
	}
	if cfg.TLSClientConfig.ServerName != c.in.Cluster.GetTLSServerName() {
		return kubeconfig.Unsupported("the kubeconfig sets tls-server-name, with which Argo CD could send a token of its own " + provider + " identity to another server; set cluster.tlsServerName")
	}
	if cfg.ProxyURL != c.in.Cluster.GetProxyURL() {
		return kubeconfig.Unsupported("the kubeconfig sets proxy-url, through which Argo CD would send a token of its own " + provider + " identity; set cluster.proxyURL")
	}
	if given.author && given.value == server {
		return nil
	}
	names, fields := c.clouds.servers(c.src, provider, aws.ClusterName)
	if slices.Contains(names, hostPort(server)) {
		return nil
	}
	// The author chose the identity, and where the kubeconfig comes from. The XR's user may
	// still not choose the server.
	explicit := c.in.Credentials.GetType() != v1beta1.CredentialsAuto
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
		if cfg.ProxyURL != c.in.Cluster.GetProxyURL() {
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
	if given, givenErr := c.server(); givenErr == nil && given.value != "" && given.value == decode(secret, "server") {
		server, err = given.value, nil
	}
	if err != nil {
		return conn, "the registration's server is not valid"
	}
	conn.server = server
	cfg, err := argocd.ParseClusterConfig(conn.config)
	if err != nil || cfg.Check() != nil {
		return conn, "the registration's config is not one that this function writes"
	}
	if cfg.ProxyURL != "" && cfg.ProxyURL != c.in.Cluster.GetProxyURL() {
		if _, err := kubeconfig.Proxy(cfg.ProxyURL); err != nil {
			return conn, "the registration's proxy is not valid"
		}
	}
	conn.credentials, conn.notAfter = cfg.CredentialType(), cfg.NotAfter()
	if cfg.TLSClientConfig.Insecure && !c.in.Credentials.GetAllowInsecure() {
		return conn, "the registration does not verify the server, and credentials.allowInsecure is not set"
	}
	return conn, c.forbids(cfg, server)
}

// forbids returns why the input forbids a registration's credentials; empty if it does not.
func (c *connector) forbids(cfg *argocd.ClusterConfig, server string) string {
	in := c.in.Credentials
	provider, aws, az, own := cfg.OwnIdentity()
	if in.GetType() == v1beta1.CredentialsExec {
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
	switch in.GetType() {
	case v1beta1.CredentialsAuto:
		allowed = !own || aws.RoleARN == "" && aws.Profile == "" && az.ClientID == "" && az.LoginMethod == "" && argocd.IsAKSServerID(az.ServerID)
	case v1beta1.CredentialsKubeconfig:
		allowed = !own
	case v1beta1.CredentialsAWS:
		allowed = own && provider == "AWS" && aws == c.awsAllowed(aws)
	case v1beta1.CredentialsAzure:
		allowed = own && provider == "Azure" && az == azure(in.Azure)
	case v1beta1.CredentialsGCP:
		allowed = own && provider == "GCP"
	case v1beta1.CredentialsExec:
	}
	if !allowed {
		return "the registration's credentials (" + kind + ") are not those that credentials.type " + string(in.GetType()) + " allows"
	}
	if own {
		return c.disowned(cfg, server, provider, aws.ClusterName)
	}
	return ""
}

// awsAllowed returns the identity that the input gives. A field that is missing now may have had
// the value that the registration has.
func (c *connector) awsAllowed(has argocd.AWSIdentity) argocd.AWSIdentity {
	want, err := c.aws()
	if err == nil {
		return want
	}
	isField := func(v v1beta1.Value) bool { return v.FieldPath != nil || v.EnvironmentFieldPath != nil }
	if want.ClusterName == "" && isField(c.in.Credentials.AWS.ClusterNameValue()) {
		want.ClusterName = has.ClusterName
	}
	if want.RoleARN == "" && isField(c.in.Credentials.AWS.RoleARNValue()) {
		want.RoleARN = has.RoleARN
	}
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
	if cfg.ProxyURL != c.in.Cluster.GetProxyURL() || cfg.TLSClientConfig.ServerName != c.in.Cluster.GetTLSServerName() {
		return "the registration uses a proxy or a TLS server name that cluster.proxyURL and cluster.tlsServerName do not give, with Argo CD's own " + provider + " identity"
	}
	given, err := c.server()
	switch {
	case err == nil && given.author && given.value == server:
		return ""
	case c.isAuthorsServer() && (err != nil || !given.author && given.value == server):
		// It may be the server that is missing now. The observed XR may still have it.
		return ""
	}
	// The author chose the identity, and where the kubeconfig comes from, if it is not one that
	// is found by what the composed resource says.
	explicit := c.in.Credentials.GetType() != v1beta1.CredentialsAuto && cloudOf(c.src.resource) == "" && given.value == "" && err == nil
	from := c.in.KubeconfigFrom
	if explicit && (from.GetType() != v1beta1.KubeconfigSourceComposedResource || from.GetResourceName() != "") {
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
	case err == nil && given.author && given.value != "":
		return "cluster.server is another server" + sends + provider + " identity to its server"
	case cloudOf(c.src.resource) == provider, c.src.resource == nil && c.in.KubeconfigFrom.GetType() == v1beta1.KubeconfigSourceComposedResource:
		return ""
	case c.in.Credentials.GetType() != v1beta1.CredentialsAuto && cloudOf(c.src.resource) == "" && given.value == "" && err == nil:
		return ""
	}
	return "nobody vouches for the registration's server any more" + sends + provider + " identity there"
}

// isAuthorsServer reports whether the input takes the server from where only the
// Composition's author writes.
func (c *connector) isAuthorsServer() bool {
	if c.in.Cluster == nil {
		return false
	}
	v := c.in.Cluster.ServerValue()
	return v.EnvironmentFieldPath != nil || v.FieldPath != nil && strings.HasPrefix(*v.FieldPath, "status")
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
