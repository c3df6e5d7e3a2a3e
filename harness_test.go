package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"

	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
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
  claimRef: {apiVersion: platform.example.org/v1alpha1, kind: AKSCluster, namespace: team-a, name: prod}
  parameters:
    environment: production
    size: 3
    gold: true
    label: "no label value"
    nothing: null
    empty: ""
    big: 1000000
    list: [a, b]
    manager: argocd.argoproj.io
    host: api.prod.example.org
    hostPort: api.prod.example.org:6443
    hub: kubernetes.default.svc
    query: https://api.prod.example.org?token=canary-query
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
	aks = `{apiVersion: containerservice.azure.upbound.io/v1beta2, kind: KubernetesCluster, spec: {writeConnectionSecretToRef: {name: conn, namespace: ns}},
status: {atProvider: {fqdn: demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io}}}`
	gke = `{apiVersion: container.gcp.m.upbound.io/v1beta1, kind: Cluster, spec: {writeConnectionSecretToRef: {name: conn}},
status: {atProvider: {endpoint: 34.10.20.30, controlPlaneEndpointsConfig: [{dnsEndpointConfig: [{endpoint: gke-0123456789abcdef-123456789012.europe-west8.gke.goog}]}]}}}`
	// An EKS cluster, and the resource that publishes its kubeconfig.
	eks = `{apiVersion: eks.aws.upbound.io/v1beta1, kind: Cluster, metadata: {annotations: {crossplane.io/external-name: demo-eks}},
status: {atProvider: {endpoint: "https://0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com"}}}`
	clusterAuth = "{apiVersion: eks.aws.upbound.io/v1beta1, kind: ClusterAuth}"

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

// converted has the JSON of YAML texts: most tests use the same few.
var converted sync.Map

