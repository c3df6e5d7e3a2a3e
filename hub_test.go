package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// A hub simulates Crossplane, provider-kubernetes and the API server: what the function
// desires in one reconcile is observed in the next, and the provider writes the Secrets.
type hub struct {
	xr, input, environment string

	// desired is the status of the XR that an earlier step desires, if it desires another.
	desired string

	// now is the time of day.
	now time.Time

	// resources are the observed composed resources, except for registrations.
	resources map[string]observation

	// secrets are the Secrets on the hub, by namespace and name.
	secrets map[string]*structpb.Struct

	// registrations are the composed resources that register clusters, by composition
	// resource name. They are ready unless unready.
	registrations map[string]*structpb.Struct
	unready       bool

	// unsynced has Objects not be synced. down has the provider do nothing at all.
	unsynced, down bool

	// unable has Crossplane not read Secrets for functions. remote has Objects write their
	// Secrets elsewhere.
	unable, remote bool

	// others are the keys of Secrets' data that somebody else wrote, by the Secret's key and theirs.
	others map[string]bool

	// conditions of the XR.
	conditions map[string]*fnv1.Condition

	// revision is the last resource version, and calls counts the calls of the function.
	revision, calls int
}

// newHub returns a hub on which a cluster can be registered by much that can vanish.
func newHub(kubeconfig string) *hub {
	return &hub{
		xr: legacyXR + `
    drain: false
`,
		input: `
kubeconfigFrom: {resourceName: cluster}
cluster:
  nameFrom: {fieldPath: 'metadata.labels[crossplane.io/claim-name]'}
  projectFrom: {type: FromEnvironmentFieldPath, fieldPath: project}
  labels: {tier: gold}
  labelsFrom:
  - {fieldPath: spec.parameters.environment, key: environment}
  - {type: FromEnvironmentFieldPath, fieldPath: addons, keyPrefix: addons.example.org/}
  annotationsFrom:
  - {fieldPath: spec.parameters.addons, keyPrefix: example.org/}
  drainFrom: {fieldPath: spec.parameters.drain}
statusFieldPath: status.argocd
`,
		environment:   environment,
		now:           testNow(),
		resources:     map[string]observation{"cluster": {resource: aks, details: map[string]string{"kubeconfig": kubeconfig}}},
		secrets:       map[string]*structpb.Struct{},
		registrations: map[string]*structpb.Struct{},
		others:        map[string]bool{},
		conditions:    map[string]*fnv1.Condition{},
	}
}

// plainHub returns a hub whose cluster is registered with no more input than is given.
func plainHub(xr, kubeconfig, input string) *hub {
	h := newHub(kubeconfig)
	h.xr, h.input = xr, input
	return h
}

// copy returns a hub that goes on by itself.
func (h *hub) copy() *hub {
	c := *h
	c.resources, c.secrets, c.registrations, c.conditions = maps.Clone(h.resources), maps.Clone(h.secrets), maps.Clone(h.registrations), maps.Clone(h.conditions)
	c.others = maps.Clone(h.others)
	return &c
}

// request returns the request of the next reconcile.
func (h *hub) request(t testing.TB) *fnv1.RunFunctionRequest {
	t.Helper()
	req := newRequest(t, h.xr, h.input, h.resources)
	if !h.unable {
		req.Meta.Capabilities = []fnv1.Capability{fnv1.Capability_CAPABILITY_CAPABILITIES, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES}
	}
	req.Context = mustStruct(t, h.environment)
	if h.desired != "" {
		req.Desired.Composite.Resource = mustStruct(t, h.desired)
	}
	for name, r := range h.registrations {
		req.Observed.Resources[name] = &fnv1.Resource{Resource: clone(r)}
	}
	if len(h.conditions) > 0 {
		var conditions []any
		for _, k := range slices.Sorted(maps.Keys(h.conditions)) {
			c := h.conditions[k]
			conditions = append(conditions, map[string]any{"type": k, "status": conditionStatus(c.GetStatus()), "reason": c.GetReason()})
		}
		v, err := structpb.NewList(conditions)
		if err != nil {
			t.Fatal(err)
		}
		xr := req.GetObserved().GetComposite().GetResource()
		if structAt(xr, "status") == nil {
			xr.Fields["status"] = fields{}.value()
		}
		structAt(xr, "status").Fields["conditions"] = structpb.NewListValue(v)
	}
	return req
}

