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

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// TestAnyFieldMayVanish checks that a registration stays, and stays connected as it was, whichever
// field of a request is missing or empty, except for the registration's own and the input's.
func TestAnyFieldMayVanish(t *testing.T) {
	t.Run("Kubeconfig", func(t *testing.T) {
		h := newHub(tokenKubeconfig("canary-good"))
		anyFieldMayVanish(t, h)
	})
	t.Run("Token", func(t *testing.T) {
		h := newHub(tokenKubeconfig("canary-admin"))
		h.input += ofToken
		h.resources = withToken(h.resources, "canary-good", testCA(t, "kc-capi.yaml"))
		anyFieldMayVanish(t, h)
	})
}

func anyFieldMayVanish(t *testing.T, h *hub) {
	t.Helper()
	before := h.registered(t)
	deleted := 0
	var walk func(s *structpb.Struct, path string)
	req := h.request(t)

	check := func(path string) {
		t.Helper()
		deleted++
		s := summarize(t, h.run(t, req), "argocd-cluster")
		after := secretOf(t, s)
		if diff := cmp.Diff(dataOf(before), dataOf(after)); diff != "" {
			t.Errorf("without %s: %s\n-before, +after:\n%s", path, s.Message, diff)
		}
		if after.Name != before.Name || after.Namespace != before.Namespace {
			t.Errorf("without %s: the Secret is %s/%s", path, after.Namespace, after.Name)
		}
		for k, v := range before.Labels {
			// An entry that a map no longer has goes; Crossplane's own labels follow the XR.
			gone := strings.HasSuffix(path, ".addons."+strings.TrimPrefix(k, "addons.example.org/"))
			if after.Labels[k] != v && !gone && !strings.HasPrefix(k, "crossplane.io/") {
				t.Errorf("without %s: label %s is %q", path, k, after.Labels[k])
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
	if token := req.GetObserved().GetResources()["token"]; token != nil {
		walk(token.GetResource(), "token")
		details := token.GetConnectionDetails()
		for _, empty := range [][]byte{nil, []byte(" "), []byte("two words")} {
			good := details["token"]
			details["token"] = empty
			check("the token")
			details["token"] = good
		}
		token.ConnectionDetails = nil
		check("the token's details")
		token.ConnectionDetails = details
	}
	for name, r := range maps.Clone(req.GetObserved().GetResources()) {
		if _, ok := h.resources[name]; ok {
			delete(req.GetObserved().GetResources(), name)
			check(name)
			req.GetObserved().GetResources()[name] = r
		}
	}
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

// TestRandomWalk checks, after every step of random sequences of what may be observed, that the
// registration exists, is whole, and is of one observed kubeconfig.
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
			if again := summarize(t, h.run(t, h.request(t)), "argocd-cluster"); len(h.registrations) > 0 && again.Composed == nil {
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
			if taken {
				last = fmt.Sprintf(`{"bearerToken":"canary-%d","tlsClientConfig":{"insecure":false}}`, tokens)
			}
			want := map[string]string{"name": "prod", "server": "https://api.example.org", "project": "payments", "config": last}
			if diff := cmp.Diff(want, dataOf(secretOf(t, s))); diff != "" {
				t.Fatalf("walk %d, step %d: %s\n-want, +got:\n%s", seed, step, s.Message, diff)
			}
		}
		if last == "" {
			t.Errorf("walk %d never registered", seed)
		}
	}
}

// TestRandomWalkOfTokens checks, after every step of random sequences in which the input changes
// between the kubeconfig's credentials and a token, and both come and go, that the registration
// exists and has one whole credential.
func TestRandomWalkOfTokens(t *testing.T) {
	const (
		walks = 40
		steps = 40
	)
	ca := testCA(t, "kc-capi.yaml")
	for seed := range uint64(walks) {
		random := rand.New(rand.NewPCG(seed, 1))
		h := newHub("")
		input := h.input
		last := ""
		for step := range steps {
			isToken := random.IntN(2) == 0
			if h.input = input; isToken {
				h.input += ofToken
			}
			hasKubeconfig, hasToken := random.IntN(3) > 0, random.IntN(3) > 0
			admin, token := fmt.Sprintf("canary-admin-%d", step), fmt.Sprintf("canary-token-%d", step)
			h.resources = of(aks, map[bool]string{true: tokenKubeconfig(admin)}[hasKubeconfig])
			if hasToken {
				h.resources = withToken(h.resources, token, ca)
			}
			switch {
			case isToken && hasToken && hasKubeconfig:
				last = fmt.Sprintf(`{"bearerToken":%q,"tlsClientConfig":{"insecure":false,"caData":%q}}`, token, base64Of(ca))
			case !isToken && hasKubeconfig:
				last = fmt.Sprintf(`{"bearerToken":%q,"tlsClientConfig":{"insecure":false}}`, admin)
			}
			s := h.reconcile(t)
			if s.Fatal != "" || (s.Composed == nil) != (last == "") {
				t.Fatalf("walk %d, step %d: lost, or registered by nothing: %s%s: %s", seed, step, s.Fatal, s.Condition, s.Message)
			}
			if last == "" {
				continue
			}
			want := map[string]string{"name": "prod", "server": "https://api.example.org", "project": "payments", "config": last}
			if diff := cmp.Diff(want, dataOf(secretOf(t, s))); diff != "" {
				t.Fatalf("walk %d, step %d: %s\n-want, +got:\n%s", seed, step, s.Message, diff)
			}
		}
		if last == "" {
			t.Errorf("walk %d never registered", seed)
		}
	}
}

// TestDeterministic checks that a hundred calls give the same bytes, whatever the order of maps.
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
