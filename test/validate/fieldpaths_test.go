package validate

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A patch of function-patch-and-transform has field paths of the XR and of a composed resource.
type patch struct {
	Type          string `json:"type"`
	PatchSetName  string `json:"patchSetName"`
	FromFieldPath string `json:"fromFieldPath"`
	ToFieldPath   string `json:"toFieldPath"`
	Combine       struct {
		Variables []struct {
			FromFieldPath string `json:"fromFieldPath"`
		} `json:"variables"`
	} `json:"combine"`
}

// resources are the input of function-patch-and-transform.
type resources struct {
	PatchSets []struct {
		Name    string  `json:"name"`
		Patches []patch `json:"patches"`
	} `json:"patchSets"`
	Environment struct {
		Patches []patch `json:"patches"`
	} `json:"environment"`
	Resources []struct {
		Name              string                    `json:"name"`
		Base              unstructured.Unstructured `json:"base"`
		Patches           []patch                   `json:"patches"`
		ConnectionDetails []struct {
			FromFieldPath string `json:"fromFieldPath"`
		} `json:"connectionDetails"`
		ReadinessChecks []struct {
			FieldPath string `json:"fieldPath"`
		} `json:"readinessChecks"`
	} `json:"resources"`
}

// probes returns for each field path in a Composition an object that has nothing but the field. A
// field that does not exist is as good as one that is not set: nothing reports it.
func probes(composition *document) ([]*document, error) {
	p := &prober{composition: composition}
	apiVersion, _, _ := unstructured.NestedString(composition.Object, "spec", "compositeTypeRef", "apiVersion")
	kind, _, _ := unstructured.NestedString(composition.Object, "spec", "compositeTypeRef", "kind")
	xr := schema.FromAPIVersionAndKind(apiVersion, kind)
	p.add(xr, "compositeTypeRef", "metadata")

	for _, s := range steps(composition.Unstructured) {
		input, _ := s["input"].(map[string]any)
		switch input["kind"] {
		case "ClusterRegistration":
			p.registration(xr, input)
		case "Resources":
			b, err := json.Marshal(input)
			if err != nil {
				return nil, err
			}
			r := &resources{}
			if err := json.Unmarshal(b, r); err != nil {
				return nil, err
			}
			p.resources(xr, r)
		}
	}
	return p.documents, nil
}

type prober struct {
	composition *document
	documents   []*document
}

// add an object of the kind that has the field. The environment has no kind.
func (p *prober) add(gvk schema.GroupVersionKind, where, fieldPath string) {
	if gvk.Empty() || fieldPath == "" {
		return
	}
	object := build(fieldPath)
	object["apiVersion"], object["kind"] = gvk.GroupVersion().String(), gvk.Kind
	p.documents = append(p.documents, &document{
		Unstructured: &unstructured.Unstructured{Object: object},
		file:         p.composition.file, probe: true,
		within: fmt.Sprintf("Composition %s: %s: ", p.composition.GetName(), where),
	})
}

func (p *prober) resources(xr schema.GroupVersionKind, r *resources) {
	sets := map[string][]patch{}
	for _, s := range r.PatchSets {
		sets[s.Name] = s.Patches
	}
	for _, patch := range r.Environment.Patches {
		p.patch(xr, schema.GroupVersionKind{}, "patch of the environment", &patch)
	}
	for _, resource := range r.Resources {
		gvk, where := resource.Base.GroupVersionKind(), "patch of "+resource.Name
		for _, patch := range resource.Patches {
			if patch.Type != "PatchSet" {
				p.patch(xr, gvk, where, &patch)
			}
			for _, patch := range sets[patch.PatchSetName] {
				p.patch(xr, gvk, where, &patch)
			}
		}
		for _, c := range resource.ConnectionDetails {
			p.add(gvk, "connection details of "+resource.Name, c.FromFieldPath)
		}
		for _, c := range resource.ReadinessChecks {
			p.add(gvk, "readiness check of "+resource.Name, c.FieldPath)
		}
	}
}

func (p *prober) patch(xr, composed schema.GroupVersionKind, where string, patch *patch) {
	var environment schema.GroupVersionKind
	from, to := xr, composed
	switch patch.Type {
	case "ToCompositeFieldPath", "CombineToComposite":
		from, to = composed, xr
	case "FromEnvironmentFieldPath", "CombineFromEnvironment":
		from = environment
	case "ToEnvironmentFieldPath", "CombineToEnvironment":
		from, to = composed, environment
	}
	p.add(from, where, patch.FromFieldPath)
	for _, v := range patch.Combine.Variables {
		p.add(from, where, v.FromFieldPath)
	}
	if patch.ToFieldPath == "" {
		patch.ToFieldPath = patch.FromFieldPath
	}
	p.add(to, where, patch.ToFieldPath)
}

// registration adds the fields of the XR that this function reads and writes.
func (p *prober) registration(xr schema.GroupVersionKind, input any) {
	switch in := input.(type) {
	case []any:
		for _, v := range in {
			p.registration(xr, v)
		}
	case map[string]any:
		if path, ok := in["fieldPath"].(string); ok && in["type"] != "FromEnvironmentFieldPath" {
			p.add(xr, "fieldPath", path)
		}
		if path, ok := in["statusFieldPath"].(string); ok {
			for _, f := range []string{"name", "server", "credentials", "secretRef.name", "secretRef.namespace"} {
				p.add(xr, "statusFieldPath", path+"."+f)
			}
		}
		for _, k := range slices.Sorted(maps.Keys(in)) {
			p.registration(xr, in[k])
		}
	}
}

var segment = regexp.MustCompile(`\[["']?([^\]"']*)["']?\]|[^.\[\]]+`)

// build an object that has a field path.
func build(fieldPath string) map[string]any {
	segments := segment.FindAllStringSubmatch(fieldPath, -1)
	var value any = "x"
	for _, s := range slices.Backward(segments) {
		name := s[0]
		if s[1] != "" {
			name = s[1]
		}
		if _, err := strconv.Atoi(name); s[1] != "" && (err == nil || name == "*") {
			value = []any{value}
		} else {
			value = map[string]any{name: value}
		}
	}
	object, _ := value.(map[string]any)
	if object["metadata"] == "x" {
		delete(object, "metadata")
	}
	return object
}
