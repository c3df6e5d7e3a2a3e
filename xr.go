package main

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
)

// environmentKey is the key of the pipeline's context under which steps like
// function-environment-configs put the environment.
const environmentKey = "apiextensions.crossplane.io/environment"

// A composite is what the function reads of the observed XR, and of the environment of
// its pipeline. Either is converted only if a field path asks for one of its fields.
type composite struct {
	apiVersion, kind, namespace, name string

	resource          *structpb.Struct
	connectionDetails map[string][]byte
	environment       *structpb.Struct

	fields, environmentFields *fieldpath.Paved
}

func newComposite(req *fnv1.RunFunctionRequest) *composite {
	xr := req.GetObserved().GetComposite()
	return &composite{
		environment:       structAt(req.GetContext(), environmentKey),
		apiVersion:        stringAt(xr.GetResource(), "apiVersion"),
		kind:              stringAt(xr.GetResource(), "kind"),
		namespace:         stringAt(xr.GetResource(), "metadata", "namespace"),
		name:              stringAt(xr.GetResource(), "metadata", "name"),
		resource:          xr.GetResource(),
		connectionDetails: xr.GetConnectionDetails(),
	}
}

// identity names the XR among all others on the hub.
func (xr *composite) identity() string {
	id := xr.kind + "." + group(xr.apiVersion) + "/"
	if xr.namespace != "" {
		id += xr.namespace + "/"
	}
	return id + xr.name
}

// A field is a field of the XR or of the environment.
type field struct {
	path string

	// environment has it be the environment's, and not the XR's.
	environment bool
}

func (f field) String() string {
	if f.environment {
		return "the environment's field " + f.path
	}
	return "the XR's field " + f.path
}

// value returns a field's value, and whether there is one.
func (xr *composite) value(f field) (any, bool) {
	fields, resource := &xr.fields, xr.resource
	if f.environment {
		fields, resource = &xr.environmentFields, xr.environment
	}
	if *fields == nil {
		*fields = fieldpath.Pave(resource.AsMap())
	}
	// The path parses, and so any error means that the value is not there.
	v, err := (*fields).GetValue(f.path)
	return v, err == nil && v != nil
}

// text returns a value of the input that is given or taken from a field, and empty where
// it is neither. What a field holds is checked here; what the input holds was checked with
// the rest of it.
func (xr *composite) text(name string, v v1beta1.Value, check func(string) []string) (string, error) {
	var f field
	switch {
	case v.Literal != nil:
		return *v.Literal, nil
	case v.FieldPath != nil:
		f = field{path: *v.FieldPath}
	case v.EnvironmentFieldPath != nil:
		f = field{path: *v.EnvironmentFieldPath, environment: true}
	default:
		return "", nil
	}
	value, ok := xr.value(f)
	if !ok {
		return "", waitingForField(f)
	}
	s, ok := value.(string)
	if !ok {
		return "", invalidField(f, "must be a string to be "+name)
	}
	if problems := check(s); len(problems) > 0 {
		return "", invalidField(f, fmt.Sprintf("cannot be %s: %s", name, strings.Join(problems, "; ")))
	}
	return s, nil
}

// scalar returns a string, number or boolean as a string.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// stringAt returns the string at a path of fields; empty if there is none.
func stringAt(s *structpb.Struct, path ...string) string {
	last := len(path) - 1
	return structAt(s, path[:last]...).GetFields()[path[last]].GetStringValue()
}

// structAt returns the struct at a path of fields; nil if there is none.
func structAt(s *structpb.Struct, path ...string) *structpb.Struct {
	for _, p := range path {
		s = s.GetFields()[p].GetStructValue()
	}
	return s
}

// conditionAt returns a resource's condition of a type; nil if there is none.
func conditionAt(res *structpb.Struct, conditionType string) *structpb.Struct {
	for _, c := range structAt(res, "status").GetFields()["conditions"].GetListValue().GetValues() {
		if stringAt(c.GetStructValue(), "type") == conditionType {
			return c.GetStructValue()
		}
	}
	return nil
}

// group returns the group of an API version.
func group(apiVersion string) string {
	g, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return ""
	}
	return g
}
