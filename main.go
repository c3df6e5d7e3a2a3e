// Package main is a composition function that registers clusters with Argo CD: it
// turns the kubeconfig that Crossplane observed for a cluster into an Argo CD cluster
// Secret.
package main

import (
	"context"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/crossplane/function-sdk-go"
)

// CLI of this Function.
type CLI struct {
	Debug bool `help:"Emit debug logs in addition to info logs." short:"d"`

	Network            string `default:"tcp"                                                                                 help:"Network on which to listen for gRPC connections."`
	Address            string `default:":9443"                                                                               help:"Address at which to listen for gRPC connections."`
	TLSCertsDir        string `env:"TLS_SERVER_CERTS_DIR"                                                                    help:"Directory containing server certs (tls.key, tls.crt) and the CA used to verify client certificates (ca.crt)."`
	Insecure           bool   `help:"Run without mTLS credentials. If you supply this flag --tls-certs-dir will be ignored."`
	MaxRecvMessageSize int    `default:"4"                                                                                   help:"Maximum size of received messages in MiB."`
	MetricsAddress     string `default:":8080"                                                                               help:"Address at which to serve Prometheus metrics. Empty for none."`
	ReadSecrets        bool   `default:"true"                                                                                help:"Have Crossplane read cluster Secrets and watch connection Secrets, for which it caches all Secrets. If false, it only reads Secrets that inputs name."`
}

// Run this Function until it is interrupted or terminated.
func (c *CLI) Run() error {
	log, err := function.NewLogger(c.Debug)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return c.serve(ctx, &Function{log: log, now: time.Now, onlyNamed: !c.ReadSecrets}, log)
}

func main() {
	ctx := kong.Parse(&CLI{}, kong.Description("A composition function that registers clusters with Argo CD."))
	ctx.FatalIfErrorf(ctx.Run())
}
