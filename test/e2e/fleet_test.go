package e2e

import (
	"cmp"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What make fleet measures. Without a size, TestFleet is short, and measures the function only.
var (
	fleetSize     = flag.Int("fleet", 0, "register so many clusters on one hub without Argo CD, and measure what that costs")
	fleetTTL      = flag.Duration("fleet-ttl", time.Minute, "how long the fleet's pipeline holds; 1m has function-patch-and-transform")
	fleetRest     = flag.Duration("fleet-rest", 0, "how long to measure the fleet at rest; 0 for the ttl, but at least 3m")
	fleetSecrets  = flag.Int("fleet-secrets", 0, "have so many other Secrets, of 20 KiB, on the hub")
	functionFlags = flag.String("function-flags", "", "further flags of the function")
)

const (
	staticName        = "function-static"
	functionMetrics   = "127.0.1.1:9080"
	crossplaneMetrics = "127.0.0.1:18080"
	secretSize        = 20 << 10
)

// TestFleet registers many clusters on one hub.
func TestFleet(t *testing.T) {
	s := begin(t)
	f := &fleet{scenario: s, n: cmp.Or(*fleetSize, 100), kind: "TeamAKS", at: map[string]time.Time{}}
	if *fleetSize == 0 {
		f.register()
		f.checkMemory()
		return
	}
	f.prepare()
	f.sample("idle")
	f.sleep(time.Minute)
	f.sample("start")
	f.register()
	f.sample("registered")
	f.sleep(time.Minute)
	sys.cloud.suspend(true)
	f.sample("settled")
	f.sleep(cmp.Or(*fleetRest, max(3*time.Minute, *fleetTTL)))
	f.sample("rested")
	sys.cloud.suspend(false)
	fmt.Print(f.table())
	f.checkMemory()
}

// A fleet is many clusters of one kind.
type fleet struct {
	*scenario

	n       int
	kind    string
	samples map[string]*sample

	mu sync.Mutex
	at map[string]time.Time // When each was registered.
}

// A sample is what was used and counted until a point in time.
type sample struct {
	at      time.Time
	usage   map[string]usage
	metrics map[string]float64
}

// prepare the hub: without Argo CD, and with what the flags want.
func (f *fleet) prepare() {
	f.Helper()
	for _, name := range []string{"argocd-application-controller", "argocd-applicationset-controller", "argocd-repo-server", "redis"} {
		sys.forget(name)
	}
	if *fleetTTL != time.Minute {
		f.kind = "FleetAKS"
		f.must(longLived(f.Context(), f.kind))
	}
	f.must(sys.hub.apply(f.Context(), object("v1", "Namespace", "", "others")))
	for i := range *fleetSecrets {
		data := make([]byte, secretSize)
		_, _ = rand.Read(data)
		f.must(sys.hub.Create(f.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "others", Name: fmt.Sprintf("other-%d", i)}, Data: map[string][]byte{"data": data},
		}))
	}
	f.sleep(30 * time.Second)
}

// longLived offers a platform whose pipeline holds for the fleet's TTL.
func longLived(ctx context.Context, kind string) error {
	objects, err := platform{
		Kind: kind, Scope: "Namespaced", APIVersion: "containerservice.azure.m.upbound.io/v1beta1", Managed: "KubernetesCluster", AutoReady: true,
	}.objects()
	if err != nil {
		return err
	}
	ttl := fleetTTL.String()
	for _, o := range objects {
		if o.GetKind() != "Composition" {
			continue
		}
		pipeline, _, _ := unstructured.NestedSlice(o.Object, "spec", "pipeline")
		provision, ready := pipeline[0].(map[string]any), pipeline[len(pipeline)-1].(map[string]any)
		provision["functionRef"] = map[string]any{"name": staticName}
		provision["input"] = map[string]any{
			"apiVersion": "e2e.example.org/v1alpha1", "kind": "Static", "ttl": ttl,
			"resources": map[string]any{"cluster": map[string]any{
				"apiVersion": "containerservice.azure.m.upbound.io/v1beta1", "kind": "KubernetesCluster",
				"spec": map[string]any{
					"forProvider":                map[string]any{"location": "europe-west1"},
					"writeConnectionSecretToRef": map[string]any{"name": "$(uid)-cluster-connection"},
				},
			}},
		}
		ready["input"] = map[string]any{"apiVersion": "autoready.fn.crossplane.io/v1beta1", "kind": "Input", "ttl": ttl}
		if err := unstructured.SetNestedSlice(o.Object, pipeline, "spec", "pipeline"); err != nil {
			return err
		}
	}
	return sys.offer(ctx, objects)
}

