package main

import (
	"strings"
	"testing"
)

// TestFieldsUnusable has fields of a value that cannot be, before there is a registration.
func TestFieldsUnusable(t *testing.T) {
	cases := map[string]struct{ reason, value, input, want string }{
		"ShardNegative":        {"We should refuse a shard that Argo CD cannot have.", "-1", "shardFrom: {fieldPath: spec.parameters.x}", "the XR's field spec.parameters.x must be a number that is not negative"},
		"ShardFraction":        {"We should refuse a shard that Argo CD cannot have.", "1.5", "shardFrom: {fieldPath: spec.parameters.x}", "the XR's field spec.parameters.x must be a number that is not negative"},
		"ShardTooLarge":        {"We should refuse a shard that Argo CD cannot parse.", "4294967296", "shardFrom: {fieldPath: spec.parameters.x}", "the XR's field spec.parameters.x must be a number that is not negative"},
		"ShardBoolean":         {"We should refuse what is not a number.", "true", "shardFrom: {fieldPath: spec.parameters.x}", "the XR's field spec.parameters.x must be a number that is not negative"},
		"NamespacesText":       {"We should refuse a text for a list, because we cannot know what separates its entries.", "web", "namespacesFrom: {fieldPath: spec.parameters.x}", "the XR's field spec.parameters.x must be a list of namespaces"},
		"NamespacesOfNumbers":  {"We should refuse what is not the name of a namespace.", "[1]", "namespacesFrom: {fieldPath: spec.parameters.x}", `the XR's field spec.parameters.x must be a list of namespaces: "" must be a DNS label`},
		"NamespacesWithCommas": {"We should refuse a comma, because Argo CD would read two namespaces.", "['a,kube-system']", "namespacesFrom: {fieldPath: spec.parameters.x}", `the XR's field spec.parameters.x must be a list of namespaces: "a,kube-system" must be a DNS label`},
		"ClusterResources":     {"We should refuse what is not a boolean.", "'true'", "namespaces: [a], clusterResourcesFrom: {fieldPath: spec.parameters.x}", "the XR's field spec.parameters.x must be true or false"},
		"Drain":                {"We should refuse what is not a boolean.", "'true'", "drainFrom: {fieldPath: spec.parameters.x}", "the XR's field spec.parameters.x must be true or false"},
		"ProxyLoopback":        {"We should refuse a proxy in Argo CD's own Pod.", "http://127.0.0.1:3128", "proxyURLFrom: {fieldPath: spec.parameters.x}", "the XR's field spec.parameters.x cannot be used as a proxy: it is a loopback address"},
		"ProxyWithPassword":    {"We should not repeat a password.", "http://user:canary@proxy.example.org", "proxyURLFrom: {fieldPath: spec.parameters.x}", "the XR's field spec.parameters.x cannot be used as a proxy: it holds credentials"},
		"TLSServerName":        {"We should refuse what cannot be in a certificate.", "'a b'", "tlsServerNameFrom: {fieldPath: spec.parameters.x}", "the XR's field spec.parameters.x cannot be used as the server's TLS name: it must be a DNS name or an IP address"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := plainHub(legacyXR+"    x: "+tc.value+"\n", tokenKubeconfig("canary-good"), "cluster: {"+tc.input+"}")
			s := h.reconcile(t)
			if verdict(s) != "FALSE/InvalidField" || s.Composed != nil || !strings.Contains(s.Message, capital(tc.want)) {
				t.Errorf("%s\n%s%s: %s", tc.reason, s.Fatal, s.Condition, s.Message)
			}
		})
	}
}

// TestFieldsMissing checks that every missing field is named at once.
func TestFieldsMissing(t *testing.T) {
	h := plainHub(legacyXR, tokenKubeconfig("canary-good"), `
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
  drainFrom: {fieldPath: spec.drain}`)
	s := h.reconcile(t)
	if verdict(s) != "FALSE/WaitingForField" {
		t.Errorf("We should wait, because the fields may come: %s%s", s.Fatal, s.Condition)
	}
	for _, f := range []string{"f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f12", "f13", "f14"} {
		if !strings.Contains(s.Message, "the XR's field spec."+f+", which is not set") {
			t.Errorf("We should name every missing field at once, because each would else cost a round: %s is not in %s", f, s.Message)
		}
	}
	if !strings.Contains(s.Message, "the environment's field f11, which is not set") || strings.Contains(s.Message, "drain") {
		t.Errorf("We should name the environment's field, and not one that may be missing: %s", s.Message)
	}
}
