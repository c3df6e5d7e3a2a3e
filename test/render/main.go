// Command render renders examples through Crossplane's own reconciler, without
// Docker: `crossplane composition render` with a local crossplane binary, and with
// the functions started on loopback. It prints what is composed for Argo CD, with
// credentials masked, and fails where the rendering is not the one expected. It also checks how
// often the documentation says that Crossplane runs the pipelines.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/yaml"
)

const (
	conditionRegistered = "ArgoCDClusterRegistered"

	// How long a function may take to listen, and a rendering to be done.
	timeout = time.Minute
)

type options struct {
	cli, engine string
	functions   map[string]string
	update      bool
	docs        string
	registered  string

	ttls ttls

	// The functions that run.
	running sync.WaitGroup
}

func main() {
	o := &options{functions: map[string]string{}}
	flag.StringVar(&o.cli, "cli", "", "the Crossplane CLI")
	flag.StringVar(&o.engine, "engine", "", "Crossplane itself")
	flag.Func("function", "NAME=BINARY of a function to run; may be repeated", func(s string) error {
		name, binary, ok := strings.Cut(s, "=")
		if !ok {
			return errors.New("want NAME=BINARY")
		}
		o.functions[name] = binary
		return nil
	})
	flag.BoolVar(&o.update, "update", false, "write expected.yaml instead of comparing with it")
	flag.StringVar(&o.docs, "docs", "", "the page that says how often which pipeline runs")
	flag.StringVar(&o.registered, "registered", "", "the example of a registered cluster to check that with")
	flag.Parse()

	if err := o.run(context.Background(), flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func (o *options) run(ctx context.Context, examples []string) error {
	dir, err := os.MkdirTemp("", "render")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // It is a temporary directory.

	// Stop the functions, and wait until they have ended: this program must not end first.
	ctx, stop := context.WithCancel(ctx)
	defer o.running.Wait()
	defer stop()
	targets := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(o.functions)) {
		address, err := o.start(ctx, name, o.functions[name])
		if err != nil {
			return err
		}
		if targets[name], err = o.record(ctx, name, address); err != nil {
			return err
		}
	}
	functions := filepath.Join(dir, "functions.yaml")
	if err := os.WriteFile(functions, developmentFunctions(targets), 0o600); err != nil {
		return err
	}
	for _, e := range examples {
		if err := o.render(ctx, e, functions); err != nil {
			return fmt.Errorf("%s: %w", e, err)
		}
	}
	return o.checkTTLs(ctx, o.docs, o.registered, examples, functions)
}

// start a function on a free port of the loopback interface, and return its address
// once it listens.
func (o *options) start(ctx context.Context, name, binary string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // It is closed at once.
	if err != nil {
		return "", err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", err
	}

	output := &bytes.Buffer{}
	cmd := exec.CommandContext(ctx, binary, "--insecure", "--address="+address) //nolint:gosec // The command line names it.
	// The functions' SDK serves metrics on a fixed port where it knows this flag.
	if help, _ := exec.CommandContext(ctx, binary, "--help").Output(); bytes.Contains(help, []byte("--metrics-address")) {
		cmd.Args = append(cmd.Args, "--metrics-address=")
	}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		return "", err
	}
	exited := make(chan error, 1)
	o.running.Go(func() { exited <- cmd.Wait() })

	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil { //nolint:noctx // It has a time-out.
			return address, c.Close()
		}
		select {
		case err := <-exited:
			return "", fmt.Errorf("%s ended: %w\n%s", name, err, output)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return "", fmt.Errorf("%s does not listen at %s", name, address)
}

// developmentFunctions returns the manifests of functions that run at the targets.
func developmentFunctions(targets map[string]string) []byte {
	b := &bytes.Buffer{}
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		fmt.Fprintf(b, `---
apiVersion: pkg.crossplane.io/v1
kind: Function
metadata:
  name: %s
  annotations:
    render.crossplane.io/runtime: Development
    render.crossplane.io/runtime-development-target: %s
spec:
  package: local
`, name, targets[name])
	}
	return b.Bytes()
}

// render an example, print what it composes for Argo CD, and compare it with what is
// expected.
func (o *options) render(ctx context.Context, example, functions string) error {
	fmt.Printf("\n==> %s\n", example)
	got, err := o.crossplane(ctx, example, "composition.yaml", functions)
	if err != nil {
		return err
	}
	description, err := describe(got)
	if err != nil {
		return err
	}
	fmt.Print(description)
	fmt.Printf("Crossplane runs the pipeline again after %v.\n", o.ttls.pipeline())

	expected := filepath.Join(example, "expected.yaml")
	if o.update {
		return os.WriteFile(expected, got, 0o600)
	}
	want, err := os.ReadFile(expected) //nolint:gosec // The command line names it.
	if err != nil {
		return err
	}
	if !bytes.Equal(want, got) {
		actual, err := os.CreateTemp("", "rendered-*.yaml")
		if err != nil {
			return err
		}
		defer actual.Close() //nolint:errcheck // It was written.
		if _, err := actual.Write(got); err != nil {
			return err
		}
		return fmt.Errorf("the rendering is not %s; see diff -u %s %s", expected, expected, actual.Name())
	}
	fmt.Printf("\nThis is the rendering in %s.\n", expected)
	return nil
}

