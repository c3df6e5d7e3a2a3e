package main

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// annotationRepair has provider-kubernetes look at the Secret again: a changed annotation
// makes it reconcile the Object. Nothing else does before the next poll.
const annotationRepair = "argocd.fn.crossplane.io/repair"

// A standing is how the Secret compares with what is composed.
type standing int

const (
	// unknown is a Secret that cannot be read.
	unknown standing = iota

	// absent is a Secret that does not exist, or that Argo CD does not take for a cluster.
	absent

	// current is a Secret that is as composed.
	current

	// outdated is a Secret that is as it was composed before.
	outdated

	// edited is a Secret that somebody else changed.
	edited
)

// standing returns how the Secret compares with the manifest that is composed now.
func (r *registration) standing(manifest *structpb.Struct) standing {
	switch {
	case r == nil || !r.read:
		return unknown
	case r.secret == nil, stringAt(r.secret, "metadata", "labels", argocd.LabelSecretType) != argocd.SecretTypeCluster:
		return absent
	case covers(r.secret, manifest):
		return current
	case !isUsable(r.secret):
		return edited
	case r.kind == kindSecret:
		// Crossplane updates it in this pass, whatever was changed.
		return outdated
	case covers(r.secret, r.manifest), r.hasSeen():
		return outdated
	}
	return edited
}

// hasSeen reports whether the Secret is as the provider saw it last, except for what others
// added. The provider may hide its data.
func (r *registration) hasSeen() bool {
	seen, shown := r.shown()
	return r.seen("resourceVersion") == stringAt(r.secret, "metadata", "resourceVersion") || shown && covers(r.secret, seen)
}

// sawAnother reports whether the provider last saw a Secret that does not have all that is
// composed. It may hide the data.
func (r *registration) sawAnother(manifest *structpb.Struct) bool {
	seen, shown := r.shown()
	return shown && !covers(seen, manifest)
}

// shown returns the Secret as the provider saw it last, and whether it shows the data. With
// --sanitize-secrets it shows a key "redacted" instead.
func (r *registration) shown() (*structpb.Struct, bool) {
	seen := structAt(r.resource, "status", "atProvider", "manifest")
	data := structAt(seen, "data").GetFields()
	_, redacted := data["redacted"]
	return seen, len(data) > 0 && !redacted
}

// isUsable reports whether Argo CD can make a client of a Secret.
func isUsable(secret *structpb.Struct) bool {
	cfg, err := argocd.ParseClusterConfig([]byte(decode(secret, "config")))
	return err == nil && cfg.Check() == nil && decode(secret, "server") != "" && decode(secret, "name") != ""
}

// covers reports whether a Secret has all that a manifest has. Labels, annotations and data
// that others add make no difference, except for data that Argo CD reads.
func covers(secret, manifest *structpb.Struct) bool {
	for _, f := range []string{"labels", "annotations"} {
		has := structAt(secret, "metadata", f).GetFields()
		for k, v := range structAt(manifest, "metadata", f).GetFields() {
			if h, ok := has[k]; !ok || h.GetStringValue() != v.GetStringValue() {
				return false
			}
		}
	}
	for _, f := range []string{"namespace", "name"} {
		if stringAt(secret, "metadata", f) != stringAt(manifest, "metadata", f) {
			return false
		}
	}
	has, wants := structAt(secret, "data").GetFields(), structAt(manifest, "data").GetFields()
	keys := append(slices.Collect(maps.Keys(wants)), argocd.DataKeys()...)
	return !slices.ContainsFunc(keys, func(k string) bool { return has[k].GetStringValue() != wants[k].GetStringValue() })
}

// repair returns the value of the annotation that has the provider repair the Secret; empty
// if the Secret needs no repair, or the provider knows already.
func (r *registration) repair(s standing) string {
	if r == nil || r.resource == nil || r.kind != kindObject || !r.read || r.terminating() {
		return ""
	}
	seen := r.seen("resourceVersion")
	switch {
	case s == absent && r.secret == nil:
		if seen == "" {
			return ""
		}
		return "absent-after-" + seen
	case s == absent, s == edited:
		v := stringAt(r.secret, "metadata", "resourceVersion")
		note := "differs-at-" + v
		if v == seen && stringAt(r.resource, "metadata", "annotations", annotationRepair) != note {
			return ""
		}
		return note
	}
	return ""
}
