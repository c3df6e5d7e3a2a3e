package main

import (
	"strings"
	"testing"
)

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
