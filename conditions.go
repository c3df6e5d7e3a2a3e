package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
	"github.com/crossplane/function-sdk-go/response"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
)

// expiryNotice is how long before credentials expire the condition says so.
const expiryNotice = 30 * 24 * time.Hour

// reasons of the condition of a registration, the worst first. The condition is true from
// reasonUpdating on.
func reasons() []string {
	return []string{
		reasonNameConflict, reasonServerConflict, reasonUnsupportedCredentials, reasonRegistering, reasonCredentialsExpired,
		reasonUpdating, reasonDraining, reasonRetained, reasonRegistered,
	}
}

// An outcome is what the function says of a registration: the worst of its reasons, and the
// messages of all of them.
type outcome struct {
	states []problem
	notes  []string
}

// add a reason, with what to say of it.
func (o *outcome) add(reason, message string) {
	o.states = append(o.states, problem{reason: reason, message: message})
}

// note adds to the message.
func (o *outcome) note(message string) {
	if message != "" {
		o.notes = append(o.notes, message)
	}
}

// worst returns the reason of the condition.
func (o *outcome) worst() string {
	worst := reasonRegistered
	for _, s := range o.states {
		if slices.Index(reasons(), s.reason) < slices.Index(reasons(), worst) {
			worst = s.reason
		}
	}
	return worst
}

// isTrueReason reports whether the condition is true with a reason.
func isTrueReason(reason string) bool {
	return slices.Index(reasons(), reason) >= slices.Index(reasons(), reasonUpdating)
}

// message of the condition: the worst comes first.
func (o *outcome) message(c *composition, credentials string) string {
	states := slices.Clone(o.states)
	slices.SortStableFunc(states, func(a, b problem) int {
		return slices.Index(reasons(), a.reason) - slices.Index(reasons(), b.reason)
	})
	parts := make([]string, 0, len(states)+1+len(o.notes))
	for _, s := range states {
		parts = append(parts, capital(s.message))
	}
	if credentials == "None" {
		credentials = "no"
	}
	what := "Cluster"
	if isTrueReason(o.worst()) {
		what = "Registered with Argo CD as"
	}
	parts = append(parts, fmt.Sprintf("%s %q (Secret %s, %s credentials)", what, c.cluster, c.secretName(), credentials))
	for _, n := range o.notes {
		parts = append(parts, capital(n))
	}
	return strings.Join(parts, ". ")
}

// expiry returns the notice that credentials expire; empty if that is not soon.
func expiry(c connection, now time.Time) string {
	if c.notAfter.IsZero() || c.notAfter.Sub(now) > expiryNotice || c.isExpired(now) {
		return ""
	}
	return "the " + c.what() + " expires on " + c.notAfter.UTC().Format(time.DateOnly)
}

// conditionType returns the type of the step's condition.
func conditionType(in *v1beta1.ClusterRegistration) string {
	if in.ConditionType != "" {
		return in.ConditionType
	}
	return defaultConditionType(in.Output.ResourceName)
}

// defaultConditionType returns the type of the condition of a step that composes a resource
// under a name.
func defaultConditionType(resourceName string) string {
	if resourceName == v1beta1.DefaultResourceName {
		return v1beta1.DefaultConditionType
	}
	t := v1beta1.DefaultConditionType + "-" + resourceName
	if len(checkConditionType(t)) == 0 {
		return t
	}
	sum := sha256.Sum256([]byte(resourceName))
	return v1beta1.DefaultConditionType + "-" + hex.EncodeToString(sum[:5])
}

// A reporter sets the step's condition.
type reporter struct {
	rsp           *fnv1.RunFunctionResponse
	xr            *composite
	conditionType string
}

// problem says why the cluster is not registered. The XR is not ready then, even if it has
// no other resource that is not. An error about the Composition is returned unchanged.
func (r *reporter) problem(all problems) error {
	for _, err := range all {
		if problemOf(err) == nil {
			return err
		}
	}
	messages := all.messages()
	for i := range messages {
		messages[i] = capital(messages[i])
	}
	r.report(problemOf(all[0]).reason, strings.Join(messages, ". "))
	desiredComposite(r.rsp).Ready = fnv1.Ready_READY_FALSE
	return nil
}

// report the condition on the XR and its claim. A change for the worse is an event, too.
func (r *reporter) report(reason, message string) {
	// Errors that were joined are a line each.
	message = oneLine(strings.ReplaceAll(message, "\n", "; "))
	condition := response.ConditionFalse
	if isTrueReason(reason) {
		condition = response.ConditionTrue
	}
	condition(r.rsp, r.conditionType, reason).WithMessage(message).TargetCompositeAndClaim()

	switch reason {
	case reasonRetained, reasonInvalidField, reasonInvalidKubeconfig, reasonUnsupportedCredentials, reasonAmbiguousKubeconfig,
		reasonNameConflict, reasonServerConflict, reasonCredentialsExpired:
		if reason != stringAt(conditionAt(r.xr.observed, r.conditionType), "reason") {
			response.Warning(r.rsp, errors.New(message)).TargetCompositeAndClaim().WithReason(reason)
		}
	}
}

// oneLine replaces control characters, which a field path of the input may hold.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// capital returns a sentence with a capital, unless it begins with the path of a field.
func capital(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if s == "" || strings.Contains(first, ".") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
