package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A system is all that runs.
type system struct {
	processes

	hub, spoke *controlPlane
	cloud      *cloud
	played     []*unstructured.Unstructured // the clouds' providers of a hub from Git
	tokens     *tokenServices
	cancel     context.CancelFunc
}

// examples is the folder of what the documentation tells users to apply.
var examples = filepath.Join("..", "..", "example")

func (s *system) path(p ...string) string { return filepath.Join(append([]string{s.dir}, p...)...) }

func (s *system) program(name string) string { return filepath.Join(*bin, name) }

// isV1 says that Crossplane is v1: it knows neither namespaced XRs nor v2's XRDs.
func isV1() bool { return *crossplaneTool == "core-v1" }

// module returns the folder of a module that a tool is built from.
func module(ctx context.Context, tool, name string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", name)
	cmd.Dir = filepath.Join("..", "..", tool)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go list -m %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (s *system) stop() {
	s.cancel()
	s.processes.stop()
}

// bringUp starts everything. The system is to be stopped even if there is an error.
func bringUp(ctx context.Context, dir string) (*system, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &system{processes: processes{dir: dir}, cancel: cancel}
	for _, d := range []string{"logs", "home", "tmp"} {
		if err := os.MkdirAll(s.path(d), 0o700); err != nil {
			return s, err
		}
	}
	if err := s.etcd(); err != nil {
		return s, err
	}
	s.cloud = &cloud{kinds: cloudKinds, clusters: map[types.UID]*managedCluster{}, held: map[string]bool{}}
	var err error
	if s.tokens, err = newTokenServices(s.cloud); err != nil {
		return s, err
	}
	s.cloud.tokens = s.tokens
	if err := s.tokens.serve(ctx); err != nil {
		return s, err
	}
	webhook, err := webhookConfig(s.path("webhook.kubeconfig"))
	if err != nil {
		return s, err
	}
	var ips []net.IP
	for n := 1; n <= maxClusters; n++ {
		ips = append(ips, clusterIP(n))
	}
	if err := parallel(ctx,
		func(ctx context.Context) (err error) {
			s.hub, err = s.controlPlane(ctx, "hub", hubPort, nil, nil)
			return err
		},
		func(ctx context.Context) (err error) {
			s.spoke, err = s.controlPlane(ctx, "spoke", spokePort, []string{"*" + aksDomain, "*" + eksDomain}, ips, webhook...)
			return err
		},
	); err != nil {
		return s, err
	}
	report.sayf("the control planes of hub and spoke are ready")

	s.cloud.spoke, s.tokens.hub = s.spoke, s.hub
	for _, user := range []string{googleUser, entraUser} {
		if err := grant(ctx, s.spoke, user); err != nil {
			return s, err
		}
	}
	namespaces := []string{crossplaneNamespace, argocdNamespace, "team-a"}
	if *hubFromGit {
		namespaces = []string{argocdNamespace}
	}
	for _, ns := range namespaces {
		if err := s.hub.apply(ctx, object("v1", "Namespace", "", ns)); err != nil {
			return s, err
		}
	}
	go s.kubelet(ctx)
	go s.deployments(ctx)
	if *hubFromGit {
		return s, parallel(ctx, s.argoCD, s.hubRepository)
	}
	return s, parallel(ctx, s.argoCD, func(ctx context.Context) error {
		if err := s.crossplane(ctx); err != nil {
			return err
		}
		if err := s.packages(ctx); err != nil {
			return err
		}
		return s.platform(ctx)
	})
}

// crossplaneModule returns the folder of Crossplane's module.
func crossplaneModule(ctx context.Context) (string, error) {
	name := "github.com/crossplane/crossplane/v2"
	if isV1() {
		name = "github.com/crossplane/crossplane"
	}
	return module(ctx, "tools/"+*crossplaneTool, name)
}

// crossplane installs what Crossplane's chart does, and runs it.
func (s *system) crossplane(ctx context.Context) error {
	folder, err := crossplaneModule(ctx)
	if err != nil {
		return err
	}
	roles, err := chartRoles(filepath.Join(folder, "cluster", "charts", "crossplane"))
	if err != nil {
		return err
	}
	if err := s.hub.apply(ctx, roles...); err != nil {
		return err
	}
	// The chart has these Secrets empty; the initializer fills them.
	for _, name := range []string{"crossplane-root-ca", "crossplane-tls-server", "crossplane-tls-client"} {
		if err := s.hub.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: crossplaneNamespace, Name: name}}); err != nil {
			return err
		}
	}
	return s.runCrossplane(ctx)
}

