package v1beta1

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"

	"github.com/crossplane-contrib/function-argocd-cluster/internal/argocd"
	"github.com/crossplane-contrib/function-argocd-cluster/internal/kubeconfig"
)

const (
	prefixArgoCD     = "argocd.argoproj.io/"
	prefixFunction   = "argocd.fn.crossplane.io/"
	prefixCrossplane = "crossplane.io/"

	annotationSkipReconcile   = prefixArgoCD + "skip-reconcile"
	labelAutoLabelClusterInfo = prefixArgoCD + "auto-label-cluster-info"

	// By these, kubectl apply and Argo CD take the Secret for theirs, and change or delete
	// it.
	annotationLastApplied = "kubectl.kubernetes.io/last-applied-configuration"
	labelInstance         = "app.kubernetes.io/instance"
	keyManagedBy          = "managed-by"
	managedByArgoCD       = "argocd.argoproj.io"
)

// MaxAnnotations is the number of bytes of annotations that Kubernetes accepts, less some room
// for those of others.
const MaxAnnotations = 256<<10 - 4<<10

// SizeOf returns the number of bytes of labels or annotations.
func SizeOf(metadata map[string]string) int {
	n := 0
	for k, v := range metadata {
		n += len(k) + len(v)
	}
	return n
}

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
		errs = append(errs, in.Credentials.validate(field.NewPath("credentials"))...)
	}
	if in.Cluster != nil {
		errs = append(errs, in.Cluster.validate(field.NewPath("cluster"))...)
	}
	if t := in.ConditionType; t != "" {
		errs = append(errs, invalid(field.NewPath("conditionType"), t, checkConditionType(t))...)
	}
	if in.StatusFieldPath != nil {
		errs = append(errs, validateStatusFieldPath(field.NewPath("statusFieldPath"), *in.StatusFieldPath)...)
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
		var errs field.ErrorList
		if ref := in.Output.GetObject().GetProviderConfigRef(); ref != nil && ref.Kind != "" {
			errs = append(errs, field.Forbidden(path.Child("object", "providerConfigRef", "kind"), "may only be set for namespaced XRs; the Object of a cluster-scoped one has no such field"))
		}
		if ref := in.KubeconfigFrom.GetSecretRef(); ref != nil && ref.NamespaceValue() == (Value{}) {
			errs = append(errs, field.Required(field.NewPath("kubeconfigFrom", "secretRef", "namespace"), "must be set for cluster-scoped XRs, which have no namespace of their own"))
		}
		return errs
	}
	if in.Output.GetType() == OutputSecret && namespace != in.Output.GetNamespace() {
		return field.ErrorList{field.Invalid(path.Child("type"), OutputSecret, "cannot work for an XR in namespace "+namespace+", which can only compose Secrets there; set output.type: Object")}
	}
	return nil
}

func (s *KubeconfigSource) validate(path *field.Path) field.ErrorList {
	errs := oneOf(path.Child("type"), s.Type, KubeconfigSourceComposedResource, KubeconfigSourceCompositeResource, KubeconfigSourceSecret)
	if s.ResourceName != "" && s.GetType() != KubeconfigSourceComposedResource {
		errs = append(errs, field.Forbidden(path.Child("resourceName"), "may only be set with type "+string(KubeconfigSourceComposedResource)))
	}
	path = path.Child("secretRef")
	switch isSecret := s.GetType() == KubeconfigSourceSecret; {
	case isSecret && s.SecretRef == nil:
		errs = append(errs, field.Required(path, "must be set with type "+string(KubeconfigSourceSecret)))
	case !isSecret && s.SecretRef != nil:
		errs = append(errs, field.Forbidden(path, "may only be set with type "+string(KubeconfigSourceSecret)))
	case s.SecretRef != nil:
		ref := s.SecretRef
		errs = append(errs, validateValue(path, "name", ref.NameValue(), CheckSecretName)...)
		errs = append(errs, validateValue(path, "namespace", ref.NamespaceValue(), CheckNamespace)...)
		if p := ref.NamespaceFromFieldPath; p != nil && *p != "metadata.namespace" && *p != "spec.claimRef.namespace" {
			errs = append(errs, field.NotSupported(path.Child("namespaceFromFieldPath"), *p, []string{"metadata.namespace", "spec.claimRef.namespace"}))
		}
		if ref.NameValue() == (Value{}) {
			errs = append(errs, field.Required(path.Child("name"), "or nameFromFieldPath must be set"))
		}
	}
	return errs
}

