package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane/function-sdk-go/errors"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// A pass is one call of the function. Its steps are in the order of its fields.
type pass struct {
	in       *v1beta1.ClusterRegistration
	xr       *composite
	rsp      *fnv1.RunFunctionResponse
	secrets  *reader
	reporter *reporter
	desired  map[string]*fnv1.Resource
	now      time.Time

	// was is the registration that exists; nil if there is none. secret is its cluster
	// Secret, or the one that the first registration is going to make.
	was    *registration
	secret reading

	// kubeconfigs are those that composed resources have published, by name, if the input names
	// none of them.
	kubeconfigs map[string]foundKubeconfig

	// want is the identity that the input asks for, and id the one that is composed. The
	// cluster's name is not known if there is a nameErr.
	want, id identity
	nameErr  error

	// taken says that an earlier step of the pipeline has the Secret, or that it is not known which
	// Secret is handed over; nil if neither is so.
	taken *problem

	// cluster is what Argo CD is to know of the cluster.
	cluster *argocd.Cluster
	about   *describer

	// conn is how Argo CD connects to it; a new connection, or after a connErr the one that
	// is kept, if the input does not forbid it.
	connector *connector
	src       source
	token     token
	conn      connection
	connErr   error
	forbidden string
}

// identify finds the registration that exists, and decides which identity is composed.
func (p *pass) identify(req *fnv1.RunFunctionRequest) error {
	var name string
	name, p.nameErr = nameOf(&p.in.Cluster, p.xr)
	p.want = wantedIdentity(&p.in.Output, p.xr, name)
	resourceName := p.in.Output.ResourceName
	source := p.in.KubeconfigFrom.ResourceName
	if source == "" && p.in.KubeconfigFrom.Type == v1beta1.KubeconfigSourceComposedResource {
		p.kubeconfigs = kubeconfigs(req.GetObserved().GetResources(), p.in.KubeconfigFrom.Key)
		source, _ = onlyKubeconfig(p.kubeconfigs, nil, resourceName, p.in.KubeconfigFrom.Key)
	}

	var err error
	if p.was, err = observe(req, resourceName, source, p.reporter.conditionType, p.xr, p.want); err != nil {
		return err
	}
	if p.was == nil {
		p.secret = p.secrets.secret(requirementSecret, p.want.namespace, p.want.name)
		switch handed, err := p.handedOver(req); {
		case ownerOf(p.secret.secret) == p.xr.identity():
			p.was = secretRegistration(resourceName, p.want, p.secret.secret, !isWrittenFor(p.secret.secret, p.xr))
		case handed != nil:
			p.was = secretRegistration(resourceName, p.want, handed, true)
		default:
			p.taken = problemOf(err)
		}
	} else {
		p.secret = p.secrets.secret(requirementSecret, p.was.namespace, p.was.name)
		p.was.withSecret(p.secret)
		if p.in.ConditionType == "" {
			// What stays under its old name has its old condition.
			p.reporter.conditionType = defaultConditionType(p.was.resourceName)
		}
	}
	p.id = p.want
	if p.was != nil {
		p.was.setName(p.want.cluster)
	}
	if p.was.pinned(p.xr) || p.was != nil && (p.nameErr != nil || p.isRemote() && p.was.terminating() && !p.was.isDeleted()) {
		p.id = p.was.identity
	}
	if p.was != nil && p.id.secretName() != p.was.secretName() {
		p.secret = p.secrets.secret(requirementWanted, p.id.namespace, p.id.name)
		p.was.withSecret(p.secret)
	}
	return p.checkOtherSteps()
}

