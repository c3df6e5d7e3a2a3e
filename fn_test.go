package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"
	"sigs.k8s.io/yaml"

	"github.com/crossplane/function-sdk-go/logging"
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
  parameters:
    environment: production
    size: 3
    gold: true
    label: "no label value"
    nothing: null
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
	aks    = "{apiVersion: containerservice.azure.upbound.io/v1beta2, kind: KubernetesCluster, spec: {writeConnectionSecretToRef: {name: x, namespace: y}}}"
	gke    = "{apiVersion: container.gcp.m.upbound.io/v1beta1, kind: Cluster, spec: {writeConnectionSecretToRef: {name: x}}}"
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

// connection returns the data of a sample connection Secret.
func connection(t testing.TB, name string) map[string]string {
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
	f := &Function{log: logging.NewNopLogger(), now: testNow}
	rsp, err := f.RunFunction(context.Background(), req)
	if err != nil {
		t.Fatalf("RunFunction(...): %v", err)
	}
	for name, r := range before.GetDesired().GetResources() {
		if diff := cmp.Diff(r, rsp.GetDesired().GetResources()[name], protocmp.Transform()); diff != "" {
			t.Errorf("desired resource %s of an earlier step changed: -before, +after:\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(before.GetDesired().GetComposite().GetResource(), rsp.GetDesired().GetComposite().GetResource(), protocmp.Transform()); diff != "" {
		t.Errorf("desired XR of an earlier step changed: -before, +after:\n%s", diff)
	}
	if diff := cmp.Diff(before.GetObserved(), req.GetObserved(), protocmp.Transform()); diff != "" {
		t.Errorf("observed state changed: -before, +after:\n%s", diff)
	}
	return rsp
}

// A summary is what a response says, as far as this function says it.
type summary struct {
	Fatal     string `json:"fatal,omitempty"`
	Condition string `json:"condition,omitempty"`
	Message   string `json:"message,omitempty"`

	// XRReady is set where the function says whether the XR is ready.
	XRReady string `json:"xrReady,omitempty"`

	// Composed is the composed resource, with the Secret's data decoded.
	Composed map[string]any `json:"composed,omitempty"`
	Ready    string         `json:"ready,omitempty"`
}

func summarize(t testing.TB, rsp *fnv1.RunFunctionResponse, resourceName string) summary {
	t.Helper()
	s := summary{}
	for _, r := range rsp.GetResults() {
		if r.GetSeverity() != fnv1.Severity_SEVERITY_FATAL {
			t.Errorf("unexpected result: %v", r)
		}
		s.Fatal = r.GetMessage()
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
			details:  connection(t, "conn-aks-local.yaml"),
			want:     want{server: "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443", golden: "argocd-config-aks-local.json"},
		},
		"AKSWithAAD": {
			reason:   "kubelogin becomes Argo CD's own Azure plugin. The admin kubeconfig beside it is not taken.",
			resource: aks,
			details:  connection(t, "conn-aks-aad.yaml"),
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
			details:  connection(t, "conn-gke.yaml"),
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
			details:  connection(t, "conn-eks-clusterauth.yaml"),
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
			details:  connection(t, "conn-capi-secret.yaml"),
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
