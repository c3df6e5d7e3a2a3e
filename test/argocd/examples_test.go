package argocd

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/settings"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"
)

// example is the path of a file or folder below example.
func example(path ...string) string {
	return filepath.Join(append([]string{"..", "..", "example"}, path...)...)
}

// documents returns the objects in the files below a folder of the examples, or in one file, with
// their file. Charts' templates are no YAML.
func documents(t *testing.T, path ...string) map[string][]*unstructured.Unstructured {
	t.Helper()
	out := map[string][]*unstructured.Unstructured{}
	err := filepath.WalkDir(example(path...), func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "templates":
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".yaml":
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for doc := range strings.SplitSeq("\n"+string(b), "\n---\n") {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(doc), &o.Object); err != nil {
				return err
			}
			if o.GetKind() != "" {
				out[path] = append(out[path], o)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("no objects below %v", path)
	}
	return out
}

// typed returns the objects of one of Argo CD's kinds below a folder of the examples, by name. They
// must not have a field that Argo CD does not know.
func typed[T any](t *testing.T, kind string, path ...string) map[string]*T {
	t.Helper()
	out := map[string]*T{}
	for file, objects := range documents(t, path...) {
		for _, o := range objects {
			if o.GetKind() != kind || o.GroupVersionKind().Group != "argoproj.io" {
				continue
			}
			into := new(T)
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, into, true); err != nil {
				t.Fatalf("%s: %s %s: %v", file, kind, o.GetName(), err)
			}
			name := o.GetName()
			if out[name] != nil {
				name = file + " " + name
			}
			out[name] = into
		}
	}
	if len(out) == 0 {
		t.Fatalf("no %s below %v", kind, path)
	}
	return out
}

// projects returns the hub's AppProjects.
func projects(t *testing.T) map[string]*v1alpha1.AppProject {
	t.Helper()
	return typed[v1alpha1.AppProject](t, "AppProject", "hub")
}

// hubSettings has Argo CD read the settings of the hub.
func hubSettings(t *testing.T) *settings.SettingsManager {
	t.Helper()
	client := fake.NewClientset()
	n := 0
	for _, objects := range documents(t, "hub", "argocd") {
		for _, o := range objects {
			if o.GetKind() != "ConfigMap" {
				continue
			}
			cm := &corev1.ConfigMap{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, cm, true); err != nil {
				t.Fatal(err)
			}
			if err := client.Tracker().Add(cm); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	if n != 2 {
		t.Fatalf("%d ConfigMaps", n)
	}
	secret := &corev1.Secret{Data: map[string][]byte{"server.secretkey": []byte("fake")}}
	secret.Namespace, secret.Name = "argocd", "argocd-secret"
	secret.Labels = map[string]string{"app.kubernetes.io/part-of": "argocd"}
	if err := client.Tracker().Add(secret); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return settings.NewSettingsManager(ctx, client, "argocd")
}

// reasons returns the reasons of the condition that docs/troubleshooting.md has. The root module's
// tests compare them with the code.
func reasons(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(b), "\n## The condition\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var out []string
	for line := range strings.Lines(section) {
		if reason, ok := strings.CutPrefix(line, "### "); ok {
			out = append(out, strings.TrimSpace(reason))
		}
	}
	slices.Sort(out)
	return out
}
