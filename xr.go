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

// A composite is what the function reads of the observed XR. The whole of it is
// converted only if a field path asks for one of its fields.
type composite struct {
	apiVersion, kind, namespace, name string

	resource          *structpb.Struct
	connectionDetails map[string][]byte
	fields            *fieldpath.Paved
}

func newComposite(xr *fnv1.Resource) *composite {
	return &composite{
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

// field returns the value at a field path, and whether the XR has it.
func (xr *composite) field(path string) (any, bool) {
	if xr.fields == nil {
		xr.fields = fieldpath.Pave(xr.resource.AsMap())
	}
	// The path parses, and so any error means that the value is not there.
	v, err := xr.fields.GetValue(path)
	return v, err == nil && v != nil
}

// cluster returns what the input and the XR say of the cluster: all but how to connect,
// of which it has the server only where that is not to be the kubeconfig's.
func (xr *composite) cluster(in *v1beta1.Cluster) (*argocd.Cluster, error) {
	if in == nil {
		in = &v1beta1.Cluster{}
	}
	c := &argocd.Cluster{}
	var err error
	if c.Name, err = xr.clusterName(in); err != nil {
		return nil, err
	}
	if c.Server, err = xr.literalOr("the cluster's server", in.Server, in.ServerFromFieldPath, v1beta1.CheckServer); err != nil {
		return nil, err
	}
	c.Server = strings.TrimRight(c.Server, "/")
	if c.Project, err = xr.literalOr("the cluster's project", in.Project, in.ProjectFromFieldPath, argocd.CheckProject); err != nil {
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
	name, err := xr.literalOr("the cluster's name", in.Name, in.NameFromFieldPath, argocd.CheckName)
	if name != "" || err != nil {
		return name, err
	}
	name = xr.name
	if xr.namespace != "" {
		name = xr.namespace + "." + xr.name
	}
	if problems := argocd.CheckName(name); len(problems) > 0 {
		return "", invalidField("metadata.name", "cannot be the cluster's name: "+strings.Join(problems, "; ")+"; set cluster.name")
	}
	return name, nil
}

// literalOr returns the value of a field of the input that is either given or taken
// from the XR, and empty where it is neither. What the XR holds is checked here; what
// the input holds was checked with the rest of it.
func (xr *composite) literalOr(name string, literal, path *string, check func(string) []string) (string, error) {
	if literal != nil {
		return *literal, nil
	}
	if path == nil {
		return "", nil
	}
	v, ok := xr.field(*path)
	if !ok {
		return "", waitingForField(*path)
	}
	s, ok := v.(string)
	if !ok {
		return "", invalidField(*path, "must be a string to be "+name)
	}
	if problems := check(s); len(problems) > 0 {
		return "", invalidField(*path, fmt.Sprintf("cannot be %s: %s", name, strings.Join(problems, "; ")))
	}
	return s, nil
}

// metadata returns the static labels or annotations with those from the XR added.
func (xr *composite) metadata(static map[string]string, from []v1beta1.MetadataSource, check func(key, value string) []string) (map[string]string, error) {
	out := make(map[string]string, len(static)+len(from))
	maps.Copy(out, static)
	for i := range from {
		entries, err := xr.entries(&from[i])
		if err != nil {
			return nil, err
		}
		// In order, so that of several problems it is always the same that is told.
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			value, ok := scalar(entries[key])
			if !ok {
				return nil, invalidField(from[i].FieldPath, "must hold strings, numbers or booleans")
			}
			if problems := check(key, value); len(problems) > 0 {
				return nil, invalidField(from[i].FieldPath, fmt.Sprintf("cannot be %q: %s", key, strings.Join(problems, "; ")))
			}
			out[key] = value
		}
	}
	return out, nil
}

// entries returns the labels or annotations that one field of the XR holds.
func (xr *composite) entries(s *v1beta1.MetadataSource) (map[string]any, error) {
	v, ok := xr.field(s.FieldPath)
	if !ok {
		if s.GetPolicy() == v1beta1.FromFieldPathOptional {
			return nil, nil
		}
		return nil, waitingForField(s.FieldPath)
	}
	fields, isMap := v.(map[string]any)
	switch {
	case s.Key != "" && isMap:
		return nil, invalidField(s.FieldPath, "holds a map, whose entries are only taken without a key")
	case s.Key != "":
		return map[string]any{s.Key: v}, nil
	case !isMap:
		return nil, invalidField(s.FieldPath, "must be a map to be taken without a key")
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
