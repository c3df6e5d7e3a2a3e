package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// A describer finds out what Argo CD is to know of a cluster, but for how to connect. Where
// a cluster is registered already, nothing that cannot be found out now is lost: it keeps
// the value that it has.
type describer struct {
	xr *composite

	// observed is the registration that is there; nil if there is none.
	observed *registration

	// kept says why values were kept.
	kept []error
}

// keep an error where there is a registration whose value is kept, and return it where
// there is none.
func (d *describer) keep(err error) error {
	if err == nil || d.observed == nil {
		return err
	}
	d.kept = append(d.kept, err)
	return nil
}

// describe a cluster. Its server is empty where that is the kubeconfig's.
func (d *describer) describe(in *v1beta1.Cluster) (*argocd.Cluster, error) {
	if in == nil {
		in = &v1beta1.Cluster{}
	}
	c := &argocd.Cluster{Namespaces: in.Namespaces, ClusterResources: in.ClusterResources, Shard: in.Shard}
	var err error
	if c.Name, err = d.name(in); err != nil {
		return nil, err
	}
	if c.Server, err = d.text("the cluster's server", in.ServerValue(), v1beta1.CheckServer, "server"); err != nil {
		return nil, err
	}
	c.Server = strings.TrimRight(c.Server, "/")
	if c.Project, err = d.text("the cluster's project", in.ProjectValue(), argocd.CheckProject, "project"); err != nil {
		return nil, err
	}
	if c.Labels, err = d.metadata(in.Labels, in.LabelsFrom, v1beta1.CheckLabel, "labels"); err != nil {
		return nil, err
	}
	if c.Annotations, err = d.metadata(in.Annotations, in.AnnotationsFrom, v1beta1.CheckAnnotation, "annotations"); err != nil {
		return nil, err
	}
	if c.Labels[v1beta1.LabelState], err = d.state(in); err != nil {
		return nil, err
	}
	c.Labels[v1beta1.LabelComposite] = d.xr.name
	for _, l := range []string{v1beta1.LabelClaimName, v1beta1.LabelClaimNamespace} {
		if v := stringAt(d.xr.resource, "metadata", "labels", l); v != "" {
			c.Labels[l] = v
		}
	}
	c.Annotations[v1beta1.AnnotationComposite] = d.xr.identity()
	return c, nil
}

// text returns a value of the input, else that of a key of the observed Secret's data.
func (d *describer) text(what string, v v1beta1.Value, check func(string) []string, key string) (string, error) {
	s, err := d.xr.text(what, v, check)
	if err == nil {
		return s, nil
	}
	if err := d.keep(err); err != nil {
		return "", err
	}
	return d.observed.data(key), nil
}

// name returns the cluster's name. That of a namespaced XR has its namespace, since others
// may have an XR of the same name.
func (d *describer) name(in *v1beta1.Cluster) (string, error) {
	name, err := d.text("the cluster's name", in.NameValue(), argocd.CheckName, "name")
	if name != "" || err != nil {
		return name, err
	}
	name = d.xr.name
	if d.xr.namespace != "" {
		name = d.xr.namespace + "." + name
	}
	if problems := argocd.CheckName(name); len(problems) > 0 {
		err := invalidField(field{path: "metadata.name"}, "cannot be the cluster's name: "+strings.Join(problems, "; ")+"; set cluster.name")
		if err := d.keep(err); err != nil {
			return "", err
		}
		return d.observed.data("name"), nil
	}
	return name, nil
}

// state returns the value of the label by which ApplicationSets select.
func (d *describer) state(in *v1beta1.Cluster) (string, error) {
	if in.DrainFromFieldPath == nil {
		return v1beta1.StateActive, nil
	}
	f := field{path: *in.DrainFromFieldPath}
	v, ok := d.xr.value(f)
	drain, isBool := v.(bool)
	switch {
	case ok && !isBool:
		if err := d.keep(invalidField(f, "must be true or false")); err != nil {
			return "", err
		}
		return stringAt(d.observed.manifest, "metadata", "labels", v1beta1.LabelState), nil
	case drain:
		return v1beta1.StateDraining, nil
	}
	return v1beta1.StateActive, nil
}

// metadata returns the static labels or annotations with those from fields added. What a
// field does not give now, the observed Secret does.
func (d *describer) metadata(static map[string]string, from []v1beta1.MetadataSource, check func(key, value string) []string, kind string) (map[string]string, error) {
	out := make(map[string]string, len(static)+4)
	maps.Copy(out, static)
	for i := range from {
		entries, err := d.xr.entries(&from[i], check)
		if err != nil {
			if err := d.keep(err); err != nil {
				return nil, err
			}
			entries = keptEntries(&from[i], d.observed.metadata(kind), out, check)
		}
		maps.Copy(out, entries)
	}
	return out, nil
}

// keptEntries returns the observed labels or annotations that may be of a source. Which ones
// a map had is not known, and losing one may prune workloads: it is all with its prefix that
// nothing else gives.
func keptEntries(s *v1beta1.MetadataSource, observed, others map[string]string, check func(key, value string) []string) map[string]string {
	out := map[string]string{}
	for k, v := range observed {
		_, other := others[k]
		ofMap := s.Key == "" && strings.HasPrefix(k, s.KeyPrefix) && !other
		if (k == s.Key || ofMap) && len(check(k, v)) == 0 {
			out[k] = v
		}
	}
	return out
}

// entries returns the labels or annotations that one field holds.
func (xr *composite) entries(s *v1beta1.MetadataSource, check func(key, value string) []string) (map[string]string, error) {
	f := field{path: s.FieldPath, environment: s.GetType() == v1beta1.FromEnvironmentFieldPath}
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
		fields = map[string]any{s.Key: v}
	case !isMap:
		return nil, invalidField(f, "must be a map to be taken without a key")
	}
	out := make(map[string]string, len(fields))
	// In order, so that of several problems it is always the same that is told.
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		key := s.KeyPrefix + k
		value, ok := scalar(fields[k])
		if !ok {
			return nil, invalidField(f, "must hold strings, numbers or booleans")
		}
		if problems := check(key, value); len(problems) > 0 {
			return nil, invalidField(f, fmt.Sprintf("cannot be %q: %s", key, strings.Join(problems, "; ")))
		}
		out[key] = value
	}
	return out, nil
}
