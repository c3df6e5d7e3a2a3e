package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// load the objects of YAML files.
func load(files ...string) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		objects, err := parse(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		out = append(out, objects...)
	}
	return out, nil
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

// marshalAll writes documents as one YAML stream.
func marshalAll(docs []any) ([]byte, error) {
	var out []byte
	for _, d := range docs {
		b, err := yaml.Marshal(d)
		if err != nil {
			return nil, err
		}
		out = slices.Concat(out, []byte("---\n"), b)
	}
	return out, nil
}
