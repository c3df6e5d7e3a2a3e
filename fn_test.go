package main

import (
	"strings"
	"testing"
)

// TestRegistered checks all that is composed and said for clusters that can be registered, by golden
// files.
func TestRegistered(t *testing.T) {
	token := map[string]string{"kubeconfig": kubeconfigOf("https://api.example.org", "token: fake-token")}
	cluster, other := clusterOf(aks, token), clusterOf(bucket, token)

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
			reason:   "We should compose a cluster-scoped Object for a cluster-scoped XR, with the XR's and the claim's names as labels, because Crossplane sets the same labels.",
			xr:       legacyXR,
			observed: cluster,
		},
		"NamespacedXR": {
			reason:   "We should compose a namespaced Object for a namespaced XR, and put its namespace into the cluster's name, because another namespace may have an XR of the same name.",
			xr:       namespacedXR,
			observed: cluster,
		},
		"SecretOfClusterScopedXR": {
			reason:   "We should compose the Secret itself for a cluster-scoped XR, because the input asks for it.",
			xr:       legacyXR,
			input:    "output: {type: Secret}",
			observed: cluster,
		},
		"SecretInXRsNamespace": {
			reason:   "We should compose the Secret itself in a namespaced XR's own namespace, because the input asks for it.",
			xr:       namespacedXR,
			input:    "output: {type: Secret, namespace: team-a}",
			observed: cluster,
		},
		"CompositeResource": {
			reason:  "We should read a legacy XR's own connection details, because the input names them as the source.",
			xr:      legacyXR,
			input:   "kubeconfigFrom: {type: CompositeResource, key: my-kubeconfig}",
			details: map[string]string{"my-kubeconfig": token["kubeconfig"]},
		},
		"NamedResource": {
			reason: "We should use the named resource, key and context, because the input chooses among several.",
			xr:     legacyXR,
			input:  "kubeconfigFrom: {resourceName: other, key: value, context: demo-fqdn}",
			observed: map[string]observation{
				"cluster": {resource: aks, details: token},
				"other":   {resource: bucket, details: map[string]string{"kubeconfig": "canary", "value": sample(t, "kc-rancher-ace.yaml")}},
			},
		},
		"EverythingLiteral": {
			reason: "We should use every literal of the input, because the author gives them.",
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
			reason: "We should use strings, numbers, booleans and whole maps of the XR, because the input names their fields. An optional field may be missing.",
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
			reason: "We should read only the cluster of the kubeconfig and not its user, because the input chooses the credentials.",
			xr:     legacyXR,
			input: `
credentials:
  type: AWS
  aws: {clusterNameFrom: {fieldPath: spec.parameters.environment}, roleARNFrom: {type: FromEnvironmentFieldPath, fieldPath: aws.role}}
`,
			observed: map[string]observation{"cluster": {resource: bucket, details: kubeconfigDetails(t, "kc-eks-awscli-exec.yaml")}},
		},
		"AWSWithRegion": {
			reason:   "We should run Argo CD's AWS plugin, because awsAuthConfig has no field for a region.",
			xr:       legacyXR,
			input:    "credentials: {type: AWS, aws: {clusterName: demo-eks, roleARN: 'arn:aws:iam::123456789012:role/argocd-demo', profile: demo, region: eu-west-1}}",
			observed: other,
		},
		"Azure": {
			reason: "We should set every Azure variable that the input gives, because Argo CD's plugin reads them.",
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
			reason:   "We should set no Azure variable by default, because Argo CD's plugin has defaults.",
			xr:       legacyXR,
			input:    "credentials: {type: Azure}",
			observed: other,
		},
		"GCP": {
			reason:   "We should use Argo CD's own Google identity for a kubeconfig of no cloud, because the Composition's author says so.",
			xr:       legacyXR,
			input:    "credentials: {type: GCP}",
			observed: other,
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
			reason: "We should run the author's plugin, because the input names it.",
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
		"TokenAndHalfACertificate": {
			reason:   "We should use a good token and report the half certificate, because the token is enough.",
			xr:       legacyXR,
			observed: clusterOf(aks, map[string]string{"kubeconfig": kubeconfigOf("https://api.example.org", "client-certificate-data: Y2FuYXJ5, token: fake-token")}),
		},
		"TokenNearItsEnd": {
			reason:   "We should say when a JWT expires, because Argo CD only fails once it has.",
			xr:       legacyXR,
			observed: clusterOf(aks, map[string]string{"kubeconfig": kubeconfigOf("https://api.example.org", "token: "+jwt(testNow().AddDate(0, 0, 30)))}),
		},
		"TokenFarFromItsEnd": {
			reason:   "We should not say when a JWT expires that is good for longer than 30 days, because nothing needs doing.",
			xr:       legacyXR,
			observed: clusterOf(aks, map[string]string{"kubeconfig": kubeconfigOf("https://api.example.org", "token: "+jwt(testNow().AddDate(0, 0, 31)))}),
		},
		"AllowInsecure": {
			reason:   "We should leave out the CA of an insecure kubeconfig, because Argo CD fails on both.",
			xr:       legacyXR,
			input:    "credentials: {allowInsecure: true}",
			observed: map[string]observation{"cluster": {resource: bucket, details: kubeconfigDetails(t, "edge-insecure-with-ca.yaml")}},
		},
		"NamespacesAndShard": {
			reason:   "We should set the namespaces and the shard, because Argo CD reads them from the Secret.",
			xr:       legacyXR,
			input:    "cluster: {namespaces: [web, jobs], clusterResources: true, shard: 0}",
			observed: cluster,
		},
		"FromEnvironment": {
			reason: "We should read fields of the pipeline's environment, because earlier steps write there.",
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
			observed: other,
		},
		"LiteralDrain": {
			reason:   "We should drain for a literal, because a Composition of its own may be for clusters that go.",
			xr:       legacyXR,
			input:    "cluster: {drain: true}",
			observed: cluster,
		},
		"AutoLabel": {
			reason:   "We should let the author set this one label of Argo CD's, because it asks Argo CD to label the cluster with its version.",
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
			reason: "We should prefer an entry with a key to a literal, and both to a map's entry, because the XR's user may write anything into a map.",
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
			reason:   "We should use the literal and not a map's entry where an optional field is missing, because the author chose the literal.",
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
			reason:   "We should not label a cluster with a claim that does not exist, because the XR's user may write its labels.",
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
			reason:   "We should set the condition that the input names, because others may read it.",
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
			reason:   "We should replace a loopback server, because the input gives one that Argo CD can reach.",
			xr:       legacyXR,
			input:    "cluster: {server: https://192.0.2.1:6443}",
			observed: map[string]observation{"cluster": {resource: bucket, details: map[string]string{"kubeconfig": kubeconfigOf("https://localhost:6443", "token: fake-token")}}},
		},
		"ClusterSettings": {
			reason: "We should copy the proxy, the TLS name and the compression of the kubeconfig's cluster, because Argo CD supports them.",
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
