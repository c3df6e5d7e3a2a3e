package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/alecthomas/kong"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

// serveEnv has the test binary serve a function, and run no tests.
const serveEnv = "TEST_SERVE"

func TestMain(m *testing.M) {
	if which := os.Getenv(serveEnv); which != "" {
		var fn fnv1.FunctionRunnerServiceServer = &nothing{}
		if which == "register" {
			fn = &Function{log: logging.NewNopLogger(), now: testNow}
		}
		cli := commandLine(os.Getenv("TEST_ADDRESS"), "")
		if err := cli.serve(context.Background(), fn, logging.NewNopLogger()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// commandLine returns the flags of a function that serves at addresses, without TLS.
func commandLine(address, metrics string) *CLI {
	cli := &CLI{}
	parser, err := kong.New(cli)
	if err == nil {
		_, err = parser.Parse([]string{"--insecure", "--address=" + address, "--metrics-address=" + metrics})
	}
	if err != nil {
		panic(err)
	}
	return cli
}

// dial returns a client of a function that is about to serve.
func dial(t testing.TB, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// A stub answers calls as a test has it.
type stub struct {
	fnv1.UnimplementedFunctionRunnerServiceServer

	answer func() *fnv1.RunFunctionResponse
}

func (s *stub) RunFunction(context.Context, *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	return s.answer(), nil
}

// TestStop checks that a call which runs while the function is stopped gets its answer.
func TestStop(t *testing.T) {
	address := freeAddress(t)
	running, finish := make(chan struct{}), make(chan struct{})
	fn := &stub{answer: func() *fnv1.RunFunctionResponse {
		close(running)
		<-finish
		return &fnv1.RunFunctionResponse{Meta: &fnv1.ResponseMeta{Tag: "finished"}}
	}}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- commandLine(address, "").serve(ctx, fn, logging.NewNopLogger()) }()

	conn := dial(t, address)
	type answer struct {
		rsp *fnv1.RunFunctionResponse
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		rsp, err := fnv1.NewFunctionRunnerServiceClient(conn).RunFunction(context.Background(), &fnv1.RunFunctionRequest{})
		answered <- answer{rsp, err}
	}()
	<-running
	stop()
	select {
	case err := <-served:
		t.Fatalf("The function ended before the call did: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(finish)
	if a := <-answered; a.err != nil || a.rsp.GetMeta().GetTag() != "finished" {
		t.Errorf("answer: %v, %v", a.rsp, a.err)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// TestPanic checks that a call which panics with a credential reveals it neither in its error nor in
// the log, and that the next call is answered.
func TestPanic(t *testing.T) {
	address := freeAddress(t)
	calls := 0
	fn := &stub{answer: func() *fnv1.RunFunctionResponse {
		calls++
		if calls == 1 {
			panic("canary-panic")
		}
		return &fnv1.RunFunctionResponse{}
	}}
	log := &recorder{}
	go func() { _ = commandLine(address, "").serve(t.Context(), fn, log) }()
	client := fnv1.NewFunctionRunnerServiceClient(dial(t, address))
	_, err := client.RunFunction(t.Context(), &fnv1.RunFunctionRequest{})
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "canary") {
		t.Errorf("first call: %v", err)
	}
	if text := strings.Join(log.lines, "\n"); strings.Contains(text, "canary") || !strings.Contains(text, "TestPanic") {
		t.Errorf("log: %s", text)
	}
	if _, err := client.RunFunction(t.Context(), &fnv1.RunFunctionRequest{}); err != nil {
		t.Errorf("second call: %v", err)
	}
}

// TestAddressInUse checks that the function ends with an error that names the flag if it cannot
// serve.
func TestAddressInUse(t *testing.T) {
	address, metrics := freeAddress(t), freeAddress(t)
	go func() { _ = commandLine(address, metrics).serve(t.Context(), &nothing{}, logging.NewNopLogger()) }()
	dial(t, address)
	for name, cli := range map[string]*CLI{
		"--address":         commandLine(address, ""),
		"--metrics-address": commandLine(freeAddress(t), metrics),
	} {
		if err := cli.serve(t.Context(), &nothing{}, logging.NewNopLogger()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("with %s in use: %v", name, err)
		}
	}
	cli := commandLine(freeAddress(t), "")
	cli.Insecure = false
	if err := cli.serve(t.Context(), &nothing{}, logging.NewNopLogger()); err == nil || !strings.Contains(err.Error(), "--tls-certs-dir") {
		t.Errorf("without certificates: %v", err)
	}
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
	return map[string][]byte{
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
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	const bound = 100 << 10 // KiB

	var requests []*fnv1.RunFunctionRequest
	for _, key := range []string{"kubeconfig", "value"} {
		for _, v := range hostile() {
			req := newRequest(t, legacyXR, "", nil)
			for i := range 7 {
				req.Observed.Resources[fmt.Sprintf("r%d", i)] = &fnv1.Resource{Resource: mustStruct(t, bucket), ConnectionDetails: map[string][]byte{key: v}}
			}
			named := newRequest(t, legacyXR, "kubeconfigFrom: {resourceName: r0}", nil)
			named.Observed.Resources = req.GetObserved().GetResources()
			requests = append(requests, req, named)
		}
	}
	peak := func(which string) int {
		address := freeAddress(t)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), serveEnv+"="+which, "TEST_ADDRESS="+address)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
		client := fnv1.NewFunctionRunnerServiceClient(dial(t, address))
		for _, req := range requests {
			if _, err := client.RunFunction(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(b)
		if m == nil {
			t.Fatal("no VmHWM")
		}
		kib, err := strconv.Atoi(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		return kib
	}
	ours, nothings := peak("register"), peak("nothing")
	t.Logf("peak memory of %d requests: %d MiB, and %d MiB of a function that does nothing", len(requests), ours>>10, nothings>>10)
	if ours-nothings > bound {
		t.Errorf("hostile requests make the function grow by %d MiB more than one that does nothing", (ours-nothings)>>10)
	}
}
