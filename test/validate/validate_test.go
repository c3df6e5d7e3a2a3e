// Package validate validates every file of the examples against the schemas of what reads it:
// Kubernetes, Crossplane, its providers and functions, Argo CD and others, in the versions that
// modules pin. It does so with `crossplane resource validate`, and without a network.
package validate

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

var (
	cli     = flag.String("cli", "", "the Crossplane CLI")
	renders = flag.String("rendered", "", "the folders that make render renders")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if *cli == "" || *renders == "" {
		fmt.Fprintln(os.Stderr, "run make validate: it builds what this needs")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// TestExamples validates the examples.
func TestExamples(t *testing.T) {
	c, err := newCatalog()
	if err != nil {
		t.Fatal(err)
	}
	faults, err := c.validate(filepath.Join("..", "..", "example"), unchecked, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
}

// TestRendered checks that make render renders each example that says what is expected.
func TestRendered(t *testing.T) {
	want := map[string]bool{}
	for dir := range strings.FieldsSeq(*renders) {
		want[filepath.FromSlash(dir)] = true
	}
	got := map[string]bool{}
	err := filepath.WalkDir(filepath.Join("..", "..", "example"), func(p string, _ fs.DirEntry, err error) error {
		if dir, file := filepath.Split(p); file == "expected.yaml" {
			dir, err = filepath.Rel(filepath.Join("..", ".."), dir)
			got[dir] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("folders with expected.yaml: -rendered, +example:\n%s", diff)
	}
}

// decoded are the kinds that have no CRD in a module, by the types that their CRDs are generated
// from.
func decoded(k schema.GroupVersionKind) any {
	if k.Group != "monitoring.coreos.com" || k.Version != "v1" {
		return nil
	}
	return map[string]any{
		"PodMonitor": &monitoringv1.PodMonitor{}, "PrometheusRule": &monitoringv1.PrometheusRule{}, "ServiceMonitor": &monitoringv1.ServiceMonitor{},
	}[k.Kind]
}

// validate the files below root, and return what is wrong with them.
func (c *catalog) validate(root string, skip []struct{ pattern, reason string }, dir string) ([]string, error) {
	e, err := load(root, skip)
	if err != nil {
		return nil, err
	}
	c.xrds = map[schema.GroupKind][]*definition{}
	for _, d := range e.documents {
		if d.GroupVersionKind().GroupKind().String() == "CompositeResourceDefinition.apiextensions.crossplane.io" {
			c.addXRD(d.file, d.Unstructured)
		}
	}
	var runs batches
	for _, d := range e.documents {
		if v := decoded(d.GroupVersionKind()); v != nil {
			if err := strict(d.Object, v); err != nil {
				e.faultf(d, "%v", err)
			}
			e.checkMetadata(d, true)
			continue
		}
		found, err := c.find(d.GroupVersionKind(), d.file)
		if err != nil {
			e.faultf(d, "%v", err)
			continue
		}
		if !found.input && !d.probe {
			e.checkMetadata(d, found.kinds[d.GroupVersionKind().GroupKind()])
		}
		definitions := []*definition{found}
		for _, in := range inputs(d) {
			f, err := c.find(in.GroupVersionKind(), d.file)
			if err != nil {
				e.faultf(in, "%v", err)
				continue
			}
			definitions = append(definitions, f)
		}
		runs.add(d, definitions...)
		if found.source == "Kubernetes" && !d.probe {
			// Without a CRD, the CLI decodes them strictly.
			runs.add(d, &definition{kinds: found.kinds})
		}
	}
	e.checkRendered()
	e.checkVersions(c.versions)
	for i, r := range runs {
		if err := r.run(e, filepath.Join(dir, fmt.Sprint(i))); err != nil {
			return nil, err
		}
	}
	slices.Sort(e.faults)
	return slices.Compact(e.faults), nil
}

// strict decodes an object, of which every field must be known.
func strict(object, into any) error {
	b, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return yaml.UnmarshalStrict(b, into)
}

// checkMetadata as the API server does. A CRD has no schema for it.
func (e *examples) checkMetadata(d *document, namespaced bool) {
	meta := &metav1.ObjectMeta{}
	if err := strict(d.Object["metadata"], meta); err != nil {
		e.faultf(d, "metadata: %v", err)
		return
	}
	if meta.Namespace != "" && !namespaced {
		e.faultf(d, "metadata.namespace: the kind is cluster-scoped")
	}
	if d.template && meta.Name == "" {
		meta.Name = "patched"
	}
	valid := apivalidation.NameIsDNSSubdomain
	if d.GroupVersionKind().Group == "rbac.authorization.k8s.io" {
		valid = func(string, bool) []string { return nil } // A colon is fine.
	}
	for _, err := range apivalidation.ValidateObjectMeta(meta, meta.Namespace != "", valid, field.NewPath("metadata")) {
		e.faultf(d, "%v", err)
	}
}

// checkRendered checks that each template of a Composition is in a rendering, because only there
// it can be seen whether the patches complete it.
func (e *examples) checkRendered() {
	rendered := map[string]map[string]bool{}
	for _, d := range e.documents {
		if path.Base(d.file) == "expected.yaml" && d.within == "" {
			for dir := path.Dir(d.file); dir != "."; dir = path.Dir(dir) {
				if rendered[dir] == nil {
					rendered[dir] = map[string]bool{}
				}
				rendered[dir][d.GetKind()+" "+d.GetAnnotations()[resourceName]] = true
			}
		}
	}
	for _, d := range e.documents {
		if d.GetKind() != "Composition" {
			continue
		}
		for _, b := range bases(d.Unstructured) {
			if !rendered[path.Dir(d.file)][b.object.GetKind()+" "+b.name] {
				e.faultf(d, "no expected.yaml has its resource %s: nothing shows that patches complete it", b.name)
			}
		}
	}
}

// checkVersions checks that the examples install the versions whose schemas validate them.
func (e *examples) checkVersions(versions map[string]string) {
	for _, d := range e.documents {
		if d.GroupVersionKind().Group != "pkg.crossplane.io" {
			continue
		}
		image, _, _ := unstructured.NestedString(d.Object, "spec", "package")
		name, version, _ := strings.Cut(path.Base(image), ":")
		name = strings.Replace(name, "provider-family-", "provider-", 1)
		for module, want := range versions {
			// The later releases of Google's are no modules: see googleNamespaced.
			if (name == module || strings.HasPrefix(name, module+"-")) && module != "provider-gcp" && version != want {
				e.faultf(d, "spec.package: it is %s, and what it defines is validated as of %s", version, want)
			}
		}
	}
}

// inputs of a Composition's steps.
func inputs(d *document) []*document {
	if d.GetKind() != "Composition" {
		return nil
	}
	var out []*document
	for _, s := range steps(d.Unstructured) {
		if input, ok := s["input"].(map[string]any); ok {
			out = append(out, &document{file: d.file, within: fmt.Sprintf("Composition %s: input of %v: ", d.GetName(), s["step"]), Unstructured: &unstructured.Unstructured{Object: input}})
		}
	}
	return out
}

// A batch is what one run of the CLI validates. No kind has two definitions in one.
type batch struct {
	definitions map[schema.GroupKind]*definition
	documents   []*document
}

type batches []*batch

func (b *batches) add(d *document, definitions ...*definition) {
	need := map[schema.GroupKind]*definition{}
	for _, def := range definitions {
		for gk := range def.kinds {
			need[gk] = def
		}
	}
	for _, other := range *b {
		fits := true
		for gk, def := range need {
			have := other.definitions[gk]
			// Those without a CRD are alike.
			fits = fits && (have == nil || have == def || have.extension == nil && def.extension == nil)
		}
		if fits {
			maps.Copy(other.definitions, need)
			other.documents = append(other.documents, d)
			return
		}
	}
	*b = append(*b, &batch{definitions: need, documents: []*document{d}})
}

// A result is what the CLI says of an object.
type result struct {
	Status string `json:"status"`
	Errors []struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"errors"`
}

// run the CLI, and note the faults that it finds.
func (b *batch) run(e *examples, dir string) error {
	extensions := filepath.Join(dir, "extensions")
	if err := os.MkdirAll(extensions, 0o700); err != nil {
		return err
	}
	written := map[*definition]bool{}
	for _, d := range b.definitions {
		if d.extension == nil || written[d] {
			continue
		}
		written[d] = true
		if err := write(filepath.Join(extensions, fmt.Sprint(len(written), ".yaml")), d.extension); err != nil {
			return err
		}
	}
	var objects []any
	var documents []*document
	for _, d := range b.documents {
		objects = append(objects, d.Object)
		documents = append(append(documents, inputs(d)...), d)
	}
	resources := filepath.Join(dir, "resources.yaml")
	if err := write(resources, objects...); err != nil {
		return err
	}

	stderr := &strings.Builder{}
	cmd := exec.Command(*cli, "resource", "validate", extensions, resources, "--output=json", "--crossplane-image=", "--cache-dir="+filepath.Join(dir, "cache"))
	cmd.Stderr = stderr
	out, err := cmd.Output()
	var results struct {
		Resources []*result `json:"resources"`
	}
	if json.Unmarshal(out, &results) != nil || len(results.Resources) != len(documents) {
		return fmt.Errorf("crossplane resource validate: %w\n%s%s", errors.Join(err, errors.New("no results")), out, stderr)
	}
	for i, r := range results.Resources {
		b.judge(e, documents[i], r)
	}
	return nil
}

// judge a result. What a template misses, patches may give it, and a probe misses everything.
func (b *batch) judge(e *examples, d *document, r *result) {
	// The CLI knows the kinds of an older Kubernetes. An input without a schema was reported.
	if found := b.definitions[d.GroupVersionKind().GroupKind()]; r.Status == "missingSchema" && found != nil && found.extension != nil {
		e.faultf(d, "the CLI found no schema")
	}
	for _, err := range r.Errors {
		if d.probe && err.Type != "unknownField" || d.template && (err.Type == "cel" || strings.Contains(err.Message, ": Required value")) {
			continue
		}
		e.faultf(d, "%s: %s", err.Type, err.Message)
	}
}

// write objects as a YAML file. JSON is YAML.
func write(name string, objects ...any) error {
	var out []byte
	for _, o := range objects {
		b, err := json.Marshal(o)
		if err != nil {
			return err
		}
		out = append(append(out, b...), "\n---\n"...)
	}
	return os.WriteFile(name, out, 0o600)
}
