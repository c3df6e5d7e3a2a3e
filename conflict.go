package main

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/structpb"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// A contender is what a registration wants that no other may have: the cluster's name and its
// server. Argo CD knows clusters by either.
type contender struct {
	xr *composite
	id identity

	// server is empty if it is not known.
	server string

	// was is the registration that exists; nil if there is none.
	was *registration

	// remote says that Argo CD is not on the hub.
	remote bool

	// desired are the resources of earlier steps.
	desired map[string]*fnv1.Resource
}

// own returns the registration's own Secret, as it is or as it was; nil if there never was
// one.
func (c *contender) own() *structpb.Struct {
	switch {
	case c.was == nil, c.was.onlyObserves() && c.was.owner() != c.xr.identity():
		return nil
	case c.was.secret != nil:
		return c.was.secret
	}
	// It was deleted by hand, and is about to be created again. It counts as old as it was.
	seen := c.was.seen("creationTimestamp")
	if seen == "" {
		return nil
	}
	return fields{
		"metadata": fields{"name": structpb.NewStringValue(c.was.name), "creationTimestamp": structpb.NewStringValue(seen)}.value(),
		"data":     c.was.manifest.GetFields()["data"],
	}.value().GetStructValue()
}

// sharesArgoCD reports whether another step's registration is for the same Argo CD.
func (c *contender) sharesArgoCD(other *registration) bool {
	watches := structAt(other.resource, "spec").GetFields()["watch"].GetBoolValue()
	return other.namespace == c.id.namespace && (!c.remote && !watches || other.config == c.id.config)
}

// A uniqueness is a value that two registrations must not share.
type uniqueness struct {
	// requirement and label are how Crossplane finds the others, and key is the value's in
	// the Secret's data.
	requirement, label, key string

	// value is empty if it is not known, and hash is the label's value.
	value, hash string

	reason, what string
}

func (c *contender) uniquenesses() []uniqueness {
	return []uniqueness{
		{requirementCluster, labelCluster, "name", c.id.cluster, argocd.ClusterLabel(c.id.cluster), reasonNameConflict, fmt.Sprintf("a cluster named %q", c.id.cluster)},
		{requirementServer, labelServer, "server", c.server, argocd.ServerLabel(c.server), reasonServerConflict, "a cluster with this server"},
	}
}

// conflict returns why another registration comes first; nil if none does. answered is false
// while that is being looked up.
func (c *contender) conflict(r *reader) (conflict *problem, answered bool) {
	answered = true
	for _, u := range c.uniquenesses() {
		if u.value == "" {
			continue
		}
		if p := c.earlierStep(u); p != nil {
			return p, true
		}
		if !r.enabled {
			continue
		}
		others, ok := r.clusters(u.requirement, c.id.namespace, u.label, u.hash)
		if p := c.earlierSecret(u, others); p != nil {
			return p, true
		}
		answered = answered && ok
	}
	return nil, answered
}

// earlierStep returns a problem if an earlier step of the pipeline wants a value that this
// registration does not have yet.
func (c *contender) earlierStep(u uniqueness) *problem {
	if c.own() != nil {
		return nil
	}
	for _, n := range slices.Sorted(maps.Keys(c.desired)) {
		other := registrationIn(n, c.desired[n])
		if other != nil && other.isCluster() && c.sharesArgoCD(other) && other.data(u.key) == u.value {
			return c.lost(u, other.secretName(), c.xr.identity())
		}
	}
	return nil
}

// earlierSecret returns a problem if another registration's Secret has a value, and is older or
// this registration does not have the value yet.
func (c *contender) earlierSecret(u uniqueness, others []*structpb.Struct) *problem {
	own := c.own()
	has := own != nil && decode(own, u.key) == u.value
	for _, other := range others {
		name := stringAt(other, "metadata", "namespace") + "/" + stringAt(other, "metadata", "name")
		if name == c.id.secretName() || decode(other, u.key) != u.value || has && isOlder(own, other) {
			continue
		}
		return c.lost(u, name, ownerOf(other))
	}
	return nil
}

// lost says who has the value.
func (c *contender) lost(u uniqueness, secret, owner string) *problem {
	whose := ""
	switch owner {
	case "":
	case c.xr.identity():
		whose = ", which this XR made under another name or in another step"
	default:
		whose = " of " + owner
	}
	fix := "Set another cluster.name"
	if u.reason == reasonServerConflict {
		fix = "Argo CD would use the credentials of one for both. Delete one of the two registrations, or set cluster.server"
	}
	return &problem{reason: u.reason, message: fmt.Sprintf("Argo CD already has %s: Secret %s%s. %s", u.what, secret, whose, fix)}
}

// isOlder reports whether a Secret was created before another. Times are of RFC 3339 in UTC,
// and sort as text.
func isOlder(secret, other *structpb.Struct) bool {
	a, b := stringAt(secret, "metadata", "creationTimestamp"), stringAt(other, "metadata", "creationTimestamp")
	if a != b {
		return a < b
	}
	return stringAt(secret, "metadata", "name") < stringAt(other, "metadata", "name")
}
