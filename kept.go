package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// kept returns the connection that a registration has, and why the input forbids it; empty
// if it does not. What is kept is checked like what is new: anyone who can edit the composed
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
		return conn, "somebody edited the registration: its config is not one that this function writes"
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
		return "the credentials that the registration had are not allowed, and there are no others yet"
	case !own && (cfg.ExecProviderConfig != nil || cfg.AWSAuthConfig != nil):
		return "the registration runs a plugin that the Composition does not allow"
	}
	allowed := false
	switch in.Type {
	case v1beta1.CredentialsAuto, v1beta1.CredentialsToken:
		// Until there is a token, a cluster that was registered by another type keeps the
		// credentials that Auto allows.
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
	want.Region = has.Region // It does not change the identity.
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
// server; empty if it may. It may if the source that confirmed the server is gone: that
// withdraws nothing.
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
	explicit := c.choosesIdentity() && cloudOf(c.src.resource) == "" && given.value == "" && !given.missing
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
	case cloudOf(c.src.resource) == provider, resourceOf(c.src.resource) == nil && c.in.KubeconfigFrom.Type == v1beta1.KubeconfigSourceComposedResource:
		return ""
	case explicit:
		return ""
	}
	return "no trusted source confirms the registration's server any more" + sends + provider + " identity there"
}

// mayHave reports whether the author may have given a value that a registration has: it is the
// one given now, or none can be read now, from where only the author writes.
func mayHave(given text, from *v1beta1.FieldSource, has string) bool {
	authors := from != nil && (from.Type == v1beta1.FromEnvironmentFieldPath || isStatus(from))
	switch {
	case has == "":
		return true
	case given.missing:
		return authors
	case given.value != has:
		return false
	}
	// The observed XR may still have what an earlier step wrote to its status.
	return given.author || authors
}