func conditionStatus(s fnv1.Status) string {
	switch s {
	case fnv1.Status_STATUS_CONDITION_TRUE:
		return "True"
	case fnv1.Status_STATUS_CONDITION_FALSE:
		return conditionFalse
	}
	return "Unknown"
}

func clone(s *structpb.Struct) *structpb.Struct { return proto.CloneOf(s) }

// run the function until it requires nothing new, as Crossplane does.
func (h *hub) run(t testing.TB, req *fnv1.RunFunctionRequest) *fnv1.RunFunctionResponse {
	t.Helper()
	var last *fnv1.Requirements
	for range 6 {
		h.calls++
		rsp := runAt(t, proto.CloneOf(req), h.now)
		if len(rsp.GetResults()) > 0 && rsp.GetResults()[0].GetSeverity() == fnv1.Severity_SEVERITY_FATAL || proto.Equal(last, rsp.GetRequirements()) {
			return rsp
		}
		last = rsp.GetRequirements()
		req.RequiredResources = map[string]*fnv1.Resources{}
		for name, s := range last.GetResources() {
			req.RequiredResources[name] = h.find(s)
		}
	}
	t.Fatal("the requirements are not stable")
	return nil
}

// find the Secrets that a function requires.
func (h *hub) find(s *fnv1.ResourceSelector) *fnv1.Resources {
	out := &fnv1.Resources{}
	for _, key := range slices.Sorted(maps.Keys(h.secrets)) {
		secret := h.secrets[key]
		match := key == s.GetNamespace()+"/"+s.GetMatchName()
		if l := s.GetMatchLabels(); l != nil {
			match = strings.HasPrefix(key, s.GetNamespace()+"/")
			for k, v := range l.GetLabels() {
				match = match && stringAt(secret, "metadata", "labels", k) == v
			}
		}
		if match {
			out.Items = append(out.Items, &fnv1.Resource{Resource: clone(secret)})
		}
	}
	return out
}

// reconcile the XR once, and return what the function says.
func (h *hub) reconcile(t testing.TB) summary {
	t.Helper()
	return h.apply(t, h.run(t, h.request(t)))
}

// settle reconciles the XR until nothing changes.
func (h *hub) settle(t testing.TB) summary {
	t.Helper()
	var last summary
	for range 8 {
		before := h.revision
		s := h.reconcile(t)
		if before == h.revision && s.Condition == last.Condition && s.Message == last.Message {
			return s
		}
		last = s
	}
	t.Fatalf("the XR never settles: %+v", last)
	return last
}

// apply what the function desires.
func (h *hub) apply(t testing.TB, rsp *fnv1.RunFunctionResponse) summary {
	t.Helper()
	s := summarize(t, rsp, "argocd-cluster")
	if s.Fatal != "" {
		for _, c := range h.conditions {
			c.Status, c.Reason = fnv1.Status_STATUS_CONDITION_UNKNOWN, "FatalError"
		}
		return s
	}
	for _, c := range rsp.GetConditions() {
		h.conditions[c.GetType()] = proto.CloneOf(c)
	}
	for name := range h.registrations {
		if _, desired := rsp.GetDesired().GetResources()[name]; !desired {
			h.remove(name)
		}
	}
	for name, r := range rsp.GetDesired().GetResources() {
		if composedRegistration(name, r.GetResource()) != nil {
			h.write(name, clone(r.GetResource()))
		}
	}
	return s
}

// remove a composed resource that is not desired any more, and what it made.
func (h *hub) remove(name string) {
	r := composedRegistration(name, h.registrations[name])
	policies := structAt(r.resource, "spec").GetFields()["managementPolicies"].GetListValue().GetValues()
	deletes := len(policies) == 0
	for _, p := range policies {
		deletes = deletes || p.GetStringValue() == "Delete" || p.GetStringValue() == "*"
	}
	if deletes && !h.remote {
		delete(h.secrets, r.secretName())
	}
	delete(h.registrations, name)
}

