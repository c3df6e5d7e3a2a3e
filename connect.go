package main

import (
	"encoding/json"
	"time"

	"github.com/crossplane/function-sdk-go/errors"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

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

// connection returns how Argo CD connects now.
func (r *registration) connection() connection {
	c := connection{server: r.data("server"), config: []byte(r.data("config"))}
	cfg := &argocd.ClusterConfig{}
	// It is what this function wrote; should it not be, then its credentials are named
	// as basic ones.
	_ = json.Unmarshal(c.config, cfg)
	c.credentials = cfg.CredentialType()
	return c
}

// connect returns how Argo CD is to connect by a kubeconfig, at another server if one is
// given.
func connect(in *v1beta1.ClusterRegistration, xr *composite, src source, server string, now time.Time) (connection, error) {
	credentials := in.Credentials.GetType()
	parsed, err := kubeconfig.Parse(src.kubeconfig, kubeconfig.Options{
		Context:       in.KubeconfigFrom.GetContext(),
		Server:        server,
		AllowInsecure: in.Credentials.GetAllowInsecure(),
		NoCredential:  credentials != v1beta1.CredentialsAuto && credentials != v1beta1.CredentialsKubeconfig,
		Now:           now,
	})
	if err != nil {
		return connection{}, err
	}
	cfg := argocd.NewClusterConfig(parsed)
	if err := authenticate(cfg, in.Credentials, xr, parsed.Credential, src.gke); err != nil {
		return connection{}, err
	}
	c := connection{server: parsed.Server, credentials: cfg.CredentialType(), notAfter: parsed.Credential.NotAfter}
	if c.config, err = json.Marshal(cfg); err != nil {
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
		switch {
		case cfg.UseCredential(cred):
		case cred.IsZero() && gke:
			// GKE's provider gives no credentials, and means Google's.
			cfg.UseGCP()
		default:
			return cfg.UsePlugin(cred)
		}
	}
	return nil
}
