package argocd

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// ofClusters are the parameters that the cluster generator makes of a cluster Secret. Its name,
// labels and annotations, and its project, may come from what an XR's user can set.
var ofClusters = []string{"name", "nameNormalized", "server", "project", "metadata", "values", "clusters"}

// deciding are the fields that decide what is deployed, and with which rights.
var deciding = []string{"project", "repoURL", "path", "chart", "targetRevision", "revision", "ref", "elementsYaml", "requeueAfterSeconds", "templatePatch"}

// fieldsIn returns the first names of the fields that a template reads, and "." for all of them.
func fieldsIn(text string) ([]string, error) {
	tree := parse.New("template")
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(text, "", "", map[string]*parse.Tree{}); err != nil {
		return nil, err
	}
	var out []string
	var walk func(n parse.Node)
	list := func(l *parse.ListNode) {
		if l == nil {
			return
		}
		for _, n := range l.Nodes {
			walk(n)
		}
	}
	branch := func(b *parse.BranchNode) {
		walk(b.Pipe)
		list(b.List)
		list(b.ElseList)
	}
	walk = func(n parse.Node) {
		switch n := n.(type) {
		case *parse.ActionNode:
			walk(n.Pipe)
		case *parse.PipeNode:
			for _, c := range n.Cmds {
				walk(c)
			}
		case *parse.CommandNode:
			for _, a := range n.Args {
				walk(a)
			}
		case *parse.ChainNode:
			walk(n.Node)
		case *parse.FieldNode:
			out = append(out, n.Ident[0])
		case *parse.VariableNode:
			// $ is all parameters, and any other variable comes from a pipeline that is read, too.
			if n.Ident[0] == "$" && len(n.Ident) > 1 {
				out = append(out, n.Ident[1])
			} else if n.Ident[0] == "$" {
				out = append(out, ".")
			}
		case *parse.DotNode:
			out = append(out, ".")
		case *parse.IfNode:
			branch(&n.BranchNode)
		case *parse.RangeNode:
			branch(&n.BranchNode)
		case *parse.WithNode:
			branch(&n.BranchNode)
		case *parse.TemplateNode:
			walk(n.Pipe)
		case *parse.TextNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode, *parse.NilNode, *parse.IdentifierNode, *parse.CommentNode:
		default:
			out = append(out, ".")
		}
	}
	list(tree.Root)
	return out, nil
}

// trusted checks that nothing that decides what an ApplicationSet deploys comes from what an XR's user
// can set: only from the elements of lists, which whoever wrote the ApplicationSet wrote, too.
func trusted(set *v1alpha1.ApplicationSet) []string {
	b, err := json.Marshal(set.Spec)
	if err != nil {
		return []string{err.Error()}
	}
	var spec map[string]any
	if err := json.Unmarshal(b, &spec); err != nil {
		return []string{err.Error()}
	}
	var problems []string
	if !set.Spec.GoTemplate || !slices.Contains(set.Spec.GoTemplateOptions, "missingkey=error") {
		problems = append(problems, "goTemplate without missingkey=error")
	}

	allowed := map[string]bool{}
	eachField(spec, func(key string, value any) {
		elements, ok := value.([]any)
		if key != "elements" || !ok {
			return
		}
		for _, e := range elements {
			element, _ := e.(map[string]any)
			for k, v := range element {
				if s, err := json.Marshal(v); err == nil && !strings.Contains(string(s), "{{") {
					allowed[k] = true
				}
			}
		}
	})
	// What a list and the cluster generator both have may be either.
	for _, k := range ofClusters {
		delete(allowed, k)
	}

	check := func(key string, value any) {
		text, ok := value.(string)
		if !ok || !strings.Contains(text, "{{") {
			return
		}
		fields, err := fieldsIn(text)
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", key, err))
		}
		for _, f := range fields {
			if !allowed[f] {
				problems = append(problems, fmt.Sprintf("%s reads %s", key, f))
			}
		}
	}
	eachField(spec, func(key string, value any) {
		if slices.Contains(deciding, key) {
			check(key, value)
		}
	})
	slices.Sort(problems)
	return slices.Compact(problems)
}

