package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// testNow is a time at which the samples' certificates are valid.
func testNow() time.Time { return time.Date(2027, time.January, 1, 0, 0, 0, 0, time.UTC) }

const (
	// A legacy, cluster-scoped XR that has a claim.
	legacyXR = `
apiVersion: platform.example.org/v1alpha1
kind: XAKSCluster
metadata:
  name: prod-x7k2p
  labels:
    crossplane.io/claim-name: prod
    crossplane.io/claim-namespace: team-a
    crossplane.io/composite: prod-x7k2p
spec:
  writeConnectionSecretToRef: {namespace: crossplane-system, name: prod}
  parameters:
    environment: production
    size: 3
    gold: true
    label: "no label value"
    nothing: null
    kubeconfigSecret: capi-demo-kubeconfig
    addons: {cert-manager: "true", ingress: nginx}
    badAddons: {"not a key": "x"}
    nested: {deep: {er: x}}
    apiserver: https://api.prod.example.org/
    http: http://api.prod.example.org
`
	// A modern, namespaced XR.
	namespacedXR = `
apiVersion: platform.example.org/v1alpha1
kind: GKECluster
metadata: {name: prod, namespace: team-a}
spec: {}
`
	environment = `
apiextensions.crossplane.io/environment:
  cluster: {name: west, endpoint: "https://west.example.org"}
  project: payments
  addons: {domain: example.org, replicas: 2}
  aws: {role: "arn:aws:iam::123456789012:role/argocd-demo"}
`
	aks    = "{apiVersion: containerservice.azure.upbound.io/v1beta2, kind: KubernetesCluster, spec: {writeConnectionSecretToRef: {name: conn, namespace: ns}}}"
	gke    = "{apiVersion: container.gcp.m.upbound.io/v1beta1, kind: Cluster, spec: {writeConnectionSecretToRef: {name: conn}}}"
	bucket = "{apiVersion: storage.gcp.m.upbound.io/v1beta1, kind: Bucket}"
)

// An observation is an observed composed resource.
type observation struct {
	resource string
	details  map[string]string
}

func sample(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "kubeconfigs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// connectionDetails returns the data of a sample connection Secret.
func connectionDetails(t testing.TB, name string) map[string]string {
	t.Helper()
	var s struct {
		Data map[string][]byte `json:"data"`
	}
	if err := yaml.Unmarshal([]byte(sample(t, name)), &s); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string, len(s.Data))
	for k, v := range s.Data {
		out[k] = string(v)
	}
	return out
}

func kubeconfigDetails(t testing.TB, name string) map[string]string {
	t.Helper()
	return map[string]string{"kubeconfig": sample(t, name)}
}

