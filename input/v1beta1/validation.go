package v1beta1

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

// Labels and annotations of the cluster Secret that the function sets.
const (
	// LabelState says whether the cluster is in use. It is there so that
	// ApplicationSets can select on it.
	LabelState = "argocd.fn.crossplane.io/state"

	// StateActive is the value of LabelState of a cluster in use.
	StateActive = "active"

	// LabelComposite, LabelClaimName and LabelClaimNamespace name the XR, and the
	// claim where it has one, as Crossplane does on every composed resource.
	LabelComposite      = "crossplane.io/composite"
	LabelClaimName      = "crossplane.io/claim-name"
	LabelClaimNamespace = "crossplane.io/claim-namespace"

	// AnnotationComposite marks a Secret as the registration of one XR:
	// `<kind>.<group>/<name>`, or `<kind>.<group>/<namespace>/<name>`.
	AnnotationComposite = "argocd.fn.crossplane.io/composite"
)

const (
	prefixArgoCD   = "argocd.argoproj.io/"
	prefixFunction = "argocd.fn.crossplane.io/"

	annotationSkipReconcile = prefixArgoCD + "skip-reconcile"
)

// Validate returns everything that is wrong with the input as its author wrote it.
// What depends on the XR is not looked at.
func (in *ClusterRegistration) Validate() field.ErrorList {
	var errs field.ErrorList
	if in.APIVersion != APIVersion {
		errs = append(errs, field.NotSupported(field.NewPath("apiVersion"), in.APIVersion, []string{APIVersion}))
	}
	if in.Kind != Kind {
		errs = append(errs, field.NotSupported(field.NewPath("kind"), in.Kind, []string{Kind}))
	}
	if in.KubeconfigFrom != nil {
		errs = append(errs, in.KubeconfigFrom.validate(field.NewPath("kubeconfigFrom"))...)
		if n := in.KubeconfigFrom.ResourceName; n != "" && n == in.Output.GetResourceName() {
			errs = append(errs, field.Invalid(field.NewPath("kubeconfigFrom", "resourceName"), n, "must not be output.resourceName, which is the registration itself"))
		}
	}
	if in.Credentials != nil {
		errs = append(errs, oneOf(field.NewPath("credentials", "type"), in.Credentials.Type, CredentialsAuto, CredentialsKubeconfig)...)
	}
	if in.Cluster != nil {
		errs = append(errs, in.Cluster.validate(field.NewPath("cluster"))...)
	}
	if in.Output != nil {
		errs = append(errs, in.Output.validate(field.NewPath("output"))...)
	}
	return errs
}

// ValidateFor returns what of the input cannot work for an XR in the given namespace,
// or for a cluster-scoped one where that is empty.
func (in *ClusterRegistration) ValidateFor(namespace string) field.ErrorList {
	path := field.NewPath("output")
	if namespace == "" {
		if ref := in.Output.GetObject().GetProviderConfigRef(); ref != nil && ref.Kind != "" {
			return field.ErrorList{field.Forbidden(path.Child("object", "providerConfigRef", "kind"), "may only be set for namespaced XRs; the Object of a cluster-scoped one has no such field")}
		}
		return nil
	}
	if in.Output.GetType() == OutputSecret && namespace != in.Output.GetNamespace() {
		return field.ErrorList{field.Invalid(path.Child("type"), OutputSecret, "cannot work for an XR in namespace "+namespace+", which can only compose Secrets there; set output.type: Object")}
	}
	return nil
}

func (s *KubeconfigSource) validate(path *field.Path) field.ErrorList {
	errs := oneOf(path.Child("type"), s.Type, KubeconfigSourceComposedResource, KubeconfigSourceCompositeResource)
	if s.ResourceName != "" && s.GetType() != KubeconfigSourceComposedResource {
		errs = append(errs, field.Forbidden(path.Child("resourceName"), "may only be set with type "+string(KubeconfigSourceComposedResource)))
	}
	return errs
}

