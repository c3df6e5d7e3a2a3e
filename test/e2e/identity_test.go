package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// identityPlatforms are those whose clusters have no credentials to give, next to the examples'.
var identityPlatforms = []platform{
	{Kind: "ClusterEntra", Scope: "Cluster", APIVersion: "containerservice.azure.upbound.io/v1beta2", Managed: "KubernetesCluster", Identity: true},
	{Kind: "ClusterBareGKE", Scope: "Cluster", APIVersion: "container.gcp.upbound.io/v1beta1", Managed: "Cluster", Identity: true},
	{Kind: "ClusterEKS", Scope: "Cluster", APIVersion: "eks.aws.upbound.io/v1beta1", Managed: "Cluster", Identity: true},
	{Kind: "RoleEKS", Scope: "Namespaced", APIVersion: "eks.aws.m.upbound.io/v1beta1", Managed: "Cluster", Identity: true, AssumeRole: true},
}

// TestIdentities has Argo CD use its own identity in each cloud, and tenants try to get its
// tokens.
func TestIdentities(t *testing.T) {
	t.Run("at the same time", func(t *testing.T) {
		for name, tc := range map[string]struct {
			user   *unstructured.Unstructured
			config string // What the registration must have.
			as     string // As whom the cluster must know Argo CD.
		}{
			"AKS with Entra ID, cluster-scoped XR": {ofKind("ClusterEntra", "", "entra"), `"command":"argocd-k8s-auth","args":["azure"]`, entraUser},
			"AKS with Entra ID, namespaced XR":     {ofExample("AKSCluster", "westeurope", "entra"), `"command":"argocd-k8s-auth","args":["azure"]`, entraUser},
			"GKE, cluster-scoped XR":               {ofKind("ClusterBareGKE", "", "bare"), `"command":"argocd-k8s-auth","args":["gcp"]`, googleUser},
			"GKE, namespaced XR":                   {gke("bare"), `"command":"argocd-k8s-auth","args":["gcp"]`, googleUser},
			"EKS, cluster-scoped XR":               {ofKind("ClusterEKS", "", "eks-1"), `"awsAuthConfig":{"clusterName":"eks-1"}`, "eks-1:argocd"},
			"EKS, namespaced XR":                   {ofExample("EKSCluster", awsRegion, "eks-2"), `"awsAuthConfig":{"clusterName":"eks-2-`, awsUser},
			"EKS by a role, namespaced XR":         {ofKind("RoleEKS", "team-a", "eks-3"), `"--role-arn","` + awsRole + `"`, "eks-3:argocd"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := begin(t)
				thief := s.newRecorder()
				sys.cloud.hold(tc.user, true)
				c := s.ask(tc.user)
				c.stolenEarly(thief, tc.user.GetKind() == "EKSCluster")
				sys.cloud.hold(tc.user, false)
				c.registered().healthy()
				c.holds(tc.config)
				c.deployedBy(tc.as)
				c.stolenLate(thief)
				sys.tokens.revoke(tc.as)
				s.didf("tokens revoked")
				c.repaired()
				c.deleted()
				if connections, heard := thief.recorded(); connections > 0 {
					s.Fatalf("%d connections to the thief, with %d requests", connections, len(heard))
				}
				s.didf("no connection to the thief")
			})
		}
		t.Run("thief that is registered by hand", func(t *testing.T) {
			t.Parallel()
			misled(begin(t))
		})
	})
	begin(t).toldNone()
}

// stolenEarly has a tenant be faster than the cloud: before the cloud says where a cluster is,
// the kubeconfig leads to the thief. Where the cloud gives the cluster its name, too, that is what
// the function waits for.
func (c *cluster) stolenEarly(thief *recorder, nameless bool) {
	c.Helper()
	c.steal(thief)
	reason, message := "UnsupportedCredentials", "so Argo CD does not send it a token of its own"
	if nameless {
		reason, message = "WaitingForField", "cluster.name"
	}
	c.says("False", reason, message)
	if _, err := c.registration(c.Context()); !errors.Is(err, errNotRegistered) {
		c.must(fmt.Errorf("it is registered: %w", err))
	}
	c.didf("the kubeconfig leads to the thief: %s", reason)
}

