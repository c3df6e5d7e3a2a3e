package kubeconfig

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// now is a time at which the samples' certificates are valid.
func now() time.Time { return time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC) }

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "kubeconfigs", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// kubeconfigOf returns a kubeconfig of one server and user.
func kubeconfigOf(server, user string) string {
	return "clusters: [{name: a, cluster: {server: '" + server + "'}}]\ncontexts: [{name: c, context: {cluster: a, user: u}}]\nusers: [{name: u, user: {" + user + "}}]"
}

// clusterOf returns a kubeconfig of one cluster and no user.
func clusterOf(cluster string) string {
	return "clusters: [{name: a, cluster: {" + cluster + "}}]\ncontexts: [{name: c, context: {cluster: a}}]"
}

// aliasBomb would need gigabytes to be decoded.
var aliasBomb = "x: &a " + strings.Repeat("y", 50<<10) + "\nl: [" + strings.Repeat("*a,", 15000) + "]"

func encodeUTF16(order binary.AppendByteOrder, s string) string {
	b := order.AppendUint16(nil, 0xfeff)
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return string(b)
}

func encodeUTF32(s string) string {
	b := binary.LittleEndian.AppendUint32(nil, 0xfeff)
	for _, r := range s {
		b = binary.LittleEndian.AppendUint32(b, uint32(r))
	}
	return string(b)
}

// wrap breaks a text into lines that end in all the ways there are.
func wrap(s string) string {
	b := strings.Builder{}
	for i, end := 0, []string{"\n", "\r\n", "\n  "}; i < len(s); i += 20 {
		b.WriteString(s[i:min(i+20, len(s))] + end[i/20%len(end)])
	}
	return b.String()
}

func tagDirectives(n int) string {
	b := strings.Builder{}
	for i := range n {
		fmt.Fprintf(&b, "%%TAG !%x! a\n", i)
	}
	return b.String() + "---\na: b"
}

// replaceLine replaces the lines that begin with a key.
func replaceLine(s, key, with string) string {
	return regexp.MustCompile(`(?m)^( *)`+key+`.*$`).ReplaceAllString(s, "${1}"+with)
}

// jwt returns a token with a payload.
func jwt(payload string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(payload)) + "." + encode([]byte("signature"))
}

// pemCA returns the CA of a sample.
func pemCA(t testing.TB) string {
	t.Helper()
	conn, err := Parse(sample(t, "kc-capi.yaml"), Options{Now: now()})
	if err != nil {
		t.Fatal(err)
	}
	return string(conn.CAData)
}

