package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

const (
	argocdNamespace = "argocd"
	redisAddr       = "127.0.0.1:6379"
	repoServerAddr  = "127.0.0.1:8081"
	gitAddr         = "127.0.0.1:3000"
)

// argoCD runs Redis, and Argo CD's repo server, application controller and
// ApplicationSet controller, the controllers with the rights that Argo CD's manifests
// give them.
func (s *system) argoCD(ctx context.Context) error {
	if err := s.serveGit(ctx); err != nil {
		return err
	}
	folder, err := module(ctx, "test/argocd", "github.com/argoproj/argo-cd/v3")
	if err != nil {
		return err
	}
	manifests := filepath.Join(folder, "manifests")
	crds, err := loadFolder(filepath.Join(manifests, "crds"))
	if err != nil {
		return err
	}
	settings, err := loadFolder(filepath.Join(manifests, "base", "config"))
	if err != nil {
		return err
	}
	if err := s.hub.apply(ctx, append(crds, configured(settings)...)...); err != nil {
		return err
	}
	home := s.path("argocd")
	env := func(name string) []string {
		return []string{
			"ARGOCD_BINARY_NAME=" + name, "HOSTNAME=" + name + "-0", "ARGOCD_FAKE_IN_CLUSTER=true", "ARGOCD_GPG_ENABLED=false",
			"KUBECONFIG=" + filepath.Join(home, argocdNamespace+"-"+name+".kubeconfig"),
			"ARGOCD_TLS_DATA_PATH=" + filepath.Join(home, "tls"), "ARGOCD_SSH_DATA_PATH=" + filepath.Join(home, "ssh"),
			"ARGOCD_PLUGINSOCKFILEPATH=" + filepath.Join(home, "plugins"), "ARGOCD_ASK_PASS_SOCK=" + filepath.Join(home, "ask-pass.sock"),
		}
	}
	for _, d := range []string{"tls", "ssh", "plugins"} {
		if err := os.MkdirAll(filepath.Join(home, d), 0o700); err != nil {
			return err
		}
	}
	if _, err := s.start("redis", "redis-server", nil, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.path("tmp")); err != nil {
		return err
	}
	if _, err := s.start("argocd-repo-server", s.program("argocd"), env("argocd-repo-server"), "--redis="+redisAddr,
		"--address=127.0.0.1", "--port=8081", "--metrics-address=127.0.0.1", "--metrics-port=8084", "--disable-tls"); err != nil {
		return err
	}
	for name, args := range map[string][]string{
		"application-controller": {
			"--redis=" + redisAddr, "--repo-server=" + repoServerAddr, "--repo-server-plaintext",
			"--metrics-port=8082",
		},
		"applicationset-controller": {
			"--argocd-repo-server=" + repoServerAddr, "--repo-server-plaintext",
			"--metrics-addr=127.0.0.1:12345", "--probe-addr=127.0.0.1:12346", "--webhook-addr=127.0.0.1:12347",
		},
	} {
		var objects []*unstructured.Unstructured
		for _, f := range []string{"base/" + name, "base/" + name + "-roles", "cluster-rbac/" + name} {
			more, err := loadFolder(filepath.Join(manifests, f))
			if err != nil {
				return err
			}
			objects = append(objects, more...)
		}
		if err := s.hub.apply(ctx, accessOf(objects, argocdNamespace)...); err != nil {
			return err
		}
		name = "argocd-" + name
		if _, err := s.hub.serviceAccount(ctx, home, argocdNamespace, name); err != nil {
			return err
		}
		if _, err := s.start(name, s.program("argocd"), env(name), append(args, "--namespace="+argocdNamespace)...); err != nil {
			return err
		}
	}
	if err := until(ctx, time.Minute, func(ctx context.Context) error {
		return errors.Join(listening(ctx, repoServerAddr), listening(ctx, "127.0.0.1:12346"),
			httpReady(ctx, http.DefaultClient, "http://127.0.0.1:8082/healthz"))
	}); err != nil {
		return err
	}
	report.sayf("Argo CD is ready")
	return nil
}

// configured returns Argo CD's own settings, with what its server, which does not run
// here, makes at its first start: a key, and the default project.
func configured(settings []*unstructured.Unstructured) []*unstructured.Unstructured {
	project := object("argoproj.io/v1alpha1", "AppProject", argocdNamespace, "default")
	project.Object["spec"] = map[string]any{
		"sourceRepos":              []any{"*"},
		"destinations":             []any{map[string]any{"namespace": "*", "server": "*"}},
		"clusterResourceWhitelist": []any{map[string]any{"group": "*", "kind": "*"}},
	}
	out := []*unstructured.Unstructured{project}
	for _, o := range settings {
		if o.GetKind() == "Secret" {
			o.Object["stringData"] = map[string]any{"server.secretkey": rand.Text()}
		}
		o.SetNamespace(argocdNamespace)
		out = append(out, o)
	}
	return out
}

// serveGit serves testdata/apps, by Git's own HTTP server.
func (s *system) serveGit(ctx context.Context) error {
	root := s.path("git")
	work := filepath.Join(root, "work")
	if err := os.CopyFS(work, os.DirFS(filepath.Join("testdata", "apps"))); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=master", work},
		{"-C", work, "add", "."},
		{"-C", work, "-c", "user.name=e2e", "-c", "user.email=e2e@example.org", "commit", "--quiet", "--message=guestbook"},
		{"clone", "--quiet", "--bare", work, filepath.Join(root, "apps.git")},
	} {
		if err := s.git(args...); err != nil {
			return err
		}
	}
	folder, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return err
	}
	return serve(ctx, gitAddr, &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(folder)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + s.path("home")},
	})
}

func listening(ctx context.Context, addr string) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return c.Close()
}

// loadFolder loads the objects of a folder's YAML files; one that is not there has none.
func loadFolder(dir string) ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	objects, err := load(files...)
	return slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "Kustomization" }), err
}

// parse the objects of a YAML stream.
func parse(b []byte) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for d := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(b), 4096); ; {
		o := &unstructured.Unstructured{}
		switch err := d.Decode(&o.Object); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		case o.GetKind() != "":
			out = append(out, o)
		}
	}
}

// join the objects of YAML files and folders to one stream.
func join(file, folder string) ([]byte, error) {
	objects, err := load(file)
	if err != nil {
		return nil, err
	}
	more, err := loadFolder(folder)
	if err != nil {
		return nil, err
	}
	if len(more) == 0 {
		return nil, fmt.Errorf("%s has no YAML", folder)
	}
	objects = append(objects, more...)
	docs := make([]any, len(objects))
	for i, o := range objects {
		docs[i] = o.Object
	}
	return marshalAll(docs)
}
