package main

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

// TestSecretSource runs the function as Crossplane does: what it requires in one call is
// there in the next.
func TestSecretSource(t *testing.T) {
	capi := `
apiVersion: v1
kind: Secret
metadata: {namespace: clusters, name: capi-demo-kubeconfig}
data: {value: ` + base64.StdEncoding.EncodeToString([]byte(sample(t, "kc-capi.yaml"))) + `}`
	named := func(namespace, name string) string {
		return strings.Replace(capi, "{namespace: clusters, name: capi-demo-kubeconfig}", "{namespace: "+namespace+", name: "+name+"}", 1)
	}
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
			reason:       "We should wait for the data of an empty Secret, because it may be there later.",
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
			input:  "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, nameFrom: {fieldPath: spec.parameters.kubeconfigSecret}}}",
			found:  []string{capi},
		},
		"NamespacedXR": {
			reason:       "A namespaced XR looks in its own namespace.",
			xr:           namespacedXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {name: prod}, key: value}",
			capabilities: advertised,
			found:        []string{named("team-a", "prod")},
		},
		"NamespaceOfClaim": {
			reason:       "We should look in the claim's namespace where the input says so, because its user may read that anyway.",
			xr:           legacyXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespaceFrom: {fieldPath: spec.claimRef.namespace}, name: prod}}",
			capabilities: advertised,
			found:        []string{named("team-a", "prod")},
		},
		"NamespaceOfXR": {
			reason:       "We should look in the XR's namespace where the input says so, because its user may read that anyway.",
			xr:           namespacedXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespaceFrom: {fieldPath: metadata.namespace}, name: prod}}",
			capabilities: advertised,
			found:        []string{named("team-a", "prod")},
		},
		"NamespaceOfNoClaim": {
			reason:       "We should wait for the claim, because an XR without one has no such namespace.",
			xr:           namespacedXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespaceFrom: {fieldPath: spec.claimRef.namespace}, name: prod}}",
			capabilities: advertised,
		},
		"OfAnotherName": {
			reason:       "We should not take the Secret that an earlier call required, because it is another cluster's.",
			xr:           legacyXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, name: other}}",
			capabilities: advertised,
			found:        []string{capi},
		},
		"OfAnotherNamespace": {
			reason:       "We should not take a Secret from another namespace, because it is another cluster's.",
			xr:           legacyXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespace: other, name: capi-demo-kubeconfig}}",
			capabilities: advertised,
			found:        []string{capi},
		},
		"AzureByType": {
			reason:       "We should use Argo CD's own identity where the Composition's author names the type and no cloud says which server is right.",
			xr:           legacyXR,
			input:        "credentials: {type: Azure}\nkubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, name: capi-demo-kubeconfig}}",
			capabilities: advertised,
			found:        []string{capi},
		},
		"NameMissing": {
			reason:       "We should not require a Secret without a name, because there is none to look for.",
			xr:           legacyXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, nameFrom: {fieldPath: spec.none}}}",
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
				req.RequiredResources = map[string]*fnv1.Resources{"kubeconfig": found, "cluster-secret": {}, "clusters-of-the-same-name": {}, "clusters-of-the-same-server": {}}
			}
			golden(t, tc.reason, summarize(t, run(t, req), "argocd-cluster"))
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
		"Azure":           {"The upjet provider of Azure.", map[string]string{"kubeconfig": kc, "attribute.kube_config_raw": "canary", "attribute.kube_admin_config_raw": "canary"}},
		"AzureRaw":        {"The same without the copy.", map[string]string{"attribute.kube_config_raw": kc, "attribute.kube_admin_config_raw": "canary"}},
		"DigitalOcean":    {"We should find DigitalOcean's key, because it has no key kubeconfig.", map[string]string{"attribute.kube_config.0.raw_config": kc, "attribute.kube_config.0.token": "canary"}},
		"Scaleway":        {"We should find Scaleway's key, because it has no key kubeconfig either.", map[string]string{"attribute.kubeconfig.0.config_file": kc, "attribute.kubeconfig.0.token": "canary"}},
		"Linode":          {"We should decode base64, because Linode's attribute is base64 text.", map[string]string{"attribute.kubeconfig": encoded}},
		"Vultr":           {"We should decode base64 with line breaks, because Vultr's attribute has them.", map[string]string{"attribute.kube_config": wrapped}},
		"Civo":            {"It has the plain key.", map[string]string{"kubeconfig": kc}},
		"ClusterAPI":      {"A generic key.", map[string]string{"value": kc}},
		"VCluster":        {"Another one, beside keys that are not kubeconfigs.", map[string]string{"config": kc, "value": "{}", "certificate-authority": "canary", "client-key": "canary"}},
		"Helm":            {"A key with an ending.", map[string]string{"value.yaml": kc}},
		"OpenStackMagnum": {"We should find the attribute of OpenStack Magnum, which has no index.", map[string]string{"attribute.kubeconfig.raw_config": kc, "attribute.kubeconfig.client_key": "canary"}},
		"KubeconfigYAML":  {"We should find a key with an ending.", map[string]string{"kubeconfig.yaml": kc}},
		"KubeconfigJSON":  {"We should find a key with an ending.", map[string]string{"kubeconfig.json": kc}},
		"Kamaji":          {"We should find Kamaji's key, because it publishes no other.", map[string]string{"admin.conf": kc}},
		"KamajiInCluster": {"We should find Kamaji's other key, because some publish only that.", map[string]string{"admin.svc": kc}},
		"TerraformRaw":    {"We should find the usual output of Terraform's modules.", map[string]string{"kube_config_raw": kc}},
		"Terraform":       {"We should find the other usual output of Terraform's modules.", map[string]string{"kube_config": kc}},
		"GenericKeysOfOtherThings": {"We should skip each generic key that holds something else, because the last may hold the kubeconfig.", map[string]string{
			"value": "{}", "value.yaml": "text", "config": "[]", "kubeconfig.yaml": "canary: [", "kubeconfig.json": "{}",
			"kube_config_raw": "Y2FuYXJ5", "kube_config": "a: canary-b", "admin.conf": "[client]", "admin.svc": kc,
		}},
		"KnownBeforeGeneric": {"We should prefer a provider's own key to a generic one, because it says what it is.", map[string]string{"attribute.kubeconfig.raw_config": kc, "value": kubeconfigOf("https://other.example.org", "token: canary-other")}},
		"EmptyFirst":         {"A key that is not filled in is as good as none.", map[string]string{"kubeconfig": "", "value": kc}},
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
