package argocd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "kubeconfigs", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// certificateConfig returns a config with a CA and a client certificate.
func certificateConfig(t testing.TB) *ClusterConfig {
	t.Helper()
	conn, err := kubeconfig.Parse(sample(t, "kc-capi.yaml"), kubeconfig.Options{Now: time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	cfg := NewClusterConfig(conn)
	if !cfg.UseCredential(conn.Credential) {
		t.Fatal("the sample has no certificate")
	}
	return cfg
}

// TestParseClusterConfig checks that only a config which this function could have written is parsed.
func TestParseClusterConfig(t *testing.T) {
	type want struct {
		cfg *ClusterConfig
		err string
	}
	const unreadable = "the config is not JSON of the fields that this function writes"
	cases := map[string]struct {
		reason string
		config string
		want   want
	}{
		"Config":          {"We should read a config, because this function writes one.", `{"bearerToken":"x","tlsClientConfig":{"insecure":true,"serverName":"a"}}`, want{cfg: &ClusterConfig{BearerToken: "x", TLSClientConfig: TLSClientConfig{Insecure: true, ServerName: "a"}}}},
		"Whitespace":      {"We should read a config with white space, because JSON may have some.", " {\n} ", want{cfg: &ClusterConfig{}}},
		"Empty":           {"We should refuse an empty config, because Argo CD cannot parse it.", "", want{err: unreadable}},
		"Null":            {"We should refuse null, because JSON takes it for any type.", "null", want{err: unreadable}},
		"Array":           {"We should refuse an array, because a config is an object.", "[]", want{err: unreadable}},
		"Garbage":         {"We should refuse what is not JSON, because Argo CD cannot parse it.", "{canary", want{err: unreadable}},
		"Trailing":        {"We should refuse what comes after the config, because this function writes nothing there.", "{}{}", want{err: unreadable}},
		"UnknownField":    {"We should refuse unknown fields, because Argo CD may use them.", `{"canary":"x"}`, want{err: unreadable}},
		"UnknownNested":   {"We should refuse unknown fields of a plugin, because Argo CD may use them.", `{"execProviderConfig":{"command":"x","canary":"x"}}`, want{err: unreadable}},
		"OtherCase":       {"We should refuse a field in other letters, because Argo CD's decoder takes it in any case.", `{"BearerToken":"x"}`, want{err: unreadable}},
		"Duplicate":       {"We should refuse a field that is given twice, because readers may use either.", `{"bearerToken":"canary","bearerToken":"x"}`, want{err: unreadable}},
		"DuplicateInMap":  {"We should refuse a variable that is given twice, because readers may use either.", `{"execProviderConfig":{"command":"x","env":{"canary":"x","canary":"y"}}}`, want{err: unreadable}},
		"TextForBoolean":  {"We should refuse text for a boolean, because Argo CD fails on it.", `{"tlsClientConfig":{"insecure":"canary"}}`, want{err: unreadable}},
		"NotBase64":       {"We should refuse a CA that is not base64, because Argo CD fails on it.", `{"tlsClientConfig":{"caData":"canary!"}}`, want{err: unreadable}},
		"EnvironmentList": {"We should refuse a list of variables, because Argo CD expects a map.", `{"execProviderConfig":{"env":[{"name":"canary"}]}}`, want{err: unreadable}},
		"TooLarge":        {"We should refuse a config that no Secret can hold, because parsing it takes time and memory.", `{"bearerToken":"` + strings.Repeat("x", MaxConfigSize) + `"}`, want{err: "the config is larger than a Secret can be"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			cfg, err := ParseClusterConfig([]byte(tc.config))
			if diff := cmp.Diff(tc.want.cfg, cfg); diff != "" {
				t.Errorf("\n%s\nParseClusterConfig(...): -want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.want.err, message(err)); diff != "" {
				t.Errorf("\n%s\nParseClusterConfig(...): -want error, +got error:\n%s", tc.reason, diff)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestCheck checks which configs Argo CD could use, and that any is usable without its credentials.
func TestCheck(t *testing.T) {
	cert := certificateConfig(t)
	ca := TLSClientConfig{CAData: cert.TLSClientConfig.CAData}
	with := func(change func(*ClusterConfig)) *ClusterConfig {
		cfg := *cert
		change(&cfg)
		return &cfg
	}
	const pair = "the config's client certificate and key are not PEM, or do not belong together"
	const several = "the config has more than one kind of credentials"
	const serverName = "the config's TLS server name is not a DNS name or an IP address"
	const proxy = "the config's proxy is not one that Argo CD may use"
	cases := map[string]struct {
		reason string
		config *ClusterConfig
		want   string
	}{
		"None":             {"We should accept a config without credentials, because withdrawn ones leave one.", &ClusterConfig{}, ""},
		"Certificate":      {"We should accept a certificate, because its end is checked elsewhere.", cert, ""},
		"Token":            {"We should accept a token, because this function writes tokens.", &ClusterConfig{BearerToken: "fake-token", TLSClientConfig: ca}, ""},
		"BasicAuth":        {"We should accept a username and a password, because this function writes them.", &ClusterConfig{Username: "a", Password: "b"}, ""},
		"AWS":              {"We should accept AWS's own form, because this function writes it.", &ClusterConfig{AWSAuthConfig: &AWSAuthConfig{ClusterName: "demo"}}, ""},
		"Exec":             {"We should accept any plugin, because whether it is allowed is checked elsewhere.", &ClusterConfig{ExecProviderConfig: &ExecProviderConfig{Command: "x"}}, ""},
		"Insecure":         {"We should accept a server that is not verified, because the input may allow it.", &ClusterConfig{TLSClientConfig: TLSClientConfig{Insecure: true, ServerName: "a"}}, ""},
		"Proxy":            {"We should accept a proxy, because this function writes proxies.", &ClusterConfig{ProxyURL: "socks5://proxy.example.org:1080"}, ""},
		"CertificateToken": {"We should refuse a certificate and a token, because revoking one would not end the access.", with(func(c *ClusterConfig) { c.BearerToken = "x" }), several},
		"KeyAndToken":      {"We should refuse a key and a token, because revoking one would not end the access.", &ClusterConfig{BearerToken: "x", TLSClientConfig: TLSClientConfig{KeyData: []byte("x")}}, several},
		"TokenPassword":    {"We should refuse a token and a password, because revoking one would not end the access.", &ClusterConfig{BearerToken: "x", Password: "x"}, several},
		"AWSExec":          {"We should refuse two plugins, because Argo CD would use only one.", &ClusterConfig{AWSAuthConfig: &AWSAuthConfig{}, ExecProviderConfig: &ExecProviderConfig{Command: "x"}}, several},
		"TokenExec":        {"We should refuse a plugin and a token, because revoking one would not end the access.", &ClusterConfig{BearerToken: "x", ExecProviderConfig: &ExecProviderConfig{Command: "x"}}, several},
		"UsernameOnly":     {"We should refuse a username alone, because Argo CD cannot authenticate by it.", &ClusterConfig{Username: "x"}, "the config has only one of a username and a password"},
		"PasswordOnly":     {"We should refuse a password alone, because Argo CD cannot authenticate by it.", &ClusterConfig{Password: "x"}, "the config has only one of a username and a password"},
		"TokenSpace":       {"We should refuse a token with a space, because HTTP headers cannot hold it.", &ClusterConfig{BearerToken: "x x"}, "the config's token holds a space or a control character"},
		"TokenDEL":         {"We should refuse a token with a control character, because HTTP headers cannot hold it.", &ClusterConfig{BearerToken: "x\x7f"}, "the config's token holds a space or a control character"},
		"ExecNothing":      {"We should refuse a plugin without a command, because Argo CD fails on it.", &ClusterConfig{ExecProviderConfig: &ExecProviderConfig{}}, "the config's plugin has no command"},
		"InsecureCA":       {"We should refuse a CA for a server that is not verified, because Argo CD fails on both.", &ClusterConfig{TLSClientConfig: TLSClientConfig{Insecure: true, CAData: ca.CAData}}, "the config has a CA, but does not verify the server"},
		"CANotPEM":         {"We should refuse a CA that is not PEM, because Argo CD fails on it.", &ClusterConfig{TLSClientConfig: TLSClientConfig{CAData: []byte("canary")}}, "the config's CA does not hold a PEM certificate"},
		"ServerName":       {"We should refuse a TLS name with a line break, because no certificate can have it.", &ClusterConfig{TLSClientConfig: TLSClientConfig{ServerName: "canary\n"}}, serverName},
		"ProxyLinkLocal":   {"We should refuse a link-local proxy, because it is on the machine that Argo CD runs on.", &ClusterConfig{ProxyURL: "http://169.254.169.254:3128"}, proxy},
		"ProxyCredentials": {"We should refuse a proxy with credentials, because Argo CD shows its configuration.", &ClusterConfig{ProxyURL: "http://:canary@proxy.example.org"}, proxy},
		"KeyMissing":       {"We should refuse a certificate without its key, because Argo CD cannot authenticate by it.", with(func(c *ClusterConfig) { c.TLSClientConfig.KeyData = nil }), pair},
		"CertMissing":      {"We should refuse a key without its certificate, because Argo CD cannot authenticate by it.", with(func(c *ClusterConfig) { c.TLSClientConfig.CertData = nil }), pair},
		"KeyNotPEM":        {"We should refuse a key that is not PEM, because Argo CD fails on it.", with(func(c *ClusterConfig) { c.TLSClientConfig.KeyData = []byte("canary") }), pair},
		"Mismatch":         {"We should refuse a certificate of another key, because Argo CD fails on it.", with(func(c *ClusterConfig) { c.TLSClientConfig.CertData = ca.CAData }), pair},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, message(tc.config.Check())); diff != "" {
				t.Errorf("\n%s\nCheck(): -want error, +got error:\n%s", tc.reason, diff)
			}
			// Whatever was wrong, Argo CD can parse what is left.
			tc.config.DropCredentials()
			if err := tc.config.Check(); err != nil || tc.config.CredentialType() != "None" || tc.config.TLSClientConfig.Insecure {
				t.Errorf("\n%s\nDropCredentials(): %v, %v", tc.reason, tc.config, err)
			}
		})
	}
}

// TestDropCredentials checks that only the credentials are dropped of a config.
func TestDropCredentials(t *testing.T) {
	cfg := certificateConfig(t)
	want := &ClusterConfig{
		TLSClientConfig:    TLSClientConfig{ServerName: "prod.example.org", CAData: cfg.TLSClientConfig.CAData},
		DisableCompression: true,
		ProxyURL:           "http://proxy.example.org",
	}
	cfg.TLSClientConfig.ServerName, cfg.DisableCompression, cfg.ProxyURL = "prod.example.org", true, "http://proxy.example.org"
	cfg.DropCredentials()
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Errorf("DropCredentials(): -want, +got:\n%s", diff)
	}
}

// TestNotAfter checks when a config's credentials end.
func TestNotAfter(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE3OTg3NjE2MDB9.c2lnbmF0dXJl" // exp 1798761600
	cases := map[string]struct {
		reason string
		config *ClusterConfig
		want   string
	}{
		"Certificate": {"We should return a certificate's end, because the cluster refuses it from then on.", certificateConfig(t), "2028-11-19"},
		"JWT":         {"We should return a JWT's end, because the cluster refuses it from then on.", &ClusterConfig{BearerToken: token}, "2027-01-01"},
		"Token":       {"We should return no end of another token, because it does not say when it ends.", &ClusterConfig{BearerToken: "x"}, "0001-01-01"},
		"None":        {"We should return no end, because the config has no credentials.", &ClusterConfig{}, "0001-01-01"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.config.NotAfter().Format(time.DateOnly)); diff != "" {
				t.Errorf("\n%s\nNotAfter(): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestWrittenIsAccepted checks that what is made of the samples would also be kept.
func TestWrittenIsAccepted(t *testing.T) {
	samples, err := filepath.Glob(filepath.Join("..", "..", "testdata", "kubeconfigs", "kc-*"))
	if err != nil || len(samples) == 0 {
		t.Fatal("no samples", err)
	}
	for _, s := range samples {
		conn, err := kubeconfig.Parse(sample(t, filepath.Base(s)), kubeconfig.Options{Now: time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC)})
		if err != nil {
			t.Fatal(s, err)
		}
		written := NewClusterConfig(conn)
		if !written.UseCredential(conn.Credential) {
			if err := written.UsePlugin(conn.Credential); err != nil {
				continue
			}
			if _, _, _, ok := written.OwnIdentity(); !ok {
				t.Errorf("%s: OwnIdentity(): not recognised", s)
			}
		}
		b, err := json.Marshal(written)
		if err != nil {
			t.Fatal(s, err)
		}
		kept, err := ParseClusterConfig(b)
		if err != nil {
			t.Errorf("%s: ParseClusterConfig(...): %v", s, err)
			continue
		}
		if err := kept.Check(); err != nil {
			t.Errorf("%s: Check(): %v", s, err)
		}
		if diff := cmp.Diff(conn.Credential.NotAfter, kept.NotAfter()); diff != "" {
			t.Errorf("%s: NotAfter(): -want, +got:\n%s", s, diff)
		}
	}
}

// BenchmarkCheck measures the check of a config.
func BenchmarkCheck(b *testing.B) {
	cfg := certificateConfig(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := cfg.Check(); err != nil {
			b.Fatal(err)
		}
	}
}
