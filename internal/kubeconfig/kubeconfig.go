// Package kubeconfig reads one connection to a cluster out of a kubeconfig that
// nobody has vetted.
//
// The format is client-go's, k8s.io/client-go/tools/clientcmd/api/v1. What sets
// this package apart from clientcmd is what it does not do: it opens no file that
// a kubeconfig names, runs and passes on no command, and puts no text of a
// kubeconfig into an error.
package kubeconfig

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/client-go/tools/clientcmd/api"
)

// A Connection is what one context of a kubeconfig says about how to connect.
type Connection struct {
	// Server is the URL of the API server: https, without a trailing slash.
	Server string

	// TLSServerName is the name to verify the server's certificate against.
	// Empty for the server's host name.
	TLSServerName string

	// CAData are the PEM certificates to verify the server's certificate with.
	// Empty for the certificates that the operating system trusts.
	CAData []byte

	// Insecure is for a server whose certificate is not verified at all. There is
	// no CAData then.
	Insecure bool

	// ProxyURL is the proxy on the way to the server: http, https or socks5.
	// Empty for none.
	ProxyURL string

	// DisableCompression of responses.
	DisableCompression bool

	// Credential of the context's user.
	Credential Credential
}

// A Credential is how a kubeconfig's user authenticates. At most one of the pointers and
// the token is set; none of them is for a user without any credential.
type Credential struct {
	ClientCertificate *ClientCertificate
	BearerToken       string
	BasicAuth         *BasicAuth
	Exec              *Exec
	AuthProvider      *AuthProvider

	// NotAfter is when the certificate or the token expires. Zero if it never does, or
	// if that cannot be seen.
	NotAfter time.Time

	// Notice says that a better credential was passed over, and why. Usually empty.
	Notice string
}

// IsZero reports whether a user has no credential at all.
func (c Credential) IsZero() bool {
	return c.ClientCertificate == nil && c.BearerToken == "" && c.BasicAuth == nil && c.Exec == nil && c.AuthProvider == nil
}

// A ClientCertificate is a certificate and its key, both PEM. They belong
// together, and the certificate has not expired.
type ClientCertificate struct {
	CertData []byte
	KeyData  []byte
}

// BasicAuth is a user's name and password.
type BasicAuth struct {
	Username string
	Password string
}

// Exec is a credential plugin that a kubeconfig asks its reader to run. It must
// never be run, only recognised.
type Exec struct {
	// Name is the base name of the command, without an .exe.
	Name string
	Args []string
	Env  map[string]string
}

// AuthProvider is a credential plugin of the kind that client-go had built in
// until v1.26.
type AuthProvider struct {
	Name   string
	Config map[string]string
}

// Options for Parse.
type Options struct {
	// Context to use. Default: the kubeconfig's current-context, else its only
	// context.
	Context string

	// Server, TLSServerName and ProxyURL to use instead of the kubeconfig's, which is
	// then not looked at. Server is as Server returns it, and ProxyURL as Proxy does.
	Server        string
	TLSServerName string
	ProxyURL      string

	// CAData is the CA to use instead of the kubeconfig's, which is then not looked at. The
	// server is always verified with it.
	CAData []byte

	// AllowInsecure lets a kubeconfig have insecure-skip-tls-verify.
	AllowInsecure bool

	// NoCredential leaves the user out, whatever there is wrong with it.
	NoCredential bool

	// Now is the time that certificates and tokens are checked against.
	Now time.Time
}

// Parse returns the connection of one context of a kubeconfig in YAML or JSON,
// which may be wrapped in base64 once. Its errors are of type *Error.
func Parse(data []byte, o Options) (*Connection, error) {
	cfg, err := load(data)
	if err != nil {
		return nil, err
	}
	return (&Config{cfg}).Connection(o)
}

// A Config is a decoded kubeconfig.
type Config struct{ config *api.Config }

