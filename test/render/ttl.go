package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"sigs.k8s.io/yaml"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

const (
	thisFunction = "function-argocd-cluster"
	autoReady    = "function-auto-ready"
)

// ttls are how long the functions' last answers in a rendering hold, by the function's name.
type ttls struct {
	mu   sync.Mutex
	last map[string]time.Duration
}

// reset before a rendering.
func (t *ttls) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = map[string]time.Duration{}
}

// pipeline returns the time after which Crossplane runs the pipeline again: the shortest that
// any of its functions named. Zero is no limit.
func (t *ttls) pipeline() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	var shortest time.Duration
	for _, d := range t.last {
		if d > 0 && (shortest == 0 || d < shortest) {
			shortest = d
		}
	}
	return shortest
}

// A recorder forwards Crossplane's calls to a function, and notes how long the answers hold.
type recorder struct {
	fnv1.UnimplementedFunctionRunnerServiceServer

	name     string
	function fnv1.FunctionRunnerServiceClient
	ttls     *ttls
}

func (r *recorder) RunFunction(ctx context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	rsp, err := r.function.RunFunction(ctx, req)
	if err != nil {
		return nil, err
	}
	r.ttls.mu.Lock()
	defer r.ttls.mu.Unlock()
	r.ttls.last[r.name] = rsp.GetMeta().GetTtl().AsDuration()
	return rsp, nil
}

// record returns an address that forwards to a function's, until the context ends.
func (o *options) record(ctx context.Context, name, address string) (string, error) {
	c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := grpc.NewServer()
	fnv1.RegisterFunctionRunnerServiceServer(s, &recorder{name: name, function: fnv1.NewFunctionRunnerServiceClient(c), ttls: &o.ttls})
	o.running.Go(func() { _ = s.Serve(l) })
	o.running.Go(func() {
		<-ctx.Done()
		s.Stop()
		_ = c.Close()
	})
	return l.Addr().String(), nil
}

// A row of the documentation says how often a pipeline runs.
type row struct {
	pipeline string
	every    time.Duration
}

// documented returns the rows of the table of pipelines in a page.
func documented(page []byte) ([]row, error) {
	_, table, ok := strings.Cut(string(page), "\n| Pipeline | Runs every |\n| --- | --- |\n")
	if !ok {
		return nil, errors.New("no table of pipelines")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var rows []row
	for line := range strings.Lines(table) {
		m := regexp.MustCompile(`^\| (.+) \| (\d+) (minute)s? \|\n?$`).FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("cannot read the row %q", line)
		}
		d, err := time.ParseDuration(m[2] + m[3][:1])
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{pipeline: m[1], every: d})
	}
	return rows, nil
}

// checkTTLs renders a registered cluster through each pipeline of the table in a page, and
// compares after what time Crossplane runs it again. The pipelines of the examples must be in
// the table.
func (o *options) checkTTLs(ctx context.Context, page, registered string, examples []string, functions string) error {
	b, err := os.ReadFile(page) //nolint:gosec // The command line names it.
	if err != nil {
		return err
	}
	rows, err := documented(b)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	for _, e := range examples {
		_, steps, err := composition(e)
		if err != nil {
			return err
		}
		// Composing XRs of other Compositions is none of ours.
		if !slices.ContainsFunc(steps, func(s map[string]any) bool { return functionOf(s) == thisFunction }) {
			continue
		}
		if p := describeSteps(steps); !slices.ContainsFunc(rows, func(r row) bool { return r.pipeline == p }) {
			return fmt.Errorf("%s has no row for the pipeline of %s: %s", page, e, p)
		}
	}
	fmt.Printf("\n==> How often the pipelines of a registered cluster run\n")
	for _, r := range rows {
		path, err := withPipeline(registered, r.pipeline, filepath.Dir(functions))
		if err != nil {
			return fmt.Errorf("%s: %s: %w", page, r.pipeline, err)
		}
		if _, err := o.crossplane(ctx, registered, path, functions); err != nil {
			return fmt.Errorf("%s: %s: %w", page, r.pipeline, err)
		}
		got := o.ttls.pipeline()
		fmt.Printf("%-100s %v\n", r.pipeline, got)
		if got != r.every {
			return fmt.Errorf("%s: Crossplane runs the pipeline %q every %v, not every %v", page, r.pipeline, got, r.every)
		}
	}
	return nil
}

// composition returns that of an example, and its steps.
func composition(example string) (c map[string]any, steps []map[string]any, err error) {
	path, err := find(example, "composition.yaml")
	if err != nil {
		return nil, nil, err
	}
	b, err := os.ReadFile(path) //nolint:gosec // The command line names it.
	if err != nil {
		return nil, nil, err
	}
	if err := yaml.Unmarshal(b, &c); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	spec, _ := c["spec"].(map[string]any)
	pipeline, _ := spec["pipeline"].([]any)
	for _, s := range pipeline {
		step, _ := s.(map[string]any)
		steps = append(steps, step)
	}
	return c, steps, nil
}

func functionOf(step map[string]any) string {
	ref, _ := step["functionRef"].(map[string]any)
	name, _ := ref["name"].(string)
	return name
}

// describeSteps names a pipeline as the documentation does.
func describeSteps(steps []map[string]any) string {
	names := make([]string, 0, len(steps))
	for _, s := range steps {
		names = append(names, strings.Replace(functionOf(s), thisFunction, "this function", 1))
	}
	return strings.Join(names, ", ")
}

// withPipeline writes the Composition of an example with the pipeline that the documentation
// names, and returns its path. The steps' inputs are the example's.
func withPipeline(example, pipeline, dir string) (string, error) {
	c, steps, err := composition(example)
	if err != nil {
		return "", err
	}
	var wanted []any
	for words := range strings.SplitSeq(pipeline, ", ") {
		name, ttl, _ := strings.Cut(words, " with ")
		name = strings.Replace(name, "this function", thisFunction, 1)
		i := slices.IndexFunc(steps, func(s map[string]any) bool { return functionOf(s) == name })
		switch {
		case i >= 0 && ttl == "":
			wanted = append(wanted, steps[i])
		case name == autoReady:
			step := map[string]any{"step": name, "functionRef": map[string]any{"name": name}}
			if ttl != "" {
				input := map[string]any{}
				if err := yaml.Unmarshal([]byte(strings.Trim(ttl, "`")), &input); err != nil {
					return "", err
				}
				input["apiVersion"], input["kind"] = "autoready.fn.crossplane.io/v1beta1", "Input"
				step["input"] = input
			}
			wanted = append(wanted, step)
		default:
			return "", fmt.Errorf("%s has no step for %q", example, words)
		}
	}
	spec, _ := c["spec"].(map[string]any)
	spec["pipeline"] = wanted
	b, err := yaml.Marshal(c)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "composition.yaml")
	return path, os.WriteFile(path, b, 0o600)
}
