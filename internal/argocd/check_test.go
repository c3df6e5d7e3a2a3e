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
		"Config":          {"We should read what we write.", `{"bearerToken":"x","tlsClientConfig":{"insecure":true,"serverName":"a"}}`, want{cfg: &ClusterConfig{BearerToken: "x", TLSClientConfig: TLSClientConfig{Insecure: true, ServerName: "a"}}}},
		"Whitespace":      {"White space makes no difference.", " {\n} ", want{cfg: &ClusterConfig{}}},
		"Empty":           {"We should refuse nothing.", "", want{err: unreadable}},
		"Null":            {"We should refuse null, which is JSON of any type.", "null", want{err: unreadable}},
		"Array":           {"We should refuse other types.", "[]", want{err: unreadable}},
		"Garbage":         {"We should refuse what is not JSON.", "{canary", want{err: unreadable}},
		"Trailing":        {"We should refuse what comes after the config.", "{}{}", want{err: unreadable}},
		"UnknownField":    {"We should refuse fields that we do not know.", `{"canary":"x"}`, want{err: unreadable}},
		"UnknownNested":   {"Wherever they are.", `{"execProviderConfig":{"command":"x","canary":"x"}}`, want{err: unreadable}},
		"OtherCase":       {"Argo CD's decoder takes a field in any case, so we should not overlook it.", `{"BearerToken":"x"}`, want{err: unreadable}},
		"Duplicate":       {"We should refuse a field that is there twice.", `{"bearerToken":"canary","bearerToken":"x"}`, want{err: unreadable}},
		"DuplicateInMap":  {"In a map, too.", `{"execProviderConfig":{"command":"x","env":{"canary":"x","canary":"y"}}}`, want{err: unreadable}},
		"TextForBoolean":  {"Argo CD fails on another type.", `{"tlsClientConfig":{"insecure":"canary"}}`, want{err: unreadable}},
		"NotBase64":       {"Argo CD fails on what is not base64.", `{"tlsClientConfig":{"caData":"canary!"}}`, want{err: unreadable}},
		"EnvironmentList": {"Argo CD fails on a list.", `{"execProviderConfig":{"env":[{"name":"canary"}]}}`, want{err: unreadable}},
		"TooLarge":        {"We should not parse what no Secret can hold.", `{"bearerToken":"` + strings.Repeat("x", MaxConfigSize) + `"}`, want{err: "the config is larger than a Secret can be"}},
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
		"None":             {"A config may have no credentials.", &ClusterConfig{}, ""},
		"Certificate":      {"A certificate may have expired by now.", cert, ""},
		"Token":            {"A token is fine.", &ClusterConfig{BearerToken: "fake-token", TLSClientConfig: ca}, ""},
		"BasicAuth":        {"So are a username and a password.", &ClusterConfig{Username: "a", Password: "b"}, ""},
		"AWS":              {"So is AWS's own form.", &ClusterConfig{AWSAuthConfig: &AWSAuthConfig{ClusterName: "demo"}}, ""},
		"Exec":             {"So is any plugin: whose it is, is not checked here.", &ClusterConfig{ExecProviderConfig: &ExecProviderConfig{Command: "x"}}, ""},
		"Insecure":         {"A server may be unverified: the input has a say in that.", &ClusterConfig{TLSClientConfig: TLSClientConfig{Insecure: true, ServerName: "a"}}, ""},
		"Proxy":            {"A proxy is fine.", &ClusterConfig{ProxyURL: "socks5://proxy.example.org:1080"}, ""},
		"CertificateToken": {"We should refuse two kinds of credentials: to revoke one would revoke nothing.", with(func(c *ClusterConfig) { c.BearerToken = "x" }), several},
		"KeyAndToken":      {"A key is one.", &ClusterConfig{BearerToken: "x", TLSClientConfig: TLSClientConfig{KeyData: []byte("x")}}, several},
		"TokenPassword":    {"A password is one.", &ClusterConfig{BearerToken: "x", Password: "x"}, several},
		"AWSExec":          {"We should refuse two plugins.", &ClusterConfig{AWSAuthConfig: &AWSAuthConfig{}, ExecProviderConfig: &ExecProviderConfig{Command: "x"}}, several},
		"TokenExec":        {"Or a plugin and a token.", &ClusterConfig{BearerToken: "x", ExecProviderConfig: &ExecProviderConfig{Command: "x"}}, several},
		"UsernameOnly":     {"We should refuse a username alone.", &ClusterConfig{Username: "x"}, "the config has only one of a username and a password"},
		"PasswordOnly":     {"We should refuse a password alone.", &ClusterConfig{Password: "x"}, "the config has only one of a username and a password"},
		"TokenSpace":       {"We should refuse a token with a space.", &ClusterConfig{BearerToken: "x x"}, "the config's token holds a space or a control character"},
		"TokenDEL":         {"We should refuse a token with a control character.", &ClusterConfig{BearerToken: "x\x7f"}, "the config's token holds a space or a control character"},
		"ExecNothing":      {"We should refuse a plugin without a command.", &ClusterConfig{ExecProviderConfig: &ExecProviderConfig{}}, "the config's plugin has no command"},
		"InsecureCA":       {"Argo CD fails on both.", &ClusterConfig{TLSClientConfig: TLSClientConfig{Insecure: true, CAData: ca.CAData}}, "the config has a CA, but does not verify the server"},
		"CANotPEM":         {"Argo CD fails on a CA that is not PEM.", &ClusterConfig{TLSClientConfig: TLSClientConfig{CAData: []byte("canary")}}, "the config's CA does not hold a PEM certificate"},
		"ServerName":       {"We should refuse a name that no certificate can have.", &ClusterConfig{TLSClientConfig: TLSClientConfig{ServerName: "canary\n"}}, serverName},
		"ProxyLinkLocal":   {"We should refuse a proxy on the machine that Argo CD runs on.", &ClusterConfig{ProxyURL: "http://169.254.169.254:3128"}, proxy},
		"ProxyCredentials": {"We should refuse a proxy's credentials.", &ClusterConfig{ProxyURL: "http://:canary@proxy.example.org"}, proxy},
		"KeyMissing":       {"We should refuse a certificate alone.", with(func(c *ClusterConfig) { c.TLSClientConfig.KeyData = nil }), pair},
		"CertMissing":      {"We should refuse a key alone.", with(func(c *ClusterConfig) { c.TLSClientConfig.CertData = nil }), pair},
		"KeyNotPEM":        {"We should refuse a key that is not PEM.", with(func(c *ClusterConfig) { c.TLSClientConfig.KeyData = []byte("canary") }), pair},
		"Mismatch":         {"We should refuse a certificate that is not the key's.", with(func(c *ClusterConfig) { c.TLSClientConfig.CertData = ca.CAData }), pair},
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

func TestNotAfter(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE3OTg3NjE2MDB9.c2lnbmF0dXJl" // exp 1798761600
	cases := map[string]struct {
		reason string
		config *ClusterConfig
		want   string
	}{
		"Certificate": {"A certificate has an end.", certificateConfig(t), "2028-11-19"},
		"JWT":         {"So has a JWT.", &ClusterConfig{BearerToken: token}, "2027-01-01"},
		"Token":       {"Other tokens do not say.", &ClusterConfig{BearerToken: "x"}, "0001-01-01"},
		"None":        {"Without credentials nothing ends.", &ClusterConfig{}, "0001-01-01"},
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

func BenchmarkCheck(b *testing.B) {
	cfg := certificateConfig(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := cfg.Check(); err != nil {
			b.Fatal(err)
		}
	}
}
