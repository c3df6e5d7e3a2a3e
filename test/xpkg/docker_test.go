package xpkg

import (
	"archive/tar"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestDockerfile checks, without Docker, that the Dockerfile says what the package's image has,
// and builds with the same Go and the same flags.
func TestDockerfile(t *testing.T) {
	flags := env(t, "BUILD_FLAGS")
	dockerfile, goMod := read(t, "Dockerfile"), read(t, "go.mod")
	cfg, err := load(t, strings.Split(env(t, "XPKGS"), ",")[0]).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	_, image, _ := strings.Cut(dockerfile, "\nFROM scratch AS image\n")
	toolchain := regexp.MustCompile(`(?m)^toolchain go(\S+)$`).FindStringSubmatch(goMod)
	if len(toolchain) != 2 {
		t.Fatal("go.mod has no toolchain")
	}

	for _, tc := range []struct{ reason, in, want string }{
		{"The Go image has the version of go.mod, and a digest.", dockerfile, " golang:" + toolchain[1] + "@sha256:"},
		{"The build has the Makefile's flags.", dockerfile, " go build " + flags + " -o /function .\n"},
		{"The build is static.", dockerfile, "\nENV CGO_ENABLED=0\n"},
		{"The image holds the binary where its entrypoint is.", image, "COPY --from=build /function " + cfg.Config.Entrypoint[0] + "\n"},
		{"The entrypoint is the same.", image, fmt.Sprintf("\nENTRYPOINT [%q]\n", cfg.Config.Entrypoint[0])},
		{"The user is the same.", image, "\nUSER " + cfg.Config.User + "\n"},
		{"The port is the same.", image, "\nEXPOSE " + strings.TrimSuffix(slices.Collect(maps.Keys(cfg.Config.ExposedPorts))[0], "/tcp") + "\n"},
	} {
		if !strings.Contains(tc.in, tc.want) {
			t.Errorf("%s The Dockerfile does not have %q", tc.reason, tc.want)
		}
	}
}

// TestDocker compares the images that the Dockerfile made with those of tools/image.
func TestDocker(t *testing.T) {
	for path := range strings.SplitSeq(env(t, "IMAGES"), ",") {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			want, got := load(t, path), load(t, filepath.Join(filepath.Dir(path), "docker.tar"))
			if w, g := facts(t, want), facts(t, got); w != g {
				t.Errorf("config: want %s, got %s", w, g)
			}
			if w, g := files(t, want), files(t, got); !maps.Equal(w, g) {
				t.Errorf("files: want %v, got %v", w, g)
			}
		})
	}
}

// facts returns what an image's config says of how to run it. Docker adds an environment and a
// working directory, which the function does not use.
func facts(t *testing.T, img v1.Image) string {
	t.Helper()
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.Config
	return fmt.Sprintf("%s/%s, user %s, runs %q %q, ports %v", cfg.OS, cfg.Architecture, c.User, c.Entrypoint, c.Cmd, c.ExposedPorts)
}

// files returns the mode and hash of each file in an image.
func files(t *testing.T, img v1.Image) map[string]string {
	t.Helper()
	r := mutate.Extract(img)
	defer r.Close()
	all := map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, tr); err != nil {
			t.Fatal(err)
		}
		all[strings.TrimPrefix(h.Name, "/")] = fmt.Sprintf("%o %x", h.Mode&0o7777, sum.Sum(nil))
	}
}

func load(t *testing.T, path string) v1.Image {
	t.Helper()
	img, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// read a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
