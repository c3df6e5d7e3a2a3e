package e2e

import (
	"archive/tar"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Packages come from a registry on loopback. An ImageConfig of Crossplane's leads
// there from where the examples have them.
const (
	registryAddr = "127.0.0.1:5001"
	upstream     = "xpkg.crossplane.io"

	// Where the clouds' providers come from.
	marketplace = "xpkg.upbound.io"
)

// imageConfigs lead to the registry on loopback.
func imageConfigs() []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, from := range []string{upstream, marketplace} {
		o := object("pkg.crossplane.io/v1beta1", "ImageConfig", "", from)
		o.Object["spec"] = map[string]any{
			"matchImages":  []any{map[string]any{"type": "Prefix", "prefix": from}},
			"rewriteImage": map[string]any{"prefix": registryAddr},
		}
		out = append(out, o)
	}
	return out
}

// serveRegistry serves the packages that objects refer to: of this project's function,
// the file that is to be tested; of the others, what is made of their programs.
func (s *system) serveRegistry(ctx context.Context, objects []*unstructured.Unstructured) error {
	if err := serve(ctx, registryAddr, registry.New(registry.Logger(log.New(io.Discard, "", 0)))); err != nil {
		return err
	}
	for _, o := range objects {
		ref, _, _ := unstructured.NestedString(o.Object, "spec", "package")
		if ref == "" {
			continue
		}
		tag, err := name.NewTag(onLoopback(ref))
		if err != nil {
			return err
		}
		img, err := s.packageOf(ctx, o)
		if err != nil {
			return err
		}
		if err := remote.Write(tag, img, remote.WithContext(ctx)); err != nil {
			return err
		}
	}
	return nil
}

func onLoopback(ref string) string {
	return strings.NewReplacer(upstream, registryAddr, marketplace, registryAddr).Replace(ref)
}

func (s *system) packageOf(ctx context.Context, o *unstructured.Unstructured) (v1.Image, error) {
	if o.GetName() == functionName {
		return tarball.ImageFromPath(*xpkg, nil)
	}
	program := o.GetName()
	if program == providerName {
		program = *providerTool
	}
	var meta []byte
	var err error
	switch {
	case o.GetName() == cloudName:
		meta, err = cloudPackage(cloudName, cloudKinds)
	case isPlayed(o.GetName()):
		meta, err = cloudPackage(o.GetName(), s.kindsOf(o))
	case o.GetName() == providerName:
		// The released description and CRDs.
		var dir string
		if dir, err = module(ctx, "tools/"+program, "github.com/crossplane-contrib/provider-kubernetes"); err == nil {
			report.sayf("%s is packed", path.Base(dir))
			meta, err = join(path.Join(dir, "package", "crossplane.yaml"), path.Join(dir, "package", "crds"))
		}
	default:
		meta, err = yaml.Marshal(map[string]any{
			"apiVersion": "meta.pkg.crossplane.io/v1", "kind": o.GetKind(),
			"metadata": map[string]any{"name": o.GetName()},
			"spec":     map[string]any{"capabilities": []any{"composition"}},
		})
	}
	if err != nil {
		return nil, err
	}
	base, err := crane.Layer(map[string][]byte{"package.yaml": meta})
	if err != nil {
		return nil, err
	}
	img, err := mutate.Append(empty.Image, mutate.Addendum{Layer: base, Annotations: map[string]string{"io.crossplane.xpkg": "base"}})
	if err != nil || isPlayed(o.GetName()) {
		return img, err
	}
	b, err := os.ReadFile(s.program(program))
	if err != nil {
		return nil, err
	}
	binary, err := crane.Layer(map[string][]byte{"program": b})
	if err != nil {
		return nil, err
	}
	if img, err = mutate.AppendLayers(img, binary); err != nil {
		return nil, err
	}
	return mutate.Config(img, v1.Config{Entrypoint: []string{"/program"}})
}

// publish the function's package under another tag. A label makes it another image.
func (s *system) publish(ctx context.Context, ref string) error {
	tag, err := name.NewTag(onLoopback(ref))
	if err != nil {
		return err
	}
	img, err := tarball.ImageFromPath(*xpkg, nil)
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	if config.Config.Labels == nil {
		config.Config.Labels = map[string]string{}
	}
	config.Config.Labels["e2e"] = tag.TagStr()
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return err
	}
	return remote.Write(tag, img, remote.WithContext(ctx))
}

// pull an image, and return the path of its program and the program's arguments.
func pull(ctx context.Context, image, dir string) (program string, args []string, err error) {
	ref, err := name.ParseReference(image)
	if err != nil {
		return "", nil, err
	}
	img, err := remote.Image(ref, remote.WithContext(ctx), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err != nil {
		return "", nil, err
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return "", nil, err
	}
	command := slices.Concat(cfg.Config.Entrypoint, cfg.Config.Cmd)
	files := mutate.Extract(img)
	defer files.Close()
	r := tar.NewReader(files)
	for {
		h, err := r.Next()
		if err != nil {
			return "", nil, err
		}
		if path.Join("/", h.Name) != command[0] {
			continue
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return "", nil, err
		}
		program = path.Join(dir, path.Base(command[0]))
		if err := write(program, b); err != nil {
			return "", nil, err
		}
		return program, command[1:], os.Chmod(program, 0o700)
	}
}

func serve(ctx context.Context, addr string, h http.Handler) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	go http.Serve(l, h)
	return nil
}

// serveTLS serves with a certificate.
func serveTLS(ctx context.Context, addr string, pair keyPair, h http.Handler) error {
	cert, err := tls.X509KeyPair(pair.cert, pair.key)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	go http.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}), h)
	return nil
}