// runCrossplane runs Crossplane's initializer, its core and its RBAC manager.
func (s *system) runCrossplane(ctx context.Context) error {
	folder, err := crossplaneModule(ctx)
	if err != nil {
		return err
	}
	var activation []string
	if !isV1() {
		activation = []string{"--activation=*"}
	}
	program := s.program("crossplane-" + *crossplaneTool)
	core, err := s.hub.serviceAccount(ctx, s.path("identities"), crossplaneNamespace, "crossplane")
	if err != nil {
		return err
	}
	manager, err := s.hub.serviceAccount(ctx, s.path("identities"), crossplaneNamespace, "rbac-manager")
	if err != nil {
		return err
	}
	certs, cache := s.path("crossplane", "tls"), s.path("crossplane", "xpkg")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return err
	}
	env := []string{
		"KUBECONFIG=" + core, "POD_NAMESPACE=" + crossplaneNamespace, "POD_SERVICE_ACCOUNT=crossplane",
		"ENABLE_WEBHOOKS=false", "WEBHOOK_ENABLED=false", "TLS_CA_SECRET_NAME=crossplane-root-ca",
		"TLS_SERVER_SECRET_NAME=crossplane-tls-server", "TLS_CLIENT_SECRET_NAME=crossplane-tls-client",
		"TLS_CLIENT_CERTS_DIR=" + certs, "XPKG_CACHE_DIR=" + cache,
	}
	// The image of the initializer: it has the CRDs in /crds.
	image := s.path("crossplane", "image")
	if err := errors.Join(
		os.CopyFS(filepath.Join(image, "crds"), os.DirFS(filepath.Join(folder, "cluster", "crds"))),
		copyFile(program, filepath.Join(image, "crossplane")), copyFile(core, filepath.Join(image, core)),
	); err != nil {
		return err
	}
	// As in a pod, an initializer that failed is run again: it needs CRDs, which it has
	// only just made, and roles, which are only just aggregated.
	if err := until(ctx, time.Minute, func(context.Context) error {
		return s.run("crossplane-init", image, "/crossplane", env, append([]string{"core", "init"}, activation...)...)
	}); err != nil {
		return err
	}
	certificates := &corev1.Secret{}
	if err := s.hub.Get(ctx, client.ObjectKey{Namespace: crossplaneNamespace, Name: "crossplane-tls-client"}, certificates); err != nil {
		return err
	}
	if err := writeAll(certs, certificates.Data); err != nil {
		return err
	}
	if _, err := s.start("crossplane", program, env, "core", "start",
		"--metrics-port=18080", "--health-probe-port=18081"); err != nil {
		return err
	}
	if _, err := s.start("crossplane-rbac-manager", program, []string{"KUBECONFIG=" + manager},
		"rbac", "start", "--provider-clusterrole=crossplane:allowed-provider-permissions"); err != nil {
		return err
	}
	if err := until(ctx, time.Minute, func(ctx context.Context) error {
		return httpReady(ctx, http.DefaultClient, "http://127.0.0.1:18081/readyz")
	}); err != nil {
		return err
	}
	report.sayf("Crossplane %s is ready", filepath.Base(folder))
	return nil
}

// chartRoles are the ServiceAccounts and roles of Crossplane's chart.
func chartRoles(folder string) ([]*unstructured.Unstructured, error) {
	chart, err := loader.LoadDir(folder)
	if err != nil {
		return nil, err
	}
	values, err := chartutil.ToRenderValues(chart, nil, chartutil.ReleaseOptions{Name: "crossplane", Namespace: crossplaneNamespace}, nil)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(chart, values)
	if err != nil {
		return nil, err
	}
	out := make([]*unstructured.Unstructured, 0, len(files))
	for _, f := range files {
		objects, err := parse([]byte(f))
		if err != nil {
			return nil, err
		}
		out = append(out, accessOf(objects, crossplaneNamespace)...)
	}
	return out, nil
}

// accessOf returns the objects that are ServiceAccounts, roles and their bindings, in
// and of a namespace.
func accessOf(objects []*unstructured.Unstructured, namespace string) []*unstructured.Unstructured {
	kinds := []string{"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
	objects = slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool { return !slices.Contains(kinds, o.GetKind()) })
	for _, o := range objects {
		if !strings.HasPrefix(o.GetKind(), "Cluster") {
			o.SetNamespace(namespace)
		}
		subjects, _ := o.Object["subjects"].([]any)
		for _, s := range subjects {
			if s := s.(map[string]any); s["kind"] == "ServiceAccount" {
				s["namespace"] = namespace
			}
		}
	}
	return objects
}

// packages installs, as the documentation says, the functions and provider-kubernetes,
// and the played cloud.
func (s *system) packages(ctx context.Context) error {
	packages, err := load(filepath.Join(examples, "install", "runtimeconfig.yaml"), filepath.Join(examples, "aks", "functions.yaml"),
		filepath.Join("testdata", "functions.yaml"), filepath.Join(examples, "install", "provider-kubernetes.yaml"))
	if err != nil {
		return err
	}
	for _, p := range packages {
		if p.GetKind() == "Function" && p.GetName() == functionName {
			p.Object["spec"].(map[string]any)["runtimeConfigRef"] = map[string]any{"name": functionName}
		}
	}
	packages = append(append(packages, cloudProvider()...), staticFunction()...)
	if err := s.serveRegistry(ctx, packages); err != nil {
		return err
	}
	if err := s.hub.apply(ctx, append(imageConfigs(), packages...)...); err != nil {
		return err
	}
	for _, p := range packages {
		if p.GetKind() == "DeploymentRuntimeConfig" {
			continue
		}
		if err := until(ctx, 2*time.Minute, func(ctx context.Context) error { return s.hub.hasCondition(ctx, p, "Healthy", "") }); err != nil {
			return err
		}
		report.sayf("%s %s is installed and healthy", p.GetKind(), p.GetName())
	}
	if s.cloud.hub, err = s.hub.as(ctx, crossplaneNamespace, cloudName); err != nil {
		return err
	}
	go s.cloud.run(ctx)
	configs, err := load(filepath.Join(examples, "install", "providerconfigs.yaml"))
	if err != nil {
		return err
	}
	guard, err := policies()
	if err != nil {
		return err
	}
	return s.hub.apply(ctx, append(configs, guard...)...)
}
