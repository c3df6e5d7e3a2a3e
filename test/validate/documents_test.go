package validate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// A document is an object to validate: one of a file, or one within another.
type document struct {
	*unstructured.Unstructured

	file   string // below the folder of examples
	within string // the objects that it is within

	// template says that a Composition's patches complete it.
	template bool

	// probe says that it only has a field that a Composition names.
	probe bool
}

func (d *document) String() string {
	name := d.GetName()
	if name == "" {
		name = d.GetAnnotations()[resourceName]
	}
	return strings.TrimSpace(fmt.Sprintf("%s: %s%s %s", d.file, d.within, d.GetKind(), name))
}

const resourceName = "crossplane.io/composition-resource-name"

// unchecked are the files without a schema. A pattern without a slash is for file names.
var unchecked = []struct{ pattern, reason string }{
	{"*.md", "make test checks that their YAML is part of the files here, and their links"},
	{"platform-policies/tests/*/cluster.yaml", "Kyverno's schema of it allows no field of the resources in it: Kyverno's CLI reads them in make test-policies"},
	{"hub/bootstrap.sh", "a script that nothing here can run: it needs kind and the internet"},
	{"hub/baseline/*/Chart.yaml", "a chart: Helm reads it in make e2e"},
	{"hub/baseline/*/values*.yaml", "the values of a chart, which has no schema of them: Helm reads them in make e2e"},
	{"hub/baseline/*/templates/*.yaml", "templates: Argo CD applies what Helm makes of them in make e2e"},
}

// examples are the documents in a folder of examples.
type examples struct {
	root      string
	documents []*document
	faults    []string
}

func (e *examples) faultf(where any, format string, args ...any) {
	e.faults = append(e.faults, fmt.Sprintf("%v: %s", where, fmt.Sprintf(format, args...)))
}

// load all files below root. Each is validated, or listed in skip.
func load(root string, skip []struct{ pattern, reason string }) (*examples, error) {
	e := &examples{root: root}
	used := map[string]bool{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		file, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		file = filepath.ToSlash(file)
		for _, s := range skip {
			name := file
			if !strings.Contains(s.pattern, "/") {
				name = path.Base(file)
			}
			if ok, err := path.Match(s.pattern, name); err != nil || ok {
				used[s.pattern] = true
				return err
			}
		}
		if ext := path.Ext(file); ext != ".yaml" && ext != ".yml" {
			e.faultf(file, "unlisted file: it is not YAML, and unchecked does not say why nothing validates it")
			return nil
		}
		objects, err := parse(p)
		if err != nil {
			e.faultf(file, "%v", err)
			return nil
		}
		for _, o := range objects {
			e.add(&document{file: file, Unstructured: o})
		}
		return nil
	})
	for _, s := range skip {
		if !used[s.pattern] {
			e.faultf("unchecked", "there is no file %s", s.pattern)
		}
	}
	return e, err
}

// parse the objects in a YAML file. A key that is given twice is an error.
func parse(name string) ([]*unstructured.Unstructured, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	for r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(b))); ; {
		doc, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		j, err := yaml.YAMLToJSONStrict(doc)
		if err != nil {
			return nil, err
		}
		if string(j) == "null" {
			continue
		}
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(j); err != nil || o.GetAPIVersion() == "" {
			return nil, fmt.Errorf("unlisted file: a document in it has no apiVersion or no kind, and unchecked does not say why")
		}
		out = append(out, o)
	}
}

// add a document, and those within it.
func (e *examples) add(d *document) {
	if path.Base(d.file) == "expected.yaml" && d.within == "" {
		if err := e.complete(d); err != nil {
			e.faultf(d, "%v", err)
			return
		}
	}
	e.documents = append(e.documents, d)

	switch gvk := d.GroupVersionKind(); {
	case gvk.Kind == "Object" && (gvk.Group == "kubernetes.crossplane.io" || gvk.Group == "kubernetes.m.crossplane.io"):
		e.addWithin(d, "", d.template, "spec", "forProvider", "manifest")
		e.addWithin(d, "observed ", d.template, "status", "atProvider", "manifest")
	case gvk.Group == "apiextensions.crossplane.io" && gvk.Kind == "CompositeResourceDefinition":
		e.addXRDSchemas(d)
	case gvk.Group == "apiextensions.crossplane.io" && gvk.Kind == "Composition":
		for _, b := range bases(d.Unstructured) {
			d := &document{file: d.file, within: d.GetKind() + " " + d.GetName() + ": base of " + b.name + ": ", Unstructured: b.object, template: true}
			if d.GetKind() == "" || d.GetAPIVersion() == "" {
				e.faultf(d, "it has no apiVersion or no kind")
				continue
			}
			e.add(d)
		}
		fields, err := probes(d)
		if err != nil {
			e.faultf(d, "%v", err)
		}
		e.documents = append(e.documents, fields...)
	}
}

