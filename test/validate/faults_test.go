package validate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	xrd = `
apiVersion: apiextensions.crossplane.io/v2
kind: CompositeResourceDefinition
metadata:
  name: clusters.example.org
spec:
  group: example.org
  names: {kind: Cluster, plural: clusters}
  versions:
  - name: v1
    served: true
    referenceable: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [region]
            properties:
              region: {type: string}
              nodes: {type: integer}
            x-kubernetes-validations:
            - rule: "!has(self.nodes) || self.nodes < 9"
              message: too many nodes
          status:
            type: object
            properties:
              server: {type: string}
`
	xr = `
apiVersion: example.org/v1
kind: Cluster
metadata: {name: prod, namespace: team-a}
spec: {region: eu}
`
	composition = `
apiVersion: apiextensions.crossplane.io/v1
kind: Composition
metadata: {name: clusters}
spec:
  compositeTypeRef: {apiVersion: example.org/v1, kind: Cluster}
  mode: Pipeline
  pipeline:
  - step: provision
    functionRef: {name: function-patch-and-transform}
    input:
      apiVersion: pt.fn.crossplane.io/v1beta1
      kind: Resources
      resources:
      - name: group
        base:
          apiVersion: azure.m.upbound.io/v1beta1
          kind: ResourceGroup
`
	rendered = `
apiVersion: example.org/v1
kind: Cluster
metadata: {name: prod, namespace: team-a}
spec:
  crossplane:
    resourceRefs:
    - {apiVersion: azure.m.upbound.io/v1beta1, kind: ResourceGroup, name: prod}
status: {server: https://example.org}
---
apiVersion: azure.m.upbound.io/v1beta1
kind: ResourceGroup
metadata:
  name: prod
  namespace: team-a
  annotations: {crossplane.io/composition-resource-name: group}
spec:
  forProvider: {location: westeurope}
`
)

