// Package argocd proves that Argo CD's own code reads what the function writes, and
// connects with it. It runs the function as Crossplane does, by gRPC.
package argocd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/db"
	"github.com/sirupsen/logrus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

var binary = flag.String("function", "", "the function's program")

var function fnv1.FunctionRunnerServiceClient

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run the tests while the function runs.
func run(m *testing.M) (int, error) {
	logrus.SetOutput(io.Discard) // Argo CD's own log.
	if *binary == "" {
		return 0, errors.New("run make test-argocd: it builds the function")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return 0, err
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	output := &bytes.Buffer{}
	cmd := exec.CommandContext(ctx, *binary, "--insecure", "--address="+address, "--metrics-address=")
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer cmd.Process.Kill()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	up, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(up, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true)); err != nil {
		return 0, fmt.Errorf("the function does not serve: %w\n%s", err, output)
	}
	function = fnv1.NewFunctionRunnerServiceClient(conn)
	return m.Run(), nil
}

// A cluster is what Crossplane observes of one, and what the Composition says of it.
type cluster struct {
	// xr is the composite resource; by default a cluster-scoped one.
	xr string

	// input of the step, without apiVersion and kind.
	input string

	// apiVersion of the composed resource; by default one that is not GKE's.
	apiVersion string

	// status is the resource's status.atProvider, as YAML.
	status string

	// details are the resource's connection details, or the data of the Secret that
	// the input names.
	details map[string]string
	secret  bool

	// token is the connection details of another composed resource, "token"; none by default.
	token map[string]string
}

const defaultXR = "{apiVersion: platform.example.org/v1, kind: XCluster, metadata: {name: demo}}"

func toStruct(t testing.TB, y string) *structpb.Struct {
	t.Helper()
	j, err := yaml.YAMLToJSON([]byte(y))
	if err != nil {
		t.Fatal(err)
	}
	s := &structpb.Struct{}
	if err := protojson.Unmarshal(j, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// call the function.
func call(t testing.TB, c cluster) *fnv1.RunFunctionResponse {
	t.Helper()
	xr, apiVersion := c.xr, c.apiVersion
	if xr == "" {
		xr = defaultXR
	}
	if apiVersion == "" {
		apiVersion = "example.org/v1"
	}
	req := &fnv1.RunFunctionRequest{
		Input:    toStruct(t, "apiVersion: argocd.fn.crossplane.io/v1beta1\nkind: ClusterRegistration\n"+c.input),
		Observed: &fnv1.State{Composite: &fnv1.Resource{Resource: toStruct(t, xr)}},
	}
	details := map[string][]byte{}
	for k, v := range c.details {
		details[k] = []byte(v)
	}
	if c.secret {
		b, err := json.Marshal(&corev1.Secret{Data: details})
		if err != nil {
			t.Fatal(err)
		}
		req.RequiredResources = map[string]*fnv1.Resources{"kubeconfig": {Items: []*fnv1.Resource{{Resource: toStruct(t, string(b))}}}}
	} else {
		req.Observed.Resources = map[string]*fnv1.Resource{"cluster": {
			Resource:          toStruct(t, fmt.Sprintf("{apiVersion: %s, kind: Cluster, status: {atProvider: {%s}}}", apiVersion, c.status)),
			ConnectionDetails: details,
		}}
	}
	if c.token != nil {
		details := map[string][]byte{}
		for k, v := range c.token {
			details[k] = []byte(v)
		}
		if req.Observed.Resources == nil {
			req.Observed.Resources = map[string]*fnv1.Resource{}
		}
		req.Observed.Resources["token"] = &fnv1.Resource{
			Resource:          toStruct(t, "{apiVersion: kubernetes.crossplane.io/v1alpha2, kind: Object}"),
			ConnectionDetails: details,
		}
	}
	rsp, err := function.RunFunction(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return rsp
}

// register a cluster, and return its Secret as the API server has it.
func register(t testing.TB, c cluster) *corev1.Secret {
	t.Helper()
	rsp := call(t, c)
	r, ok := rsp.GetDesired().GetResources()["argocd-cluster"]
	if !ok {
		t.Fatalf("not registered: %v %v", rsp.GetConditions(), rsp.GetResults())
	}
	return secretOf(t, r.GetResource())
}

func secretOf(t testing.TB, object *structpb.Struct) *corev1.Secret {
	t.Helper()
	var o struct {
		Spec struct {
			ForProvider struct{ Manifest corev1.Secret }
		}
	}
	b, err := protojson.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	return &o.Spec.ForProvider.Manifest
}

// readBack has Argo CD read a Secret, and checks that it changes nothing of its config and
// can make a client of it.
func readBack(t testing.TB, s *corev1.Secret) *v1alpha1.Cluster {
	t.Helper()
	c, err := db.SecretToCluster(s)
	if err != nil {
		t.Fatalf("Argo CD cannot read the Secret: %v", err)
	}
	again, err := json.Marshal(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Data["config"], again) {
		t.Errorf("Argo CD changes the config:\nfunction: %s\nArgo CD:  %s", s.Data["config"], again)
	}
	if _, err := c.RESTConfig(); err != nil {
		t.Errorf("Argo CD cannot make a client: %v", err)
	}
	return c
}

func sample(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "kubeconfigs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// connection returns the data of a sample connection Secret.
func connection(t testing.TB, name string) map[string]string {
	t.Helper()
	s := &corev1.Secret{}
	if err := yaml.Unmarshal([]byte(sample(t, name)), s); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string, len(s.Data))
	for k, v := range maps.All(s.Data) {
		out[k] = string(v)
	}
	return out
}