func mustStruct(t testing.TB, y string) *structpb.Struct {
	t.Helper()
	j, err := yaml.YAMLToJSON([]byte(y))
	if err != nil {
		t.Fatal(err)
	}
	s := &structpb.Struct{}
	if err := protojson.Unmarshal(j, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// newRequest returns a request of a pipeline in which an earlier step desires a
// resource and a status.
func newRequest(t testing.TB, xr, input string, observed map[string]observation) *fnv1.RunFunctionRequest {
	t.Helper()
	req := &fnv1.RunFunctionRequest{
		Meta:     &fnv1.RequestMeta{Tag: "tag"},
		Observed: &fnv1.State{Composite: &fnv1.Resource{Resource: mustStruct(t, xr)}, Resources: map[string]*fnv1.Resource{}},
		Desired: &fnv1.State{
			Composite: &fnv1.Resource{Resource: mustStruct(t, "status: {earlier: step}")},
			Resources: map[string]*fnv1.Resource{"earlier": {Resource: mustStruct(t, bucket)}},
		},
	}
	if input != "" {
		req.Input = mustStruct(t, "apiVersion: argocd.fn.crossplane.io/v1beta1\nkind: ClusterRegistration\n"+input)
	}
	for name, o := range observed {
		r := &fnv1.Resource{Resource: mustStruct(t, o.resource), ConnectionDetails: map[string][]byte{}}
		for k, v := range o.details {
			r.ConnectionDetails[k] = []byte(v)
		}
		req.Observed.Resources[name] = r
	}
	return req
}

// run the function, and check what holds of every response.
func run(t testing.TB, req *fnv1.RunFunctionRequest) *fnv1.RunFunctionResponse {
	t.Helper()
	before, ok := proto.Clone(req).(*fnv1.RunFunctionRequest)
	if !ok {
		t.Fatal("cannot clone request")
	}
	log := &recorder{}
	f := &Function{log: log, now: testNow}
	rsp, err := f.RunFunction(context.Background(), req)
	if err != nil {
		t.Fatalf("RunFunction(...): %v", err)
	}
	checkLeaks(t, req, rsp, log.lines)
	for name, r := range before.GetDesired().GetResources() {
		if diff := cmp.Diff(r, rsp.GetDesired().GetResources()[name], protocmp.Transform()); diff != "" {
			t.Errorf("desired resource %s of an earlier step changed: -before, +after:\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(before.GetObserved(), req.GetObserved(), protocmp.Transform()); diff != "" {
		t.Errorf("observed state changed: -before, +after:\n%s", diff)
	}
	// With statusFieldPath the XR's status is the function's to write, too.
	if stringAt(req.GetInput(), "statusFieldPath") != "" {
		return rsp
	}
	if diff := cmp.Diff(before.GetDesired().GetComposite().GetResource(), rsp.GetDesired().GetComposite().GetResource(), protocmp.Transform()); diff != "" {
		t.Errorf("desired XR of an earlier step changed: -before, +after:\n%s", diff)
	}
	return rsp
}

// A recorder is a logger that keeps what is logged.
type recorder struct{ lines []string }

func (r *recorder) Info(msg string, kv ...any)  { r.lines = append(r.lines, fmt.Sprint(msg, kv)) }
func (r *recorder) Debug(msg string, kv ...any) { r.Info(msg, kv...) }
func (r *recorder) WithValues(kv ...any) logging.Logger {
	r.Info("values", kv...)
	return r
}

// sensitive finds credentials in what may not even be YAML.
var sensitive = regexp.MustCompile(`(?:token|tokenFile|password|client-key-data|client-certificate-data|certificate-authority-data|client-secret|access-token|value):\s*"?([^\s",}]{6,})`)

// checkLeaks checks that a response and a log hold no credential but in the composed
// resource, and that a failure says nothing at all of what a kubeconfig holds but the
// name of a plugin.
func checkLeaks(t testing.TB, req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse, lines []string) {
	t.Helper()
	said, ok := proto.Clone(rsp).(*fnv1.RunFunctionResponse)
	if !ok {
		t.Fatal("cannot clone response")
	}
	failed := false
	for _, r := range said.GetResults() {
		failed = failed || r.GetSeverity() == fnv1.Severity_SEVERITY_FATAL
	}
	for _, c := range said.GetConditions() {
		failed = failed || c.GetStatus() == fnv1.Status_STATUS_CONDITION_FALSE && c.GetReason() != reasonRegistering
	}
	delete(said.GetDesired().GetResources(), "argocd-cluster")
	text := prototext.Format(said) + strings.Join(lines, "\n")

	for _, secret := range secrets(req, failed) {
		if strings.Contains(text, secret) {
			t.Errorf("%q of a kubeconfig is told in:\n%s", secret, text)
		}
	}
}

// secrets returns what of a request's connection details must not be told: what is
// sensitive, or all of it.
func secrets(req *fnv1.RunFunctionRequest, all bool) []string {
	var out []string
	resources := slices.Collect(maps.Values(req.GetObserved().GetResources()))
	for _, r := range append(resources, req.GetObserved().GetComposite()) {
		for _, v := range r.GetConnectionDetails() {
			if b, err := base64.StdEncoding.DecodeString(string(v)); err == nil {
				v = b
			}
			for _, m := range sensitive.FindAllSubmatch(v, -1) {
				out = append(out, string(m[1]))
			}
			var y any
			if all && yaml.Unmarshal(v, &y) == nil {
				out = append(out, scalars(y)...)
			}
		}
	}
	// The names of plugins may be told, and those of flags that the function knows.
	known := []string{"kubelogin", "gke-gcloud-auth-plugin", "aws-iam-authenticator", "evil-plugin", "--role-arn", "--client-secret", "--authority-host", "AWS_PROFILE", "Config"}
	return slices.DeleteFunc(out, func(s string) bool { return len(s) < 5 || slices.Contains(known, s) })
}

func scalars(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		out = append(out, v)
	case []any:
		for _, e := range v {
			out = append(out, scalars(e)...)
		}
	case map[string]any:
		for _, e := range v {
			out = append(out, scalars(e)...)
		}
	}
	return out
}

// A summary is what a response says, as far as this function says it.
type summary struct {
	Fatal     string `json:"fatal,omitempty"`
	Condition string `json:"condition,omitempty"`
	Message   string `json:"message,omitempty"`

	// Warning is the event's reason and message.
	Warning string `json:"warning,omitempty"`

	// XRReady is set where the function says whether the XR is ready.
	XRReady string `json:"xrReady,omitempty"`

	// Requires are the Secrets that Crossplane is to read, and TTL for how long the
	// response holds where that is not a minute.
	Requires []string `json:"requires,omitempty"`
	TTL      string   `json:"ttl,omitempty"`

	// Composed is the composed resource, with the Secret's data decoded.
	Composed map[string]any `json:"composed,omitempty"`
	Ready    string         `json:"ready,omitempty"`
}

func summarize(t testing.TB, rsp *fnv1.RunFunctionResponse, resourceName string) summary {
	t.Helper()
	s := summary{}
	for _, r := range rsp.GetResults() {
		switch r.GetSeverity() {
		case fnv1.Severity_SEVERITY_FATAL:
			s.Fatal = r.GetMessage()
		case fnv1.Severity_SEVERITY_WARNING:
			s.Warning = r.GetReason() + ": " + r.GetMessage()
		default:
			t.Errorf("unexpected result: %v", r)
		}
	}
	for _, c := range rsp.GetConditions() {
		if s.Condition != "" || c.GetTarget() != fnv1.Target_TARGET_COMPOSITE_AND_CLAIM {
			t.Errorf("want one condition, of XR and claim, got: %v", c)
		}
		s.Condition = fmt.Sprintf("%s=%s/%s", c.GetType(), strings.TrimPrefix(c.GetStatus().String(), "STATUS_CONDITION_"), c.GetReason())
		s.Message = c.GetMessage()
	}
	if r := rsp.GetDesired().GetComposite().GetReady(); r != fnv1.Ready_READY_UNSPECIFIED {
		s.XRReady = r.String()
	}
	for name, r := range rsp.GetRequirements().GetResources() {
		s.Requires = append(s.Requires, fmt.Sprintf("%s: %s %s %s/%s", name, r.GetApiVersion(), r.GetKind(), r.GetNamespace(), r.GetMatchName()))
	}
	slices.Sort(s.Requires)
	if ttl := rsp.GetMeta().GetTtl().AsDuration(); ttl != time.Minute {
		s.TTL = ttl.String()
	}
	if r, ok := rsp.GetDesired().GetResources()[resourceName]; ok {
		s.Composed = r.GetResource().AsMap()
		s.Ready = r.GetReady().String()
		decodeData(t, s.Composed)
	}
	return s
}

// decodeData decodes the Secret's data in a composed resource.
func decodeData(t testing.TB, composed map[string]any) {
	t.Helper()
	manifest := composed
	if spec, ok := composed["spec"].(map[string]any); ok {
		manifest = spec["forProvider"].(map[string]any)["manifest"].(map[string]any)
	}
	data := manifest["data"].(map[string]any)
	for k, v := range data {
		b, err := base64.StdEncoding.DecodeString(v.(string))
		if err != nil {
			t.Fatal(err)
		}
		data[k] = string(b)
	}
}

// secretData returns the Secret's decoded data in a response.
func secretData(t testing.TB, rsp *fnv1.RunFunctionResponse) map[string]any {
	t.Helper()
	s := summarize(t, rsp, "argocd-cluster")
	if s.Composed == nil {
		t.Fatalf("nothing composed: %s: %s%s", s.Condition, s.Message, s.Fatal)
	}
	return s.Composed["spec"].(map[string]any)["forProvider"].(map[string]any)["manifest"].(map[string]any)["data"].(map[string]any)
}

// TestCredentials runs every sample of a source that can be registered.
func TestCredentials(t *testing.T) {
	const (
		azure = `"execProviderConfig":{"command":"argocd-k8s-auth","args":["azure"],"env":{"AAD_ENVIRONMENT_NAME":"AzurePublicCloud","AAD_SERVER_APPLICATION_ID":"6dae42f8-4368-4678-94ff-3960e28e3630","AZURE_TENANT_ID":"11111111-2222-3333-4444-555555555555"},"apiVersion":"client.authentication.k8s.io/v1beta1"}`
		gcp   = `"execProviderConfig":{"command":"argocd-k8s-auth","args":["gcp"],"apiVersion":"client.authentication.k8s.io/v1beta1"}`
	)
	type want struct {
		server string

		// golden is the file of the config.
		golden string

		// or config is the config, with placeholders for what is long.
		config string
	}
	cases := map[string]struct {
		reason   string
		resource string
		details  map[string]string
		want     want
	}{
		"AKSLocalAccount": {
			reason:   "A local account's certificate is taken, and its token left out, as argocd cluster add does.",
			resource: aks,
			details:  connectionDetails(t, "conn-aks-local.yaml"),
			want:     want{server: "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443", golden: "argocd-config-aks-local.json"},
		},
		"AKSWithAAD": {
			reason:   "kubelogin becomes Argo CD's own Azure plugin. The admin kubeconfig beside it is not taken.",
			resource: aks,
			details:  connectionDetails(t, "conn-aks-aad.yaml"),
			want:     want{server: "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443", golden: "argocd-config-aks-exec.json"},
		},
		"AKSWithLegacyAAD": {
			reason:   "The auth-provider that kubelogin replaced gives the same.",
			resource: aks,
			details:  kubeconfigDetails(t, "kc-aks-aad-authprovider-legacy.yaml"),
			want:     want{server: "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443", golden: "argocd-config-aks-exec.json"},
		},
		"GKEWithoutCredentials": {
			reason:   "A kubeconfig without credentials, from GKE's provider, is for Argo CD's own Google identity.",
			resource: gke,
			details:  connectionDetails(t, "conn-gke.yaml"),
			want:     want{server: "https://34.10.20.30", golden: "argocd-config-gke-exec.json"},
		},
		"GKEDNSEndpoint": {
			reason:   "A DNS endpoint's certificate is publicly trusted, and so there is no CA.",
			resource: gke,
			details:  kubeconfigDetails(t, "kc-gke-upjet-dns-endpoint.yaml"),
			want:     want{server: "https://gke-0123456789abcdef-123456789012.europe-west8.gke.goog", config: `{"tlsClientConfig":{"insecure":false},` + gcp + `}`},
		},
		"GKEGcloudExec": {
			reason:   "gcloud's plugin becomes Argo CD's own.",
			resource: bucket,
			details:  kubeconfigDetails(t, "kc-gke-gcloud-exec.yaml"),
			want:     want{server: "https://34.10.20.30", golden: "argocd-config-gke-exec.json"},
		},
		"GKEClientCertificate": {
			reason:   "A client certificate goes before everything else.",
			resource: gke,
			details:  kubeconfigDetails(t, "kc-gke-upjet-clientcert.yaml"),
			want:     want{server: "https://34.10.20.30", config: `{"tlsClientConfig":{"insecure":false,"certData":"…","keyData":"…","caData":"…"}}`},
		},
		"EKSToken": {
			reason:   "A token is taken.",
			resource: bucket,
			details:  connectionDetails(t, "conn-eks-clusterauth.yaml"),
			want:     want{server: "https://0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false,"caData":"…"}}`},
		},
		"EKSExecWithRegion": {
			reason:   "The AWS CLI becomes Argo CD's own AWS plugin, with the region that awsAuthConfig has no place for.",
			resource: bucket,
			details:  kubeconfigDetails(t, "kc-eks-awscli-plain.yaml"),
			want:     want{server: "https://0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com", golden: "argocd-config-eks-exec-region.json"},
		},
		"ClusterAPI": {
			reason:   "A kubeconfig under a generic key is found.",
			resource: bucket,
			details:  connectionDetails(t, "conn-capi-secret.yaml"),
			want:     want{server: "https://10.0.0.10:6443", config: `{"tlsClientConfig":{"insecure":false,"certData":"…","keyData":"…","caData":"…"}}`},
		},
		"RancherWithPath": {
			reason:   "A server's path stays, and only the current context is used.",
			resource: bucket,
			details:  kubeconfigDetails(t, "kc-rancher-ace.yaml"),
			want:     want{server: "https://rancher.example.org/k8s/clusters/c-m-abcd1234", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false}}`},
		},
		"OpenShiftSeveralContexts": {
			reason:   "Names with slashes and colons, and several contexts.",
			resource: bucket,
			details:  kubeconfigDetails(t, "kc-openshift-multi-ctx.yaml"),
			want:     want{server: "https://api.demo.example.org:6443", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false}}`},
		},
		"Base64": {
			reason:   "Base64 is decoded once.",
			resource: bucket,
			details:  map[string]string{"attribute.kubeconfig": sample(t, "edge-base64-wrapped.txt")},
			want:     want{server: "https://10.0.0.1:6443", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false,"caData":"…"}}`},
		},
		"TrailingSlash": {
			reason:   "Argo CD compares servers without trailing slash.",
			resource: bucket,
			details:  kubeconfigDetails(t, "edge-trailing-slash.yaml"),
			want:     want{server: "https://10.0.0.1:6443", config: `{"bearerToken":"…","tlsClientConfig":{"insecure":false,"caData":"…"}}`},
		},
		"BasicAuth": {
			reason:   "A username with a password is taken.",
			resource: bucket,
			details:  map[string]string{"kubeconfig": kubeconfigOf("https://[2001:db8::1]:6443", "username: admin, password: canary-password")},
			want:     want{server: "https://[2001:db8::1]:6443", config: `{"username":"admin","password":"canary-password","tlsClientConfig":{"insecure":false}}`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rsp := run(t, newRequest(t, legacyXR, "", map[string]observation{"cluster": {resource: tc.resource, details: tc.details}}))
			data := secretData(t, rsp)
			if diff := cmp.Diff(tc.want.server, data["server"]); diff != "" {
				t.Errorf("%s\nserver: -want, +got:\n%s", tc.reason, diff)
			}
			want, got := tc.want.config, data["config"].(string)
			if tc.want.golden != "" {
				want = strings.TrimSpace(sample(t, tc.want.golden))
			} else {
				got = shorten(got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\nconfig: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// shorten puts … for every long string in JSON.
func shorten(j string) string {
	parts := strings.Split(j, `"`)
	for i, p := range parts {
		if i%2 == 1 && (len(p) > 60 || p == "fake-token" || strings.HasPrefix(p, "sha256~")) {
			parts[i] = "…"
		}
	}
	return strings.Join(parts, `"`)
}

// kubeconfigOf returns a kubeconfig for a server and a user.
func kubeconfigOf(server, user string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: %q}}],
contexts: [{name: c, context: {cluster: c, user: u}}],
users: [{name: u, user: {%s}}]}`, server, user)
}

// TestNotRegistered runs what gives no registration: nothing is composed, the condition
// says why, and the XR is not ready.
func TestNotRegistered(t *testing.T) {
	type want struct {
		reason string

		// message is a part of the condition's.
		message string
	}
	invalid, unsupported := reasonInvalidKubeconfig, reasonUnsupportedCredentials
	of := func(resource string, details map[string]string) map[string]observation {
		return map[string]observation{"cluster": {resource: resource, details: details}}
	}
	text := func(kubeconfig string) map[string]observation {
		return of(bucket, map[string]string{"kubeconfig": kubeconfig})
	}
	user := func(user string) map[string]observation { return text(kubeconfigOf("https://api.example.org", user)) }
	exec := func(exec string) map[string]observation {
		return user("exec: {apiVersion: client.authentication.k8s.io/v1beta1, " + exec + "}")
	}
	server := func(server string) map[string]observation { return text(kubeconfigOf(server, "token: canary-token")) }
	cluster := func(extra string) map[string]observation {
		return text(strings.Replace(kubeconfigOf("https://api.example.org", "token: canary-token"), "cluster: {", "cluster: {"+extra+", ", 1))
	}
	good := of(aks, connectionDetails(t, "conn-aks-local.yaml"))

	cases := map[string]struct {
		reason   string
		xr       string
		input    string
		observed map[string]observation

		// details are the XR's own connection details.
		details map[string]string
		want    want
	}{
		"FirstPass": {
			reason: "Nothing is composed yet, and nothing is observed.",
			want:   want{reasonWaitingForKubeconfig, "no composed resource has a kubeconfig in its connection details yet"},
		},
		"NoConnectionDetails": {
			reason:   "The cluster is there, but not its Secret.",
			input:    "kubeconfigFrom: {resourceName: cluster}",
			observed: of(aks, nil),
			want:     want{reasonWaitingForKubeconfig, `the composed resource "cluster" has no connection details yet; its provider has not published them`},
		},
		"NoConnectionSecretRef": {
			reason:   "A cluster that publishes no connection details never will have a kubeconfig.",
			input:    "kubeconfigFrom: {resourceName: cluster}",
			observed: of(bucket, nil),
			want:     want{reasonWaitingForKubeconfig, "it must have spec.writeConnectionSecretToRef"},
		},
		"NotObserved": {
			reason: "The cluster is not there yet.",
			input:  "kubeconfigFrom: {resourceName: cluster}",
			want:   want{reasonWaitingForKubeconfig, `the composed resource "cluster" does not exist yet`},
		},
		"EmptyKubeconfig": {
			reason:   "A provider may publish the key before its value.",
			observed: text("\n"),
			want:     want{reasonWaitingForKubeconfig, "no composed resource has a kubeconfig"},
		},
		"UnknownKeys": {
			reason:   "A kubeconfig under a key that nobody knows can be named.",
			input:    "kubeconfigFrom: {resourceName: cluster}",
			observed: of(bucket, map[string]string{"my-kubeconfig": "x"}),
			want:     want{reasonWaitingForKubeconfig, "name another in kubeconfigFrom.key"},
		},
		"KeyMissing": {
			reason:   "Where a key is named, no other is looked for.",
			input:    "kubeconfigFrom: {resourceName: cluster, key: attribute.kube_admin_config_raw}",
			observed: good,
			want:     want{reasonWaitingForKubeconfig, `has no kubeconfig yet under the key "attribute.kube_admin_config_raw"`},
		},
		"GenericKeyOfAnotherThing": {
			reason:   "Under a generic key only a kubeconfig counts.",
			observed: of(bucket, map[string]string{"value": "a: mapping", "config": "text", "value.yaml": "{}"}),
			want:     want{reasonWaitingForKubeconfig, "no composed resource has a kubeconfig"},
		},
		"ModernXRAsSource": {
			reason: "Modern XRs have no connection details.",
			xr:     namespacedXR,
			input:  "kubeconfigFrom: {type: CompositeResource}",
			want:   want{reasonWaitingForKubeconfig, "the XR has no connection details yet; only legacy XRs have their own"},
		},
		"NameFieldMissing": {
			reason:   "The XR may not have the field yet.",
			input:    "cluster: {nameFromFieldPath: status.name}",
			observed: good,
			want:     want{reasonWaitingForField, "the XR's field status.name is not there yet"},
		},
		"NameFieldNull": {
			reason:   "A null field is no field.",
			input:    "cluster: {nameFromFieldPath: spec.parameters.nothing}",
			observed: good,
			want:     want{reasonWaitingForField, "the XR's field spec.parameters.nothing is not there yet"},
		},
		"LabelFieldMissing": {
			reason:   "A label is required unless it is said to be optional.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.none, key: x}]}",
			observed: good,
			want:     want{reasonWaitingForField, "the XR's field spec.none is not there yet"},
		},
		"NameFieldNoString": {
			reason:   "A name is no map.",
			input:    "cluster: {nameFromFieldPath: spec.parameters.nested}",
			observed: good,
			want:     want{reasonInvalidField, "the XR's field spec.parameters.nested must be a string to be the cluster's name"},
		},
		"ServerFieldInvalid": {
			reason:   "A server from the XR is checked as one from the input is.",
			input:    "cluster: {serverFromFieldPath: spec.parameters.http}",
			observed: good,
			want:     want{reasonInvalidField, "cannot be the cluster's server: is http"},
		},
		"LabelValueInvalid": {
			reason:   "Kubernetes would refuse the Secret for good.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.label, key: x}]}",
			observed: good,
			want:     want{reasonInvalidField, `the XR's field spec.parameters.label cannot be "x": a valid label must be`},
		},
		"LabelMapWithoutKey": {
			reason:   "A single value needs a key.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.environment}]}",
			observed: good,
			want:     want{reasonInvalidField, "spec.parameters.environment must be a map to be taken without a key"},
		},
		"LabelMapWithKey": {
			reason:   "A map cannot be one label.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.addons, key: x}]}",
			observed: good,
			want:     want{reasonInvalidField, "spec.parameters.addons holds a map"},
		},
		"LabelMapOfMaps": {
			reason:   "A label's value is a scalar.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.nested}]}",
			observed: good,
			want:     want{reasonInvalidField, "spec.parameters.nested must hold strings, numbers or booleans"},
		},
		"LabelMapBadKey": {
			reason:   "The XR's keys are checked as the input's are.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.badAddons}]}",
			observed: good,
			want:     want{reasonInvalidField, `cannot be "not a key"`},
		},
		"ReservedXRName": {
			reason:   "An XR of Argo CD's name for its own cluster would take its place.",
			xr:       strings.Replace(legacyXR, "name: prod-x7k2p", "name: in-cluster", 1),
			observed: good,
			want:     want{reasonInvalidField, "metadata.name cannot be the cluster's name: must not be in-cluster"},
		},
		"EnvironmentFieldMissing": {
			reason:   "There may be no environment yet.",
			input:    "cluster: {nameFromEnvironmentFieldPath: cluster.name}",
			observed: good,
			want:     want{reasonWaitingForField, "the environment's field cluster.name is not there yet"},
		},
		"RoleFieldInvalid": {
			reason:   "What ends up in a command line is checked wherever it comes from.",
			input:    "credentials: {type: AWS, aws: {clusterName: x, roleARNFromFieldPath: spec.parameters.environment}}",
			observed: good,
			want:     want{reasonInvalidField, "spec.parameters.environment cannot be an IAM role: must be a role like"},
		},
		"EKSClusterFieldMissing": {
			reason:   "The EKS cluster may have no name yet.",
			input:    "credentials: {type: AWS, aws: {clusterNameFromFieldPath: status.name}}",
			observed: good,
			want:     want{reasonWaitingForField, "the XR's field status.name is not there yet"},
		},
		"FileReferenceOfClusterWithOwnIdentity": {
			reason:   "The way to the server is taken from the kubeconfig whoever Argo CD is.",
			input:    "credentials: {type: GCP}",
			observed: text(sample(t, "edge-file-refs.yaml")),
			want:     want{invalid, "names a file, certificate-authority"},
		},
		"DuplicateUser": {
			reason:   "The decoder's error quotes both tokens.",
			observed: text(sample(t, "edge-duplicate-user.yaml")),
			want:     want{invalid, "the kubeconfig cannot be decoded"},
		},
		"UnknownAnchor": {
			reason:   "The decoder's error quotes the anchor.",
			observed: text("token: *canary-token"),
			want:     want{invalid, "the kubeconfig cannot be decoded"},
		},
		"NeitherYAMLNorBase64": {
			reason:   "A Secret may hold anything.",
			observed: text("canary-token"),
			want:     want{invalid, "neither YAML or JSON nor base64"},
		},
		"OtherKind": {
			reason:   "Another kind of object is no kubeconfig.",
			observed: text("{apiVersion: v1, kind: Secret}"),
			want:     want{invalid, "the kubeconfig cannot be decoded"},
		},
		"TooLarge": {
			reason:   "Time and memory are bounded.",
			observed: text(sample(t, "kc-capi.yaml") + strings.Repeat("#", 512<<10)),
			want:     want{invalid, "larger than 512 KiB"},
		},
		"FileReferences": {
			reason:   "A file of the function's own machine must not become a credential.",
			observed: text(sample(t, "edge-file-refs.yaml")),
			want:     want{invalid, "names a file, certificate-authority"},
		},
		"TokenFile": {
			reason:   "A file of the function's own machine must not become a credential.",
			observed: user("tokenFile: /etc/hostname, token: canary-token"),
			want:     want{unsupported, "names files"},
		},
		"Impersonation": {
			reason:   "Argo CD cannot impersonate, and without it would have other rights.",
			observed: text(sample(t, "edge-impersonate.yaml")),
			want:     want{unsupported, "impersonates another"},
		},
		"ImpersonatedUser": {
			reason:   "Each field by itself impersonates.",
			observed: user("token: canary-token, as: alice"),
			want:     want{unsupported, "impersonates another"},
		},
		"ImpersonatedUID": {
			reason:   "Each field by itself impersonates.",
			observed: user("token: canary-token, as-uid: canary-uid"),
			want:     want{unsupported, "impersonates another"},
		},
		"ImpersonatedGroups": {
			reason:   "Each field by itself impersonates.",
			observed: user("token: canary-token, as-groups: [canary-group]"),
			want:     want{unsupported, "impersonates another"},
		},
		"ImpersonatedExtra": {
			reason:   "Each field by itself impersonates.",
			observed: user("token: canary-token, as-user-extra: {x: [canary-extra]}"),
			want:     want{unsupported, "impersonates another"},
		},
		"InsecureWithCA": {
			reason:   "Argo CD fails on both.",
			observed: text(sample(t, "edge-insecure-with-ca.yaml")),
			want:     want{invalid, "insecure-skip-tls-verify"},
		},
		"InClusterServer": {
			reason:   "Argo CD takes it for its own cluster.",
			observed: text(sample(t, "edge-in-cluster-server.yaml")),
			want:     want{invalid, "the hub's own in-cluster address"},
		},
		"InClusterServerSpeltOtherwise": {
			reason:   "So it does however it is spelt.",
			observed: server("https://Kubernetes.Default.svc.:443/"),
			want:     want{invalid, "the hub's own in-cluster address"},
		},
		"InClusterServerInFull": {
			reason:   "It is the hub all the same.",
			observed: server("https://kubernetes.default.svc.cluster.local:443"),
			want:     want{invalid, "the hub's own in-cluster address"},
		},
		"Loopback": {
			reason:   "Argo CD would find itself.",
			observed: server("https://127.0.0.1:6443"),
			want:     want{invalid, "loopback address"},
		},
		"Localhost": {
			reason:   "So it would.",
			observed: server("https://localhost:8443"),
			want:     want{invalid, "set cluster.server"},
		},
		"LoopbackIPv6": {
			reason:   "So it would.",
			observed: server("https://[::1]:8443"),
			want:     want{invalid, "set cluster.server"},
		},
		"HTTP": {
			reason:   "Credentials are not sent in the clear.",
			observed: server("http://api.example.org"),
			want:     want{invalid, "must be https"},
		},
		"NoServer": {
			reason:   "There is nothing to connect to.",
			observed: server(""),
			want:     want{invalid, "the kubeconfig's server is empty"},
		},
		"ServerWithPassword": {
			reason:   "Argo CD shows servers.",
			observed: server("https://user:canary-password@api.example.org"),
			want:     want{invalid, "holds credentials in its URL"},
		},
		"ServerNoURL": {
			reason:   "A URL's parse error quotes the URL.",
			observed: server("https://api.example.org:canary-port"),
			want:     want{invalid, "is no URL"},
		},
		"ServerWithQuery": {
			reason:   "A query would get lost.",
			observed: server("https://api.example.org?canary=query"),
			want:     want{invalid, "has a query"},
		},
		"ProxyWithPassword": {
			reason:   "Argo CD shows proxies.",
			observed: cluster(`proxy-url: "http://user:canary-password@proxy:3128"`),
			want:     want{invalid, "proxy-url holds credentials"},
		},
		"ProxyOfUnknownScheme": {
			reason:   "Argo CD fails on it.",
			observed: cluster(`proxy-url: "ftp://proxy.example.org"`),
			want:     want{invalid, "must be http, https or socks5"},
		},
		"ProxyNoURL": {
			reason:   "Argo CD fails on it.",
			observed: cluster(`proxy-url: "proxy.example.org:canary"`),
			want:     want{invalid, "proxy-url is no URL"},
		},
		"CANoPEM": {
			reason:   "Argo CD fails on it.",
			observed: cluster("certificate-authority-data: Y2FuYXJ5"),
			want:     want{invalid, "holds no PEM certificate"},
		},
		"NoContext": {
			reason:   "There is nothing to choose from.",
			observed: text("{apiVersion: v1, kind: Config}"),
			want:     want{invalid, "has no context"},
		},
		"SeveralContexts": {
			reason:   "Which one is meant is not for the function to guess.",
			observed: text(strings.Replace(sample(t, "kc-rancher-ace.yaml"), "current-context", "was", 1)),
			want:     want{invalid, "has 2 contexts and no current-context; name one in kubeconfigFrom.context"},
		},
		"DanglingCurrentContext": {
			reason:   "A wrong context is not replaced by another.",
			observed: text(strings.Replace(sample(t, "kc-rancher-ace.yaml"), "current-context: demo", "current-context: canary-other", 1)),
			want:     want{invalid, "does not have the context that its current-context names"},
		},
		"UnknownContext": {
			reason:   "The input's context must be there.",
			input:    "kubeconfigFrom: {context: admin}",
			observed: good,
			want:     want{invalid, "no context of the name that kubeconfigFrom.context gives"},
		},
		"DanglingCluster": {
			reason:   "Another cluster would be sent this one's credential.",
			observed: text(strings.Replace(kubeconfigOf("https://api.example.org", "token: canary-token"), "{cluster: c,", "{cluster: other,", 1)),
			want:     want{invalid, "names a cluster that the kubeconfig does not have"},
		},
		"DanglingUser": {
			reason:   "Another user's credential is not for this cluster.",
			observed: text(strings.Replace(kubeconfigOf("https://api.example.org", "token: canary-token"), "user: u}", "user: other}", 1)),
			want:     want{invalid, "names a user that the kubeconfig does not have"},
		},
		"EmptyContext": {
			reason:   "An empty context has neither.",
			observed: text("{contexts: [{name: c}]}"),
			want:     want{invalid, "names a cluster that the kubeconfig does not have"},
		},
		"TokenWithControlCharacter": {
			reason:   "It is no HTTP header.",
			observed: user(`token: "canary\ttoken"`),
			want:     want{invalid, "token holds a space or a control character"},
		},
		"CertificateWithoutKey": {
			reason:   "Half a pair is none, even beside a token.",
			observed: user("client-certificate-data: Y2FuYXJ5, token: canary-token"),
			want:     want{invalid, "has only one of"},
		},
		"CertificateNoPEM": {
			reason:   "Argo CD fails on it.",
			observed: user("client-certificate-data: Y2FuYXJ5, client-key-data: Y2FuYXJ5"),
			want:     want{invalid, "do not belong together"},
		},
		"CertificateOfAnotherKey": {
			reason:   "Argo CD fails on it.",
			observed: user("client-certificate-data: " + sampleField(t, "kc-aks-local-account.yaml", "client-certificate-data") + ", client-key-data: " + sampleField(t, "kc-capi.yaml", "client-key-data")),
			want:     want{invalid, "do not belong together"},
		},
		"NoCredentialsNotFromGKE": {
			reason:   "A Google token is bound to no cluster; only GKE's provider may say where one is sent.",
			observed: of(bucket, kubeconfigDetails(t, "kc-gke-upjet-nocreds.yaml")),
			want:     want{unsupported, "has no credentials"},
		},
		"NoCredentialsFromXR": {
			reason:   "Nor does the kubeconfig of a GKE XR come from GKE's provider.",
			xr:       strings.Replace(legacyXR, "platform.example.org", "container.gcp.upbound.io", 1),
			observed: of(aks, kubeconfigDetails(t, "kc-gke-upjet-dns-endpoint.yaml")),
			want:     want{unsupported, "has no credentials"},
		},
		"NoCredentialsFromAnotherContainerGroup": {
			reason:   "Anybody can have a group that begins alike.",
			observed: of("{apiVersion: container.example.org/v1, kind: Cluster}", kubeconfigDetails(t, "kc-gke-upjet-nocreds.yaml")),
			want:     want{unsupported, "has no credentials"},
		},
		"NoCredentialsInXRsOwnDetails": {
			reason:  "Whatever an XR of GKE's name publishes, its provider has not written it.",
			xr:      strings.Replace(legacyXR, "platform.example.org", "container.gcp.upbound.io", 1),
			input:   "kubeconfigFrom: {type: CompositeResource}",
			details: kubeconfigDetails(t, "kc-gke-upjet-dns-endpoint.yaml"),
			want:    want{unsupported, "has no credentials"},
		},
		"UsernameWithoutPassword": {
			reason:   "Half of basic auth is none.",
			observed: user("username: admin"),
			want:     want{unsupported, "has no credentials"},
		},
		"UnknownPlugin": {
			reason:   "A command of a kubeconfig is never passed on, nor are its arguments told.",
			observed: exec("command: /usr/bin/evil-plugin, args: [canary-argument]"),
			want:     want{unsupported, "runs the plugin evil-plugin, for which Argo CD has no equivalent"},
		},
		"UnnameablePlugin": {
			reason:   "A name may be anything, and then is not told.",
			observed: exec(`command: "sh -c 'curl canary'"`),
			want:     want{unsupported, "runs the plugin (of no plain name)"},
		},
		"UnknownAuthProvider": {
			reason:   "An auth-provider that has no plugin of Argo CD's.",
			observed: user("auth-provider: {name: oidc, config: {client-secret: canary-secret}}"),
			want:     want{unsupported, "has the auth-provider oidc"},
		},
		"AWSRoleAndProfile": {
			reason:   "The kubeconfig's writer does not choose whom Argo CD poses as.",
			observed: text(sample(t, "kc-eks-awscli-exec.yaml")),
			want:     want{unsupported, "with --role-arn, by which a kubeconfig would choose whom Argo CD poses as"},
		},
		"AWSProfile": {
			reason:   "Nor by the environment.",
			observed: exec("command: aws, args: [eks, get-token, --cluster-name, demo], env: [{name: AWS_PROFILE, value: canary-profile}]"),
			want:     want{unsupported, "with AWS_PROFILE"},
		},
		"AWSUnknownEnvironment": {
			reason:   "Nor by any variable that is not known to be harmless.",
			observed: exec("command: aws, args: [eks, get-token, --cluster-name, demo], env: [{name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /canary}]"),
			want:     want{unsupported, "environment variables that are not carried over"},
		},
		"AWSWithoutCluster": {
			reason:   "Without a cluster there is no token.",
			observed: exec("command: aws, args: [eks, get-token]"),
			want:     want{unsupported, "without the name of an EKS cluster"},
		},
		"AWSOtherCommand": {
			reason:   "Another command prints something else.",
			observed: exec("command: aws, args: [sts, get-session-token]"),
			want:     want{unsupported, "with arguments for which Argo CD has no equivalent"},
		},
		"AWSRegionNone": {
			reason:   "What is carried over is checked.",
			observed: exec("command: aws, args: [--region, canary.example.org/, eks, get-token, --cluster-name, demo]"),
			want:     want{unsupported, "with a region that is none"},
		},
		"IAMAuthenticatorRole": {
			reason:   "Short flags name callers too.",
			observed: exec("command: aws-iam-authenticator, args: [token, -i, demo, -r, canary-role]"),
			want:     want{unsupported, "aws-iam-authenticator with --role"},
		},
		"KubeloginSecret": {
			reason:   "A client secret in a kubeconfig names the caller.",
			observed: exec("command: kubelogin, args: [get-token, --login, spn, --client-secret, canary-secret]"),
			want:     want{unsupported, "kubelogin with --client-secret"},
		},
		"KubeloginAuthority": {
			reason:   "Argo CD's own token must not be sent to an authority of the kubeconfig's.",
			observed: exec("command: kubelogin, args: [get-token, --authority-host, https://canary.example.org]"),
			want:     want{unsupported, "kubelogin with --authority-host"},
		},
		"KubeloginUnknownFlag": {
			reason:   "The library's error quotes the flag.",
			observed: exec("command: kubelogin, args: [get-token, --canary-flag]"),
			want:     want{unsupported, "kubelogin with arguments for which"},
		},
		"KubeloginEnvironment": {
			reason:   "AzureStackCloud has its client read a file.",
			observed: exec("command: kubelogin, args: [get-token, -e, AzureStackCloud]"),
			want:     want{unsupported, "an Azure environment that is not known"},
		},
		"KubeloginServerID": {
			reason:   "A URL is another API's audience.",
			observed: exec("command: kubelogin, args: [get-token, --server-id, https://management.azure.com]"),
			want:     want{unsupported, "an Azure server application that is no UUID"},
		},
		"KubeloginTenant": {
			reason:   "A tenant becomes a part of a URL.",
			observed: exec("command: kubelogin, args: [get-token, -t, a/../canary]"),
			want:     want{unsupported, "an Azure tenant that is neither"},
		},
		"GKEPluginArguments": {
			reason:   "What an argument means is not known.",
			observed: exec("command: gke-gcloud-auth-plugin, args: [--impersonate_service_account=canary]"),
			want:     want{unsupported, "gke-gcloud-auth-plugin with arguments"},
		},
		"GKEPluginEnvironment": {
			reason:   "Nor what a variable does.",
			observed: exec("command: gke-gcloud-auth-plugin, env: [{name: GOOGLE_APPLICATION_CREDENTIALS, value: /canary}]"),
			want:     want{unsupported, "environment variables that are not carried over"},
		},
		"PluginWhereNoneIsTaken": {
			reason:   "Credentials of type Kubeconfig are those that the kubeconfig holds.",
			input:    "credentials: {type: Kubeconfig}",
			observed: of(aks, connectionDetails(t, "conn-aks-aad.yaml")),
			want:     want{unsupported, "credentials.type Kubeconfig takes nothing else"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			xr := tc.xr
			if xr == "" {
				xr = legacyXR
			}
			req := newRequest(t, xr, tc.input, tc.observed)
			req.Observed.Composite.ConnectionDetails = map[string][]byte{}
			for k, v := range tc.details {
				req.Observed.Composite.ConnectionDetails[k] = []byte(v)
			}
			got := summarize(t, run(t, req), "argocd-cluster")
			want := summary{Condition: "ArgoCDClusterRegistered=FALSE/" + tc.want.reason, Message: got.Message, XRReady: "READY_FALSE"}
			if !strings.HasPrefix(tc.want.reason, "Waiting") {
				want.Warning = tc.want.reason + ": " + got.Message
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
			if !strings.Contains(got.Message, tc.want.message) {
				t.Errorf("%s\nmessage: want %q in %q", tc.reason, tc.want.message, got.Message)
			}
		})
	}
}

