// Package main is a composition function for tests: it composes what its input has, and says how
// long that holds.
package main

import (
	"context"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane/function-sdk-go"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/response"
)

// placeholder stands for the XR's UID in the input.
const placeholder = "$(uid)"

type static struct {
	fnv1.UnimplementedFunctionRunnerServiceServer
}

// RunFunction desires the input's resources, for the input's ttl.
func (static) RunFunction(_ context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	in := req.GetInput().GetFields()
	ttl, err := time.ParseDuration(in["ttl"].GetStringValue())
	if err != nil {
		return nil, err
	}
	b, err := protojson.Marshal(in["resources"])
	if err != nil {
		return nil, err
	}
	uid := req.GetObserved().GetComposite().GetResource().GetFields()["metadata"].GetStructValue().GetFields()["uid"].GetStringValue()
	resources := &structpb.Struct{}
	if err := protojson.Unmarshal([]byte(strings.ReplaceAll(string(b), placeholder, uid)), resources); err != nil {
		return nil, err
	}
	rsp := response.To(req, ttl)
	if rsp.GetDesired().GetResources() == nil {
		rsp.Desired = &fnv1.State{Composite: rsp.GetDesired().GetComposite(), Resources: map[string]*fnv1.Resource{}}
	}
	for name, r := range resources.GetFields() {
		rsp.Desired.Resources[name] = &fnv1.Resource{Resource: r.GetStructValue()}
	}
	return rsp, nil
}

func main() {
	cli := struct {
		Address     string
		TLSCertsDir string `env:"TLS_SERVER_CERTS_DIR"`
	}{}
	ctx := kong.Parse(&cli)
	ctx.FatalIfErrorf(function.Serve(static{}, function.Listen("tcp", cli.Address), function.MTLSCertificates(cli.TLSCertsDir)))
}