// staticFunction installs the function that provisions where the TTL is not that of
// function-patch-and-transform.
func staticFunction() []*unstructured.Unstructured {
	if *fleetTTL == time.Minute {
		return nil
	}
	o := object("pkg.crossplane.io/v1", "Function", "", staticName)
	o.Object["spec"] = map[string]any{"package": upstream + "/crossplane-contrib/" + staticName + ":v0.0.0"}
	return []*unstructured.Unstructured{o}
}

// register all clusters, and wait until the condition of each says so.
func (f *fleet) register() {
	f.Helper()
	ctx, cancel := context.WithCancel(f.Context())
	defer cancel()
	went := make(chan error, 1)
	go func() { went <- f.watch(ctx) }()
	began := time.Now()
	for i := range f.n {
		f.must(sys.hub.apply(ctx, ofKind(f.kind, "team-a", fmt.Sprintf("fleet-%04d", i))))
	}
	f.didf("%d XRs created", f.n)
	f.must(until(ctx, time.Duration(f.n)*6*time.Second, func(context.Context) error {
		select {
		case err := <-went:
			f.must(err)
		default:
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.at) < f.n {
			return fmt.Errorf("%d of %d are registered", len(f.at), f.n)
		}
		return nil
	}))
	took := make([]float64, 0, f.n)
	for _, at := range f.at {
		took = append(took, at.Sub(began).Seconds())
	}
	slices.Sort(took)
	f.didf("%d clusters registered: the first after %.0f s, half of them after %.0f s, the last after %.0f s", f.n, took[0], took[len(took)/2], took[len(took)-1])
}

// watch when clusters are registered: to look again and again would be a load.
func (f *fleet) watch(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", sys.hub.kubeconfig)
	if err != nil {
		return err
	}
	c, err := client.NewWithWatch(config, client.Options{})
	if err != nil {
		return err
	}
	l := &unstructured.UnstructuredList{}
	l.SetGroupVersionKind(ofKind(f.kind, "", "").GroupVersionKind())
	// An API server ends a watch now and then, for example when the CRD changes.
	for ctx.Err() == nil {
		w, err := c.Watch(ctx, l, client.InNamespace("team-a"))
		if err != nil {
			return err
		}
		for e := range w.ResultChan() {
			if o, ok := e.Object.(*unstructured.Unstructured); ok {
				f.saw(o)
			}
		}
		w.Stop()
	}
	return ctx.Err()
}

// saw an XR.
func (f *fleet) saw(o *unstructured.Unstructured) {
	if !strings.HasPrefix(o.GetName(), "fleet-") || hasCondition(o, conditionRegistered, "True", "Registered") != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.at[o.GetName()]; !known {
		f.at[o.GetName()] = time.Now()
	}
}

// sleep, but not after the end.
func (f *fleet) sleep(d time.Duration) {
	select {
	case <-f.Context().Done():
	case <-time.After(d):
	}
}

// sample what is used and counted, under a name.
func (f *fleet) sample(name string) {
	f.Helper()
	s := &sample{at: time.Now(), usage: map[string]usage{}, metrics: map[string]float64{}}
	for _, pr := range sys.measured() {
		u, err := pr.usage()
		f.must(err)
		s.usage[pr.name] = u
	}
	controller := `controller="composite/` + strings.ToLower(f.kind) + `s.e2e.example.org"`
	for metric, from := range map[string][]string{
		"calls":       {functionMetrics, "grpc_server_handled_total", `grpc_method="RunFunction"`},
		"passes":      {crossplaneMetrics, "controller_runtime_reconcile_total", controller},
		"events":      {crossplaneMetrics, "circuit_breaker_events_total", controller},
		"dropped":     {crossplaneMetrics, "circuit_breaker_events_total", controller, `result="Dropped"`},
		"next GC":     {crossplaneMetrics, "go_memstats_next_gc_bytes"},
		"heap in use": {crossplaneMetrics, "go_memstats_heap_inuse_bytes"},
	} {
		v, err := counted(f.Context(), from[0], from[1], from[2:]...)
		f.must(err)
		s.metrics[metric] = v
	}
	if f.samples == nil {
		f.samples = map[string]*sample{}
	}
	f.samples[name] = s
	f.didf("%s: Crossplane's heap %.0f MiB, %.0f MiB in use", name, s.metrics["next GC"]/(2<<20), s.metrics["heap in use"]/(1<<20))
}

