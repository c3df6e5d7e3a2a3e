package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"
	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
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

// cluster returns what the input and the XR say of the cluster: all but how to connect,
// of which it has the server only where that is not to be the kubeconfig's.
func (xr *composite) cluster(in *v1beta1.Cluster) (*argocd.Cluster, error) {
	if in == nil {
		in = &v1beta1.Cluster{}
	}
	c := &argocd.Cluster{Namespaces: in.Namespaces, ClusterResources: in.ClusterResources, Shard: in.Shard}
	var err error
	if c.Name, err = xr.clusterName(in); err != nil {
		return nil, err
	}
	if c.Server, err = xr.text("the cluster's server", in.ServerValue(), v1beta1.CheckServer); err != nil {
		return nil, err
	}
	c.Server = strings.TrimRight(c.Server, "/")
	if c.Project, err = xr.text("the cluster's project", in.ProjectValue(), argocd.CheckProject); err != nil {
		return nil, err
	}
	if c.Labels, err = xr.metadata(in.Labels, in.LabelsFrom, v1beta1.CheckLabel); err != nil {
		return nil, err
	}
	if c.Annotations, err = xr.metadata(in.Annotations, in.AnnotationsFrom, v1beta1.CheckAnnotation); err != nil {
		return nil, err
	}
	c.Labels[v1beta1.LabelState] = v1beta1.StateActive
	c.Labels[v1beta1.LabelComposite] = xr.name
	for _, l := range []string{v1beta1.LabelClaimName, v1beta1.LabelClaimNamespace} {
		if v := stringAt(xr.resource, "metadata", "labels", l); v != "" {
			c.Labels[l] = v
		}
	}
	c.Annotations[v1beta1.AnnotationComposite] = xr.identity()
	return c, nil
}

// clusterName returns the cluster's name. That of a namespaced XR has its namespace,
// since others may have an XR of the same name.
func (xr *composite) clusterName(in *v1beta1.Cluster) (string, error) {
	name, err := xr.text("the cluster's name", in.NameValue(), argocd.CheckName)
	if name != "" || err != nil {
		return name, err
	}
	name = xr.name
	if xr.namespace != "" {
		name = xr.namespace + "." + xr.name
	}
	if problems := argocd.CheckName(name); len(problems) > 0 {
		return "", invalidField(field{path: "metadata.name"}, "cannot be the cluster's name: "+strings.Join(problems, "; ")+"; set cluster.name")
	}
	return name, nil
}

// metadata returns the static labels or annotations with those from the XR added.
func (xr *composite) metadata(static map[string]string, from []v1beta1.MetadataSource, check func(key, value string) []string) (map[string]string, error) {
	out := make(map[string]string, len(static)+len(from))
	maps.Copy(out, static)
	for i := range from {
		f := field{path: from[i].FieldPath, environment: from[i].GetType() == v1beta1.FromEnvironmentFieldPath}
		entries, err := xr.entries(f, &from[i])
		if err != nil {
			return nil, err
		}
		// In order, so that of several problems it is always the same that is told.
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			value, ok := scalar(entries[key])
			if !ok {
				return nil, invalidField(f, "must hold strings, numbers or booleans")
			}
			if problems := check(key, value); len(problems) > 0 {
				return nil, invalidField(f, fmt.Sprintf("cannot be %q: %s", key, strings.Join(problems, "; ")))
			}
			out[key] = value
		}
	}
	return out, nil
}

// entries returns the labels or annotations that one field holds.
func (xr *composite) entries(f field, s *v1beta1.MetadataSource) (map[string]any, error) {
	v, ok := xr.value(f)
	if !ok {
		if s.GetPolicy() == v1beta1.FromFieldPathOptional {
			return nil, nil
		}
		return nil, waitingForField(f)
	}
	fields, isMap := v.(map[string]any)
	switch {
	case s.Key != "" && isMap:
		return nil, invalidField(f, "holds a map, whose entries are only taken without a key")
	case s.Key != "":
		return map[string]any{s.Key: v}, nil
	case !isMap:
		return nil, invalidField(f, "must be a map to be taken without a key")
	}
	entries := make(map[string]any, len(fields))
	for k, v := range fields {
		entries[s.KeyPrefix+k] = v
	}
	return entries, nil
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

// group returns the group of an API version.
func group(apiVersion string) string {
	g, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return ""
	}
	return g
}
