package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
)

// Labels and annotations of the cluster Secret that the function sets.
const (
	// labelState is for ApplicationSets to select clusters in use on.
	labelState    = "argocd.fn.crossplane.io/state"
	stateActive   = "active"
	stateDraining = "draining"

	// labelCluster and labelServer are made from the cluster's name and its server. Two
	// registrations of one cluster or one server are found by them.
	labelCluster = "argocd.fn.crossplane.io/cluster"
	labelServer  = "argocd.fn.crossplane.io/server"

	// labelComposite, labelClaimName and labelClaimNamespace name the XR, and the claim if
	// it has one, as Crossplane does on every composed resource.
	labelComposite      = "crossplane.io/composite"
	labelClaimName      = "crossplane.io/claim-name"
	labelClaimNamespace = "crossplane.io/claim-namespace"

	// annotationComposite marks a Secret as the registration of one XR:
	// `<kind>.<group>/<name>`, or `<kind>.<group>/<namespace>/<name>`.
	annotationComposite = "argocd.fn.crossplane.io/composite"

	// annotationSource is the composed resource that the cluster was registered from.
	annotationSource = "argocd.fn.crossplane.io/source"
)

// A describer finds out what Argo CD is to know of a cluster, except how to connect.
type describer struct {
	xr *composite

	// was is the registration so far; nil if there is none. What cannot be found out now
	// stays as it is there.
	was *registration

	// problems are why something could not be found out.
	problems problems

	// notes are about entries of maps that were not used, and kept about those that keep
	// their old value. They hold nothing else up.
	notes []string
	kept  problems
}

// describe a cluster, except for its name and connection. Its problems keep it from being
// registered for the first time.
func (d *describer) describe(in *v1beta1.Cluster) *argocd.Cluster {
	if in == nil {
		in = &v1beta1.Cluster{}
	}
	c := &argocd.Cluster{Namespaces: in.Namespaces, ClusterResources: in.ClusterResources, Shard: in.Shard}
	project, err := d.xr.text("the cluster's project", in.ProjectValue(), argocd.CheckProject)
	if c.Project = project.value; err != nil {
		d.problems.add(err)
		if p := d.was.data("project"); len(argocd.CheckProject(p)) == 0 {
			c.Project = p
		}
	}
	c.Labels = d.metadata(in.Labels, in.LabelsFrom, v1beta1.CheckLabel, "labels")
	c.Annotations = d.metadata(in.Annotations, in.AnnotationsFrom, v1beta1.CheckAnnotation, "annotations")
	if v1beta1.SizeOf(c.Annotations) > v1beta1.MaxAnnotations {
		d.problems.add(&problem{reason: reasonInvalidField, message: fmt.Sprintf("the annotations in cluster.annotationsFrom have more than %d KiB, which Kubernetes does not accept", v1beta1.MaxAnnotations>>10)})
		c.Annotations = d.was.keep("annotations", func(k, v string) bool { return len(v1beta1.CheckAnnotation(k, v)) == 0 })
	}
	c.Labels[labelState] = d.state(in)
	if len(validation.IsValidLabelValue(d.xr.name)) == 0 {
		c.Labels[labelComposite] = d.xr.name
	}
	for label, name := range map[string]string{labelClaimName: "name", labelClaimNamespace: "namespace"} {
		v := stringAt(d.xr.observed, "spec", "claimRef", name)
		if v == "" || len(validation.IsValidLabelValue(v)) > 0 {
			v = d.was.metadata("labels")[label]
		}
		if v != "" && len(validation.IsValidLabelValue(v)) == 0 {
			c.Labels[label] = v
		}
	}
	c.Annotations[annotationComposite] = d.xr.identity()
	if mark := d.was.metadata("annotations")[annotationComposite]; mark != "" && !d.xr.isKnown() {
		c.Annotations[annotationComposite] = mark
	}
	return c
}

// nameOf returns the cluster's name in Argo CD. That of a namespaced XR includes its
// namespace, since another namespace may have an XR of the same name.
func nameOf(in *v1beta1.Cluster, xr *composite) (string, error) {
	if in == nil {
		in = &v1beta1.Cluster{}
	}
	name, err := xr.text("the cluster's name", in.NameValue(), argocd.CheckName)
	if name.value != "" || err != nil {
		return name.value, err
	}
	s := xr.name
	if xr.namespace != "" {
		s = xr.namespace + "." + s
	}
	if problems := argocd.CheckName(s); len(problems) > 0 {
		return "", invalidField(field{path: "metadata.name"}, "cannot be used as the cluster's name: it "+strings.Join(problems, "; ")+". Set cluster.name")
	}
	return s, nil
}

// state returns the value of the label by which ApplicationSets select.
func (d *describer) state(in *v1beta1.Cluster) string {
	if in.DrainFromFieldPath == nil {
		return stateActive
	}
	f := field{path: *in.DrainFromFieldPath}
	v, _, ok := d.xr.value(f)
	drain, isBool := v.(bool)
	if ok && !isBool {
		d.problems.add(invalidField(f, "must be true or false"))
		drain = d.was.metadata("labels")[labelState] == stateDraining
	}
	if drain {
		return stateDraining
	}
	return stateActive
}

