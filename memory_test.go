package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"google.golang.org/grpc/health"
	"google.golang.org/protobuf/proto"

	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"
	"github.com/crossplane/function-sdk-go"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

// serveEnv has the test binary serve a function, and run no tests.
const serveEnv = "TEST_SERVE"

func TestMain(m *testing.M) {
	var err error
	switch address := os.Getenv("TEST_ADDRESS"); os.Getenv(serveEnv) {
	case "":
		os.Exit(m.Run())
	case "register":
		err = commandLine(address, "").serve(context.Background(), &Function{log: logging.NewNopLogger(), now: testNow}, logging.NewNopLogger())
	case "nothing":
		// The SDK serves it, as it serves any function.
		err = function.Serve(&nothing{}, function.Listen("tcp", address), function.Insecure(true), function.WithHealthServer(health.NewServer()))
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// A server is a function that runs as a process of its own.
type server struct {
	fnv1.FunctionRunnerServiceClient

	pid int
}

// start a function: register, which is this one, or nothing.
func start(t testing.TB, which string) *server {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	address := freeAddress(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"="+which, "TEST_ADDRESS="+address)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &server{fnv1.NewFunctionRunnerServiceClient(dial(t, address)), cmd.Process.Pid}
}

func (s *server) call(t testing.TB, req *fnv1.RunFunctionRequest) {
	t.Helper()
	if _, err := s.RunFunction(t.Context(), req); err != nil {
		t.Fatal(err)
	}
}

// peak returns the most memory that the server had, in KiB.
func (s *server) peak(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := bytes.Cut(b, []byte("VmHWM:"))
	kib, err := strconv.Atoi(strings.Fields(string(after))[0])
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// processor returns the processor time that the server took.
func (s *server) processor(t testing.TB) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.pid))
	if err != nil {
		t.Fatal(err)
	}
	// Fields 14 and 15, in hundredths of a second: proc_pid_stat(5). The second is in parentheses.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	var took time.Duration
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		took += time.Duration(n) * time.Second / 100
	}
	return took
}

// hostile returns values of connection Secrets that are made to cost much, each of some
// hundred KiB.
func hostile() map[string][]byte {
	const size = 480 << 10
	bomb := "x: &a " + strings.Repeat("y", size/2) + "\nz: [" + strings.Repeat("*a,", size/6) + "]\n"
	utf16le := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(bomb[:size/2-2])) {
		utf16le = append(utf16le, byte(u), byte(u>>8))
	}
	short := "x: &a " + strings.Repeat("y", size/8) + "\nz: [" + strings.Repeat("*a,", size/24) + "]\n"
	utf16short := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(short)) {
		utf16short = append(utf16short, byte(u), byte(u>>8))
	}
	contexts := &strings.Builder{}
	contexts.WriteString("contexts: [")
	for i := 0; contexts.Len() < size/4; i++ {
		fmt.Fprintf(contexts, "{name: a%d},", i)
	}
	contexts.WriteString("]")
	return map[string][]byte{
		// This one is a kubeconfig.
		"Contexts":      []byte(contexts.String()),
		"Aliases":       []byte(bomb),
		"UTF16":         utf16le,
		"UTF16Aliases":  utf16short,
		"UTF16InBase64": []byte(base64.StdEncoding.EncodeToString(utf16short)),
		"Nested":        []byte("a: " + strings.Repeat("[", size)),
		"NestedMaps":    []byte(strings.Repeat("{a: ", size/4)),
		"Anchors":       []byte("a: [" + strings.Repeat("&a b,", size/5) + "] # *a"),
		"ManyKeys":      []byte("clusters: [" + strings.Repeat("{},", size/3) + "]"),
		"ManyContexts":  []byte("contexts: [" + strings.Repeat("{name: a},", size/10) + "]"),
		"LongScalar":    []byte("a: " + strings.Repeat("b", size)),
		"Indented":      []byte(strings.Repeat(" ", size) + "a: b"),
		"Comments":      []byte(strings.Repeat("#\n", size/2) + "a: b"),
		"Merge":         []byte("a: &a {b: c}\n" + strings.Repeat("d: {<<: *a}\n", size/12)),
		"NUL":           bytes.Repeat([]byte("a:\x00"), size/3),
	}
}

// TestMemory checks that hostile requests of 4 MiB cost the function little more memory than one
// that does nothing with them.
func TestMemory(t *testing.T) {
	const bound = 100 << 10 // KiB

	ours, nothing := start(t, "register"), start(t, "nothing")
	calls := 0
	for _, key := range []string{"kubeconfig", "value"} {
		for _, v := range hostile() {
			req := newRequest(t, legacyXR, "", nil)
			for i := range (7 * 480 << 10) / len(v) {
				req.Observed.Resources[fmt.Sprintf("r%d", i)] = &fnv1.Resource{Resource: mustStruct(t, bucket), ConnectionDetails: map[string][]byte{key: v}}
			}
			named := newRequest(t, legacyXR, "kubeconfigFrom: {resourceName: r0}", nil)
			named.Observed.Resources = req.GetObserved().GetResources()
			for _, req := range []*fnv1.RunFunctionRequest{req, named} {
				ours.call(t, req)
				nothing.call(t, req)
				calls++
			}
		}
	}
	peak, others := ours.peak(t), nothing.peak(t)
	t.Logf("peak memory of %d requests: %d MiB, and %d MiB of a function that does nothing", calls, peak>>10, others>>10)
	if peak-others > bound {
		t.Errorf("hostile requests make the function grow by %d MiB more than one that does nothing", (peak-others)>>10)
	}
}

// TestParallel checks that many requests of 4 MiB at once take no more memory than as many as the
// function runs at a time.
func TestParallel(t *testing.T) {
	const calls = 64

	req := newRequest(t, legacyXR, "kubeconfigFrom: {resourceName: cluster}", clusterOf(aks, connectionDetails(t, "conn-aks-local.yaml")))
	filler := &fnv1.Resource{Resource: mustStruct(t, resourceOf4KiB(bucket))}
	for i := range 880 {
		req.Observed.Resources[fmt.Sprintf("bucket-%d", i)] = filler
	}
	peak := func(clients int) int {
		s := start(t, "register")
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for range calls / clients {
					s.call(t, req)
				}
			})
		}
		wg.Wait()
		return s.peak(t)
	}
	few, many := peak(maxCalls), peak(calls)
	t.Logf("peak memory of %d requests of %d KiB: %d MiB, and %d MiB if %d come at a time", calls, proto.Size(req)>>10, many>>10, few>>10, maxCalls)
	if many > few*3/2 {
		t.Errorf("%d requests at once take %d MiB, and not %d MiB", calls, many>>10, few>>10)
	}
}
