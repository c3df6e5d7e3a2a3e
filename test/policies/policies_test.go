// Package policies has Kyverno's CLI judge what the policies in example/platform-policies allow and
// refuse, and why.
package policies

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"
)

var cli = flag.String("cli", "", "Kyverno's CLI")

var folder = filepath.Join("..", "..", "example", "platform-policies")

func TestMain(m *testing.M) {
	flag.Parse()
	if *cli == "" {
		fmt.Fprintln(os.Stderr, "run make test-policies: it builds what this needs")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// A policy is what Kubernetes' and Kyverno's have in common.
type policy struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Evaluation       struct{ Background struct{ Enabled *bool } }
		FailurePolicy    string
		MatchConstraints map[string]any
		MatchConditions  []named
		Variables        []named
		Validations      []validation
	}
}

type named struct{ Name, Expression string }

type validation struct{ Expression, Message string }

// A test is one that the CLI runs.
type test struct {
	Metadata struct{ Name string }
	Results  []struct {
		Policy, Operation, Result string
		Resources                 []string
	}
}

// documents of the YAML files in a folder that have the kind.
func documents[T any](t *testing.T, kind string, pattern ...string) []T {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(append([]string{folder}, pattern...)...))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %v: %v", pattern, err)
	}
	var out []T
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for doc := range strings.SplitSeq("\n"+string(b), "\n---\n") {
			var is struct{ Kind string }
			var o T
			if err := yaml.Unmarshal([]byte(doc), &is); err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			if is.Kind != kind {
				continue
			}
			if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			out = append(out, o)
		}
	}
	return out
}

