package main

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

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
			data := dataOf(secretOf(t, summarize(t, run(t, newRequest(t, legacyXR, "", map[string]observation{"cluster": {resource: bucket, details: tc.details}})), "argocd-cluster")))
			want := map[string]string{"name": "prod-x7k2p", "server": "https://[2001:db8::1]:6443/path", "config": `{"bearerToken":"fake-token","tlsClientConfig":{"insecure":false}}`}
			if diff := cmp.Diff(want, data); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestNotRegistered runs what gives no registration since there is no kubeconfig, or
// something is wrong with a field.
func TestNotRegistered(t *testing.T) {
	good := clusterOf(aks, connectionDetails(t, "conn-aks-local.yaml"))

	cases := map[string]notRegistered{
		"FirstPass": {
			reason: "We should wait while nothing is observed, because nothing is composed yet.",
			want:   refusal{reasonWaitingForKubeconfig, "no composed resource has published a kubeconfig under a well-known key; check that the cluster sets spec.writeConnectionSecretToRef. For another key set kubeconfigFrom.key, and for a Secret that is not composed set kubeconfigFrom.type: Secret"},
		},
		"NoConnectionDetails": {
			reason:   "The cluster is there, but not its Secret.",
			input:    "kubeconfigFrom: {resourceName: cluster}",
			observed: clusterOf(aks, nil),
			want:     refusal{reasonWaitingForKubeconfig, `composed resource "cluster" has no connection details; its provider has not published them`},
		},
		"NoConnectionSecretRef": {
			reason:   "A cluster that publishes no connection details never will have a kubeconfig.",
			input:    "kubeconfigFrom: {resourceName: cluster}",
			observed: clusterOf(bucket, nil),
			want:     refusal{reasonWaitingForKubeconfig, `composed resource "cluster" has no connection details; set spec.writeConnectionSecretToRef on it`},
		},
		"NotObserved": {
			reason: "The cluster is not there yet.",
			input:  "kubeconfigFrom: {resourceName: cluster}",
			want:   refusal{reasonWaitingForKubeconfig, `waiting for composed resource "cluster", which does not exist`},
		},
		"EmptyKubeconfig": {
			reason:   "We should wait for an empty key's value, because a provider may publish the key first.",
			observed: publishing("\n"),
			want:     refusal{reasonWaitingForKubeconfig, "no composed resource has published a kubeconfig under a well-known key"},
		},
		"UnknownKeys": {
			reason:   "A kubeconfig under a key that nobody knows can be named.",
			input:    "kubeconfigFrom: {resourceName: cluster}",
			observed: clusterOf(bucket, map[string]string{"my-kubeconfig": "x"}),
			want:     refusal{reasonWaitingForKubeconfig, `composed resource "cluster" has no kubeconfig under any well-known key; set kubeconfigFrom.key. For a Secret that is not composed set kubeconfigFrom.type: Secret`},
		},
		"KeyMissing": {
			reason:   "We should look for no other key than the named one, because it may hold other credentials.",
			input:    "kubeconfigFrom: {resourceName: cluster, key: attribute.kube_admin_config_raw}",
			observed: good,
			want:     refusal{reasonWaitingForKubeconfig, `composed resource "cluster" has no kubeconfig under the key "attribute.kube_admin_config_raw"; check kubeconfigFrom.key`},
		},
		"GenericKeyOfAnotherThing": {
			reason:   "Under a generic key only a kubeconfig counts.",
			observed: clusterOf(bucket, map[string]string{"value": "a: mapping", "config": "text", "value.yaml": "{}"}),
			want:     refusal{reasonWaitingForKubeconfig, "no composed resource has published a kubeconfig under a well-known key"},
		},
		"ModernXRAsSource": {
			reason: "Modern XRs have no connection details.",
			xr:     namespacedXR,
			input:  "kubeconfigFrom: {type: CompositeResource}",
			want:   refusal{reasonWaitingForKubeconfig, "the XR has no connection details; only legacy (v1-style) XRs have them. Set kubeconfigFrom.type to ComposedResource or Secret"},
		},
		"NameFieldMissing": {
			reason:   "The XR may not have the field yet.",
			input:    "cluster: {nameFrom: {fieldPath: status.name}}",
			observed: good,
			want:     refusal{reasonWaitingForField, "waiting for the XR's field status.name, which is not set"},
		},
		"NameFieldNull": {
			reason:   "We should wait for a null field, because it has no value to use.",
			input:    "cluster: {nameFrom: {fieldPath: spec.parameters.nothing}}",
			observed: good,
			want:     refusal{reasonWaitingForField, "waiting for the XR's field spec.parameters.nothing, which is not set"},
		},
		"LabelFieldMissing": {
			reason:   "A label is required unless it is said to be optional.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.none, key: x}]}",
			observed: good,
			want:     refusal{reasonWaitingForField, "waiting for the XR's field spec.none, which is not set"},
		},
		"NameFieldNoString": {
			reason:   "We should refuse a map as a name, because Argo CD's names are text.",
			input:    "cluster: {nameFrom: {fieldPath: spec.parameters.nested}}",
			observed: good,
			want:     refusal{reasonInvalidField, "the XR's field spec.parameters.nested must be a string (used as the cluster's name)"},
		},
		"ServerFieldInvalid": {
			reason:   "A server from the XR is checked as one from the input is.",
			input:    "cluster: {serverFrom: {fieldPath: spec.parameters.http}}",
			observed: good,
			want:     refusal{reasonInvalidField, "the XR's field spec.parameters.http cannot be used as the cluster's server: it uses http, which would send credentials unencrypted; use https"},
		},
		"LabelValueInvalid": {
			reason:   "Kubernetes would refuse the Secret for good.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.label, key: x}]}",
			observed: good,
			want:     refusal{reasonInvalidField, `the XR's field spec.parameters.label cannot be used as "x": it must be a label value`},
		},
		"LabelMapWithoutKey": {
			reason:   "We should refuse a single value without a key, because we cannot know which label is meant.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.environment}]}",
			observed: good,
			want:     refusal{reasonInvalidField, "the XR's field spec.parameters.environment is not a map; set key to use it as one value"},
		},
		"LabelMapWithKey": {
			reason:   "We should refuse a map with a key, because a label has one value.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.addons, key: x}]}",
			observed: good,
			want:     refusal{reasonInvalidField, "the XR's field spec.parameters.addons is a map; remove key to copy its entries"},
		},
		"ReservedXRName": {
			reason:   "An XR of Argo CD's name for its own cluster would take its place.",
			xr:       strings.Replace(legacyXR, "name: prod-x7k2p", "name: in-cluster", 1),
			observed: good,
			want:     refusal{reasonInvalidField, "the XR's field metadata.name cannot be used as the cluster's name: it must not be in-cluster"},
		},
		"EnvironmentFieldMissing": {
			reason:   "There may be no environment yet.",
			input:    "cluster: {nameFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.name}}",
			observed: good,
			want:     refusal{reasonWaitingForField, "waiting for the environment's field cluster.name, which is not set"},
		},
		"RoleFieldInvalid": {
			reason:   "What ends up in a command line is checked wherever it comes from.",
			input:    "credentials: {type: AWS, aws: {clusterName: x, roleARNFrom: {fieldPath: spec.parameters.environment}}}",
			observed: good,
			want:     refusal{reasonInvalidField, "the XR's field spec.parameters.environment cannot be used as an IAM role: it must be a role like"},
		},
		"EKSClusterFieldMissing": {
			reason:   "The EKS cluster may have no name yet.",
			input:    "credentials: {type: AWS, aws: {clusterNameFrom: {fieldPath: status.name}}}",
			observed: good,
			want:     refusal{reasonWaitingForField, "waiting for the XR's field status.name, which is not set"},
		},
		"SeveralKubeconfigs": {
			reason: "We should not guess which cluster is meant, because Argo CD would deploy to the wrong one.",
			observed: map[string]observation{
				"b": {resource: aks, details: map[string]string{"kubeconfig": "canary-b"}},
				"a": {resource: aks, details: map[string]string{"attribute.kubeconfig": "canary-a"}},
			},
			want: refusal{reasonAmbiguousKubeconfig, "several composed resources have published a kubeconfig; set kubeconfigFrom.resourceName to one of a, b"},
		},
		"NoKubeconfigUnderKey": {
			reason:   "We should name the key that we looked for, because it may be mistyped.",
			input:    "kubeconfigFrom: {key: kubeconf}",
			observed: good,
			want:     refusal{reasonWaitingForKubeconfig, `no composed resource has published a kubeconfig under the key "kubeconf"; check kubeconfigFrom.key`},
		},
		"GenericKeysOfOtherThings": {
			reason: "We should skip what is not a kubeconfig under each generic key, because others use these keys too.",
			observed: clusterOf(bucket, map[string]string{
				"value": "{contexts: []}", "value.yaml": "{}", "config": "text", "kubeconfig.yaml": "a: mapping", "kubeconfig.json": `{"a": "mapping"}`,
				"kube_config_raw": "Y2FuYXJ5", "kube_config": "[]", "admin.conf": "[client]\nuser=canary-user", "admin.svc": "canary: [",
			}),
			want: refusal{reasonWaitingForKubeconfig, "no composed resource has published a kubeconfig under a well-known key"},
		},
		"LabelFieldEmpty": {
			reason:   "We should wait for a required label's value, because empty is what it has before.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.empty, key: x}]}",
			observed: good,
			want:     refusal{reasonWaitingForField, "waiting for the XR's field spec.parameters.empty, which is not set"},
		},
		"AnnotationFieldEmpty": {
			reason:   "We should wait for a required annotation's value, because empty is what it has before.",
			input:    "cluster: {annotationsFrom: [{fieldPath: spec.parameters.empty, key: x}]}",
			observed: good,
			want:     refusal{reasonWaitingForField, "waiting for the XR's field spec.parameters.empty, which is not set"},
		},
		"LabelMapMissing": {
			reason:   "We should wait for a required map, because its labels are what Applications are selected by.",
			input:    "cluster: {labelsFrom: [{fieldPath: status.metadata, keyPrefix: example.org/}]}",
			observed: good,
			want:     refusal{reasonWaitingForField, "waiting for the XR's field status.metadata, which is not set"},
		},
		"LabelListWithKey": {
			reason:   "We should refuse a list as a label, because a label has one value.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.list, key: x}]}",
			observed: good,
			want:     refusal{reasonInvalidField, "the XR's field spec.parameters.list must be a string, number or boolean"},
		},
		"ManagedByArgoCD": {
			reason:   "We should refuse a label by which Argo CD takes the Secret for its own, because it would prune it.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.manager, key: managed-by}]}",
			observed: good,
			want:     refusal{reasonInvalidField, `the XR's field spec.parameters.manager cannot be used as "managed-by": it is reserved`},
		},
		"AnnotationsTooLarge": {
			reason: "We should refuse more annotations than Kubernetes accepts, because the Secret would never be updated again.",
			input: `
cluster:
  annotations: {example.org/a: ` + strings.Repeat("a", 126<<10) + `}
  annotationsFrom: [{fieldPath: spec.parameters.large, key: example.org/b}]
`,
			xr:       strings.Replace(legacyXR, "    size: 3\n", "    large: "+strings.Repeat("b", 126<<10)+"\n", 1),
			observed: good,
			want:     refusal{reasonInvalidField, "the annotations in cluster.annotationsFrom have more than 252 KiB, which Kubernetes does not accept"},
		},
		"AnnotationTooLarge": {
			reason:   "We should refuse one annotation that is too large, because it alone is more than Kubernetes accepts.",
			input:    "cluster: {annotationsFrom: [{fieldPath: spec.parameters.large, key: example.org/b}]}",
			xr:       strings.Replace(legacyXR, "    size: 3\n", "    large: "+strings.Repeat("b", 256<<10)+"\n", 1),
			observed: good,
			want:     refusal{reasonInvalidField, `cannot be used as "example.org/b": it must have at most 252 KiB`},
		},
		"ServerFieldIsAWord": {
			reason:   "We should not take a single word for a host, because it may be anything.",
			input:    "cluster: {serverFrom: {fieldPath: spec.parameters.environment}}",
			observed: good,
			want:     refusal{reasonInvalidField, "the XR's field spec.parameters.environment cannot be used as the cluster's server: it is not a URL like https://host:port"},
		},
		"ServerFieldIsTheHub": {
			reason:   "We should refuse a bare host as we refuse a URL, because Argo CD would take it for its own cluster.",
			input:    "cluster: {serverFrom: {fieldPath: spec.parameters.hub}}",
			observed: good,
			want:     refusal{reasonInvalidField, "the XR's field spec.parameters.hub cannot be used as the cluster's server: it is an in-cluster address"},
		},
		"ServerFieldWithQuery": {
			reason:   "We should not quote a server from a field, because it may hold a token.",
			input:    "cluster: {serverFrom: {fieldPath: spec.parameters.query}}",
			observed: good,
			want:     refusal{reasonInvalidField, "the XR's field spec.parameters.query cannot be used as the cluster's server: it has a query or a fragment"},
		},
		"FieldPathWithNewline": {
			reason:   "We should write a message in one line, because a condition's has no more.",
			input:    `cluster: {projectFrom: {fieldPath: "spec[a\nb]"}}`,
			observed: good,
			want:     refusal{reasonWaitingForField, "waiting for the XR's field spec[a; b], which is not set"},
		},
		"AllFieldsMissing": {
			reason:   "We should name all that is missing at once, because whoever fills it in wants to know.",
			input:    "cluster: {nameFrom: {fieldPath: status.name}, serverFrom: {fieldPath: status.server}, projectFrom: {fieldPath: status.project}, labelsFrom: [{fieldPath: status.label, key: x}]}",
			observed: good,
			want: refusal{reasonWaitingForField, "waiting for the XR's field status.server, which is not set. waiting for the XR's field status.name, which is not set. " +
				"waiting for the XR's field status.project, which is not set. waiting for the XR's field status.label, which is not set"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { tc.check(t) })
	}
}

// TestSourceRemembered has another composed resource publish a kubeconfig. It never takes the
// place of the one that the cluster was registered from.
func TestSourceRemembered(t *testing.T) {
	other := observation{resource: aks, details: map[string]string{"kubeconfig": kubeconfigOf("https://other.example.org", "token: canary-other")}}
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), "")
	before := h.registered(t)
	h.resources["other"] = other
	if s := h.reconcile(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" || cmp.Diff(before, secretOf(t, s)) != "" {
		t.Errorf("with another kubeconfig: %s: %s", s.Condition, s.Message)
	}
	h.resources["cluster"] = observation{resource: aks}
	for range 3 {
		s := h.reconcile(t)
		if s.Condition != "ArgoCDClusterRegistered=TRUE/Retained" || !says(s.Message, `composed resource "cluster" has no connection details`) || !strings.Contains(s.Message, "kubeconfigFrom.resourceName") {
			t.Errorf("with only the other: %s: %s", s.Condition, s.Message)
		}
		if diff := cmp.Diff(before, secretOf(t, s)); diff != "" {
			t.Fatalf("The registration is another cluster's. -before, +after:\n%s", diff)
		}
	}
	// Nor does it where the annotation was taken away.
	delete(structAt(h.registrations["argocd-cluster"], "spec", "forProvider", "manifest", "metadata", "annotations").GetFields(), annotationSource)
	delete(h.registrations["argocd-cluster"].GetFields(), "status")
	h.edit("argocd/cluster-prod-x7k2p", func(s *structpb.Struct) { delete(structAt(s, "metadata", "annotations").GetFields(), annotationSource) })
	if s := h.reconcile(t); string(secretOf(t, s).Data["server"]) != "https://api.example.org" || !strings.Contains(s.Message, "another server than the registration's") {
		t.Errorf("without the annotation: %s: %s", s.Condition, s.Message)
	}
	h.input = "kubeconfigFrom: {resourceName: other}"
	if s := h.settle(t); string(secretOf(t, s).Data["server"]) != "https://other.example.org" || secretOf(t, s).Annotations[annotationSource] != "other" {
		t.Errorf("We should register another cluster if the author names it: %s: %s", s.Condition, s.Message)
	}
}