// write a composed resource as Crossplane does: its metadata is kept, and the rest replaced.
func (h *hub) write(name string, res *structpb.Struct) {
	old := h.registrations[name]
	metadata := structAt(res, "metadata")
	if old != nil {
		metadata.Fields["name"] = structAt(old, "metadata").GetFields()["name"]
		for _, f := range []string{"uid", "deletionTimestamp", "creationTimestamp"} {
			if v, ok := structAt(old, "metadata").GetFields()[f]; ok {
				metadata.Fields[f] = v
			}
		}
		if v, ok := old.GetFields()["status"]; ok {
			res.Fields["status"] = v
		}
	}
	if structAt(metadata, "annotations") == nil {
		metadata.Fields["annotations"] = fields{}.value()
	}
	structAt(metadata, "annotations").Fields["crossplane.io/composition-resource-name"] = structpb.NewStringValue(name)
	h.registrations[name] = res
	if stringAt(res, "kind") == kindSecret {
		h.store(res)
		h.registrations[name] = h.secrets[stringAt(metadata, "namespace")+"/"+stringAt(metadata, "name")]
		return
	}
	h.provide(name)
}

// provide does what provider-kubernetes does with an Object.
func (h *hub) provide(name string) {
	res := h.registrations[name]
	if h.down || res == nil || stringAt(res, "kind") != kindObject {
		return
	}
	isTrue := func(b bool) *structpb.Value {
		return structpb.NewStringValue(map[bool]string{true: "True", false: conditionFalse}[b])
	}
	seen := &structpb.Struct{}
	policies := structAt(res, "spec").GetFields()["managementPolicies"].GetListValue().GetValues()
	writes := len(policies) == 0 || slices.ContainsFunc(policies, func(v *structpb.Value) bool {
		return v.GetStringValue() == "*" || v.GetStringValue() == "Update"
	})
	manifest := structAt(res, "spec", "forProvider", "manifest")
	key := stringAt(manifest, "metadata", "namespace") + "/" + stringAt(manifest, "metadata", "name")
	if writes && !h.unready && !h.remote && !strings.HasPrefix(key, "missing/") {
		h.store(manifest)
	}
	if secret := h.secrets[key]; secret != nil && !h.remote {
		seen = clone(secret)
	} else if h.remote && !h.unready {
		seen = clone(manifest)
	}
	ready := !h.unready && !strings.HasPrefix(key, "missing/")
	res.Fields["status"] = fields{
		"atProvider": fields{"manifest": structpb.NewStructValue(seen)}.value(),
		"conditions": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
			fields{"type": structpb.NewStringValue("Synced"), "status": isTrue(!h.unsynced && ready)}.value(),
			fields{"type": structpb.NewStringValue("Ready"), "status": isTrue(ready)}.value(),
		}}),
	}.value()
}

// store a Secret as server-side apply does: what others added stays.
func (h *hub) store(manifest *structpb.Struct) {
	key := stringAt(manifest, "metadata", "namespace") + "/" + stringAt(manifest, "metadata", "name")
	old := h.secrets[key]
	secret := clone(withoutStringData(manifest))
	if old != nil {
		// What somebody else wrote stays until it has another value.
		same := covers(old, manifest)
		data := structAt(secret, "data").GetFields()
		for k, v := range structAt(old, "data").GetFields() {
			_, ok := data[k]
			switch {
			case !ok && h.others[key+"/"+k]:
				data[k] = v
			case !ok && slices.Contains(argocd.DataKeys(), k):
				same = false
			}
			h.others[key+"/"+k] = h.others[key+"/"+k] && data[k].GetStringValue() == v.GetStringValue()
		}
		if same {
			return
		}
		for _, f := range []string{"labels", "annotations"} {
			for k, v := range structAt(old, "metadata", f).GetFields() {
				if _, ok := structAt(secret, "metadata", f).GetFields()[k]; !ok && strings.HasPrefix(k, "foreign") {
					structAt(secret, "metadata", f).Fields[k] = v
				}
			}
		}
	}
	h.revision++
	metadata := structAt(secret, "metadata")
	metadata.Fields["resourceVersion"] = structpb.NewStringValue(strconv.Itoa(h.revision))
	for f, v := range map[string]string{"uid": fmt.Sprintf("uid-%d", h.revision), "creationTimestamp": h.now.Add(time.Duration(h.revision) * time.Second).UTC().Format(time.RFC3339)} {
		metadata.Fields[f] = structpb.NewStringValue(v)
		if old != nil {
			metadata.Fields[f] = structAt(old, "metadata").GetFields()[f]
		}
	}
	h.secrets[key] = secret
}

