package main

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"
	fncontext "github.com/crossplane/function-sdk-go/context"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
)

// A composite is what the function reads of the XR, and of the environment of its pipeline.
type composite struct {
	apiVersion, kind, namespace, name string

	observed          *structpb.Struct
	connectionDetails map[string][]byte

	// desired is what earlier steps of the pipeline desire of the XR. Its status is the
	// Composition's word; that of the observed XR is its user's.
	desired     *structpb.Struct
	environment *structpb.Struct
}

func newComposite(req *fnv1.RunFunctionRequest) *composite {
	xr := req.GetObserved().GetComposite()
	observed := resourceOf(xr)
	return &composite{
		apiVersion:        stringAt(observed, "apiVersion"),
		kind:              stringAt(observed, "kind"),
		namespace:         stringAt(observed, "metadata", "namespace"),
		name:              stringAt(observed, "metadata", "name"),
		observed:          observed,
		connectionDetails: xr.GetConnectionDetails(),
		desired:           resourceOf(req.GetDesired().GetComposite()),
		environment:       structAt(req.GetContext(), fncontext.KeyEnvironment),
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

// isKnown reports whether the request says which XR it is about.
func (xr *composite) isKnown() bool {
	return group(xr.apiVersion) != "" && xr.kind != "" && xr.name != ""
}

// fieldName returns how a message names a field.
func fieldName(from *v1beta1.FieldSource) string {
	if from.Type == v1beta1.FromEnvironmentFieldPath {
		return "the environment's field " + from.FieldPath
	}
	return "the XR's field " + from.FieldPath
}

// isStatus reports whether a field is of the XR's status, where earlier steps of the pipeline
// write.
func isStatus(from *v1beta1.FieldSource) bool {
	segments, err := fieldpath.Parse(from.FieldPath)
	return from.Type != v1beta1.FromEnvironmentFieldPath && err == nil && len(segments) > 0 && segments[0].Field == "status"
}

// value returns a field's value, and whether there is one. author says that the value
// comes from the Composition, and not from the XR's user: it is the environment's, or a
// status field that an earlier step desires.
func (xr *composite) value(from *v1beta1.FieldSource) (v any, author, ok bool) {
	if from.Type == v1beta1.FromEnvironmentFieldPath {
		v, ok = get(xr.environment, from.FieldPath)
		return v, true, ok
	}
	if isStatus(from) {
		if v, ok := get(xr.desired, from.FieldPath); ok {
			return v, true, true
		}
	}
	v, ok = get(xr.observed, from.FieldPath)
	return v, false, ok
}

// get returns the value at a path of a resource, and whether there is one. It converts nothing
// else of the resource, as fieldpath.Pave would.
func get(resource *structpb.Struct, path string) (any, bool) {
	segments, err := fieldpath.Parse(path)
	if err != nil || len(segments) == 0 {
		return nil, false
	}
	v := structpb.NewStructValue(resource)
	for _, s := range segments {
		values := v.GetListValue().GetValues()
		switch {
		case s.Type == fieldpath.SegmentField:
			v = v.GetStructValue().GetFields()[s.Field]
		case s.Index < uint(len(values)):
			v = values[s.Index]
		default:
			return nil, false
		}
	}
	value := v.AsInterface()
	return value, value != nil
}

// A text is a value of the input, or of a field that the input names. It is empty if the input
// gives neither.
type text struct {
	value string

	// author says that the Composition's author gave the value, and not the XR's user.
	// literal says that the input holds it.
	author, literal bool

	// missing says that the input names a field whose value is missing or cannot be used.
	missing bool
}

// or returns the text, or what a registration has where the text is missing.
func (t text) or(has string) string {
	if t.missing {
		return has
	}
	return t.value
}

// text returns a value that the input gives, or that a field has which the input names. A
// field's value is checked here; the input was checked as a whole.
func (xr *composite) text(what string, literal *string, from *v1beta1.FieldSource, check func(string) []string) (text, error) {
	if literal != nil {
		return text{value: *literal, author: true, literal: true}, nil
	}
	if from == nil {
		return text{}, nil
	}
	missing := text{missing: true}
	value, author, ok := xr.value(from)
	// A provider may write a field before it knows its value.
	if !ok || value == "" {
		return missing, waitingForField(from)
	}
	s, ok := value.(string)
	if !ok {
		return missing, invalidField(from, "must be a string (used as "+what+")")
	}
	if problems := check(s); len(problems) > 0 {
		return missing, invalidField(from, fmt.Sprintf("cannot be used as %s: it %s", what, strings.Join(problems, "; ")))
	}
	return text{value: s, author: author}, nil
}

// boolean returns the boolean that a field has, and whether it is set.
func (xr *composite) boolean(from *v1beta1.FieldSource) (value, ok bool, err error) {
	v, _, ok := xr.value(from)
	if !ok {
		return false, false, nil
	}
	value, ok = v.(bool)
	if !ok {
		return false, false, invalidField(from, "must be true or false, without quotes")
	}
	return value, true, nil
}

// namespaces returns the list of namespaces that a field has.
func (xr *composite) namespaces(from *v1beta1.FieldSource) ([]string, error) {
	v, _, ok := xr.value(from)
	if !ok {
		return nil, waitingForField(from)
	}
	list, ok := v.([]any)
	if !ok {
		return nil, invalidField(from, "must be a list of namespaces (used as cluster.namespaces)")
	}
	namespaces := make([]string, 0, len(list))
	for _, v := range list {
		n, _ := v.(string)
		if problems := checkNamespace(n); len(problems) > 0 {
			return nil, invalidField(from, fmt.Sprintf("must be a list of namespaces: %.80q %s", n, strings.Join(problems, "; ")))
		}
		namespaces = append(namespaces, n)
	}
	return namespaces, nil
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

// isTrue reports whether a resource's condition of a type is true.
func isTrue(res *structpb.Struct, conditionType string) bool {
	return stringAt(conditionAt(res, conditionType), "status") == "True"
}

// conditionFalse is the status of a condition that is false.
const conditionFalse = "False"

// isFalse reports whether a resource's condition of a type is false, and not only unknown.
func isFalse(res *structpb.Struct, conditionType string) bool {
	return stringAt(conditionAt(res, conditionType), "status") == conditionFalse
}

// group returns the group of an API version.
func group(apiVersion string) string { return schema.FromAPIVersionAndKind(apiVersion, "").Group }