func (c *Cluster) validate(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	errs = append(errs, literalOrFieldPath(path, "name", c.Name, c.NameFromFieldPath, argocd.CheckName)...)
	errs = append(errs, literalOrFieldPath(path, "server", c.Server, c.ServerFromFieldPath, CheckServer)...)
	errs = append(errs, literalOrFieldPath(path, "project", c.Project, c.ProjectFromFieldPath, argocd.CheckProject)...)
	errs = append(errs, validateMetadata(path, "labels", c.Labels, c.LabelsFrom, CheckLabel)...)
	errs = append(errs, validateMetadata(path, "annotations", c.Annotations, c.AnnotationsFrom, CheckAnnotation)...)
	return errs
}

func (o *Output) validate(path *field.Path) field.ErrorList {
	errs := oneOf(path.Child("type"), o.Type, OutputAuto, OutputObject, OutputSecret)
	if o.Namespace != "" {
		errs = append(errs, invalid(path.Child("namespace"), o.Namespace, validation.IsDNS1123Label(o.Namespace))...)
	}
	if o.Name != "" {
		errs = append(errs, invalid(path.Child("name"), o.Name, validation.IsDNS1123Subdomain(o.Name))...)
	}
	if o.Object == nil {
		return errs
	}
	path = path.Child("object")
	if o.GetType() == OutputSecret {
		errs = append(errs, field.Forbidden(path, "may not be set with output.type "+string(OutputSecret)))
	}
	if ref := o.Object.ProviderConfigRef; ref != nil {
		refPath := path.Child("providerConfigRef")
		errs = append(errs, oneOf(refPath.Child("kind"), ref.Kind, ProviderConfigKindCluster, ProviderConfigKindNamespaced)...)
		if ref.Name != "" {
			errs = append(errs, invalid(refPath.Child("name"), ref.Name, validation.IsDNS1123Subdomain(ref.Name))...)
		}
	}
	return append(errs, validateManagementPolicies(path.Child("managementPolicies"), o.Object.ManagementPolicies)...)
}

func validateManagementPolicies(path *field.Path, policies []ManagementAction) field.ErrorList {
	if len(policies) == 0 {
		return nil
	}
	var errs field.ErrorList
	for i, p := range policies {
		errs = append(errs, oneOf(path.Index(i), p,
			ManagementActionAll, ManagementActionObserve, ManagementActionCreate, ManagementActionUpdate, ManagementActionDelete, ManagementActionLateInitialize)...)
	}
	if slices.Contains(policies, ManagementActionAll) {
		return errs
	}
	for _, p := range []ManagementAction{ManagementActionObserve, ManagementActionCreate, ManagementActionUpdate} {
		if !slices.Contains(policies, p) {
			errs = append(errs, field.Invalid(path, policies, "must have "+string(p)+" or *, without which the registration is not kept up to date"))
		}
	}
	return errs
}

// validateMetadata validates labels or annotations, which are named by their field.
func validateMetadata(path *field.Path, name string, static map[string]string, from []MetadataSource, check func(key, value string) []string) field.ErrorList {
	var errs field.ErrorList
	for k, v := range static {
		errs = append(errs, invalid(path.Child(name).Key(k), v, check(k, v))...)
	}
	// The order of a map is random, that of messages must not be.
	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Error(), b.Error()) })

	keys := make(map[string]bool, len(from))
	for i := range from {
		s, sPath := &from[i], path.Child(name+"From").Index(i)
		errs = append(errs, validateFieldPath(sPath.Child("fieldPath"), s.FieldPath)...)
		errs = append(errs, oneOf(sPath.Child("policy"), s.Policy, FromFieldPathRequired, FromFieldPathOptional)...)
		switch {
		case s.Key != "" && s.KeyPrefix != "":
			errs = append(errs, field.Forbidden(sPath.Child("keyPrefix"), "may not be set together with key"))
		case s.Key != "" && keys[s.Key]:
			errs = append(errs, field.Duplicate(sPath.Child("key"), s.Key))
		case s.Key != "":
			keys[s.Key] = true
			errs = append(errs, invalid(sPath.Child("key"), s.Key, check(s.Key, ""))...)
		case s.KeyPrefix != "":
			// Whether a prefix can be one shows with any key.
			errs = append(errs, invalid(sPath.Child("keyPrefix"), s.KeyPrefix, check(s.KeyPrefix+"key", ""))...)
		}
	}
	return errs
}

