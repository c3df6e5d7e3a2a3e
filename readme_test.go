package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

// read a file.
func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestREADMEYAML checks that every YAML block in the README is a part of a file of the
// examples, where … stands for the rest of a line.
func TestREADMEYAML(t *testing.T) {
	files := map[string]string{}
	err := filepath.WalkDir("example", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".yaml" {
			files[path] = "\n" + read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(blocks) == 0 {
		t.Fatal("no blocks")
	}
	for _, b := range blocks {
		pattern := regexp.MustCompile("\n" + strings.ReplaceAll(regexp.QuoteMeta(b[1]), "…", ".*"))
		found := false
		for _, content := range files {
			found = found || pattern.MatchString(content)
		}
		if !found {
			t.Errorf("in no file below example:\n%s", b[1])
		}
	}
}

// TestREADMEConsole checks that the README names no target of make that there is not.
func TestREADMEConsole(t *testing.T) {
	makefile := read(t, "Makefile")
	for _, doc := range []string{"README.md", "CONTRIBUTING.md", "example/README.md", "test/e2e/README.md"} {
		targets := regexp.MustCompile("(?m)(?:^|`)make ([a-z0-9-]+)").FindAllStringSubmatch(read(t, doc), -1)
		if len(targets) == 0 {
			t.Errorf("%s names no target", doc)
		}
		for _, m := range targets {
			if !regexp.MustCompile("(?m)^" + m[1] + ":").MatchString(makefile) {
				t.Errorf("%s: no target %s", doc, m[1])
			}
		}
	}
}

// TestREADMEReasons checks that the README documents every reason of the condition.
func TestREADMEReasons(t *testing.T) {
	want := []string{
		reasonRegistered, reasonRetained, reasonRegistering, reasonWaitingForKubeconfig, reasonWaitingForField,
		reasonInvalidField, reasonInvalidKubeconfig, reasonUnsupportedCredentials, reasonDraining, reasonNameConflict, reasonServerConflict,
		reasonAmbiguousKubeconfig, reasonCredentialsExpired, reasonUpdating,
	}
	rows := regexp.MustCompile("(?m)^\\| (?:True|False) \\| `(\\w+)` \\|").FindAllStringSubmatch(read(t, "README.md"), -1)
	got := make([]string, 0, len(rows))
	for _, m := range rows {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons: -code, +README:\n%s", diff)
	}
}

// TestInputExample checks that the inputs that show everything work, and together have every
// field that the CRD has.
func TestInputExample(t *testing.T) {
	want, got := map[string]bool{}, map[string]bool{}
	crd := documents(t, "package", "input", "argocd.fn.crossplane.io_clusterregistrations.yaml")["CustomResourceDefinition"]
	versions := crd["spec"].(map[string]any)["versions"].([]any)
	schemaPaths(versions[0].(map[string]any)["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any), "", want)
	delete(want, "metadata")

	for i, doc := range strings.Split(read(t, "example", "input.yaml"), "\n---\n") {
		in := mustStruct(t, doc)
		if _, err := input(&fnv1.RunFunctionRequest{Input: in}, &composite{namespace: "team-a"}); err != nil {
			t.Errorf("input %d: %v", i, err)
		}
		valuePaths(in.AsMap(), "", want, got)
	}
	// Each source of a value has the same type, and need not show it.
	for _, paths := range []map[string]bool{want, got} {
		maps.DeleteFunc(paths, func(path string, _ bool) bool {
			return strings.HasSuffix(path, "From.type") && path != "kubeconfigFrom.type" && path != "cluster.serverFrom.type"
		})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields: -CRD, +example/input.yaml:\n%s", diff)
	}
}

// schemaPaths adds the path of every field of a schema.
func schemaPaths(schema map[string]any, path string, out map[string]bool) {
	if path != "" {
		out[path] = true
	}
	if items, ok := schema["items"].(map[string]any); ok {
		schemaPaths(items, path, out)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		schemaPaths(p.(map[string]any), strings.TrimPrefix(path+"."+name, "."), out)
	}
}

// valuePaths adds the path of every field of a value that the schema has. A map of the user's own
// keys has none.
func valuePaths(v any, path string, schema, out map[string]bool) {
	if schema[path] {
		out[path] = true
	}
	switch v := v.(type) {
	case map[string]any:
		for name, f := range v {
			if p := strings.TrimPrefix(path+"."+name, "."); schema[p] {
				valuePaths(f, p, schema, out)
			}
		}
	case []any:
		for _, e := range v {
			valuePaths(e, path, schema, out)
		}
	}
}

// TestInstall checks that what the README has a hub install is what the examples use.
func TestInstall(t *testing.T) {
	function := documents(t, "example", "install", "function.yaml")["Function"]
	for _, dir := range []string{"aks", "gke"} {
		if !strings.Contains(read(t, "example", dir, "functions.yaml"), toYAML(t, function["spec"])[len("package: "):]) {
			t.Errorf("example/%s uses another version than example/install", dir)
		}
	}
	kinds := documents(t, "example", "install", "providerconfigs.yaml")
	got := map[string]any{}
	for kind, o := range kinds {
		got[kind] = group(o["apiVersion"].(string))
	}
	want := map[string]any{"ProviderConfig": groupClusterObject, "ClusterProviderConfig": groupNamespacedObject}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configurations: -Objects, +install:\n%s", diff)
	}
}