func (e *examples) addWithin(d *document, what string, template bool, fields ...string) {
	manifest, ok, err := unstructured.NestedMap(d.Object, fields...)
	if !ok || err != nil {
		return // The CRD says whether it must be there.
	}
	in := &document{file: d.file, within: strings.TrimPrefix(d.String(), d.file+": ") + ": " + what, Unstructured: &unstructured.Unstructured{Object: manifest}, template: template}
	if in.GetKind() == "" || in.GetAPIVersion() == "" {
		e.faultf(in, "the manifest has no apiVersion or no kind")
		return
	}
	e.add(in)
}

// addXRDSchemas adds the schemas in an XRD, which may be anything for the XRD's own CRD, as a CRD.
func (e *examples) addXRDSchemas(d *document) {
	all, _, _ := unstructured.NestedSlice(d.Object, "spec", "versions")
	var versions []any
	for _, v := range all {
		v := v.(map[string]any)
		versions = append(versions, map[string]any{"name": v["name"], "served": true, "storage": false, "schema": v["schema"]})
	}
	names, _, _ := unstructured.NestedMap(d.Object, "spec", "names")
	group, _, _ := unstructured.NestedString(d.Object, "spec", "group")
	e.documents = append(e.documents, &document{file: d.file, within: d.GetKind() + " as ", Unstructured: &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": d.GetName()},
		"spec": map[string]any{"group": group, "names": names, "scope": "Namespaced", "versions": versions},
	}}})
}

// complete a rendered XR, of which only what the pipeline desires is rendered, by the XR that was
// rendered.
func (e *examples) complete(d *document) error {
	for dir := path.Dir(d.file); ; dir = path.Dir(dir) {
		objects, err := parse(filepath.Join(e.root, filepath.FromSlash(dir), "xr.yaml"))
		switch {
		case errors.Is(err, fs.ErrNotExist) && dir != ".":
			continue
		case err != nil:
			return err
		}
		xr := objects[0]
		if xr.GroupVersionKind() == d.GroupVersionKind() && xr.GetName() == d.GetName() {
			d.Object = merge(xr.Object, d.Object)
		}
		return nil
	}
}

// merge b into a.
func merge(a, b map[string]any) map[string]any {
	for k, v := range b {
		old, isMap := a[k].(map[string]any)
		if m, ok := v.(map[string]any); ok && isMap {
			v = merge(old, m)
		}
		a[k] = v
	}
	return a
}

// A base is what function-patch-and-transform patches.
type base struct {
	name   string
	object *unstructured.Unstructured
}

func bases(composition *unstructured.Unstructured) []base {
	var out []base
	for _, s := range steps(composition) {
		input, _ := s["input"].(map[string]any)
		if input["kind"] != "Resources" {
			continue
		}
		resources, _ := input["resources"].([]any)
		for _, r := range resources {
			r, _ := r.(map[string]any)
			name, _ := r["name"].(string)
			if object, ok := r["base"].(map[string]any); ok {
				out = append(out, base{name: name, object: (&unstructured.Unstructured{Object: object}).DeepCopy()})
			}
		}
	}
	return out
}

// steps of a Composition's pipeline.
func steps(composition *unstructured.Unstructured) []map[string]any {
	pipeline, _, _ := unstructured.NestedSlice(composition.Object, "spec", "pipeline")
	var out []map[string]any
	for _, s := range pipeline {
		if s, ok := s.(map[string]any); ok {
			out = append(out, s)
		}
	}
	return out
}