// handedOver returns the Secret that somebody gave to the XR under another name than the one that is
// wanted; nil if there is none. What a composed resource holds is another step's. A Secret that is
// labelled for the cluster, and neither this XR's nor written by the function, is half handed over: to
// register the cluster beside it would be too early.
func (p *pass) handedOver(req *fnv1.RunFunctionRequest) (*structpb.Struct, error) {
	if !p.secrets.enabled || p.want.cluster == "" {
		return nil, nil
	}
	// Crossplane answers together with requirementSecret.
	all, _ := p.secrets.clusters(requirementHandedOver, p.want.namespace, labelCluster, argocd.ClusterLabel(p.want.cluster))
	var given []*structpb.Struct
	for _, s := range all {
		other := identity{namespace: p.want.namespace, name: stringAt(s, "metadata", "name")}
		switch owner := ownerOf(s); {
		case other.name == p.want.name, isComposed(req, other):
		case owner == p.xr.identity():
			given = append(given, s)
		case stringAt(s, "metadata", "labels", labelState) == "":
			return nil, nameConflict(other, owner, p.xr)
		}
	}
	switch len(given) {
	case 0:
		return nil, nil
	case 1:
		return given[0], nil
	}
	return nil, &problem{reason: reasonNameConflict, message: fmt.Sprintf("%d Secrets are handed over to this XR. Leave the annotation %s on one of them", len(given), annotationComposite)}
}

// isComposed reports whether a step composes a Secret, or did.
func isComposed(req *fnv1.RunFunctionRequest, secret identity) bool {
	for _, state := range []*fnv1.State{req.GetObserved(), req.GetDesired()} {
		for n, r := range state.GetResources() {
			if other := registrationIn(n, r); other != nil && other.secretName() == secret.secretName() {
				return true
			}
		}
	}
	return false
}

func (p *pass) isRemote() bool { return p.in.Output.ArgoCD == v1beta1.ArgoCDRemote }

// checkOtherSteps returns an error if the input has this step use the Secret of an earlier one.
// If the XR does, by a field that the input names, that is a conflict.
func (p *pass) checkOtherSteps() error {
	for _, n := range slices.Sorted(maps.Keys(p.desired)) {
		other := registrationIn(n, p.desired[n])
		if other == nil || other.name != p.id.name || !p.contender().sharesArgoCD(other) {
			continue
		}
		if p.in.Cluster.NameFrom == nil {
			return errors.Errorf("cluster.name: another pipeline step already uses Secret %s; set a different cluster.name (or output.name)", p.id.secretName())
		}
		p.taken = problemOf(nameConflict(p.id, "another step of this XR's pipeline", p.xr))
	}
	return nil
}

// describe finds out what Argo CD is to know of the cluster.
func (p *pass) describe() {
	p.about = &describer{xr: p.xr, was: p.was}
	p.cluster = p.about.describe(&p.in.Cluster)
	p.cluster.Name = p.id.cluster
}

// connect finds out how Argo CD connects to the cluster. A connection that cannot be found
// out now stays as it is.
func (p *pass) connect(req *fnv1.RunFunctionRequest) {
	given, givenErr := readGiven(p.in, p.xr)
	var tokenErr error
	if p.in.Credentials.Type == v1beta1.CredentialsToken {
		p.token, tokenErr = findToken(req, p.in.Credentials.Token, p.xr)
		require(p.rsp, requirementToken, p.token.secret)
	}
	var all problems
	if needsKubeconfig(p.in, given, p.token) {
		var err error
		p.src, err = findSource(req, p.in, p.xr, p.was, p.kubeconfigs)
		require(p.rsp, requirementKubeconfig, p.src.secret)
		all.add(err)
	}
	all.add(givenErr)
	all.add(tokenErr)
	p.connector = &connector{in: p.in, given: given, src: p.src, token: p.token, clouds: req.GetObserved().GetResources(), now: p.now}
	if p.connErr = all.error(); p.connErr == nil {
		p.conn, p.connErr = p.connector.connect()
	}
	if p.connErr == nil && p.was.pinned(p.xr) && p.isOtherCluster() {
		p.connErr = waitingForKubeconfig(fmt.Sprintf("composed resource %q has a kubeconfig for another server than the registration's; to register the cluster from it, set kubeconfigFrom.resourceName", p.src.resourceName))
	}
	if p.connErr == nil && p.was.pinned(p.xr) && p.mixesClusters() {
		p.connErr = waitingForToken(fmt.Sprintf("%s comes without the server's CA (credentials.token.caKey), and the cluster was not registered from composed resource %q, which has a kubeconfig; to take the CA from there, set kubeconfigFrom.resourceName", p.token.what, p.src.resourceName))
	}
	if p.connErr != nil && p.was != nil {
		p.keep(p.connErr)
	}
}

// keep the connection that the registration has, because of an error.
func (p *pass) keep(err error) {
	p.connErr = err
	p.conn, p.forbidden = p.connector.kept(p.was)
}