// aksToken returns the connection of AKS's sample by its token.
func aksToken(t testing.TB, notice string) *Connection {
	t.Helper()
	conn, err := Parse(sample(t, "kc-aks-local-account.yaml"), Options{Now: now(), NoCredential: true})
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^ *token: *(.*)$`).FindSubmatch(sample(t, "kc-aks-local-account.yaml"))
	conn.Credential = Credential{BearerToken: string(m[1]), Notice: notice}
	return conn
}

func TestParse(t *testing.T) {
	type want struct {
		conn *Connection
		err  error
	}
	errUndecodable := undecodable()
	errNotText := notText()
	errAliases := Invalid("the kubeconfig uses YAML anchors and aliases, which are not supported")
	token := &Connection{Server: "https://192.0.2.1", Credential: Credential{BearerToken: "fake-token"}}

	cases := map[string]struct {
		reason string
		data   string
		o      Options
		want   want
	}{
		"OnlyContext": {
			reason: "Without a current-context, the only context is meant. apiVersion and kind are optional.",
			data: `
clusters: [{name: a, cluster: {server: https://192.0.2.2}}, {name: b, cluster: {server: https://192.0.2.1}}]
contexts: [{name: c, context: {cluster: b, user: u}}]
users: [{name: t, user: {token: other-token}}, {name: u, user: {token: fake-token}}]`,
			want: want{conn: token},
		},
		"JSONWithTrailingNewlineInToken": {
			reason: "A kubeconfig may be JSON, and a token often has a newline at its end.",
			data:   `{"clusters":[{"name":"a","cluster":{"server":"https://192.0.2.1/"}}],"contexts":[{"name":"c","context":{"cluster":"a","user":"u"}}],"users":[{"name":"u","user":{"token":"fake-token\n"}}]}`,
			want:   want{conn: token},
		},
		"WithoutUser": {
			reason: "A context without a user has no credential.",
			data:   `{clusters: [{name: a, cluster: {server: "https://192.0.2.1"}}], contexts: [{name: c, context: {cluster: a}}]}`,
			want:   want{conn: &Connection{Server: "https://192.0.2.1"}},
		},
		"ExecOfAnyPlatform": {
			reason: "A plugin is known by its base name, whatever its directory.",
			data: `
clusters: [{name: a, cluster: {server: "https://192.0.2.1"}}]
contexts: [{name: c, context: {cluster: a, user: u}}]
users: [{name: u, user: {exec: {command: 'C:\Program Files\kubelogin.exe', args: [get-token], env: [{name: A, value: b}], apiVersion: client.authentication.k8s.io/v1}}}]`,
			want: want{conn: &Connection{Server: "https://192.0.2.1", Credential: Credential{
				Exec: &Exec{Name: "kubelogin", Args: []string{"get-token"}, Env: map[string]string{"A": "b"}},
			}}},
		},
		"ServerReplaced": {
			reason: "We should not look at what is replaced.",
			data:   `{clusters: [{name: a, cluster: {server: "http://localhost", tls-server-name: "a b", proxy-url: "ftp://localhost"}}], contexts: [{name: c, context: {cluster: a}}]}`,
			o:      Options{Server: "https://192.0.2.1:6443", TLSServerName: "prod.example.org", ProxyURL: "http://proxy.example.org:3128"},
			want:   want{conn: &Connection{Server: "https://192.0.2.1:6443", TLSServerName: "prod.example.org", ProxyURL: "http://proxy.example.org:3128"}},
		},
		"WrongCAOfGKEDNSEndpoint": {
			reason: "Older providers give the cluster's CA with a server whose certificate is publicly trusted.",
			data:   strings.Replace(string(sample(t, "kc-gke-upjet-nocreds.yaml")), "https://34.10.20.30", "https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog", 1),
			want:   want{conn: &Connection{Server: "https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog"}},
		},
		"ExpiredCertificateAndToken": {
			reason: "We should take a good token alongside an expired certificate.",
			data:   string(sample(t, "kc-aks-local-account.yaml")),
			o:      Options{Now: time.Date(2029, time.January, 1, 0, 0, 0, 0, time.UTC)},
			want:   want{conn: aksToken(t, "the kubeconfig's client certificate expired on 2028-11-19, so its token is used")},
		},
		"HalfCertificateAndToken": {
			reason: "We should take a good token alongside a certificate without a key.",
			data:   replaceLine(string(sample(t, "kc-aks-local-account.yaml")), "client-key-data:", ""),
			want:   want{conn: aksToken(t, "the kubeconfig's user has only one of client-certificate-data and client-key-data, so its token is used")},
		},
		"MismatchedCertificateAndToken": {
			reason: "We should take a good token alongside a certificate and a key that is not its own.",
			data:   replaceLine(string(sample(t, "kc-aks-local-account.yaml")), "client-key-data:", "client-key-data: eA=="),
			want:   want{conn: aksToken(t, "the kubeconfig's client certificate and key are not PEM, or do not belong together, so its token is used")},
		},
		"ExpiredCertificateAndExpiredToken": {
			reason: "We should report the certificate where the token cannot be used either.",
			data:   replaceLine(string(sample(t, "kc-aks-local-account.yaml")), "token:", "token: "+jwt(`{"exp":1}`)),
			o:      Options{Now: time.Date(2029, time.January, 1, 0, 0, 0, 0, time.UTC)},
			want:   want{err: Invalid("the kubeconfig's client certificate expired on 2028-11-19")},
		},
		"ExpiredCertificate": {
			reason: "Argo CD could not connect with an expired certificate.",
			data:   replaceLine(string(sample(t, "kc-aks-local-account.yaml")), "token:", ""),
			o:      Options{Now: time.Date(2029, time.January, 1, 0, 0, 0, 0, time.UTC)},
			want:   want{err: Invalid("the kubeconfig's client certificate expired on 2028-11-19")},
		},
		"AliasBomb": {
			reason: "An alias of a long scalar takes a few bytes, of which the decoder makes gigabytes.",
			data:   "x: &a " + strings.Repeat("y", 200<<10) + "\nl: [" + strings.Repeat("*a,", 30000) + "]",
			want:   want{err: Invalid("the kubeconfig uses YAML anchors and aliases, which are not supported")},
		},
		"NoAliases": {
			reason: "A token may have the characters of both, and a text may have either.",
			data: `
clusters: [{name: a, cluster: {server: "https://192.0.2.1"}}]
contexts: [{name: c, context: {cluster: a, user: u}}]
users: [{name: u, user: {token: "x&y*z", exec: {command: x, installHint: "this *is* needed"}}}]`,
			want: want{conn: &Connection{Server: "https://192.0.2.1", Credential: Credential{BearerToken: "x&y*z"}}},
		},
		"PasswordLikeAnAlias": {
			reason: "We should accept a password that only looks like an anchor and an alias, whatever else it holds.",
			data: `
clusters: [{name: a, cluster: {server: "https://192.0.2.1", insecure-skip-tls-verify: true, disable-compression: true}}]
contexts: [{name: c, context: {cluster: a, user: u}}]
users: [{name: u, user: {username: &a admin, password: "&y *z: \"ü\\\u2028\u0085\U0001F600"}}]
other: [~, 1, 1.5, !x y]`,
			o: Options{AllowInsecure: true},
			want: want{conn: &Connection{
				Server: "https://192.0.2.1", Insecure: true, DisableCompression: true,
				Credential: Credential{BasicAuth: &BasicAuth{Username: "admin", Password: "&y *z: \"ü\\\u2028\u0085\U0001F600"}},
			}},
		},
		"NumberAsPassword": {
			reason: "We should refuse a number where a string must be, as the decoder does, also where we rewrite it.",
			data:   kubeconfigOf("https://192.0.2.1", "username: '&a *a', password: 12345"),
			want:   want{err: errUndecodable},
		},
		"JSONWithBoth": {
			reason: "JSON has no aliases, whatever its strings hold.",
			data:   `{"clusters":[{"name":"a","cluster":{"server":"https://192.0.2.1"}}],"contexts":[{"name":"c","context":{"cluster":"a","user":"u"}}],"users":[{"name":"u","user":{"username":"&a","password":" *a "}}]}`,
			want:   want{conn: &Connection{Server: "https://192.0.2.1", Credential: Credential{BasicAuth: &BasicAuth{Username: "&a", Password: " *a "}}}},
		},
		"AliasInMergeKey": {
			reason: "We should refuse a merge key that repeats another mapping.",
			data:   "a: &a {token: x}\nb: {<<: *a}",
			want:   want{err: errAliases},
		},
		"AliasAsKey": {
			reason: "We should refuse an alias wherever there can be one.",
			data:   "a: &a b\n*a : c",
			want:   want{err: errAliases},
		},
		"AliasOfItself": {
			reason: "We should refuse an alias within its own anchor.",
			data:   "a: &a [*a]",
			want:   want{err: errAliases},
		},
		"AliasBombInBase64": {
			reason: "We should look for aliases after base64 is decoded.",
			data:   base64.StdEncoding.EncodeToString([]byte(aliasBomb)),
			want:   want{err: errAliases},
		},
		"UndefinedAlias": {
			reason: "We should not quote the name of an anchor that does not exist.",
			data:   "a: &canary b\nc: *canary2",
			want:   want{err: errUndecodable},
		},
		"UTF16LittleEndian": {
			reason: "The decoder reads UTF-16, in which no anchor is found.",
			data:   encodeUTF16(binary.LittleEndian, aliasBomb),
			want:   want{err: errNotText},
		},
		"UTF16BigEndian": {
			reason: "UTF-16 has two byte orders.",
			data:   encodeUTF16(binary.BigEndian, aliasBomb),
			want:   want{err: errNotText},
		},
		"UTF16InBase64": {
			reason: "We should check the encoding again after base64 is decoded.",
			data:   base64.StdEncoding.EncodeToString([]byte(encodeUTF16(binary.LittleEndian, aliasBomb))),
			want:   want{err: errNotText},
		},
		"UTF32": {
			reason: "We should refuse UTF-32, too.",
			data:   encodeUTF32("a: b"),
			want:   want{err: errNotText},
		},
		"NUL": {
			reason: "We should refuse NUL, which no text has.",
			data:   kubeconfigOf("https://192.0.2.1", "token: \x00"),
			want:   want{err: errNotText},
		},
		"Latin1": {
			reason: "We should refuse text that is not UTF-8.",
			data:   kubeconfigOf("https://192.0.2.1", "token: \xe4"),
			want:   want{err: errNotText},
		},
		"UTF8ByteOrderMark": {
			reason: "Windows' editors put a byte order mark before UTF-8.",
			data:   "\ufeff" + kubeconfigOf("https://192.0.2.1", "token: fake-token"),
			want:   want{conn: token},
		},
		"Base64WithLineBreaks": {
			reason: "Tools break lines of base64, in several ways.",
			data:   wrap(base64.StdEncoding.EncodeToString([]byte(kubeconfigOf("https://192.0.2.1", "token: fake-token")))),
			want:   want{conn: token},
		},
		"Base64Twice": {
			reason: "We should decode base64 once only.",
			data:   base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(kubeconfigOf("https://192.0.2.1", "token: fake-token"))))),
			want:   want{err: errUndecodable},
		},
		"NeitherYAMLNorBase64": {
			reason: "A text without a colon has nothing to decode.",
			data:   "canary",
			want:   want{err: Invalid("the kubeconfig is not valid YAML, JSON or base64")},
		},
		"TooLarge": {
			reason: "We should bound what the decoder gets.",
			data:   "a: " + strings.Repeat("a", MaxSize),
			want:   want{err: Invalid("the kubeconfig is larger than 512 KiB")},
		},
		"TooManyElements": {
			reason: "Each element costs the decoder much more than its two bytes.",
			data:   "a: [" + strings.Repeat("1,", 32<<10) + "]",
			want:   want{err: Invalid("the kubeconfig has more than 32768 YAML elements")},
		},
		"TooManyTags": {
			reason: "The decoder takes quadratic time for tag directives.",
			data:   tagDirectives(17),
			want:   want{err: errUndecodable},
		},
		"ServerWithoutScheme": {
			reason: "A bare host is one that https is spoken with.",
			data:   kubeconfigOf("192.0.2.1", "token: fake-token"),
			want:   want{conn: token},
		},
		"Loopback": {
			reason: "We should refuse localhost, because Argo CD would connect to itself.",
			data:   kubeconfigOf("https://localhost:6443", "token: fake-token"),
			want:   want{err: Invalid("the kubeconfig's server is a loopback address, which Argo CD would resolve to its own Pod. Set cluster.server to an address that Argo CD can reach")},
		},
		"NotGKEDNSEndpoint": {
			reason: "We should keep the CA of a server whose name only ends like that of GKE's DNS endpoints.",
			data:   clusterOf("server: https://evilgke.goog, certificate-authority-data: " + base64.StdEncoding.EncodeToString([]byte(pemCA(t)))),
			want:   want{conn: &Connection{Server: "https://evilgke.goog", CAData: []byte(pemCA(t))}},
		},
		"ProxyOnLoopback": {
			reason: "We should refuse a proxy that Argo CD would find in its own Pod.",
			data:   clusterOf("server: https://192.0.2.1, proxy-url: 'http://①②⑦.0.0.1:3128'"),
			want:   want{err: Invalid("the kubeconfig's proxy-url is a loopback address, which Argo CD would resolve to its own Pod. Set cluster.proxyURL to the proxy that Argo CD connects through")},
		},
		"ProxyNormalised": {
			reason: "We should write a proxy without the slash that tools add.",
			data:   clusterOf("server: https://192.0.2.1, proxy-url: HTTP://proxy.example.org:3128/"),
			want:   want{conn: &Connection{Server: "https://192.0.2.1", ProxyURL: "http://proxy.example.org:3128"}},
		},
		"ProxyPasswordWithoutUser": {
			reason: "We should refuse a password without a user, too.",
			data:   clusterOf("server: https://192.0.2.1, proxy-url: 'http://:canary@proxy.example.org'"),
			want:   want{err: Invalid("the kubeconfig's proxy-url holds credentials, which are not copied; use a URL without. Set cluster.proxyURL to the proxy that Argo CD connects through")},
		},
		"TLSServerNameWithControlCharacter": {
			reason: "We should refuse a name that no certificate can have.",
			data:   clusterOf(`server: https://192.0.2.1, tls-server-name: "prod\nexample"`),
			want:   want{err: Invalid("the kubeconfig's tls-server-name is not a DNS name or an IP address; set cluster.tlsServerName")},
		},
		"TokenWithDEL": {
			reason: "We should refuse every control character: none can be in a header.",
			data:   kubeconfigOf("https://192.0.2.1", `token: "fake\x7ftoken"`),
			want:   want{err: Invalid("the kubeconfig's token holds a space or a control character")},
		},
		"ExpiredJWT": {
			reason: "A JWT says itself when it has expired.",
			data:   kubeconfigOf("https://192.0.2.1", "token: "+jwt(`{"exp":1798761600}`)),
			o:      Options{Now: time.Unix(1798761600, 0)},
			want:   want{err: Invalid("the kubeconfig's token expired on 2027-01-01")},
		},
		"JWT": {
			reason: "The end of a JWT is known.",
			data:   kubeconfigOf("https://192.0.2.1", "token: "+jwt(`{"exp":1798761600}`)),
			o:      Options{Now: time.Unix(1798761599, 0)},
			want:   want{conn: &Connection{Server: "https://192.0.2.1", Credential: Credential{BearerToken: jwt(`{"exp":1798761600}`), NotAfter: time.Unix(1798761600, 0).UTC()}}},
		},
		"DeepNesting": {
			reason: "The decoder bounds its depth.",
			data:   "a: " + strings.Repeat("[", 30<<10),
			want:   want{err: errUndecodable},
		},
		"Empty": {
			reason: "Nothing is not a kubeconfig.",
			want:   want{err: Invalid("the kubeconfig has no context")},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if tc.o.Now.IsZero() {
				tc.o.Now = now()
			}
			conn, err := Parse([]byte(tc.data), tc.o)
			if diff := cmp.Diff(tc.want.conn, conn); diff != "" {
				t.Errorf("\n%s\nParse(...): -want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.want.err, err, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("\n%s\nParse(...): -want error, +got error:\n%s", tc.reason, diff)
			}
		})
	}
}

// FuzzParse checks that whatever is parsed ends in a connection that may be used or in
// an error of this package.
func FuzzParse(f *testing.F) {
	samples, err := filepath.Glob(filepath.Join("..", "..", "testdata", "kubeconfigs", "[ke][cd]*"))
	if err != nil || len(samples) == 0 {
		f.Fatal("no samples", err)
	}
	for _, s := range samples {
		f.Add(sample(f, filepath.Base(s)))
	}
	plain := kubeconfigOf("https://192.0.2.1", "token: fake-token")
	for _, s := range []string{
		aliasBomb,
		encodeUTF16(binary.LittleEndian, aliasBomb),
		encodeUTF16(binary.BigEndian, aliasBomb),
		encodeUTF16(binary.LittleEndian, plain),
		encodeUTF16(binary.BigEndian, plain),
		encodeUTF32(plain),
		base64.StdEncoding.EncodeToString([]byte(encodeUTF16(binary.LittleEndian, plain))),
		base64.StdEncoding.EncodeToString([]byte(plain)),
		plain + "\x00",
		"a: &a {b: c}\nd: {<<: *a}",
		kubeconfigOf("https://192.0.2.1", `username: &a admin, password: "&y *z"`),
		kubeconfigOf("https://①②⑦.0.0.1", "token: "+jwt(`{"exp":1798761600}`)),
		clusterOf("server: 'https://[64:ff9b::7f00:1]', proxy-url: 'socks5://0x7f.1'"),
		tagDirectives(3),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		conn, err := Parse(data, Options{Now: now()})
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || e.Message == "" || strings.Contains(e.Message, "\n") || conn != nil {
				t.Errorf("Parse(...): %v, %v", conn, err)
			}
			return
		}
		if s, err := Server(conn.Server); err != nil || s != conn.Server {
			t.Errorf("Parse(...): server %q: %v", conn.Server, err)
		}
		if s, err := Proxy(conn.ProxyURL); conn.ProxyURL != "" && (err != nil || s != conn.ProxyURL) {
			t.Errorf("Parse(...): proxy %q: %v", conn.ProxyURL, err)
		}
	})
}

// TestParseOpensNoFile has a kubeconfig name files that exist, by every field that can.
func TestParseOpensNoFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("canary"), 0o600); err != nil {
		t.Fatal(err)
	}
	const kubeconfig = `
clusters: [{name: a, cluster: {server: "https://192.0.2.1"CLUSTER}}]
contexts: [{name: c, context: {cluster: a, user: u}}]
users: [{name: u, user: {token: fake-token USER}}]`

	for field, placeholder := range map[string]string{
		"certificate-authority": "CLUSTER",
		"client-certificate":    "USER",
		"client-key":            "USER",
		"tokenFile":             "USER",
	} {
		data := strings.Replace(kubeconfig, placeholder, ", "+field+": "+file, 1)
		data = strings.NewReplacer("CLUSTER", "", "USER", "").Replace(data)
		conn, err := Parse([]byte(data), Options{Now: now()})
		if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), file) {
			t.Errorf("%s: Parse(...): %v, %v", field, conn, err)
		}
		if e := (*Error)(nil); !errors.As(err, &e) || !strings.Contains(e.Message, "file") {
			t.Errorf("%s: Parse(...): %v", field, err)
		}
	}
}
