package main

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFatal checks that the pipeline is stopped by what only a change of the Composition can fix,
// and that nothing is composed then.
func TestFatal(t *testing.T) {
	good := map[string]observation{"cluster": {resource: aks, details: connectionDetails(t, "conn-aks-local.yaml")}}

	cases := map[string]struct {
		reason   string
		xr       string
		input    string
		observed map[string]observation

		// header replaces the input's apiVersion and kind.
		header string

		// want are parts of the message. It never holds a canary.
		want []string
	}{
		"UnknownField": {
			reason:   "We should refuse an unknown field, because it may be a mistyped one.",
			input:    "cluster: {nome: x, labelsFrom: [{path: y}]}",
			observed: good,
			want:     []string{"unknown fields in the step's input", `unknown field "cluster.nome"`, `unknown field "cluster.labelsFrom[0].path"`},
		},
		"WrongType": {
			reason:   "We should refuse a value of another type, because we cannot know what is meant.",
			input:    "cluster: {shard: one}",
			observed: good,
			want:     []string{"cannot unmarshal string into Go struct field Cluster.cluster.shard of type int32"},
		},
		"AllErrorsAtOnce": {
			reason: "We should report all errors with their paths at once, because they must all be fixed.",
			input: `
kubeconfigFrom: {type: CompositeResource, resourceName: x}
credentials: {type: Magic}
cluster:
  name: in-cluster
  nameFrom: {fieldPath: spec.name}
  server: http://api.example.org
  project: Not A Name
  labels: {argocd.argoproj.io/secret-type: x, crossplane.io/composite: x, "a b": c, ok: "not ok"}
  labelsFrom:
  - {fieldPath: "spec[", key: a}
  - {fieldPath: "spec[*].x", key: a}
  - {key: b, keyPrefix: c}
  - {fieldPath: spec, policy: Sometimes, keyPrefix: argocd.argoproj.io/}
  annotations: {argocd.argoproj.io/refresh: "true", argocd.fn.crossplane.io/composite: x}
output:
  type: Secret
  namespace: Argo CD
  name: Not A Name
  object:
    providerConfigRef: {kind: Other, name: Not A Name}
    managementPolicies: [Observe, Dance]
`,
			observed: good,
			want: []string{
				"kubeconfigFrom.resourceName: Forbidden",
				`credentials.type: Unsupported value: "Magic": supported values: "Auto", "Kubeconfig", "Token", "AWS", "Azure", "GCP", "Exec"`,
				"cluster.name: Invalid value: \"in-cluster\"",
				"cluster.nameFrom: Forbidden: may not be set together with name",
				"cluster.server: Invalid value: uses http, which would send credentials unencrypted; use https",
				"cluster.project: Invalid value",
				"cluster.labels[argocd.argoproj.io/secret-type]: Invalid value: \"x\": is reserved",
				"cluster.labels[crossplane.io/composite]: Invalid value: \"x\": is reserved",
				"cluster.labels[a b]: Invalid value",
				"cluster.labels[ok]: Invalid value",
				"cluster.labelsFrom[0].fieldPath: Invalid value: \"spec[\"",
				"cluster.labelsFrom[1].fieldPath: Invalid value: \"spec[*].x\": must not hold a wildcard",
				"cluster.labelsFrom[1].key: Duplicate value: \"a\"",
				"cluster.labelsFrom[2].fieldPath: Required value",
				"cluster.labelsFrom[2].keyPrefix: Forbidden",
				"cluster.labelsFrom[3].policy: Unsupported value: \"Sometimes\"",
				"cluster.labelsFrom[3].keyPrefix: Invalid value: \"argocd.argoproj.io/\": is reserved",
				"cluster.annotations[argocd.argoproj.io/refresh]: Invalid value: \"true\": is reserved",
				"cluster.annotations[argocd.fn.crossplane.io/composite]: Invalid value: \"x\": is reserved",
				"output.namespace: Invalid value",
				"output.name: Invalid value",
				"output.object: Forbidden: may not be set with output.type Secret",
				"output.object.providerConfigRef.kind: Unsupported value: \"Other\"",
				"output.object.providerConfigRef.name: Invalid value",
				"output.object.managementPolicies[1]: Unsupported value: \"Dance\"",
				"output.object.managementPolicies: Invalid value: [\"Observe\",\"Dance\"]: must have Create or *",
				"output.object.managementPolicies: Invalid value: [\"Observe\",\"Dance\"]: must have Update or *",
			},
		},
		"OtherInput": {
			reason:   "We should refuse another function's input, because it was not meant for this one.",
			header:   "{apiVersion: x, kind: z}",
			input:    "metadata: {name: x}",
			observed: good,
			want:     []string{`apiVersion: Unsupported value: "x"`, `kind: Unsupported value: "z"`},
		},
		"CredentialsOfAnotherType": {
			reason: "We should refuse credentials of another type, because they would do nothing.",
			input: `
credentials:
  type: Auto
  aws: {region: nowhere, roleARN: "arn:x", roleARNFrom: {type: Other, fieldPath: "a["}, regionFrom: {}}
  azure: {tenantID: "a b", clientID: x, serverID: z, environment: AzureStackCloud, loginMethod: devicecode}
  exec: {command: "", apiVersion: v2, env: {"a=b": c}}
`,
			observed: good,
			want: []string{
				"credentials.aws: Forbidden: may only be set with type AWS",
				"credentials.aws.clusterName: Required value: or clusterNameFrom must be set",
				"credentials.aws.region: Invalid value: \"nowhere\"",
				"credentials.aws.roleARN: Invalid value: \"arn:x\"",
				"credentials.aws.roleARNFrom: Forbidden: may not be set together with roleARN",
				`credentials.aws.roleARNFrom.type: Unsupported value: "Other": supported values: "FromCompositeFieldPath", "FromEnvironmentFieldPath"`,
				"credentials.aws.roleARNFrom.fieldPath: Invalid value: \"a[\"",
				"credentials.aws.regionFrom.fieldPath: Required value: must be a field path, like spec.parameters.environment",
				"credentials.aws.regionFrom: Forbidden: may not be set together with region",
				"credentials.azure: Forbidden: may only be set with type Azure",
				"credentials.azure.tenantID: Invalid value",
				"credentials.azure.clientID: Invalid value",
				"credentials.azure.serverID: Invalid value",
				"credentials.azure.environment: Invalid value",
				"credentials.azure.loginMethod: Unsupported value: \"devicecode\"",
				"credentials.exec: Forbidden: may only be set with type Exec",
				"credentials.exec.command: Required value",
				"credentials.exec.apiVersion: Unsupported value",
				"credentials.exec.env[a=b]: Invalid value",
			},
		},
		"CredentialsMissing": {
			reason:   "We should say what a type needs, because without it Argo CD has no plugin to run.",
			input:    "credentials: {type: Exec}",
			observed: good,
			want:     []string{"credentials.exec: Required value: must be set with type Exec"},
		},
		"ServiceAccountNotYet": {
			reason:   "We should refuse a type that does not exist, because it would do nothing.",
			input:    "credentials: {type: ServiceAccount}",
			observed: good,
			want:     []string{`credentials.type: Unsupported value: "ServiceAccount"`},
		},
		"SecretRefOfAnotherSource": {
			reason:   "We should refuse a Secret for another type of source, because it would do nothing.",
			input:    "kubeconfigFrom: {secretRef: {name: x}}",
			observed: good,
			want:     []string{"kubeconfigFrom.secretRef: Forbidden: may only be set with type Secret"},
		},
		"SecretWithoutRef": {
			reason:   "We should require a Secret's name, because there are many Secrets.",
			input:    "kubeconfigFrom: {type: Secret}",
			observed: good,
			want:     []string{"kubeconfigFrom.secretRef: Required value: must be set with type Secret"},
		},
		"SecretRefIncomplete": {
			reason:   "We should require a namespace of a cluster-scoped XR, because it has none of its own to look in.",
			input:    "kubeconfigFrom: {type: Secret, secretRef: {}}",
			observed: good,
			want:     []string{"kubeconfigFrom.secretRef.name: Required value: or nameFrom must be set", "kubeconfigFrom.secretRef.namespace: Required value: must be set for cluster-scoped XRs"},
		},
		"ClusterSettings": {
			reason:   "We should refuse an invalid namespace and a negative shard, because Argo CD could not read the Secret.",
			input:    "cluster: {namespaces: [Web], clusterResources: true, shard: -1}",
			observed: good,
			want:     []string{"cluster.namespaces[0]: Invalid value", "cluster.shard: Invalid value: -1"},
		},
		"ClusterResourcesFromWithoutNamespaces": {
			reason:   "We should refuse it without namespaces, because Argo CD manages cluster-scoped resources then, whatever the field says.",
			input:    "cluster: {clusterResourcesFrom: {fieldPath: spec.all}}",
			observed: good,
			want:     []string{"cluster.clusterResourcesFrom: Forbidden: may only be set with namespaces"},
		},
		"LiteralsAndFields": {
			reason: "We should refuse a literal together with a field, because we cannot know which is meant.",
			input: `cluster: {tlsServerName: a, tlsServerNameFrom: {fieldPath: spec.a}, proxyURL: "http://user:canary@proxy", proxyURLFrom: {fieldPath: spec.a}, namespaces: [a], namespacesFrom: {fieldPath: spec.a},
  clusterResources: false, clusterResourcesFrom: {fieldPath: spec.a}, shard: 0, shardFrom: {fieldPath: spec.a}, drain: false, drainFrom: {fieldPath: spec.a}}
credentials: {type: Azure, azure: {tenantID: a, tenantIDFrom: {fieldPath: spec.a}, clientID: 22222222-3333-4444-5555-666666666666, clientIDFrom: {fieldPath: spec.a}}}`,
			observed: good,
			want: []string{
				"cluster.tlsServerNameFrom: Forbidden: may not be set together with tlsServerName",
				"cluster.proxyURL: Invalid value: holds credentials",
				"cluster.proxyURLFrom: Forbidden: may not be set together with proxyURL",
				"cluster.namespacesFrom: Forbidden: may not be set together with namespaces",
				"cluster.clusterResourcesFrom: Forbidden: may not be set together with clusterResources",
				"cluster.shardFrom: Forbidden: may not be set together with shard",
				"cluster.drainFrom: Forbidden: may not be set together with drain",
				"credentials.azure.tenantIDFrom: Forbidden: may not be set together with tenantID",
				"credentials.azure.clientIDFrom: Forbidden: may not be set together with clientID",
			},
		},
		"TokenMissing": {
			reason:   "We should say what a type needs, because without it there is no token.",
			input:    "credentials: {type: Token}",
			observed: good,
			want:     []string{"credentials.token: Required value: must be set with type Token"},
		},
		"TokenWithoutSource": {
			reason:   "We should require a source, because any composed resource may have a token.",
			input:    "credentials: {type: Token, token: {key: x}}",
			observed: good,
			want:     []string{"credentials.token.resourceName: Required value: or secretRef must be set"},
		},
		"TokenWithTwoSources": {
			reason:   "We should refuse two sources, because we cannot know which is meant.",
			input:    "credentials: {type: Token, token: {resourceName: token, secretRef: {nameFrom: {fieldPath: spec.x}, namespaceFrom: {fieldPath: spec.x}}}}",
			observed: good,
			want: []string{
				"credentials.token.secretRef: Forbidden: may not be set together with resourceName",
				`credentials.token.secretRef.namespaceFrom.fieldPath: Unsupported value: "spec.x"`,
			},
		},
		"TokenOfItself": {
			reason:   "We should refuse the registration itself as the token's source, because it publishes none.",
			input:    "credentials: {type: Token, token: {resourceName: argocd-cluster}}",
			observed: good,
			want:     []string{"credentials.token.resourceName: Invalid value: \"argocd-cluster\": must not be output.resourceName"},
		},
		"TokenOfAnotherType": {
			reason:   "We should refuse a token for another type, because it would do nothing.",
			input:    "credentials: {token: {secretRef: {name: x}}}",
			observed: good,
			want:     []string{"credentials.token: Forbidden: may only be set with type Token", "credentials.token.secretRef.namespace: Required value: must be set for cluster-scoped XRs"},
		},
		"NotATextInAMap": {
			reason: "We should name the key of what is not a text, because null would become an empty label, and a number a whole line of Go.",
			input: `
cluster: {labels: {tier: null, gold: true}, annotations: {size: 3}, namespaces: [null]}
credentials: {type: Exec, exec: {command: x, args: [1], env: {A: null}}}`,
			observed: good,
			want: []string{
				"cluster.labels[gold]: Invalid value: must be a string; put it in quotes", "cluster.labels[tier]: Invalid value: must be a string",
				"cluster.annotations[size]: Invalid value: must be a string", "cluster.namespaces[0]: Invalid value: must be a string",
				"credentials.exec.args[0]: Invalid value: must be a string", "credentials.exec.env[A]: Invalid value: must be a string",
			},
		},
		"OutputAuto": {
			reason:   "We should refuse a type that does not exist, because it would do nothing.",
			input:    "output: {type: Auto}",
			observed: good,
			want:     []string{`output.type: Unsupported value: "Auto": supported values: "Object", "Secret"`},
		},
		"ExecConfigList": {
			reason:   "We should refuse a plugin's config that is not an object, because Argo CD could not read the Secret.",
			input:    "credentials: {type: Exec, exec: {command: x, config: [canary]}}",
			observed: good,
			want:     []string{"credentials.exec.config: Invalid value: must be an object"},
		},
		"ClusterResourcesWithoutNamespaces": {
			reason:   "We should refuse clusterResources without namespaces, because Argo CD then manages all resources anyway.",
			input:    "cluster: {clusterResources: true}",
			observed: good,
			want:     []string{"cluster.clusterResources: Forbidden: may only be set with namespaces"},
		},
		"EmptyName": {
			reason:   "We should refuse an empty name, because it is not the default.",
			input:    `cluster: {name: ""}`,
			observed: good,
			want:     []string{`cluster.name: Invalid value: "": must not be empty`},
		},
		"ServerIsTheHub": {
			reason:   "We should refuse the hub's own address, because Argo CD ignores all credentials for it.",
			input:    "cluster: {server: https://kubernetes.default.svc}",
			observed: good,
			want:     []string{"cluster.server: Invalid value: is an in-cluster address, which Argo CD takes for the cluster it runs in"},
		},
		"RegistrationAsSource": {
			reason:   "We should refuse the registration as its own source, because it would never end.",
			input:    "kubeconfigFrom: {resourceName: argocd-cluster}",
			observed: good,
			want:     []string{"kubeconfigFrom.resourceName: Invalid value: \"argocd-cluster\": must not be output.resourceName"},
		},
		"SecretOutOfXRsNamespace": {
			reason:   "We should refuse a Secret out of a namespaced XR's namespace, because Crossplane cannot compose it there.",
			xr:       namespacedXR,
			input:    "output: {type: Secret}",
			observed: good,
			want:     []string{"output.type: Invalid value: \"Secret\"", "set output.type: Object"},
		},
		"ProviderConfigKindOfClusterScopedXR": {
			reason:   "We should refuse a kind for a cluster-scoped XR, because the API server would drop the field.",
			input:    "output: {object: {providerConfigRef: {kind: ProviderConfig}}}",
			observed: good,
			want:     []string{"output.object.providerConfigRef.kind: Forbidden: may only be set for namespaced XRs"},
		},
		"ReservedLabels": {
			reason: "We should refuse reserved labels by name, because the author expects them to be set.",
			input: `
cluster:
  labels: {app.kubernetes.io/instance: x, managed-by: argocd.argoproj.io, crossplane.io/claim-name: x, argocd.fn.crossplane.io/state: active, argocd.argoproj.io/skip-reconcile: "true"}
  labelsFrom:
  - {fieldPath: spec.a, key: app.kubernetes.io/instance}
  - {fieldPath: spec.a, key: kubectl.kubernetes.io/last-applied-configuration}
  - {fieldPath: spec.a, keyPrefix: crossplane.io/}
`,
			observed: good,
			want: []string{
				`cluster.labels[app.kubernetes.io/instance]: Invalid value: "x": is reserved`,
				`cluster.labels[managed-by]: Invalid value: "argocd.argoproj.io": is reserved`,
				`cluster.labels[crossplane.io/claim-name]: Invalid value: "x": is reserved`,
				`cluster.labels[argocd.fn.crossplane.io/state]: Invalid value: "active": is reserved`,
				`cluster.labels[argocd.argoproj.io/skip-reconcile]: Invalid value: "true": is reserved`,
				`cluster.labelsFrom[0].key: Invalid value: "app.kubernetes.io/instance": is reserved`,
				`cluster.labelsFrom[1].key: Invalid value: "kubectl.kubernetes.io/last-applied-configuration": is reserved`,
				`cluster.labelsFrom[2].keyPrefix: Invalid value: "crossplane.io/": is reserved`,
			},
		},
		"ReservedAnnotations": {
			reason: "We should refuse reserved annotations by name, because the author expects them to be set.",
			input: `
cluster:
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}", crossplane.io/external-name: x, argocd.argoproj.io/auto-label-cluster-info: "true"}
  annotationsFrom:
  - {fieldPath: spec.a, key: kubectl.kubernetes.io/last-applied-configuration}
  - {fieldPath: spec.a, key: crossplane.io/paused}
`,
			observed: good,
			want: []string{
				`cluster.annotations[kubectl.kubernetes.io/last-applied-configuration]: Invalid value: "{}": is reserved`,
				`cluster.annotations[crossplane.io/external-name]: Invalid value: "x": is reserved`,
				`cluster.annotations[argocd.argoproj.io/auto-label-cluster-info]: Invalid value: "true": is reserved`,
				`cluster.annotationsFrom[0].key: Invalid value: "kubectl.kubernetes.io/last-applied-configuration": is reserved`,
				`cluster.annotationsFrom[1].key: Invalid value: "crossplane.io/paused": is reserved`,
			},
		},
		"AnnotationsTooLarge": {
			reason:   "We should refuse more annotations than Kubernetes accepts, because there would never be a Secret.",
			input:    "cluster: {annotations: {a: " + strings.Repeat("x", 128<<10) + ", b: " + strings.Repeat("x", 128<<10) + "}}",
			observed: good,
			want:     []string{"cluster.annotations: Too long: may not be more than 258048 bytes"},
		},
		"ServerWithQuery": {
			reason:   "We should not quote a server with a query, because it may hold a token.",
			input:    "cluster: {server: 'https://api.example.org?token=canary'}",
			observed: good,
			want:     []string{"cluster.server: Invalid value: has a query or a fragment"},
		},
		"ServerWithPassword": {
			reason:   "We should not quote a server with a password, because everyone can read events.",
			input:    "cluster: {server: 'https://user:canary@api.example.org'}",
			observed: good,
			want:     []string{"cluster.server: Invalid value: holds credentials, which are not copied"},
		},
		"ServerWithPortZero": {
			reason:   "We should refuse port 0, because no server can listen on it.",
			input:    "cluster: {server: https://api.example.org:0}",
			observed: good,
			want:     []string{"cluster.server: Invalid value: has a port that is not between 1 and 65535"},
		},
		"ServerWithPortTooLarge": {
			reason:   "We should refuse port 99999, because ports end at 65535.",
			input:    `cluster: {server: "api.example.org:99999"}`,
			observed: good,
			want:     []string{"cluster.server: Invalid value: has a port that is not between 1 and 65535"},
		},
		"ServerIsTheHubsBareHost": {
			reason:   "We should refuse the hub's bare host as its URL, because Argo CD ignores all credentials for it.",
			input:    "cluster: {server: kubernetes.default.svc}",
			observed: good,
			want:     []string{"cluster.server: Invalid value: is an in-cluster address"},
		},
		"TLSServerNameWithControlCharacter": {
			reason:   "We should refuse a control character in a TLS server name, because no certificate has it.",
			input:    `cluster: {tlsServerName: "api.example.org\t"}`,
			observed: good,
			want:     []string{`cluster.tlsServerName: Invalid value: "api.example.org\t": must be a DNS name or an IP address`},
		},
		"ProxyWithPassword": {
			reason:   "We should not quote a proxy with a password, because everyone can read events.",
			input:    "cluster: {proxyURL: http://user:canary@proxy.example.org:3128}",
			observed: good,
			want:     []string{"cluster.proxyURL: Invalid value: holds credentials, which are not copied"},
		},
		"BlankCommand": {
			reason:   "We should refuse a blank command, because Argo CD would fail on it.",
			input:    "credentials: {type: Exec, exec: {command: ' '}}",
			observed: good,
			want:     []string{"credentials.exec.command: Required value: must be a credential plugin in Argo CD's image"},
		},
		"AWSRole": {
			reason:   "We should refuse a role of an account of eleven digits, because an account has twelve.",
			input:    "credentials: {type: AWS, aws: {clusterName: demo, roleARN: 'arn:aws:iam::12345678901:role/x'}}",
			observed: good,
			want:     []string{`credentials.aws.roleARN: Invalid value: "arn:aws:iam::12345678901:role/x": must be a role like arn:aws:iam::123456789012:role/name`},
		},
		"AWSProfile": {
			reason:   "We should refuse a profile with a space at its start, because we could not recognise it in the Secret.",
			input:    "credentials: {type: AWS, aws: {clusterName: demo, profile: ' demo'}}",
			observed: good,
			want:     []string{`credentials.aws.profile: Invalid value: " demo": must be a name of at most 128 characters`},
		},
		"NamespaceFromXRsField": {
			reason:   "We should refuse a namespace from a field that an XR's user writes, because it could name any Secret of the hub.",
			input:    "kubeconfigFrom: {type: Secret, secretRef: {name: x, namespaceFrom: {fieldPath: spec.parameters.environment}}}",
			observed: good,
			want:     []string{`kubeconfigFrom.secretRef.namespaceFrom.fieldPath: Unsupported value: "spec.parameters.environment": supported values: "metadata.namespace", "spec.claimRef.namespace"`},
		},
		"NamespaceFromXRsStatus": {
			reason:   "We should refuse a namespace from the status, because the XR's user may write that too.",
			input:    "kubeconfigFrom: {type: Secret, secretRef: {name: x, namespaceFrom: {fieldPath: status.namespace}}}",
			observed: good,
			want:     []string{`kubeconfigFrom.secretRef.namespaceFrom.fieldPath: Unsupported value: "status.namespace"`},
		},
		"ConditionTypeReady": {
			reason: "We should refuse Crossplane's own condition, because Crossplane overwrites it.",
			input:  "conditionType: Ready", observed: good,
			want: []string{`conditionType: Invalid value: "Ready": must not be one of Crossplane's own condition types`},
		},
		"ConditionTypeSynced": {
			reason: "We should refuse Crossplane's own condition, because Crossplane overwrites it.",
			input:  "conditionType: Synced", observed: good,
			want: []string{`conditionType: Invalid value: "Synced": must not be one of Crossplane's own condition types`},
		},
		"ConditionTypeHealthy": {
			reason: "We should refuse Crossplane's own condition, because Crossplane overwrites it.",
			input:  "conditionType: Healthy", observed: good,
			want: []string{`conditionType: Invalid value: "Healthy": must not be one of Crossplane's own condition types`},
		},
		"ConditionTypeResponsive": {
			reason: "We should refuse Crossplane's own condition, because Crossplane overwrites it.",
			input:  "conditionType: Responsive", observed: good,
			want: []string{`conditionType: Invalid value: "Responsive": must not be one of Crossplane's own condition types`},
		},
		"ConditionTypeInvalid": {
			reason: "We should refuse what cannot be a condition's type, because the API server refuses the XR's whole status.",
			input:  "conditionType: 'Registered with Argo CD'", observed: good,
			want: []string{`conditionType: Invalid value: "Registered with Argo CD": must be a condition type like ArgoCDClusterRegistered`},
		},
		"RemoteSecret": {
			reason:   "We should refuse to compose the Secret itself for an Argo CD elsewhere, because Crossplane composes it here.",
			input:    "output: {type: Secret, argoCD: Remote}",
			observed: good,
			want:     []string{"output.argoCD: Forbidden: may not be Remote with output.type Secret", "set output.type: Object"},
		},
		"ArgoCDElsewhere": {
			reason:   "We should refuse what is neither Local nor Remote, because we cannot know what is meant.",
			input:    "output: {argoCD: Elsewhere}",
			observed: good,
			want:     []string{`output.argoCD: Unsupported value: "Elsewhere": supported values: "Local", "Remote"`},
		},
		"StatusOfAnotherType": {
			reason:   "We should refuse a field that an earlier step gave another type, because one of the two would be lost.",
			input:    "statusFieldPath: status.earlier",
			observed: good,
			want:     []string{"statusFieldPath: cannot write to status.earlier: an earlier pipeline step set a conflicting value"},
		},
		"StatusOutOfStatus": {
			reason: "We should refuse a field of the spec, because Crossplane writes only a function's status.",
			input:  "statusFieldPath: spec.argocd", observed: good,
			want: []string{`statusFieldPath: Invalid value: "spec.argocd"`},
		},
		"StatusItself": {
			reason: "We should refuse all of the status, because other steps write to it.",
			input:  "statusFieldPath: status", observed: good,
			want: []string{`statusFieldPath: Invalid value: "status"`},
		},
		"StatusConditions": {
			reason: "We should refuse the status's conditions, because Crossplane writes them.",
			input:  "statusFieldPath: status.conditions", observed: good,
			want: []string{`statusFieldPath: Invalid value: "status.conditions"`},
		},
		"StatusPathBroken": {
			reason: "We should refuse what is not a field path, because we could not write to it.",
			input:  "statusFieldPath: 'status['", observed: good,
			want: []string{`statusFieldPath: Invalid value: "status["`},
		},
		"StatusPathEmpty": {
			reason: "We should refuse an empty field path, because it names no field.",
			input:  "statusFieldPath: ''", observed: good,
			want: []string{"statusFieldPath: Required value: must be a field path"},
		},
		"NameOfAnotherStepsResource": {
			reason:   "We should not replace another step's resource, because that step's author wants it.",
			input:    "output: {resourceName: earlier}",
			observed: good,
			want:     []string{`output.resourceName: another pipeline step already composes a resource named "earlier"; choose another output.resourceName`},
		},
		"NameOfAnObservedResource": {
			reason:   "We should not overwrite a resource that is something else, because it would be deleted.",
			input:    "output: {resourceName: cluster}",
			observed: good,
			want:     []string{`output.resourceName: composed resource "cluster" of kind KubernetesCluster is not a cluster registration; choose another output.resourceName`},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			xr := tc.xr
			if xr == "" {
				xr = legacyXR
			}
			req := newRequest(t, xr, tc.input, tc.observed)
			if tc.header != "" {
				maps.Copy(req.GetInput().GetFields(), mustStruct(t, tc.header).GetFields())
			}
			rsp := run(t, req)
			got := summarize(t, rsp, "argocd-cluster")
			if diff := cmp.Diff(summary{Fatal: got.Fatal}, got); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
			for _, w := range tc.want {
				if !strings.Contains(got.Fatal, w) {
					t.Errorf("%s\nwant %q in %q", tc.reason, w, got.Fatal)
				}
			}
			if strings.Contains(got.Fatal, "canary") {
				t.Errorf("%s\na canary is revealed in %q", tc.reason, got.Fatal)
			}
		})
	}
}