// isOtherCluster reports whether a kubeconfig that was found may be another cluster's: the
// registration does not say which composed resource it was made from, and has another
// server.
func (p *pass) isOtherCluster() bool {
	found := p.src.resourceName != "" && p.in.KubeconfigFrom.ResourceName == "" && p.was.source() == ""
	server := p.was.data("server")
	return found && server != "" && server != p.conn.server
}

// mixesClusters reports whether a token would be sent with the CA of a kubeconfig that was looked
// for only because the token's CA is missing. It may be another cluster's: the server does not
// come from it.
func (p *pass) mixesClusters() bool {
	return p.in.Credentials.Type == v1beta1.CredentialsToken && p.connector.given.server.value != "" &&
		p.src.resourceName != "" && p.in.KubeconfigFrom.ResourceName == "" && p.was.source() == ""
}

// unknown returns what must be known before a cluster is registered for the first time.
func (p *pass) unknown() problems {
	var all problems
	all.add(p.connErr)
	all.add(p.nameErr)
	all.add(p.about.problems)
	if len(all) > 0 {
		return all
	}
	switch {
	case p.taken != nil:
		all.add(p.taken)
	case p.was != nil:
		// The Secret was handed over.
		all.add(p.was.checkName())
	case p.secret.secret != nil:
		all.add(nameConflict(p.id, ownerOf(p.secret.secret), p.xr))
	case p.secrets.enabled && !p.secret.read:
		all.add(&problem{reason: reasonRegistering, message: "checking whether Secret " + p.id.secretName() + " already exists"})
	}
	conflict, answered := p.contender().conflict(p.secrets)
	switch {
	case len(all) > 0:
	case conflict != nil:
		all.add(conflict)
	case !answered:
		all.add(&problem{reason: reasonRegistering, message: "checking whether Argo CD already has the cluster"})
	}
	return all
}

func (p *pass) contender() *contender {
	return &contender{xr: p.xr, id: p.id, server: p.conn.server, was: p.was, remote: p.isRemote(), desired: p.desired}
}

// compose the registration, and say how it is.
func (p *pass) compose() error {
	o := &outcome{}
	name := p.in.Output.ResourceName
	if p.was != nil {
		name = p.was.resourceName
		if _, taken := p.was.takenBy(p.xr); p.was.resource != nil && p.was.kind != p.id.kind && !taken {
			// Crossplane cannot change a resource's kind. There never was a Secret, so
			// nothing is lost if the old one goes first.
			return p.reporter.problem(problems{&problem{reason: reasonRegistering, message: "output.type changed: waiting for the composed " + p.was.kind + " to be deleted"}})
		}
		if p.was.resource != nil && (p.id.name == "" || p.id.cluster == "") {
			return p.passOn(name)
		}
	}
	conflict := p.conflict(o)
	// Credentials that the input forbids go, whatever else there is.
	yields := conflict != nil && (p.forbidden == "" || p.was.owner() != p.xr.identity() || p.taken != nil)
	if err := p.retain(o, conflict, yields); err != nil {
		return err
	}
	p.mark()
	c, err := newComposition(p.id, p.was, p.cluster, &p.in.Output)
	if err != nil {
		return err
	}
	ready := false
	if yields {
		p.yield(c)
	} else if conflict == nil {
		s := p.was.standing(c.manifest)
		ready = p.say(o, c, s) && p.forbidden == ""
		c.repair = p.was.repair(s)
	}
	if p.cluster.Labels[labelState] == stateDraining {
		o.add(reasonDraining, "Draining: ApplicationSets that select "+labelState+"="+stateActive+" remove their Applications from this cluster")
	}
	for _, n := range p.about.notes {
		o.note(n)
	}
	if p.was.pinned(p.xr) && !p.was.terminating() {
		o.note(p.notApplied(c))
	}
	o.note(p.conn.notice)
	o.note(expiry(p.conn, p.now))

	if err := reportStatus(p.rsp, p.in.StatusFieldPath, c, p.conn.credentials); err != nil {
		return err
	}
	reason := o.worst()
	p.reporter.report(reason, o.message(c, p.conn.credentials))
	p.holds(reason)
	desire(p.rsp, name, c, ready)
	return nil
}