// sampleField returns the value of the only line of a sample that has a field.
func sampleField(t testing.TB, name, field string) string {
	t.Helper()
	_, after, ok := strings.Cut(sample(t, name), field+": ")
	if !ok {
		t.Fatalf("%s has no %s", name, field)
	}
	value, _, _ := strings.Cut(after, "\n")
	return value
}

// golden compares a value with a golden file, or with -update writes it.
func golden(t *testing.T, reason string, got any) {
	t.Helper()
	b, err := yaml.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", t.Name()+".yaml")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(b)); diff != "" {
		t.Errorf("%s\n%s: -want, +got:\n%s", reason, path, diff)
	}
}

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// TestRegistered runs what gives a registration, and compares all of it with golden
// files.
func TestRegistered(t *testing.T) {
	token := map[string]string{"kubeconfig": kubeconfigOf("https://api.example.org", "token: fake-token")}
	cluster := map[string]observation{"cluster": {resource: aks, details: token}}

	cases := map[string]struct {
		reason   string
		xr       string
		input    string
		observed map[string]observation
		details  map[string]string
	}{
		"ClusterScopedXR": {
			reason:   "With no input, a cluster-scoped XR gets a cluster-scoped Object, with the XR's and the claim's names as labels.",
			xr:       legacyXR,
			observed: cluster,
		},
		"NamespacedXR": {
			reason:   "With no input, a namespaced XR gets a namespaced Object, and a cluster name with its namespace.",
			xr:       namespacedXR,
			observed: cluster,
		},
		"SecretOfClusterScopedXR": {
			reason:   "A cluster-scoped XR can compose the Secret itself.",
			xr:       legacyXR,
			input:    "output: {type: Secret}",
			observed: cluster,
		},
		"SecretInXRsNamespace": {
			reason:   "A namespaced XR can compose the Secret itself in its own namespace.",
			xr:       namespacedXR,
			input:    "output: {type: Secret, namespace: team-a}",
			observed: cluster,
		},
		"CompositeResource": {
			reason:  "A legacy XR's own connection details are a source.",
			xr:      legacyXR,
			input:   "kubeconfigFrom: {type: CompositeResource, key: my-kubeconfig}",
			details: map[string]string{"my-kubeconfig": token["kubeconfig"]},
		},
		"NamedResource": {
			reason: "The named resource, key and context are used, whatever else there is.",
			xr:     legacyXR,
			input:  "kubeconfigFrom: {resourceName: other, key: value, context: demo-fqdn}",
			observed: map[string]observation{
				"cluster": {resource: aks, details: token},
				"other":   {resource: bucket, details: map[string]string{"kubeconfig": "canary", "value": sample(t, "kc-rancher-ace.yaml")}},
			},
		},
		"EverythingLiteral": {
			reason: "Everything that the input can say.",
			xr:     namespacedXR,
			input: `
credentials: {type: Kubeconfig}
cluster:
  name: Production / West
  server: https://api.internal.example.org:6443/
  project: payments
  labels: {example.org/tier: gold, empty: ""}
  annotations: {example.org/Owner: "Team A, floor 3", argocd.argoproj.io/skip-reconcile: "true"}
output:
  type: Object
  resourceName: argocd-cluster
  namespace: gitops
  object:
    providerConfigRef: {kind: ProviderConfig, name: hub}
    managementPolicies: [Observe, Create, Update]
`,
			observed: cluster,
		},
		"EverythingFromXR": {
			reason: "Everything that the XR can say: strings, numbers and booleans, whole maps with and without a prefix, and what is optional and missing.",
			xr:     legacyXR,
			input: `
cluster:
  nameFromFieldPath: metadata.labels[crossplane.io/claim-name]
  serverFromFieldPath: spec.parameters.apiserver
  projectFromFieldPath: spec.parameters.environment
  labels: {environment: replaced, tier: kept}
  labelsFrom:
  - {fieldPath: spec.parameters.environment, key: environment}
  - {fieldPath: spec.parameters.size, key: size}
  - {fieldPath: spec.parameters.gold, key: gold}
  - {fieldPath: spec.parameters.addons}
  - {fieldPath: spec.parameters.none, key: none, policy: Optional}
  annotationsFrom:
  - {fieldPath: spec.parameters.label, key: example.org/label}
  - {fieldPath: spec.parameters.addons, keyPrefix: addons.example.org/}
output:
  name: prod
  object: {providerConfigRef: {name: hub}}
`,
			observed: cluster,
		},
		"AWS": {
			reason: "Of the kubeconfig only the way to the server is taken, whatever there is wrong with its user.",
			xr:     legacyXR,
			input: `
credentials:
  type: AWS
  aws: {clusterNameFromFieldPath: spec.parameters.environment, roleARNFromEnvironmentFieldPath: aws.role}
`,
			observed: map[string]observation{"cluster": {resource: bucket, details: kubeconfigDetails(t, "kc-eks-awscli-exec.yaml")}},
		},
		"AWSWithRegion": {
			reason:   "awsAuthConfig has no place for a region.",
			xr:       legacyXR,
			input:    "credentials: {type: AWS, aws: {clusterName: demo-eks, roleARN: 'arn:aws:iam::123456789012:role/argocd-demo', profile: demo, region: eu-west-1}}",
			observed: cluster,
		},
		"Azure": {
			reason: "Argo CD's own Azure identity, as the input says.",
			xr:     legacyXR,
			input: `
credentials:
  type: Azure
  azure:
    tenantID: contoso.onmicrosoft.com
    clientID: 22222222-3333-4444-5555-666666666666
    serverID: 6dae42f8-4368-4678-94ff-3960e28e3630
    environment: AzureChinaCloud
    loginMethod: msi
`,
			observed: map[string]observation{"cluster": {resource: aks, details: map[string]string{"kubeconfig": kubeconfigOf("https://api.example.org", "tokenFile: /canary")}}},
		},
		"AzureByDefault": {
			reason:   "All of it has defaults.",
			xr:       legacyXR,
			input:    "credentials: {type: Azure}",
			observed: cluster,
		},
		"GCP": {
			reason:   "Argo CD's own Google identity, wherever the kubeconfig comes from, since the Composition's author says so.",
			xr:       legacyXR,
			input:    "credentials: {type: GCP}",
			observed: cluster,
		},
		"Exec": {
			reason: "A plugin of the Composition's author's choice.",
			xr:     legacyXR,
			input: `
credentials:
  type: Exec
  exec:
    command: my-plugin
    args: [token, --for=demo]
    env: {MY_VAR: x}
    apiVersion: client.authentication.k8s.io/v1
    installHint: It is in our image.
    provideClusterInfo: true
`,
			observed: cluster,
		},
		"AllowInsecure": {
			reason:   "An insecure kubeconfig that is let in loses its CA, beside which Argo CD would fail.",
			xr:       legacyXR,
			input:    "credentials: {allowInsecure: true}",
			observed: map[string]observation{"cluster": {resource: bucket, details: kubeconfigDetails(t, "edge-insecure-with-ca.yaml")}},
		},
		"NamespacesAndShard": {
			reason:   "Argo CD's other settings of a cluster.",
			xr:       legacyXR,
			input:    "cluster: {namespaces: [web, jobs], clusterResources: true, shard: 0}",
			observed: cluster,
		},
		"FromEnvironment": {
			reason: "What earlier steps put into the pipeline's environment is a second place for fields.",
			xr:     legacyXR,
			input: `
cluster:
  nameFromEnvironmentFieldPath: cluster.name
  serverFromEnvironmentFieldPath: cluster.endpoint
  projectFromEnvironmentFieldPath: project
  labelsFrom:
  - {type: FromEnvironmentFieldPath, fieldPath: project, key: project}
  annotationsFrom:
  - {type: FromEnvironmentFieldPath, fieldPath: addons, keyPrefix: addons.example.org/}
  - {type: FromCompositeFieldPath, fieldPath: spec.parameters.environment, key: example.org/environment}
`,
			observed: cluster,
		},
		"LoopbackServerReplaced": {
			reason:   "A kubeconfig from within the cluster is fine with the server at which Argo CD reaches it.",
			xr:       legacyXR,
			input:    "cluster: {server: https://192.0.2.1:6443}",
			observed: map[string]observation{"cluster": {resource: bucket, details: map[string]string{"kubeconfig": kubeconfigOf("https://localhost:6443", "token: fake-token")}}},
		},
		"ClusterSettings": {
			reason: "All that a kubeconfig's cluster can have and Argo CD knows is carried.",
			xr:     legacyXR,
			observed: map[string]observation{"cluster": {resource: bucket, details: map[string]string{
				"kubeconfig": strings.Replace(kubeconfigOf("https://192.0.2.1", "token: fake-token"), "cluster: {", `cluster: {tls-server-name: api.example.org, proxy-url: "socks5://proxy.example.org:1080", disable-compression: true, `, 1),
			}}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			req := newRequest(t, tc.xr, tc.input, tc.observed)
			req.Context = mustStruct(t, environment)
			for k, v := range tc.details {
				req.Observed.Composite.ConnectionDetails = map[string][]byte{k: []byte(v)}
			}
			golden(t, tc.reason, summarize(t, run(t, req), "argocd-cluster"))
		})
	}
}

