package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"
)

// TestFields checks that a cluster is not registered while a field that the input names is
// missing or has a value that cannot be used, and that the condition names the field.
func TestFields(t *testing.T) {
	good := clusterOf(aks, connectionDetails(t, "conn-aks-local.yaml"))
	// all are the messages of many missing fields. One for drain may be missing.
	all := []string{"XR's field spec.f5", "XR's field spec.f6", "XR's field spec.f7", "XR's field spec.f1", "XR's field spec.f2", "XR's field spec.f3", "XR's field spec.f4", "XR's field spec.f8", "XR's field spec.f9", "XR's field spec.f10", "environment's field f11", "XR's field spec.f12", "XR's field spec.f13", "XR's field spec.f14"}
	for i, f := range all {
		all[i] = "Waiting for the " + f + ", which is not set"
	}

	cases := map[string]notRegistered{
		"NameFieldMissing": {
			reason:   "We should wait for a missing name, because a later reconcile may set the field.",
			input:    "cluster: {nameFrom: {fieldPath: status.name}}",
			observed: good,
			want:     refusal{reason: reasonWaitingForField, message: "waiting for the XR's field status.name, which is not set"},
		},
		"NameFieldNull": {
			reason:   "We should wait for a null field, because it has no value to use.",
			input:    "cluster: {nameFrom: {fieldPath: spec.parameters.nothing}}",
			observed: good,
			want:     refusal{reason: reasonWaitingForField, message: "waiting for the XR's field spec.parameters.nothing, which is not set"},
		},
		"LabelFieldMissing": {
			reason:   "We should wait for a missing label, because a label is required by default.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.none, key: x}]}",
			observed: good,
			want:     refusal{reason: reasonWaitingForField, message: "waiting for the XR's field spec.none, which is not set"},
		},
		"NameFieldNoString": {
			reason:   "We should refuse a map as a name, because Argo CD's names are text.",
			input:    "cluster: {nameFrom: {fieldPath: spec.parameters.nested}}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: "the XR's field spec.parameters.nested must be a string (used as the cluster's name)"},
		},
		"ServerFieldInvalid": {
			reason:   "We should check a server from the XR, because http would send credentials unencrypted.",
			input:    "cluster: {serverFrom: {fieldPath: spec.parameters.http}}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: "the XR's field spec.parameters.http cannot be used as the cluster's server: it uses http, which would send credentials unencrypted; use https"},
		},
		"LabelValueInvalid": {
			reason:   "We should refuse an invalid label value, because Kubernetes would refuse the whole Secret.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.label, key: x}]}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: `the XR's field spec.parameters.label cannot be used as "x": it must be a label value`},
		},
		"LabelMapWithoutKey": {
			reason:   "We should refuse a single value without a key, because we cannot know which label is meant.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.environment}]}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: "the XR's field spec.parameters.environment is not a map; set key to use it as one value"},
		},
		"LabelMapWithKey": {
			reason:   "We should refuse a map with a key, because a label has one value.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.addons, key: x}]}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: "the XR's field spec.parameters.addons is a map; remove key to copy its entries"},
		},
		"ReservedXRName": {
			reason:   "We should refuse an XR named in-cluster, because Argo CD calls its own cluster so.",
			xr:       strings.Replace(legacyXR, "name: prod-x7k2p", "name: in-cluster", 1),
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: "the XR's field metadata.name cannot be used as the cluster's name: it must not be in-cluster"},
		},
		"EnvironmentFieldMissing": {
			reason:   "We should wait for the environment, because an earlier step may not have filled it yet.",
			input:    "cluster: {nameFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.name}}",
			observed: good,
			want:     refusal{reason: reasonWaitingForField, message: "waiting for the environment's field cluster.name, which is not set"},
		},
		"RoleFieldInvalid": {
			reason:   "We should check a role from a field, because it ends up in a command line.",
			input:    "credentials: {type: AWS, aws: {clusterName: x, roleARNFrom: {fieldPath: spec.parameters.environment}}}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: "the XR's field spec.parameters.environment cannot be used as an IAM role: it must be a role like"},
		},
		"EKSClusterFieldMissing": {
			reason:   "We should wait for the EKS cluster's name, because its provider may not have set it yet.",
			input:    "credentials: {type: AWS, aws: {clusterNameFrom: {fieldPath: status.name}}}",
			observed: good,
			want:     refusal{reason: reasonWaitingForField, message: "waiting for the XR's field status.name, which is not set"},
		},
		"LabelFieldEmpty": {
			reason:   "We should wait for a required label's value, because empty is what it has before.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.empty, key: x}]}",
			observed: good,
			want:     refusal{reason: reasonWaitingForField, message: "waiting for the XR's field spec.parameters.empty, which is not set"},
		},
		"AnnotationFieldEmpty": {
			reason:   "We should wait for a required annotation's value, because empty is what it has before.",
			input:    "cluster: {annotationsFrom: [{fieldPath: spec.parameters.empty, key: x}]}",
			observed: good,
			want:     refusal{reason: reasonWaitingForField, message: "waiting for the XR's field spec.parameters.empty, which is not set"},
		},
		"LabelMapMissing": {
			reason:   "We should wait for a required map, because its labels are what Applications are selected by.",
			input:    "cluster: {labelsFrom: [{fieldPath: status.metadata, keyPrefix: example.org/}]}",
			observed: good,
			want:     refusal{reason: reasonWaitingForField, message: "waiting for the XR's field status.metadata, which is not set"},
		},
		"LabelListWithKey": {
			reason:   "We should refuse a list as a label, because a label has one value.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.list, key: x}]}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: "the XR's field spec.parameters.list must be a string, number or boolean"},
		},
		"ManagedByArgoCD": {
			reason:   "We should refuse a label by which Argo CD takes the Secret for its own, because it would prune it.",
			input:    "cluster: {labelsFrom: [{fieldPath: spec.parameters.manager, key: managed-by}]}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: `the XR's field spec.parameters.manager cannot be used as "managed-by": it is reserved`},
		},
		"ServerFieldIsLoopback": {
			reason:   "We should refuse a loopback address of the XR's user, because Argo CD would connect to itself.",
			xr:       strings.Replace(legacyXR, "https://api.prod.example.org/", "https://localhost", 1),
			input:    "cluster: {serverFrom: {fieldPath: spec.parameters.apiserver}}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: "the XR's field spec.parameters.apiserver cannot be used as the cluster's server: it is a loopback address"},
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
			want:     refusal{reason: reasonInvalidField, message: "the annotations in cluster.annotationsFrom have more than 252 KiB, which Kubernetes does not accept"},
		},
		"AnnotationTooLarge": {
			reason:   "We should refuse one annotation that is too large, because it alone is more than Kubernetes accepts.",
			input:    "cluster: {annotationsFrom: [{fieldPath: spec.parameters.large, key: example.org/b}]}",
			xr:       strings.Replace(legacyXR, "    size: 3\n", "    large: "+strings.Repeat("b", 256<<10)+"\n", 1),
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: `cannot be used as "example.org/b": it must have at most 252 KiB`},
		},
		"ServerFieldIsAWord": {
			reason:   "We should not take a single word for a host, because it may be anything.",
			input:    "cluster: {serverFrom: {fieldPath: spec.parameters.environment}}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: "the XR's field spec.parameters.environment cannot be used as the cluster's server: it is not a URL like https://host:port"},
		},
		"ServerFieldIsTheHub": {
			reason:   "We should refuse a bare host as we refuse a URL, because Argo CD would take it for its own cluster.",
			input:    "cluster: {serverFrom: {fieldPath: spec.parameters.hub}}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: "the XR's field spec.parameters.hub cannot be used as the cluster's server: it is an in-cluster address"},
		},
		"ServerFieldWithQuery": {
			reason:   "We should not quote a server from a field, because it may hold a token.",
			input:    "cluster: {serverFrom: {fieldPath: spec.parameters.query}}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: "the XR's field spec.parameters.query cannot be used as the cluster's server: it has a query or a fragment"},
		},
		"FieldPathWithNewline": {
			reason:   "We should write a message in one line, because a condition's has no more.",
			input:    `cluster: {projectFrom: {fieldPath: "spec[a\nb]"}}`,
			observed: good,
			want:     refusal{reason: reasonWaitingForField, message: "waiting for the XR's field spec[a; b], which is not set"},
		},
		"AllFieldsMissing": {
			reason: "We should name all missing fields at once, because they must all be set.",
			input: `
credentials: {type: AWS, aws: {clusterNameFrom: {fieldPath: spec.f1}, roleARNFrom: {fieldPath: spec.f2}, regionFrom: {fieldPath: spec.f3}}}
cluster:
  nameFrom: {fieldPath: spec.f4}
  serverFrom: {fieldPath: spec.f5}
  tlsServerNameFrom: {fieldPath: spec.f6}
  proxyURLFrom: {fieldPath: spec.f7}
  projectFrom: {fieldPath: spec.f8}
  namespacesFrom: {fieldPath: spec.f9}
  clusterResourcesFrom: {fieldPath: spec.f10}
  shardFrom: {type: FromEnvironmentFieldPath, fieldPath: f11}
  labelsFrom: [{fieldPath: spec.f12, key: a}, {fieldPath: spec.f13}]
  annotationsFrom: [{fieldPath: spec.f14, key: a}]
  drainFrom: {fieldPath: spec.drain}`,
			observed: good,
			want:     refusal{reason: reasonWaitingForField, whole: true, message: strings.Join(all, ". ")},
		},
	}
	for name, tc := range map[string]struct{ reason, value, input, message string }{
		"ShardNegative":        {"We should refuse a shard that is not a whole number from 0, because Argo CD has no such shard.", "-1", "shardFrom: {fieldPath: spec.parameters.x}", "must be a number that is not negative"},
		"ShardFraction":        {"We should refuse a shard that is not a whole number from 0, because Argo CD has no such shard.", "1.5", "shardFrom: {fieldPath: spec.parameters.x}", "must be a number that is not negative"},
		"ShardTooLarge":        {"We should refuse a large shard, because Argo CD cannot parse it.", "4294967296", "shardFrom: {fieldPath: spec.parameters.x}", "must be a number that is not negative"},
		"ShardBoolean":         {"We should refuse a boolean as a shard, because a shard is a number.", "true", "shardFrom: {fieldPath: spec.parameters.x}", "must be a number that is not negative"},
		"NamespacesText":       {"We should refuse text as a list, because we cannot know what separates its entries.", "web", "namespacesFrom: {fieldPath: spec.parameters.x}", "must be a list of namespaces"},
		"NamespacesOfNumbers":  {"We should refuse a number as a namespace, because a namespace has a name.", "[1]", "namespacesFrom: {fieldPath: spec.parameters.x}", `must be a list of namespaces: "" must be a DNS label`},
		"NamespacesWithCommas": {"We should refuse a comma, because Argo CD would read two namespaces.", "['a,kube-system']", "namespacesFrom: {fieldPath: spec.parameters.x}", `must be a list of namespaces: "a,kube-system" must be a DNS label`},
		"ClusterResources":     {"We should refuse text as a boolean, because we cannot know what is meant.", "'true'", "namespaces: [a], clusterResourcesFrom: {fieldPath: spec.parameters.x}", "must be true or false"},
		"Drain":                {"We should refuse text as a boolean, because we cannot know what is meant.", "'true'", "drainFrom: {fieldPath: spec.parameters.x}", "must be true or false"},
		"ProxyLoopback":        {"We should refuse a proxy on a loopback address, because Argo CD would connect to itself.", "http://127.0.0.1:3128", "proxyURLFrom: {fieldPath: spec.parameters.x}", "cannot be used as a proxy: it is a loopback address"},
		"ProxyWithPassword":    {"We should refuse a proxy with a password and not quote it, because everyone can read conditions.", "http://user:canary@proxy.example.org", "proxyURLFrom: {fieldPath: spec.parameters.x}", "cannot be used as a proxy: it holds credentials"},
		"TLSServerName":        {"We should refuse a TLS name with a space, because no certificate can have it.", "'a b'", "tlsServerNameFrom: {fieldPath: spec.parameters.x}", "cannot be used as the server's TLS name: it must be a DNS name or an IP address"},
	} {
		cases[name] = notRegistered{
			reason: tc.reason,
			xr:     legacyXR + "    x: " + tc.value + "\n", input: "cluster: {" + tc.input + "}",
			observed: good,
			want:     refusal{reason: reasonInvalidField, message: "the XR's field spec.parameters.x " + tc.message},
		}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { tc.check(t) })
	}
}

