package argocd

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

// An authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// issue a certificate: the authority's own if there is none yet.
func (a *authority) issue(t *testing.T, template *x509.Certificate) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	if a.cert == nil {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		a.key, a.pem = key, certPEM
	}
	return certPEM, keyPEM
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{}
	a.issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// An apiServer tells each client who it takes it for.
type apiServer struct {
	*httptest.Server

	serverName atomic.Value
}

// newAPIServer starts a server whose certificate is for names and addresses.
func newAPIServer(t *testing.T, a *authority, names []string, ips []net.IP) *apiServer {
	t.Helper()
	s := &apiServer{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.serverName.Store(r.TLS.ServerName)
		user, password, basic := r.BasicAuth()
		switch {
		case len(r.TLS.PeerCertificates) > 0 && r.Header.Get("Authorization") != "":
			http.Error(w, "two identities", http.StatusUnauthorized)
		case len(r.TLS.PeerCertificates) > 0:
			fmt.Fprint(w, "certificate of ", r.TLS.PeerCertificates[0].Subject.CommonName)
		case basic:
			fmt.Fprint(w, "user ", user, " with ", password)
		case r.Header.Get("Authorization") != "":
			fmt.Fprint(w, r.Header.Get("Authorization"))
		default:
			http.Error(w, "nobody", http.StatusUnauthorized)
		}
	}))
	cert, key := a.issue(t, &x509.Certificate{DNSNames: names, IPAddresses: ips, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}
	s.Config.ErrorLog = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// newProxy starts a proxy that counts what goes through it.
func newProxy(t *testing.T) (url string, passed *atomic.Int32) {
	t.Helper()
	passed = &atomic.Int32{}
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up, err := net.Dial("tcp", r.Host)
		if r.Method != http.MethodConnect || err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		passed.Add(1)
		down, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			up.Close()
			return
		}
		fmt.Fprint(down, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(up, bufio.NewReader(rw)); up.Close() }()
		go func() { _, _ = io.Copy(down, up); down.Close() }()
	}))
	t.Cleanup(p.Close)
	return p.URL, passed
}

