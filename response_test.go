package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

// TestRequirements checks that Crossplane is made to watch a composed resource's connection Secret
// and the cluster Secrets where it can, and then runs the pipeline less often.
func TestRequirements(t *testing.T) {
	token := func(token string) map[string]string {
		return map[string]string{"kubeconfig": tokenKubeconfig(token)}
	}
	details := token("fake-token")
	advertised := []fnv1.Capability{fnv1.Capability_CAPABILITY_CAPABILITIES, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES}
	const (
		clusters      = "v1 Secret argocd argocd.argoproj.io/secret-type=cluster,"
		clusterSecret = "cluster-secret: v1 Secret argocd/cluster-prod-x7k2p"
		sameName      = "clusters-of-the-same-name: " + clusters + "argocd.fn.crossplane.io/cluster=prod-x7k2p"
		sameServer    = "clusters-of-the-same-server: " + clusters + "argocd.fn.crossplane.io/server=5bcbdb7eae9de77136473175c39f5829"
		handedOver    = "handed-over-clusters: " + clusters + "argocd.fn.crossplane.io/cluster=prod-x7k2p"
		connection    = "kubeconfig: v1 Secret ns/conn"
	)
	type want struct {
		requires  []string
		ttl       string
		condition string
		ready     string
	}
	cases := map[string]struct {
		reason       string
		xr           string
		input        string
		cluster      string
		details      map[string]string
		capabilities []fnv1.Capability

		// onlyNamed is the function's flag --read-secrets=false.
		onlyNamed bool

		// registered says that there are an Object and a Secret. damage is what is wrong
		// with them.
		registered bool
		damage     func(object, secret *structpb.Struct)

		// before are the connection details that the cluster was registered from, by default
		// the ones that there are.
		before map[string]string
		want   want
	}{
		"NotAdvertised": {
			reason: "We should judge by the Object's conditions, because Crossplane does not say that it can read Secrets.",
			xr:     legacyXR, cluster: aks, details: details, registered: true,
			want: want{condition: "TRUE/Registered", ready: "READY_TRUE"},
		},
		"NotAdvertisedNotReady": {
			reason: "We should wait for an Object that is not ready where the Secret cannot be read, because there may be none.",
			xr:     legacyXR, cluster: aks, details: details, registered: true,
			damage: func(object, _ *structpb.Struct) { setCondition(object, "Ready", conditionFalse) },
			want:   want{condition: "FALSE/Registering", ready: "READY_FALSE"},
		},
		"NotAdvertisedNotSynced": {
			reason: "We should not call a cluster registered whose Object is not synced where the Secret cannot be read, because it may be the old one.",
			xr:     legacyXR, cluster: aks, details: details, registered: true,
			damage: func(object, _ *structpb.Struct) { setCondition(object, "Synced", conditionFalse) },
			want:   want{condition: "TRUE/Updating", ready: "READY_TRUE"},
		},
		"NotAdvertisedRotated": {
			reason: "We should say Updating in the call that composes new credentials, because no Secret has them yet.",
			xr:     legacyXR, cluster: aks, details: token("other-token"), before: details, registered: true,
			want: want{condition: "TRUE/Updating", ready: "READY_TRUE"},
		},
		"Registering": {
			reason: "We should look at the cluster each minute until it is registered, because Crossplane does not watch for that.",
			xr:     legacyXR, cluster: aks, details: details, capabilities: advertised,
			want: want{requires: []string{clusterSecret, sameName, sameServer, handedOver, connection}, condition: "FALSE/Registering", ready: "READY_FALSE"},
		},
		"Waiting": {
			reason: "We should watch the connection Secret before it exists, because we wait for it.",
			xr:     legacyXR, cluster: aks, capabilities: advertised,
			want: want{requires: []string{clusterSecret, handedOver, connection}, condition: "FALSE/WaitingForKubeconfig"},
		},
		"Registered": {
			reason: "We should wait for a change once the cluster is registered, because all that it depends on is watched.",
			xr:     legacyXR, cluster: aks, details: details, registered: true, capabilities: advertised,
			want: want{requires: []string{clusterSecret, sameName, sameServer, connection}, ttl: "10m0s", condition: "TRUE/Registered", ready: "READY_TRUE"},
		},
		"RegisteredUntilExpiry": {
			reason: "We should look again when there is something to say of the credentials' end, because nothing changes then.",
			xr:     legacyXR, cluster: aks, details: token(jwt(testNow().AddDate(0, 0, 30).Add(5 * time.Minute))), registered: true, capabilities: advertised,
			want: want{requires: []string{clusterSecret, sameName, sameServer, connection}, ttl: "5m0s", condition: "TRUE/Registered", ready: "READY_TRUE"},
		},
		"SecretIsReadNotTheObject": {
			reason: "We should believe the Secret and not the Object's conditions where it can be read, because they may be old.",
			xr:     legacyXR, cluster: aks, details: details, registered: true, capabilities: advertised,
			damage: func(object, _ *structpb.Struct) {
				setCondition(object, "Ready", conditionFalse)
				setCondition(object, "Synced", conditionFalse)
			},
			want: want{requires: []string{clusterSecret, sameName, sameServer, connection}, ttl: "10m0s", condition: "TRUE/Registered", ready: "READY_TRUE"},
		},
		"SecretWithoutLabel": {
			reason: "We should not call a cluster registered whose Secret has lost Argo CD's label, because Argo CD has lost it.",
			xr:     legacyXR, cluster: aks, details: details, registered: true, capabilities: advertised,
			damage: func(_, secret *structpb.Struct) {
				delete(structAt(secret, "metadata", "labels").GetFields(), "argocd.argoproj.io/secret-type")
			},
			want: want{requires: []string{clusterSecret, sameName, sameServer, connection}, condition: "FALSE/Registering", ready: "READY_FALSE"},
		},
		"Retained": {
			reason: "We should look at a kept registration less often, too, because its Secrets are watched.",
			xr:     legacyXR, cluster: aks, before: details, registered: true, capabilities: advertised,
			want: want{requires: []string{clusterSecret, sameName, sameServer, connection}, ttl: "10m0s", condition: "TRUE/Retained", ready: "READY_TRUE"},
		},
		"Namespaced": {
			reason: "We should require the Secret in a namespaced resource's own namespace, because it publishes there whatever its reference says.",
			xr:     namespacedXR, details: details, capabilities: advertised,
			cluster: strings.NewReplacer("kind: Cluster", "kind: Cluster, metadata: {namespace: team-a}", "{name: conn}", "{name: conn, namespace: other}").Replace(gke),
			want: want{condition: "FALSE/Registering", ready: "READY_FALSE", requires: []string{
				"cluster-secret: v1 Secret argocd/cluster-team-a.prod",
				"clusters-of-the-same-name: " + clusters + "argocd.fn.crossplane.io/cluster=team-a.prod",
				sameServer,
				"handed-over-clusters: " + clusters + "argocd.fn.crossplane.io/cluster=team-a.prod",
				"kubeconfig: v1 Secret team-a/conn",
			}},
		},
		"NoConnectionSecret": {
			reason: "We should look each minute at a cluster without a connection Secret, because there is nothing to watch.",
			xr:     legacyXR, cluster: bucket, details: details, registered: true, capabilities: advertised,
			want: want{requires: []string{clusterSecret, sameName, sameServer}, condition: "TRUE/Registered", ready: "READY_TRUE"},
		},
		"Remote": {
			reason: "We should not look for the cluster Secret on this hub where Argo CD is on another, because it is not here.",
			xr:     legacyXR, input: "output: {argoCD: Remote}", cluster: aks, details: details, registered: true, capabilities: advertised,
			want: want{requires: []string{connection}, ttl: "10m0s", condition: "TRUE/Registered", ready: "READY_TRUE"},
		},
		"OnlyNamed": {
			reason: "We should require no Secrets that the input does not name where the flag says so, because Crossplane would cache all of the hub's, and then look each minute, because nothing is watched.",
			xr:     legacyXR, cluster: aks, details: details, registered: true, capabilities: advertised, onlyNamed: true,
			damage: func(_, secret *structpb.Struct) { delete(secret.GetFields(), "data") },
			want:   want{condition: "TRUE/Registered", ready: "READY_TRUE"},
		},
		"OnlyNamedNotReady": {
			reason: "We should wait for the Object where the flag has us read no cluster Secret, because we do not know that there is one.",
			xr:     legacyXR, cluster: aks, details: details, registered: true, capabilities: advertised, onlyNamed: true,
			damage: func(object, _ *structpb.Struct) { setCondition(object, "Ready", conditionFalse) },
			want:   want{condition: "FALSE/Registering", ready: "READY_FALSE"},
		},
		"OnlyNamedRotated": {
			reason: "We should say Updating in the call that composes new credentials, because no Secret that we know of has them.",
			xr:     legacyXR, cluster: aks, details: token("other-token"), before: details, registered: true, capabilities: advertised, onlyNamed: true,
			want: want{condition: "TRUE/Updating", ready: "READY_TRUE"},
		},
		"OnlyNamedUnregistered": {
			reason: "We should register a cluster although the flag has us read no cluster Secret, because there is no other way to.",
			xr:     legacyXR, cluster: aks, details: details, capabilities: advertised, onlyNamed: true,
			want: want{condition: "FALSE/Registering", ready: "READY_FALSE"},
		},
		"OnlyNamedKubeconfig": {
			reason: "We should require a Secret that the input names in spite of the flag, because there is no other way to its kubeconfig.",
			xr:     legacyXR, cluster: aks, input: "kubeconfigFrom: {type: Secret, secretRef: {namespace: clusters, name: capi}}", capabilities: advertised, onlyNamed: true,
			want: want{requires: []string{"kubeconfig: v1 Secret clusters/capi"}, condition: "FALSE/WaitingForKubeconfig"},
		},
		"OnlyNamedToken": {
			reason: "We should require a Secret that the input names for the token in spite of the flag, because there is no other way to it.",
			xr:     legacyXR, cluster: aks, details: details, capabilities: advertised, onlyNamed: true,
			input: "credentials: {type: Token, token: {secretRef: {namespace: clusters, name: token}}}",
			want:  want{requires: []string{"token: v1 Secret clusters/token"}, condition: "FALSE/WaitingForToken"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			input := tc.input
			if !strings.Contains(input, "kubeconfigFrom") {
				input = "kubeconfigFrom: {resourceName: cluster}\n" + input
			}
			req := newRequest(t, tc.xr, input, clusterOf(tc.cluster, tc.details))
			req.Meta.Capabilities = tc.capabilities
			answer := &fnv1.Resources{}
			if tc.registered {
				before := tc.before
				if before == nil {
					before = tc.details
				}
				first := run(t, newRequest(t, tc.xr, tc.input, clusterOf(tc.cluster, before)))
				object := ready(first.GetDesired().GetResources()["argocd-cluster"].GetResource())
				secret := clone(structAt(object, "spec", "forProvider", "manifest"))
				if tc.damage != nil {
					tc.damage(object, secret)
				}
				req.Observed.Resources["argocd-cluster"] = &fnv1.Resource{Resource: object}
				answer.Items = append(answer.Items, &fnv1.Resource{Resource: secret})
			}
			req.RequiredResources = map[string]*fnv1.Resources{"cluster-secret": answer, "clusters-of-the-same-name": answer, "clusters-of-the-same-server": answer}
			s := summarize(t, runWith(t, &Function{now: testNow, onlyNamed: tc.onlyNamed}, req), "argocd-cluster")
			got := want{requires: s.Requires, ttl: s.TTL, condition: strings.TrimPrefix(s.Condition, "ArgoCDClusterRegistered="), ready: s.Ready}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s\n%s", tc.reason, diff, s.Message)
			}
		})
	}
}

// TestStatus checks that the XR's status says how the cluster is registered, next to what earlier
// steps wrote there.
func TestStatus(t *testing.T) {
	h, _ := registered(t, tokenKubeconfig("canary-good"))
	want := map[string]any{"status": map[string]any{
		"earlier": "step",
		"argocd": map[string]any{
			"name": "prod", "server": "https://api.example.org", "credentials": "BearerToken",
			"secretRef": map[string]any{"namespace": "argocd", "name": "cluster-prod"},
		},
	}}
	for _, condition := range []string{"registered", "retained"} {
		got := h.run(t, h.request(t)).GetDesired().GetComposite().GetResource().AsMap()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", condition, diff)
		}
		delete(h.resources, "cluster")
	}
}
