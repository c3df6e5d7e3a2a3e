package main

import (
	"strings"
	"testing"
)

// TestRegistered runs what gives a registration, and compares all of it with golden
// files.
func TestRegistered(t *testing.T) {
	token := map[string]string{"kubeconfig": kubeconfigOf("https://api.example.org", "token: fake-token")}
	cluster, anybody := clusterOf(aks, token), clusterOf(bucket, token)

	cases := map[string]struct {
		reason   string
		xr       string
		input    string
		observed map[string]observation

		// details are the XR's own connection details, and resourceName is the composition
		// resource name of what is composed, by default argocd-cluster.
		details      map[string]string
		resourceName string
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
  nameFrom: {fieldPath: 'metadata.labels[crossplane.io/claim-name]'}
  serverFrom: {fieldPath: spec.parameters.apiserver}
  projectFrom: {fieldPath: spec.parameters.environment}
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
  aws: {clusterNameFrom: {fieldPath: spec.parameters.environment}, roleARNFrom: {type: FromEnvironmentFieldPath, fieldPath: aws.role}}
`,
			observed: map[string]observation{"cluster": {resource: bucket, details: kubeconfigDetails(t, "kc-eks-awscli-exec.yaml")}},
		},
		"AWSWithRegion": {
			reason:   "awsAuthConfig has no place for a region.",
			xr:       legacyXR,
			input:    "credentials: {type: AWS, aws: {clusterName: demo-eks, roleARN: 'arn:aws:iam::123456789012:role/argocd-demo', profile: demo, region: eu-west-1}}",
			observed: anybody,
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
			observed: clusterOf(aks, map[string]string{"kubeconfig": kubeconfigOf("https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443", "tokenFile: /canary")}),
		},
		"AzureByDefault": {
			reason:   "All of it has defaults.",
			xr:       legacyXR,
			input:    "credentials: {type: Azure}",
			observed: anybody,
		},
		"GCP": {
			reason:   "We should use Argo CD's own Google identity for a kubeconfig of no cloud, because the Composition's author says so.",
			xr:       legacyXR,
			input:    "credentials: {type: GCP}",
			observed: anybody,
		},
		"GCPWithServer": {
			reason: "We should use Argo CD's own Google identity for a kubeconfig of any cloud, because the input gives the server.",
			xr:     legacyXR,
			input: `
credentials: {type: GCP}
cluster: {server: https://api.example.org, proxyURL: http://proxy.example.org:3128, tlsServerName: api.internal.example.org}
`,
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
    config: {b: [1, 2.5], a: {deep: x}}
`,
			observed: cluster,
		},
		"TokenBesideHalfACertificate": {
			reason:   "We should take a good token beside half a certificate and say so, because it is all that is needed.",
			xr:       legacyXR,
			observed: clusterOf(aks, map[string]string{"kubeconfig": kubeconfigOf("https://api.example.org", "client-certificate-data: Y2FuYXJ5, token: fake-token")}),
		},
		"TokenNearItsEnd": {
			reason:   "We should say when a JWT expires, because nobody else does before it has.",
			xr:       legacyXR,
			observed: clusterOf(aks, map[string]string{"kubeconfig": kubeconfigOf("https://api.example.org", "token: "+jwt(testNow().AddDate(0, 0, 30)))}),
		},
		"TokenFarFromItsEnd": {
			reason:   "We should not say when a JWT expires that is good for longer than 30 days, because nothing needs doing.",
			xr:       legacyXR,
			observed: clusterOf(aks, map[string]string{"kubeconfig": kubeconfigOf("https://api.example.org", "token: "+jwt(testNow().AddDate(0, 0, 31)))}),
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
  nameFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.name}
  serverFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.endpoint}
  projectFrom: {type: FromEnvironmentFieldPath, fieldPath: project}
  labelsFrom:
  - {type: FromEnvironmentFieldPath, fieldPath: project, key: project}
  annotationsFrom:
  - {type: FromEnvironmentFieldPath, fieldPath: addons, keyPrefix: addons.example.org/}
  - {type: FromCompositeFieldPath, fieldPath: spec.parameters.environment, key: example.org/environment}
`,
			observed: cluster,
		},
		"ConnectionFromEnvironment": {
			reason: "We should believe the environment for how to reach the server, because only the Composition's author fills it.",
			xr:     strings.Replace(legacyXR, "    size: 3\n", "    client: 22222222-3333-4444-5555-666666666666\n", 1),
			input: `
cluster:
  serverFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.endpoint}
  tlsServerNameFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.name}
  proxyURLFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.endpoint}
