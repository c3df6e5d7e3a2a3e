// Package e2e proves the whole that the function completes: two Kubernetes control
// planes, hub and spoke, with Crossplane, provider-kubernetes and Argo CD on the hub,
// as processes on loopback. Only what needs nodes or a cloud is played: see README.md.
package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

var (
	bin  = flag.String("bin", "", "folder of the programs that make builds")
	xpkg = flag.String("xpkg", "", "the function's package, for this machine")
	demo = flag.Bool("demo", false, "register two clusters, say what happens, and stay up")

	// Which version of what there are two of: a folder below tools.
	crossplaneTool = flag.String("crossplane", "core", "core, or core-v1")
	providerTool   = flag.String("provider", providerName, "provider-kubernetes, or provider-kubernetes-v1.3")
)

// The system under test, what is reported of it, and whether the user wants no more.
// TestMain sets them.
var (
	sys         *system
	report      = &results{began: time.Now()}
	interrupted <-chan struct{}
)

func TestMain(m *testing.M) {
	flag.Parse()
	ctrllog.SetLogger(logr.Discard())
	if os.Getenv(insideEnv) == "" {
		os.Exit(outside())
	}
	os.Exit(inside(m))
}

// outside checks what the machine has, and runs this program again in namespaces of
// its own.
func outside() int {
	if *bin == "" || *xpkg == "" {
		fmt.Fprintln(os.Stderr, "Run make e2e or make demo: they build what this needs.")
		return 2
	}
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := inNamespaces(dir)
	if code == 0 {
		_ = os.RemoveAll(dir)
	} else {
		fmt.Printf("The logs are in %s\n", filepath.Join(dir, "logs"))
	}
	return code
}

// inside brings everything up, runs the tests, and takes everything down.
func inside(m *testing.M) int {
	dir := os.Getenv(insideEnv)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	interrupted = ctx.Done()
	if err := setUpNamespaces(filepath.Join(dir, "hosts"), hostNames()); err != nil {
		fmt.Fprintln(os.Stderr, "cannot set up namespaces:", err)
		return 1
	}

	var err error
	sys, err = bringUp(ctx, dir)
	defer sys.stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "FAIL:", err)
		return 1
	}
	report.sayf("everything is up")

	finished := make(chan int, 1)
	go func() { finished <- m.Run() }()
	select {
	case code := <-finished:
		if *demo {
			return code
		}
		if dead := sys.dead(); len(dead) > 0 {
			fmt.Println("FAIL: ended by themselves:", strings.Join(dead, ", "))
			code = 1
		}
		report.print()
		return code
	case <-interrupted:
	}
	select {
	case code := <-finished: // The demo, which waited for this.
		return code
	case <-time.After(time.Second):
		return 130
	}
}

// results are what is reported of a run.
type results struct {
	began time.Time

	mu   sync.Mutex
	rows []string
}

// sayf prints what happens when it happens.
func (r *results) sayf(format string, a ...any) {
	fmt.Printf("%7.1f s  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, a...))
}

func (r *results) addf(format string, a ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, fmt.Sprintf(format, a...))
}

// print the report of all scenarios.
func (r *results) print() {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Printf("\n%s\n\nin all %.0f s\n", strings.Join(r.rows, "\n"), time.Since(r.began).Seconds())
}

// A scenario is one row of the report, with a line for every step.
type scenario struct {
	*testing.T

	began, last time.Time
	steps       []string
	clusters    []*cluster
}

// begin a scenario. It is reported when the test ends.
func begin(t *testing.T) *scenario {
	t.Helper()
	s := &scenario{T: t, began: time.Now(), last: time.Now()}
	t.Cleanup(func() {
		outcome := "ok"
		if t.Failed() {
			outcome = "FAILED"
			for _, c := range s.clusters {
				c.explain()
			}
		}
		report.addf("%-70s %-6s %6.1f s\n%s", s.title(), outcome, time.Since(s.began).Seconds(), strings.Join(s.steps, ""))
	})
	return s
}

func (s *scenario) title() string {
	return strings.NewReplacer("_", " ", "Test", "").Replace(s.Name())
}

// didf says that a step is done, and how long it took.
func (s *scenario) didf(format string, a ...any) {
	s.Helper()
	what, took := fmt.Sprintf(format, a...), time.Since(s.last)
	s.last = time.Now()
	s.steps = append(s.steps, fmt.Sprintf("    %-73s %6.1f s\n", what, took.Seconds()))
	report.sayf("%s: %s", s.title(), what)
}

// await what f looks for. Two things take long: an Object holds its finalizer for 30
// seconds, and an XR that changed often in a short time is let wait by Crossplane's
// circuit breaker, until a minute has passed.
func (s *scenario) await(what string, f func(ctx context.Context) error) {
	s.Helper()
	// Argo CD's ApplicationSet controller may read a new cluster before its cache has it. Then it
	// looks again after three minutes.
	if err := until(s.Context(), 6*time.Minute, f); err != nil {
		s.must(fmt.Errorf("%s: %w", what, err))
	}
}

// must not fail.
func (s *scenario) must(err error) {
	s.Helper()
	if err != nil {
		s.steps = append(s.steps, fmt.Sprintf("    %v\n", err))
		s.Fatal(err)
	}
}

// until f returns no error, for at most d.
func until(ctx context.Context, d time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var last error
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, context.DeadlineExceeded) || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %w", d, last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
