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

// TestParse checks what becomes of a kubeconfig, and that errors quote nothing of it.
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
			reason: "We should use the only context without a current-context, because no other is meant. apiVersion and kind are optional.",
			data: `
clusters: [{name: a, cluster: {server: https://192.0.2.2}}, {name: b, cluster: {server: https://192.0.2.1}}]
contexts: [{name: c, context: {cluster: b, user: u}}]
users: [{name: t, user: {token: other-token}}, {name: u, user: {token: fake-token}}]`,
			want: want{conn: token},
		},
		"JSONWithTrailingNewlineInToken": {
			reason: "We should read JSON and remove a token's last newline, because tools write both.",
			data:   `{"clusters":[{"name":"a","cluster":{"server":"https://192.0.2.1/"}}],"contexts":[{"name":"c","context":{"cluster":"a","user":"u"}}],"users":[{"name":"u","user":{"token":"fake-token\n"}}]}`,
			want:   want{conn: token},
		},
		"WithoutUser": {
			reason: "We should return no credential, because the context has no user.",
			data:   `{clusters: [{name: a, cluster: {server: "https://192.0.2.1"}}], contexts: [{name: c, context: {cluster: a}}]}`,
			want:   want{conn: &Connection{Server: "https://192.0.2.1"}},
		},
		"ExecOfAnyPlatform": {
			reason: "We should use a plugin's base name, because its directory depends on the machine.",
			data: `
clusters: [{name: a, cluster: {server: "https://192.0.2.1"}}]
contexts: [{name: c, context: {cluster: a, user: u}}]
users: [{name: u, user: {exec: {command: 'C:\Program Files\kubelogin.exe', args: [get-token], env: [{name: A, value: b}], apiVersion: client.authentication.k8s.io/v1}}}]`,
			want: want{conn: &Connection{Server: "https://192.0.2.1", Credential: Credential{
				Exec: &Exec{Name: "kubelogin", Args: []string{"get-token"}, Env: map[string]string{"A": "b"}},
			}}},
		},
		"ServerReplaced": {
			reason: "We should not check what the input replaces, because it is not used.",
			data:   `{clusters: [{name: a, cluster: {server: "http://localhost", tls-server-name: "a b", proxy-url: "ftp://localhost"}}], contexts: [{name: c, context: {cluster: a}}]}`,
			o:      Options{Server: "https://192.0.2.1:6443", TLSServerName: "prod.example.org", ProxyURL: "http://proxy.example.org:3128"},
			want:   want{conn: &Connection{Server: "https://192.0.2.1:6443", TLSServerName: "prod.example.org", ProxyURL: "http://proxy.example.org:3128"}},
		},
		"WrongCAOfGKEDNSEndpoint": {
			reason: "We should drop the CA of a DNS endpoint, because its certificate is publicly trusted.",
			data:   strings.Replace(string(sample(t, "kc-gke-upjet-nocreds.yaml")), "https://34.10.20.30", "https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog", 1),
			want:   want{conn: &Connection{Server: "https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog"}},
		},
		"ExpiredCertificateAndToken": {
			reason: "We should use a good token alongside an expired certificate, because the token is enough.",
			data:   string(sample(t, "kc-aks-local-account.yaml")),
			o:      Options{Now: time.Date(2029, time.January, 1, 0, 0, 0, 0, time.UTC)},
			want:   want{conn: aksToken(t, "the kubeconfig's client certificate expired on 2028-11-19, so its token is used")},
		},
		"HalfCertificateAndToken": {
			reason: "We should use a good token alongside a certificate without a key, because the token is enough.",
			data:   replaceLine(string(sample(t, "kc-aks-local-account.yaml")), "client-key-data:", ""),
			want:   want{conn: aksToken(t, "the kubeconfig's user has only one of client-certificate-data and client-key-data, so its token is used")},
		},
		"MismatchedCertificateAndToken": {
			reason: "We should use a good token alongside a certificate of another key, because the token is enough.",
			data:   replaceLine(string(sample(t, "kc-aks-local-account.yaml")), "client-key-data:", "client-key-data: eA=="),
			want:   want{conn: aksToken(t, "the kubeconfig's client certificate and key are not PEM, or do not belong together, so its token is used")},
		},
		"ExpiredCertificateAndExpiredToken": {
			reason: "We should report the certificate, because the token cannot be used either.",
			data:   replaceLine(string(sample(t, "kc-aks-local-account.yaml")), "token:", "token: "+jwt(`{"exp":1}`)),
			o:      Options{Now: time.Date(2029, time.January, 1, 0, 0, 0, 0, time.UTC)},
			want:   want{err: Invalid("the kubeconfig's client certificate expired on 2028-11-19")},
		},
		"ExpiredCertificate": {
			reason: "We should refuse an expired certificate, because Argo CD cannot connect with it.",
			data:   replaceLine(string(sample(t, "kc-aks-local-account.yaml")), "token:", ""),
			o:      Options{Now: time.Date(2029, time.January, 1, 0, 0, 0, 0, time.UTC)},
			want:   want{err: Invalid("the kubeconfig's client certificate expired on 2028-11-19")},
		},
		"AliasBomb": {
			reason: "We should refuse aliases, because the decoder makes gigabytes of a few bytes.",
			data:   "x: &a " + strings.Repeat("y", 200<<10) + "\nl: [" + strings.Repeat("*a,", 30000) + "]",
			want:   want{err: Invalid("the kubeconfig uses YAML anchors and aliases, which are not supported")},
		},
		"NoAliases": {
			reason: "We should accept the characters of anchors and aliases in values, because tokens may have them.",
			data: `
clusters: [{name: a, cluster: {server: "https://192.0.2.1"}}]
contexts: [{name: c, context: {cluster: a, user: u}}]
users: [{name: u, user: {token: "x&y*z", exec: {command: x, installHint: "this *is* needed"}}}]`,
			want: want{conn: &Connection{Server: "https://192.0.2.1", Credential: Credential{BearerToken: "x&y*z"}}},
		},
		"PasswordLikeAnAlias": {
			reason: "We should accept a password that only looks like an anchor and an alias, because it is quoted.",
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
			reason: "We should refuse a number for a string even where we rewrite the text, because the decoder does.",
			data:   kubeconfigOf("https://192.0.2.1", "username: '&a *a', password: 12345"),
			want:   want{err: errUndecodable},
		},
		"JSONWithBoth": {
			reason: "We should accept the characters of anchors and aliases in JSON, because it has neither.",
			data:   `{"clusters":[{"name":"a","cluster":{"server":"https://192.0.2.1"}}],"contexts":[{"name":"c","context":{"cluster":"a","user":"u"}}],"users":[{"name":"u","user":{"username":"&a","password":" *a "}}]}`,
			want:   want{conn: &Connection{Server: "https://192.0.2.1", Credential: Credential{BasicAuth: &BasicAuth{Username: "&a", Password: " *a "}}}},
		},
		"AliasInMergeKey": {
			reason: "We should refuse a merge key, because it repeats another mapping by an alias.",
			data:   "a: &a {token: x}\nb: {<<: *a}",
			want:   want{err: errAliases},
		},
		"AliasAsKey": {
			reason: "We should refuse an alias for a key, because it may repeat anything.",
			data:   "a: &a b\n*a : c",
			want:   want{err: errAliases},
		},
		"AliasOfItself": {
			reason: "We should refuse an alias within its own anchor, because it would never end.",
			data:   "a: &a [*a]",
			want:   want{err: errAliases},
		},
		"AliasBombInBase64": {
			reason: "We should look for aliases after base64 is decoded, because base64 hides them.",
			data:   base64.StdEncoding.EncodeToString([]byte(aliasBomb)),
			want:   want{err: errAliases},
		},
		"UndefinedAlias": {
			reason: "We should not quote the name of a missing anchor, because it may be a part of a password.",
			data:   "a: &canary b\nc: *canary2",
			want:   want{err: errUndecodable},
		},
		"UTF16LittleEndian": {
			reason: "We should refuse UTF-16, because our search for anchors does not read it and the decoder does.",
			data:   encodeUTF16(binary.LittleEndian, aliasBomb),
			want:   want{err: errNotText},
		},
		"UTF16BigEndian": {
			reason: "We should refuse UTF-16 in the other byte order, because the decoder reads it.",
			data:   encodeUTF16(binary.BigEndian, aliasBomb),
			want:   want{err: errNotText},
		},
		"UTF16InBase64": {
			reason: "We should check the encoding after base64 is decoded, because base64 hides it.",
			data:   base64.StdEncoding.EncodeToString([]byte(encodeUTF16(binary.LittleEndian, aliasBomb))),
			want:   want{err: errNotText},
		},
		"UTF32": {
			reason: "We should refuse UTF-32, because our search for anchors does not read it.",
			data:   encodeUTF32("a: b"),
			want:   want{err: errNotText},
		},
		"NUL": {
			reason: "We should refuse NUL, because no text has it.",
			data:   kubeconfigOf("https://192.0.2.1", "token: \x00"),
			want:   want{err: errNotText},
		},
		"Latin1": {
			reason: "We should refuse text that is not UTF-8, because readers may disagree on it.",
			data:   kubeconfigOf("https://192.0.2.1", "token: \xe4"),
			want:   want{err: errNotText},
		},
		"UTF8ByteOrderMark": {
			reason: "We should accept a byte order mark before UTF-8, because editors on Windows write it.",
			data:   "\ufeff" + kubeconfigOf("https://192.0.2.1", "token: fake-token"),
			want:   want{conn: token},
		},
		"Base64WithLineBreaks": {
			reason: "We should decode base64 with line breaks, because tools break lines in several ways.",
			data:   wrap(base64.StdEncoding.EncodeToString([]byte(kubeconfigOf("https://192.0.2.1", "token: fake-token")))),
			want:   want{conn: token},
		},
		"Base64Twice": {
			reason: "We should decode base64 once, because no provider encodes it twice.",
			data:   base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(kubeconfigOf("https://192.0.2.1", "token: fake-token"))))),
			want:   want{err: errUndecodable},
		},
		"NeitherYAMLNorBase64": {
			reason: "We should refuse text without a colon, because it is not a mapping.",
			data:   "canary",
			want:   want{err: Invalid("the kubeconfig is not valid YAML, JSON or base64")},
		},
		"TooLarge": {
			reason: "We should refuse a very large kubeconfig, because decoding it takes time and memory.",
			data:   "a: " + strings.Repeat("a", MaxSize),
			want:   want{err: Invalid("the kubeconfig is larger than 512 KiB")},
		},
		"TooManyElements": {
			reason: "We should refuse very many elements, because the decoder needs much more memory than their bytes.",
			data:   "a: [" + strings.Repeat("1,", 32<<10) + "]",
			want:   want{err: Invalid("the kubeconfig has more than 32768 YAML elements")},
		},
		"TooManyTags": {
			reason: "We should refuse tag directives, because the decoder takes quadratic time for them.",
			data:   tagDirectives(17),
			want:   want{err: errUndecodable},
		},
		"ServerWithoutScheme": {
			reason: "We should take a bare host for an https server, because some clouds write one.",
			data:   kubeconfigOf("192.0.2.1", "token: fake-token"),
			want:   want{conn: token},
		},
		"Loopback": {
			reason: "We should refuse localhost, because Argo CD would connect to itself.",
			data:   kubeconfigOf("https://localhost:6443", "token: fake-token"),
			want:   want{err: Invalid("the kubeconfig's server is a loopback address, which Argo CD would resolve to its own Pod. Set cluster.server to an address that Argo CD can reach")},
		},
		"NotGKEDNSEndpoint": {
			reason: "We should keep the CA of a name that only ends like GKE's, because its certificate need not be publicly trusted.",
			data:   clusterOf("server: https://evilgke.goog, certificate-authority-data: " + base64.StdEncoding.EncodeToString([]byte(pemCA(t)))),
			want:   want{conn: &Connection{Server: "https://evilgke.goog", CAData: []byte(pemCA(t))}},
		},
		"ProxyOnLoopback": {
			reason: "We should refuse a proxy on a loopback address, because Argo CD would connect to itself.",
			data:   clusterOf("server: https://192.0.2.1, proxy-url: 'http://①②⑦.0.0.1:3128'"),
			want:   want{err: Invalid("the kubeconfig's proxy-url is a loopback address, which Argo CD would resolve to its own Pod. Set cluster.proxyURL to the proxy that Argo CD connects through")},
		},
		"ProxyNormalised": {
			reason: "We should remove a proxy's last slash, because some tools add one.",
			data:   clusterOf("server: https://192.0.2.1, proxy-url: HTTP://proxy.example.org:3128/"),
			want:   want{conn: &Connection{Server: "https://192.0.2.1", ProxyURL: "http://proxy.example.org:3128"}},
		},
		"ProxyPasswordWithoutUser": {
			reason: "We should refuse a password without a user, because Argo CD shows its configuration.",
			data:   clusterOf("server: https://192.0.2.1, proxy-url: 'http://:canary@proxy.example.org'"),
			want:   want{err: Invalid("the kubeconfig's proxy-url holds credentials, which are not copied; use a URL without. Set cluster.proxyURL to the proxy that Argo CD connects through")},
		},
		"TLSServerNameWithControlCharacter": {
			reason: "We should refuse a TLS name with a control character, because no certificate can have it.",
			data:   clusterOf(`server: https://192.0.2.1, tls-server-name: "prod\nexample"`),
			want:   want{err: Invalid("the kubeconfig's tls-server-name is not a DNS name or an IP address; set cluster.tlsServerName")},
		},
		"TokenWithDEL": {
			reason: "We should refuse every control character in a token, because HTTP headers cannot hold it.",
			data:   kubeconfigOf("https://192.0.2.1", `token: "fake\x7ftoken"`),
			want:   want{err: Invalid("the kubeconfig's token holds a space or a control character")},
		},
		"ExpiredJWT": {
			reason: "We should refuse a JWT that has expired, because the cluster refuses it.",
			data:   kubeconfigOf("https://192.0.2.1", "token: "+jwt(`{"exp":1798761600}`)),
			o:      Options{Now: time.Unix(1798761600, 0)},
			want:   want{err: Invalid("the kubeconfig's token expired on 2027-01-01")},
		},
		"JWT": {
			reason: "We should return a JWT's end, because the condition says when it expires.",
			data:   kubeconfigOf("https://192.0.2.1", "token: "+jwt(`{"exp":1798761600}`)),
			o:      Options{Now: time.Unix(1798761599, 0)},
			want:   want{conn: &Connection{Server: "https://192.0.2.1", Credential: Credential{BearerToken: jwt(`{"exp":1798761600}`), NotAfter: time.Unix(1798761600, 0).UTC()}}},
		},
		"DeepNesting": {
			reason: "We should refuse deep nesting, because the decoder bounds its depth.",
			data:   "a: " + strings.Repeat("[", 30<<10),
			want:   want{err: errUndecodable},
		},
		"Empty": {
			reason: "We should refuse an empty kubeconfig, because it names no cluster.",
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

// TestParseOpensNoFile checks that files which a kubeconfig names, by every field that can, are
// not opened.
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
