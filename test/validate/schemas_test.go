package validate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// sources of CRDs: folders of modules, and the folder here that pins each module. What else
// pins one runs or tests the same version.
var sources = []struct{ pin, module, folder string }{
	{"tools/auto-ready", "github.com/crossplane/function-auto-ready", "package/input"},
	{"tools/core", "github.com/crossplane/crossplane/v2", "cluster/crds"},
	{"tools/crds", "github.com/fluxcd/kustomize-controller", "config/crd/bases"},
	{"tools/crds", "open-cluster-management.io/api", "cluster/v1"},
	{"tools/crds", "open-cluster-management.io/api", "cluster/v1beta1"},
	{"tools/crds", "open-cluster-management.io/api", "cluster/v1beta2"},
	{"tools/go-templating", "github.com/crossplane-contrib/function-go-templating", "package/input"},
	{"tools/kyverno", "github.com/kyverno/kyverno", "cmd/cli/kubectl-kyverno/config/crds"},
	{"tools/kyverno", "github.com/kyverno/kyverno", "config/crds/policies.kyverno.io"},
	{"tools/patch-and-transform", "github.com/crossplane-contrib/function-patch-and-transform", "package/input"},
	{"tools/provider-kubernetes", "github.com/crossplane-contrib/provider-kubernetes", "package/crds"},
	{"tools/schemas", "github.com/upbound/provider-aws/v2", "package/crds"},
	{"tools/schemas", "github.com/upbound/provider-azure/v2", "package/crds"},
	{"tools/schemas", "github.com/upbound/provider-gcp", "package/crds"},
	{"tools/schemas", "sigs.k8s.io/cluster-api", "core/config/crd/bases"},
	{"tools/schemas", "sigs.k8s.io/cluster-api", "bootstrap/kubeadm/config/crd/bases"},
	{"tools/schemas", "sigs.k8s.io/cluster-api", "controlplane/kubeadm/config/crd/bases"},
	{"test/argocd", "github.com/argoproj/argo-cd/v3", "manifests/crds"},
}

// A definition is what Kubernetes knows of a kind.
type definition struct {
	// extension is a CRD or an XRD, for the CLI.
	extension map[string]any
	versions  []string
	kinds     map[schema.GroupKind]bool // whether it is namespaced: a claim is, and its XR is not
	claim     schema.GroupKind
	input     bool // of a function: it has no name
	source    string
}

// catalog finds the definition of a kind.
type catalog struct {
	crds  map[schema.GroupKind]string
	xrds  map[schema.GroupKind][]*definition
	specs string // the folder of Kubernetes' own OpenAPI documents
	read  map[string]*definition

	versions map[string]string // of the modules, by the name of what they are the source of
}

// A module is what go says of one.
type module struct {
	Dir     string `json:"Dir"`     //nolint:tagliatelle // It is Go's.
	Version string `json:"Version"` //nolint:tagliatelle // It is Go's.
}

// download a module, where it is not.
func download(pin, name string) (*module, error) {
	stderr := &strings.Builder{}
	cmd := exec.Command("go", "mod", "download", "-json", name)
	cmd.Dir, cmd.Stderr = filepath.Join("..", "..", filepath.FromSlash(pin)), stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go mod download %s, in %s: %w\n%s%s", name, pin, err, out, stderr)
	}
	m := &module{}
	return m, json.Unmarshal(out, m)
}

var (
	major   = regexp.MustCompile(`/v\d+$`)
	groupOf = regexp.MustCompile(`(?m)^ {2}group: (\S+)$`)
	kindOf  = regexp.MustCompile(`(?m)^ {4}kind: (\S+)$`)
)

// newCatalog indexes CRDs by the beginning of their files: the clouds have thousands.
func newCatalog() (*catalog, error) {
	c := &catalog{crds: map[schema.GroupKind]string{}, read: map[string]*definition{}, versions: map[string]string{}}
	kubernetes, err := download("tools/kubernetes", "k8s.io/kubernetes")
	if err != nil {
		return nil, err
	}
	c.specs = filepath.Join(kubernetes.Dir, "api", "openapi-spec", "v3")
	folders := []string{filepath.Join("..", "..", "package", "input")}
	for _, s := range sources {
		m, err := download(s.pin, s.module)
		if err != nil {
			return nil, err
		}
		folders = append(folders, filepath.Join(m.Dir, filepath.FromSlash(s.folder)))
		c.versions[path.Base(major.ReplaceAllString(s.module, ""))] = m.Version
	}
	for _, dir := range folders {
		files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("there are no CRDs in %s: %w", dir, err)
		}
		for _, f := range files {
			if err := c.index(f); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}

func (c *catalog) index(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 8<<10)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	group, kind := groupOf.FindSubmatch(head[:n]), kindOf.FindSubmatch(head[:n])
	if group == nil || kind == nil {
		return nil // a kustomization
	}
	c.crds[schema.GroupKind{Group: string(group[1]), Kind: string(kind[1])}] = file
	return nil
}

