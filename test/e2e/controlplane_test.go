package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	etcdURL   = "http://127.0.0.1:2379"
	hubPort   = 6443
	spokePort = 7443
)

// A controlPlane is an API server and a controller manager, and a client with all
// rights.
type controlPlane struct {
	client.Client

	server     string
	kubeconfig string // path
	ca         *authority
	http       *http.Client
}

func (s *system) etcd() error {
	_, err := s.start("etcd", s.program("etcd"), nil, "--data-dir="+s.path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+etcdURL, "--advertise-client-urls="+etcdURL,
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=default=http://127.0.0.1:2380")
	return err
}

// controlPlane starts one whose server's certificate is for the names and addresses, and which
// has more flags.
func (s *system) controlPlane(ctx context.Context, name string, port int, names []string, ips []net.IP, flags ...string) (*controlPlane, error) {
	ca, err := newAuthority(name + "-ca")
	if err != nil {
		return nil, err
	}
	tls, err := ca.server(append(names, "localhost"), append(ips, net.IPv4(127, 0, 0, 1)))
	if err != nil {
		return nil, err
	}
	tokens, err := ca.client("service-account-tokens")
	if err != nil {
		return nil, err
	}
	admin, err := ca.client("admin", "system:masters")
	if err != nil {
		return nil, err
	}
	p := &controlPlane{server: fmt.Sprintf("https://127.0.0.1:%d", port), kubeconfig: s.path(name + ".kubeconfig"), ca: ca}
	config, err := kubeconfig(name, p.server, ca.pem, &clientcmdapi.AuthInfo{ClientCertificateData: admin.cert, ClientKeyData: admin.key})
	if err != nil {
		return nil, err
	}
	file := func(f string) string { return s.path(name, f) }
	if err := errors.Join(
		write(p.kubeconfig, config),
		write(file("ca.crt"), ca.pem),
		write(file("tls.crt"), tls.cert), write(file("tls.key"), tls.key),
		write(file("sa.crt"), tokens.cert), write(file("sa.key"), tokens.key),
		write(file("audit.yaml"), []byte(auditPolicy)),
	); err != nil {
		return nil, err
	}

	if _, err := s.start(name+"-apiserver", s.program("kube-apiserver"), nil, append(flags,
		"--etcd-servers="+etcdURL, "--etcd-prefix=/"+name,
		fmt.Sprintf("--secure-port=%d", port), "--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
		"--client-ca-file="+file("ca.crt"), "--tls-cert-file="+file("tls.crt"), "--tls-private-key-file="+file("tls.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+file("sa.crt"), "--service-account-signing-key-file="+file("sa.key"),
		"--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC",
		"--audit-policy-file="+file("audit.yaml"), "--audit-log-path="+s.path("logs", name+"-audit.log"),
	)...); err != nil {
		return nil, err
	}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(config)
	if err != nil {
		return nil, err
	}
	cfg.QPS = -1
	if err := until(ctx, time.Minute, func(ctx context.Context) error { return ready(ctx, cfg) }); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if p.Client, err = client.New(cfg, client.Options{}); err != nil {
		return nil, err
	}
	if p.http, err = rest.HTTPClientFor(cfg); err != nil {
		return nil, err
	}
	// No Deployment controller: there are no nodes, and Deployments are played.
	if _, err := s.start(name+"-controllers", s.program("kube-controller-manager"), nil,
		"--kubeconfig="+p.kubeconfig, "--use-service-account-credentials", "--leader-elect=false", "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port+1),
		"--service-account-private-key-file="+file("sa.key"), "--root-ca-file="+file("ca.crt"),
		"--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller,"+
			"serviceaccount-token-controller,root-ca-certificate-publisher-controller,clusterrole-aggregation-controller",
	); err != nil {
		return nil, err
	}
	return p, until(ctx, 30*time.Second, func(ctx context.Context) error {
		return p.Get(ctx, client.ObjectKey{Namespace: "default", Name: "default"}, &corev1.ServiceAccount{})
	})
}

// auditPolicy logs who wrote what.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, verbs: [get, list, watch]}
- {level: None, resources: [{group: "", resources: [events]}, {group: events.k8s.io, resources: [events]}]}
- {level: Metadata}
`

func ready(ctx context.Context, cfg *rest.Config) error {
	c, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return err
	}
	return httpReady(ctx, c, cfg.Host+"/readyz")
}

func httpReady(ctx context.Context, c *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	rsp, err := c.Do(req)
	if err != nil {
		return err
	}
	rsp.Body.Close()
	if rsp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, rsp.Status)
	}
	return nil
}

// serviceAccount writes a kubeconfig of a ServiceAccount, and returns its path.
func (p *controlPlane) serviceAccount(ctx context.Context, dir, namespace, name string) (string, error) {
	token, err := p.token(ctx, namespace, name)
	if err != nil {
		return "", err
	}
	config, err := kubeconfig(name, p.server, p.ca.pem, &clientcmdapi.AuthInfo{Token: token})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, namespace+"-"+name+".kubeconfig")
	return path, write(path, config)
}

// as returns the control plane with a ServiceAccount's rights.
func (p *controlPlane) as(ctx context.Context, namespace, name string) (*controlPlane, error) {
	token, err := p.token(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	c, err := client.New(&rest.Config{
		Host: p.server, BearerToken: token, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: p.ca.pem},
	}, client.Options{})
	return &controlPlane{Client: c, server: p.server, ca: p.ca}, err
}

// token of a ServiceAccount, for the API server if no audience is named.
func (p *controlPlane) token(ctx context.Context, namespace, name string, audiences ...string) (string, error) {
	sa := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	day := int64(24 * 60 * 60)
	tr := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &day, Audiences: audiences}}
	err := p.SubResource("token").Create(ctx, sa, tr)
	return tr.Status.Token, err
}

// apply objects in their order. A kind that is not there yet, because its CRD or XRD
// was just applied, is waited for.
func (p *controlPlane) apply(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, o := range objects {
		o = o.DeepCopy()
		if err := until(ctx, time.Minute, func(ctx context.Context) error {
			return p.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("e2e"), client.ForceOwnership)
		}); err != nil {
			return fmt.Errorf("apply %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

// get an object anew.
func (p *controlPlane) get(ctx context.Context, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	out := object(o.GetAPIVersion(), o.GetKind(), o.GetNamespace(), o.GetName())
	return out, p.Get(ctx, client.ObjectKeyFromObject(out), out)
}

// table of an object, as kubectl get asks for it.
func (p *controlPlane) table(ctx context.Context, o *unstructured.Unstructured) (*metav1.Table, error) {
	gvk := o.GroupVersionKind()
	mapping, err := p.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("%s/apis/%s/namespaces/%s/%s/%s", p.server, o.GetAPIVersion(), o.GetNamespace(), mapping.Resource.Resource, o.GetName())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	rsp, err := p.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer rsp.Body.Close()
	if rsp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, rsp.Status)
	}
	out := &metav1.Table{}
	return out, json.NewDecoder(rsp.Body).Decode(out)
}

// list the objects of a kind. A kind that is not there has none.
func (p *controlPlane) list(ctx context.Context, gvk schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
	l := &unstructured.UnstructuredList{}
	l.SetGroupVersionKind(gvk)
	err := p.List(ctx, l)
	if meta.IsNoMatchError(err) {
		return nil, nil
	}
	return l.Items, err
}

// patch an object by a merge patch.
func (p *controlPlane) patch(ctx context.Context, o client.Object, patch string) error {
	return p.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(patch)))
}

// hasCondition returns an error unless the object has a condition that is true; an
// empty reason stands for any.
func (p *controlPlane) hasCondition(ctx context.Context, o *unstructured.Unstructured, kind, reason string) error {
	return p.conditionIs(ctx, o, kind, "True", reason)
}

func (p *controlPlane) conditionIs(ctx context.Context, o *unstructured.Unstructured, kind, status, reason string) error {
	o, err := p.get(ctx, o)
	if err != nil {
		return err
	}
	return hasCondition(o, kind, status, reason)
}

// hasCondition returns an error unless the object, as it was read, has a condition.
func hasCondition(o *unstructured.Unstructured, kind, status, reason string) error {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	i := slices.IndexFunc(conditions, func(c any) bool { return c.(map[string]any)["type"] == kind })
	if i < 0 {
		return fmt.Errorf("%s %s has no condition %s", o.GetKind(), o.GetName(), kind)
	}
	c := conditions[i].(map[string]any)
	if c["status"] != status || reason != "" && c["reason"] != reason {
		return fmt.Errorf("%s %s: %s is %v/%v, not %s/%s: %v", o.GetKind(), o.GetName(), kind, c["status"], c["reason"], status, reason, c["message"])
	}
	return nil
}

func object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// copyFile makes the copy executable.
func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return errors.Join(write(to, b), os.Chmod(to, 0o700))
}
