package main

import (
	"cmp"
	"context"
	gojson "encoding/json"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"sigs.k8s.io/json"

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
	if observed == nil {
		if err == nil {
			err = checkSecretFree(req, rsp, wantedIdentity(in.Output, xr, cluster.Name), xr)
		}
		// Without a kubeconfig, nothing else is of interest yet.
		if err = cmp.Or(sourceErr, err); err != nil {
			return reportProblem(rsp, xr, err)
		}
	}

	conn, err := f.connect(in, xr, src, cluster.Server, sourceErr)
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

	id, unchanged, ready := wantedIdentity(in.Output, xr, cluster.Name), []string(nil), false
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

// A connection is how Argo CD connects to a cluster.
type connection struct {
	server string

	// config is a marshalled argocd.ClusterConfig, and credentials the type of its
	// credentials.
	config      []byte
	credentials string

	// notAfter is when the client certificate expires; zero if there is none.
	notAfter time.Time
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
func require(rsp *fnv1.RunFunctionResponse, name string, secret *fnv1.ResourceSelector) {
	if secret == nil {
		return
	}
	if rsp.GetRequirements() == nil {
		rsp.Requirements = &fnv1.Requirements{Resources: map[string]*fnv1.ResourceSelector{}}
	}
	rsp.Requirements.Resources[name] = secret
}

// checkSecretFree has Crossplane read the Secret of a registration that is not there yet,
// where it can, and returns a problem if the Secret is another's: then Argo CD would lose
// one of two clusters. If it is that of an earlier step, the error is about the Composition.
func checkSecretFree(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse, id identity, xr *composite) error {
	for name, r := range req.GetDesired().GetResources() {
		// Whatever is no registration is none of ours.
		if other, err := observedRegistration(name, r); err == nil && other != nil && other.secretName() == id.secretName() {
			return errors.Errorf("cluster.name: another step of the pipeline registers a cluster by Secret %s; give each its own cluster.name", id.secretName())
		}
	}
	if !request.HasCapability(req, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES) {
		return nil
	}
	require(rsp, requirementSecret, secretSelector(id.namespace, id.name))
	found, ok := req.GetRequiredResources()[requirementSecret]
	if !ok {
		return &problem{reason: reasonRegistering, message: "finding out whether Secret " + id.secretName() + " is free"}
	}
	for _, r := range found.GetItems() {
		if owner := stringAt(r.GetResource(), "metadata", "annotations", v1beta1.AnnotationComposite); owner != xr.identity() {
			return nameConflict(id, owner, xr)
		}
	}
	return nil
}

// connect returns how Argo CD is to connect by a kubeconfig, at another server if one is
// given.
func (f *Function) connect(in *v1beta1.ClusterRegistration, xr *composite, src source, server string, err error) (connection, error) {
	if err != nil {
		return connection{}, err
	}
	credentials := in.Credentials.GetType()
	parsed, err := kubeconfig.Parse(src.kubeconfig, kubeconfig.Options{
		Context:       in.KubeconfigFrom.GetContext(),
		Server:        server,
		AllowInsecure: in.Credentials.GetAllowInsecure(),
		NoCredential:  credentials != v1beta1.CredentialsAuto && credentials != v1beta1.CredentialsKubeconfig,
		Now:           f.now(),
	})
	if err != nil {
		return connection{}, err
	}
	cfg, err := argocd.NewClusterConfig(parsed)
	if err != nil {
		return connection{}, err
	}
	if err := authenticate(cfg, in.Credentials, xr, parsed.Credential, src.gke); err != nil {
		return connection{}, err
	}
	c := connection{server: parsed.Server, credentials: cfg.CredentialType()}
	if cert := parsed.Credential.ClientCertificate; cert != nil {
		c.notAfter = cert.NotAfter
	}
	if c.config, err = gojson.Marshal(cfg); err != nil {
		return connection{}, errors.New("cannot marshal Argo CD's config")
	}
	return c, nil
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
