package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// FuzzRunFunction checks that for any input, kubeconfig and value of the XR, nothing of the
// kubeconfig is revealed except in the Secret, a second call says the same, an existing
// registration stays, and Argo CD can use what is composed.
func FuzzRunFunction(f *testing.F) {
	kubeconfigs, err := filepath.Glob(filepath.Join("testdata", "kubeconfigs", "[ke][cd]*"))
	if err != nil || len(kubeconfigs) == 0 {
		f.Fatal("no samples", err)
	}
	inputs := []string{
		"", "credentials: {type: Kubeconfig}", "credentials: {type: Azure}", "output: {type: Secret}",
		"cluster: {nameFrom: {fieldPath: spec.value}, labelsFrom: [{fieldPath: spec.value, key: x}]}",
		"cluster: {serverFrom: {fieldPath: spec.value}, namespaces: [a], shard: 1}",
		"kubeconfigFrom: {type: Secret, secretRef: {namespace: a, nameFrom: {fieldPath: spec.value}}}",
		"credentials: {type: AWS, aws: {clusterNameFrom: {fieldPath: spec.value}, region: eu-west-1}}",
		"cluster: {annotationsFrom: [{fieldPath: metadata.labels}], labelsFrom: [{fieldPath: spec.parameters, keyPrefix: a/}]}",
		"{conditionType: Other, output: {argoCD: Remote}}",
	}
	for i, k := range kubeconfigs {
		kc := strings.NewReplacer("fake-token", "canary-token", "SECOND-SECRET", "canary-second").Replace(sample(f, filepath.Base(k)))
		f.Add(inputs[i%len(inputs)], []byte(kc), "https://192.0.2.1", byte(i))
	}
	// UTF-16, in which a search for a character of YAML finds nothing.
	utf16 := []byte{0xff, 0xfe}
	for _, c := range []byte("x: &a canary\ny: [*a, *a]\n") {
		utf16 = append(utf16, c, 0)
	}
	f.Add("output: {name: by-hand}", []byte("{}"), "prod", byte(16))
	f.Add("", []byte(sample(f, filepath.Base(kubeconfigs[0]))), "prod\n", byte(16))
	f.Add("", utf16, "localhost", byte(0))
	f.Add("", []byte(base64.StdEncoding.EncodeToString(utf16)), "a\nb", byte(4))
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
			maps.Copy(req.GetInput().GetFields(), inputStruct.GetFields())
			structAt(req.GetObserved().GetComposite().GetResource(), "spec").Fields["value"] = structpb.NewStringValue(value)
			if flags&4 != 0 {
				secret := mustStruct(t, "{data: {}}")
				structAt(secret, "data").Fields["kubeconfig"] = structpb.NewStringValue(base64.StdEncoding.EncodeToString(kc))
				req.RequiredResources = map[string]*fnv1.Resources{"kubeconfig": {Items: []*fnv1.Resource{{Resource: secret}}}}
			}
			if flags&16 != 0 {
				// Somebody has handed it over, and written anything into it.
				req.Meta.Capabilities = []fnv1.Capability{fnv1.Capability_CAPABILITY_CAPABILITIES, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES}
				secret := mustStruct(t, "{apiVersion: v1, kind: Secret, metadata: {namespace: argocd, name: by-hand, annotations: {"+markOfProd+"}}, data: {}}")
				for k, v := range map[string][]byte{"name": []byte(value), "server": []byte(value), "config": kc} {
					structAt(secret, "data").Fields[k] = structpb.NewStringValue(base64.StdEncoding.EncodeToString(v))
				}
				if req.RequiredResources == nil {
					req.RequiredResources = map[string]*fnv1.Resources{}
				}
				for _, requirement := range []string{requirementSecret, requirementHandedOver, requirementCluster, requirementServer} {
					req.RequiredResources[requirement] = &fnv1.Resources{Items: []*fnv1.Resource{{Resource: secret}}}
				}
			}
			if flags&8 != 0 {
				req.Observed.Resources["argocd-cluster"] = &fnv1.Resource{Resource: mustStruct(t, `{apiVersion: kubernetes.crossplane.io/v1alpha2, kind: Object,
metadata: {annotations: {crossplane.io/external-create-succeeded: "2027-01-01T00:00:00Z"}}, spec: {forProvider: {manifest: {apiVersion: v1, kind: Secret,
metadata: {namespace: argocd, name: x, labels: {argocd.argoproj.io/secret-type: cluster}}, data: {name: eA==, server: aHR0cHM6Ly8xOTIuMC4yLjE=, config: e30=}}}}}`)}
			}
			return req
		}
		fn := &Function{log: logging.NewNopLogger(), now: testNow}
		marshal := proto.MarshalOptions{Deterministic: true}
		var first []byte
		for _, req := range []*fnv1.RunFunctionRequest{build(), overTheWire(t, build())} {
			rsp, err := fn.RunFunction(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := marshal.Marshal(rsp)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = b
				checkSaid(t, build(), rsp)
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
		checkSecret(t, dataOf(decodeSecret(t, r.GetResource())))
		delete(rsp.GetDesired().GetResources(), name)
		registered = false
	}
	if registered && !fatal {
		t.Errorf("a registration was lost: %v", rsp.GetConditions())
	}
	// A plugin's name may be revealed, whatever it is.
	text := regexp.MustCompile(`(plugin|auth-provider) [\w.-]+`).ReplaceAllString(prototext.Format(rsp), "")
	if strings.Contains(text, "canary") {
		t.Errorf("a credential is revealed:\n%s", text)
	}
}

// checkSecret checks that a client can be made of a Secret's data, by the library that Argo
// CD makes it with.
func checkSecret(t *testing.T, data map[string]string) {
	t.Helper()
	var cfg argocd.ClusterConfig
	if err := json.Unmarshal([]byte(data["config"]), &cfg); err != nil {
		t.Fatal(err)
	}
	server := data["server"]
	if data["name"] == "" || data["name"] == "in-cluster" || strings.Contains(server, "kubernetes.default") || strings.HasSuffix(server, "/") {
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
