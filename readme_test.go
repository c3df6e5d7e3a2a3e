package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/client-go/applyconfigurations/apps/v1"
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

// markdown returns the project's pages by their path. Those below .github are templates.
func markdown(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "dist" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			pages[path] = read(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// TestDocsYAML checks that every YAML block in a page is a part of a file of the examples,
// at any indentation. … stands for the rest of a line.
func TestDocsYAML(t *testing.T) {
	files := map[string][]string{}
	err := filepath.WalkDir("example", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".yaml" {
			files[path] = strings.Split(read(t, path), "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for path, page := range markdown(t) {
		for _, b := range regexp.MustCompile("(?ms)^ *```yaml\n(.*?)\n *```$").FindAllStringSubmatch(page, -1) {
			n++
			// The release notes are a template.
			block := dedent(strings.Split(strings.ReplaceAll(b[1], "VERSION", "…"), "\n"))
			found := false
			for _, lines := range files {
				found = found || isIn(block, lines)
			}
			if !found {
				t.Errorf("%s: in no file below example:\n%s", path, b[1])
			}
		}
	}
	if n == 0 {
		t.Error("no blocks")
	}
}

// dedent returns lines without the indentation that all of them have.
func dedent(lines []string) []string {
	indent := -1
	for _, l := range lines {
		if n := len(l) - len(strings.TrimLeft(l, " ")); strings.TrimSpace(l) != "" && (indent < 0 || n < indent) {
			indent = n
		}
	}
	out := make([]string, 0, len(lines))
	for _, l := range lines {
		out = append(out, l[min(len(l), max(indent, 0)):])
	}
	return out
}

// isIn reports whether lines are a part of others.
func isIn(part, of []string) bool {
	patterns := make([]*regexp.Regexp, 0, len(part))
	for _, l := range part {
		patterns = append(patterns, regexp.MustCompile("^"+strings.ReplaceAll(regexp.QuoteMeta(l), "…", ".*")+"$"))
	}
	for start := range max(0, len(of)-len(part)+1) {
		i := 0
		for _, l := range dedent(of[start : start+len(part)]) {
			if !patterns[i].MatchString(l) {
				break
			}
			i++
		}
		if i == len(part) {
			return true
		}
	}
	return false
}

// TestDocsConsole checks that the pages name no target of make that there is not.
func TestDocsConsole(t *testing.T) {
	makefile := read(t, "Makefile")
	n := 0
	for path, page := range markdown(t) {
		for _, m := range regexp.MustCompile("(?m)(?:^ *|`)make ([a-z0-9-]+)").FindAllStringSubmatch(page, -1) {
			n++
			if !regexp.MustCompile("(?m)^" + m[1] + ":").MatchString(makefile) {
				t.Errorf("%s: no target %s", path, m[1])
			}
		}
	}
	if n == 0 {
		t.Error("no targets")
	}
}

// TestDocsLinks checks that every link from one page to another, or to a heading, leads
// somewhere.
func TestDocsLinks(t *testing.T) {
	pages := markdown(t)
	links := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for path, page := range pages {
		for _, m := range links.FindAllStringSubmatch(withoutBlocks(page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			file, anchor, hasAnchor := strings.Cut(m[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s: %v", path, m[1], err)
				continue
			}
			if hasAnchor && !slices.Contains(anchors(pages[target]), anchor) {
				t.Errorf("%s: %s: no such heading", path, m[1])
			}
		}
	}
}

// withoutBlocks returns a page without its blocks of code.
func withoutBlocks(page string) string {
	return regexp.MustCompile("(?ms)^ *```.*?\n *```$").ReplaceAllString(page, "")
}

// anchors returns the anchors that GitHub gives the headings of a page.
func anchors(page string) []string {
	var out []string
	seen := map[string]int{}
	for _, m := range regexp.MustCompile("(?m)^#+ (.*)$").FindAllStringSubmatch(withoutBlocks(page), -1) {
		a := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])
		if n := seen[a]; n > 0 {
			out = append(out, a+"-"+strconv.Itoa(n))
		} else {
			out = append(out, a)
		}
		seen[a]++
	}
	return out
}

// TestExamplesTable checks that the table of the examples has all of them, and names tests and
// targets of make that there are.
func TestExamplesTable(t *testing.T) {
	tests := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != "." && strings.HasPrefix(d.Name(), ".") {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(path, "_test.go") {
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t `).FindAllStringSubmatch(read(t, path), -1) {
				tests[m[1]] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	targets := read(t, "Makefile")

	rows := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| \[([\w.-]+)\]\([^)]+\) \| .* \| (.+) \|$`).FindAllStringSubmatch(read(t, "example", "README.md"), -1) {
		rows[row[1]] = true
		by := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[2], -1)
		if len(by) == 0 {
			t.Errorf("%s is not tested", row[1])
		}
		for _, m := range by {
			target, isTarget := strings.CutPrefix(m[1], "make ")
			if isTarget && !strings.Contains(targets, "\n"+target+":") || !isTarget && !tests[m[1]] {
				t.Errorf("%s is to be tested by %s, which is not there", row[1], m[1])
			}
		}
	}
	entries, err := os.ReadDir("example")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, e := range entries {
		if e.Name() != "README.md" {
			want[e.Name()] = true
		}
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("examples: -folders, +rows:\n%s", diff)
	}
}

// TestREADMESize checks that the front page stays one.
func TestREADMESize(t *testing.T) {
	if n := len(read(t, "README.md")); n > 7000 {
		t.Errorf("README.md has %d bytes, more than 7000", n)
	}
}

// functionCode returns the code of the function.
func functionCode(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"*.go", "internal/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") {
				all.WriteString(read(t, f))
			}
		}
	}
	return all.String()
}

// conditionSection returns what docs/troubleshooting.md has about the condition.
func conditionSection(t *testing.T) string {
	t.Helper()
	_, section, _ := strings.Cut(read(t, "docs", "troubleshooting.md"), "\n## The condition\n")
	section, _, ok := strings.Cut(section, "\n## ")
	if !ok {
		t.Fatal("no section about the condition")
	}
	return section
}

// TestDocsReasons checks that docs/troubleshooting.md has a heading for every reason of the
// condition, and for Crossplane's own. The constants have the reasons' names.
func TestDocsReasons(t *testing.T) {
	want := []string{"FatalError"}
	for _, m := range regexp.MustCompile(`(?m)^\s*reason([A-Z]\w*)\s+= `).FindAllStringSubmatch(functionCode(t), -1) {
		want = append(want, m[1])
	}
	if !slices.Contains(want, reasonServerConflict) || !slices.Contains(want, reasonInvalidKubeconfig) {
		t.Fatalf("the code's reasons were not found: %v", want)
	}
	headings := regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(conditionSection(t), -1)
	got := make([]string, 0, len(headings))
	for _, m := range headings {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons: -code, +docs/troubleshooting.md:\n%s", diff)
	}
}

// TestDocsMessages checks that what docs/troubleshooting.md quotes of messages is in the code.
// … stands for anything.
func TestDocsMessages(t *testing.T) {
	// A message may be put together of several texts.
	code := strings.ToLower(strings.ReplaceAll(functionCode(t), `\"`, `"`))
	n := 0
	for _, row := range regexp.MustCompile(`(?m)^\| (.*?) \| `).FindAllStringSubmatch(conditionSection(t), -1) {
		for _, quoted := range regexp.MustCompile("`([^`]+ [^`]+)`").FindAllStringSubmatch(row[1], -1) {
			for _, text := range regexp.MustCompile(`"?…"?|\bN\b`).Split(quoted[1], -1) {
				n++
				if text = strings.ToLower(strings.TrimSpace(text)); !strings.Contains(code, text) {
					t.Errorf("in no message: %s", text)
				}
			}
		}
	}
	if n == 0 {
		t.Error("no messages")
	}
}

// TestDocsFlags checks that docs/operations.md has all flags with their defaults, and that the
// flags in the example exist.
func TestDocsFlags(t *testing.T) {
	parser, err := kong.New(&CLI{})
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string]string{}, map[string]string{}
	for _, f := range parser.Model.Flags {
		switch {
		case f.Name == "help":
		case f.IsBool():
			want[f.Name] = strconv.FormatBool(f.Default == "true")
		case len(f.Envs) > 0:
			want[f.Name] = "$" + f.Envs[0]
		default:
			want[f.Name] = f.Default
		}
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\| `([^`]*)` \\| ").FindAllStringSubmatch(read(t, "docs", "operations.md"), -1) {
		got[m[1]] = m[2]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flags: -code, +docs/operations.md:\n%s", diff)
	}

	for _, c := range runtimeDeployment(t).Spec.Template.Spec.Containers {
		if _, err := parser.Parse(c.Args); err != nil {
			t.Errorf("flags in example/install: %v", err)
		}
		// Crossplane's name for the container that runs the function.
		if *c.Name != "package-runtime" {
			t.Errorf("container in example/install: %s", *c.Name)
		}
	}
}

// runtimeDeployment returns the template of a Deployment in the DeploymentRuntimeConfig in
// example/install, which must only have fields that a Deployment has.
func runtimeDeployment(t *testing.T) *appsv1.DeploymentApplyConfiguration {
	t.Helper()
	config := struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Spec struct {
			DeploymentTemplate appsv1.DeploymentApplyConfiguration `json:"deploymentTemplate"`
		} `json:"spec"`
	}{}
	if err := yaml.UnmarshalStrict([]byte(read(t, "example", "install", "runtimeconfig.yaml")), &config); err != nil {
		t.Fatal(err)
	}
	if got, want := config.APIVersion+" "+config.Kind, "pkg.crossplane.io/v1beta1 DeploymentRuntimeConfig"; got != want {
		t.Errorf("example/install/runtimeconfig.yaml is a %s, not a %s", got, want)
	}
	d := &config.Spec.DeploymentTemplate
	if d.Spec == nil || d.Spec.Selector == nil || d.Spec.Template == nil || d.Spec.Template.Spec == nil {
		t.Fatal("example/install/runtimeconfig.yaml: spec.selector and spec.template of a Deployment are required")
	}
	return d
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
	for _, dir := range []string{"aks", "claim", "eks", "gke"} {
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
