// Command image writes the function's runtime image to a tarball without Docker: a static
// binary, run by a user without rights, and nothing else. The function makes no connection, looks
// up no user and knows no time zone, so the image needs no CA certificates, /etc/passwd or tzdata.
// The Dockerfile makes the same image.
package main

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// nonroot is the user of the distroless images. It is a number, so that Kubernetes can check that
// it is not root.
const nonroot = "65532:65532"

func main() {
	binary := flag.String("binary", "", "the static binary")
	arch := flag.String("arch", "", "the binary's architecture, as Go names it")
	output := flag.String("output", "", "the tarball to write")
	flag.Parse()
	if err := run(*binary, *arch, *output); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(binary, arch, output string) error {
	b, err := os.ReadFile(binary) //nolint:gosec // The command line names it.
	if err != nil {
		return err
	}
	layer, err := layerOf(b)
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	cfg, err := config(img, arch)
	if err != nil {
		return err
	}
	if img, err = mutate.ConfigFile(img, cfg); err != nil {
		return err
	}
	tag, err := name.NewTag("function-argocd-cluster:" + arch)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(output, tag, img)
}

func config(img v1.Image, arch string) (*v1.ConfigFile, error) {
	cfg, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture = "linux", arch
	cfg.Config.Entrypoint = []string{"/function"}
	cfg.Config.User = nonroot
	cfg.Config.ExposedPorts = map[string]struct{}{"9443/tcp": {}}
	return cfg, nil
}

// layerOf returns the only layer, which holds only the binary. It has no times in it, so that
// equal binaries make equal images.
func layerOf(binary []byte) (v1.Layer, error) {
	buf := &bytes.Buffer{}
	w := tar.NewWriter(buf)
	if err := w.WriteHeader(&tar.Header{Name: "function", Mode: 0o755, Size: int64(len(binary)), Format: tar.FormatPAX}); err != nil {
		return nil, err
	}
	if _, err := w.Write(binary); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil })
}
