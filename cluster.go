package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
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

	// was is the registration so far; nil if there is none. A value that cannot be found out
	// now is kept from it.
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
	c := &argocd.Cluster{Project: d.project(in)}
	before := len(d.problems)
	c.Namespaces = d.namespaces(in)
	// Without namespaces, Argo CD manages all of the cluster. If their field is missing, the other
	// one is named with it.
	if len(c.Namespaces) > 0 || len(d.problems) > before {
		c.ClusterResources = d.clusterResources(in) && len(c.Namespaces) > 0
	}
	c.Shard = d.shard(in)
	c.Labels = d.metadata(in.Labels, in.LabelsFrom, checkLabel, kindLabels)
	c.Annotations = d.metadata(in.Annotations, in.AnnotationsFrom, checkAnnotation, kindAnnotations)
	if sizeOf(c.Annotations) > maxAnnotations {
		d.problems.add(&problem{reason: reasonInvalidField, message: fmt.Sprintf("the annotations in cluster.annotationsFrom have more than %d KiB, which Kubernetes does not accept", maxAnnotations>>10)})
		c.Annotations = d.was.keep(kindAnnotations, func(k, v string) bool { return len(checkAnnotation(k, v)) == 0 })
	}
	c.Labels[labelState] = d.state(in)
	if len(validation.IsValidLabelValue(d.xr.name)) == 0 {
		c.Labels[labelComposite] = d.xr.name
	}
	for label, name := range map[string]string{labelClaimName: "name", labelClaimNamespace: "namespace"} {
		v := stringAt(d.xr.observed, "spec", "claimRef", name)
		if v == "" || len(validation.IsValidLabelValue(v)) > 0 {
			v = d.was.metadata(kindLabels)[label]
		}
		if v != "" && len(validation.IsValidLabelValue(v)) == 0 {
			c.Labels[label] = v
		}
	}
	c.Annotations[annotationComposite] = d.xr.identity()
	if mark := d.was.metadata(kindAnnotations)[annotationComposite]; mark != "" && !d.xr.isKnown() {
		c.Annotations[annotationComposite] = mark
	}
	return c
}

// nameOf returns the cluster's name in Argo CD. That of a namespaced XR includes its
// namespace, since another namespace may have an XR of the same name.
func nameOf(in *v1beta1.Cluster, xr *composite) (string, error) {
	name, err := xr.text("the cluster's name", in.Name, in.NameFrom, argocd.CheckName)
	if name.value != "" || err != nil {
		return name.value, err
	}
	s := xr.name
	if xr.namespace != "" {
		s = xr.namespace + "." + s
	}
	if problems := argocd.CheckName(s); len(problems) > 0 {
		return "", invalidField(&v1beta1.FieldSource{FieldPath: "metadata.name"}, "cannot be used as the cluster's name: it "+strings.Join(problems, "; ")+". Set cluster.name")
	}
	return s, nil
}

// project returns the cluster's AppProject; empty for none.
func (d *describer) project(in *v1beta1.Cluster) string {
	project, err := d.xr.text("the cluster's project", in.Project, in.ProjectFrom, argocd.CheckProject)
	if err == nil {
		return project.value
	}
	d.problems.add(err)
	if p := d.was.data("project"); len(argocd.CheckProject(p)) == 0 {
		return p
	}
	return ""
}

// namespaces returns the namespaces that Argo CD manages; none for all.
func (d *describer) namespaces(in *v1beta1.Cluster) []string {
	if in.NamespacesFrom == nil {
		return in.Namespaces
	}
	namespaces, err := d.xr.namespaces(in.NamespacesFrom)
	if err == nil {
		return namespaces
	}
	d.problems.add(err)
	return slices.DeleteFunc(strings.Split(d.was.data("namespaces"), ","), func(n string) bool { return len(checkNamespace(n)) > 0 })
}

// clusterResources returns whether Argo CD manages cluster-scoped resources as well.
func (d *describer) clusterResources(in *v1beta1.Cluster) bool {
	if in.ClusterResourcesFrom == nil {
		return in.ClusterResources != nil && *in.ClusterResources
	}
	v, ok, err := d.xr.boolean(in.ClusterResourcesFrom)
	if ok {
		return v
	}
	d.problems.add(cmp.Or(err, waitingForField(in.ClusterResourcesFrom)))
	return d.was.data("clusterResources") == "true"
}

// shard returns the shard of Argo CD's application controller; nil for its own choice.
func (d *describer) shard(in *v1beta1.Cluster) *int32 {
	if in.ShardFrom == nil {
		return in.Shard
	}
	v, _, ok := d.xr.value(in.ShardFrom)
	s, _ := scalar(v)
	shard, valid := parseShard(s)
	switch {
	case !ok:
		d.problems.add(waitingForField(in.ShardFrom))
	case !valid:
		d.problems.add(invalidField(in.ShardFrom, "must be a number that is not negative (used as cluster.shard)"))
	default:
		return &shard
	}
	if shard, valid := parseShard(d.was.data("shard")); valid {
		return &shard
	}
	return nil
}

func parseShard(s string) (int32, bool) {
	n, err := strconv.ParseInt(s, 10, 32)
	return int32(n), err == nil && n >= 0
}

// state returns the value of the label by which ApplicationSets select.
func (d *describer) state(in *v1beta1.Cluster) string {
	drain := in.Drain != nil && *in.Drain
	if in.DrainFrom != nil {
		v, ok, err := d.xr.boolean(in.DrainFrom)
		drain = v
		wasDraining := d.was.metadata(kindLabels)[labelState] == stateDraining
		if err == nil && !ok && wasDraining && in.DrainFrom.Type == v1beta1.FromEnvironmentFieldPath {
			// An XR's user stops draining by removing the field. An environment may be missing
			// for a moment.
			err = waitingForField(in.DrainFrom)
		}
		if err != nil {
			d.problems.add(err)
			drain = wasDraining
		}
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
	f := &s.FieldSource
	v, _, ok := d.xr.value(f)
	required := s.Policy == v1beta1.FromFieldPathRequired
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
	v, _, _ := d.xr.value(&s.FieldSource)
	_, ok := v.(map[string]any)
	return ok
}

// missing keeps the entries of a map that is missing. Which ones those are is not known, and
// losing one may prune workloads: it is all with its prefix that nothing else gives.
func (d *describer) missing(out map[string]string, s *v1beta1.MetadataSource, was, given map[string]string, check func(key, value string) []string) {
	f := &s.FieldSource
	if _, _, ok := d.xr.value(f); ok {
		d.problems.add(invalidField(f, "is not a map; set key to use it as one value"))
	} else if s.Policy == v1beta1.FromFieldPathOptional {
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

// entries adds the entries of a map to out. A bad one is named, keeps its old value, and holds
// nothing else up.
func (d *describer) entries(out map[string]string, s *v1beta1.MetadataSource, was, given map[string]string, check func(key, value string) []string, kind string) {
	f := &s.FieldSource
	v, _, _ := d.xr.value(f)
	fields, _ := v.(map[string]any)
	// Sorted, so that messages always have the same order.
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		key := s.KeyPrefix + k
		if _, other := given[key]; other || isReserved(kind, key, fields[k]) {
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
		note := fmt.Sprintf("the entry %.80q of %s was not used in cluster.%s: it %s", k, fieldName(f), kind, strings.Join(problems, "; "))
		if old, ok := was[key]; ok && len(check(key, old)) == 0 {
			out[key] = old
			d.kept.add(&problem{reason: reasonInvalidField, message: note})
		} else {
			d.notes = append(d.notes, note)
		}
	}
}
