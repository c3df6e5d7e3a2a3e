package main

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"sigs.k8s.io/json"

	"github.com/crossplane/function-sdk-go/errors"
	"github.com/crossplane/function-sdk-go/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
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

	src, err := findSource(req, in, xr)
	require(rsp, src.secret)
	var cluster *argocd.Cluster
	if err == nil {
		cluster, err = f.cluster(in, xr, src)
	}
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
	if reg.ready && src.secret != nil {
		rsp.Meta.Ttl = durationpb.New(ttlWatched)
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

// require has Crossplane read a Secret, on every call alike.
func require(rsp *fnv1.RunFunctionResponse, secret *fnv1.ResourceSelector) {
	if secret != nil {
		rsp.Requirements = &fnv1.Requirements{Resources: map[string]*fnv1.ResourceSelector{requirement: secret}}
	}
}

// cluster returns what Argo CD is to know of the cluster.
func (f *Function) cluster(in *v1beta1.ClusterRegistration, xr *composite, src source) (*argocd.Cluster, error) {
	c, err := xr.cluster(in.Cluster)
	if err != nil {
		return nil, err
	}
	credentials := in.Credentials.GetType()
	conn, err := kubeconfig.Parse(src.kubeconfig, kubeconfig.Options{
		Context:       in.KubeconfigFrom.GetContext(),
		Server:        c.Server,
		AllowInsecure: in.Credentials.GetAllowInsecure(),
		NoCredential:  credentials != v1beta1.CredentialsAuto && credentials != v1beta1.CredentialsKubeconfig,
		Now:           f.now(),
	})
	if err != nil {
		return nil, err
	}
	c.Server = conn.Server
	if c.Config, err = argocd.NewClusterConfig(conn); err != nil {
		return nil, err
	}
	return c, authenticate(c.Config, in.Credentials, xr, conn.Credential, src.gke)
}

// authenticate has Argo CD authenticate as the input says.
func authenticate(cfg *argocd.ClusterConfig, in *v1beta1.Credentials, xr *composite, cred kubeconfig.Credential, gke bool) error {
	switch in.GetType() {
	case v1beta1.CredentialsAWS:
		cluster, err := xr.text("an EKS cluster's name", in.AWS.ClusterNameValue(), argocd.CheckEKSClusterName)
		if err != nil {
			return err
		}
		role, err := xr.text("an IAM role", in.AWS.RoleARNValue(), argocd.CheckRoleARN)
		if err != nil {
			return err
		}
		cfg.UseAWS(argocd.AWSIdentity{ClusterName: cluster, RoleARN: role, Profile: in.AWS.Profile, Region: in.AWS.Region})
	case v1beta1.CredentialsAzure:
		az := in.Azure
		if az == nil {
			az = &v1beta1.AzureCredentials{}
		}
		cfg.UseAzure(argocd.AzureIdentity{
			TenantID: az.TenantID, ClientID: az.ClientID, ServerID: az.ServerID,
			Environment: az.Environment, LoginMethod: string(az.LoginMethod),
		})
	case v1beta1.CredentialsGCP:
		cfg.UseGCP()
	case v1beta1.CredentialsExec:
		cfg.UseExec(argocd.ExecProviderConfig{
			Command: in.Exec.Command, Args: in.Exec.Args, Env: in.Exec.Env, APIVersion: in.Exec.GetAPIVersion(),
			InstallHint: in.Exec.InstallHint, ProvideClusterInfo: in.Exec.ProvideClusterInfo,
		})
	case v1beta1.CredentialsKubeconfig:
		if !cfg.UseCredential(cred) {
			return kubeconfig.Unsupported("the kubeconfig's user has no client certificate, token, or username and password, and credentials.type Kubeconfig takes nothing else")
		}
	case v1beta1.CredentialsAuto:
		switch none := (kubeconfig.Credential{}); {
		case cfg.UseCredential(cred):
		case cred == none && gke:
			// GKE's provider gives no credentials, and means Google's.
			cfg.UseGCP()
		default:
			return cfg.UsePlugin(cred)
		}
	}
	return nil
}