// conflict returns why this registration must give way to another one; nil if it need not.
// A new server that another registration has is not taken.
func (p *pass) conflict(o *outcome) *problem {
	if p.was == nil {
		return nil
	}
	conflict := p.taken
	if owner, taken := p.was.takenBy(p.xr); taken {
		conflict = problemOf(nameConflict(p.id, owner, p.xr))
	}
	if conflict != nil {
		o.add(conflict.reason, conflict.message)
		return conflict
	}
	conflict, _ = p.contender().conflict(p.secrets)
	if conflict == nil {
		return nil
	}
	o.add(conflict.reason, conflict.message)
	if was := p.was.data("server"); conflict.reason == reasonServerConflict && was != "" && was != p.conn.server {
		p.keep(conflict)
	}
	return conflict
}

// retain says what of the registration stays as it was, and why.
func (p *pass) retain(o *outcome, conflict *problem, yields bool) error {
	if p.was == nil {
		return nil
	}
	var causes problems
	if p.forbidden == "" && (conflict == nil || problemOf(p.connErr) != conflict) {
		causes.add(p.connErr)
	}
	causes.add(p.nameErr)
	causes.add(p.about.problems)
	causes.add(p.about.kept)
	var all problems
	all.add(p.connErr)
	all.add(causes)
	for _, err := range all {
		if problemOf(err) == nil {
			return err
		}
	}
	switch {
	case p.forbidden != "" && yields:
		o.add(reasonUnsupportedCredentials, p.forbidden+". "+capital(p.connErr.Error()))
	case p.forbidden != "":
		o.add(reasonUnsupportedCredentials, p.forbidden+". The cluster Secret is kept without credentials, so that no Application is lost. "+capital(p.connErr.Error()))
	case p.connErr != nil && p.conn.isExpired(p.now):
		o.add(reasonCredentialsExpired, "Argo CD's "+p.conn.what()+" expired on "+p.conn.notAfter.UTC().Format(time.DateOnly)+", and there is no new one")
	}
	if len(causes) > 0 {
		o.add(reasonRetained, strings.Join(causes.messages(), "; ")+". The registration is kept as it was until this is fixed")
	}
	return nil
}

// passOn composes what is observed, where not even its name is known.
func (p *pass) passOn(name string) error {
	var all problems
	all.add(p.nameErr)
	all.add(p.connErr)
	all.add(&problem{reason: reasonRegistering, message: "the composed " + p.was.kind + " no longer names its Secret or the cluster. Restore spec.forProvider.manifest, or set cluster.name and output.name"})
	if err := p.reporter.problem(all); err != nil {
		return err
	}
	c, err := newComposition(p.was.identity, p.was, p.cluster, &p.in.Output)
	if err != nil {
		return err
	}
	c.manifest = &structpb.Struct{}
	if p.was.manifest != nil {
		c.manifest = proto.CloneOf(p.was.manifest)
	}
	// The checked value replaces the observed one.
	if data := structAt(c.manifest, "data"); len(data.GetFields()) > 0 {
		for k, v := range map[string]string{"server": p.conn.server, "config": string(p.conn.config)} {
			data.Fields[k] = structpb.NewStringValue(base64.StdEncoding.EncodeToString([]byte(v)))
		}
	}
	desire(p.rsp, name, c, false)
	return nil
}

// mark gives the cluster its connection, and labels its Secret with what it is found by and its
// source.
func (p *pass) mark() {
	p.cluster.Server, p.cluster.Config = p.conn.server, p.conn.config
	p.cluster.Labels[labelCluster] = argocd.ClusterLabel(p.id.cluster)
	p.cluster.Labels[labelServer] = argocd.ServerLabel(p.conn.server)
	source := p.src.resourceName
	if p.connErr != nil || source == "" && p.in.KubeconfigFrom.Type == v1beta1.KubeconfigSourceComposedResource {
		// A token may need no kubeconfig for a while.
		source = p.was.source()
	}
	if source != "" {
		p.cluster.Annotations[annotationSource] = source
	}
}

