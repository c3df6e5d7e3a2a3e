package argocd

import (
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/gitops-engine/v3/pkg/health"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// healthChecks returns Argo CD's health checks, with the settings of the hub.
func healthChecks(t *testing.T) lua.ResourceHealthOverrides {
	t.Helper()
	overrides, err := hubSettings(t).GetResourceOverrides()
	if err != nil {
		t.Fatal(err)
	}
	return overrides
}

// healthOf has Argo CD judge an object.
func healthOf(t *testing.T, checks lua.ResourceHealthOverrides, object string) *health.HealthStatus {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(object), &o.Object); err != nil {
		t.Fatal(err)
	}
	status, err := health.GetResourceHealth(o, checks)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// TestHealthOfXRs has Argo CD judge the platform's XRs by each reason of the condition.
func TestHealthOfXRs(t *testing.T) {
	ours := func(status, reason string) string {
		return "{type: ArgoCDClusterRegistered, status: '" + status + "', reason: " + reason + ", message: as it is}"
	}
	const (
		synced      = "{type: Synced, status: 'True', reason: ReconcileSuccess}"
		ready       = "{type: Ready, status: 'True', reason: Available}"
		creating    = "{type: Ready, status: 'False', reason: Creating, message: 'unready resources: cluster'}"
		notSynced   = "{type: Synced, status: 'False', reason: ReconcileError, message: refused}"
		paused      = "{type: Synced, status: 'False', reason: ReconcilePaused}"
		breakerOpen = "{type: Responsive, status: 'False', reason: WatchCircuitOpen, message: too many}"
	)
	good := func(more ...string) []string { return append([]string{synced, ready}, more...) }

	cases := map[string]struct {
		reason     string
		conditions []string
		want       health.HealthStatus
	}{
		"New":             {reason: "Nobody has looked at it yet.", want: health.HealthStatus{Status: "Progressing", Message: "Waiting for Crossplane"}},
		"Creating":        {reason: "A cluster takes its time.", conditions: []string{synced, creating}, want: health.HealthStatus{Status: "Progressing", Message: "unready resources: cluster"}},
		"NotSynced":       {reason: "What the API server or a policy refuses must be seen.", conditions: []string{notSynced, ready}, want: health.HealthStatus{Status: "Degraded", Message: "refused"}},
		"Paused":          {reason: "A pause is somebody's wish.", conditions: []string{paused, ready}, want: health.HealthStatus{Status: "Suspended", Message: "ReconcilePaused"}},
		"NotACluster":     {reason: "An XR without a cluster has no condition of the function.", conditions: good(), want: health.HealthStatus{Status: "Healthy"}},
		"Busy":            {reason: "A condition of Crossplane's own decides nothing.", conditions: good(breakerOpen), want: health.HealthStatus{Status: "Healthy"}},
		"Registered":      {reason: "This is what all wait for.", conditions: good(ours("True", "Registered")), want: health.HealthStatus{Status: "Healthy"}},
		"Draining":        {reason: "It waits for the commit that removes it.", conditions: good(ours("True", "Draining")), want: health.HealthStatus{Status: "Suspended", Message: "as it is"}},
		"DrainingUnready": {reason: "That it drains does not hide that it is not ready.", conditions: []string{synced, creating, ours("True", "Draining")}, want: health.HealthStatus{Status: "Progressing", Message: "unready resources: cluster"}},
		"Updating":        {reason: "The Secret is being written.", conditions: good(ours("True", "Updating")), want: health.HealthStatus{Status: "Progressing", Message: "as it is"}},
		"Retained":        {reason: "It works, and somebody has to mend it before it does not.", conditions: good(ours("True", "Retained")), want: health.HealthStatus{Status: "Degraded", Message: "as it is"}},
		"Other":           {reason: "A False condition with an unknown reason is no good news.", conditions: good(ours("False", "Unheard")), want: health.HealthStatus{Status: "Degraded", Message: "as it is"}},
		"SecondOfTwo": {
			reason:     "An XR of several clusters has a condition for each, with types of their own.",
			conditions: good(ours("True", "Registered"), "{type: ArgoCDClusterRegistered-blue, status: 'False', reason: NameConflict, message: taken}"),
			want:       health.HealthStatus{Status: "Degraded", Message: "taken"},
		},
		"FatalError": {reason: "The Composition is wrong.", conditions: good(ours("Unknown", "FatalError")), want: health.HealthStatus{Status: "Degraded", Message: "as it is"}},
	}
	for reason, want := range map[string]health.HealthStatusCode{
		"AmbiguousKubeconfig": "Degraded", "CredentialsExpired": "Degraded", "InvalidField": "Degraded", "InvalidKubeconfig": "Degraded",
		"NameConflict": "Degraded", "ServerConflict": "Degraded", "UnsupportedCredentials": "Degraded",
		"Registering": "Progressing", "WaitingForField": "Progressing", "WaitingForKubeconfig": "Progressing", "WaitingForToken": "Progressing",
	} {
		c := cases[reason]
		c.reason = "docs/troubleshooting.md says whether somebody has to act."
		c.conditions, c.want = good(ours("False", reason)), health.HealthStatus{Status: want, Message: "as it is"}
		cases[reason] = c
	}
	for _, reason := range reasons(t) {
		if _, ok := cases[reason]; !ok {
			t.Errorf("no case for the reason %s", reason)
		}
	}
	checks := healthChecks(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			conditions := strings.Join(tc.conditions, ", ")
			all := map[string]string{"its type": conditions}
			if name != "Other" {
				all["another type"] = strings.ReplaceAll(conditions, "{type: ArgoCDClusterRegistered,", "{type: ArgoCDClusterRegistered-blue,")
			}
			for of, conditions := range all {
				for _, kind := range []string{"AKSCluster", "EKSCluster", "GKECluster", "XAKSCluster"} {
					object := "{apiVersion: platform.example.org/v1alpha1, kind: " + kind + ", metadata: {name: prod}, status: {conditions: [" + conditions + "]}}"
					if diff := cmp.Diff(&tc.want, healthOf(t, checks, object)); diff != "" {
						t.Errorf("%s\nhealth of %s, by a condition of %s: -want, +got:\n%s", tc.reason, kind, of, diff)
					}
				}
			}
		})
	}
}

