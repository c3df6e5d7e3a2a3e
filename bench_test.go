package main

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/crossplane/function-sdk-go/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/response"
)

// nothing is the yardstick: a function that returns its request's desired state.
type nothing struct {
	fnv1.UnimplementedFunctionRunnerServiceServer
}

func (*nothing) RunFunction(_ context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	return response.To(req, response.DefaultTTL), nil
}

// BenchmarkRunFunction calls the function by gRPC, as Crossplane does, next to one that
// does nothing, at several numbers of observed resources of 4 KiB. One of them is an AKS
// cluster with its connection details.
func BenchmarkRunFunction(b *testing.B) {
	functions := []struct {
		name string
		fn   fnv1.FunctionRunnerServiceServer
	}{
		{"nothing", &nothing{}},
		{"register", &Function{log: logging.NewNopLogger(), now: testNow}},
	}
	for _, n := range []int{3, 30, 200} {
		req := benchmarkRequest(b, n)
		for _, f := range functions {
			b.Run(fmt.Sprintf("resources=%d/%s", n, f.name), func(b *testing.B) {
				client := serve(b, f.fn)
				b.ReportAllocs()
				b.SetBytes(int64(proto.Size(req)))
				for b.Loop() {
					if _, err := client.RunFunction(b.Context(), req); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkDirect calls the function without gRPC, for profiles.
func BenchmarkDirect(b *testing.B) {
	req := benchmarkRequest(b, 3)
	f := &Function{log: logging.NewNopLogger(), now: testNow}
	b.ReportAllocs()
	for b.Loop() {
		delete(req.GetDesired().GetResources(), "argocd-cluster")
		if _, err := f.RunFunction(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkRequest(b *testing.B, resources int) *fnv1.RunFunctionRequest {
	b.Helper()
	observed := map[string]observation{}
	for i := range resources - 1 {
		observed[fmt.Sprintf("bucket-%d", i)] = observation{resource: resourceOf4KiB(bucket)}
	}
	observed["cluster"] = observation{resource: resourceOf4KiB(aks), details: connectionDetails(b, "conn-aks-local.yaml")}
	return newRequest(b, legacyXR, "kubeconfigFrom: {resourceName: cluster}", observed)
}

// resourceOf4KiB fills a resource up with fields of the size that they often have.
func resourceOf4KiB(resource string) string {
	y := &strings.Builder{}
	y.WriteString(strings.TrimSuffix(resource, "}"))
	y.WriteString(", status: {atProvider: {")
	for i := 0; y.Len() < 4<<10; i++ {
		fmt.Fprintf(y, "field%d: value-of-a-field-%d, ", i, i)
	}
	return y.String() + "}}}"
}

func serve(b *testing.B, fn fnv1.FunctionRunnerServiceServer) fnv1.FunctionRunnerServiceClient {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := grpc.NewServer()
	fnv1.RegisterFunctionRunnerServiceServer(s, fn)
	go s.Serve(l)
	b.Cleanup(s.Stop)
	c, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return fnv1.NewFunctionRunnerServiceClient(c)
}