// stolenLate has a tenant edit the kubeconfig of a registered cluster.
func (c *cluster) stolenLate(thief *recorder) {
	c.Helper()
	before, err := c.registration(c.Context())
	c.must(err)
	publisher := c.steal(thief)
	c.says("True", "Retained", "so Argo CD does not send it a token of its own")
	after, err := c.registration(c.Context())
	c.must(err)
	if !bytes.Equal(before.Data["server"], after.Data["server"]) || !bytes.Equal(before.Data["config"], after.Data["config"]) {
		c.must(fmt.Errorf("the registration follows the tenant to %s", after.Data["server"]))
	}
	c.untouched()
	c.didf("the kubeconfig leads to the thief: Retained")
	c.must(sys.cloud.publish(c.Context(), publisher))
	c.says("True", "Registered", "")
}

// steal writes connection details in which nothing but the server is wrong, and returns the
// resource whose they are.
func (c *cluster) steal(thief *recorder) *unstructured.Unstructured {
	c.Helper()
	var publisher *unstructured.Unstructured
	c.await("what publishes the kubeconfig", func(ctx context.Context) error {
		refs, err := c.composed(ctx)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			mr, err := sys.hub.get(ctx, ref)
			if err != nil {
				return err
			}
			if connectionSecret(mr).Name != "" {
				publisher = mr
				return nil
			}
		}
		return errors.New("it is not composed yet")
	})
	details, err := sys.cloud.connectionDetails(publisher, &managedCluster{server: thief.server, user: "tenant"})
	c.must(err)
	c.must(sys.hub.publish(c.Context(), publisher, details))
	return publisher
}

// holds checks what the cluster's registration has, and that it has no credential.
func (c *cluster) holds(want string) {
	c.Helper()
	s, err := c.registration(c.Context())
	c.must(err)
	config := string(s.Data["config"])
	if !strings.Contains(config, want) {
		c.must(fmt.Errorf("the registration does not have %s", want))
	}
	for _, field := range []string{"keyData", "bearerToken", "password"} {
		if strings.Contains(config, field) {
			c.must(fmt.Errorf("the registration has a %s", field))
		}
	}
	c.didf("no credential in the registration")
}

// misled registers a thief, as the function never does: Argo CD sends it a token.
func misled(s *scenario) {
	thief := s.newRecorder()
	config, err := json.Marshal(map[string]any{
		"tlsClientConfig":    map[string]any{"insecure": false, "caData": sys.spoke.ca.pem},
		"execProviderConfig": map[string]any{"command": "argocd-k8s-auth", "args": []string{"gcp"}, "apiVersion": "client.authentication.k8s.io/v1beta1"},
	})
	s.must(err)
	secret := object("v1", "Secret", argocdNamespace, "cluster-thief")
	secret.SetLabels(map[string]string{"argocd.argoproj.io/secret-type": "cluster", "argocd.fn.crossplane.io/state": "active"})
	data := map[string]any{}
	for k, v := range map[string]string{"name": "thief", "server": thief.server, "config": string(config)} {
		data[k] = base64.StdEncoding.EncodeToString([]byte(v))
	}
	secret.Object["data"] = data
	s.must(sys.hub.apply(s.Context(), secret))
	s.await("a token", func(context.Context) error {
		_, heard := thief.recorded()
		if i := slices.IndexFunc(sys.cloud.given(), func(secret string) bool { return slices.Contains(heard, "Bearer "+secret) }); i < 0 {
			return fmt.Errorf("the thief has not got one in %d requests", len(heard))
		}
		return nil
	})
	s.must(sys.hub.Delete(s.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: argocdNamespace, Name: secret.GetName()}}))
	s.didf("the thief gets a token")
}

// A recorder is a server at an address that no cloud named. The clusters' CA signed its
// certificate, so that nothing but the address is wrong.
type recorder struct {
	server string

	mu          sync.Mutex
	connections int
	heard       []string // The requests' Authorization.
}

func (s *scenario) newRecorder() *recorder {
	s.Helper()
	ip := net.IPv4(203, 0, 113, 251) // The clusters' addresses end at 250.
	pair, err := sys.spoke.ca.server(nil, []net.IP{ip})
	s.must(err)
	cert, err := tls.X509KeyPair(pair.cert, pair.key)
	s.must(err)
	l, err := (&net.ListenConfig{}).Listen(s.Context(), "tcp", ip.String()+":0")
	s.must(err)
	r := &recorder{server: "https://" + l.Addr().String()}
	server := &httptest.Server{Listener: l, TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}}
	server.Config = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute, ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.connections++
		}
	}}
	server.StartTLS()
	s.Cleanup(server.Close)
	return r
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heard = append(r.heard, req.Header.Get("Authorization"))
	http.NotFound(w, req)
}

func (r *recorder) recorded() (connections int, heard []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connections, slices.Clone(r.heard)
}