// TestGet checks that a value is at a path where crossplane-runtime finds it.
func TestGet(t *testing.T) {
	resource := mustStruct(t, `{a: {b: [{c: x}, [1, 2], null], "d.e/f": true, "": e, "0": zero, "*": star}, n: null, l: [], m: {}}`)
	paved := fieldpath.Pave(resource.AsMap())
	for _, path := range []string{
		"", "a", "a.b", "a.b[0]", "a.b[0].c", "a.b[0].c.d", "a.b[0][0]", "a.b[1][1]", "a.b[1][2]", "a.b[2]", "a.b[2].c", "a.b[3]", "a.b.c", "a.b[*].c",
		"a[d.e/f]", "a.d.e/f", "a[0]", "a.0", "a[*]", "a[b]", "a[b][0]", "n", "n.a", "l", "l[0]", "m", "m.a", "missing", "missing.a", "missing[0]", "a..b", "a[", "[0]", "a.b[18446744073709551615]",
	} {
		want, err := paved.GetValue(path)
		wantOK := err == nil && want != nil
		if !wantOK {
			want = nil
		}
		got, ok := get(resource, path)
		if diff := cmp.Diff(want, got); diff != "" || ok != wantOK {
			t.Errorf("%s: got %t, want %t: -want, +got:\n%s", path, ok, wantOK, diff)
		}
	}
	if v, ok := get(nil, "a"); ok || v != nil {
		t.Errorf("of nothing: %v", v)
	}
}
