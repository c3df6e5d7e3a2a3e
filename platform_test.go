package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
)

// A definition has the fields of an XRD that the tests look at.
type definition struct {
	Spec struct {
		Scope                  string
		Names                  struct{ Kind, Plural string }
		ClaimNames             struct{ Plural string }
		EnforcedCompositionRef struct{ Name string }
		Versions               []struct {
			AdditionalPrinterColumns []printerColumn
			Schema                   struct{ OpenAPIV3Schema xrdSchema }
		}
	}
}

type printerColumn struct{ Name, Type, JSONPath string }

type xrdSchema struct {
	Type        string
	Description string
	Properties  map[string]xrdSchema
	Validations []struct{ Rule string } `json:"x-kubernetes-validations"` //nolint:tagliatelle // Kubernetes names it so.
}

// paths adds the path of every field of a schema.
func (s xrdSchema) paths(path string, out map[string]bool) {
	for name, p := range s.Properties {
		out[path+name] = true
		p.paths(path+name+".", out)
	}
}

func definitionOf(t *testing.T, dir string) definition {
	t.Helper()
	d := definition{}
	if err := yaml.Unmarshal([]byte(read(t, "example", dir, "definition.yaml")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// definitions returns the XRDs of all examples, by folder.
func definitions(t *testing.T) map[string]definition {
	t.Helper()
	out := map[string]definition{}
	for _, pattern := range []string{"*", filepath.Join("*", "*")} {
		files, err := filepath.Glob(filepath.Join("example", pattern, "definition.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, len(files), err)
		}
		for _, f := range files {
			dir, err := filepath.Rel("example", filepath.Dir(f))
			if err != nil {
				t.Fatal(err)
			}
			out[dir] = definitionOf(t, dir)
		}
	}
	return out
}

// TestPrinterColumns checks that kubectl get shows which clusters Argo CD has, for every API of the
// platform. The API server reads columns in the same way.
func TestPrinterColumns(t *testing.T) {
	type row struct{ Registered, Reason, Server string }
	const (
		aksServer = "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io:443"
		eksServer = "https://0123456789ABCDEF0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com"
	)

	cases := map[string]struct {
		reason string
		dir    string // of the definition
		want   row
	}{
		"aks": {
			reason: "We should see that a cluster is not registered yet, and why, because its workloads wait for it.",
			dir:    "aks",
			want:   row{Registered: "False", Reason: "Registering", Server: aksServer},
		},
		"eks": {
			reason: "We should see the server of EKS, because the XR names no endpoint itself.",
			dir:    "eks",
			want:   row{Registered: "False", Reason: "Registering", Server: eksServer},
		},
		"gke": {
			reason: "We should see the server of GKE, because the XR names no endpoint itself.",
			dir:    "gke",
			want:   row{Registered: "False", Reason: "Registering", Server: "https://34.10.20.30"},
		},
		"claim/waiting": {
			reason: "We should see no server, because there is no kubeconfig yet.",
			dir:    "claim",
			want:   row{Registered: "False", Reason: "WaitingForKubeconfig"},
		},
		"claim/registered": {
			reason: "We should see that a cluster is registered, because its workloads should be there.",
			dir:    "claim",
			want:   row{Registered: "True", Reason: "Registered", Server: aksServer},
		},
		"claim/registered/retained": {
			reason: "We should see that something is wrong with a registered cluster, because nobody looks otherwise.",
			dir:    "claim",
			want:   row{Registered: "True", Reason: "Retained", Server: aksServer},
		},
		"claim/registered/draining": {
			reason: "We should see that the workloads are leaving, because the cluster is deleted after that.",
			dir:    "claim",
			want:   row{Registered: "True", Reason: "Draining", Server: aksServer},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := definitionOf(t, tc.dir)
			xr := documents(t, "example", filepath.FromSlash(name), "expected.yaml")[d.Spec.Names.Kind]
			got := row{}
			cells := map[string]*string{"Registered": &got.Registered, "Reason": &got.Reason, "Server": &got.Server}
			for _, c := range d.Spec.Versions[0].AdditionalPrinterColumns {
				if cells[c.Name] == nil || c.Type != "string" {
					t.Errorf("%s\nunexpected column %+v", tc.reason, c)
					continue
				}
				path := jsonpath.New(c.Name).AllowMissingKeys(true)
				if err := path.Parse("{" + c.JSONPath + "}"); err != nil {
					t.Fatal(err)
				}
				cell := &bytes.Buffer{}
				if err := path.Execute(cell, xr); err != nil {
					t.Fatal(err)
				}
				*cells[c.Name] = cell.String()
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\ncolumns: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestDefinitions checks that the XRDs of the platform have every field that the Compositions read
// and the function writes, that the Compositions use every field that developers can set, and that
// nobody can choose a Composition that does not register.
func TestDefinitions(t *testing.T) {
	for _, dir := range []string{"aks", "claim", "eks", "gke"} {
		t.Run(dir, func(t *testing.T) {
			d := definitionOf(t, dir)
			composition := documents(t, "example", dir, "composition.yaml")["Composition"]
			if diff := cmp.Diff(composition["metadata"].(map[string]any)["name"], any(d.Spec.EnforcedCompositionRef.Name)); diff != "" {
				t.Errorf("enforcedCompositionRef: -Composition, +XRD:\n%s", diff)
			}

			xr := d.Spec.Versions[0].Schema.OpenAPIV3Schema
			offered := map[string]bool{}
			for _, root := range []string{"spec", "status"} {
				xr.Properties[root].paths(root+".", offered)
			}
			// Nothing reads an object as a whole.
			delete(offered, "spec.parameters")
			used := map[string]bool{}
			for _, m := range regexp.MustCompile(`(?i)fieldPath: (spec\.[\w.]+)`).FindAllStringSubmatch(read(t, "example", dir, "composition.yaml"), -1) {
				if !strings.HasPrefix(m[1], "spec.forProvider.") && !strings.HasPrefix(m[1], "spec.writeConnectionSecretToRef.") {
					used[m[1]] = true
				}
			}
			status := documents(t, "example", dir, "expected.yaml")[d.Spec.Names.Kind]["status"].(map[string]any)
			used["status.argocd"] = true
			fieldsOf(status["argocd"].(map[string]any), "status.argocd.", used)
			if diff := cmp.Diff(offered, used); diff != "" {
				t.Errorf("fields: -XRD, +Composition and status:\n%s", diff)
			}
			if name := v1beta1.DefaultConditionType; !strings.Contains(read(t, "example", dir, "definition.yaml"), "'"+name+"'") {
				t.Errorf("no column of %s", name)
			}
		})
	}
}

// fieldsOf adds the path of every field of a value.
func fieldsOf(v map[string]any, path string, out map[string]bool) {
	for name, f := range v {
		out[path+name] = true
		if m, ok := f.(map[string]any); ok {
			fieldsOf(m, path+name+".", out)
		}
	}
}

// trusting returns how a Composition has an XR's user decide whom Argo CD trusts, or who may write
// what it trusts: the patches of a step of function-patch-and-transform that copy such a value from
// the XR, and the fields of the input of this function that read one.
func trusting(transform, register map[string]any) []string {
	// Crossplane sets the uid, and Kubernetes' access rules decide who has a namespace.
	ofUser := func(path any) bool {
		p, ok := path.(string)
		return ok && p != "metadata.uid" && p != "metadata.namespace"
	}
	decides := regexp.MustCompile(`(?i)secret|principal|policy|role|scope|access|admin|account|credential|external-name|` +
		`clusterName|subnet|network|providerConfig|references|metadata\.(namespace|name|labels)|` +
		`spec\.forProvider\.(project|server|manifest\.(data|spec))`)
	var out []string
	patch := func(p map[string]any, environment bool) {
		from, to := []any{p["fromFieldPath"]}, p["toFieldPath"]
		combine, _ := p["combine"].(map[string]any)
		variables, _ := combine["variables"].([]any)
		for _, v := range variables {
			from = append(from, v.(map[string]any)["fromFieldPath"])
		}
		switch p["type"] {
		case nil, "FromCompositeFieldPath", "CombineFromComposite":
		default:
			return
		}
		// With a map, the user chooses one of the author's values.
		transforms, _ := p["transforms"].([]any)
		if len(transforms) > 0 && transforms[0].(map[string]any)["type"] == "map" {
			return
		}
		if slices.ContainsFunc(from, ofUser) && (to == nil || environment || decides.MatchString(to.(string))) {
			out = append(out, "patch of "+to.(string))
		}
	}
	// Of the environment everything counts: later patches take it from there.
	var patches func(v any, environment bool)
	patches = func(v any, environment bool) {
		switch v := v.(type) {
		case map[string]any:
			list, _ := v["patches"].([]any)
			for _, p := range list {
				patch(p.(map[string]any), environment)
			}
			for name, f := range v {
				if name != "patches" && name != "base" {
					patches(f, environment || name == "environment")
				}
			}
		case []any:
			for _, e := range v {
				patches(e, environment)
			}
		}
	}
	patches(transform, false)

	// Labels are for ApplicationSets, and draining is for the user to decide.
	harmless := []string{"labelsFrom", "annotationsFrom", "drainFrom"}
	var fields func(path string, v any)
	fields = func(path string, v any) {
		m, _ := v.(map[string]any)
		for name, f := range m {
			if source, ok := f.(map[string]any); ok && strings.HasSuffix(name, "From") && name != "kubeconfigFrom" {
				if !slices.Contains(harmless, name) && source["type"] != "FromEnvironmentFieldPath" && ofUser(source["fieldPath"]) {
					out = append(out, path+name)
				}
				continue
			}
			fields(path+name+".", f)
		}
	}
	fields("", register)
	slices.Sort(out)
	return out
}

// TestRevisions checks that no example's user can choose a revision of the Composition: Crossplane
// would use any that the XR names.
func TestRevisions(t *testing.T) {
	for dir, d := range definitions(t) {
		for _, v := range d.Spec.Versions {
			rules := fmt.Sprint(v.Schema.OpenAPIV3Schema.Properties["spec"].Validations)
			if !strings.Contains(rules, "compositionUpdatePolicy == 'Automatic'") || !strings.Contains(rules, "compositionRevisionSelector") {
				t.Errorf("%s: users can choose a revision", dir)
			}
		}
	}
}

// TestTrusting checks the check of the Compositions.
func TestTrusting(t *testing.T) {
	cases := map[string]struct {
		reason    string
		transform string
		register  string
		want      []string
	}{
		"Nothing": {
			reason:    "We should accept what a user may choose, because that is what the API is for.",
			transform: "{resources: [{patches: [{fromFieldPath: spec.region, toFieldPath: spec.forProvider.location}, {fromFieldPath: metadata.uid, toFieldPath: spec.writeConnectionSecretToRef.name}]}]}",
			register:  "{cluster: {labelsFrom: [{fieldPath: spec.environment, key: environment}], drainFrom: {fieldPath: spec.drain}}}",
		},
		"Principal": {
			reason:    "We should find a principal of the user's, because it would be an administrator of the cluster.",
			transform: "{resources: [{patches: [{type: FromCompositeFieldPath, fromFieldPath: spec.owner, toFieldPath: spec.forProvider.principalArn}]}]}",
			want:      []string{"patch of spec.forProvider.principalArn"},
		},
		"ConnectionSecret": {
			reason:    "We should find a connection Secret of the user's, because they could write it first.",
			transform: "{patchSets: [{patches: [{type: FromCompositeFieldPath, fromFieldPath: spec.secret, toFieldPath: spec.writeConnectionSecretToRef.name}]}]}",
			want:      []string{"patch of spec.writeConnectionSecretToRef.name"},
		},
		"Combined": {
			reason:    "We should find a name that is combined of the user's, because two users could combine the same.",
			transform: "{resources: [{patches: [{type: CombineFromComposite, combine: {variables: [{fromFieldPath: metadata.namespace}, {fromFieldPath: metadata.name}]}, toFieldPath: 'metadata.annotations[crossplane.io/external-name]'}]}]}",
			want:      []string{"patch of metadata.annotations[crossplane.io/external-name]"},
		},
		"Environment": {
			reason:    "We should find a network of the user's in the environment, because the next patch takes it from there.",
			transform: "{environment: {patches: [{type: FromCompositeFieldPath, fromFieldPath: spec.subnets, toFieldPath: network.subnetIds}]}}",
			want:      []string{"patch of network.subnetIds"},
		},
		"EnvironmentByAnyName": {
			reason:    "We should find a value of the user's in the environment, because its name does not say what it is for.",
			transform: "{environment: {patches: [{type: FromCompositeFieldPath, fromFieldPath: spec.folder, toFieldPath: flux.where}]}}",
			want:      []string{"patch of flux.where"},
		},
		"Manifest": {
			reason:    "We should find what of a manifest is the user's, because it is applied with the rights of provider-kubernetes.",
			transform: "{resources: [{patches: [{fromFieldPath: spec.folder, toFieldPath: spec.forProvider.manifest.spec.path}, {fromFieldPath: spec.cluster, toFieldPath: spec.forProvider.manifest.data.cluster}]}]}",
			want:      []string{"patch of spec.forProvider.manifest.data.cluster", "patch of spec.forProvider.manifest.spec.path"},
		},
		"Reference": {
			reason:    "We should find a Secret of the user's that provider-kubernetes copies, because it may read every one.",
			transform: "{resources: [{patches: [{fromFieldPath: spec.secret, toFieldPath: 'spec.references[0].patchesFrom.name'}]}]}",
			want:      []string{"patch of spec.references[0].patchesFrom.name"},
		},
		"Mapped": {
			reason:    "We should accept a choice among the author's values, because the user cannot add one.",
			transform: "{environment: {patches: [{type: FromCompositeFieldPath, fromFieldPath: spec.region, toFieldPath: network.subnetIds, transforms: [{type: map, map: {eu-west-1: [a]}}]}]}}",
		},
		"Input": {
			reason:   "We should find fields of the input that read the XR, because they choose the project, the server and the role.",
			register: "{cluster: {projectFrom: {fieldPath: spec.team}, serverFrom: {fieldPath: status.server}}, credentials: {aws: {roleARNFrom: {fieldPath: spec.role}, clusterNameFrom: {type: FromEnvironmentFieldPath, fieldPath: cluster.name}}}, kubeconfigFrom: {secretRef: {nameFrom: {fieldPath: spec.secret}, namespaceFrom: {fieldPath: metadata.namespace}}}}",
			want:     []string{"cluster.projectFrom", "cluster.serverFrom", "credentials.aws.roleARNFrom", "kubeconfigFrom.secretRef.nameFrom"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var transform, register map[string]any
			for text, into := range map[string]*map[string]any{tc.transform: &transform, tc.register: &register} {
				if err := yaml.Unmarshal([]byte(text), into); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tc.want, trusting(transform, register)); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestCompositionsTrustNoUser checks that in the Compositions of namespaced XRs, nothing that
// decides whom Argo CD trusts comes from the XR's user.
func TestCompositionsTrustNoUser(t *testing.T) {
	for _, dir := range []string{"aks", "eks", "gke"} {
		t.Run(dir, func(t *testing.T) {
			if scope := definitionOf(t, dir).Spec.Scope; scope != "Namespaced" {
				t.Errorf("the XR's scope is %s", scope)
			}
			path := filepath.Join("example", dir)
			got := trusting(stepInput(t, path, "function-patch-and-transform"), stepInput(t, path, "function-argocd-cluster"))
			if diff := cmp.Diff([]string(nil), got); diff != "" {
				t.Errorf("decided by the XR's user: -want, +got:\n%s", diff)
			}
		})
	}
}
