package main

import (
	"context"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	grpcprometheus "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/crossplane/function-sdk-go"
	"github.com/crossplane/function-sdk-go/errors"
	"github.com/crossplane/function-sdk-go/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/proto/v1beta1"
)

// stopTimeout is how long running calls may take once the function is to stop. Kubernetes
// kills it after 30 seconds.
const stopTimeout = 25 * time.Second

// maxCalls is how many calls of one connection run at a time. The others wait at the client, where they
// take none of the function's memory. Crossplane has one connection to each replica. Calls wait for
// nothing, so more would only be faster with more processors than this.
const maxCalls = 8

// serve a function until the context ends, and then until the calls that run have ended.
//
// It does what the SDK's Serve does, whose server cannot be stopped, takes no codec and any number of
// calls, and does not report that the metrics address is in use.
func (c *CLI) serve(ctx context.Context, fn fnv1.FunctionRunnerServiceServer, log logging.Logger) error {
	o := &function.ServeOptions{}
	for _, set := range []function.ServeOption{function.MTLSCertificates(c.TLSCertsDir), function.Insecure(c.Insecure)} {
		if err := set(o); err != nil {
			return err
		}
	}
	if o.Credentials == nil {
		return errors.New("no credentials: set --tls-certs-dir, or --insecure for development")
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, c.Network, c.Address)
	if err != nil {
		return errors.Wrapf(err, "cannot listen for gRPC at --address %q", c.Address)
	}
	defer listener.Close() //nolint:errcheck // The server has closed it already.

	metrics := grpcprometheus.NewServerMetrics()
	srv := grpc.NewServer(
		grpc.MaxRecvMsgSize(c.MaxRecvMessageSize<<20),
		grpc.MaxConcurrentStreams(maxCalls),
		grpc.Creds(o.Credentials),
		grpc.ForceServerCodecV2(codec{encoding.GetCodecV2(proto.Name)}),
		grpc.ChainUnaryInterceptor(metrics.UnaryServerInterceptor(), recovered(log)),
	)
	defer srv.Stop()
	reflection.Register(srv)
	fnv1.RegisterFunctionRunnerServiceServer(srv, fn)
	v1beta1.RegisterFunctionRunnerServiceServer(srv, function.ServeBeta(fn))
	healthy := health.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, healthy)

	if c.MetricsAddress != "" {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.MetricsAddress)
		if err != nil {
			return errors.Wrapf(err, "cannot listen for metrics at --metrics-address %q", c.MetricsAddress)
		}
		defer l.Close() //nolint:errcheck // The process ends.
		metrics.InitializeMetrics(srv)
		go func() {
			s := &http.Server{Handler: metricsHandler(metrics), ReadHeaderTimeout: 30 * time.Second}
			if err := s.Serve(l); err != nil && ctx.Err() == nil {
				log.Info("Cannot serve metrics", "error", err.Error())
			}
		}()
	}

	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		return errors.Wrap(err, "cannot serve gRPC connections")
	case <-ctx.Done():
	}
	log.Info("Stopping, once the running calls have ended")
	healthy.Shutdown()
	stopped := make(chan struct{})
	go func() { srv.GracefulStop(); close(stopped) }()
	select {
	case <-stopped:
		return nil
	case <-time.After(stopTimeout):
		return errors.New("stopped before all running calls had ended")
	}
}

// metricsHandler serves the metrics of gRPC, Go and the process.
func metricsHandler(metrics prometheus.Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// recovered turns a panic into an error of the call, so that one request cannot end the
// process. What was panicked with may hold a credential, and is dropped.
func recovered(log logging.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (rsp any, err error) {
		defer func() {
			if recover() != nil {
				log.Info("Recovered from a panic", "stack", string(debug.Stack()))
				rsp, err = nil, status.Error(codes.Internal, "the function panicked; its log has the stack")
			}
		}()
		return handler(ctx, req)
	}
}
