package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/response"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// conditionRegistered is the type of the condition that the function sets on the XR
// and its claim. It is true while there is a registration that Argo CD can use.
const conditionRegistered = "ArgoCDClusterRegistered"

// Reasons of the condition.
const (
	reasonRegistered             = "Registered"
	reasonRetained               = "Retained"
	reasonDraining               = "Draining"
	reasonRegistering            = "Registering"
	reasonWaitingForKubeconfig   = "WaitingForKubeconfig"
	reasonWaitingForField        = "WaitingForField"
	reasonInvalidField           = "InvalidField"
	reasonNameConflict           = "NameConflict"
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

func nameConflict(id identity, owner string, xr *composite) error {
	whose := "nobody's that says so"
	if owner != "" {
		whose = "that of " + owner
	}
	return &problem{reason: reasonNameConflict, message: fmt.Sprintf(
		"Secret %s is there already, and %s; set cluster.name or output.name, or annotate the Secret with %s: %s to have it taken over",
		id.secretName(), whose, v1beta1.AnnotationComposite, xr.identity())}
}

// expiryNotice is how long before the end of a client certificate the condition tells it.
const expiryNotice = 30 * 24 * time.Hour

// An outcome is what the function says of a registration.
type outcome struct {
	status  fnv1.Status
	reason  string
	message string
}

// reportProblem says why the cluster is not registered, and keeps the XR from being ready
// although it may have no other resource that is not. It returns an error that is about the
// Composition.
func reportProblem(rsp *fnv1.RunFunctionResponse, xr *composite, err error) error {
	p := &problem{}
	if k := (*kubeconfig.Error)(nil); errors.As(err, &k) {
		p = &problem{reason: string(k.Reason), message: k.Message}
	} else if !errors.As(err, &p) {
		return err
	}
	report(rsp, xr, outcome{status: fnv1.Status_STATUS_CONDITION_FALSE, reason: p.reason, message: p.message})
	desiredComposite(rsp).Ready = fnv1.Ready_READY_FALSE
	return nil
}

// registeredOutcome returns what is said of a cluster that is registered, or will be once
// the composed resource is ready: what was kept as it was and why, which fields of the
// input were not followed, and when the certificate expires, if soon.
func registeredOutcome(r *registration, credentials string, kept []error, unchanged []string, notice string) outcome {
	o := outcome{status: fnv1.Status_STATUS_CONDITION_TRUE, reason: reasonRegistered}
	verb := reasonRegistered
	if !r.ready {
		verb = reasonRegistering
	}
	parts := []string{fmt.Sprintf("%s as %q by Secret %s, with credentials of type %s", verb, r.data("name"), r.secretName(), credentials)}
	if len(kept) > 0 {
		o.reason = reasonRetained
		parts = append(parts, "what cannot be told now is kept as it was: "+errors.Join(kept...).Error())
	}
	if stringAt(r.manifest, "metadata", "labels", v1beta1.LabelState) == v1beta1.StateDraining {
		o.reason = reasonDraining
		parts = append(parts, "draining: ApplicationSets that select on the state prune their workloads")
	}
	if !r.ready {
		o.status, o.reason = fnv1.Status_STATUS_CONDITION_FALSE, reasonRegistering
		parts = append(parts, "waiting for the composed "+r.kind+" to be ready")
	}
	if len(unchanged) > 0 {
		parts = append(parts, strings.Join(unchanged, ", ")+" not followed, since that would delete the Secret and with it the cluster's Applications; to have it so, delete the composed "+r.kind+" when they may go")
	}
	if notice != "" {
		parts = append(parts, notice)
	}
	// Errors that were joined are a line each.
	o.message = strings.ReplaceAll(strings.Join(parts, "; "), "\n", "; ")
	return o
}

// expiry returns the notice that a certificate expires; empty if that is not soon.
func expiry(notAfter, now time.Time) string {
	if notAfter.IsZero() || notAfter.Sub(now) > expiryNotice {
		return ""
	}
	return "the client certificate expires on " + notAfter.UTC().Format(time.DateOnly)
}

// report an outcome on the XR and its claim. A change for the worse is an event, too.
func report(rsp *fnv1.RunFunctionResponse, xr *composite, o outcome) {
	rsp.Conditions = append(rsp.Conditions, &fnv1.Condition{
		Type:    conditionRegistered,
		Status:  o.status,
		Reason:  o.reason,
		Message: &o.message,
		Target:  fnv1.Target_TARGET_COMPOSITE_AND_CLAIM.Enum(),
	})
	switch o.reason {
	case reasonRetained, reasonInvalidField, reasonInvalidKubeconfig, reasonUnsupportedCredentials, reasonNameConflict:
		if o.reason != stringAt(conditionAt(xr.resource, conditionRegistered), "reason") {
			response.Warning(rsp, errors.New(o.message)).TargetCompositeAndClaim().WithReason(o.reason)
		}
	}
}
