// Package xpkg tests the packages that `make xpkg` built, as Crossplane would get
// them: pushed to a registry as one package of several platforms, and pulled again.
package xpkg

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"sigs.k8s.io/yaml"
)

func env(t *testing.T, key string) string {
	t.Helper()
	v := os.Getenv(key)
	if v == "" {
		t.Skipf("%s is not set; make sets it", key)
	}
	return v
}

func TestPackage(t *testing.T) {
	cli, packages := env(t, "CROSSPLANE_CLI"), env(t, "XPKGS")

	srv := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer srv.Close()
	ref, err := name.NewTag(strings.TrimPrefix(srv.URL, "http://") + "/function-argocd-cluster:test")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), cli, "xpkg", "push", "--package-files", packages, ref.Name()).CombinedOutput(); err != nil {
		t.Fatalf("crossplane xpkg push: %v\n%s", err, out)
	}
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}

	seen := map[string]bool{}
	for _, d := range manifest.Manifests {
		t.Run(d.Platform.String(), func(t *testing.T) {
			seen[d.Platform.String()] = true
			img, err := index.Image(d.Digest)
			if err != nil {
				t.Fatal(err)
			}
			testMetadata(t, packageYAML(t, img))
			testRuntime(t, img, d.Platform.Architecture)
		})
	}
	for _, p := range []string{"linux/amd64", "linux/arm64"} {
		if !seen[p] {
			t.Errorf("the package has nothing for %s", p)
		}
	}
}

// packageYAML returns package.yaml of the layer that Crossplane reads it from.
func packageYAML(t *testing.T, img v1.Image) []byte {
	t.Helper()
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range manifest.Layers {
		if l.Annotations["io.crossplane.xpkg"] != "base" {
			continue
		}
		layer, err := img.LayerByDigest(l.Digest)
		if err != nil {
			t.Fatal(err)
		}
		r, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		return extract(t, r, "package.yaml")
	}
	t.Fatal("no layer is annotated as the package's base")
	return nil
}

func testMetadata(t *testing.T, packageYAML []byte) {
	t.Helper()
	kinds := map[string]map[string]any{}
	for doc := range bytes.SplitSeq(packageYAML, []byte("\n---\n")) {
		var o map[string]any
		if err := yaml.Unmarshal(doc, &o); err != nil {
			t.Fatal(err)
		}
		if kind, ok := o["kind"].(string); ok {
			kinds[kind] = o
		}
	}
	metadata, _ := kinds["Function"]["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	for _, name := range []string{
		"friendly-name.meta.crossplane.io", "meta.crossplane.io/description", "meta.crossplane.io/license",
		"meta.crossplane.io/maintainer", "meta.crossplane.io/readme", "meta.crossplane.io/source",
	} {
		if v, _ := annotations[name].(string); v == "" {
			t.Errorf("the package has no annotation %s", name)
		}
	}
	spec, _ := kinds["Function"]["spec"].(map[string]any)
	if c, _ := spec["capabilities"].([]any); len(c) != 1 || c[0] != "composition" {
		t.Errorf("capabilities: want [composition], got %v", c)
	}
	crossplane, _ := spec["crossplane"].(map[string]any)
	if crossplane["version"] == nil {
		t.Error("the package names no version of Crossplane")
	}
	crd, _ := kinds["CustomResourceDefinition"]["metadata"].(map[string]any)
	if n := crd["name"]; n != "clusterregistrations.argocd.fn.crossplane.io" {
		t.Errorf("input CRD: got %v", n)
	}
}

// testRuntime checks that the image's entrypoint is a static binary for its
// architecture, and runs it if that is this machine's.
func testRuntime(t *testing.T, img v1.Image, arch string) {
	t.Helper()
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Config.User != "65532:65532" || len(cfg.Config.Entrypoint) != 1 {
		t.Fatalf("user %q, entrypoint %v", cfg.Config.User, cfg.Config.Entrypoint)
	}
	binary := extract(t, mutate.Extract(img), strings.TrimPrefix(cfg.Config.Entrypoint[0], "/"))
	f, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]
	if f.Machine != want {
		t.Errorf("machine: want %s, got %s", want, f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary is not static")
		}
	}
	if arch != runtime.GOARCH {
		return
	}
	path := filepath.Join(t.TempDir(), "function")
	if err := os.WriteFile(path, binary, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), path, "--help").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--metrics-address")) {
		t.Errorf("function --help: %v\n%s", err, out)
	}
}

// extract a file from a tarball.
func extract(t *testing.T, r io.ReadCloser, file string) []byte {
	t.Helper()
	defer r.Close()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			t.Fatalf("no %s", file)
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimPrefix(h.Name, "/") != file {
			continue
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}