// TestHealthOfExamples has Argo CD judge the XRs that the examples' renderings have.
func TestHealthOfExamples(t *testing.T) {
	want := map[string]health.HealthStatusCode{
		"Registering": "Progressing", "WaitingForKubeconfig": "Progressing", "WaitingForToken": "Progressing",
		"Registered": "Healthy", "Draining": "Suspended", "Retained": "Degraded",
		"UnsupportedCredentials": "Degraded",
	}
	checks := healthChecks(t)
	seen := map[string]bool{}
	for file, objects := range documents(t) {
		if !strings.HasSuffix(file, "expected.yaml") {
			continue
		}
		for _, o := range objects {
			conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
			if o.GroupVersionKind().Group != "platform.example.org" || len(conditions) == 0 {
				continue
			}
			object, err := yaml.Marshal(o.Object)
			if err != nil {
				t.Fatal(err)
			}
			got := healthOf(t, checks, string(object))
			for _, c := range conditions {
				condition := c.(map[string]any)
				if condition["type"] != "ArgoCDClusterRegistered" {
					continue
				}
				reason := condition["reason"].(string)
				seen[reason] = true
				// A registration that is ready may be of a cluster that is not.
				if got.Status != want[reason] && (got.Status != "Progressing" || want[reason] == "Degraded") {
					t.Errorf("%s: %s is %s, want %q", file, reason, got.Status, want[reason])
				}
			}
		}
	}
	for reason := range want {
		if !seen[reason] {
			t.Errorf("no example has the reason %s", reason)
		}
	}
}

