// Package monitoring tests the alerts and the dashboard in example/monitoring: Prometheus' own
// promtool evaluates them, for metrics that exist.
package monitoring

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var (
	promtool = flag.String("promtool", "", "Prometheus' promtool")
	function = flag.String("function", "", "the function's program")
)

var examples = filepath.Join("..", "..", "example")

func TestMain(m *testing.M) {
	flag.Parse()
	if *promtool == "" || *function == "" {
		fmt.Fprintln(os.Stderr, "run make test-monitoring: it builds what this needs")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An object has the fields of all kinds that the tests look at.
type object struct {
	Kind     string
	Metadata struct {
		Name, Namespace string
		Labels          map[string]string
	}
	Data  map[string]string
	Rules []struct{ Resources []string }
	Spec  struct {
		JobLabel string
		Selector struct{ MatchLabels map[string]string }
		Groups   []struct {
			Rules []struct{ Alert, Expr string }
		}
		Template struct {
			Spec struct {
				Containers []struct{ Image string }
			}
		}
		Names struct{ Kind, Plural string }
	}
}

// objects in a YAML file, by their kind.
func objects(t *testing.T, path ...string) map[string]*object {
	t.Helper()
	out := map[string]*object{}
	for doc := range strings.SplitSeq("\n"+string(read(t, path...)), "\n---\n") {
		o := &object{}
		if err := yaml.Unmarshal([]byte(doc), o); err != nil {
			t.Fatal(err)
		}
		out[o.Kind] = o
	}
	return out
}

// stateMetrics is the configuration of kube-state-metrics.
type stateMetrics struct {
	Spec struct {
		Resources []struct {
			GroupVersionKind struct{ Kind string }
			MetricNamePrefix string
			Metrics          []struct{ Name string }
		}
	}
}

func config(t *testing.T) stateMetrics {
	t.Helper()
	c := stateMetrics{}
	if err := yaml.Unmarshal([]byte(objects(t, examples, "monitoring", "kube-state-metrics.yaml")["ConfigMap"].Data["config.yaml"]), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// A ruleTest is what promtool is to evaluate.
//
//nolint:tagliatelle // The format is promtool's.
type ruleTest struct {
	Tests []struct {
		InputSeries []struct {
			Series string
		} `json:"input_series"`
		AlertRuleTest []struct {
			Alertname string
			ExpAlerts []any `json:"exp_alerts"`
		} `json:"alert_rule_test"`
		PromqlExprTest []struct {
			Expr       string
			ExpSamples []any `json:"exp_samples"`
		} `json:"promql_expr_test"`
	}
}

func ruleTests(t *testing.T) ruleTest {
	t.Helper()
	r := ruleTest{}
	if err := yaml.Unmarshal(read(t, "testdata", "alerts_test.yaml"), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAlerts has promtool check the alerts, and evaluate them and the dashboard's queries.
func TestAlerts(t *testing.T) {
	rules := struct {
		Spec map[string]any
	}{}
	if err := yaml.Unmarshal(read(t, examples, "monitoring", "alerts.yaml"), &rules); err != nil {
		t.Fatal(err)
	}
	b, err := yaml.Marshal(rules.Spec)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{"rules.yaml": b, "test.yaml": read(t, "testdata", "alerts_test.yaml")} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", filepath.Join(dir, "rules.yaml")},
		{"test", "rules", filepath.Join(dir, "test.yaml")},
	} {
		if out, err := exec.CommandContext(t.Context(), *promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args[:2], " "), err, out)
		}
	}
}

// TestAlertsTested checks that there is a test in which each alert fires, which it only does if its
// metrics are those of the test, and that README.md lists the alerts.
func TestAlertsTested(t *testing.T) {
	want, got := map[string]bool{}, map[string]bool{}
	for _, g := range objects(t, examples, "monitoring", "alerts.yaml")["PrometheusRule"].Spec.Groups {
		for _, r := range g.Rules {
			want[r.Alert] = true
		}
	}
	for _, test := range ruleTests(t).Tests {
		for _, a := range test.AlertRuleTest {
			if len(a.ExpAlerts) > 0 {
				got[a.Alertname] = true
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("alerts: -example/monitoring, +tests in which they fire:\n%s", diff)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z]\\w+)` \\| ").FindAllStringSubmatch(string(read(t, examples, "monitoring", "README.md")), -1) {
		listed[m[1]] = true
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("alerts: -alerts.yaml, +README.md:\n%s", diff)
	}
}

// TestDashboardTested checks that there is a test in which each query of the dashboard has a
// result.
func TestDashboardTested(t *testing.T) {
	cm := objects(t, examples, "monitoring", "dashboard.yaml")["ConfigMap"]
	dashboard := struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}{}
	if err := yaml.Unmarshal([]byte(cm.Data["argocd-registrations.json"]), &dashboard); err != nil {
		t.Fatal(err)
	}
	want, got := map[string]bool{}, map[string]bool{}
	for _, p := range dashboard.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("panel %q has no query", p.Title)
		}
		for _, target := range p.Targets {
			// Grafana's variables.
			want[strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")] = true
		}
	}
	for _, test := range ruleTests(t).Tests {
		for _, e := range test.PromqlExprTest {
			if len(e.ExpSamples) > 0 {
				got[e.Expr] = true
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("queries: -dashboard, +tests with a result:\n%s", diff)
	}
}

// TestMetrics checks that the tests' metrics, and so those of the alerts and of the dashboard,
// exist: the function serves them, or kube-state-metrics is configured to.
func TestMetrics(t *testing.T) {
	exist := functionMetrics(t)
	exist["up"] = true
	for _, r := range config(t).Spec.Resources {
		for _, m := range r.Metrics {
			exist[r.MetricNamePrefix+"_"+m.Name] = true
		}
	}
	n := 0
	for _, test := range ruleTests(t).Tests {
		for _, s := range test.InputSeries {
			n++
			if name, _, _ := strings.Cut(s.Series, "{"); !exist[name] {
				t.Errorf("nothing has the metric %s", name)
			}
		}
	}
	if n == 0 {
		t.Error("no series")
	}

	// And what the documentation says that the function has.
	_, section, _ := strings.Cut(string(read(t, "..", "..", "docs", "operations.md")), "\n## Metrics and health\n")
	section, _, _ = strings.Cut(section, "\n## ")
	documented := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ").FindAllStringSubmatch(section, -1)
	for _, m := range documented {
		if !exist[m[1]] {
			t.Errorf("docs/operations.md: nothing has the metric %s", m[1])
		}
	}
	if len(documented) == 0 {
		t.Error("docs/operations.md: no metrics")
	}
}

// functionMetrics runs the function, and returns the names of the metrics that it serves.
func functionMetrics(t *testing.T) map[string]bool {
	t.Helper()
	addr := map[string]string{}
	for _, name := range []string{"address", "metrics-address"} {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr[name] = l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), *function, "--insecure", "--address="+addr["address"], "--metrics-address="+addr["metrics-address"])
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		names, err := scrape(ctx, "http://"+addr["metrics-address"]+"/metrics")
		if err == nil {
			return names
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// scrape returns the names of the metrics at a URL.
func scrape(ctx context.Context, url string) (map[string]bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer rsp.Body.Close()
	names := map[string]bool{}
	for lines := bufio.NewScanner(rsp.Body); lines.Scan(); {
		if name := regexp.MustCompile(`^[a-z_]+`).FindString(lines.Text()); name != "" {
			names[name] = true
		}
	}
	if len(names) == 0 {
		return nil, errors.New("no metrics")
	}
	return names, nil
}

// TestKinds checks that kube-state-metrics reads the XRs of all examples that register a cluster,
// and may.
func TestKinds(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(examples, "*", "definition.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(filepath.Join(examples, "*", "*", "definition.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, f := range slices.Concat(files, more) {
		composition, err := os.ReadFile(filepath.Join(filepath.Dir(f), "composition.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(composition), "kind: ClusterRegistration") {
			continue
		}
		names := objects(t, f)["CompositeResourceDefinition"].Spec.Names
		want[names.Kind], want[names.Plural] = true, true
	}
	got := map[string]bool{}
	for _, r := range config(t).Spec.Resources {
		got[r.GroupVersionKind.Kind] = true
	}
	for _, resource := range objects(t, examples, "monitoring", "kube-state-metrics.yaml")["ClusterRole"].Rules[0].Resources {
		got[resource] = true
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("kinds and resources: -definitions in example, +kube-state-metrics.yaml:\n%s", diff)
	}
}

// TestJobs checks that what is scraped has the names of jobs that the alerts and the dashboard
// have.
func TestJobs(t *testing.T) {
	scraped := objects(t, examples, "monitoring", "scrape.yaml")
	service := objects(t, examples, "monitoring", "kube-state-metrics.yaml")["Service"]
	state, function := scraped["ServiceMonitor"].Spec, scraped["PodMonitor"].Spec
	if diff := cmp.Diff(service.Metadata.Labels, state.Selector.MatchLabels); diff != "" {
		t.Errorf("labels: -Service, +ServiceMonitor:\n%s", diff)
	}
	want := []string{service.Metadata.Labels[state.JobLabel], function.Selector.MatchLabels[function.JobLabel]}

	jobs := map[string]bool{}
	for _, f := range []string{"alerts.yaml", "dashboard.yaml"} {
		for _, m := range regexp.MustCompile(`\bjob=\\?"([^"\\]*)`).FindAllStringSubmatch(string(read(t, examples, "monitoring", f)), -1) {
			jobs[m[1]] = true
		}
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(jobs))); diff != "" {
		t.Errorf("jobs: -scrape.yaml, +alerts and dashboard:\n%s", diff)
	}
}

// TestVersion checks that the example installs the version of kube-state-metrics that the
// end-to-end test runs.
func TestVersion(t *testing.T) {
	m := regexp.MustCompile(`(?m)k8s\.io/kube-state-metrics/v2 (v\S+)`).FindSubmatch(read(t, "..", "..", "tools", "kube-state-metrics", "go.mod"))
	if m == nil {
		t.Fatal("tools/kube-state-metrics does not pin a version")
	}
	image, _, _ := strings.Cut(objects(t, examples, "monitoring", "kube-state-metrics.yaml")["Deployment"].Spec.Template.Spec.Containers[0].Image, "@")
	if !strings.HasSuffix(image, ":"+string(m[1])) {
		t.Errorf("example/monitoring installs %s, and the end-to-end test runs %s", image, m[1])
	}
}