credentials:
  type: Azure
  azure:
    tenantIDFrom: {type: FromEnvironmentFieldPath, fieldPath: project}
    clientIDFrom: {fieldPath: spec.parameters.client}
`,
			observed: cluster,
		},
		"NumbersAndLists": {
			reason:   "We should take a shard, namespaces and booleans from fields as the literals, because they differ from XR to XR.",
			xr:       strings.Replace(legacyXR, "    size: 3\n", "    size: 3\n    namespaces: [web, jobs]\n", 1),
			input:    "cluster: {shardFrom: {fieldPath: spec.parameters.size}, namespacesFrom: {fieldPath: spec.parameters.namespaces}, clusterResourcesFrom: {fieldPath: spec.parameters.gold}, drainFrom: {fieldPath: spec.parameters.gold}}",
			observed: cluster,
		},
		"ShardInText": {
			reason:   "We should take a number in text for a shard, because patches often make one.",
			xr:       strings.Replace(legacyXR, "    size: 3\n", "    size: \"3\"\n", 1),
			input:    "cluster: {shardFrom: {fieldPath: spec.parameters.size}}",
			observed: cluster,
		},
		"AllNamespaces": {
			reason:   "We should have Argo CD manage all namespaces and all cluster-scoped resources for an empty list, because that is what an empty list means.",
			xr:       strings.Replace(legacyXR, "    size: 3\n", "    namespaces: []\n", 1),
			input:    "cluster: {namespacesFrom: {fieldPath: spec.parameters.namespaces}, clusterResources: false}",
			observed: cluster,
		},
		"ProxyOfXR": {
			reason:   "We should take a proxy and a TLS name from the XR with the kubeconfig's own credentials, because the author says so.",
			xr:       strings.Replace(legacyXR, "    size: 3\n", "    proxy: HTTP://proxy.example.org:3128/\n    tls: api.example.org\n", 1),
			input:    "cluster: {proxyURLFrom: {fieldPath: spec.parameters.proxy}, tlsServerNameFrom: {fieldPath: spec.parameters.tls}}",
			observed: clusterOf(bucket, map[string]string{"kubeconfig": kubeconfigOf("https://192.0.2.1", "token: fake-token")}),
		},
		"AWSFromFields": {
			reason:   "We should take the region from a field like the rest, because clusters are in many regions.",
			xr:       strings.Replace(legacyXR, "    size: 3\n", "    region: eu-west-1\n", 1),
			input:    "credentials: {type: AWS, aws: {clusterNameFrom: {fieldPath: spec.parameters.environment}, roleARNFrom: {type: FromEnvironmentFieldPath, fieldPath: aws.role}, regionFrom: {fieldPath: spec.parameters.region}}}",
			observed: anybody,
		},
		"LiteralDrain": {
			reason:   "We should drain for a literal, because a Composition of its own may be for clusters that go.",
			xr:       legacyXR,
			input:    "cluster: {drain: true}",
			observed: cluster,
		},
		"AutoLabel": {
			reason:   "We should let the author ask for Argo CD's labels of the cluster's version, because only this label does.",
			xr:       legacyXR,
			input:    "cluster: {labels: {argocd.argoproj.io/auto-label-cluster-info: \"true\"}}",
			observed: cluster,
		},
		"MapsWithBadEntries": {
			reason: "We should leave out a map's bad entries and name them, because they must not hold up the registration. Reserved ones are left out silently.",
			xr: strings.Replace(legacyXR, "    size: 3\n", `    mixed:
      good: "yes"
      nested: {er: x}
      "not a key": x
      value: "not a value"
      line: "a\nb"
      argocd.argoproj.io/secret-type: repository
      argocd.argoproj.io/auto-label-cluster-info: "true"
      argocd.fn.crossplane.io/state: draining
      app.kubernetes.io/instance: platform
      managed-by: argocd.argoproj.io
      crossplane.io/composite: other
      crossplane.io/claim-name: other
    notes:
      good: "yes"
      line: "a\nb"
      deep: {er: x}
      "not a key": x
      bell: "a\ab"
      argocd.argoproj.io/skip-reconcile: "true"
      argocd.argoproj.io/refresh: hard
      argocd.fn.crossplane.io/composite: other
      kubectl.kubernetes.io/last-applied-configuration: "{}"
      crossplane.io/external-name: other
