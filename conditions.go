package main

import (
	"fmt"

	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/response"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// conditionRegistered is the type of the condition that the function sets on the XR
// and its claim. It is true while there is a registration that Argo CD can use.
const conditionRegistered = "ArgoCDClusterRegistered"

// Reasons of the condition.
const (
	reasonRegistered             = "Registered"
	reasonRetained               = "Retained"
	reasonRegistering            = "Registering"
	reasonWaitingForKubeconfig   = "WaitingForKubeconfig"
	reasonWaitingForField        = "WaitingForField"
	reasonInvalidField           = "InvalidField"
	reasonInvalidKubeconfig      = string(kubeconfig.InvalidKubeconfig)
	reasonUnsupportedCredentials = string(kubeconfig.UnsupportedCredentials)
)

// A problem is why a cluster cannot be registered now. It is a matter of what is
// observed, which may change, and not of the Composition.
type problem struct {
	reason  string
	message string
}

func (p *problem) Error() string { return p.message }

func waitingForKubeconfig(message string) error {
	return &problem{reason: reasonWaitingForKubeconfig, message: message}
}

func waitingForField(f field) error {
	return &problem{reason: reasonWaitingForField, message: f.String() + " is not there yet"}
}

func invalidField(f field, message string) error {
	return &problem{reason: reasonInvalidField, message: f.String() + " " + message}
}

// reportRegistered says that the cluster is registered, or will be once the composed
// resource is ready.
func reportRegistered(rsp *fnv1.RunFunctionResponse, r *registration, c *argocd.Cluster) {
	what := fmt.Sprintf("as %q by Secret %s, with %s", c.Name, r.secretName(), c.Config.CredentialType())
	if !r.ready {
		response.ConditionFalse(rsp, conditionRegistered, reasonRegistering).
			WithMessage(fmt.Sprintf("Registering %s: waiting for the composed %s to be ready", what, r.kind)).
			TargetCompositeAndClaim()
		return
	}
	response.ConditionTrue(rsp, conditionRegistered, reasonRegistered).
		WithMessage("Registered " + what).
		TargetCompositeAndClaim()
}

// reportRetained says why the registration is kept as it was.
func reportRetained(rsp *fnv1.RunFunctionResponse, r *registration, why error) {
	response.ConditionTrue(rsp, conditionRegistered, reasonRetained).
		WithMessage(fmt.Sprintf("Secret %s is kept as it was: %s", r.secretName(), why)).
		TargetCompositeAndClaim()
}

// reportProblem says why the cluster is not registered, and keeps the XR from being
// ready although it may have no other resource that is not. It returns an error that is
// about the Composition.
func reportProblem(rsp *fnv1.RunFunctionResponse, err error) error {
	p := &problem{}
	if k := (*kubeconfig.Error)(nil); errors.As(err, &k) {
		p = &problem{reason: string(k.Reason), message: k.Message}
	} else if !errors.As(err, &p) {
		return err
	}
	response.ConditionFalse(rsp, conditionRegistered, p.reason).
		WithMessage(p.message).
		TargetCompositeAndClaim()
	d := desired(rsp)
	if d.GetComposite() == nil {
		d.Composite = &fnv1.Resource{}
	}
	d.Composite.Ready = fnv1.Ready_READY_FALSE
	return nil
}