// metadata returns labels or annotations: those that the input holds, and those from
// fields. An entry with a key of its own replaces one that the input holds; an entry of a
// map replaces neither. What a field does not give now stays as it is in the registration.
func (d *describer) metadata(static map[string]string, from []v1beta1.MetadataSource, check func(key, value string) []string, kind string) map[string]string {
	was := d.was.metadata(kind)
	keyed := make(map[string]string, len(from))
	given := maps.Clone(static)
	if given == nil {
		given = map[string]string{}
	}
	for i := range from {
		if s := &from[i]; s.Key != "" {
			given[s.Key] = ""
			v, ok, err := d.entry(s, check)
			if err != nil {
				d.problems.add(err)
				v, ok = was[s.Key]
				ok = ok && len(check(s.Key, v)) == 0
			}
			if ok {
				keyed[s.Key] = v
			}
		}
	}
	out := make(map[string]string, len(given)+6)
	// What is kept of maps that are missing replaces nothing of those that are not.
	for i := range from {
		if from[i].Key == "" && !d.hasMap(&from[i]) {
			d.missing(out, &from[i], was, given, check)
		}
	}
	for i := range from {
		if from[i].Key == "" && d.hasMap(&from[i]) {
			d.entries(out, &from[i], was, given, check, kind)
		}
	}
	maps.Copy(out, static)
	maps.Copy(out, keyed)
	return out
}

// entry returns the value of a source with a key, and whether there is one.
func (d *describer) entry(s *v1beta1.MetadataSource, check func(key, value string) []string) (value string, ok bool, err error) {
	f := fieldOf(s)
	v, _, ok := d.xr.value(f)
	required := s.GetPolicy() == v1beta1.FromFieldPathRequired
	if !ok || required && v == "" {
		if required {
			return "", false, waitingForField(f)
		}
		return "", false, nil
	}
	if _, isMap := v.(map[string]any); isMap {
		return "", false, invalidField(f, "is a map; remove key to copy its entries")
	}
	value, ok = scalar(v)
	if !ok {
		return "", false, invalidField(f, "must be a string, number or boolean")
	}
	if problems := check(s.Key, value); len(problems) > 0 {
		return "", false, invalidField(f, fmt.Sprintf("cannot be used as %q: it %s", s.Key, strings.Join(problems, "; ")))
	}
	return value, true, nil
}

func (d *describer) hasMap(s *v1beta1.MetadataSource) bool {
	v, _, _ := d.xr.value(fieldOf(s))
	_, ok := v.(map[string]any)
	return ok
}

// missing keeps the entries of a map that is missing. Which ones those are is not known, and
// losing one may prune workloads: it is all with its prefix that nothing else gives.
func (d *describer) missing(out map[string]string, s *v1beta1.MetadataSource, was, given map[string]string, check func(key, value string) []string) {
	f := fieldOf(s)
	if _, _, ok := d.xr.value(f); ok {
		d.problems.add(invalidField(f, "is not a map; set key to use it as one value"))
	} else if s.GetPolicy() == v1beta1.FromFieldPathOptional {
		return
	} else {
		d.problems.add(waitingForField(f))
	}
	for k, v := range was {
		if _, other := given[k]; !other && strings.HasPrefix(k, s.KeyPrefix) && len(check(k, v)) == 0 {
			out[k] = v
		}
	}
}

func fieldOf(s *v1beta1.MetadataSource) field {
	return field{path: s.FieldPath, environment: s.GetType() == v1beta1.FromEnvironmentFieldPath}
}

// entries adds the entries of a map to out. A bad one is named, keeps its old value, and holds
// nothing else up.
func (d *describer) entries(out map[string]string, s *v1beta1.MetadataSource, was, given map[string]string, check func(key, value string) []string, kind string) {
	f := fieldOf(s)
	v, _, _ := d.xr.value(f)
	fields, _ := v.(map[string]any)
	// Sorted, so that messages always have the same order.
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		key := s.KeyPrefix + k
		if _, other := given[key]; other || v1beta1.IsReserved(kind, key, fields[k]) {
			continue
		}
		value, ok := scalar(fields[k])
		var problems []string
		if !ok {
			problems = []string{"must be a string, number or boolean"}
		} else {
			problems = check(key, value)
		}
		if len(problems) == 0 {
			out[key] = value
			continue
		}
		note := fmt.Sprintf("the entry %.80q of %s was not used in cluster.%s: it %s", k, f, kind, strings.Join(problems, "; "))
		if old, ok := was[key]; ok && len(check(key, old)) == 0 {
			out[key] = old
			d.kept.add(&problem{reason: reasonInvalidField, message: note})
		} else {
			d.notes = append(d.notes, note)
		}
	}
}