func (c *Credentials) validate(path *field.Path) field.ErrorList {
	errs := oneOf(path.Child("type"), c.Type, CredentialsAuto, CredentialsKubeconfig, CredentialsAWS, CredentialsAzure, CredentialsGCP, CredentialsExec)
	for _, f := range []struct {
		name     string
		of       CredentialsType
		set      bool
		required bool
	}{
		{"aws", CredentialsAWS, c.AWS != nil, true},
		{"azure", CredentialsAzure, c.Azure != nil, false},
		{"exec", CredentialsExec, c.Exec != nil, true},
	} {
		switch isType := c.GetType() == f.of; {
		case f.set && !isType:
			errs = append(errs, field.Forbidden(path.Child(f.name), "may only be set with type "+string(f.of)))
		case !f.set && isType && f.required:
			errs = append(errs, field.Required(path.Child(f.name), "must be set with type "+string(f.of)))
		}
	}
	if c.AWS != nil {
		errs = append(errs, c.AWS.validate(path.Child("aws"))...)
	}
	if c.Azure != nil {
		errs = append(errs, c.Azure.validate(path.Child("azure"))...)
	}
	if c.Exec != nil {
		errs = append(errs, c.Exec.validate(path.Child("exec"))...)
	}
	return errs
}

func (c *AWSCredentials) validate(path *field.Path) field.ErrorList {
	errs := validateValue(path, "clusterName", c.ClusterNameValue(), argocd.CheckEKSClusterName)
	if c.ClusterNameValue() == (Value{}) {
		errs = append(errs, field.Required(path.Child("clusterName"), "or clusterNameFromFieldPath must be set"))
	}
	errs = append(errs, validateValue(path, "roleARN", c.RoleARNValue(), argocd.CheckRoleARN)...)
	errs = append(errs, invalid(path.Child("profile"), c.Profile, argocd.CheckAWSProfile(c.Profile))...)
	return append(errs, invalid(path.Child("region"), c.Region, argocd.CheckAWSRegion(c.Region))...)
}

func (c *AzureCredentials) validate(path *field.Path) field.ErrorList {
	errs := invalid(path.Child("tenantID"), c.TenantID, argocd.CheckAzureTenant(c.TenantID))
	errs = append(errs, invalid(path.Child("clientID"), c.ClientID, argocd.CheckUUID(c.ClientID))...)
	errs = append(errs, invalid(path.Child("serverID"), c.ServerID, argocd.CheckUUID(c.ServerID))...)
	errs = append(errs, invalid(path.Child("environment"), c.Environment, argocd.CheckAzureEnvironment(c.Environment))...)
	return append(errs, oneOf(path.Child("loginMethod"), c.LoginMethod,
		AzureLoginWorkloadIdentity, AzureLoginManagedIdentity, AzureLoginServicePrincipal, AzureLoginAzureCLI)...)
}

func (c *ExecCredentials) validate(path *field.Path) field.ErrorList {
	errs := oneOf(path.Child("apiVersion"), c.APIVersion, "client.authentication.k8s.io/v1", DefaultExecAPIVersion)
	if strings.TrimSpace(c.Command) == "" || strings.ContainsFunc(c.Command, unicode.IsControl) {
		errs = append(errs, field.Required(path.Child("command"), "must be a credential plugin in Argo CD's image, like argocd-k8s-auth"))
	}
	for _, k := range slices.Sorted(maps.Keys(c.Env)) {
		errs = append(errs, invalid(path.Child("env").Key(k), field.OmitValueType{}, validation.IsEnvVarName(k))...)
	}
	return errs
}