// TestFaults checks that each kind of fault is found, and for its own reason.
func TestFaults(t *testing.T) {
	c, err := newCatalog()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason string
		files  map[string]string
		skip   []struct{ pattern, reason string }
		want   []string
	}{
		"Valid": {
			reason: "We should accept a whole example, because the other cases show faults of nothing else.",
			files:  map[string]string{"a/definition.yaml": xrd, "a/xr.yaml": xr, "a/composition.yaml": composition, "a/expected.yaml": rendered, "a/README.md": "# A", "a/empty.yaml": "# nothing\n"},
			skip:   unchecked[:1], // Markdown
		},
		"Typo": {
			reason: "We should find a field that a CRD does not have, because the API server drops it in silence.",
			files: map[string]string{"p.yaml": `
apiVersion: azure.m.upbound.io/v1beta1
kind: ResourceGroup
metadata: {name: a}
spec:
  forProvider: {location: westeurope, tag: {a: b}}
`},
			want: []string{`p.yaml: ResourceGroup a: unknownField: spec.forProvider.tag: Invalid value: "tag": unknown field: "tag"`},
		},
		"TypoInMetadata": {
			reason: "We should find a typo in the metadata of a custom resource, because its CRD has no schema for it.",
			files: map[string]string{"p.yaml": `
apiVersion: azure.m.upbound.io/v1beta1
kind: ResourceGroup
metadata: {name: a, lables: {a: b}}
spec:
  forProvider: {location: westeurope}
`},
			want: []string{`p.yaml: ResourceGroup a: metadata: error unmarshaling JSON: while decoding JSON: json: unknown field "lables"`},
		},
		"TypoInBuiltIn": {
			reason: "We should find a field that a kind of Kubernetes does not have, because it has no CRD.",
			files: map[string]string{"s.yaml": `
apiVersion: v1
kind: Secret
metadata: {name: a}
stringdata: {a: b}
`},
			want: []string{
				`s.yaml: Secret a: schema: unknown field "stringdata"`,
				`s.yaml: Secret a: unknownField: stringdata: Invalid value: "stringdata": unknown field: "stringdata"`,
			},
		},
		"TypoInMonitor": {
			reason: "We should find a typo where there are only types, because Prometheus Operator's CRDs are in no module.",
			files: map[string]string{"m.yaml": `
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata: {name: a}
spec:
  selector: {}
  podMetricEndpoints: []
`},
			want: []string{`m.yaml: PodMonitor a: error unmarshaling JSON: while decoding JSON: json: unknown field "podMetricEndpoints"`},
		},
		"TypoInInput": {
			reason: "We should find a typo in a function's input, because a Composition's own schema takes any.",
			files: map[string]string{"a/definition.yaml": xrd, "a/composition.yaml": `
apiVersion: apiextensions.crossplane.io/v1
kind: Composition
metadata: {name: clusters}
spec:
  compositeTypeRef: {apiVersion: example.org/v1, kind: Cluster}
  mode: Pipeline
  pipeline:
  - step: register
    functionRef: {name: function-argocd-cluster}
    input:
      apiVersion: argocd.fn.crossplane.io/v1beta1
      kind: ClusterRegistration
      cluster: {nam: prod}
`},
			want: []string{`a/composition.yaml: Composition clusters: input of register: ClusterRegistration: unknownField: cluster.nam: Invalid value: "nam": unknown field: "nam"`},
		},
		"TypoInBase": {
			reason: "We should find a typo in a template, and not what patches give it, because it is only rendered without the field.",
			files: map[string]string{"a/definition.yaml": xrd, "a/xr.yaml": xr, "a/composition.yaml": composition + `          spec: {forProvider: {locaton: eu}}
`, "a/expected.yaml": rendered},
			want: []string{`a/composition.yaml: Composition clusters: base of group: ResourceGroup: unknownField: spec.forProvider.locaton: Invalid value: "locaton": unknown field: "locaton"`},
		},
		"TypoInPatch": {
			reason: "We should find field paths that do not exist, because a patch and this function take them for fields that are not set.",
			files: map[string]string{"a/definition.yaml": xrd, "a/xr.yaml": xr, "a/expected.yaml": rendered, "a/composition.yaml": composition + `        patches:
        - {type: FromCompositeFieldPath, fromFieldPath: spec.region, toFieldPath: spec.forProvider.location}
        - {type: FromCompositeFieldPath, fromFieldPath: metadata.name, toFieldPath: "spec.forProvider.tags[a.b/c]"}
        - {type: FromCompositeFieldPath, fromFieldPath: spec.regoin, toFieldPath: spec.forProvider.locaton}
        - {type: ToCompositeFieldPath, fromFieldPath: "status.conditions[0].state", toFieldPath: status.server}
  - step: register
    functionRef: {name: function-argocd-cluster}
    input:
      apiVersion: argocd.fn.crossplane.io/v1beta1
      kind: ClusterRegistration
      cluster:
        drainFrom: {fieldPath: spec.drain}
        shardFrom: {type: FromEnvironmentFieldPath, fieldPath: shard}
`},
			want: []string{
				`a/composition.yaml: Composition clusters: fieldPath: Cluster: unknownField: spec.drain: Invalid value: "drain": unknown field: "drain"`,
				`a/composition.yaml: Composition clusters: patch of group: Cluster: unknownField: spec.regoin: Invalid value: "regoin": unknown field: "regoin"`,
				`a/composition.yaml: Composition clusters: patch of group: ResourceGroup: unknownField: spec.forProvider.locaton: Invalid value: "locaton": unknown field: "locaton"`,
				`a/composition.yaml: Composition clusters: patch of group: ResourceGroup: unknownField: status.conditions[0].state: Invalid value: "state": unknown field: "state"`,
			},
		},
		"TypoInManifest": {
			reason: "We should find a typo in the manifest of an Object, because the Object takes any.",
			files: map[string]string{"o.yaml": `
apiVersion: kubernetes.m.crossplane.io/v1alpha1
kind: Object
metadata: {name: a}
spec:
  forProvider:
    manifest:
      apiVersion: v1
      kind: ServiceAccount
      metadata: {name: b}
      automountServiceAccountTokens: false
`},
			want: []string{
				`o.yaml: Object a: ServiceAccount b: schema: unknown field "automountServiceAccountTokens"`,
				`o.yaml: Object a: ServiceAccount b: unknownField: automountServiceAccountTokens: Invalid value: "automountServiceAccountTokens": unknown field: "automountServiceAccountTokens"`,
			},
		},
		"TypoInXRD": {
			reason: "We should find a typo in the schema of an XRD, because Crossplane would not enforce what it means.",
			files: map[string]string{"a/definition.yaml": xrd + `              anything: {typ: string}
`},
			want: []string{`a/definition.yaml: CompositeResourceDefinition as CustomResourceDefinition clusters.example.org: schema: unknown field "spec.versions[0].schema.openAPIV3Schema.properties.status.properties.anything.typ"`},
		},
		"TwiceTheKey": {
			reason: "We should find a key that is given twice, because the first one is lost in silence.",
			files:  map[string]string{"s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nmetadata: {name: b}\n"},
			want:   []string{`s.yaml: yaml: unmarshal errors:` + "\n" + `  line 4: key "metadata" already set in map`},
		},
		"Type": {
			reason: "We should find a value of the wrong type, because the API server refuses it.",
			files: map[string]string{"a.yaml": `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: a}
spec:
  project: default
  destination: {name: prod, namespace: 3}
  source: {repoURL: https://example.org/a, path: a}
`},
			want: []string{`a.yaml: Application a: schema: spec.destination.namespace: Invalid value: "number": spec.destination.namespace in body must be of type string: "number"`},
		},
		"TypeInBuiltIn": {
			reason: "We should find a value that Kubernetes cannot parse, and one of the wrong type, because one way to validate does not find both.",
			files: map[string]string{"q.yaml": `
apiVersion: v1
kind: ResourceQuota
metadata: {name: a}
spec:
  hard: {pods: many}
  scopes: NotTerminating
`},
			want: []string{
				`q.yaml: ResourceQuota a: schema: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
				`q.yaml: ResourceQuota a: schema: spec.scopes: Invalid value: "string": spec.scopes in body must be of type array: "string"`,
			},
		},
		"Missing": {
			reason: "We should find that a required field is missing, in custom resources and in kinds of Kubernetes.",
			files: map[string]string{
				"a.yaml": `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: a}
spec:
  destination: {name: prod}
  source: {repoURL: https://example.org/a, path: a}
`, "b.yaml": `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "system:b"}
`,
			},
			want: []string{
				`a.yaml: Application a: schema: spec.project: Required value`,
				`b.yaml: ClusterRoleBinding system:b: schema: roleRef: Required value`,
			},
		},
		"Rule": {
			reason: "We should evaluate the CEL rules of an XRD, and know its fields, because only Crossplane makes a CRD of it.",
			files: map[string]string{"a/definition.yaml": xrd, "b/xr.yaml": `
apiVersion: example.org/v1
kind: Cluster
metadata: {name: prod, namespace: team-a}
spec: {region: eu, nodes: 9}
`},
			want: []string{`b/xr.yaml: Cluster prod: cel: spec: Invalid value: too many nodes`},
		},
		"Rendered": {
			reason: "We should validate what is rendered, together with its XR, because patches write fields that no template has.",
			files: map[string]string{"a/definition.yaml": xrd, "a/xr.yaml": xr, "a/expected.yaml": `
apiVersion: example.org/v1
kind: Cluster
metadata: {name: prod, namespace: team-a}
status: {host: https://example.org}
`},
			want: []string{`a/expected.yaml: Cluster prod: unknownField: status.host: Invalid value: "host": unknown field: "host"`},
		},
		"NotRendered": {
			reason: "We should find a template that no rendering has, because nothing shows which of its fields are missing.",
			files:  map[string]string{"a/definition.yaml": xrd, "a/composition.yaml": composition},
			want:   []string{`a/composition.yaml: Composition clusters: no expected.yaml has its resource group: nothing shows that patches complete it`},
		},
		"Kind": {
			reason: "We should find a kind that nothing defines, because nobody validates it.",
			files:  map[string]string{"a.yaml": "apiVersion: example.org/v1\nkind: Cluster\nmetadata: {name: a}\n"},
			want:   []string{`a.yaml: Cluster a: unknown kind: neither a module, an example nor Kubernetes defines it`},
		},
		"Version": {
			reason: "We should find a version that a CRD does not serve, because the API server does not know it.",
			files:  map[string]string{"a.yaml": "apiVersion: argoproj.io/v1\nkind: Application\nmetadata: {name: a}\n"},
			want:   []string{`a.yaml: Application a: unknown version: application-crd.yaml has v1alpha1`},
		},
		"Package": {
			reason: "We should find a package of another version, because its schemas are others.",
			files: map[string]string{"p.yaml": `
apiVersion: pkg.crossplane.io/v1
kind: Provider
metadata: {name: provider-azure-network}
spec: {package: "xpkg.upbound.io/upbound/provider-azure-network:v1.0.0"}
`},
			want: []string{`p.yaml: Provider provider-azure-network: spec.package: it is v1.0.0, and what it defines is validated as of ` + c.versions["provider-azure"]},
		},
		"TwoDefinitions": {
			reason: "We should refuse a kind that two examples define, because we cannot know which one is meant.",
			files:  map[string]string{"a/definition.yaml": xrd, "b/definition.yaml": xrd, "b/xr.yaml": xr, "c/xr.yaml": xr},
			want:   []string{`c/xr.yaml: Cluster prod: ambiguous kind: defined by a/definition.yaml and b/definition.yaml`},
		},
		"Claim": {
			reason: "We should know a claim's kind and an XR's of the same name apart, because two examples may define them.",
			files: map[string]string{
				"a/definition.yaml": xrd,
				"b/definition.yaml": strings.NewReplacer("crossplane.io/v2", "crossplane.io/v1", "name: clusters", "name: xclusters",
					"names: {kind: Cluster, plural: clusters}", "claimNames: {kind: Cluster, plural: clusters}\n  names: {kind: XCluster, plural: xclusters}").Replace(xrd),
				"b/claim.yaml": strings.Replace(xr, "region: eu", "region: eu, compositionRef: {name: a}", 1),
				"c/xr.yaml":    strings.Replace(xr, "region: eu", "region: eu, compositionRef: {name: a}", 1),
			},
			want: []string{`c/xr.yaml: Cluster prod: unknownField: spec.compositionRef: Invalid value: "compositionRef": unknown field: "compositionRef"`},
		},
		"Scope": {
			reason: "We should find a namespace on what has none, because the API server refuses it.",
			files:  map[string]string{"n.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}\n"},
			want:   []string{`n.yaml: Namespace a: metadata.namespace: the kind is cluster-scoped`},
		},
		"Label": {
			reason: "We should find what cannot be a label, because the API server refuses it.",
			files:  map[string]string{"n.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {a: b/c}}\n"},
			want:   []string{`n.yaml: Namespace a: metadata.labels: Invalid value: "b/c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`},
		},
		"Unlisted": {
			reason: "We should find a file that nothing validates, and an entry for none, because both hide that a file is not tested.",
			files:  map[string]string{"a/setup.sh": "#!/bin/sh\n", "a/values.yaml": "replicas: 2\n"},
			skip:   []struct{ pattern, reason string }{{"*.md", "pages"}, {"b/values.yaml", "values"}},
			want: []string{
				`a/setup.sh: unlisted file: it is not YAML, and unchecked does not say why nothing validates it`,
				`a/values.yaml: unlisted file: a document in it has no apiVersion or no kind, and unchecked does not say why`,
				`unchecked: there is no file *.md`,
				`unchecked: there is no file b/values.yaml`,
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, content := range tc.files {
				path := filepath.Join(root, filepath.FromSlash(file))
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := c.validate(root, tc.skip, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nfaults: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
