package main

import (
	"context"
	"slices"
	"strings"
	"time"

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

	// now is the time that certificates and tokens are checked against.
	now func() time.Time

	// onlyNamed has Crossplane read no Secrets except for those that the input names.
	onlyNamed bool
}

// How long a response holds. Crossplane runs the pipeline again when it ends.
const (
	// ttl is for what nothing wakes Crossplane for.
	ttl = response.DefaultTTL

	// ttlWatched is for a registered cluster whose Secrets Crossplane watches. Running a
	// fleet's pipelines each minute would be for nothing.
	ttlWatched = 10 * time.Minute
)

// RunFunction composes the registration of the cluster whose kubeconfig is observed.
// What the rest of the pipeline desires passes through.
func (f *Function) RunFunction(_ context.Context, req *fnv1.RunFunctionRequest) (*fnv1.RunFunctionResponse, error) {
	if m := req.GetMeta(); m != nil && f.onlyNamed {
		// Behave as with a Crossplane before v2.2, which does not say that it reads Secrets.
		m.Capabilities = slices.DeleteFunc(slices.Clone(m.GetCapabilities()), func(c fnv1.Capability) bool {
			return c == fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES
		})
	}
	rsp := response.To(req, ttl)
	xr := newComposite(req)
	if err := f.register(req, rsp, xr); err != nil {
		// A key in the input may hold a line break.
		err = errors.New(strings.ReplaceAll(err.Error(), "\n", " "))
		f.log.Info("Cannot run with this Composition", "tag", req.GetMeta().GetTag(), "xr", xr.identity(), "error", err.Error())
		response.Fatal(rsp, err)
		return rsp, nil
	}
	f.log.Debug("Ran", "tag", req.GetMeta().GetTag(), "xr", xr.identity(), "reason", rsp.GetConditions()[0].GetReason())
	return rsp, nil
}

// register adds the registration to the desired state. It returns an error only for what a
// change to the Composition must fix: an error stops the pipeline.
func (f *Function) register(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse, xr *composite) error {
	in, err := input(req, xr)
	if err != nil {
		return err
	}
	if n := in.Output.ResourceName; req.GetDesired().GetResources()[n] != nil {
		return errors.Errorf("output.resourceName: another pipeline step already composes a resource named %q; choose another output.resourceName, or put a step that is new after it", n)
	}
	p := &pass{
		in: in, xr: xr, rsp: rsp,
		secrets:  newReader(req, rsp, in.Output.ArgoCD == v1beta1.ArgoCDRemote),
		reporter: &reporter{rsp: rsp, xr: xr, conditionType: conditionType(in)},
		desired:  req.GetDesired().GetResources(),
		now:      f.now(),
	}
	if err := p.identify(req); err != nil {
		return err
	}
	p.describe()
	p.connect(req)
	if p.was == nil || p.was.handedOver {
		// The first time, everything must be known.
		if all := p.unknown(); len(all) > 0 {
			if p.was != nil {
				all.add(&problem{reason: reasonRegistering, message: "Secret " + p.was.secretName() + " is not taken over until then"})
			}
			return p.reporter.problem(all)
		}
	}
	// From then on the registration stays, whatever is wrong: without it, Argo CD deletes
	// the cluster's Applications.
	return p.compose()
}

// input returns the step's input, with its defaults, if there is nothing wrong with it. It is
// decoded here and not by the SDK, whose errors name no paths, and are not always worded alike.
func input(req *fnv1.RunFunctionRequest, xr *composite) (*v1beta1.ClusterRegistration, error) {
	in := &v1beta1.ClusterRegistration{}
	if req.GetInput() == nil {
		in.APIVersion, in.Kind = v1beta1.APIVersion, v1beta1.Kind
		in.Default()
		return in, validate(in, xr.namespace).ToAggregate()
	}
	if errs := validateTexts(req.GetInput()); len(errs) > 0 {
		return nil, errs.ToAggregate()
	}
	raw, err := req.GetInput().MarshalJSON()
	if err != nil {
		return nil, errors.Wrap(err, "cannot marshal the step's input")
	}
	unknown, err := json.UnmarshalStrict(raw, in)
	if err != nil {
		return nil, errors.Wrap(err, "cannot parse the step's input as a ClusterRegistration")
	}
	if len(unknown) > 0 {
		return nil, errors.Wrap(errors.Join(unknown...), "unknown fields in the step's input")
	}
	in.Default()
	return in, validate(in, xr.namespace).ToAggregate()
}
