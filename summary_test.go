package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

// A summary is what a response says, as far as this function says it.
type summary struct {
	Fatal     string `json:"fatal,omitempty"`
	Condition string `json:"condition,omitempty"`
	Message   string `json:"message,omitempty"`

	// Warning is the event's reason and message.
	Warning string `json:"warning,omitempty"`

	// XRReady is set where the function says whether the XR is ready.
	XRReady string `json:"xrReady,omitempty"`

	// Requires are the Secrets that Crossplane is to read, and TTL for how long the
	// response holds where that is not a minute.
	Requires []string `json:"requires,omitempty"`
	TTL      string   `json:"ttl,omitempty"`

	// Composed is the composed resource, with the Secret's data decoded, and Secret the
	// Secret that it makes.
	Composed *unstructured.Unstructured `json:"composed,omitempty"`
	Secret   *corev1.Secret             `json:"-"`
	Ready    string                     `json:"ready,omitempty"`
}

func summarize(t testing.TB, rsp *fnv1.RunFunctionResponse, resourceName string) summary {
	t.Helper()
	s := summary{}
	for _, r := range rsp.GetResults() {
		switch r.GetSeverity() {
		case fnv1.Severity_SEVERITY_FATAL:
			s.Fatal = r.GetMessage()
		case fnv1.Severity_SEVERITY_WARNING:
			s.Warning = r.GetReason() + ": " + r.GetMessage()
		default:
			t.Errorf("unexpected result: %v", r)
		}
	}
	for _, c := range rsp.GetConditions() {
		s.Condition = fmt.Sprintf("%s=%s/%s", c.GetType(), strings.TrimPrefix(c.GetStatus().String(), "STATUS_CONDITION_"), c.GetReason())
		s.Message = c.GetMessage()
	}
	if r := rsp.GetDesired().GetComposite().GetReady(); r != fnv1.Ready_READY_UNSPECIFIED {
		s.XRReady = r.String()
	}
	for name, r := range rsp.GetRequirements().GetResources() {
		s.Requires = append(s.Requires, name+": "+selected(r))
	}
	slices.Sort(s.Requires)
	if ttl := rsp.GetMeta().GetTtl().AsDuration(); ttl != time.Minute {
		s.TTL = ttl.String()
	}
	if r, ok := rsp.GetDesired().GetResources()[resourceName]; ok {
		s.Ready = r.GetReady().String()
		s.Secret = decodeSecret(t, r.GetResource())
		res := clone(r.GetResource())
		data := structAt(manifestIn(res), "data").GetFields()
		for k, v := range s.Secret.Data {
			data[k] = structpb.NewStringValue(string(v))
		}
		s.Composed = &unstructured.Unstructured{Object: res.AsMap()}
	}
	return s
}

// selected says what a selector selects: a resource by its namespace and name, or all of a
// namespace that have labels.
func selected(r *fnv1.ResourceSelector) string {
	what := fmt.Sprintf("%s %s %s", r.GetApiVersion(), r.GetKind(), r.GetNamespace())
	if r.GetMatchLabels() == nil {
		return what + "/" + r.GetMatchName()
	}
	labels := r.GetMatchLabels().GetLabels()
	for i, k := range slices.Sorted(maps.Keys(labels)) {
		what += []string{" ", ","}[min(i, 1)] + k + "=" + labels[k]
	}
	return what
}

// manifestIn returns the manifest of the Secret in a composed resource: the Object's, or all
// of a Secret.
func manifestIn(res *structpb.Struct) *structpb.Struct {
	if stringAt(res, "kind") == kindObject {
		return structAt(res, "spec", "forProvider", "manifest")
	}
	return res
}

// decodeSecret returns the Secret in a composed resource. Each of its fields must be one that
// Kubernetes knows.
func decodeSecret(t testing.TB, res *structpb.Struct) *corev1.Secret {
	t.Helper()
	b, err := manifestIn(res).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	if unknown, err := json.UnmarshalStrict(b, secret); err != nil || len(unknown) > 0 {
		t.Fatalf("not a Secret: %v %v", unknown, err)
	}
	return secret
}

// secretOf returns the Secret that is composed.
func secretOf(t testing.TB, s summary) *corev1.Secret {
	t.Helper()
	if s.Secret == nil {
		t.Fatalf("nothing is composed: %s%s: %s", s.Fatal, s.Condition, s.Message)
	}
	return s.Secret
}

// dataOf returns a Secret's data as text.
func dataOf(secret *corev1.Secret) map[string]string {
	data := make(map[string]string, len(secret.Data))
	for k, v := range secret.Data {
		data[k] = string(v)
	}
	return data
}

// verdict returns a condition's status and reason.
func verdict(s summary) string {
	_, v, _ := strings.Cut(s.Condition, "=")
	return v
}

// A state is what a call makes of a registration.
type state struct {
	// Condition is the condition's status and reason, like TRUE/Registered.
	Condition string

	// Ready is of the composed resource, and Secret what it makes. They are empty if nothing
	// is composed.
	Ready  string
	Secret *corev1.Secret
}

// check that a call made this of a registration.
func (want state) check(t testing.TB, reason string, s summary) {
	t.Helper()
	got := state{verdict(s), s.Ready, s.Secret}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n-want, +got:\n%s\nmessage: %s%s", reason, diff, s.Fatal, s.Message)
	}
}

// A link is how Argo CD connects to a cluster, and what the function says of it.
type link struct{ Condition, Ready, Server, Config string }

// check that a call has Argo CD connect so.
func (want link) check(t testing.TB, reason string, s summary) {
	t.Helper()
	data := dataOf(secretOf(t, s))
	got := link{verdict(s), s.Ready, data["server"], data["config"]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n-want, +got:\n%s\nmessage: %s", reason, diff, s.Message)
	}
}

// says reports whether a message has a part. A sentence may begin with it, and then has a
// capital.
func says(message, part string) bool {
	return strings.Contains(strings.ToLower(message), strings.ToLower(part))
}

// golden compares a value with a golden file, or with -update writes it.
func golden(t *testing.T, reason string, got any) {
	t.Helper()
	b, err := yaml.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", t.Name()+".yaml")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(b)); diff != "" {
		t.Errorf("%s\n%s: -want, +got:\n%s", reason, path, diff)
	}
}

var update = flag.Bool("update", false, "write golden files instead of comparing with them")