// crossplane renders an example with a Composition.
func (o *options) crossplane(ctx context.Context, example, composition, functions string) ([]byte, error) {
	o.ttls.reset()
	args := []string{"composition", "render"}
	for _, f := range []struct{ flag, name string }{
		{"", "xr.yaml"},
		{"", composition},
		{"", functions},
		{"--xrd", "definition.yaml"},
		{"--observed-resources", "observed.yaml"},
		{"--required-resources", "connection-secret.yaml"},
	} {
		path, err := find(example, f.name)
		if err != nil {
			return nil, err
		}
		switch {
		case f.flag == "":
			args = append(args, path)
		case path != "":
			args = append(args, f.flag, path)
		}
	}

	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	stderr := &bytes.Buffer{}
	cmd := exec.CommandContext(ctx, o.cli, append(args, "--crossplane-binary", o.engine)...) //nolint:gosec // The command line names it.
	cmd.Stderr = stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("crossplane composition render: %w\n%s", err, stderr)
	}
	return out, nil
}

// find a file of an example: its own, else that of the folder above. One that holds only
// comments says that there is nothing of the kind.
func find(example, name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	for dir := example; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(path) //nolint:gosec // The command line names it.
		switch {
		case err == nil:
			var content any
			if err := yaml.Unmarshal(b[:bytes.Index(append(b, "\n---\n"...), []byte("\n---\n"))], &content); err != nil {
				return "", fmt.Errorf("%s: %w", path, err)
			}
			if content == nil {
				return "", nil
			}
			return path, nil
		case filepath.Base(dir) == "example" || dir == filepath.Dir(dir):
			return "", fmt.Errorf("%s has no %s", example, name)
		}
	}
}

// A rendered object is what is shown of one.
type rendered struct {
	Kind string
	Spec struct {
		ForProvider struct {
			Manifest struct {
				Kind string
				Data map[string]string // of a Secret in base64, of a ConfigMap as it is
			}
		}
	}
	Status struct {
		Conditions []struct{ Type, Status, Reason, Message string }
	}
}

// describe what of a rendering is about Argo CD: the XR's condition, and the Objects
// that hold a cluster Secret, with the Secret's data decoded and its credentials masked.
func describe(rendering []byte) (string, error) {
	out := &bytes.Buffer{}
	for doc := range bytes.SplitSeq(bytes.TrimPrefix(rendering, []byte("---\n")), []byte("\n---\n")) {
		o := &rendered{}
		if err := yaml.Unmarshal(doc, o); err != nil {
			return "", err
		}
		for _, c := range o.Status.Conditions {
			if c.Type == conditionRegistered || c.Type == "Ready" {
				fmt.Fprintf(out, "%s %s=%s, %s: %s\n", o.Kind, c.Type, c.Status, c.Reason, c.Message)
			}
		}
		// Other Secrets, like that of a ServiceAccount's token, have no data here.
		manifest := o.Spec.ForProvider.Manifest
		if o.Kind != "Object" || manifest.Kind != "Secret" || len(manifest.Data) == 0 {
			continue
		}
		data := map[string][]byte{}
		for k, v := range manifest.Data {
			var err error
			if data[k], err = base64.StdEncoding.DecodeString(v); err != nil {
				return "", fmt.Errorf("data of a Secret: %s is not base64", k)
			}
		}
		config, err := mask(data["config"])
		if err != nil {
			return "", err
		}
		fmt.Fprintf(out, "---\n%s\n---\n", bytes.ReplaceAll(doc, []byte(manifest.Data["config"]), []byte("(below)")))
		fmt.Fprintf(out, "name: %s\nserver: %s\nconfig: %s\n", data["name"], data["server"], config)
	}
	return out.String(), nil
}

// mask the credentials in a cluster Secret's config.
func mask(config []byte) ([]byte, error) {
	var c map[string]any
	if err := json.Unmarshal(config, &c); err != nil {
		return nil, errors.New("config is not JSON")
	}
	tls, _ := c["tlsClientConfig"].(map[string]any)
	for _, m := range []map[string]any{c, tls} {
		for k, v := range m {
			s, ok := v.(string)
			switch {
			case !ok:
			case k == "caData":
				m[k] = s[:min(len(s), 32)] + "…"
			case k == "certData", k == "keyData", k == "bearerToken", k == "password":
				m[k] = "(masked)"
			}
		}
	}
	return json.MarshalIndent(c, "", "  ")
}