// TestConnects registers clusters by kubeconfigs with each kind of credential, and has Argo
// CD's client connect to a live server with what it read.
func TestConnects(t *testing.T) {
	ca := newAuthority(t)
	byAddress := newAPIServer(t, ca, nil, []net.IP{net.IPv4(127, 0, 0, 1)})
	byName := newAPIServer(t, ca, []string{"api.example.org"}, nil)
	other := newAPIServer(t, newAuthority(t), nil, []net.IP{net.IPv4(127, 0, 0, 1)})
	proxy, passed := newProxy(t)

	cert, key := ca.issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "argocd"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	b64 := base64.StdEncoding.EncodeToString
	clientCertificate := fmt.Sprintf("client-certificate-data: %s, client-key-data: %s", b64(cert), b64(key))
	plugin := filepath.Join(t.TempDir(), "plugin")
	script := `#!/bin/sh
echo '{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","status":{"token":"'"$PREFIX$1"'"}}'
`
	if err := os.WriteFile(plugin, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}

	cases := map[string]struct {
		reason string
		server *apiServer

		// extra of the kubeconfig's cluster, beside the CA.
		extra string
		user  string
		input string
		noCA  bool

		// proxy that the input gives, if any.
		proxy string

		// token and CA of another composed resource, if any.
		token map[string]string

		want       string
		serverName string
		proxied    bool
		fails      string
	}{
		"ClientCertificate": {
			reason: "The certificate's identity is the one that the server sees.",
			server: byAddress, user: clientCertificate,
			want: "certificate of argocd",
		},
		"ClientCertificateAndToken": {
			reason: "As with AKS' local accounts: never two identities at once.",
			server: byAddress, user: clientCertificate + ", token: fake-token",
			want: "certificate of argocd",
		},
		"Token": {
			reason: "A token with a newline at its end is sent without.",
			server: byAddress, user: `token: "fake-token\n"`,
			want: "Bearer fake-token",
		},
		"TokenOfServiceAccount": {
			reason: "A ServiceAccount's token takes the place of the certificate, and its CA that of the kubeconfig's.",
			server: byAddress, user: clientCertificate, noCA: true,
			token: map[string]string{"token": "fake-token", "ca.crt": string(ca.pem)}, input: "credentials: {type: Token, token: {resourceName: token}}\nkubeconfigFrom: {resourceName: cluster}",
			want: "Bearer fake-token",
		},
		"TokenOfServiceAccountWrongServer": {
			reason: "A server of another authority does not get the token.",
			server: other, user: clientCertificate,
			token: map[string]string{"token": "fake-token", "ca.crt": string(ca.pem)}, input: "credentials: {type: Token, token: {resourceName: token}}\nkubeconfigFrom: {resourceName: cluster}",
			fails: "certificate signed by unknown authority",
		},
		"BasicAuth": {
			reason: "A username and a password.",
			server: byAddress, user: "username: admin, password: 'pass:word'",
			want: "user admin with pass:word",
		},
		"ServerName": {
			reason: "The server is verified against the name that the kubeconfig gives, and asked for it.",
			server: byName, extra: ", tls-server-name: api.example.org", user: "token: fake-token",
			want: "Bearer fake-token", serverName: "api.example.org",
		},
		"WrongServerName": {
			reason: "Without the name, the certificate is not for the server's address.",
			server: byName, user: "token: fake-token",
			fails: "doesn't contain any IP SANs",
		},
		"WrongCA": {
			reason: "A server of another authority gets no credential.",
			server: other, user: "token: fake-token",
			fails: "certificate signed by unknown authority",
		},
		"Insecure": {
			reason: "Only where the input allows it, the server is not verified.",
			server: other, extra: ", insecure-skip-tls-verify: true", user: "token: fake-token", input: "credentials: {allowInsecure: true}",
			want: "Bearer fake-token",
		},
		"Proxy": {
			reason: "The way goes through the author's proxy, which may be in Argo CD's own Pod, and not through the kubeconfig's.",
			server: byAddress, extra: ", proxy-url: 'http://proxy.example.org'", proxy: proxy, user: "token: fake-token",
			want: "Bearer fake-token", proxied: true,
		},
		"Exec": {
			reason: "A plugin of the Composition's author's gives the token, and not the kubeconfig.",
			server: byAddress, user: "token: other-token",
			input: fmt.Sprintf("credentials: {type: Exec, exec: {command: %s, args: [token], env: {PREFIX: fake-}}}", plugin),
			want:  "Bearer fake-token",
		},
		"PublicCA": {
			reason: "Without a CA the operating system's are trusted, of which the test's is none.",
			server: byAddress, user: "token: fake-token", noCA: true,
			fails: "certificate signed by unknown authority",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			authority := ", certificate-authority-data: " + b64(ca.pem)
			if tc.noCA {
				authority = ""
			}
			kubeconfig := fmt.Sprintf(`{current-context: c,
clusters: [{name: c, cluster: {server: "https://replaced.example.org"%s%s}}],
contexts: [{name: c, context: {cluster: c, user: u}}],
users: [{name: u, user: {%s}}]}`, authority, tc.extra, tc.user)
			passed.Store(0)
			proxy := ""
			if tc.proxy != "" {
				proxy = ", proxyURL: " + tc.proxy
			}

			c := readBack(t, register(t, cluster{
				input:   fmt.Sprintf("cluster: {server: %s/%s}\n", tc.server.URL, proxy) + tc.input,
				details: map[string]string{"kubeconfig": kubeconfig},
				token:   tc.token,
			}))
			cfg, err := c.RESTConfig()
			if err != nil {
				t.Fatal(err)
			}
			client, err := rest.HTTPClientFor(cfg)
			if err != nil {
				t.Fatal(err)
			}
			rsp, err := client.Get(c.Server + "/api")
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Errorf("%s\nwant an error with %q, got: %v", tc.reason, tc.fails, err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s\n%v", tc.reason, err)
			}
			defer rsp.Body.Close()
			body, err := io.ReadAll(rsp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(body)); diff != "" {
				t.Errorf("%s\nidentity: -want, +got:\n%s", tc.reason, diff)
			}
			if got := tc.server.serverName.Load(); got != tc.serverName {
				t.Errorf("%s\nserver name: want %q, got %q", tc.reason, tc.serverName, got)
			}
			if got := passed.Load() > 0; got != tc.proxied {
				t.Errorf("%s\nproxied: want %t, got %t", tc.reason, tc.proxied, got)
			}
		})
	}
}