// TestFatal runs what only a change of the Composition mends.
func TestFatal(t *testing.T) {
	good := map[string]observation{"cluster": {resource: aks, details: connectionDetails(t, "conn-aks-local.yaml")}}

	cases := map[string]struct {
		reason   string
		xr       string
		input    string
		observed map[string]observation

		// want are parts of the message.
		want []string
	}{
		"UnknownField": {
			reason:   "A field that is not known is a mistake.",
			input:    "cluster: {nome: x, labelsFrom: [{path: y}]}",
			observed: good,
			want:     []string{"the step's input has fields that this version does not know", `unknown field "cluster.nome"`, `unknown field "cluster.labelsFrom[0].path"`},
		},
		"WrongType": {
			reason:   "So is a value of another type.",
			input:    "cluster: {shard: one}",
			observed: good,
			want:     []string{"cannot unmarshal string into Go struct field Cluster.cluster.shard of type int32"},
		},
		"AllErrorsAtOnce": {
			reason: "Whoever writes a Composition wants to see all that is wrong with it, and where.",
			input: `
kubeconfigFrom: {type: CompositeResource, resourceName: x}
credentials: {type: Magic}
cluster:
  name: in-cluster
  nameFromFieldPath: spec.name
  server: http://api.example.org
  project: Not A Name
  labels: {argocd.argoproj.io/secret-type: x, crossplane.io/composite: x, "a b": c, ok: "not ok"}
  labelsFrom:
  - {fieldPath: "spec[", key: a}
  - {fieldPath: "spec[*].x", key: a}
  - {key: b, keyPrefix: c}
  - {fieldPath: spec, policy: Sometimes, keyPrefix: argocd.argoproj.io/}
  annotations: {argocd.argoproj.io/refresh: "true", argocd.fn.crossplane.io/composite: x}
output:
  type: Secret
  namespace: Argo CD
  name: Not A Name
  object:
    providerConfigRef: {kind: Other, name: Not A Name}
    managementPolicies: [Observe, Dance]
`,
			observed: good,
			want: []string{
				"kubeconfigFrom.resourceName: Forbidden",
				`credentials.type: Unsupported value: "Magic": supported values: "Auto", "Kubeconfig", "AWS", "Azure", "GCP", "Exec"`,
				"cluster.name: Invalid value: \"in-cluster\"",
				"cluster.nameFromFieldPath: Forbidden: may not be set together with name",
				"cluster.server: Invalid value: \"http://api.example.org\": is http",
				"cluster.project: Invalid value",
				"cluster.labels[argocd.argoproj.io/secret-type]: Invalid value",
				"cluster.labels[crossplane.io/composite]: Invalid value",
				"cluster.labels[a b]: Invalid value",
				"cluster.labels[ok]: Invalid value",
				"cluster.labelsFrom[0].fieldPath: Invalid value: \"spec[\"",
				"cluster.labelsFrom[1].fieldPath: Invalid value: \"spec[*].x\": must not hold a wildcard",
				"cluster.labelsFrom[1].key: Duplicate value: \"a\"",
				"cluster.labelsFrom[2].fieldPath: Required value",
				"cluster.labelsFrom[2].keyPrefix: Forbidden",
				"cluster.labelsFrom[3].policy: Unsupported value: \"Sometimes\"",
				"cluster.labelsFrom[3].keyPrefix: Invalid value: \"argocd.argoproj.io/\": keys under argocd.argoproj.io/ are reserved",
				"cluster.annotations[argocd.argoproj.io/refresh]: Invalid value",
				"cluster.annotations[argocd.fn.crossplane.io/composite]: Invalid value",
				"output.namespace: Invalid value",
				"output.name: Invalid value",
				"output.object: Forbidden: may not be set with output.type Secret",
				"output.object.providerConfigRef.kind: Unsupported value: \"Other\"",
				"output.object.providerConfigRef.name: Invalid value",
				"output.object.managementPolicies[1]: Unsupported value: \"Dance\"",
				"output.object.managementPolicies: Invalid value: [\"Observe\",\"Dance\"]: must have Create or *",
				"output.object.managementPolicies: Invalid value: [\"Observe\",\"Dance\"]: must have Update or *",
			},
		},
		"OtherInput": {
			reason:   "Another function's input is a mistake.",
			input:    "metadata: {name: x}",
			observed: good,
			want:     []string{`apiVersion: Unsupported value: "x"`, `kind: Unsupported value: "y"`},
		},
		"CredentialsOfAnotherType": {
			reason: "Nothing is accepted that does nothing.",
			input: `
credentials:
  type: Auto
  aws: {region: nowhere, roleARN: "arn:x", roleARNFromFieldPath: spec.a, roleARNFromEnvironmentFieldPath: a}
  azure: {tenantID: "a b", clientID: x, serverID: z, environment: AzureStackCloud, loginMethod: devicecode}
  exec: {command: "", apiVersion: v2, env: {"a=b": c}}
`,
			observed: good,
			want: []string{
				"credentials.aws: Forbidden: may only be set with type AWS",
				"credentials.aws.clusterName: Required value: or clusterNameFromFieldPath must be set",
				"credentials.aws.region: Invalid value: \"nowhere\"",
				"credentials.aws.roleARN: Invalid value: \"arn:x\"",
				"credentials.aws.roleARNFromFieldPath: Forbidden: may not be set together with roleARN",
				"credentials.aws.roleARNFromEnvironmentFieldPath: Forbidden: may not be set together with roleARN",
				"credentials.azure: Forbidden: may only be set with type Azure",
				"credentials.azure.tenantID: Invalid value",
				"credentials.azure.clientID: Invalid value",
				"credentials.azure.serverID: Invalid value",
				"credentials.azure.environment: Invalid value",
				"credentials.azure.loginMethod: Unsupported value: \"devicecode\"",
				"credentials.exec: Forbidden: may only be set with type Exec",
				"credentials.exec.command: Required value",
				"credentials.exec.apiVersion: Unsupported value",
				"credentials.exec.env[a=b]: Invalid value",
			},
		},
		"CredentialsMissing": {
			reason:   "A type that needs more says so.",
			input:    "credentials: {type: Exec}",
			observed: good,
			want:     []string{"credentials.exec: Required value: must be set with type Exec"},
		},
		"ServiceAccountNotYet": {
			reason:   "Nothing is accepted that does nothing.",
			input:    "credentials: {type: ServiceAccount}",
			observed: good,
			want:     []string{`credentials.type: Unsupported value: "ServiceAccount"`},
		},
		"SecretRefOfAnotherSource": {
			reason:   "Nothing is accepted that does nothing.",
			input:    "kubeconfigFrom: {secretRef: {name: x}}",
			observed: good,
			want:     []string{"kubeconfigFrom.secretRef: Forbidden: may only be set with type Secret", "kubeconfigFrom.secretRef.namespace: Required value"},
		},
		"SecretWithoutRef": {
			reason:   "There are many Secrets.",
			input:    "kubeconfigFrom: {type: Secret}",
			observed: good,
			want:     []string{"kubeconfigFrom.secretRef: Required value: must be set with type Secret"},
		},
		"SecretRefIncomplete": {
			reason:   "A cluster-scoped XR has no namespace to look in.",
			input:    "kubeconfigFrom: {type: Secret, secretRef: {}}",
			observed: good,
			want:     []string{"kubeconfigFrom.secretRef.name: Required value: or nameFromFieldPath must be set", "kubeconfigFrom.secretRef.namespace: Required value: must be set for cluster-scoped XRs"},
		},
		"ClusterSettings": {
			reason:   "Argo CD would read the Secret otherwise than it is meant, or not at all.",
			input:    "cluster: {namespaces: [Web], clusterResources: true, shard: -1}",
			observed: good,
			want:     []string{"cluster.namespaces[0]: Invalid value", "cluster.shard: Invalid value: -1"},
		},
		"ClusterResourcesWithoutNamespaces": {
			reason:   "Without namespaces Argo CD manages them anyway.",
			input:    "cluster: {clusterResources: true}",
			observed: good,
			want:     []string{"cluster.clusterResources: Forbidden: may only be set with namespaces"},
		},
		"EmptyName": {
			reason:   "An empty name is not the default.",
			input:    `cluster: {name: ""}`,
			observed: good,
			want:     []string{`cluster.name: Invalid value: "": must not be empty`},
		},
		"ServerIsTheHub": {
			reason:   "A cluster is not the hub.",
			input:    "cluster: {server: https://kubernetes.default.svc}",
			observed: good,
			want:     []string{"cluster.server: Invalid value", "is the hub's own in-cluster address"},
		},
		"RegistrationAsSource": {
			reason:   "The registration is not its own source.",
			input:    "kubeconfigFrom: {resourceName: argocd-cluster}",
			observed: good,
			want:     []string{"kubeconfigFrom.resourceName: Invalid value: \"argocd-cluster\": must not be output.resourceName"},
		},
		"SecretOutOfXRsNamespace": {
			reason:   "A namespaced XR cannot compose into Argo CD's namespace.",
			xr:       namespacedXR,
			input:    "output: {type: Secret}",
			observed: good,
			want:     []string{"output.type: Invalid value: \"Secret\"", "set output.type: Object"},
		},
		"ProviderConfigKindOfClusterScopedXR": {
			reason:   "The API server would drop the field.",
			input:    "output: {object: {providerConfigRef: {kind: ProviderConfig}}}",
			observed: good,
			want:     []string{"output.object.providerConfigRef.kind: Forbidden: may only be set for namespaced XRs"},
		},
		"SeveralKubeconfigs": {
			reason: "Which cluster is meant is not for the function to guess.",
			observed: map[string]observation{
				"b": {resource: aks, details: map[string]string{"kubeconfig": "canary-b"}},
				"a": {resource: aks, details: map[string]string{"attribute.kubeconfig": "canary-a"}},
			},
			want: []string{"kubeconfigFrom.resourceName: more than one composed resource has a kubeconfig, name one of a, b"},
		},
		"NameOfAnotherStepsResource": {
			reason:   "Another step's resource is not replaced.",
			input:    "output: {resourceName: earlier}",
			observed: good,
			want:     []string{`output.resourceName: another step of the pipeline composes "earlier"`},
		},
		"NameOfAnObservedResource": {
			reason:   "A resource that is something else is not overwritten.",
			input:    "output: {resourceName: cluster}",
			observed: good,
			want:     []string{`output.resourceName: the composed resource "cluster" is a KubernetesCluster that registers no cluster`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			xr := tc.xr
			if xr == "" {
				xr = legacyXR
			}
			req := newRequest(t, xr, tc.input, tc.observed)
			if name == "OtherInput" {
				req.Input.Fields["apiVersion"] = structpb.NewStringValue("x")
				req.Input.Fields["kind"] = structpb.NewStringValue("y")
			}
			rsp := run(t, req)
			got := summarize(t, rsp, "argocd-cluster")
			if diff := cmp.Diff(summary{Fatal: got.Fatal}, got); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
			for _, w := range tc.want {
				if !strings.Contains(got.Fatal, w) {
					t.Errorf("%s\nwant %q in %q", tc.reason, w, got.Fatal)
				}
			}
		})
	}
}

