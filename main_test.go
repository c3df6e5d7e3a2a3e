package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestServe checks that the function which its command line starts is healthy, serves metrics,
// answers large requests, and requires no Secrets if it is not to.
func TestServe(t *testing.T) {
	address, metrics := freeAddress(t), freeAddress(t)
	cli := &CLI{}
	parser, err := kong.New(cli)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--debug", "--insecure", "--address=" + address, "--metrics-address=" + metrics, "--max-recv-message-size=8", "--read-secrets=false"}); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- cli.Run() }()

	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	health, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	if s := health.GetStatus(); s != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health: %s", s)
	}

	// More than the 4 MiB that gRPC takes by default.
	req := newRequest(t, legacyXR, "", nil)
	req.Observed.Composite.ConnectionDetails = map[string][]byte{"x": make([]byte, 5<<20)}
	req.Meta.Capabilities = []fnv1.Capability{fnv1.Capability_CAPABILITY_CAPABILITIES, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES}
	rsp, err := fnv1.NewFunctionRunnerServiceClient(conn).RunFunction(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	if got := rsp.GetConditions()[0].GetReason(); got != reasonWaitingForKubeconfig {
		t.Errorf("reason: %s", got)
	}
	if got := rsp.GetRequirements(); got != nil {
		t.Errorf("with --read-secrets=false: %v", got)
	}

	r, err := http.Get("http://" + metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := `grpc_server_handled_total{grpc_code="OK",grpc_method="RunFunction"`; !strings.Contains(string(body), want) {
		t.Errorf("want metric %s", want)
	}

	select {
	case err := <-served:
		t.Errorf("Run(): %v", err)
	default:
	}
}