// literalOrFieldPath validates a field that is either given or taken from the XR.
func literalOrFieldPath(path *field.Path, name string, literal, fieldPath *string, check func(string) []string) field.ErrorList {
	var errs field.ErrorList
	fromName := name + "FromFieldPath"
	if literal != nil && fieldPath != nil {
		errs = append(errs, field.Forbidden(path.Child(fromName), "may not be set together with "+name))
	}
	if literal != nil {
		var value any = *literal
		if strings.Contains(*literal, "@") {
			// It may be a URL with a password.
			value = field.OmitValueType{}
		}
		errs = append(errs, invalid(path.Child(name), value, check(*literal))...)
	}
	if fieldPath != nil {
		errs = append(errs, validateFieldPath(path.Child(fromName), *fieldPath)...)
	}
	return errs
}

func validateFieldPath(path *field.Path, fieldPath string) field.ErrorList {
	if fieldPath == "" {
		return field.ErrorList{field.Required(path, "must be a field path of the XR, like spec.parameters.environment")}
	}
	segments, err := fieldpath.Parse(fieldPath)
	if err != nil {
		return field.ErrorList{field.Invalid(path, fieldPath, err.Error())}
	}
	if slices.ContainsFunc(segments, func(s fieldpath.Segment) bool { return s.Field == "*" }) {
		return field.ErrorList{field.Invalid(path, fieldPath, "must not hold a wildcard")}
	}
	return nil
}

// oneOf validates an enumeration. Empty is for the default.
func oneOf[T ~string](path *field.Path, value T, supported ...T) field.ErrorList {
	if value == "" || slices.Contains(supported, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, value, supported)}
}

func invalid(path *field.Path, value any, problems []string) field.ErrorList {
	errs := make(field.ErrorList, 0, len(problems))
	for _, p := range problems {
		errs = append(errs, field.Invalid(path, value, p))
	}
	return errs
}

// CheckServer says what is wrong with the URL of an API server; nothing if it is
// fine.
func CheckServer(server string) []string {
	s, err := kubeconfig.Server(server)
	if err != nil {
		return []string{err.Error()}
	}
	if argocd.IsInCluster(s) {
		return []string{"is the hub's own in-cluster address, by which Argo CD means the hub"}
	}
	return nil
}

// CheckLabel says what is wrong with a label of the cluster Secret that is not the
// function's own; nothing if it is fine.
func CheckLabel(key, value string) []string {
	problems := validation.IsQualifiedName(key)
	problems = append(problems, validation.IsValidLabelValue(value)...)
	switch {
	case strings.HasPrefix(key, prefixArgoCD), strings.HasPrefix(key, prefixFunction):
		problems = append(problems, reserved(key))
	case key == LabelComposite, key == LabelClaimName, key == LabelClaimNamespace:
		problems = append(problems, fmt.Sprintf("the label %s is always set, to what Crossplane gives it", key))
	}
	return problems
}

// CheckAnnotation says what is wrong with an annotation of the cluster Secret that
// is not the function's own; nothing if it is fine.
func CheckAnnotation(key, _ string) []string {
	// Kubernetes lets an annotation's key have upper case where a label's has not.
	problems := validation.IsQualifiedName(strings.ToLower(key))
	if key != annotationSkipReconcile && (strings.HasPrefix(key, prefixArgoCD) || strings.HasPrefix(key, prefixFunction)) {
		problems = append(problems, reserved(key))
	}
	return problems
}

func reserved(key string) string {
	prefix, _, _ := strings.Cut(key, "/")
	return "keys under " + prefix + "/ are reserved"
}