// TestKyverno checks what each policy refuses, and that it does so for its own reason: the CLI alone
// does not compare messages, and takes a policy that does not apply for one that passes.
func TestKyverno(t *testing.T) {
	// What is refused, by test, operation and resource, and how the message begins.
	const (
		noTeam        = "a cluster belongs to a team, and this namespace has none"
		noEnvironment = "a cluster has an environment"
		noReason      = "draining removes all workloads from a production cluster"
		noProject     = "a production cluster needs its team's AppProject, and none exists"
		notIncluded   = "the team's AppProject does not have this cluster among its destinations"
		noBackup      = "a production database has backups of at least 7 days"
		notYours      = "only the hub's own controllers write cluster Secrets"
		notDrained    = "this cluster is not drained"
		left          = "this cluster is drained, but some of its Applications are not gone yet"
	)
	want := map[string]string{
		"clusters: CREATE default/without-a-team":                                      noTeam,
		"clusters: CREATE team-a/without-an-environment":                               noEnvironment,
		"clusters: CREATE default/set-no-team":                                         noTeam,
		"production-drain: CREATE team-a/claim-without-a-reason":                       noReason,
		"production-project: CREATE team-b/set":                                        notIncluded,
		"production-project: CREATE team-c/claim":                                      noProject,
		"deletion: DELETE team-a/claim-in-use":                                         notDrained,
		"deletion: DELETE team-a/claim-draining":                                       left,
		"production-drain: CREATE team-a/without-a-reason":                             noReason,
		"production-drain: CREATE team-a/set-no-reason":                                noReason,
		"production-project: CREATE team-b/prod-2":                                     notIncluded,
		"production-project: CREATE team-c/prod":                                       noProject,
		"databases: CREATE team-a/without-backups":                                     noBackup,
		"databases: CREATE team-a/with-backups-of-a-day":                               noBackup,
		"databases: UPDATE team-a/without-backups":                                     noBackup,
		"cluster-secrets-by-team: CREATE argocd/cluster-team-a.prod":                   notYours,
		"cluster-secrets-by-team: UPDATE argocd/cluster-team-a.prod":                   notYours,
		"cluster-secrets-by-team: DELETE argocd/cluster-team-a.prod":                   notYours,
		"cluster-secrets-by-provider-helm: CREATE argocd/cluster-team-a.prod":          notYours,
		"cluster-secrets-by-provider-helm: UPDATE argocd/cluster-team-a.prod":          notYours,
		"cluster-secrets-by-provider-helm: DELETE argocd/cluster-team-a.prod":          notYours,
		"cluster-secrets-by-application-controller: CREATE argocd/cluster-team-a.prod": notYours,
		"cluster-secrets-by-application-controller: DELETE argocd/cluster-team-a.prod": notYours,
		"deletion: DELETE team-a/in-use":                                               notDrained,
		"deletion: DELETE team-a/set-in-use":                                           notDrained,
		"deletion: DELETE team-a/draining":                                             left,
		"deletion-by-application-controller: DELETE team-a/in-use":                     notDrained,
	}

	got := map[string]string{}
	passed := map[string]bool{}
	dirs, err := filepath.Glob(filepath.Join(folder, "tests", "*", "kyverno-test.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		name := filepath.Base(filepath.Dir(d))
		tests := documents[test](t, "Test", "tests", name, "kyverno-test.yaml")
		for i, rows := range run(t, filepath.Dir(d), len(tests)) {
			for _, r := range tests[i].Results {
				for _, resource := range r.Resources {
					operation := r.Operation
					if operation == "" {
						operation = "CREATE"
					}
					what := fmt.Sprintf("%s: %s %s", tests[i].Metadata.Name, operation, resource)
					if len(rows) == 0 || !strings.HasSuffix(rows[0].Resource, "/"+resource) {
						t.Fatalf("%s: no result of its own: %v", what, rows)
					}
					message := rows[0].Message
					rows = rows[1:]
					switch {
					case r.Result == "fail":
						got[what] = message
						if strings.HasPrefix(message, want[what]) {
							got[what] = want[what]
						}
					case r.Result == "pass" && message == "success":
						passed[r.Policy] = true
					case r.Result != "skip" || message != "skip":
						t.Errorf("%s: want %s, got %q", what, r.Result, message)
					}
				}
			}
			if len(rows) != 0 {
				t.Errorf("%s: more results than resources: %v", tests[i].Metadata.Name, rows)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what is refused: -want, +got:\n%s", diff)
	}
	for _, p := range documents[policy](t, "ValidatingPolicy", "kyverno", "*.yaml") {
		if !passed[p.Metadata.Name] {
			t.Errorf("%s: no test passes it", p.Metadata.Name)
		}
		for _, v := range p.Spec.Validations {
			if !slices.ContainsFunc(slices.Collect(maps.Values(want)), func(w string) bool { return strings.HasPrefix(v.Message, w) }) {
				t.Errorf("%s: no test fails it with: %s", p.Metadata.Name, v.Message)
			}
		}
	}
}

// A row is a line of the CLI's table.
type row struct {
	Resource string `json:"RESOURCE"` //nolint:tagliatelle // It is Kyverno's.
	Message  string `json:"Message"`  //nolint:tagliatelle // It is Kyverno's.
}

var table = regexp.MustCompile(`(?m)^\[\n(?:.*\n)*?\]$`)

// run the tests in a folder, and return the rows of each.
func run(t *testing.T, dir string, n int) [][]row {
	t.Helper()
	out, err := exec.Command(*cli, "test", dir, "--detailed-results", "--output-format=json", "--require-tests", "--warnings-as-errors").CombinedOutput()
	if err != nil {
		t.Fatalf("kyverno test %s: %v\n%s", dir, err, out)
	}
	tables := table.FindAll(out, -1)
	if len(tables) != n {
		t.Fatalf("kyverno test %s: want %d tables, got:\n%s", dir, n, out)
	}
	all := make([][]row, n)
	for i, b := range tables {
		if err := json.Unmarshal(b, &all[i]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestForms checks that a policy with both forms is the same in both: make e2e enforces
// Kubernetes' alone.
func TestForms(t *testing.T) {
	kyverno := map[string]policy{}
	for _, p := range documents[policy](t, "ValidatingPolicy", "kyverno", "*.yaml") {
		kyverno[p.Metadata.Name] = p
	}
	// Kyverno also evaluates its policies without a user.
	same := strings.NewReplacer(".?username.orValue('')", ".username", ".?groups.orValue([])", ".groups")
	for _, p := range documents[policy](t, "ValidatingAdmissionPolicy", "kubernetes", "*.yaml") {
		t.Run(p.Metadata.Name, func(t *testing.T) {
			k, ok := kyverno[p.Metadata.Name]
			if !ok {
				t.Fatal("Kyverno has no policy of this name")
			}
			if diff := cmp.Diff(p.Spec.MatchConstraints, k.Spec.MatchConstraints); diff != "" {
				t.Errorf("matchConstraints: -Kubernetes, +Kyverno:\n%s", diff)
			}
			if diff := cmp.Diff(p.Spec.FailurePolicy, k.Spec.FailurePolicy); diff != "" {
				t.Errorf("failurePolicy: -Kubernetes, +Kyverno:\n%s", diff)
			}
			conditions := k.Spec.MatchConditions
			for i := range conditions {
				conditions[i].Expression = same.Replace(conditions[i].Expression)
				// The only condition that Kyverno cannot have.
				if i < len(p.Spec.MatchConditions) && conditions[i].Name == "not-an-administrator" {
					conditions[i].Expression = p.Spec.MatchConditions[i].Expression
				}
			}
			if diff := cmp.Diff(p.Spec.MatchConditions, conditions); diff != "" {
				t.Errorf("matchConditions: -Kubernetes, +Kyverno:\n%s", diff)
			}
			// Kyverno's may look up more.
			variables := k.Spec.Variables[:min(len(k.Spec.Variables), len(p.Spec.Variables))]
			if diff := cmp.Diff(p.Spec.Variables, variables, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("variables: -Kubernetes, +Kyverno:\n%s", diff)
			}
			validations := k.Spec.Validations
			for i := range validations {
				validations[i].Expression = same.Replace(validations[i].Expression)
			}
			if diff := cmp.Diff(p.Spec.Validations, validations[:min(len(validations), len(p.Spec.Validations))]); diff != "" {
				t.Errorf("validations: -Kubernetes, +Kyverno:\n%s", diff)
			}
		})
	}
}

// TestReports checks that Kyverno may read what it is to report about: all that the policies match which
// also apply in the background.
func TestReports(t *testing.T) {
	type rules struct {
		Rules []struct{ Resources []string }
	}
	want, got := map[string]bool{}, map[string]bool{}
	for _, p := range documents[policy](t, "ValidatingPolicy", "kyverno", "*.yaml") {
		if p.Spec.Evaluation.Background.Enabled != nil {
			continue
		}
		for _, rule := range p.Spec.MatchConstraints["resourceRules"].([]any) {
			for _, r := range rule.(map[string]any)["resources"].([]any) {
				want[r.(string)] = true
			}
		}
	}
	for _, role := range documents[rules](t, "ClusterRole", "kyverno", "rbac.yaml") {
		for _, rule := range role.Rules {
			for _, r := range rule.Resources {
				got[r] = true
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("resources: -policies, +ClusterRole:\n%s", diff)
	}
}
