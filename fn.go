package main

import (
	"cmp"
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"sigs.k8s.io/json"

	"github.com/crossplane/function-sdk-go/errors"
	"github.com/crossplane/function-sdk-go/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/response"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
)

// Function registers clusters with Argo CD.
type Function struct {
	fnv1.UnimplementedFunctionRunnerServiceServer

	log logging.Logger

	// now is the time that client certificates are checked against.
	now func() time.Time
}

// For how long a response holds. Crossplane runs the pipeline again when it ends.
const (
	// ttl is for what nothing wakes Crossplane for.
	ttl = response.DefaultTTL

	// ttlWatched is for a registered cluster whose kubeconfig Crossplane watches.
	// Running a fleet's pipelines each minute would be for nothing.
	ttlWatched = 10 * time.Minute
)

// RunFunction composes the registration of the cluster whose kubeconfig is observed.
// What the rest of the pipeline desires passes through.
func (f *Function) RunFunction(_ context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	rsp := response.To(req, ttl)
	xr := newComposite(req)
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

	src, sourceErr := findSource(req, in, xr)
	require(rsp, requirementKubeconfig, src.secret)

	d := &describer{xr: xr, observed: observed}
	cluster, err := d.describe(in.Cluster)
	var id identity
	if err == nil {
		id = wantedIdentity(in.Output, xr, cluster.Name)
		if observed == nil {
			err = checkSecretFree(req, rsp, id, xr)
		}
	}

	// Without a kubeconfig, nothing else is of interest yet.
	var conn connection
	if err = cmp.Or(sourceErr, err); err == nil {
		conn, err = connect(in, xr, src, cluster.Server, f.now())
	}
	if err != nil && observed == nil {
		return reportProblem(rsp, xr, err)
	}
	if err != nil {
		// Whatever is wrong, the registration stays: without it, Argo CD deletes the
		// cluster's Applications.
		d.kept = append(d.kept, err)
		conn = observed.connection()
	}
	cluster.Server, cluster.Config = conn.server, conn.config

	var unchanged []string
	ready := false
	if observed != nil {
		unchanged = id.unchanged(in.Output, observed.identity)
		id, ready = observed.identity, observed.ready
	}
	reg, err := newRegistration(id, cluster, ready)
	if err != nil {
		return err
	}
	report(rsp, xr, registeredOutcome(reg, conn.credentials, d.kept, unchanged, expiry(conn.notAfter, f.now())))
	if reg.ready && src.secret != nil {
		rsp.Meta.Ttl = durationpb.New(ttlWatched)
	}
	if err := reg.reportStatus(rsp, in.StatusFieldPath, conn.credentials); err != nil {
		return err
	}
	return reg.desire(rsp, name, in.Output.GetObject())
}

// input returns the function's input if there is nothing wrong with it. It is decoded here
// and not by the SDK, whose errors name no paths, and are not always worded alike.
func input(req *fnv1.RunFunctionRequest, xr *composite) (*v1beta1.ClusterRegistration, error) {
	in := &v1beta1.ClusterRegistration{}
	if req.GetInput() == nil {
		return in, nil
	}
	raw, err := req.GetInput().MarshalJSON()
	if err != nil {
		return nil, errors.Wrap(err, "cannot marshal the step's input")
	}
	unknown, err := json.UnmarshalStrict(raw, in)
	if err != nil {
		return nil, errors.Wrap(err, "the step's input is no ClusterRegistration")
	}
	if len(unknown) > 0 {
		return nil, errors.Wrap(errors.Join(unknown...), "the step's input has fields that this version does not know")
	}
	return in, append(in.Validate(), in.ValidateFor(xr.namespace)...).ToAggregate()
}