// edit a Secret by hand.
func (h *hub) edit(key string, change func(secret *structpb.Struct)) {
	secret := clone(h.secrets[key])
	change(secret)
	h.revision++
	structAt(secret, "metadata").Fields["resourceVersion"] = structpb.NewStringValue(strconv.Itoa(h.revision))
	h.secrets[key] = secret
}

// registered returns a hub with a registered cluster, by its input and more of it, and its
// Secret.
func registered(t testing.TB, kubeconfig string, input ...string) (h *hub, secret *corev1.Secret) {
	t.Helper()
	h = newHub(kubeconfig)
	h.input += strings.Join(input, "\n")
	secret = h.registered(t)
	return h, secret
}

// registered registers the hub's cluster, and returns its Secret.
func (h *hub) registered(t testing.TB) *corev1.Secret {
	t.Helper()
	h.reconcile(t)
	s := h.reconcile(t)
	if s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" {
		t.Fatalf("not registered: %+v", s)
	}
	return secretOf(t, s)
}

func tokenKubeconfig(token string) string {
	return kubeconfigOf("https://api.example.org", "token: "+token)
}

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

const (
	objectOutput = "\noutput: {type: Object}\n"
	secretOutput = "\noutput: {type: Secret}\n"

	prodKey = "argocd/cluster-prod-x7k2p"
)

// outputs are both kinds of output, by their names.
func outputs() map[string]string {
	return map[string]string{"Object": objectOutput, "Secret": secretOutput}
}

// recompose changes the composed resource, as somebody who may write that can.
func (h *hub) recompose(change func(res *structpb.Struct)) {
	res := clone(h.registrations["argocd-cluster"])
	change(res)
	h.registrations["argocd-cluster"] = res
	if stringAt(res, "kind") == kindSecret {
		h.secrets[stringAt(res, "metadata", "namespace")+"/"+stringAt(res, "metadata", "name")] = res
	}
}

// tamper changes the Secret's manifest in the composed resource, and lets the provider write
// it.
func (h *hub) tamper(change func(manifest *structpb.Struct)) {
	h.recompose(func(res *structpb.Struct) { change(manifestIn(res)) })
	h.provide("argocd-cluster")
}

// repairOf returns the annotation that has the provider repair the Secret.
func (h *hub) repairOf() string {
	return stringAt(h.registrations["argocd-cluster"], "metadata", "annotations", annotationRepair)
}

// policiesOf returns the management policies of a composed Object.
func policiesOf(t testing.TB, s summary) []string {
	t.Helper()
	secretOf(t, s)
	policies, _, err := unstructured.NestedStringSlice(s.Composed.Object, "spec", "managementPolicies")
	if err != nil {
		t.Fatal(err)
	}
	return policies
}

// share has hubs be one: each has the same Secrets. The first registers first.
func share(t testing.TB, hubs ...*hub) {
	t.Helper()
	rsps := make([]*fnv1.RunFunctionResponse, len(hubs))
	for i, h := range hubs {
		h.secrets = hubs[0].secrets
		h.revision = 100 * i
		rsps[i] = h.run(t, h.request(t))
	}
	for i, h := range hubs {
		h.apply(t, rsps[i])
	}
	for range 3 {
		for _, h := range hubs {
			h.reconcile(t)
		}
	}
}

// teams returns the hubs of two teams' XRs.
func teams(t testing.TB, first, second string) (a, b *hub) {
	t.Helper()
	a = plainHub(namespacedXR, tokenKubeconfig("canary-a"), first)
	b = plainHub(strings.Replace(namespacedXR, "team-a", "team-b", 1), tokenKubeconfig("canary-b"), second)
	return a, b
}

// twoSteps reconciles a pipeline of two steps, and returns what the second says.
func (h *hub) twoSteps(t testing.TB, first, second string) summary {
	t.Helper()
	h.input = first
	r1 := h.run(t, h.request(t))
	h.input = second
	req := h.request(t)
	maps.Copy(req.GetDesired().GetResources(), r1.GetDesired().GetResources())
	r2 := h.run(t, req)
	s := summarize(t, r2, "second")
	if s.Fatal == "" {
		h.apply(t, r2)
		for _, c := range r1.GetConditions() {
			h.conditions[c.GetType()] = proto.CloneOf(c)
		}
	}
	return s
}

// setCondition sets the status of a resource's condition.
func setCondition(res *structpb.Struct, conditionType, status string) {
	conditionAt(res, conditionType).Fields["status"] = structpb.NewStringValue(status)
}
