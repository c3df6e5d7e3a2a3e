package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"sigs.k8s.io/yaml"

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

// TestInputExample checks that the input that says everything is one that works, and
// does say everything.
func TestInputExample(t *testing.T) {
	example := read(t, "example", "input.yaml")
	j, err := yaml.YAMLToJSON([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	req := &fnv1.RunFunctionRequest{Input: mustStruct(t, "{}")}
	if err := protojson.Unmarshal(j, req.GetInput()); err != nil {
		t.Fatal(err)
	}
	if _, err := input(req, &composite{namespace: "team-a"}); err != nil {
		t.Error(err)
	}

	crd := read(t, "package", "input", "argocd.fn.crossplane.io_clusterregistrations.yaml")
	names := regexp.MustCompile(`(?m)^ {10,}(\w+):$`).FindAllStringSubmatch(crd, -1)
	seen := map[string]bool{}
	for _, m := range names {
		// Below properties, a field's name is followed by its schema.
		if slices.Contains([]string{"properties", "items", "enum", "required", "additionalProperties", "metadata", "default"}, m[1]) {
			continue
		}
		seen[m[1]] = true
		if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(example) {
			t.Errorf("the input that says everything does not say %s", m[1])
		}
	}
	for _, f := range []string{"kubeconfigFrom", "nameFromFieldPath", "managementPolicies"} {
		if !seen[f] {
			t.Errorf("the CRD has no %s", f)
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
