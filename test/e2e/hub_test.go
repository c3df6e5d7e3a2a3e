package e2e

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var hubFromGit = flag.Bool("hub", false, "start with Argo CD alone: the rest of the hub comes from Git, as example/hub says")

const (
	chartsAddr = "127.0.0.1:3001"
	hubGit     = "http://" + gitAddr + "/hub.git"

	// What the hub's files say, and what is not here.
	hubURL = "https://github.com/crossplane-contrib/function-argocd-cluster"
)

// fromGit is what Argo CD is told if the hub comes from Git: to look at Git often, and what
// example/hub/argocd says, which Argo CD reads when it starts.
func fromGit() []string {
	if !*hubFromGit {
		return nil
	}
	return []string{
		"ARGOCD_RECONCILIATION_TIMEOUT=10s", "ARGOCD_RECONCILIATION_JITTER=0s",
		"ARGOCD_APPLICATIONSET_CONTROLLER_ENABLE_PROGRESSIVE_SYNCS=true",
	}
}

// hubRepository publishes the platform team's repository, the charts and the packages that it
// names.
func (s *system) hubRepository(ctx context.Context) error {
	if err := s.charts(ctx); err != nil {
		return err
	}
	work := s.path("git", "hub")
	if err := os.CopyFS(filepath.Join(work, "example"), os.DirFS(examples)); err != nil {
		return err
	}
	if err := s.adapt(work); err != nil {
		return err
	}
	if err := s.publishGit("hub", "main"); err != nil {
		return err
	}
	if err := errors.Join(s.git("-C", work, "tag", "v1.0.0"), s.git("-C", work, "push", "--quiet", "origin", "v1.0.0")); err != nil {
		return err
	}

	packages, err := loadFolder(filepath.Join(work, "example", "hub", "packages"))
	if err != nil {
		return err
	}
	if s.cloud.kinds, err = managedKinds(filepath.Join(work, "example")); err != nil {
		return err
	}
	s.cloud.hub, s.played = s.hub, slices.DeleteFunc(slices.Clone(packages), func(o *unstructured.Unstructured) bool {
		return o.GetKind() != "Provider" || !isPlayed(o.GetName())
	})
	if err := s.serveRegistry(ctx, packages); err != nil {
		return err
	}
	go s.cloud.run(ctx)
	report.sayf("the platform team's repository is served")
	return nil
}

// adapt the platform team's repository to what is here: where Git and the charts are, and, as all
// clusters share a spoke, a namespace for each cluster.
func (s *system) adapt(work string) error {
	charts := "http://" + chartsAddr
	for _, r := range []struct{ under, old, now string }{
		{"hub", hubURL, hubGit},
		{"hub", "https://charts.crossplane.io/stable", charts},
		{"hub", "https://kubernetes.github.io/ingress-nginx", charts},
		{"hub", "https://prometheus-community.github.io/helm-charts", charts},
		{"hub/delivery", `namespace: "{{ .addon }}"`, `namespace: '{{ .addon }}-{{ .name | replace "." "-" }}'`},
		{"hub/delivery", "namespace: ingress-nginx\n", "namespace: ingress-nginx-*\n"},
		{"hub/delivery", "namespace: kube-prometheus-stack\n", "namespace: kube-prometheus-stack-*\n"},
		{"hub/delivery", "namespace: guestbook\n", "namespace: guestbook-*\n"},
	} {
		found := false
		root := filepath.Join(work, "example", filepath.FromSlash(r.under))
		if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(b), r.old) {
				return err
			}
			found = true
			return os.WriteFile(path, []byte(strings.ReplaceAll(string(b), r.old, r.now)), 0o600)
		}); err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("example/%s does not say %q", r.under, r.old)
		}
	}
	return nil
}

// managedKinds are the kinds of managed resources in the Compositions of the hub, and of the
// configurations of their providers.
func managedKinds(examples string) ([]schema.GroupVersionKind, error) {
	objects, err := loadFolder(filepath.Join(examples, "hub", "configs"))
	if err != nil {
		return nil, err
	}
	for _, cloud := range []string{"aks", "eks", "gke"} {
		compositions, err := load(filepath.Join(examples, cloud, "composition.yaml"))
		if err != nil {
			return nil, err
		}
		for _, c := range compositions {
			objects = append(objects, bases(c)...)
		}
	}
	var out []schema.GroupVersionKind
	for _, o := range objects {
		if gvk := o.GroupVersionKind(); strings.HasSuffix(gvk.Group, ".upbound.io") && !slices.Contains(out, gvk) {
			out = append(out, gvk)
		}
	}
	slices.SortFunc(out, func(a, b schema.GroupVersionKind) int { return cmp.Compare(a.String(), b.String()) })
	return out, nil
}

// bases of the resources that a Composition's function-patch-and-transform composes.
func bases(composition *unstructured.Unstructured) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	pipeline, _, _ := unstructured.NestedSlice(composition.Object, "spec", "pipeline")
	for _, step := range pipeline {
		resources, _, _ := unstructured.NestedSlice(step.(map[string]any), "input", "resources")
		for _, r := range resources {
			if base, ok := r.(map[string]any)["base"].(map[string]any); ok {
				out = append(out, &unstructured.Unstructured{Object: base})
			}
		}
	}
	return out
}

// kindsOf a played provider: the first has them all.
func (s *system) kindsOf(provider *unstructured.Unstructured) []schema.GroupVersionKind {
	if len(s.played) > 0 && s.played[0].GetName() == provider.GetName() {
		return s.cloud.kinds
	}
	return nil
}

// startCrossplane runs Crossplane when Argo CD has applied its chart.
func (s *system) startCrossplane(ctx context.Context) error {
	if err := s.runCrossplane(ctx); err != nil {
		return err
	}
	return s.hub.apply(ctx, imageConfigs()...)
}

// charts serves a Helm repository: Crossplane's own chart, and charts that have the names of the
// public ones, but deploy nothing that somebody would have to pull.
func (s *system) charts(ctx context.Context) error {
	folder, err := crossplaneModule(ctx)
	if err != nil {
		return err
	}
	charts := s.path("charts")
	if err := s.chart(ctx, filepath.Join(folder, "cluster", "charts", "crossplane"), strings.TrimPrefix(filepath.Base(folder), "v2@v")); err != nil {
		return err
	}
	umbrellas, err := filepath.Glob(filepath.Join(examples, "hub", "baseline", "*", "Chart.yaml"))
	if err != nil {
		return err
	}
	for _, u := range umbrellas {
		metadata, err := chartutil.LoadChartfile(u)
		if err != nil {
			return err
		}
		for _, d := range metadata.Dependencies {
			dir := s.path("tmp", d.Name)
			if err := errors.Join(
				os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "chart"))),
				write(filepath.Join(dir, "Chart.yaml"), fmt.Appendf(nil, "apiVersion: v2\nname: %s\nversion: %s\n", d.Name, d.Version)),
				s.chart(ctx, dir, d.Version),
			); err != nil {
				return err
			}
		}
	}
	return errors.Join(s.helm(ctx, "repo", "index", charts), serve(ctx, chartsAddr, http.FileServer(http.Dir(charts))))
}

// chart packs a chart.
func (s *system) chart(ctx context.Context, dir, version string) error {
	return s.helm(ctx, "package", dir, "--version", version, "--app-version", version, "--destination", s.path("charts"))
}

func (s *system) helm(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, s.program("helm"), args...)
	cmd.Env = append(os.Environ(), "HOME="+s.path("home"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("helm %s: %w: %s", args[0], err, out)
	}
	return nil
}