// eachField calls a function with each field below a value, except below the values of a chart, which
// decide nothing of this.
func eachField(v any, call func(key string, value any)) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			call(k, v[k])
			if k != "valuesObject" && k != "elements" {
				eachField(v[k], call)
			}
		}
	case []any:
		for _, e := range v {
			eachField(e, call)
		}
	}
}

// TestTrust checks all ApplicationSets of the examples.
func TestTrust(t *testing.T) {
	for name, set := range typed[v1alpha1.ApplicationSet](t, "ApplicationSet") {
		if diff := cmp.Diff([]string(nil), trusted(set)); diff != "" {
			t.Errorf("ApplicationSet %s: -want, +got:\n%s", name, diff)
		}
	}
}

// TestTrusted checks that TestTrust would find what must not be.
func TestTrusted(t *testing.T) {
	set := func(generator, spec string) string {
		return `
spec:
  goTemplate: true
  goTemplateOptions: [missingkey=error]
  generators:
  - matrix:
      generators:
      - clusters: {selector: {matchLabels: {a: b}}, values: {v: '{{ .metadata.labels.v }}'}}
      - ` + generator + `
  template:
    metadata: {name: "a-{{ .name }}"}
    spec: ` + spec
	}
	const list = "list: {elements: [{addon: a, appProject: p, server: s}]}"

	cases := map[string]struct {
		reason string
		set    string
		want   []string
	}{
		"List":             {reason: "A list is the platform's own.", set: set(list, "{project: '{{ .appProject }}', source: {repoURL: https://example.org, path: 'apps/{{ .addon }}'}}")},
		"Values":           {reason: "What is a value of a chart decides nothing.", set: set(list, "{project: default, source: {helm: {valuesObject: {path: '{{ .name }}'}}}}")},
		"Project":          {reason: "The cluster Secret's project may come from an XR.", set: set(list, "{project: '{{ .project }}'}"), want: []string{"project reads project"}},
		"Path":             {reason: "A label may come from an XR.", set: set(list, "{project: default, source: {path: 'apps/{{ index .metadata.labels \"team\" }}'}}"), want: []string{"path reads metadata"}},
		"Repository":       {reason: "An annotation may come from an XR.", set: set(list, "{project: default, sources: [{repoURL: '{{ .metadata.annotations.repo }}'}]}"), want: []string{"repoURL reads metadata"}},
		"Revision":         {reason: "A value of the cluster generator may come from a label.", set: set(list, "{project: default, source: {targetRevision: '{{ .values.v }}'}}"), want: []string{"targetRevision reads values"}},
		"Chart":            {reason: "The name comes from an XR.", set: set(list, "{project: default, source: {chart: '{{ .name | lower }}'}}"), want: []string{"chart reads name"}},
		"SameNameInList":   {reason: "The cluster generator's parameter may win over the list's.", set: set(list, "{project: '{{ .server }}'}"), want: []string{"project reads server"}},
		"AllParameters":    {reason: "All parameters include the labels.", set: set(list, "{project: '{{ toJson . }}'}"), want: []string{"project reads ."}},
		"ThroughAVariable": {reason: "A variable hides nothing.", set: set(list, "{project: '{{ $a := $.metadata }}{{ with $a }}{{ .labels }}{{ end }}'}"), want: []string{"project reads labels", "project reads metadata"}},
		"InAListsElement":  {reason: "An element of a list may itself be a template.", set: set("list: {elements: [{addon: '{{ .metadata.labels.addon }}'}]}", "{project: default, source: {path: '{{ .addon }}'}}"), want: []string{"path reads addon"}},
		"InAGenerator":     {reason: "A generator that reads Git decides, too.", set: set("git: {repoURL: '{{ .metadata.annotations.repo }}', revision: main}", "{project: default}"), want: []string{"repoURL reads metadata"}},
		"Patch":            {reason: "A patch can set anything.", set: set(list, "{project: default}") + "\n  templatePatch: 'spec: {project: \"{{ .metadata.labels.team }}\"}'", want: []string{"templatePatch reads metadata"}},
		"NoGoTemplate":     {reason: "A missing label must not become an empty text.", set: "{spec: {generators: [{clusters: {}}], template: {spec: {project: default}}}}", want: []string{"goTemplate without missingkey=error"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			set := &v1alpha1.ApplicationSet{}
			if err := yaml.Unmarshal([]byte(tc.set), set); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, trusted(set)); diff != "" {
				t.Errorf("%s\nproblems: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