func (c *Cluster) validate(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	errs = append(errs, validateValue(path, "name", c.NameValue(), argocd.CheckName)...)
	errs = append(errs, validateValue(path, "server", c.ServerValue(), checkChosenServer)...)
	if c.TLSServerName != "" {
		errs = append(errs, invalid(path.Child("tlsServerName"), c.TLSServerName, kubeconfig.CheckTLSServerName(c.TLSServerName))...)
	}
	if c.ProxyURL != "" {
		// It may hold a password.
		errs = append(errs, invalid(path.Child("proxyURL"), field.OmitValueType{}, CheckProxy(c.ProxyURL))...)
	}
	errs = append(errs, validateValue(path, "project", c.ProjectValue(), argocd.CheckProject)...)
	for i, n := range c.Namespaces {
		errs = append(errs, invalid(path.Child("namespaces").Index(i), n, CheckNamespace(n))...)
	}
	if c.ClusterResources && len(c.Namespaces) == 0 {
		errs = append(errs, field.Forbidden(path.Child("clusterResources"), "may only be set with namespaces; without, Argo CD manages all of the cluster"))
	}
	if c.Shard != nil && *c.Shard < 0 {
		errs = append(errs, field.Invalid(path.Child("shard"), *c.Shard, "must not be negative"))
	}
	errs = append(errs, validateMetadata(path, "labels", c.Labels, c.LabelsFrom, CheckLabel)...)
	errs = append(errs, validateMetadata(path, "annotations", c.Annotations, c.AnnotationsFrom, CheckAnnotation)...)
	if c.DrainFromFieldPath != nil {
		errs = append(errs, validateFieldPath(path.Child("drainFromFieldPath"), *c.DrainFromFieldPath)...)
	}
	return errs
}

