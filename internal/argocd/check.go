package argocd

import (
	"bytes"
	"crypto/tls"
	"errors"
	"time"

	"sigs.k8s.io/json"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// A config that was written once is read again where it is kept. Others may have written
// to it since, so it is checked like a new one. The errors of this file hold no text of it.

// MaxConfigSize is the size in bytes up to which a config is parsed: a Secret cannot have
// more.
const MaxConfigSize = 1 << 20

// ParseClusterConfig parses the `config` of a cluster Secret. It must not hold anything that
// this package never writes.
func ParseClusterConfig(b []byte) (*ClusterConfig, error) {
	if len(b) > MaxConfigSize {
		return nil, errors.New("the config is larger than a Secret can be")
	}
	cfg := &ClusterConfig{}
	// Null is valid JSON for any type.
	if !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return nil, errUnreadable()
	}
	if problems, err := json.UnmarshalStrict(b, cfg); err != nil || len(problems) > 0 {
		return nil, errUnreadable()
	}
	return cfg, nil
}

func errUnreadable() error {
	return errors.New("the config is not JSON of the fields that this function writes")
}

// Check returns an error unless the config is one that could have been written from a
// kubeconfig or by the Use methods: Argo CD can parse it, it goes through no forbidden proxy,
// and it has at most one kind of credentials. Whether a certificate or a token has expired, and
// which identity or plugin is used, is not checked.
func (cfg *ClusterConfig) Check() error {
	t := &cfg.TLSClientConfig
	cert := len(t.CertData) > 0 || len(t.KeyData) > 0
	basic := cfg.Username != "" || cfg.Password != ""
	kinds := 0
	for _, has := range []bool{cert, cfg.BearerToken != "", basic, cfg.AWSAuthConfig != nil, cfg.ExecProviderConfig != nil} {
		if has {
			kinds++
		}
	}
	switch {
	case kinds > 1:
		return errors.New("the config has more than one kind of credentials")
	case basic && (cfg.Username == "" || cfg.Password == ""):
		return errors.New("the config has only one of a username and a password")
	case cfg.BearerToken != "" && len(kubeconfig.CheckToken(cfg.BearerToken)) > 0:
		return errors.New("the config's token holds a space or a control character")
	case cfg.ExecProviderConfig != nil && cfg.ExecProviderConfig.Command == "":
		return errors.New("the config's plugin has no command")
	case t.Insecure && len(t.CAData) > 0:
		return errors.New("the config has a CA, but does not verify the server")
	case !validCA(t.CAData):
		return errors.New("the config's CA does not hold a PEM certificate")
	case !validServerName(t.ServerName):
		return errors.New("the config's TLS server name is not a DNS name or an IP address")
	case !validProxy(cfg.ProxyURL):
		return errors.New("the config's proxy is not one that Argo CD may use")
	}
	if cert {
		if _, err := tls.X509KeyPair(t.CertData, t.KeyData); err != nil {
			return errors.New("the config's client certificate and key are not PEM, or do not belong together")
		}
	}
	return nil
}

// Each of these may be empty.

func validCA(ca []byte) bool { return len(ca) == 0 || len(kubeconfig.CheckCA(ca)) == 0 }

func validServerName(s string) bool { return s == "" || len(kubeconfig.CheckTLSServerName(s)) == 0 }

func validProxy(s string) bool {
	if s == "" {
		return true
	}
	_, err := kubeconfig.ChosenProxy(s)
	return err == nil
}

// NotAfter returns when the config's client certificate or token expires; zero if it never
// does, or if that cannot be seen.
func (cfg *ClusterConfig) NotAfter() time.Time {
	if len(cfg.TLSClientConfig.CertData) > 0 {
		return kubeconfig.CertificateNotAfter(cfg.TLSClientConfig.CertData)
	}
	return kubeconfig.TokenNotAfter(cfg.BearerToken)
}

// DropCredentials leaves only how to reach the server and to verify it, as far as Argo CD can
// use that. The server is verified from then on.
func (cfg *ClusterConfig) DropCredentials() {
	kept := ClusterConfig{DisableCompression: cfg.DisableCompression}
	if t := &cfg.TLSClientConfig; validCA(t.CAData) {
		kept.TLSClientConfig.CAData = t.CAData
	}
	if s := cfg.TLSClientConfig.ServerName; validServerName(s) {
		kept.TLSClientConfig.ServerName = s
	}
	if validProxy(cfg.ProxyURL) {
		kept.ProxyURL = cfg.ProxyURL
	}
	*cfg = kept
}