// yield has an Object only observe its Secret, and leaves a composed Secret as it is. A
// Secret of this XR's own still goes with the Object.
func (p *pass) yield(c *composition) {
	c.identity, c.manifest = p.was.identity, p.was.manifest
	c.policies = []v1beta1.ManagementAction{v1beta1.ManagementActionObserve}
	own := p.in.Output.ManagementPolicies()
	deletes := len(own) == 0 || slices.Contains(own, v1beta1.ManagementActionAll) || slices.Contains(own, v1beta1.ManagementActionDelete)
	if deletes && p.was.owner() == p.xr.identity() && p.taken == nil {
		c.policies = append(c.policies, v1beta1.ManagementActionDelete)
	}
}

// say whether the Secret is as composed, and return whether the registration is ready.
// Where the Secret can be read, it alone decides.
func (p *pass) say(o *outcome, c *composition, s standing) bool {
	if p.was == nil || p.was.resource == nil {
		o.add(reasonRegistering, "Waiting for the "+c.kind+" to be created"+p.hint(c))
		return false
	}
	if p.was.terminating() {
		o.add(reasonRegistering, "Waiting for the old "+c.kind+" to be deleted, which takes about 30 seconds. If this does not end, check its Synced condition")
		return false
	}
	res := p.was.resource
	before := p.was.kind == kindSecret || isTrue(res, "Ready") || isTrue(p.xr.observed, p.reporter.conditionType) || isTrue(p.xr.observed, "Ready")
	switch s {
	case current:
		return true
	case absent:
		o.add(reasonRegistering, "Secret "+c.secretName()+" does not exist, or is not labelled as Argo CD's; waiting for it to be created"+p.hint(c))
		return false
	case edited:
		o.add(reasonRegistering, "Secret "+c.secretName()+" was changed by someone else; waiting for it to be restored"+p.hint(c))
		return before
	case outdated:
		o.add(reasonUpdating, "Secret "+c.secretName()+" does not have the latest change yet"+p.hint(c))
		return before
	case unknown:
	}
	switch {
	case !isTrue(res, "Ready"):
		o.add(reasonRegistering, "Waiting for the Object to become ready"+p.hint(c))
		return false
	case isFalse(res, "Synced"), !covers(p.was.manifest, c.manifest), p.was.sawAnother(c.manifest):
		o.add(reasonUpdating, "The Object has not written the latest change to Secret "+c.secretName()+" yet"+p.hint(c))
	}
	return true
}

// hint says what to look at if the wait does not end.
func (p *pass) hint(c *composition) string {
	if c.kind == kindSecret {
		return ""
	}
	kind := c.config.kind
	if kind == "" {
		kind = string(v1beta1.ProviderConfigKindNamespaced)
	}
	return fmt.Sprintf(". If this does not end, check provider-kubernetes and %s %q (output.object.providerConfigRef)", kind, c.config.name)
}

// notApplied says which fields of the input were not followed.
func (p *pass) notApplied(c *composition) string {
	fields := p.want.unchanged(c.identity)
	if p.nameErr != nil {
		fields = nil
	}
	if p.was.resourceName != p.in.Output.ResourceName {
		fields = append(fields, "output.resourceName")
	}
	if len(fields) == 0 {
		return ""
	}
	were := " was"
	if len(fields) > 1 {
		were = " were"
	}
	return strings.Join(fields, ", ") + " changed but" + were + " not applied: that would delete the Secret or rename the cluster, and with it the cluster's Applications. To apply it anyway, drain the cluster, then delete the composed " + c.kind
}

// holds sets how long the response holds: longer where Crossplane watches all that it depends
// on, but not longer than until the credentials' end has something to say.
func (p *pass) holds(reason string) {
	switch reason {
	case reasonRegistered, reasonDraining, reasonRetained:
	default:
		return
	}
	watched := p.src.secret != nil
	if p.in.Credentials.Type == v1beta1.CredentialsToken {
		watched = p.token.secret != nil && (watched || !needsKubeconfig(p.in, p.connector.given, p.token))
	}
	if !watched || !p.secrets.capable {
		return
	}
	d := ttlWatched
	for _, t := range []time.Time{p.conn.notAfter.Add(-expiryNotice), p.conn.notAfter} {
		if left := t.Sub(p.now); !p.conn.notAfter.IsZero() && left > 0 && left < d {
			d = max(left, time.Second)
		}
	}
	p.rsp.Meta.Ttl = durationpb.New(d)
}