func (o *Output) validate(path *field.Path) field.ErrorList {
	errs := oneOf(path.Child("type"), o.Type, OutputAuto, OutputObject, OutputSecret)
	errs = append(errs, oneOf(path.Child("argoCD"), o.ArgoCD, ArgoCDLocal, ArgoCDRemote)...)
	if o.ArgoCD == ArgoCDRemote && o.GetType() == OutputSecret {
		errs = append(errs, field.Forbidden(path.Child("argoCD"), "may not be Remote with output.type Secret, which composes the Secret on this cluster; set output.type: Object"))
	}
	if o.Namespace != "" {
		errs = append(errs, invalid(path.Child("namespace"), o.Namespace, CheckNamespace(o.Namespace))...)
	}
	if o.Name != "" {
		errs = append(errs, invalid(path.Child("name"), o.Name, CheckSecretName(o.Name))...)
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
	if name == annotations && SizeOf(static) > MaxAnnotations {
		errs = append(errs, field.TooLong(path.Child(name), "", MaxAnnotations))
	}
	// The order of a map is random, that of messages must not be.
	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Error(), b.Error()) })

	keys := make(map[string]bool, len(from))
	for i := range from {
		s, sPath := &from[i], path.Child(name+"From").Index(i)
		errs = append(errs, validateFieldPath(sPath.Child("fieldPath"), s.FieldPath)...)
		errs = append(errs, oneOf(sPath.Child("type"), s.Type, FromCompositeFieldPath, FromEnvironmentFieldPath)...)
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

// validateValue validates the fields for one value: the literal is named by the field,
// and the others after it.
func validateValue(path *field.Path, name string, v Value, check func(string) []string) field.ErrorList {
	var errs field.ErrorList
	first := ""
	if v.Literal != nil {
		first = name
		var value any = *v.Literal
		if name == "server" {
			// It may hold a password or a token.
			value = field.OmitValueType{}
		}
		errs = append(errs, invalid(path.Child(name), value, check(*v.Literal))...)
	}
	for _, f := range []struct {
		name string
		path *string
	}{
		{name + "FromFieldPath", v.FieldPath},
		{name + "FromEnvironmentFieldPath", v.EnvironmentFieldPath},
	} {
		if f.path == nil {
			continue
		}
		errs = append(errs, validateFieldPath(path.Child(f.name), *f.path)...)
		if first == "" {
			first = f.name
			continue
		}
		errs = append(errs, field.Forbidden(path.Child(f.name), "may not be set together with "+first))
	}
	return errs
}

func validateFieldPath(path *field.Path, fieldPath string) field.ErrorList {
	if fieldPath == "" {
		return field.ErrorList{field.Required(path, "must be a field path, like spec.parameters.environment")}
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

func validateStatusFieldPath(path *field.Path, fieldPath string) field.ErrorList {
	if errs := validateFieldPath(path, fieldPath); len(errs) > 0 {
		return errs
	}
	// A function may only write the XR's status, and Crossplane its conditions.
	segments, err := fieldpath.Parse(fieldPath)
	if err != nil || len(segments) < 2 || segments[0].Field != "status" || segments[1].Field == "conditions" {
		return field.ErrorList{field.Invalid(path, fieldPath, "must be a field of the XR's status, like status.argocd")}
	}
	return nil
}

// conditionType is what metav1.Condition allows, without a prefix.
var conditionType = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,200}[A-Za-z0-9])?$`)

// checkConditionType says what is wrong with the type of a condition; nothing if it is fine.
func checkConditionType(t string) []string {
	switch t {
	case "Ready", "Synced", "Healthy", "Responsive":
		return []string{"must not be one of Crossplane's own condition types"}
	}
	if !conditionType.MatchString(t) {
		return []string{"must be a condition type like " + DefaultConditionType}
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

// CheckNamespace says what is wrong with the name of a namespace; nothing if it is fine.
func CheckNamespace(name string) []string {
	return inOneSentence(validation.IsDNS1123Label(name), "must be a DNS label, like argocd")
}

// CheckSecretName says what is wrong with the name of a Secret; nothing if it is fine.
func CheckSecretName(name string) []string {
	return inOneSentence(validation.IsDNS1123Subdomain(name), "must be a DNS name, like cluster-prod")
}

// inOneSentence returns a problem in fewer words than Kubernetes has for it.
func inOneSentence(problems []string, problem string) []string {
	if len(problems) == 0 {
		return nil
	}
	return []string{problem}
}

// CheckServer says what is wrong with the URL or host of an API server; nothing if it is
// fine.
func CheckServer(server string) []string {
	if _, err := kubeconfig.Server(server); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// checkChosenServer does the same for a server that the input holds.
func checkChosenServer(server string) []string {
	if _, err := kubeconfig.ChosenServer(server); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// CheckProxy says what is wrong with the URL of a proxy that the input holds; nothing if it is
// fine.
func CheckProxy(proxy string) []string {
	if _, err := kubeconfig.ChosenProxy(proxy); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// Kinds of metadata.
const (
	labels      = "labels"
	annotations = "annotations"
)

// IsReserved reports whether one of the labels or annotations means something to Argo CD,
// Crossplane, kubectl or this function, so that nobody else may set it.
func IsReserved(kind, key string, value any) bool {
	switch key {
	case annotationSkipReconcile:
		return kind != annotations
	case labelAutoLabelClusterInfo:
		return kind != labels
	case annotationLastApplied, labelInstance:
		return true
	case keyManagedBy:
		return value == managedByArgoCD
	}
	return strings.HasPrefix(key, prefixArgoCD) || strings.HasPrefix(key, prefixFunction) || strings.HasPrefix(key, prefixCrossplane)
}

// CheckLabel says what is wrong with a label of the cluster Secret that is not the
// function's own; nothing if it is fine.
func CheckLabel(key, value string) []string {
	if IsReserved(labels, key, value) {
		return []string{"is reserved"}
	}
	problems := checkKey(key)
	if len(validation.IsValidLabelValue(value)) > 0 {
		problems = append(problems, "must be a label value: at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit")
	}
	return problems
}

// checkKey says what is wrong with the key of a label or annotation, in fewer words than
// Kubernetes does.
func checkKey(key string) []string {
	if len(validation.IsQualifiedName(key)) == 0 {
		return nil
	}
	return []string{"must have a key like example.org/name, whose name has at most 63 letters, digits, '-', '_' and '.'"}
}

// CheckAnnotation says what is wrong with an annotation of the cluster Secret that
// is not the function's own; nothing if it is fine.
func CheckAnnotation(key, value string) []string {
	if IsReserved(annotations, key, value) {
		return []string{"is reserved"}
	}
	// Kubernetes allows upper case in an annotation's key, but not in a label's.
	problems := checkKey(strings.ToLower(key))
	if strings.ContainsFunc(value, isControl) {
		problems = append(problems, "must not contain control characters")
	}
	if len(value) > MaxAnnotations {
		problems = append(problems, fmt.Sprintf("must have at most %d KiB", MaxAnnotations>>10))
	}
	return problems
}

// isControl reports whether a rune is a control character that no annotation needs.
func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }
