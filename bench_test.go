package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
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

// BenchmarkRunFunction calls the function by gRPC, as Crossplane does, and next to it one that does
// nothing. Each function is a process of its own. The metrics are this function's
// processor time and median latency per call, both also as multiples of the other's, and the peaks
// of memory.
func BenchmarkRunFunction(b *testing.B) {
	requests := benchmarkRequests(b)
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		req := requests[name]
		b.Run(name, func(b *testing.B) {
			ours, nothing := start(b, "register"), start(b, "nothing")
			// In turns, so that other load affects both.
			measured := map[*server]*usage{ours: {}, nothing: {}}
			for b.Loop() {
				for s, u := range measured {
					u.add(b, s, req)
				}
			}
			median, cpu := measured[ours].perCall(b, ours)
			otherMedian, otherCPU := measured[nothing].perCall(b, nothing)
			b.ReportMetric(0, "ns/op") // It is of all these calls together.
			b.ReportMetric(float64(median.Nanoseconds()), "median-ns/op")
			b.ReportMetric(float64(median)/float64(otherMedian), "median/nothing's")
			b.ReportMetric(float64(cpu.Nanoseconds()), "cpu-ns/op")
			b.ReportMetric(float64(cpu)/float64(otherCPU), "cpu/nothing's")
			b.ReportMetric(float64(ours.peak(b))/1024, "peak-MiB")
			b.ReportMetric(float64(nothing.peak(b))/1024, "nothing's-peak-MiB")
		})
	}
}

// A usage is what calls of a function took: the time that the client waited, and the processor time
// that the server had taken before.
type usage struct {
	latencies []time.Duration
	before    time.Duration
}

// batch is how many calls one function answers before the other does.
const batch = 20

func (u *usage) add(b *testing.B, s *server, req *fnv1.RunFunctionRequest) {
	b.Helper()
	if u.latencies == nil {
		s.call(b, req) // The first is slower.
		u.before = s.processor(b)
	}
	for range batch {
		began := time.Now()
		s.call(b, req)
		u.latencies = append(u.latencies, time.Since(began))
	}
}

func (u *usage) perCall(b *testing.B, s *server) (median, cpu time.Duration) {
	b.Helper()
	slices.Sort(u.latencies)
	n := len(u.latencies)
	return u.latencies[n/2], (s.processor(b) - u.before) / time.Duration(n)
}

// BenchmarkDirect decodes a request, runs the function and encodes its response without gRPC, for
// profiles, next to a function that does nothing.
func BenchmarkDirect(b *testing.B) {
	for request, req := range benchmarkRequests(b) {
		encoded := mem.BufferSlice{mem.SliceBuffer(deterministic(b, req))}
		for name, f := range map[string]struct {
			codec encoding.CodecV2
			fn    fnv1.FunctionRunnerServiceServer
		}{
			"register": {testCodec(), &Function{log: logging.NewNopLogger(), now: testNow}},
			"nothing":  {encoding.GetCodecV2(protocodec.Name), &nothing{}},
		} {
			b.Run(request+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					req := &fnv1.RunFunctionRequest{}
					if err := f.codec.Unmarshal(encoded, req); err != nil {
						b.Fatal(err)
					}
					rsp, err := f.fn.RunFunction(b.Context(), req)
					if err != nil {
						b.Fatal(err)
					}
					out, err := f.codec.Marshal(rsp)
					if err != nil {
						b.Fatal(err)
					}
					out.Free()
				}
			})
		}
	}
}

// benchmarkRequests are of an XR with several numbers of observed resources of 4 KiB, of which one
// is an AKS cluster with its connection details: before the cluster is registered, and ever after,
// when there also are its Object and the Secrets that the function requires.
func benchmarkRequests(b *testing.B) map[string]*fnv1.RunFunctionRequest {
	b.Helper()
	requests := map[string]*fnv1.RunFunctionRequest{}
	for _, n := range []int{3, 30, 200} {
		h := plainHub(legacyXR, "", "kubeconfigFrom: {resourceName: cluster}")
		h.resources = clusterOf(resourceOf4KiB(aks), connectionDetails(b, "conn-aks-local.yaml"))
		for i := range n - 1 {
			h.resources[fmt.Sprintf("bucket-%d", i)] = observation{resource: resourceOf4KiB(bucket)}
		}
		requests[fmt.Sprintf("resources=%d/new", n)] = h.request(b)
		h.settle(b)
		req := h.request(b)
		rsp := runAt(b, proto.CloneOf(req), h.now)
		req.RequiredResources = map[string]*fnv1.Resources{}
		for name, s := range rsp.GetRequirements().GetResources() {
			req.RequiredResources[name] = h.find(s)
		}
		requests[fmt.Sprintf("resources=%d/registered", n)] = req
	}
	return requests
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