// Connection returns the connection of one context. Its errors are of type *Error.
func (k *Config) Connection(o Options) (*Connection, error) {
	cluster, user, err := selected(k.config, o.Context)
	if err != nil {
		return nil, err
	}
	c, err := connection(cluster, o)
	if err != nil || o.NoCredential {
		return c, err
	}
	c.Credential, err = credential(user, o.Now)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Direct returns the connection that the options alone describe, without a credential. It needs
// a Server. Its errors are of type *Error.
func Direct(o Options) (*Connection, error) { return connection(&api.Cluster{}, o) }

// Token returns the credential that a token is. An Error's message names it by what.
func Token(token, what string, now time.Time) (Credential, error) {
	return bearerToken(strings.TrimSpace(token), what, now)
}

// Recognize returns the data as a kubeconfig with at least one context; nil if it is something
// else. It does not say that a connection can be had from it.
func Recognize(data []byte) *Config {
	data, err := text(data)
	if err != nil || !bytes.Contains(data, []byte("contexts")) {
		// Most of what is not a kubeconfig need not be decoded to know.
		return nil
	}
	cfg, err := decode(data)
	if err != nil || len(cfg.Contexts) == 0 {
		return nil
	}
	return &Config{cfg}
}

// selected returns the cluster and the user of the context with the given name,
// else of the current context, else of the only one. A cluster and a user that no
// context pairs are never paired here: that would send one cluster's credential to
// another.
func selected(cfg *api.Config, name string) (*api.Cluster, *api.AuthInfo, error) {
	var context *api.Context
	switch {
	case name != "":
		if context = cfg.Contexts[name]; context == nil {
			return nil, nil, Invalid("the kubeconfig does not have the context set in kubeconfigFrom.context")
		}
	case cfg.CurrentContext != "":
		if context = cfg.Contexts[cfg.CurrentContext]; context == nil {
			return nil, nil, Invalid("the kubeconfig does not have the context that its current-context names; set kubeconfigFrom.context")
		}
	case len(cfg.Contexts) == 1:
		for _, only := range cfg.Contexts {
			context = only
		}
	case len(cfg.Contexts) == 0:
		return nil, nil, Invalid("the kubeconfig has no context")
	default:
		return nil, nil, Invalid(fmt.Sprintf("the kubeconfig has %d contexts and no current-context; set kubeconfigFrom.context", len(cfg.Contexts)))
	}
	if context == nil {
		return nil, nil, Invalid("the kubeconfig's context is empty")
	}
	cluster := cfg.Clusters[context.Cluster]
	if cluster == nil {
		return nil, nil, Invalid("the kubeconfig's context names a cluster that the kubeconfig does not have")
	}
	user := cfg.AuthInfos[context.AuthInfo]
	if user == nil && context.AuthInfo != "" {
		return nil, nil, Invalid("the kubeconfig's context names a user that the kubeconfig does not have")
	}
	if user == nil {
		user = &api.AuthInfo{}
	}
	return cluster, user, nil
}

// connection returns all of a connection except its credential.
func connection(cluster *api.Cluster, o Options) (*Connection, error) {
	if len(o.CAData) > 0 {
		cluster = cluster.DeepCopy()
		cluster.CertificateAuthority, cluster.CertificateAuthorityData, cluster.InsecureSkipTLSVerify = "", nil, false
	}
	if cluster.CertificateAuthority != "" {
		return nil, Invalid("the kubeconfig's cluster refers to a file (certificate-authority); embed it as certificate-authority-data")
	}
	if cluster.InsecureSkipTLSVerify && !o.AllowInsecure {
		return nil, Invalid("the kubeconfig's cluster sets insecure-skip-tls-verify, so the server would not be verified. Embed certificate-authority-data, or set credentials.allowInsecure: true")
	}
	c := &Connection{
		Server:             o.Server,
		Insecure:           cluster.InsecureSkipTLSVerify,
		TLSServerName:      cmp.Or(o.TLSServerName, cluster.TLSServerName),
		CAData:             cluster.CertificateAuthorityData,
		ProxyURL:           o.ProxyURL,
		DisableCompression: cluster.DisableCompression,
	}
	var err error
	if c.Server == "" {
		if c.Server, err = Server(cluster.Server); err != nil {
			return nil, Invalid("the kubeconfig's server " + err.Error() + ". Set cluster.server to an address that Argo CD can reach")
		}
	}
	if o.TLSServerName == "" && c.TLSServerName != "" && len(CheckTLSServerName(c.TLSServerName)) > 0 {
		return nil, Invalid("the kubeconfig's tls-server-name is not a DNS name or an IP address; set cluster.tlsServerName")
	}
	if len(o.CAData) > 0 {
		c.CAData = o.CAData
	}
	if c.Insecure || isGKEDNSEndpoint(c.Server) {
		c.CAData = nil
	}
	if len(c.CAData) > 0 && len(o.CAData) == 0 && len(CheckCA(c.CAData)) > 0 {
		return nil, Invalid("the kubeconfig's certificate-authority-data does not hold a PEM certificate")
	}
	if c.ProxyURL == "" && cluster.ProxyURL != "" {
		if c.ProxyURL, err = Proxy(cluster.ProxyURL); err != nil {
			return nil, Invalid("the kubeconfig's proxy-url " + err.Error() + ". Set cluster.proxyURL to the proxy that Argo CD connects through")
		}
	}
	return c, nil
}

// isGKEDNSEndpoint reports whether a server is a DNS endpoint of GKE. It has a
// certificate that the operating system trusts; provider-upjet-gcp before v3 gives
// the cluster's own CA with it all the same, against which it does not verify.
func isGKEDNSEndpoint(server string) bool { return strings.HasSuffix(Hostname(server), ".gke.goog") }

// credential returns a user's credential: the first one of a client certificate, a token,
// a username with password, and a plugin. The others are left out: with two of them,
// revoking one would revoke nothing. Only a certificate that cannot be used gives way to a
// token.
func credential(user *api.AuthInfo, now time.Time) (Credential, error) {
	switch {
	case user.ClientCertificate != "", user.ClientKey != "", user.TokenFile != "":
		return Credential{}, Unsupported("the kubeconfig's user refers to files (client-certificate, client-key or tokenFile); embed client-certificate-data and client-key-data, or a token")
	case user.Impersonate != "", user.ImpersonateUID != "", len(user.ImpersonateGroups) > 0, len(user.ImpersonateUserExtra) > 0:
		return Credential{}, Unsupported("the kubeconfig's user uses impersonation, which Argo CD does not support; grant the access to the user itself")
	}
	token := strings.TrimSpace(user.Token)
	if len(user.ClientCertificateData) > 0 || len(user.ClientKeyData) > 0 {
		c, problem := clientCertificate(user.ClientCertificateData, user.ClientKeyData, now)
		if problem == "" {
			return c, nil
		}
		if token != "" {
			if c, err := bearerToken(token, kubeconfigToken, now); err == nil {
				c.Notice = problem + ", so its token is used"
				return c, nil
			}
		}
		return Credential{}, Invalid(problem)
	}
	switch {
	case token != "":
		return bearerToken(token, kubeconfigToken, now)
	case user.Username != "" && user.Password != "":
		return Credential{BasicAuth: &BasicAuth{Username: user.Username, Password: user.Password}}, nil
	case user.Exec != nil:
		return Credential{Exec: plugin(user.Exec)}, nil
	case user.AuthProvider != nil:
		return Credential{AuthProvider: &AuthProvider{Name: user.AuthProvider.Name, Config: user.AuthProvider.Config}}, nil
	}
	return Credential{}, nil
}

// clientCertificate returns the credential that a certificate and its key are, or why they
// are not one.
func clientCertificate(cert, key []byte, now time.Time) (c Credential, problem string) {
	if len(cert) == 0 || len(key) == 0 {
		return Credential{}, "the kubeconfig's user has only one of client-certificate-data and client-key-data"
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return Credential{}, "the kubeconfig's client certificate and key are not PEM, or do not belong together"
	}
	notAfter := pair.Leaf.NotAfter
	if now.After(notAfter) {
		return Credential{}, "the kubeconfig's client certificate expired on " + date(notAfter)
	}
	return Credential{ClientCertificate: &ClientCertificate{CertData: cert, KeyData: key}, NotAfter: notAfter}, ""
}

const kubeconfigToken = "the kubeconfig's token"

// bearerToken returns the credential that a token is, which messages name by what.
func bearerToken(token, what string, now time.Time) (Credential, error) {
	switch {
	case !utf8.ValidString(token):
		return Credential{}, Invalid(what + " is not UTF-8 text")
	case len(CheckToken(token)) > 0:
		return Credential{}, Invalid(what + " holds a space or a control character")
	}
	notAfter := TokenNotAfter(token)
	if !notAfter.IsZero() && !now.Before(notAfter) {
		return Credential{}, Invalid(what + " expired on " + date(notAfter))
	}
	return Credential{BearerToken: token, NotAfter: notAfter}, nil
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func plugin(e *api.ExecConfig) *Exec {
	// A kubeconfig is written on any system, so both kinds of paths occur.
	name := e.Command[strings.LastIndexAny(e.Command, `/\`)+1:]
	p := &Exec{Name: strings.TrimSuffix(name, ".exe"), Args: e.Args}
	for _, v := range e.Env {
		if p.Env == nil {
			p.Env = make(map[string]string, len(e.Env))
		}
		p.Env[v.Name] = v.Value
	}
	return p
}
