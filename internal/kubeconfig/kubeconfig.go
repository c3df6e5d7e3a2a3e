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
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/tools/clientcmd/api/latest"
)

// MaxSize is the size in bytes up to which a kubeconfig is read. Real ones have a
// few KiB, and a whole Secret may have no more than 1 MiB.
const MaxSize = 512 << 10

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

// A Credential is how a kubeconfig's user authenticates. At most one field is
// set; none is for a user without any credential.
type Credential struct {
	ClientCertificate *ClientCertificate
	BearerToken       string
	BasicAuth         *BasicAuth
	Exec              *Exec
	AuthProvider      *AuthProvider
}

// A ClientCertificate is a certificate and its key, both PEM. They belong
// together, and the certificate has not expired.
type ClientCertificate struct {
	CertData []byte
	KeyData  []byte

	// NotAfter is when the certificate expires.
	NotAfter time.Time
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

	// Server to use instead of the kubeconfig's, as Server returns it. It may be
	// a loopback address, which a kubeconfig's own may not.
	Server string

	// AllowInsecure lets a kubeconfig have insecure-skip-tls-verify.
	AllowInsecure bool

	// NoCredential leaves the user out, whatever there is wrong with it.
	NoCredential bool

	// Now is the time at which a certificate must not have expired.
	Now time.Time
}

// Parse returns the connection of one context of a kubeconfig in YAML or JSON,
// which may be wrapped in base64 once. Its errors are of type *Error.
func Parse(data []byte, o Options) (*Connection, error) {
	cfg, err := load(data)
	if err != nil {
		return nil, err
	}
	cluster, user, err := selected(cfg, o.Context)
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

// Is reports whether the data is a kubeconfig with at least one context. It does
// not say that a connection can be had from it.
func Is(data []byte) bool {
	cfg, err := load(data)
	return err == nil && len(cfg.Contexts) > 0
}

// load decodes a kubeconfig. It drops the decoder's errors: they quote what they
// failed on, tokens included.
func load(data []byte) (*api.Config, error) {
	if len(data) > MaxSize {
		return nil, Invalid(fmt.Sprintf("the kubeconfig is larger than %d KiB", MaxSize>>10))
	}
	// There is no mapping without a colon, and no base64 with one.
	if !bytes.ContainsRune(data, ':') {
		raw, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(data), nil)))
		if err != nil {
			return nil, Invalid("the kubeconfig is neither YAML or JSON nor base64 of it")
		}
		data = raw
	}
	if hasIndicator(data, '&') && hasIndicator(data, '*') {
		return nil, Invalid("the kubeconfig has YAML anchors and aliases, which no tool writes; it must be written without")
	}
	cfg := api.NewConfig()
	if _, _, err := latest.Codec.Decode(data, &schema.GroupVersionKind{Version: latest.Version, Kind: "Config"}, cfg); err != nil {
		return nil, Invalid("the kubeconfig cannot be decoded: it is no YAML or JSON of kind Config and version v1, or names one of its clusters, users or contexts twice")
	}
	return cfg, nil
}

// hasIndicator reports whether data may have an anchor (&) or an alias (*) of YAML: the
// indicator with a name after it, where no word goes on. With both, a few KiB of YAML
// become GiB of JSON, which the decoder does not limit where they are long scalars.
func hasIndicator(data []byte, indicator byte) bool {
	for i, c := range data {
		if c == indicator && i+1 < len(data) && isName(data[i+1]) && (i == 0 || !isWord(data[i-1])) {
			return true
		}
	}
	return false
}

func isName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// isWord reports whether an indicator after a byte is a part of a word or of a URL.
func isWord(c byte) bool { return isName(c) || strings.IndexByte(`/=.~%+"'`, c) >= 0 }