func mustStruct(t testing.TB, y string) *structpb.Struct {
	t.Helper()
	j, ok := converted.Load(y)
	if !ok {
		b, err := yaml.YAMLToJSON([]byte(y))
		if err != nil {
			t.Fatal(err)
		}
		j, _ = converted.LoadOrStore(y, b)
	}
	s := &structpb.Struct{}
	if err := protojson.Unmarshal(j.([]byte), s); err != nil {
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

// run the function at testNow.
func run(t testing.TB, req *fnv1.RunFunctionRequest) *fnv1.RunFunctionResponse {
	t.Helper()
	return runAt(t, req, testNow())
}

// runAt runs the function at a time of day.
func runAt(t testing.TB, req *fnv1.RunFunctionRequest, now time.Time) *fnv1.RunFunctionResponse {
	t.Helper()
	return runWith(t, &Function{now: func() time.Time { return now }}, req)
}

// runWith runs a function, and checks what holds of every response.
func runWith(t testing.TB, f *Function, req *fnv1.RunFunctionRequest) *fnv1.RunFunctionResponse {
	t.Helper()
	before, ok := proto.Clone(req).(*fnv1.RunFunctionRequest)
	if !ok {
		t.Fatal("cannot clone request")
	}
	log := &recorder{}
	f.log = log
	rsp, err := f.RunFunction(context.Background(), req)
	if err != nil {
		t.Fatalf("RunFunction(...): %v", err)
	}
	checkLeaks(t, req, rsp, log.lines)
	checkEncoded(t, before, rsp, f)
	checkSaid(t, before, rsp)
	for name, r := range before.GetDesired().GetResources() {
		if after := rsp.GetDesired().GetResources()[name]; !proto.Equal(r, after) {
			t.Errorf("desired resource %s of an earlier step changed: -before, +after:\n%s", name, cmp.Diff(r, after, protocmp.Transform()))
		}
	}
	if after := req.GetObserved(); !proto.Equal(before.GetObserved(), after) {
		t.Errorf("observed state changed: -before, +after:\n%s", cmp.Diff(before.GetObserved(), after, protocmp.Transform()))
	}
	// With statusFieldPath the XR's status is the function's to write, too.
	if stringAt(req.GetInput(), "statusFieldPath") != "" {
		return rsp
	}
	xr, after := before.GetDesired().GetComposite().GetResource(), rsp.GetDesired().GetComposite().GetResource()
	if !proto.Equal(xr, after) {
		t.Errorf("desired XR of an earlier step changed: -before, +after:\n%s", cmp.Diff(xr, after, protocmp.Transform()))
	}
	return rsp
}

// checkEncoded checks that a request that the codec decodes has the same response, as Crossplane
// decodes it.
func checkEncoded(t testing.TB, req *fnv1.RunFunctionRequest, want *fnv1.RunFunctionResponse, f *Function) {
	t.Helper()
	rsp, err := f.RunFunction(t.Context(), overTheWire(t, req))
	if err != nil {
		t.Fatal(err)
	}
	b, err := proto.Marshal(rsp)
	if err != nil {
		t.Fatal(err)
	}
	got := &fnv1.RunFunctionResponse{}
	if err := proto.Unmarshal(b, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(deterministic(t, want), deterministic(t, got)) {
		t.Errorf("by the codec: -want, +got:\n%s", cmp.Diff(want, got, protocmp.Transform()))
	}
}

// checkSaid checks how a response says what it says: a fatal result, or else the step's one
// condition and no more than one event, on the XR and its claim, each a line of text.
func checkSaid(t testing.TB, req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse) {
	t.Helper()
	results, conditions := rsp.GetResults(), rsp.GetConditions()
	fatal := len(results) > 0 && results[0].GetSeverity() == fnv1.Severity_SEVERITY_FATAL
	if len(results) > 1 || fatal == (len(conditions) > 0) || len(conditions) > 1 {
		t.Errorf("want a fatal result, or else one condition and at most one event, got: %v %v", results, conditions)
	}
	messages := make([]string, 0, 2)
	for _, r := range results {
		messages = append(messages, r.GetMessage())
		if !fatal && (r.GetSeverity() != fnv1.Severity_SEVERITY_WARNING || r.GetReason() == "" || r.GetTarget() != fnv1.Target_TARGET_COMPOSITE_AND_CLAIM) {
			t.Errorf("want a warning with a reason, of XR and claim, got: %v", r)
		}
	}
	for _, c := range conditions {
		messages = append(messages, c.GetMessage())
		if c.GetType() == "" || c.GetReason() == "" || c.GetTarget() != fnv1.Target_TARGET_COMPOSITE_AND_CLAIM {
			t.Errorf("want a condition with a type and a reason, of XR and claim, got: %v", c)
		}
	}
	for _, m := range messages {
		if strings.TrimSpace(m) == "" || strings.ContainsAny(m, "\n\r") {
			t.Errorf("want one line of text, got: %q", m)
		}
	}
	for name := range rsp.GetDesired().GetResources() {
		if _, earlier := req.GetDesired().GetResources()[name]; fatal && !earlier {
			t.Errorf("a fatal result, and %s is composed", name)
		}
	}
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

// checkLeaks checks that a response and a log hold no credential except in the composed
// resource, and that a failure reveals nothing of what a kubeconfig holds except the name of a
// plugin.
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
	maps.DeleteFunc(said.GetDesired().GetResources(), func(n string, r *fnv1.Resource) bool {
		return composedRegistration(n, r.GetResource()) != nil
	})
	text := prototext.Format(said) + strings.Join(lines, "\n")

	for _, secret := range secrets(req, failed) {
		if strings.Contains(text, secret) {
			t.Errorf("%q of a kubeconfig is revealed in:\n%s", secret, text)
		}
	}
}

// secrets returns what of a request's connection details must not be revealed: what is
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
	// The names of plugins may be revealed, and those of flags that the function knows.
	known := []string{"kubelogin", "gke-gcloud-auth-plugin", "aws-iam-authenticator", "evil-plugin", "--role", "--role-arn", "--profile", "--session-name", "--username", "--client-secret", "--authority-host", "AWS_PROFILE", "Config"}
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

// kubeconfigOf returns a kubeconfig for a server and a user.
func kubeconfigOf(server, user string) string {
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: %q}}],
contexts: [{name: c, context: {cluster: c, user: u}}],
users: [{name: u, user: {%s}}]}`, server, user)
}

// jwt returns a token that expires.
func jwt(exp time.Time) string {
	parts := []string{`{"alg":"none"}`, fmt.Sprintf(`{"exp":%d}`, exp.Unix()), "canary"}
	for i, p := range parts {
		parts[i] = base64.RawURLEncoding.EncodeToString([]byte(p))
	}
	return strings.Join(parts, ".")
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

// ready returns an Object that is desired as it is observed once it is ready.
func ready(desired *structpb.Struct) *structpb.Struct {
	o := clone(desired)
	isTrue := structpb.NewStringValue("True")
	o.Fields["status"] = fields{"conditions": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
		fields{"type": structpb.NewStringValue("Synced"), "status": isTrue}.value(),
		fields{"type": structpb.NewStringValue("Ready"), "status": isTrue}.value(),
	}})}.value()
	return o
}

const (
	gkeServer  = "https://34.10.20.30"
	gcpConfig  = `{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"argocd-k8s-auth","args":["gcp"],"apiVersion":"client.authentication.k8s.io/v1beta1"}}`
	noConfig   = `{"tlsClientConfig":{"insecure":false}}`
	attacker   = "https://attacker.example.org"
	eksServer  = "https://0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com"
	eksExec    = "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws, args: [eks, get-token, --cluster-name, demo]}"
	eksCluster = `{apiVersion: eks.aws.m.upbound.io/v1beta1, kind: Cluster, metadata: {annotations: {crossplane.io/external-name: demo}},
status: {atProvider: {endpoint: "` + eksServer + `"}}}`
	eksClusterAuth = "{apiVersion: eks.aws.m.upbound.io/v1beta1, kind: ClusterAuth}"
)

// gkeWith returns a GKE cluster with a status.
func gkeWith(status string) string {
	return "{apiVersion: container.gcp.m.upbound.io/v1beta1, kind: Cluster, status: {atProvider: {" + status + "}}}"
}

// of returns observed resources with one cluster.
func of(resource, kubeconfig string) map[string]observation {
	return map[string]observation{"cluster": {resource: resource, details: map[string]string{"kubeconfig": kubeconfig}}}
}

// clusterOf returns an observed cluster with its connection details.
func clusterOf(resource string, details map[string]string) map[string]observation {
	return map[string]observation{"cluster": {resource: resource, details: details}}
}

// publishing returns an observed resource of no cloud, with a kubeconfig.
func publishing(kubeconfig string) map[string]observation {
	return clusterOf(bucket, map[string]string{"kubeconfig": kubeconfig})
}

// A notRegistered is a case in which no cluster is registered.
type notRegistered struct {
	reason   string
	xr       string
	input    string
	observed map[string]observation

	// details are the XR's own connection details.
	details map[string]string

	// now is the time of day, by default testNow.
	now  time.Time
	want refusal
}

// A refusal is why no cluster is registered.
type refusal struct {
	// reason of the condition.
	reason string

	// message is a part of the condition's, or all of it.
	message string
	whole   bool
}

// check that nothing is composed, that the condition says why, and that the XR is not ready.
func (tc *notRegistered) check(t *testing.T) {
	t.Helper()
	xr, now := tc.xr, tc.now
	if xr == "" {
		xr = legacyXR
	}
	if now.IsZero() {
		now = testNow()
	}
	req := newRequest(t, xr, tc.input, tc.observed)
	req.Observed.Composite.ConnectionDetails = map[string][]byte{}
	for k, v := range tc.details {
		req.Observed.Composite.ConnectionDetails[k] = []byte(v)
	}
	got := summarize(t, runAt(t, req, now), "argocd-cluster")
	want := summary{Condition: "ArgoCDClusterRegistered=FALSE/" + tc.want.reason, Message: got.Message, XRReady: "READY_FALSE"}
	if !strings.HasPrefix(tc.want.reason, "Waiting") {
		want.Warning = tc.want.reason + ": " + got.Message
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
	}
	if !says(got.Message, tc.want.message) || tc.want.whole && len(got.Message) != len(tc.want.message) {
		t.Errorf("%s\nmessage: want %q in %q", tc.reason, tc.want.message, got.Message)
	}
	// checkLeaks looks for what a kubeconfig holds, and this for what anything else does.
	if strings.Contains(got.Message, "canary") {
		t.Errorf("%s\na canary is revealed in %q", tc.reason, got.Message)
	}
}

// or returns a string, or another one if it is empty.
func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
