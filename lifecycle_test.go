package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane/crossplane-runtime/v2/pkg/logging"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

// A hub plays Crossplane and its providers: what the function desires in one reconcile is
// observed in the next.
type hub struct {
	xr, input, environment string

	// now is the time of day.
	now time.Time

	// resources are the observed composed resources but for the registration.
	resources map[string]observation

	// secrets are the Secrets on the hub, by namespace and name.
	secrets map[string]string

	// registration is the composed resource that registers the cluster; nil if there is
	// none. It is ready unless unready.
	registration *structpb.Struct
	unready      bool

	// condition of the XR.
	condition string
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
  nameFromFieldPath: metadata.labels[crossplane.io/claim-name]
  projectFromEnvironmentFieldPath: project
  labels: {tier: gold}
  labelsFrom:
  - {fieldPath: spec.parameters.environment, key: environment}
  - {type: FromEnvironmentFieldPath, fieldPath: addons, keyPrefix: addons.example.org/}
  annotationsFrom:
  - {fieldPath: spec.parameters.addons, keyPrefix: example.org/}
  drainFromFieldPath: spec.parameters.drain
statusFieldPath: status.argocd
`,
		environment: environment,
		now:         testNow(),
		resources:   map[string]observation{"cluster": {resource: aks, details: map[string]string{"kubeconfig": kubeconfig}}},
		secrets:     map[string]string{},
	}
}

// request returns the request of the next reconcile.
func (h *hub) request(t testing.TB) *fnv1.RunFunctionRequest {
	t.Helper()
	req := newRequest(t, h.xr, h.input, h.resources)
	req.Meta.Capabilities = []fnv1.Capability{fnv1.Capability_CAPABILITY_CAPABILITIES, fnv1.Capability_CAPABILITY_REQUIRED_RESOURCES}
	req.Context = mustStruct(t, h.environment)
	if h.registration != nil {
		req.Observed.Resources["argocd-cluster"] = &fnv1.Resource{Resource: observe(t, h.registration, !h.unready)}
	}
	if h.condition != "" {
		status := mustStruct(t, "{conditions: [{type: ArgoCDClusterRegistered, reason: "+h.condition+"}]}")
		req.GetObserved().GetComposite().GetResource().Fields["status"] = structpb.NewStructValue(status)
	}
	return req
}

// run the function until it requires nothing new, as Crossplane does.
func (h *hub) run(t testing.TB, req *fnv1.RunFunctionRequest) *fnv1.RunFunctionResponse {
	t.Helper()
	fn := &Function{log: logging.NewNopLogger(), now: func() time.Time { return h.now }}
	for range 5 {
		call, ok := proto.Clone(req).(*fnv1.RunFunctionRequest)
		if !ok {
			t.Fatal("cannot clone request")
		}
		rsp, err := fn.RunFunction(t.Context(), call)
		if err != nil {
			t.Fatal(err)
		}
		stable := true
		required := map[string]*fnv1.Resources{}
		for name, s := range rsp.GetRequirements().GetResources() {
			required[name] = &fnv1.Resources{}
			if secret, ok := h.secrets[s.GetNamespace()+"/"+s.GetMatchName()]; ok {
				required[name].Items = []*fnv1.Resource{{Resource: mustStruct(t, secret)}}
			}
			_, known := req.GetRequiredResources()[name]
			stable = stable && known
		}
		if stable {
			return rsp
		}
		req.RequiredResources = required
	}
	t.Fatal("the requirements are not stable")
	return nil
}

// reconcile the XR once, and return what the function says.
func (h *hub) reconcile(t testing.TB) summary {
	t.Helper()
	return h.apply(t, h.run(t, h.request(t)))
}

// apply what the function desires.
func (h *hub) apply(t testing.TB, rsp *fnv1.RunFunctionResponse) summary {
	t.Helper()
	s := summarize(t, rsp, "argocd-cluster")
	if strings.Contains(s.Message+s.Warning+s.Fatal, "canary") {
		t.Errorf("a credential is told: %+v", s)
	}
	if s.Fatal != "" {
		return s
	}
	h.registration = nil
	if r, ok := rsp.GetDesired().GetResources()["argocd-cluster"]; ok {
		h.registration = r.GetResource()
	}
	h.condition = rsp.GetConditions()[0].GetReason()
	return s
}

// registered returns a hub with a registered cluster, by its input and more of it, and its
// Secret.
func registered(t testing.TB, kubeconfig string, input ...string) (h *hub, secret map[string]any) {
	t.Helper()
	h = newHub(kubeconfig)
	h.input += strings.Join(input, "\n")
	h.reconcile(t)
	s := h.reconcile(t)
	if s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" {
		t.Fatalf("not registered: %+v", s)
	}
	return h, manifestOf(t, s)
}

// manifestOf returns the Secret of what is composed, with its data decoded.
func manifestOf(t testing.TB, s summary) map[string]any {
	t.Helper()
	switch {
	case s.Composed == nil:
		t.Fatalf("nothing is composed: %s%s: %s", s.Fatal, s.Condition, s.Message)
	case s.Composed["kind"] == "Object":
		return s.Composed["spec"].(map[string]any)["forProvider"].(map[string]any)["manifest"].(map[string]any)
	}
	return s.Composed
}

func tokenKubeconfig(token string) string {
	return kubeconfigOf("https://api.example.org", "token: "+token)
}

// TestRetained breaks one thing after another of a registered cluster, and mends it. Whatever
// it is, the registration stays: the connection to the byte, and all else but what follows
// what is there.
func TestRetained(t *testing.T) {
	expired := time.Date(2029, time.January, 1, 0, 0, 0, 0, time.UTC)
	kubeconfig := func(kc string) func(*hub) {
		return func(h *hub) {
			h.resources["cluster"] = observation{resource: aks, details: map[string]string{"kubeconfig": kc}}
		}
	}
	without := func(line string) func(*hub) {
		return func(h *hub) {
			if !strings.Contains(h.xr, line) {
				panic("no " + line)
			}
			h.xr = strings.Replace(h.xr, line, "", 1)
		}
	}
	cases := map[string]struct {
		reason string
		damage func(*hub)

		// message is a part of the condition's.
		message string
	}{
		"KubeconfigGone":       {"The connection Secret was deleted.", func(h *hub) { h.resources["cluster"] = observation{resource: aks} }, `"cluster" has no connection details yet`},
		"KubeconfigEmpty":      {"The provider emptied it.", kubeconfig(""), "has no kubeconfig yet"},
		"KubeconfigBroken":     {"The provider broke it.", kubeconfig("canary: ["), "cannot be decoded"},
		"NoCredentials":        {"The provider left out the credentials.", kubeconfig(kubeconfigOf("https://api.example.org", "")), "has no credentials"},
		"UnknownPlugin":        {"The cluster now wants a plugin.", kubeconfig(kubeconfigOf("https://api.example.org", "exec: {command: evil-plugin}")), "runs the plugin evil-plugin"},
		"CertificateExpired":   {"Nobody renewed the certificate.", func(h *hub) { h.now = expired; kubeconfig(sample(t, "kc-capi.yaml"))(h) }, "expired on 2028-11-19"},
		"ResourceGone":         {"The cluster's resource is not observed for once.", func(h *hub) { delete(h.resources, "cluster") }, `"cluster" does not exist yet`},
		"HTTPServer":           {"The server changed to one that cannot be.", kubeconfig(kubeconfigOf("http://api.example.org", "token: canary-token")), "is http"},
		"EnvironmentGone":      {"An earlier step failed to fill the environment.", func(h *hub) { h.environment = "{}" }, "the environment's field project is not there yet"},
		"LabelFieldGone":       {"A label's field vanished from the XR.", without("    environment: production\n"), "spec.parameters.environment is not there yet"},
		"LabelFieldInvalid":    {"A label's field got a value that no label can have.", func(h *hub) { h.xr = strings.Replace(h.xr, "environment: production", "environment: 'not a label'", 1) }, "cannot be \"environment\""},
		"AnnotationsFieldGone": {"A map of annotations vanished.", without("    addons: {cert-manager: \"true\", ingress: nginx}\n"), "spec.parameters.addons is not there yet"},
		"NameFieldGone":        {"The field with the name vanished.", without("    crossplane.io/claim-name: prod\n"), "metadata.labels[crossplane.io/claim-name] is not there yet"},
		"DrainFieldInvalid":    {"Somebody wrote a word for a truth.", func(h *hub) { h.xr = strings.Replace(h.xr, "drain: false", "drain: maybe", 1) }, "spec.parameters.drain must be true or false"},
		"SeveralKubeconfigs": {"Another cluster came into the XR.", func(h *hub) {
			h.input = strings.Replace(h.input, "kubeconfigFrom: {resourceName: cluster}", "", 1)
			h.resources["second"] = h.resources["cluster"]
		}, "name one of cluster, second"},
		"SeveralThingsAtATime": {"Trouble seldom comes alone.", func(h *hub) { h.environment = "{}"; delete(h.resources, "cluster") }, "does not exist yet"},
	}
	for name, tc := range cases {
		for _, output := range []string{"Object", "Secret"} {
			t.Run(name+"Of"+output, func(t *testing.T) {
				h, before := registered(t, tokenKubeconfig("canary-good"), "output: {type: "+output+"}")
				healthy := *h
				healthy.resources = maps.Clone(h.resources)
				tc.damage(h)
				for i := range 3 {
					s := h.reconcile(t)
					if s.Condition != "ArgoCDClusterRegistered=TRUE/Retained" || !strings.Contains(s.Message, tc.message) || s.Ready != "READY_TRUE" {
						t.Fatalf("%s\n%s, %s: %s", tc.reason, s.Condition, s.Ready, s.Message)
					}
					if got := s.Warning != ""; got != (i == 0) {
						t.Errorf("%s\nevent in reconcile %d: %q", tc.reason, i, s.Warning)
					}
					after := manifestOf(t, s)
					if name == "NameFieldGone" {
						// The label of the same name is Crossplane's own, and follows it.
						after["metadata"].(map[string]any)["labels"].(map[string]any)["crossplane.io/claim-name"] = "prod"
					}
					if diff := cmp.Diff(before, after); diff != "" {
						t.Fatalf("%s\n-before, +after:\n%s", tc.reason, diff)
					}
				}
				healthy.registration, healthy.condition = h.registration, h.condition
				if s := healthy.reconcile(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" || cmp.Diff(before, manifestOf(t, s)) != "" {
					t.Errorf("%s\nnot mended: %s: %s", tc.reason, s.Condition, s.Message)
				}
			})
		}
	}
}

// TestAnyFieldMayVanish deletes each field of a request at a time, but for the registration
// itself and the input. The registration survives, and stays connected as it was.
func TestAnyFieldMayVanish(t *testing.T) {
	h, before := registered(t, tokenKubeconfig("canary-good"))
	deleted := 0
	var walk func(s *structpb.Struct, path string)
	req := h.request(t)

	check := func(path string) {
		t.Helper()
		deleted++
		s := summarize(t, h.run(t, req), "argocd-cluster")
		after := manifestOf(t, s)
		for _, k := range []string{"server", "config", "name", "project"} {
			if after["data"].(map[string]any)[k] != before["data"].(map[string]any)[k] {
				t.Errorf("without %s: %s changed: %s", path, k, s.Message)
			}
		}
		metadata, was := after["metadata"].(map[string]any), before["metadata"].(map[string]any)
		if metadata["name"] != was["name"] || metadata["namespace"] != was["namespace"] {
			t.Errorf("without %s: the Secret is %v", path, metadata)
		}
		labels := metadata["labels"].(map[string]any)
		for k, v := range was["labels"].(map[string]any) {
			// An entry that a map no longer has goes; Crossplane's own labels follow the XR.
			gone := strings.HasSuffix(path, ".addons."+strings.TrimPrefix(k, "addons.example.org/"))
			if labels[k] != v && !gone && !strings.HasPrefix(k, "crossplane.io/") {
				t.Errorf("without %s: label %s is %v", path, k, labels[k])
			}
		}
		if s.Ready != "READY_TRUE" || !strings.Contains(s.Condition, "=TRUE/") {
			t.Errorf("without %s: %s, %s: %s", path, s.Ready, s.Condition, s.Message)
		}
	}
	walk = func(s *structpb.Struct, path string) {
		for _, k := range slices.Sorted(maps.Keys(s.GetFields())) {
			v := s.GetFields()[k]
			delete(s.GetFields(), k)
			check(path + "." + k)
			s.Fields[k] = structpb.NewNullValue()
			check(path + "." + k + "=null")
			s.Fields[k] = v
			if sub := v.GetStructValue(); sub != nil {
				walk(sub, path+"."+k)
			}
		}
	}
	walk(req.GetObserved().GetComposite().GetResource(), "xr")
	walk(req.GetContext(), "context")
	cluster := req.GetObserved().GetResources()["cluster"]
	walk(cluster.GetResource(), "cluster")
	for k, v := range maps.Clone(cluster.GetConnectionDetails()) {
		delete(cluster.GetConnectionDetails(), k)
		check("connection detail " + k)
		for _, broken := range [][]byte{nil, v[:len(v)/2], bytes.Repeat([]byte("x"), len(v)), []byte(base64.StdEncoding.EncodeToString(v))} {
			cluster.ConnectionDetails[k] = broken
			if !bytes.Equal(broken, []byte(base64.StdEncoding.EncodeToString(v))) {
				check("the whole of connection detail " + k)
			}
		}
		cluster.ConnectionDetails[k] = v
	}
	delete(req.GetObserved().GetResources(), "cluster")
	check("cluster")
	req.GetObserved().GetResources()["cluster"] = cluster
	for name, f := range map[string]func(){
		"meta":    func() { req.Meta = nil },
		"desired": func() { req.Desired = nil },
		"context": func() { req.Context = nil },
	} {
		f()
		check(name)
	}
	if deleted < 60 {
		t.Errorf("only %d fields were deleted", deleted)
	}
}

// TestRandomWalk walks through random sequences of what may be observed, and checks after
// every step that the registration is there, whole, and of one observed kubeconfig.
func TestRandomWalk(t *testing.T) {
	const (
		walks = 40
		steps = 40
	)
	for seed := range uint64(walks) {
		random := rand.New(rand.NewPCG(seed, 0))
		h := newHub("")
		last, tokens := "", 0
		for step := range steps {
			// The token of another context must never be taken.
			tokens++
			good := fmt.Sprintf(`{current-context: c, clusters: [{name: c, cluster: {server: "https://api.example.org"}}, {name: d, cluster: {server: "https://other.example.org"}}],
contexts: [{name: c, context: {cluster: c, user: u}}, {name: d, context: {cluster: d, user: v}}],
users: [{name: v, user: {token: canary-other}}, {name: u, user: {token: canary-%d}}]}`, tokens)
			taken := false
			switch random.IntN(8) {
			case 0:
				delete(h.resources, "cluster")
			case 1:
				h.resources["cluster"] = observation{resource: aks}
			case 2:
				h.resources["cluster"] = observation{resource: aks, details: map[string]string{"kubeconfig": good[:len(good)/2]}}
			case 3:
				h.resources["cluster"] = observation{resource: aks, details: map[string]string{"kubeconfig": strings.Replace(good, "current-context: c", "current-context: e", 1)}}
			case 4:
				h.resources["cluster"] = observation{resource: aks, details: map[string]string{"kubeconfig": strings.Replace(good, "token: canary-"+fmt.Sprint(tokens), "exec: {command: evil-plugin}", 1)}}
			default:
				h.resources["cluster"] = observation{resource: aks, details: map[string]string{"kubeconfig": good}}
				taken = true
			}
			if random.IntN(4) == 0 {
				h.environment = "{}"
			} else {
				h.environment = environment
			}
			h.unready = random.IntN(6) == 0

			s := h.reconcile(t)
			if again := summarize(t, h.run(t, h.request(t)), "argocd-cluster"); h.registration != nil && again.Composed == nil {
				t.Fatalf("walk %d, step %d: lost in the next reconcile", seed, step)
			}
			if s.Fatal != "" {
				t.Fatalf("walk %d, step %d: %s", seed, step, s.Fatal)
			}
			if s.Composed == nil {
				if last != "" {
					t.Fatalf("walk %d, step %d: lost: %s", seed, step, s.Message)
				}
				continue
			}
			data := manifestOf(t, s)["data"].(map[string]any)
			want := last
			if taken {
				want = fmt.Sprintf(`{"bearerToken":"canary-%d","tlsClientConfig":{"insecure":false}}`, tokens)
			}
			if data["config"] != want || data["server"] != "https://api.example.org" || data["name"] != "prod" || data["project"] != "payments" {
				t.Fatalf("walk %d, step %d: want config %s, got %v", seed, step, want, data)
			}
			last = want
		}
		if last == "" {
			t.Errorf("walk %d never registered", seed)
		}
	}
}

// TestIdentity changes what would delete the Secret. It is not followed, and said.
func TestIdentity(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*hub)
		fields string
		name   string
	}{
		"Type":        {"Another kind of composed resource is another resource.", func(h *hub) { h.input += "output: {type: Secret}" }, "output.type not followed", "prod"},
		"Namespace":   {"Another namespace is another Secret.", func(h *hub) { h.input += "output: {namespace: gitops}" }, "output.namespace not followed", "prod"},
		"Name":        {"So is another name.", func(h *hub) { h.input += "output: {name: other}" }, "output.name not followed", "prod"},
		"NameAndType": {"All of them are named.", func(h *hub) { h.input += "output: {name: other, type: Secret}" }, "output.type, output.name not followed", "prod"},
		"ClusterName": {"The cluster's name in Argo CD is no identity, and the Secret keeps its own.", func(h *hub) {
			h.input = strings.Replace(h.input, "nameFromFieldPath: metadata.labels[crossplane.io/claim-name]", "name: renamed", 1)
		}, "", "renamed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h, before := registered(t, tokenKubeconfig("canary-good"))
			tc.change(h)
			s := h.reconcile(t)
			after := manifestOf(t, s)
			if got := after["data"].(map[string]any)["name"]; got != tc.name {
				t.Errorf("%s\nname: %v", tc.reason, got)
			}
			after["data"].(map[string]any)["name"] = before["data"].(map[string]any)["name"]
			if diff := cmp.Diff(before, after); diff != "" || s.Composed["kind"] != "Object" {
				t.Errorf("%s\n%v: -before, +after:\n%s", tc.reason, s.Composed["kind"], diff)
			}
			if s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" || !strings.Contains(s.Message, tc.fields) || tc.fields == "" && strings.Contains(s.Message, "not followed") {
				t.Errorf("%s\n%s: %s", tc.reason, s.Condition, s.Message)
			}
		})
	}
}

// TestDrain turns a cluster's state, with its credentials kept, also where they cannot be told
// at the time.
func TestDrain(t *testing.T) {
	h, before := registered(t, tokenKubeconfig("canary-good"))
	h.xr = strings.Replace(h.xr, "drain: false", "drain: true", 1)
	s := h.reconcile(t)
	after := manifestOf(t, s)
	labels := after["metadata"].(map[string]any)["labels"].(map[string]any)
	if labels["argocd.fn.crossplane.io/state"] != "draining" || s.Condition != "ArgoCDClusterRegistered=TRUE/Draining" || s.Ready != "READY_TRUE" {
		t.Errorf("%s: %s: %v", s.Condition, s.Message, labels)
	}
	labels["argocd.fn.crossplane.io/state"] = "active"
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("-active, +draining:\n%s", diff)
	}
	delete(h.resources, "cluster")
	if s := h.reconcile(t); s.Condition != "ArgoCDClusterRegistered=TRUE/Draining" || !strings.Contains(s.Message, "does not exist yet") {
		t.Errorf("without a cluster: %s: %s", s.Condition, s.Message)
	}
	h.xr = strings.Replace(h.xr, "    drain: true\n", "", 1)
	if got := manifestOf(t, h.reconcile(t))["metadata"].(map[string]any)["labels"].(map[string]any)["argocd.fn.crossplane.io/state"]; got != "active" {
		t.Errorf("state of a cluster that is not drained: %v", got)
	}
}

// TestNameConflict has the Secret be there before the registration.
func TestNameConflict(t *testing.T) {
	cases := map[string]struct {
		reason  string
		secret  string
		want    string
		message string
	}{
		"Free":      {"Nobody has it.", "", "FALSE/Registering", "waiting for the composed Object"},
		"Ours":      {"This XR's own, whose Object was lost, is taken again.", "{metadata: {annotations: {argocd.fn.crossplane.io/composite: XAKSCluster.platform.example.org/prod-x7k2p}}}", "FALSE/Registering", "waiting for the composed Object"},
		"AnotherXR": {"Another XR's is left alone.", "{metadata: {annotations: {argocd.fn.crossplane.io/composite: GKECluster.platform.example.org/team-b/prod}}}", "FALSE/NameConflict", "that of GKECluster.platform.example.org/team-b/prod"},
		"Nobodys":   {"So is one that was made by hand.", "{metadata: {labels: {argocd.argoproj.io/secret-type: cluster}}}", "FALSE/NameConflict", "annotate the Secret with argocd.fn.crossplane.io/composite: XAKSCluster.platform.example.org/prod-x7k2p"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			h := newHub(tokenKubeconfig("canary-good"))
			if tc.secret != "" {
				h.secrets["argocd/cluster-prod"] = tc.secret
			}
			s := h.reconcile(t)
			if s.Condition != "ArgoCDClusterRegistered="+tc.want || !strings.Contains(s.Message, tc.message) {
				t.Errorf("%s\n%s: %s", tc.reason, s.Condition, s.Message)
			}
			if conflict := strings.HasSuffix(tc.want, "NameConflict"); (s.Composed == nil) != conflict || (s.Warning != "") != conflict || (s.XRReady == "READY_FALSE") != conflict {
				t.Errorf("%s\n%+v", tc.reason, s)
			}
		})
	}
	t.Run("AnotherStep", func(t *testing.T) {
		h, _ := registered(t, tokenKubeconfig("canary-good"))
		first := h.registration
		for input, want := range map[string]string{
			"output: {resourceName: second}":                             "cluster.name: another step of the pipeline registers a cluster by Secret argocd/cluster-prod-x7k2p",
			"output: {resourceName: second}\ncluster: {name: secondary}": "",
		} {
			structAt(first, "spec", "forProvider", "manifest", "metadata").Fields["name"] = structpb.NewStringValue("cluster-prod-x7k2p")
			req := newRequest(t, h.xr, input, h.resources)
			req.Desired.Resources["argocd-cluster"] = &fnv1.Resource{Resource: first}
			rsp := h.run(t, req)
			fatal := ""
			for _, r := range rsp.GetResults() {
				fatal += r.GetMessage()
			}
			if !strings.HasPrefix(fatal, want) || want == "" && (fatal != "" || rsp.GetDesired().GetResources()["second"] == nil) {
				t.Errorf("Two steps have one Secret, or cannot have two: %s", fatal)
			}
		}
	})
	t.Run("OnceRegistered", func(t *testing.T) {
		h, before := registered(t, tokenKubeconfig("canary-good"))
		h.secrets["argocd/cluster-prod"] = "{}"
		if diff := cmp.Diff(before, manifestOf(t, h.reconcile(t))); diff != "" {
			t.Errorf("A registration is not given up.\n-before, +after:\n%s", diff)
		}
	})
}

// TestExpiryNotice tells the end of a client certificate from 30 days before.
func TestExpiryNotice(t *testing.T) {
	notAfter := time.Date(2028, time.November, 19, 18, 55, 47, 0, time.UTC)
	for days, want := range map[int]bool{31: false, 30: true, 1: true} {
		h := newHub(sample(t, "kc-capi.yaml"))
		h.now = notAfter.AddDate(0, 0, -days)
		h.reconcile(t)
		s := h.reconcile(t)
		if got := strings.Contains(s.Message, "the client certificate expires on 2028-11-19"); got != want || s.Condition != "ArgoCDClusterRegistered=TRUE/Registered" {
			t.Errorf("%d days before: %s: %s", days, s.Condition, s.Message)
		}
	}
}

// TestStatus has the XR say how the cluster is registered, beside what earlier steps say.
func TestStatus(t *testing.T) {
	h, _ := registered(t, tokenKubeconfig("canary-good"))
	want := map[string]any{"status": map[string]any{
		"earlier": "step",
		"argocd": map[string]any{
			"name": "prod", "server": "https://api.example.org", "credentials": "BearerToken",
			"secretRef": map[string]any{"namespace": "argocd", "name": "cluster-prod"},
		},
	}}
	for _, reason := range []string{"registered", "retained"} {
		got := h.run(t, h.request(t)).GetDesired().GetComposite().GetResource().AsMap()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want, +got:\n%s", reason, diff)
		}
		delete(h.resources, "cluster")
	}

	h.input = strings.Replace(h.input, "status.argocd", "status.earlier", 1)
	if s := h.reconcile(t); !strings.Contains(s.Fatal, "statusFieldPath: status.earlier cannot be written") {
		t.Errorf("a field that another step gives another type: %+v", s)
	}
	for _, path := range []string{"spec.argocd", "status", "status.conditions", "status[", ""} {
		h.input = "statusFieldPath: '" + path + "'"
		if s := h.reconcile(t); !strings.Contains(s.Fatal, "statusFieldPath: ") {
			t.Errorf("%q: %+v", path, s)
		}
	}
}

// TestDeterministic runs the function a hundred times, with maps in all their orders.
func TestDeterministic(t *testing.T) {
	h, _ := registered(t, tokenKubeconfig("canary-good"))
	broken := *h
	broken.resources = nil
	broken.environment = "{}"
	for name, h := range map[string]*hub{"registered": h, "retained": &broken, "waiting": {xr: legacyXR, environment: "{}", now: testNow()}} {
		var first []byte
		for i := range 100 {
			b, err := proto.MarshalOptions{Deterministic: true}.Marshal(h.run(t, h.request(t)))
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = b
			}
			if !bytes.Equal(first, b) {
				t.Fatalf("%s: response %d is another", name, i)
			}
		}
	}
}