// selected returns the cluster and the user of the context with the given name,
// else of the current context, else of the only one. A cluster and a user that no
// context pairs are never paired here: that would send one cluster's credential to
// another.
func selected(cfg *api.Config, name string) (*api.Cluster, *api.AuthInfo, error) {
	var context *api.Context
	switch {
	case name != "":
		if context = cfg.Contexts[name]; context == nil {
			return nil, nil, Invalid("the kubeconfig has no context of the name that kubeconfigFrom.context gives")
		}
	case cfg.CurrentContext != "":
		if context = cfg.Contexts[cfg.CurrentContext]; context == nil {
			return nil, nil, Invalid("the kubeconfig does not have the context that its current-context names; name another in kubeconfigFrom.context")
		}
	case len(cfg.Contexts) == 1:
		for _, only := range cfg.Contexts {
			context = only
		}
	case len(cfg.Contexts) == 0:
		return nil, nil, Invalid("the kubeconfig has no context")
	default:
		return nil, nil, Invalid(fmt.Sprintf("the kubeconfig has %d contexts and no current-context; name one in kubeconfigFrom.context", len(cfg.Contexts)))
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

// connection returns all of a connection but its credential.
func connection(cluster *api.Cluster, o Options) (*Connection, error) {
	if cluster.CertificateAuthority != "" {
		return nil, Invalid("the kubeconfig's cluster names a file, certificate-authority; it must hold certificate-authority-data instead")
	}
	if cluster.InsecureSkipTLSVerify && !o.AllowInsecure {
		return nil, Invalid("the kubeconfig's cluster has insecure-skip-tls-verify, which would send credentials to whoever answers; it must hold certificate-authority-data instead, or credentials.allowInsecure be set")
	}
	c := &Connection{
		Server:             o.Server,
		Insecure:           cluster.InsecureSkipTLSVerify,
		TLSServerName:      cluster.TLSServerName,
		CAData:             cluster.CertificateAuthorityData,
		ProxyURL:           cluster.ProxyURL,
		DisableCompression: cluster.DisableCompression,
	}
	if c.Server == "" {
		var err error
		if c.Server, err = Server(cluster.Server); err != nil {
			return nil, Invalid("the kubeconfig's server " + err.Error())
		}
		if IsLoopback(c.Server) {
			return nil, Invalid("the kubeconfig's server is a loopback address, at which Argo CD would find itself; set cluster.server to the address at which it reaches the cluster")
		}
	}
	if c.Insecure || isGKEDNSEndpoint(c.Server) {
		c.CAData = nil
	}
	if len(c.CAData) > 0 && !x509.NewCertPool().AppendCertsFromPEM(c.CAData) {
		return nil, Invalid("the kubeconfig's certificate-authority-data holds no PEM certificate")
	}
	if c.ProxyURL != "" {
		if err := checkProxy(c.ProxyURL); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// isGKEDNSEndpoint reports whether a server is a DNS endpoint of GKE. It has a
// certificate that the operating system trusts; provider-upjet-gcp before v3 gives
// the cluster's own CA with it all the same, against which it does not verify.
func isGKEDNSEndpoint(server string) bool { return strings.HasSuffix(Hostname(server), ".gke.goog") }

func checkProxy(proxy string) error {
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" {
		return Invalid("the kubeconfig's proxy-url is no URL with a host")
	}
	switch u.Scheme {
	case "http", "https", "socks5":
	default:
		return Invalid("the kubeconfig's proxy-url must be http, https or socks5")
	}
	if u.User != nil {
		return Invalid("the kubeconfig's proxy-url holds credentials, which are not carried over; Argo CD must reach the proxy without")
	}
	return nil
}

// credential returns a user's credential: the first that is there of a client
// certificate, a token, a username with password, and a plugin. The others are left
// out: with two of them, revoking one would revoke nothing.
func credential(user *api.AuthInfo, now time.Time) (Credential, error) {
	switch {
	case user.ClientCertificate != "", user.ClientKey != "", user.TokenFile != "":
		return Credential{}, Unsupported("the kubeconfig's user names files (client-certificate, client-key or tokenFile); it must hold client-certificate-data and client-key-data, or a token, instead")
	case user.Impersonate != "", user.ImpersonateUID != "", len(user.ImpersonateGroups) > 0, len(user.ImpersonateUserExtra) > 0:
		return Credential{}, Unsupported("the kubeconfig's user impersonates another, which Argo CD cannot; the user must have the rights itself")
	case len(user.ClientCertificateData) > 0, len(user.ClientKeyData) > 0:
		return clientCertificate(user.ClientCertificateData, user.ClientKeyData, now)
	}
	if token := strings.TrimSpace(user.Token); token != "" {
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return Credential{}, Invalid("the kubeconfig's token holds a space or a control character")
		}
		return Credential{BearerToken: token}, nil
	}
	switch {
	case user.Username != "" && user.Password != "":
		return Credential{BasicAuth: &BasicAuth{Username: user.Username, Password: user.Password}}, nil
	case user.Exec != nil:
		return Credential{Exec: plugin(user.Exec)}, nil
	case user.AuthProvider != nil:
		return Credential{AuthProvider: &AuthProvider{Name: user.AuthProvider.Name, Config: user.AuthProvider.Config}}, nil
	}
	return Credential{}, nil
}

func clientCertificate(cert, key []byte, now time.Time) (Credential, error) {
	if len(cert) == 0 || len(key) == 0 {
		return Credential{}, Invalid("the kubeconfig's user has only one of client-certificate-data and client-key-data")
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return Credential{}, Invalid("the kubeconfig's client certificate and key are not PEM, or do not belong together")
	}
	if now.After(pair.Leaf.NotAfter) {
		return Credential{}, Invalid("the kubeconfig's client certificate expired on " + pair.Leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	return Credential{ClientCertificate: &ClientCertificate{CertData: cert, KeyData: key, NotAfter: pair.Leaf.NotAfter}}, nil
}

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