// measured are the processes of the hub.
func (p *processes) measured() []*process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.all), func(pr *process) bool { return strings.HasPrefix(pr.name, "spoke-") })
}

// counted returns the sum of a metric's samples that have labels.
func counted(ctx context.Context, addr, metric string, labels ...string) (float64, error) {
	lines, err := metricsOf(ctx, "http://"+addr, "^"+metric+"[{ ]")
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, line := range lines {
		if slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(line, l) }) {
			continue
		}
		// The values of labels may hold spaces.
		_, value, _ := strings.Cut(line[strings.LastIndexByte(line, '}')+1:], " ")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

// table of what the fleet costs.
func (f *fleet) table() string {
	idle, start, registered, settled, rested := f.samples["idle"], f.samples["start"], f.samples["registered"], f.samples["settled"], f.samples["rested"]
	n, minutes := float64(f.n), rested.at.Sub(settled.at).Minutes()
	each := func(metric string) float64 { return (registered.metrics[metric] - start.metrics[metric]) / n }
	rest := func(metric string) float64 { return (rested.metrics[metric] - settled.metrics[metric]) / n / minutes }
	b := &strings.Builder{}
	fmt.Fprintf(b, "\n%d clusters, a pipeline that holds for %v, %d other Secrets of %d KiB, Argo CD stopped\n\n", f.n, *fleetTTL, *fleetSecrets, secretSize>>10)
	fmt.Fprintf(b, "For each XR                   until registered   at rest, in a minute (of %.0f)\n", minutes)
	for _, m := range []string{"passes", "calls", "events", "dropped"} {
		fmt.Fprintf(b, "%-28s %17.1f %18.2f\n", m, each(m), rest(m))
	}
	fmt.Fprintf(b, "\n%-28s %10s %12s %10s   %s\n%-28s %10s %12s %10s   %s\n",
		"", "Processor", "time, s,", "at rest,", "Memory, MiB,", "", "no XR", "registering", "a minute", "no XR, at rest, at most")
	for _, pr := range sys.measured() {
		spent := func(from, to *sample) float64 { return (to.usage[pr.name].cpu - from.usage[pr.name].cpu).Seconds() }
		fmt.Fprintf(b, "%-28s %10.2f %12.1f %10.2f   %5d %8d %8d\n", pr.name, spent(idle, start)/start.at.Sub(idle.at).Minutes(),
			spent(start, registered), spent(settled, rested)/minutes, start.usage[pr.name].rss, rested.usage[pr.name].rss, rested.usage[pr.name].peak)
	}
	return b.String()
}

// checkMemory compares the function's with the limit in the example.
func (f *fleet) checkMemory() {
	f.Helper()
	u, err := sys.named(functionName).usage()
	f.must(err)
	limit, err := memoryLimit()
	f.must(err)
	f.didf("function: %.1f s of processor time, peak memory %d MiB of %d MiB", u.cpu.Seconds(), u.peak, limit>>20)
	if int64(u.peak) >= limit>>20 {
		f.Error("the function needs more memory than the limit in example/install/runtimeconfig.yaml")
	}
}

// memoryLimit of the function in the example, in bytes.
func memoryLimit() (int64, error) {
	config, err := load(filepath.Join(examples, "install", "runtimeconfig.yaml"))
	if err != nil {
		return 0, err
	}
	containers, _, _ := unstructured.NestedSlice(config[0].Object, "spec", "deploymentTemplate", "spec", "template", "spec", "containers")
	memory, _, _ := unstructured.NestedString(containers[0].(map[string]any), "resources", "limits", "memory")
	q, err := resource.ParseQuantity(memory)
	return q.Value(), err
}
