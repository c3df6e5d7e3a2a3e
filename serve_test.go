package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"
	"github.com/crossplane/function-sdk-go"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

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

// raw sends bytes as they are.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// TestEncodings checks that whatever bytes a request has, the answer is the one that the SDK's
// server gives for the same function, or its error.
func TestEncodings(t *testing.T) {
	passOn := &nothing{}
	ours, theirs := freeAddress(t), freeAddress(t)
	go func() { _ = commandLine(ours, "").serve(t.Context(), passOn, logging.NewNopLogger()) }()
	go func() {
		_ = function.Serve(passOn, function.Listen("tcp", theirs), function.Insecure(true), function.WithHealthServer(health.NewServer()))
	}()
	conns := map[string]*grpc.ClientConn{"ours": dial(t, ours), "theirs": dial(t, theirs)}
	for name, b := range encodings(t) {
		t.Run(name, func(t *testing.T) {
			answers, errs := map[string][]byte{}, map[string]error{}
			for which, conn := range conns {
				var answer []byte
				errs[which] = conn.Invoke(t.Context(), fnv1.FunctionRunnerService_RunFunction_FullMethodName, &b, &answer, grpc.ForceCodecV2(raw{}))
				rsp := &fnv1.RunFunctionResponse{}
				if err := proto.Unmarshal(answer, rsp); err != nil {
					t.Fatal(err)
				}
				answers[which] = deterministic(t, rsp)
			}
			// What protobuf's errors say varies on purpose, from one build to the next.
			if got, want := status.Code(errs["ours"]), status.Code(errs["theirs"]); got != want {
				t.Errorf("error %v, not %v", errs["ours"], errs["theirs"])
			}
			if !bytes.Equal(answers["ours"], answers["theirs"]) {
				t.Error("the answers differ")
			}
		})
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