// addXRD adds what an XRD of the examples defines.
func (c *catalog) addXRD(file string, xrd *unstructured.Unstructured) {
	xrd = xrd.DeepCopy()
	group, _, _ := unstructured.NestedString(xrd.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(xrd.Object, "spec", "names", "kind")
	claim, _, _ := unstructured.NestedString(xrd.Object, "spec", "claimNames", "kind")
	scope, ok, _ := unstructured.NestedString(xrd.Object, "spec", "scope")
	if !ok && xrd.GroupVersionKind().Version == "v2" {
		// The API server sets this default. The CLI does not.
		scope = "Namespaced"
		_ = unstructured.SetNestedField(xrd.Object, scope, "spec", "scope")
	}
	d := &definition{
		extension: xrd.Object, versions: served(xrd.Object), source: file,
		kinds: map[schema.GroupKind]bool{{Group: group, Kind: kind}: scope == "Namespaced"},
	}
	if claim != "" {
		d.claim = schema.GroupKind{Group: group, Kind: claim}
		d.kinds[d.claim] = true
	}
	for gk := range d.kinds {
		c.xrds[gk] = append(c.xrds[gk], d)
	}
}

// served returns the names of the versions that are served, and drops the others.
func served(definition map[string]any) []string {
	all, _, _ := unstructured.NestedSlice(definition, "spec", "versions")
	var versions []any
	var names []string
	for _, v := range all {
		if v := v.(map[string]any); v["served"] == true {
			versions, names = append(versions, v), append(names, v["name"].(string))
		}
	}
	_ = unstructured.SetNestedSlice(definition, versions, "spec", "versions")
	return names
}

// find the definition of a kind, for a file of the examples. Several define kinds of the same
// name: each has its own. Other files have the only one, a claim's last.
func (c *catalog) find(gvk schema.GroupVersionKind, file string) (*definition, error) {
	d, err := c.findKind(gvk, file)
	if err == nil && !slices.Contains(d.versions, gvk.Version) {
		err = fmt.Errorf("unknown version: %s has %s", d.source, strings.Join(d.versions, ", "))
	}
	return d, err
}

func (c *catalog) findKind(gvk schema.GroupVersionKind, file string) (*definition, error) {
	gk := gvk.GroupKind()
	if xrds := c.xrds[gk]; len(xrds) > 0 {
		for dir := filepath.Dir(file); dir != "."; dir = filepath.Dir(dir) {
			for _, d := range xrds {
				if filepath.Dir(d.source) == dir {
					return d, nil
				}
			}
		}
		if others := slices.DeleteFunc(slices.Clone(xrds), func(d *definition) bool { return d.claim == gk }); len(others) > 0 {
			xrds = others
		}
		if len(xrds) > 1 {
			return nil, fmt.Errorf("ambiguous kind: defined by %s and %s", xrds[0].source, xrds[1].source)
		}
		return xrds[0], nil
	}
	key := gk.String()
	if d := c.read[key]; d != nil {
		return d, nil
	}
	file, ok := c.crds[gk]
	if !ok && strings.HasSuffix("."+gk.Group, googleNamespaced) {
		file, ok = c.crds[clusterScoped(gk)]
	}
	if !ok {
		return c.builtIn(gvk)
	}
	crd, err := readCRD(file)
	if err != nil {
		return nil, err
	}
	if c.crds[gk] == "" {
		toNamespaced(crd, gk)
	}
	scope, _, _ := unstructured.NestedString(crd, "spec", "scope")
	d := &definition{
		extension: crd, versions: served(crd), kinds: map[schema.GroupKind]bool{gk: scope == "Namespaced"},
		input: filepath.Base(filepath.Dir(file)) == "input", source: filepath.Base(file),
	}
	c.read[key] = d
	return d, nil
}

func readCRD(file string) (map[string]any, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var crd map[string]any
	err = yaml.Unmarshal(b, &crd)
	return crd, err
}

// builtIn makes a CRD of Kubernetes' own OpenAPI document: the CLI decodes these kinds strictly,
// which does not find what is missing.
func (c *catalog) builtIn(gvk schema.GroupVersionKind) (*definition, error) {
	unknown := fmt.Errorf("unknown kind: neither a module, an example nor Kubernetes defines it")
	name := "apis__" + gvk.Group + "__" + gvk.Version
	if gvk.Group == "" {
		name = "api__" + gvk.Version
	}
	key := gvk.String()
	if d := c.read[key]; d != nil {
		return d, nil
	}
	b, err := os.ReadFile(filepath.Join(c.specs, name+"_openapi.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, unknown
	}
	if err != nil {
		return nil, err
	}
	spec := &openAPI{}
	if err := json.Unmarshal(b, spec); err != nil {
		return nil, err
	}
	for _, component := range spec.Components.Schemas {
		if !hasKind(component, gvk) {
			continue
		}
		d := &definition{source: "Kubernetes", versions: []string{gvk.Version}, kinds: map[schema.GroupKind]bool{gvk.GroupKind(): spec.namespaced(gvk)}}
		d.extension = map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
			"metadata": map[string]any{"name": strings.ToLower(gvk.Kind) + "." + gvk.Group},
			"spec": map[string]any{
				"group": gvk.Group, "names": map[string]any{"kind": gvk.Kind},
				"versions": []any{map[string]any{
					"name": gvk.Version, "served": true, "storage": true,
					"schema": map[string]any{"openAPIV3Schema": spec.inline(component, nil)},
				}},
			},
		}
		c.read[key] = d
		return d, nil
	}
	return nil, unknown
}

// openAPI is what is used of an OpenAPI document.
type openAPI struct {
	Components struct {
		Schemas map[string]map[string]any `json:"schemas"`
	} `json:"components"`
	Paths map[string]struct {
		Get struct {
			Kind schema.GroupVersionKind `json:"x-kubernetes-group-version-kind"` //nolint:tagliatelle // It is OpenAPI's.
		} `json:"get"`
	} `json:"paths"`
}

func hasKind(component map[string]any, gvk schema.GroupVersionKind) bool {
	kinds, _ := component["x-kubernetes-group-version-kind"].([]any)
	return len(kinds) == 1 && cmpKind(kinds[0].(map[string]any), gvk)
}

func cmpKind(k map[string]any, gvk schema.GroupVersionKind) bool {
	return k["group"] == gvk.Group && k["version"] == gvk.Version && k["kind"] == gvk.Kind
}

func (o *openAPI) namespaced(gvk schema.GroupVersionKind) bool {
	for name, p := range o.Paths {
		if p.Get.Kind == gvk && strings.Contains(name, "/namespaces/{namespace}/") {
			return true
		}
	}
	return false
}

// inline returns a schema without references, as a CRD has it. What has no type, and what would
// have no end, may be anything.
func (o *openAPI) inline(s map[string]any, within []string) map[string]any {
	anything := map[string]any{"x-kubernetes-preserve-unknown-fields": true}
	if all, ok := s["allOf"].([]any); ok {
		s = all[0].(map[string]any)
	}
	if ref, ok := s["$ref"].(string); ok {
		if slices.Contains(within, ref) {
			return anything
		}
		return o.inline(o.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")], append(slices.Clone(within), ref))
	}
	if s["type"] == nil {
		return anything
	}
	out := map[string]any{}
	for _, k := range []string{"type", "format", "required", "enum"} {
		// No data is valid, but not in this format.
		if v, ok := s[k]; ok && v != "byte" {
			out[k] = v
		}
	}
	if items, ok := s["items"].(map[string]any); ok {
		out["items"] = o.inline(items, within)
	}
	values, isMap := s["additionalProperties"].(map[string]any)
	if isMap {
		out["additionalProperties"] = o.inline(values, within)
	}
	properties, _ := s["properties"].(map[string]any)
	if s["type"] == "object" && !isMap && len(properties) == 0 {
		out["x-kubernetes-preserve-unknown-fields"] = true
	}
	if len(properties) > 0 {
		inlined := map[string]any{}
		for k, v := range properties {
			inlined[k] = o.inline(v.(map[string]any), within)
		}
		out["properties"] = inlined
	}
	return out
}
