package main

import (
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"
	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/request"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// The Secrets that the function requires.
const (
	// requirementKubeconfig holds the kubeconfig.
	requirementKubeconfig = "kubeconfig"

	// requirementToken holds the token of type Token.
	requirementToken = "token"

	// requirementSecret is the cluster Secret: the existing registration's, else the one to
	// make. requirementWanted is the one to make where the existing registration never
	// made one, and another is wanted now.
	requirementSecret = "cluster-secret"
	requirementWanted = "wanted-cluster-secret"

	// requirementCluster and requirementServer are the cluster Secrets with the cluster's
	// name and with its server.
	requirementCluster = "clusters-of-the-same-name"
	requirementServer  = "clusters-of-the-same-server"

	// requirementHandedOver are those with the cluster's name in their label, where nothing is composed:
	// one may have been handed over to the XR. What requirementCluster selects depends on that one.
	requirementHandedOver = "handed-over-clusters"
)

// A reader has Crossplane read Secrets. What it requires does not depend on the answers
// that it gets for it: Crossplane calls the function until it requires nothing new.
type reader struct {
	req *fnv1.RunFunctionRequest
	rsp *fnv1.RunFunctionResponse

	// capable says that Crossplane reads Secrets for functions. enabled is false all the
	// same where Argo CD is not on the hub, which has no such Secrets then.
	capable, enabled bool
}

func newReader(req *fnv1.RunFunctionRequest, rsp *fnv1.RunFunctionResponse, remote bool) *reader {
	capable := request.HasCapability(req, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES)
	return &reader{req: req, rsp: rsp, capable: capable, enabled: capable && !remote}
}

// A reading is what Crossplane says of a Secret.
type reading struct {
	// secret is nil if there is none.
	secret *structpb.Struct

	// read is false while Crossplane has not answered.
	read bool
}

// secret requires a Secret, and returns it.
func (r *reader) secret(requirement, namespace, name string) reading {
	if !r.enabled || namespace == "" || name == "" {
		return reading{}
	}
	require(r.rsp, requirement, secretSelector(namespace, name))
	found, ok := r.req.GetRequiredResources()[requirement]
	if len(found.GetItems()) == 0 {
		return reading{read: ok}
	}
	s := resourceOf(found.GetItems()[0])
	if !isNamed(s, namespace, name) {
		return reading{}
	}
	return reading{secret: s, read: true}
}

// isNamed reports whether a Secret is the one that was required. Crossplane may begin with
// the answers to what the function required before.
func isNamed(secret *structpb.Struct, namespace, name string) bool {
	for f, want := range map[string]string{"namespace": namespace, "name": name} {
		if got := stringAt(secret, "metadata", f); got != "" && got != want {
			return false
		}
	}
	return true
}

// clusters requires the cluster Secrets with a label, and returns them, and whether
// Crossplane has answered.
func (r *reader) clusters(requirement, namespace, label, value string) ([]*structpb.Struct, bool) {
	require(r.rsp, requirement, &fnv1.ResourceSelector{
		ApiVersion: "v1",
		Kind:       kindSecret,
		Match: &fnv1.ResourceSelector_MatchLabels{MatchLabels: &fnv1.MatchLabels{Labels: map[string]string{
			argocd.LabelSecretType: argocd.SecretTypeCluster,
			label:                  value,
		}}},
		Namespace: &namespace,
	})
	found, ok := r.req.GetRequiredResources()[requirement]
	out := make([]*structpb.Struct, 0, len(found.GetItems()))
	for _, i := range found.GetItems() {
		out = append(out, resourceOf(i))
	}
	return out, ok
}

// require has Crossplane read a Secret.
func require(rsp *fnv1.RunFunctionResponse, name string, secret *fnv1.ResourceSelector) {
	if secret == nil {
		return
	}
	if rsp.GetRequirements() == nil {
		rsp.Requirements = &fnv1.Requirements{Resources: map[string]*fnv1.ResourceSelector{}}
	}
	rsp.Requirements.Resources[name] = secret
}

func secretSelector(namespace, name string) *fnv1.ResourceSelector {
	return &fnv1.ResourceSelector{
		ApiVersion: "v1",
		Kind:       kindSecret,
		Match:      &fnv1.ResourceSelector_MatchName{MatchName: name},
		Namespace:  &namespace,
	}
}

// desire a composed resource.
func desire(rsp *fnv1.RunFunctionResponse, name string, c *composition, ready bool) {
	d := desired(rsp)
	if d.GetResources() == nil {
		d.Resources = make(map[string]*fnv1.Resource, 1)
	}
	r := fnv1.Ready_READY_FALSE
	if ready {
		r = fnv1.Ready_READY_TRUE
	}
	d.Resources[name] = &fnv1.Resource{Resource: c.resource(), Ready: r}
}

// reportStatus writes what is not secret of the registration to the XR's status, next to
// what earlier steps wrote there.
func reportStatus(rsp *fnv1.RunFunctionResponse, path *string, c *composition, credentials string) error {
	if path == nil {
		return nil
	}
	xr := desiredComposite(rsp)
	status := fieldpath.Pave(resourceOf(xr).AsMap())
	for k, v := range map[string]string{
		"name":                c.cluster,
		"server":              decode(c.manifest, "server"),
		"secretRef.namespace": c.namespace,
		"secretRef.name":      c.name,
		"credentials":         credentials,
	} {
		if err := status.SetValue(*path+"."+k, v); err != nil {
			return errors.Errorf("statusFieldPath: cannot write to %s: an earlier pipeline step set a conflicting value", *path)
		}
	}
	s, err := structpb.NewStruct(status.UnstructuredContent())
	xr.Resource = s
	return err
}

// desiredComposite returns the response's desired XR. A first step's request has none.
func desiredComposite(rsp *fnv1.RunFunctionResponse) *fnv1.Resource {
	d := desired(rsp)
	if d.GetComposite() == nil {
		d.Composite = &fnv1.Resource{}
	}
	return d.GetComposite()
}

// desired returns the response's desired state. A first step's request has none.
func desired(rsp *fnv1.RunFunctionResponse) *fnv1.State {
	if rsp.GetDesired() == nil {
		rsp.Desired = &fnv1.State{}
	}
	return rsp.GetDesired()
}