// TestLifecycle runs the function again and again on what it composed itself.
func TestLifecycle(t *testing.T) {
	good := kubeconfigOf("https://api.example.org", "token: canary-good")
	rotated := kubeconfigOf("https://api.example.org", "token: canary-rotated")

	// A step is what is observed in one call, and what comes of it.
	type step struct {
		reason     string
		kubeconfig string

		// second has a second resource with a kubeconfig.
		second bool

		// ready has the Object that was composed be ready.
		ready bool

		condition string
		message   string

		// token that the Secret has; empty if nothing is composed.
		token    string
		composed string
	}
	ready, unready := "READY_TRUE", "READY_FALSE"
	waiting := step{reason: "There is no kubeconfig yet.", condition: "FALSE/WaitingForKubeconfig"}
	registering := step{reason: "The Object is composed, but not there yet.", kubeconfig: good, condition: "FALSE/Registering", message: "waiting for the composed", token: "canary-good", composed: unready}
	registered := step{reason: "The Object is ready.", kubeconfig: good, ready: true, condition: "TRUE/Registered", message: "with credentials of type BearerToken", token: "canary-good", composed: ready}
	retained := func(reason, kubeconfig, message string) step {
		return step{reason: reason, kubeconfig: kubeconfig, ready: true, condition: "TRUE/Retained", message: message, token: "canary-good", composed: ready}
	}

	cases := map[string][]step{
		"Registered": {waiting, registering, {
			reason: "It is there, but not ready.", kubeconfig: good,
			condition: "FALSE/Registering", message: "waiting for the composed", token: "canary-good", composed: unready,
		}, registered, registered},
		"Rotated": {registering, registered, {
			reason: "A new credential is taken at once.", kubeconfig: rotated, ready: true,
			condition: "TRUE/Registered", message: "with credentials of type BearerToken", token: "canary-rotated", composed: ready,
		}},
		"Retained": {
			registering, registered,
			retained("The kubeconfig is gone.", "", "no composed resource has a kubeconfig"),
			retained("The kubeconfig is broken.", "canary: [", "cannot be decoded"),
			retained("The kubeconfig has no credentials.", kubeconfigOf("https://api.example.org", ""), "has no credentials"),
			{
				reason: "A second kubeconfig is fatal only where there is no registration.", kubeconfig: good, second: true, ready: true,
				condition: "TRUE/Retained", message: "name one of cluster, second", token: "canary-good", composed: ready,
			},
			registered,
		},
	}
	for _, out := range []string{"Object", "Secret"} {
		for name, steps := range cases {
			t.Run(name+out, func(t *testing.T) {
				var registration *structpb.Struct
				for i, s := range steps {
					isReady := s.ready
					if out == "Secret" && registration != nil {
						isReady = true
					}
					observed := map[string]observation{"cluster": {resource: aks, details: map[string]string{"kubeconfig": s.kubeconfig}}}
					if s.second {
						observed["second"] = observation{resource: aks, details: map[string]string{"kubeconfig": rotated}}
					}
					req := newRequest(t, legacyXR, "output: {type: "+out+"}", observed)
					if registration != nil {
						req.Observed.Resources["argocd-cluster"] = &fnv1.Resource{Resource: observe(t, registration, isReady)}
					}
					rsp := run(t, req)
					registration = rsp.GetDesired().GetResources()["argocd-cluster"].GetResource()
					got := summarize(t, rsp, "argocd-cluster")
					token := ""
					if got.Composed != nil {
						manifest := got.Composed
						if out == "Object" {
							manifest = manifest["spec"].(map[string]any)["forProvider"].(map[string]any)["manifest"].(map[string]any)
						}
						token = strings.Split(manifest["data"].(map[string]any)["config"].(string), `"`)[3]
					}
					want := s
					if isReady && s.composed == unready {
						// A Secret is ready as soon as it is there.
						want = registered
					}
					if diff := cmp.Diff(
						[]string{"ArgoCDClusterRegistered=" + want.condition, want.token, want.composed},
						[]string{got.Condition, token, got.Ready},
					); diff != "" {
						t.Errorf("step %d: %s\n-want, +got:\n%s", i, s.reason, diff)
					}
					if !strings.Contains(got.Message, want.message) {
						t.Errorf("step %d: %s\nmessage: want %q in %q", i, s.reason, want.message, got.Message)
					}
				}
			})
		}
	}
}

