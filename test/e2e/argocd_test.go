package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
	// Of its image, the repo server needs this script beside Git.
	programs, script := filepath.Join(home, "bin"), "git-verify-wrapper.sh"
	if err := copyFile(filepath.Join(folder, "hack", script), filepath.Join(programs, script)); err != nil {
		return err
	}
	if err := os.Symlink(s.program("helm"), filepath.Join(programs, "helm")); err != nil {
		return err
	}
	// As in the image, one program has many names. One is that of the credential plugin.
	for _, name := range []string{"argocd-repo-server", "argocd-application-controller", "argocd-applicationset-controller", "argocd-k8s-auth"} {
		if err := os.Symlink(s.program("argocd"), filepath.Join(programs, name)); err != nil {
			return err
		}
	}
	env := func(name string) []string {
		return append([]string{
			"PATH=" + programs + ":" + os.Getenv("PATH"), "HOSTNAME=" + name + "-0", "ARGOCD_FAKE_IN_CLUSTER=true", "ARGOCD_GPG_ENABLED=false",
			"ARGOCD_TLS_DATA_PATH=" + filepath.Join(home, "tls"), "ARGOCD_SSH_DATA_PATH=" + filepath.Join(home, "ssh"),
			"ARGOCD_PLUGINSOCKFILEPATH=" + filepath.Join(home, "plugins"), "ARGOCD_ASK_PASS_SOCK=" + filepath.Join(home, "ask-pass.sock"),
		}, fromGit()...)
	}
	for _, d := range []string{"tls", "ssh", "plugins"} {
		if err := os.MkdirAll(filepath.Join(home, d), 0o700); err != nil {
			return err
		}
	}
	if _, err := s.start("redis", "redis-server", nil, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.path("tmp")); err != nil {
		return err
	}
	if _, err := s.start("argocd-repo-server", filepath.Join(programs, "argocd-repo-server"), env("argocd-repo-server"), "--redis="+redisAddr,
		"--address=127.0.0.1", "--port=8081", "--metrics-address=127.0.0.1", "--metrics-port=8084", "--disable-tls", "--client-ca-path="); err != nil {
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
		identity, err := s.hub.serviceAccount(ctx, home, argocdNamespace, name)
		if err != nil {
			return err
		}
		environment := append(env(name), "KUBECONFIG="+identity)
		if name == "argocd-application-controller" {
			inClouds, err := s.tokens.env(ctx, filepath.Join(home, "clouds"))
			if err != nil {
				return err
			}
			environment = append(environment, inClouds...)
		}
		if _, err := s.start(name, filepath.Join(programs, name), environment, append(args, "--namespace="+argocdNamespace)...); err != nil {
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
			o.Object["data"] = map[string]any{"server.secretkey": base64.StdEncoding.EncodeToString([]byte(rand.Text()))}
		}
		o.SetNamespace(argocdNamespace)
		out = append(out, o)
	}
	return out
}

// serveGit serves testdata/apps, by Git's own HTTP server, and whatever else is published.
func (s *system) serveGit(ctx context.Context) error {
	apps := s.path("git", "apps")
	if err := os.CopyFS(apps, os.DirFS(filepath.Join("testdata", "apps"))); err != nil {
		return err
	}
	if err := s.publishGit("apps", "master"); err != nil {
		return err
	}
	folder, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return err
	}
	return serve(ctx, gitAddr, &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(folder)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + s.path("git"), "GIT_HTTP_EXPORT_ALL=1", "HOME=" + s.path("home")},
	})
}

// publishGit makes a repository of the folder git/NAME, whose origin is served.
func (s *system) publishGit(name, branch string) error {
	work, origin := s.path("git", name), s.path("git", name+".git")
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=" + branch, work},
		{"-C", work, "config", "user.name", "e2e"},
		{"-C", work, "config", "user.email", "e2e@example.org"},
		{"-C", work, "add", "."},
		{"-C", work, "commit", "--quiet", "--message=" + name},
		{"clone", "--quiet", "--bare", work, origin},
		{"-C", work, "remote", "add", "origin", origin},
		{"-C", work, "fetch", "--quiet"},
		{"-C", work, "branch", "--quiet", "--set-upstream-to=origin/" + branch},
	} {
		if err := s.git(args...); err != nil {
			return err
		}
	}
	return nil
}

// git runs git.
func (s *system) git(args ...string) error {
	cmd := exec.Command("git", args...)
	cmd.Env = append(os.Environ(), "HOME="+s.path("home"), "GIT_CONFIG_NOSYSTEM=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", args[0], err, out)
	}
	return nil
}

func listening(ctx context.Context, addr string) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return c.Close()
}
