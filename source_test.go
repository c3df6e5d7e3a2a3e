package main

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
)

// TestSecretSource checks how a Secret with a kubeconfig is required, and used once Crossplane has
// read it.
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
			reason:       "We should wait for the Secret, because Crossplane reads it for the next call.",
			xr:           legacyXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, name: capi-demo-kubeconfig}}",
			capabilities: advertised,
		},
		"OldCrossplane": {
			reason: "We should say that Crossplane v1 does not read Secrets, because waiting would not help.",
			xr:     legacyXR,
			input:  "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, name: capi-demo-kubeconfig}}",
		},
		"Absent": {
			reason:       "We should wait for a missing Secret, because it may be made later.",
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
			reason:       "We should wait for data that is not base64, because no API server wrote it.",
			xr:           legacyXR,
			input:        "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, name: capi-demo-kubeconfig}}",
			capabilities: advertised,
			found:        []string{"{apiVersion: v1, kind: Secret, data: {kubeconfig: '!!!'}}"},
		},
		"ClusterAPI": {
			reason: "We should find Cluster API's key, and require the Secret where Crossplane does not say what it can do, because v2.0 and v2.1 do not.",
			xr:     legacyXR,
			input:  "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, nameFrom: {fieldPath: spec.parameters.kubeconfigSecret}}}",
			found:  []string{capi},
		},
		"NamespacedXR": {
			reason:       "We should look in a namespaced XR's own namespace, because its user may read that anyway.",
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
			reason:       "We should use Argo CD's own identity, because the author sets the type and chooses the Secret.",
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
			reason:       "We should refuse a kubeconfig without credentials from a Secret, because its writer would receive Argo CD's Google token.",
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

// TestProviderKeys checks that a kubeconfig is found under each provider's keys.
func TestProviderKeys(t *testing.T) {
	kc := kubeconfigOf("https://[2001:db8::1]:6443/path/", `token: "fake-token\n"`)
	encoded := base64.StdEncoding.EncodeToString([]byte(kc))
	wrapped := encoded[:76] + "\n" + encoded[76:] + "\n"

	cases := map[string]struct {
		reason  string
		details map[string]string
	}{
		"Azure":           {"We should prefer the plain key, because the other ones of Azure's provider may be for an administrator.", map[string]string{"kubeconfig": kc, "attribute.kube_config_raw": "canary", "attribute.kube_admin_config_raw": "canary"}},
		"AzureRaw":        {"We should find Azure's attribute, because the provider may not publish the plain key.", map[string]string{"attribute.kube_config_raw": kc, "attribute.kube_admin_config_raw": "canary"}},
		"DigitalOcean":    {"We should find DigitalOcean's key, because it has no key kubeconfig.", map[string]string{"attribute.kube_config.0.raw_config": kc, "attribute.kube_config.0.token": "canary"}},
		"Scaleway":        {"We should find Scaleway's key, because it has no key kubeconfig either.", map[string]string{"attribute.kubeconfig.0.config_file": kc, "attribute.kubeconfig.0.token": "canary"}},
		"Linode":          {"We should decode base64, because Linode's attribute is base64 text.", map[string]string{"attribute.kubeconfig": encoded}},
		"Vultr":           {"We should decode base64 with line breaks, because Vultr's attribute has them.", map[string]string{"attribute.kube_config": wrapped}},
		"Civo":            {"We should find the plain key, because most providers publish it.", map[string]string{"kubeconfig": kc}},
		"ClusterAPI":      {"We should find a generic key, because Cluster API publishes no other.", map[string]string{"value": kc}},
		"VCluster":        {"We should find the one generic key that holds a kubeconfig, because vCluster's Secret has others.", map[string]string{"config": kc, "value": "{}", "certificate-authority": "canary", "client-key": "canary"}},
		"Helm":            {"We should find a key with an ending, because Helm charts write files.", map[string]string{"value.yaml": kc}},
		"OpenStackMagnum": {"We should find OpenStack Magnum's attribute, because it has no index.", map[string]string{"attribute.kubeconfig.raw_config": kc, "attribute.kubeconfig.client_key": "canary"}},
		"KubeconfigYAML":  {"We should find a key with an ending, because some tools write files.", map[string]string{"kubeconfig.yaml": kc}},
		"KubeconfigJSON":  {"We should find a key with an ending, because some tools write files.", map[string]string{"kubeconfig.json": kc}},
		"Kamaji":          {"We should find Kamaji's key, because it publishes no other.", map[string]string{"admin.conf": kc}},
		"KamajiInCluster": {"We should find Kamaji's other key, because some publish only that.", map[string]string{"admin.svc": kc}},
		"TerraformRaw":    {"We should find kube_config_raw, because Terraform's modules publish it.", map[string]string{"kube_config_raw": kc}},
		"Terraform":       {"We should find kube_config, because Terraform's modules publish it.", map[string]string{"kube_config": kc}},
		"GenericKeysOfOtherThings": {"We should skip each generic key that holds something else, because the last may hold the kubeconfig.", map[string]string{
			"value": "{}", "value.yaml": "text", "config": "[]", "kubeconfig.yaml": "canary: [", "kubeconfig.json": "{}",
			"kube_config_raw": "Y2FuYXJ5", "kube_config": "a: canary-b", "admin.conf": "[client]", "admin.svc": kc,
		}},
		"KnownBeforeGeneric": {"We should prefer a provider's own key to a generic one, because it says what it is.", map[string]string{"attribute.kubeconfig.raw_config": kc, "value": kubeconfigOf("https://other.example.org", "token: canary-other")}},
		"EmptyFirst":         {"We should skip an empty key, because another one may hold the kubeconfig.", map[string]string{"kubeconfig": "", "value": kc}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			data := dataOf(secretOf(t, summarize(t, run(t, newRequest(t, legacyXR, "", map[string]observation{"cluster": {resource: bucket, details: tc.details}})), "argocd-cluster")))
			want := map[string]string{"name": "prod-x7k2p", "server": "https://[2001:db8::1]:6443/path", "config": `{"bearerToken":"fake-token","tlsClientConfig":{"insecure":false}}`}
			if diff := cmp.Diff(want, data); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestNoSource checks what the condition says while no kubeconfig is found.
func TestNoSource(t *testing.T) {
	good := clusterOf(aks, connectionDetails(t, "conn-aks-local.yaml"))

	cases := map[string]notRegistered{
		"FirstPass": {
			reason: "We should wait while nothing is observed, because nothing is composed yet.",
			want:   refusal{reason: reasonWaitingForKubeconfig, message: "no composed resource has published a kubeconfig under a well-known key; check that the cluster sets spec.writeConnectionSecretToRef. For another key set kubeconfigFrom.key, and for a Secret that is not composed set kubeconfigFrom.type: Secret"},
		},
		"NoConnectionDetails": {
			reason:   "We should wait for connection details, because the provider has not published them yet.",
			input:    "kubeconfigFrom: {resourceName: cluster}",
			observed: clusterOf(aks, nil),
			want:     refusal{reason: reasonWaitingForKubeconfig, message: `composed resource "cluster" has no connection details; its provider has not published them`},
		},
		"NoConnectionSecretRef": {
			reason:   "We should ask for writeConnectionSecretToRef, because the cluster publishes nothing without it.",
			input:    "kubeconfigFrom: {resourceName: cluster}",
			observed: clusterOf(bucket, nil),
			want:     refusal{reason: reasonWaitingForKubeconfig, message: `composed resource "cluster" has no connection details; set spec.writeConnectionSecretToRef on it`},
		},
		"NotObserved": {
			reason: "We should wait for the named resource, because it may be composed later.",
			input:  "kubeconfigFrom: {resourceName: cluster}",
			want:   refusal{reason: reasonWaitingForKubeconfig, message: `waiting for composed resource "cluster", which does not exist`},
		},
		"EmptyKubeconfig": {
			reason:   "We should wait for an empty key's value, because a provider may publish the key first.",
			observed: publishing("\n"),
			want:     refusal{reason: reasonWaitingForKubeconfig, message: "no composed resource has published a kubeconfig under a well-known key"},
		},
		"UnknownKeys": {
			reason:   "We should ask for the key, because none of the keys is one that we know.",
			input:    "kubeconfigFrom: {resourceName: cluster}",
			observed: clusterOf(bucket, map[string]string{"my-kubeconfig": "x"}),
			want:     refusal{reason: reasonWaitingForKubeconfig, message: `composed resource "cluster" has no kubeconfig under any well-known key; set kubeconfigFrom.key. For a Secret that is not composed set kubeconfigFrom.type: Secret`},
		},
		"KeyMissing": {
			reason:   "We should look for no other key than the named one, because it may hold other credentials.",
			input:    "kubeconfigFrom: {resourceName: cluster, key: attribute.kube_admin_config_raw}",
			observed: good,
			want:     refusal{reason: reasonWaitingForKubeconfig, message: `composed resource "cluster" has no kubeconfig under the key "attribute.kube_admin_config_raw"; check kubeconfigFrom.key`},
		},
		"ModernXRAsSource": {
			reason: "We should say what to set instead, because modern XRs have no connection details.",
			xr:     namespacedXR,
			input:  "kubeconfigFrom: {type: CompositeResource}",
			want:   refusal{reason: reasonWaitingForKubeconfig, message: "the XR has no connection details; only legacy (v1-style) XRs have them. Set kubeconfigFrom.type to ComposedResource or Secret"},
		},
		"SeveralKubeconfigs": {
			reason: "We should not guess which cluster is meant, because Argo CD would deploy to the wrong one.",
			observed: map[string]observation{
				"b": {resource: aks, details: map[string]string{"kubeconfig": "canary-b"}},
				"a": {resource: aks, details: map[string]string{"attribute.kubeconfig": "canary-a"}},
			},
			want: refusal{reason: reasonAmbiguousKubeconfig, message: "several composed resources have published a kubeconfig; set kubeconfigFrom.resourceName to one of a, b"},
		},
		"NoKubeconfigUnderKey": {
			reason:   "We should name the key that we looked for, because it may be mistyped.",
			input:    "kubeconfigFrom: {key: kubeconf}",
			observed: good,
			want:     refusal{reason: reasonWaitingForKubeconfig, message: `no composed resource has published a kubeconfig under the key "kubeconf"; check kubeconfigFrom.key`},
		},
		"GenericKeysOfOtherThings": {
			reason: "We should skip what is not a kubeconfig under each generic key, because others use these keys too.",
			observed: clusterOf(bucket, map[string]string{
				"value": "{contexts: []}", "value.yaml": "{}", "config": "text", "kubeconfig.yaml": "a: mapping", "kubeconfig.json": `{"a": "mapping"}`,
				"kube_config_raw": "Y2FuYXJ5", "kube_config": "[]", "admin.conf": "[client]\nuser=canary-user", "admin.svc": "canary: [",
			}),
			want: refusal{reason: reasonWaitingForKubeconfig, message: "no composed resource has published a kubeconfig under a well-known key"},
		},
		"ServerFieldMissingToo": {
			reason:   "We should wait for both, because a fatal result would keep the cluster itself from being created.",
			input:    "cluster: {serverFrom: {fieldPath: spec.parameters.missing}}",
			observed: publishing(""),
			want:     refusal{reason: reasonWaitingForKubeconfig, message: "no composed resource has published a kubeconfig under a well-known key; check that the cluster sets spec.writeConnectionSecretToRef. For another key set kubeconfigFrom.key, and for a Secret that is not composed set kubeconfigFrom.type: Secret. Waiting for the XR's field spec.parameters.missing, which is not set"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { tc.check(t) })
	}
}

// TestSourceRemembered checks that the kubeconfig of another composed resource never takes the place
// of the one that the cluster was registered from.
func TestSourceRemembered(t *testing.T) {
	other := observation{resource: aks, details: map[string]string{"kubeconfig": kubeconfigOf("https://other.example.org", "token: canary-other")}}
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	before := h.registered(t)
	h.resources["other"] = other
	state{"TRUE/Registered", "READY_TRUE", before}.check(t, "We should keep the source, because the cluster was registered from it.", h.reconcile(t))
	h.resources["cluster"] = observation{resource: aks}
	for range 3 {
		s := h.reconcile(t)
		state{"TRUE/Retained", "READY_TRUE", before}.check(t, "We should keep the source, because the other kubeconfig is another cluster's.", s)
		if !says(s.Message, `composed resource "cluster" has no connection details`) || !says(s.Message, "kubeconfigFrom.resourceName") {
			t.Errorf("We should say what is missing and what to do: %s", s.Message)
		}
	}
	h.recompose(func(o *structpb.Struct) {
		delete(structAt(manifestIn(o), "metadata", "annotations").GetFields(), annotationSource)
		delete(o.GetFields(), "status")
	})
	h.edit("argocd/cluster-prod-x7k2p", func(s *structpb.Struct) { delete(structAt(s, "metadata", "annotations").GetFields(), annotationSource) })
	if s := h.reconcile(t); dataOf(secretOf(t, s))["server"] != "https://api.example.org" || !says(s.Message, "another server than the registration's") {
		t.Errorf("We should keep the server, because nothing says any more what the source was: %s: %s", verdict(s), s.Message)
	}
	h.input = "kubeconfigFrom: {resourceName: other}"
	if s := h.settle(t); dataOf(secretOf(t, s))["server"] != "https://other.example.org" || s.Secret.Annotations[annotationSource] != "other" {
		t.Errorf("We should register another cluster, because the author names it: %s: %s", verdict(s), s.Message)
	}
}

// TestDecodedOnce checks that a kubeconfig under a generic key is decoded once, also where the
// cluster is registered already, and that of several no more than one is kept decoded.
func TestDecodedOnce(t *testing.T) {
	publishes := observation{resource: aks, details: map[string]string{"value": sample(t, "kc-capi.yaml")}}
	req := newRequest(t, legacyXR, "", map[string]observation{"cluster": publishes})
	in := &v1beta1.ClusterRegistration{}
	in.Default()
	registered := &registration{manifest: mustStruct(t, "metadata: {annotations: {"+annotationSource+": cluster}}")}
	for name, was := range map[string]*registration{"First": nil, "Registered": registered} {
		all := kubeconfigs(req.GetObserved().GetResources(), "")
		src, err := findSource(req, in, newComposite(req), was, all)
		if err != nil || src.kubeconfig.config == nil || src.kubeconfig.config != all["cluster"].config {
			t.Errorf("%s: the kubeconfig was decoded again: %v", name, err)
		}
	}

	several := newRequest(t, legacyXR, "", map[string]observation{"a": publishes, "b": publishes, "c": publishes})
	decoded := 0
	for _, kc := range kubeconfigs(several.GetObserved().GetResources(), "") {
		if kc.config != nil {
			decoded++
		}
	}
	if decoded != 1 {
		t.Errorf("%d decoded kubeconfigs are kept", decoded)
	}
}