// observe returns a desired resource as it is observed once it was applied.
func observe(t testing.TB, desired *structpb.Struct, ready bool) *structpb.Struct {
	t.Helper()
	o := desired.AsMap()
	metadata, ok := o["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{"name": "prod-x7k2p-0123456789ab"}
		o["metadata"] = metadata
	}
	metadata["uid"] = "8c0f5f5a-0000-4000-8000-000000000000"
	annotations, ok := metadata["annotations"].(map[string]any)
	if !ok {
		annotations = map[string]any{}
		metadata["annotations"] = annotations
	}
	annotations["crossplane.io/composition-resource-name"] = "argocd-cluster"
	if o["kind"] == "Object" {
		status := "False"
		if ready {
			status = "True"
		}
		o["status"] = map[string]any{"conditions": []any{
			map[string]any{"type": "Synced", "status": "True"},
			map[string]any{"type": "Ready", "status": status},
		}}
	}
	s, err := structpb.NewStruct(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSecretSource runs the function as Crossplane does: what it requires in one call is
// there in the next.
func TestSecretSource(t *testing.T) {
	capi := `
apiVersion: v1
kind: Secret
metadata: {namespace: clusters, name: capi-demo-kubeconfig}
data: {value: ` + base64.StdEncoding.EncodeToString([]byte(sample(t, "kc-capi.yaml"))) + `}`
	advertised := []fnv1.Capability{fnv1.Capability_CAPABILITY_CAPABILITIES, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES}

	cases := map[string]struct {
		reason       string
		xr           string
		input        string
		capabilities []fnv1.Capability

		// found are the Secrets that Crossplane found; nil if it has not looked.
		found []string
	}{
		"FirstCall": {
			reason:       "The Secret is required, and not read yet.",
			xr:           legacyXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, name: capi-demo-kubeconfig}}",
			capabilities: advertised,
		},
		"OldCrossplane": {
			reason: "Crossplane v1 does not read Secrets, which is said, since it would be waited for in vain.",
			xr:     legacyXR,
			input:  "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, name: capi-demo-kubeconfig}}",
		},
		"Absent": {
			reason:       "A Secret that is not there may be there later.",
			xr:           legacyXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, name: capi-demo-kubeconfig}}",
			capabilities: advertised,
			found:        []string{},
		},
		"Empty": {
			reason:       "So may its data.",
			xr:           legacyXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, name: capi-demo-kubeconfig}}",
			capabilities: advertised,
			found:        []string{"{apiVersion: v1, kind: Secret}"},
		},
		"NoBase64": {
			reason:       "Data that no API server has written is no kubeconfig.",
			xr:           legacyXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, name: capi-demo-kubeconfig}}",
			capabilities: advertised,
			found:        []string{"{apiVersion: v1, kind: Secret, data: {kubeconfig: '!!!'}}"},
		},
		"ClusterAPI": {
			reason: "Cluster API's Secret works without a key, with Crossplane of v2.0 and v2.1 too.",
			xr:     legacyXR,
			input:  "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, nameFromFieldPath: spec.parameters.kubeconfigSecret}}",
			found:  []string{capi},
		},
		"NamespacedXR": {
			reason:       "A namespaced XR looks in its own namespace.",
			xr:           namespacedXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {name: prod}, key: value}",
			capabilities: advertised,
			found:        []string{capi},
		},
		"NameMissing": {
			reason:       "Without a name there is nothing to require.",
			xr:           legacyXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespaceFromFieldPath: spec.none, name: x}}",
			capabilities: advertised,
		},
		"GKEWithoutCredentials": {
			reason:       "Whoever can write a Secret must not have Argo CD send them its Google token.",
			xr:           legacyXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, name: x}}",
			capabilities: advertised,
			found:        []string{"{apiVersion: v1, kind: Secret, data: {kubeconfig: " + base64.StdEncoding.EncodeToString([]byte(sample(t, "kc-gke-upjet-nocreds.yaml"))) + "}}"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			req := newRequest(t, tc.xr, tc.input, nil)
			req.Meta.Capabilities = tc.capabilities
			if tc.found != nil {
				found := &fnv1.Resources{}
				for _, s := range tc.found {
					found.Items = append(found.Items, &fnv1.Resource{Resource: mustStruct(t, s)})
				}
				req.RequiredResources = map[string]*fnv1.Resources{"kubeconfig": found, "cluster-secret": {}}
			}
			golden(t, tc.reason, summarize(t, run(t, req), "argocd-cluster"))
		})
	}
}