// TestHealth has Argo CD judge what else the hub's waves wait for.
func TestHealth(t *testing.T) {
	application := func(annotations, status string) string {
		return "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: packages, annotations: {" + annotations + "}}, status: {" + status + "}}"
	}
	conditioned := func(apiVersion, kind, conditions string) string {
		return "{apiVersion: " + apiVersion + ", kind: " + kind + ", metadata: {name: a}, status: {conditions: [" + conditions + "]}}"
	}
	const (
		ready  = "{type: Synced, status: 'True'}, {type: Ready, status: 'True'}"
		failed = "{type: Synced, status: 'False', message: refused}, {type: Ready, status: 'True'}"
	)

	cases := map[string]struct {
		reason string
		object string
		want   health.HealthStatusCode
	}{
		"NewApplication":      {reason: "The next wave waits.", object: application("", ""), want: "Progressing"},
		"MissingResources":    {reason: "An Application that is not synced yet does not let the next wave pass.", object: application("", "health: {status: Missing}"), want: "Missing"},
		"Syncing":             {reason: "The health is still that of before.", object: application("", "operationState: {phase: Running, message: waiting}, health: {status: Healthy}"), want: "Progressing"},
		"HealthyApplication":  {reason: "The next wave goes on.", object: application("", "operationState: {phase: Succeeded}, health: {status: Healthy}"), want: "Healthy"},
		"DegradedApplication": {reason: "What is wrong is seen on the hub's Application.", object: application("", "health: {status: Degraded, message: refused}"), want: "Degraded"},
		"DegradedClusters":    {reason: "A cluster that does not come up must not hold up the hub.", object: application("argocd.argoproj.io/ignore-healthcheck: 'true'", "health: {status: Degraded}"), want: "Healthy"},

		// Argo CD's own checks, which the hub relies on.
		"NewFunction":        {reason: "The configurations wait for the packages.", object: conditioned("pkg.crossplane.io/v1", "Function", "{type: Installed, status: 'True'}, {type: Healthy, status: 'False'}"), want: "Progressing"},
		"HealthyFunction":    {reason: "It works.", object: conditioned("pkg.crossplane.io/v1", "Function", "{type: Installed, status: 'True'}, {type: Healthy, status: 'True'}"), want: "Healthy"},
		"NewProvider":        {reason: "The configurations wait for the packages.", object: "{apiVersion: pkg.crossplane.io/v1, kind: Provider, metadata: {name: a}}", want: "Progressing"},
		"HealthyProvider":    {reason: "It works.", object: conditioned("pkg.crossplane.io/v1", "Provider", "{type: Installed, status: 'True', reason: ActivePackageRevision}, {type: Healthy, status: 'True', reason: HealthyPackageRevision}"), want: "Healthy"},
		"RuntimeConfig":      {reason: "It never has a condition, and would hold up the wave.", object: "{apiVersion: pkg.crossplane.io/v1beta1, kind: DeploymentRuntimeConfig, metadata: {name: a}}", want: "Healthy"},
		"KubernetesConfig":   {reason: "It never has a condition, and would hold up the wave.", object: "{apiVersion: kubernetes.m.crossplane.io/v1alpha1, kind: ClusterProviderConfig, metadata: {name: a}}", want: "Healthy"},
		"AzureConfig":        {reason: "It never has a condition, and would hold up the wave.", object: "{apiVersion: azure.m.upbound.io/v1beta1, kind: ClusterProviderConfig, metadata: {name: a}}", want: "Healthy"},
		"XRD":                {reason: "The claims wait for the APIs.", object: conditioned("apiextensions.crossplane.io/v2", "CompositeResourceDefinition", "{type: Established, status: 'True'}"), want: "Healthy"},
		"Composition":        {reason: "It never has a condition, and would hold up the wave.", object: "{apiVersion: apiextensions.crossplane.io/v1, kind: Composition, metadata: {name: a}}", want: "Healthy"},
		"Object":             {reason: "Argo CD shows it below its XR.", object: conditioned("kubernetes.m.crossplane.io/v1alpha1", "Object", ready), want: "Healthy"},
		"FailedObject":       {reason: "Argo CD shows it below its XR.", object: conditioned("kubernetes.m.crossplane.io/v1alpha1", "Object", failed), want: "Degraded"},
		"LegacyObject":       {reason: "Argo CD shows it below its XR.", object: conditioned("kubernetes.crossplane.io/v1alpha2", "Object", failed), want: "Degraded"},
		"ManagedResource":    {reason: "Argo CD shows it below its XR.", object: conditioned("container.gcp.m.upbound.io/v1beta1", "Cluster", failed), want: "Degraded"},
		"NewApplicationSet":  {reason: "Argo CD judges it itself.", object: "{apiVersion: argoproj.io/v1alpha1, kind: ApplicationSet, metadata: {name: a}}", want: "Progressing"},
		"DeletedApplication": {reason: "A deletion is Argo CD's own to judge.", object: "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: a, deletionTimestamp: '2026-01-01T00:00:00Z'}}", want: "Progressing"},
	}
	checks := healthChecks(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := healthOf(t, checks, tc.object)
			if got == nil {
				t.Fatalf("%s\nno health", tc.reason)
			}
			if diff := cmp.Diff(tc.want, got.Status); diff != "" {
				t.Errorf("%s\nhealth: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// TestExclusions has Argo CD read what the hub excludes.
func TestExclusions(t *testing.T) {
	filter, err := hubSettings(t).GetResourcesFilter()
	if err != nil {
		t.Fatal(err)
	}

	cases := map[string]struct {
		reason      string
		group, kind string
		want        bool
	}{
		"Kubernetes":        {reason: "There is one for each Object.", group: "kubernetes.m.crossplane.io", kind: "ProviderConfigUsage", want: true},
		"KubernetesCluster": {reason: "There is one for each Object.", group: "kubernetes.m.crossplane.io", kind: "ClusterProviderConfigUsage", want: true},
		"Azure":             {reason: "There is one for each managed resource.", group: "azure.m.upbound.io", kind: "ProviderConfigUsage", want: true},
		"Google":            {reason: "There is one for each managed resource.", group: "gcp.upbound.io", kind: "ProviderConfigUsage", want: true},
		"Lease":             {reason: "We replace Argo CD's own list, so we must repeat it.", group: "coordination.k8s.io", kind: "Lease", want: true},
		"UpdateRequest":     {reason: "We replace Argo CD's own list to its end.", group: "kyverno.io", kind: "UpdateRequest", want: true},
		"ProviderConfig":    {reason: "The hub has some in Git.", group: "azure.m.upbound.io", kind: "ProviderConfig"},
		"Object":            {reason: "It shows why a cluster is not registered.", group: "kubernetes.m.crossplane.io", kind: "Object"},
		"XR":                {reason: "Teams look at them.", group: "platform.example.org", kind: "GKECluster"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, filter.IsExcludedResource(tc.group, tc.kind, "https://kubernetes.default.svc")); diff != "" {
				t.Errorf("%s\nexcluded: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
