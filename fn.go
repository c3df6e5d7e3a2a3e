package main

import (
	"context"
	"time"

	"github.com/crossplane/function-sdk-go/errors"
	"github.com/crossplane/function-sdk-go/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/request"
	"github.com/crossplane/function-sdk-go/response"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// Function registers clusters with Argo CD.
type Function struct {
	fnv1.UnimplementedFunctionRunnerServiceServer

	log logging.Logger

	// now is the time that client certificates are checked against.
	now func() time.Time
}

// RunFunction composes the registration of the cluster whose kubeconfig is observed.
// What the rest of the pipeline desires passes through.
func (f *Function) RunFunction(_ context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	rsp := response.To(req, response.DefaultTTL)
	xr := newComposite(req.GetObserved().GetComposite())
	if err := f.register(req, rsp, xr); err != nil {
		f.log.Info("Cannot run with this Composition", "tag", req.GetMeta().GetTag(), "xr", xr.identity(), "error", err.Error())
		response.Fatal(rsp, err)
		return rsp, nil
	}
	f.log.Debug("Ran", "tag", req.GetMeta().GetTag(), "xr", xr.identity(), "reason", rsp.GetConditions()[0].GetReason())
	return rsp, nil
}

// register adds the registration to the desired state. Its errors are those that
// only a change of the Composition mends: they stop the whole pipeline, which anything
// that may still come about must not.
func (f *Function) register(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse, xr *composite) error {
	in, err := input(req, xr)
	if err != nil {
		return err
	}
	name := in.Output.GetResourceName()
	if _, taken := req.GetDesired().GetResources()[name]; taken {
		return errors.Errorf("output.resourceName: another step of the pipeline composes %q; name the registration otherwise", name)
	}
	observed, err := observedRegistration(name, req.GetObserved().GetResources()[name])
	if err != nil {
		return err
	}

	cluster, err := f.cluster(req, in, xr)
	if err != nil && observed == nil {
		return reportProblem(rsp, err)
	}
	reg := observed
	if err == nil {
		if reg, err = newRegistration(in.Output, xr, cluster, observed); err != nil {
			return err
		}
		reportRegistered(rsp, reg, cluster)
	} else {
		// Whatever is wrong, the registration stays: without it, Argo CD deletes the
		// cluster's Applications.
		reportRetained(rsp, reg, err)
	}
	return reg.desire(rsp, name, in.Output.GetObject())
}

// input returns the function's input if there is nothing wrong with it.
func input(req *fnv1.RunFunctionRequest, xr *composite) (*v1beta1.ClusterRegistration, error) {
	in := &v1beta1.ClusterRegistration{}
	if req.GetInput() == nil {
		return in, nil
	}
	if err := request.GetInput(req, in); err != nil {
		return nil, errors.Wrap(err, "the step's input has a field that this version does not know, or one of the wrong type")
	}
	return in, append(in.Validate(), in.ValidateFor(xr.namespace)...).ToAggregate()
}

// cluster returns what Argo CD is to know of the cluster. An error that is not a
// *problem is about the input.
func (f *Function) cluster(req *fnv1.RunFunctionRequest, in *v1beta1.ClusterRegistration, xr *composite) (*argocd.Cluster, error) {
	src, err := observedKubeconfig(req, in, xr)
	if err != nil {
		return nil, err
	}
	c, err := xr.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	conn, err := kubeconfig.Parse(src.kubeconfig, kubeconfig.Options{Context: in.KubeconfigFrom.GetContext(), Server: c.Server, Now: f.now()})
	if err != nil {
		return nil, err
	}
	c.Server = conn.Server
	c.Config, err = argocd.NewClusterConfig(conn, argocd.ConfigOptions{
		NoPlugins: in.Credentials.GetType() == v1beta1.CredentialsKubeconfig,
		GKE:       src.gke,
	})
	return c, err
}