// TestConnectionSecretRequired checks that Crossplane is to watch a composed resource's
// connection Secret where it can, and then runs the pipeline less often.
func TestConnectionSecretRequired(t *testing.T) {
	details := map[string]string{"kubeconfig": kubeconfigOf("https://api.example.org", "token: fake-token")}
	advertised := []fnv1.Capability{fnv1.Capability_CAPABILITY_CAPABILITIES, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES}
	type want struct {
		requires []string
		ttl      string
	}
	const free = "cluster-secret: v1 Secret argocd/cluster-prod-x7k2p"

	cases := map[string]struct {
		reason       string
		xr           string
		cluster      string
		details      map[string]string
		registered   bool
		capabilities []fnv1.Capability
		want         want
	}{
		"NotAdvertised": {
			reason: "A Crossplane that may not read Secrets is not asked to.", xr: legacyXR, cluster: aks, details: details, registered: true,
		},
		"Registering": {
			reason: "Until it is registered, the cluster is looked at each minute.", xr: legacyXR, cluster: aks, details: details, capabilities: advertised,
			want: want{requires: []string{free, "kubeconfig: v1 Secret ns/conn"}},
		},
		"Waiting": {
			reason: "The Secret is watched even before it is there.", xr: legacyXR, cluster: aks, capabilities: advertised,
			want: want{requires: []string{free, "kubeconfig: v1 Secret ns/conn"}},
		},
		"Registered": {
			reason: "Once it is registered, only a change matters.", xr: legacyXR, cluster: aks, details: details, registered: true, capabilities: advertised,
			want: want{requires: []string{"kubeconfig: v1 Secret ns/conn"}, ttl: "10m0s"},
		},
		"Retained": {
			reason: "A registration that is kept waits for a change, too.", xr: legacyXR, cluster: aks, registered: true, capabilities: advertised,
			want: want{requires: []string{"kubeconfig: v1 Secret ns/conn"}, ttl: "10m0s"},
		},
		"Namespaced": {
			reason: "A namespaced resource publishes to its own namespace.", xr: namespacedXR, details: details, capabilities: advertised,
			cluster: strings.Replace(gke, "kind: Cluster", "kind: Cluster, metadata: {namespace: team-a}", 1),
			want:    want{requires: []string{"cluster-secret: v1 Secret argocd/cluster-team-a.prod", "kubeconfig: v1 Secret team-a/conn"}},
		},
		"NoConnectionSecret": {
			reason: "There may be no Secret to watch.", xr: legacyXR, cluster: bucket, details: details, registered: true, capabilities: advertised,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			req := newRequest(t, tc.xr, "kubeconfigFrom: {resourceName: cluster}", map[string]observation{"cluster": {resource: tc.cluster, details: tc.details}})
			req.Meta.Capabilities = tc.capabilities
			req.RequiredResources = map[string]*fnv1.Resources{"cluster-secret": {}}
			if tc.registered {
				first := run(t, newRequest(t, tc.xr, "", map[string]observation{"cluster": {resource: aks, details: details}}))
				req.Observed.Resources["argocd-cluster"] = &fnv1.Resource{Resource: observe(t, first.GetDesired().GetResources()["argocd-cluster"].GetResource(), true)}
			}
			s := summarize(t, run(t, req), "argocd-cluster")
			if diff := cmp.Diff(tc.want, want{requires: s.Requires, ttl: s.TTL}, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestProviderKeys checks each provider's layout of connection details.
func TestProviderKeys(t *testing.T) {
	kc := kubeconfigOf("https://[2001:db8::1]:6443/path/", `token: "fake-token\n"`)
	encoded := base64.StdEncoding.EncodeToString([]byte(kc))
	wrapped := encoded[:76] + "\n" + encoded[76:] + "\n"

	cases := map[string]struct {
		reason  string
		details map[string]string
	}{
		"Azure":        {"The upjet provider of Azure.", map[string]string{"kubeconfig": kc, "attribute.kube_config_raw": "canary", "attribute.kube_admin_config_raw": "canary"}},
		"AzureRaw":     {"The same without the copy.", map[string]string{"attribute.kube_config_raw": kc, "attribute.kube_admin_config_raw": "canary"}},
		"DigitalOcean": {"It has no key kubeconfig.", map[string]string{"attribute.kube_config.0.raw_config": kc, "attribute.kube_config.0.token": "canary"}},
		"Scaleway":     {"Nor has it.", map[string]string{"attribute.kubeconfig.0.config_file": kc, "attribute.kubeconfig.0.token": "canary"}},
		"Linode":       {"Its attribute is base64 text.", map[string]string{"attribute.kubeconfig": encoded}},
		"Vultr":        {"So is its, with line breaks.", map[string]string{"attribute.kube_config": wrapped}},
		"Civo":         {"It has the plain key.", map[string]string{"kubeconfig": kc}},
		"ClusterAPI":   {"A generic key.", map[string]string{"value": kc}},
		"VCluster":     {"Another one, beside keys that are not kubeconfigs.", map[string]string{"config": kc, "value": "{}", "certificate-authority": "canary", "client-key": "canary"}},
		"Helm":         {"A key with an ending.", map[string]string{"value.yaml": kc}},
		"EmptyFirst":   {"A key that is not filled in is as good as none.", map[string]string{"kubeconfig": "", "value": kc}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			data := secretData(t, run(t, newRequest(t, legacyXR, "", map[string]observation{"cluster": {resource: bucket, details: tc.details}})))
			want := map[string]any{"name": "prod-x7k2p", "server": "https://[2001:db8::1]:6443/path", "config": `{"bearerToken":"fake-token","tlsClientConfig":{"insecure":false}}`}
			if diff := cmp.Diff(want, data); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// FuzzRunFunction runs the function with an input, a kubeconfig, a value of the XR, and
// what there is beside them. Whatever they are, nothing of the kubeconfig is told but in the
// Secret, a second call says the same, a registration that was there stays, and what is
// composed is what Argo CD can use.
func FuzzRunFunction(f *testing.F) {
	kubeconfigs, err := filepath.Glob(filepath.Join("testdata", "kubeconfigs", "[ke][cd]*"))
	if err != nil || len(kubeconfigs) == 0 {
		f.Fatal("no samples", err)
	}
	inputs := []string{
		"", "credentials: {type: Kubeconfig}", "credentials: {type: Azure}", "output: {type: Secret}",
		"cluster: {nameFromFieldPath: spec.value, labelsFrom: [{fieldPath: spec.value, key: x}]}",
		"cluster: {serverFromFieldPath: spec.value, namespaces: [a], shard: 1}",
		"kubeconfigFrom: {type: Secret, secretRef: {namespace: a, nameFromFieldPath: spec.value}}",
		"credentials: {type: AWS, aws: {clusterNameFromFieldPath: spec.value, region: eu-west-1}}",
	}
	for i, k := range kubeconfigs {
		kc := strings.NewReplacer("fake-token", "canary-token", "SECOND-SECRET", "canary-second").Replace(sample(f, filepath.Base(k)))
		f.Add(inputs[i%len(inputs)], []byte(kc), "https://192.0.2.1", byte(i))
	}
	f.Fuzz(func(t *testing.T, in string, kc []byte, value string, flags byte) {
		var parsed map[string]any
		if yaml.Unmarshal([]byte(in), &parsed) != nil || strings.Contains(in+value, "canary") || !utf8.ValidString(value) {
			t.Skip()
		}
		if strings.Contains(in, "resourceName") {
			// Another name is another registration, or the source.
			t.Skip()
		}
		inputStruct, err := structpb.NewStruct(parsed)
		if err != nil {
			t.Skip()
		}
		xr, resource := legacyXR, aks
		if flags&1 != 0 {
			xr = namespacedXR
		}
		if flags&2 != 0 {
			resource = gke
		}
		build := func() *fnv1.RunFunctionRequest {
			req := newRequest(t, xr, "output: {}", map[string]observation{"cluster": {resource: resource, details: map[string]string{"kubeconfig": string(kc)}}})
			for k, v := range inputStruct.GetFields() {
				req.Input.Fields[k] = v
			}
			structAt(req.GetObserved().GetComposite().GetResource(), "spec").Fields["value"] = structpb.NewStringValue(value)
			if flags&4 != 0 {
				secret := mustStruct(t, "{data: {}}")
				structAt(secret, "data").Fields["kubeconfig"] = structpb.NewStringValue(base64.StdEncoding.EncodeToString(kc))
				req.RequiredResources = map[string]*fnv1.Resources{"kubeconfig": {Items: []*fnv1.Resource{{Resource: secret}}}}
			}
			if flags&8 != 0 {
				req.Observed.Resources["argocd-cluster"] = &fnv1.Resource{Resource: mustStruct(t, `{apiVersion: kubernetes.crossplane.io/v1alpha2, kind: Object, spec: {forProvider: {manifest: {apiVersion: v1, kind: Secret,
metadata: {namespace: argocd, name: x, labels: {argocd.argoproj.io/secret-type: cluster}}, data: {name: eA==, server: aHR0cHM6Ly8xOTIuMC4yLjE=, config: e30=}}}}}`)}
			}
			return req
		}
		fn := &Function{log: logging.NewNopLogger(), now: testNow}
		marshal := proto.MarshalOptions{Deterministic: true}
		var first []byte
		for range 2 {
			rsp, err := fn.RunFunction(t.Context(), build())
			if err != nil {
				t.Fatal(err)
			}
			b, err := marshal.Marshal(rsp)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = b
				checkResponse(t, rsp, flags&8 != 0)
			} else if !bytes.Equal(first, b) {
				t.Error("a second call says something else")
			}
		}
	})
}

// checkResponse checks what holds of every response of FuzzRunFunction.
func checkResponse(t *testing.T, rsp *fnv1.RunFunctionResponse, registered bool) {
	t.Helper()
	fatal := len(rsp.GetResults()) > 0 && rsp.GetResults()[0].GetSeverity() == fnv1.Severity_SEVERITY_FATAL
	for name, r := range rsp.GetDesired().GetResources() {
		if name == "earlier" {
			continue
		}
		composed := r.GetResource().AsMap()
		decodeData(t, composed)
		manifest := composed
		if composed["kind"] == "Object" {
			manifest = composed["spec"].(map[string]any)["forProvider"].(map[string]any)["manifest"].(map[string]any)
		}
		checkSecret(t, manifest["data"].(map[string]any))
		delete(rsp.GetDesired().GetResources(), name)
		registered = false
	}
	if registered && !fatal {
		t.Errorf("a registration was lost: %v", rsp.GetConditions())
	}
	// A plugin's name is told, whatever it is.
	text := regexp.MustCompile(`(plugin|auth-provider) [\w.-]+`).ReplaceAllString(prototext.Format(rsp), "")
	if strings.Contains(text, "canary") {
		t.Errorf("a credential is told:\n%s", text)
	}
}

// checkSecret checks that a client can be made of a Secret's data, by the library that Argo
// CD makes it with.
func checkSecret(t *testing.T, data map[string]any) {
	t.Helper()
	var cfg argocd.ClusterConfig
	if err := json.Unmarshal([]byte(data["config"].(string)), &cfg); err != nil {
		t.Fatal(err)
	}
	server := data["server"].(string)
	if data["name"] == "" || data["name"] == "in-cluster" || kubeconfig.Hostname(server) == "kubernetes.default.svc" || strings.HasSuffix(server, "/") {
		t.Errorf("name %q, server %q", data["name"], server)
	}
	rc := &rest.Config{
		Host: server, Username: cfg.Username, Password: cfg.Password, BearerToken: cfg.BearerToken,
		TLSClientConfig: rest.TLSClientConfig{
			Insecure: cfg.TLSClientConfig.Insecure, ServerName: cfg.TLSClientConfig.ServerName,
			CertData: cfg.TLSClientConfig.CertData, KeyData: cfg.TLSClientConfig.KeyData, CAData: cfg.TLSClientConfig.CAData,
		},
	}
	if _, err := rest.HTTPClientFor(rc); err != nil {
		t.Errorf("no client: %v", err)
	}
	if _, _, err := rest.DefaultServerURL(server, "", schema.GroupVersion{Version: "v1"}, true); err != nil {
		t.Errorf("no URL: %v", err)
	}
}