`, 1),
			input: `
cluster:
  labelsFrom: [{fieldPath: spec.parameters.mixed}]
  annotationsFrom: [{fieldPath: spec.parameters.notes}]
`,
			observed: cluster,
		},
		"ManagedBySomebody": {
			reason:   "We should take managed-by with another value than Argo CD's, because it has no meaning of its own then.",
			xr:       legacyXR,
			input:    "cluster: {labels: {managed-by: platform-team}}",
			observed: cluster,
		},
		"Precedence": {
			reason: "We should have an entry with a key win over a literal, and a map's entry over neither, because a map is whatever the XR's user writes.",
			xr:     strings.Replace(legacyXR, "    size: 3\n", "    map: {keyed: map, literal: map, both: map, map: map}\n", 1),
			input: `
cluster:
  labels: {literal: literal, both: literal}
  labelsFrom:
  - {fieldPath: spec.parameters.environment, key: keyed}
  - {fieldPath: spec.parameters.map}
  - {fieldPath: spec.parameters.environment, key: both}
  annotations: {literal: literal, both: literal}
  annotationsFrom:
  - {fieldPath: spec.parameters.environment, key: both}
  - {fieldPath: spec.parameters.environment, key: keyed}
  - {fieldPath: spec.parameters.map}
`,
			observed: cluster,
		},
		"OptionalEntryMissing": {
			reason:   "We should fall back to the literal, and not to a map's entry, where an optional field is missing.",
			xr:       strings.Replace(legacyXR, "    size: 3\n", "    map: {tier: map, other: map}\n", 1),
			input:    "cluster: {labels: {tier: literal}, labelsFrom: [{fieldPath: spec.none, key: tier, policy: Optional}, {fieldPath: spec.none, key: other, policy: Optional}, {fieldPath: spec.parameters.map}]}",
			observed: cluster,
		},
		"Numbers": {
			reason: "We should write numbers in digits, because 1e+06 is not what the XR says.",
			xr:     strings.Replace(legacyXR, "    size: 3\n", "    numbers: {million: 1000000, largest: 9007199254740991, fraction: 0.000001, zero: 0}\n", 1),
			input: `
cluster:
  labelsFrom:
  - {fieldPath: spec.parameters.big, key: big}
  - {fieldPath: spec.parameters.numbers}
`,
			observed: cluster,
		},
		"ForgedClaimLabels": {
			reason:   "We should take the claim from spec.claimRef, because the XR's user may write its labels.",
			xr:       strings.NewReplacer("claim-name: prod", "claim-name: forged", "claim-namespace: team-a", "claim-namespace: forged", "crossplane.io/composite: prod-x7k2p", "crossplane.io/composite: forged").Replace(legacyXR),
			observed: cluster,
		},
		"ForgedClaimLabelsWithoutClaim": {
			reason:   "We should not label a cluster with a claim that there is not, because the XR's user may write its labels.",
			xr:       strings.Replace(namespacedXR, "namespace: team-a}", "namespace: team-a, labels: {crossplane.io/claim-name: forged, crossplane.io/claim-namespace: forged}}", 1),
			observed: cluster,
		},
		"ResourceName": {
			reason:       "We should set a condition of its own for another resource name, because two steps would overwrite each other's.",
			xr:           legacyXR,
			input:        "output: {resourceName: second}",
			observed:     cluster,
			resourceName: "second",
		},
		"ConditionType": {
			reason:   "We should set the condition that the input names.",
			xr:       legacyXR,
			input:    "conditionType: RegisteredWithWest",
			observed: cluster,
		},
		"Remote": {
			reason:   "We should have the provider watch a Secret on another hub, because Crossplane cannot.",
			xr:       namespacedXR,
			input:    "output: {argoCD: Remote, object: {providerConfigRef: {name: west}}}",
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
			resourceName := tc.resourceName
			if resourceName == "" {
				resourceName = "argocd-cluster"
			}
			golden(t, tc.reason, summarize(t, run(t, req), resourceName))
		})
	}
}
