package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/json"

	"github.com/crossplane/crossplane-runtime/v2/pkg/fieldpath"

	"github.com/crossplane-contrib/function-argocd-cluster/input/v1beta1"
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

// maxAnnotations is the number of bytes of annotations that Kubernetes accepts, less some room
// for those of others.
const maxAnnotations = 256<<10 - 4<<10

// sizeOf returns the number of bytes of labels or annotations.
func sizeOf(metadata map[string]string) int {
	n := 0
	for k, v := range metadata {
		n += len(k) + len(v)
	}
	return n
}

// validate returns everything that is wrong with an input that has its defaults, for an XR in
// a namespace; empty for a cluster-scoped one. Only its author can fix it.
func validate(in *v1beta1.ClusterRegistration, namespace string) field.ErrorList {
	var errs field.ErrorList
	if in.APIVersion != v1beta1.APIVersion {
		errs = append(errs, field.NotSupported(field.NewPath("apiVersion"), in.APIVersion, []string{v1beta1.APIVersion}))
	}
	if in.Kind != v1beta1.Kind {
		errs = append(errs, field.NotSupported(field.NewPath("kind"), in.Kind, []string{v1beta1.Kind}))
	}
	errs = append(errs, validateKubeconfigFrom(field.NewPath("kubeconfigFrom"), &in.KubeconfigFrom, namespace)...)
	if n := in.KubeconfigFrom.ResourceName; n != "" && n == in.Output.ResourceName {
		errs = append(errs, field.Invalid(field.NewPath("kubeconfigFrom", "resourceName"), n, "must not be output.resourceName, which is the registration itself"))
	}
	errs = append(errs, validateCredentials(field.NewPath("credentials"), in, namespace)...)
	errs = append(errs, validateCluster(field.NewPath("cluster"), &in.Cluster)...)
	if t := in.ConditionType; t != "" {
		errs = append(errs, invalid(field.NewPath("conditionType"), t, checkConditionType(t))...)
	}
	if in.StatusFieldPath != nil {
		errs = append(errs, validateStatusFieldPath(field.NewPath("statusFieldPath"), *in.StatusFieldPath)...)
	}
	return append(errs, validateOutput(field.NewPath("output"), &in.Output, namespace)...)
}

func validateKubeconfigFrom(path *field.Path, s *v1beta1.KubeconfigSource, namespace string) field.ErrorList {
	errs := oneOf(path.Child("type"), s.Type, v1beta1.KubeconfigSourceComposedResource, v1beta1.KubeconfigSourceCompositeResource, v1beta1.KubeconfigSourceSecret)
	if s.ResourceName != "" && s.Type != v1beta1.KubeconfigSourceComposedResource {
		errs = append(errs, field.Forbidden(path.Child("resourceName"), "may only be set with type "+string(v1beta1.KubeconfigSourceComposedResource)))
	}
	path = path.Child("secretRef")
	switch isSecret := s.Type == v1beta1.KubeconfigSourceSecret; {
	case isSecret && s.SecretRef == nil:
		errs = append(errs, field.Required(path, "must be set with type "+string(v1beta1.KubeconfigSourceSecret)))
	case !isSecret && s.SecretRef != nil:
		errs = append(errs, field.Forbidden(path, "may only be set with type "+string(v1beta1.KubeconfigSourceSecret)))
	case s.SecretRef != nil:
		errs = append(errs, validateSecretRef(path, s.SecretRef, namespace)...)
	}
	return errs
}

func validateSecretRef(path *field.Path, ref *v1beta1.SecretReference, namespace string) field.ErrorList {
	errs := validateText(path, "name", ref.Name, ref.NameFrom, checkSecretName)
	if ref.Name == nil && ref.NameFrom == nil {
		errs = append(errs, field.Required(path.Child("name"), "or nameFrom must be set"))
	}
	errs = append(errs, validateText(path, "namespace", ref.Namespace, ref.NamespaceFrom, checkNamespace)...)
	if from := ref.NamespaceFrom; from != nil && from.Type == v1beta1.FromCompositeFieldPath && from.FieldPath != "metadata.namespace" && from.FieldPath != "spec.claimRef.namespace" {
		errs = append(errs, field.NotSupported(path.Child("namespaceFrom", "fieldPath"), from.FieldPath, []string{"metadata.namespace", "spec.claimRef.namespace"}))
	}
	if namespace == "" && ref.Namespace == nil && ref.NamespaceFrom == nil {
		errs = append(errs, field.Required(path.Child("namespace"), "must be set for cluster-scoped XRs, which have no namespace of their own"))
	}
	return errs
}

func validateCredentials(path *field.Path, in *v1beta1.ClusterRegistration, namespace string) field.ErrorList {
	c := &in.Credentials
	errs := oneOf(path.Child("type"), c.Type, v1beta1.CredentialsAuto, v1beta1.CredentialsKubeconfig, v1beta1.CredentialsToken, v1beta1.CredentialsAWS, v1beta1.CredentialsAzure, v1beta1.CredentialsGCP, v1beta1.CredentialsExec)
	for _, f := range []struct {
		name     string
		of       v1beta1.CredentialsType
		set      bool
		required bool
	}{
		{"token", v1beta1.CredentialsToken, c.Token != nil, true},
		{"aws", v1beta1.CredentialsAWS, c.AWS != nil, true},
		{"azure", v1beta1.CredentialsAzure, c.Azure != nil, false},
		{"exec", v1beta1.CredentialsExec, c.Exec != nil, true},
	} {
		switch isType := c.Type == f.of; {
		case f.set && !isType:
			errs = append(errs, field.Forbidden(path.Child(f.name), "may only be set with type "+string(f.of)))
		case !f.set && isType && f.required:
			errs = append(errs, field.Required(path.Child(f.name), "must be set with type "+string(f.of)))
		}
	}
	if c.Token != nil {
		errs = append(errs, validateToken(path.Child("token"), c.Token, in.Output.ResourceName, namespace)...)
	}
	if c.AWS != nil {
		errs = append(errs, validateAWS(path.Child("aws"), c.AWS)...)
	}
	if c.Azure != nil {
		errs = append(errs, validateAzure(path.Child("azure"), c.Azure)...)
	}
	if c.Exec != nil {
		errs = append(errs, validateExec(path.Child("exec"), c.Exec)...)
	}
	return errs
}

func validateToken(path *field.Path, t *v1beta1.TokenCredentials, own, namespace string) field.ErrorList {
	var errs field.ErrorList
	switch {
	case t.ResourceName == "" && t.SecretRef == nil:
		errs = append(errs, field.Required(path.Child("resourceName"), "or secretRef must be set"))
	case t.ResourceName != "" && t.SecretRef != nil:
		errs = append(errs, field.Forbidden(path.Child("secretRef"), "may not be set together with resourceName"))
	case t.ResourceName == own:
		errs = append(errs, field.Invalid(path.Child("resourceName"), t.ResourceName, "must not be output.resourceName, which is the registration itself"))
	}
	if t.SecretRef != nil {
		errs = append(errs, validateSecretRef(path.Child("secretRef"), t.SecretRef, namespace)...)
	}
	return errs
}

func validateAWS(path *field.Path, c *v1beta1.AWSCredentials) field.ErrorList {
	errs := validateText(path, "clusterName", c.ClusterName, c.ClusterNameFrom, argocd.CheckEKSClusterName)
	if c.ClusterName == nil && c.ClusterNameFrom == nil {
		errs = append(errs, field.Required(path.Child("clusterName"), "or clusterNameFrom must be set"))
	}
	errs = append(errs, validateText(path, "roleARN", c.RoleARN, c.RoleARNFrom, argocd.CheckRoleARN)...)
	errs = append(errs, validateText(path, "region", c.Region, c.RegionFrom, argocd.CheckAWSRegion)...)
	return append(errs, invalid(path.Child("profile"), c.Profile, argocd.CheckAWSProfile(c.Profile))...)
}

func validateAzure(path *field.Path, c *v1beta1.AzureCredentials) field.ErrorList {
	errs := validateText(path, "tenantID", c.TenantID, c.TenantIDFrom, argocd.CheckAzureTenant)
	errs = append(errs, validateText(path, "clientID", c.ClientID, c.ClientIDFrom, argocd.CheckUUID)...)
	errs = append(errs, invalid(path.Child("serverID"), c.ServerID, argocd.CheckUUID(c.ServerID))...)
	errs = append(errs, invalid(path.Child("environment"), c.Environment, argocd.CheckAzureEnvironment(c.Environment))...)
	return append(errs, oneOf(path.Child("loginMethod"), c.LoginMethod,
		v1beta1.AzureLoginWorkloadIdentity, v1beta1.AzureLoginManagedIdentity, v1beta1.AzureLoginServicePrincipal, v1beta1.AzureLoginAzureCLI)...)
}

func validateExec(path *field.Path, c *v1beta1.ExecCredentials) field.ErrorList {
	errs := oneOf(path.Child("apiVersion"), c.APIVersion, "client.authentication.k8s.io/v1", v1beta1.DefaultExecAPIVersion)
	if strings.TrimSpace(c.Command) == "" || strings.ContainsFunc(c.Command, unicode.IsControl) {
		errs = append(errs, field.Required(path.Child("command"), "must be a credential plugin in Argo CD's image, like argocd-k8s-auth"))
	}
	for _, k := range slices.Sorted(maps.Keys(c.Env)) {
		errs = append(errs, invalid(path.Child("env").Key(k), field.OmitValueType{}, validation.IsEnvVarName(k))...)
	}
	if _, err := execConfig(c); err != nil {
		errs = append(errs, field.Invalid(path.Child("config"), field.OmitValueType{}, "must be an object"))
	}
	return errs
}

// validateTexts returns what is not a text where the input has texts of the author's own. The decoder
// takes null for an empty one, and does not name a number's key.
func validateTexts(in *structpb.Struct) field.ErrorList {
	var errs field.ErrorList
	texts := func(names ...string) {
		var path *field.Path
		v := structpb.NewStructValue(in)
		for _, n := range names {
			path, v = path.Child(n), v.GetStructValue().GetFields()[n]
		}
		isText := func(v *structpb.Value) bool { _, ok := v.GetKind().(*structpb.Value_StringValue); return ok }
		entries := v.GetStructValue().GetFields()
		for _, k := range slices.Sorted(maps.Keys(entries)) {
			if !isText(entries[k]) {
				errs = append(errs, field.Invalid(path.Key(k), field.OmitValueType{}, "must be a string; put it in quotes"))
			}
		}
		for i, v := range v.GetListValue().GetValues() {
			if !isText(v) {
				errs = append(errs, field.Invalid(path.Index(i), field.OmitValueType{}, "must be a string; put it in quotes"))
			}
		}
	}
	texts("cluster", "labels")
	texts("cluster", "annotations")
	texts("cluster", "namespaces")
	texts("credentials", "exec", "args")
	texts("credentials", "exec", "env")
	return errs
}

// execConfig returns the object that is passed to a plugin; nil if there is none.
func execConfig(c *v1beta1.ExecCredentials) (map[string]any, error) {
	if c.Config == nil {
		return nil, nil
	}
	var config map[string]any
	err := json.UnmarshalCaseSensitivePreserveInts(c.Config.Raw, &config)
	return config, err
}

func validateCluster(path *field.Path, c *v1beta1.Cluster) field.ErrorList {
	errs := validateText(path, "name", c.Name, c.NameFrom, argocd.CheckName)
	errs = append(errs, validateText(path, "server", c.Server, c.ServerFrom, checkChosenServer)...)
	errs = append(errs, validateText(path, "tlsServerName", c.TLSServerName, c.TLSServerNameFrom, kubeconfig.CheckTLSServerName)...)
	errs = append(errs, validateText(path, "proxyURL", c.ProxyURL, c.ProxyURLFrom, checkChosenProxy)...)
	errs = append(errs, validateText(path, "project", c.Project, c.ProjectFrom, argocd.CheckProject)...)
	for i, n := range c.Namespaces {
		errs = append(errs, invalid(path.Child("namespaces").Index(i), n, checkNamespace(n))...)
	}
	errs = append(errs, validateFrom(path, "namespaces", len(c.Namespaces) > 0, c.NamespacesFrom)...)
	errs = append(errs, validateFrom(path, "clusterResources", c.ClusterResources != nil, c.ClusterResourcesFrom)...)
	if len(c.Namespaces) == 0 && c.NamespacesFrom == nil {
		const why = "may only be set with namespaces; without, Argo CD manages all of the cluster"
		if c.ClusterResources != nil && *c.ClusterResources {
			errs = append(errs, field.Forbidden(path.Child("clusterResources"), why))
		}
		if c.ClusterResourcesFrom != nil {
			errs = append(errs, field.Forbidden(path.Child("clusterResourcesFrom"), why))
		}
	}
	if c.Shard != nil && *c.Shard < 0 {
		errs = append(errs, field.Invalid(path.Child("shard"), *c.Shard, "must not be negative"))
	}
	errs = append(errs, validateFrom(path, "shard", c.Shard != nil, c.ShardFrom)...)
	errs = append(errs, validateMetadata(path, "labels", c.Labels, c.LabelsFrom, checkLabel)...)
	errs = append(errs, validateMetadata(path, "annotations", c.Annotations, c.AnnotationsFrom, checkAnnotation)...)
	return append(errs, validateFrom(path, "drain", c.Drain != nil, c.DrainFrom)...)
}

func validateOutput(path *field.Path, o *v1beta1.Output, namespace string) field.ErrorList {
	errs := oneOf(path.Child("type"), o.Type, v1beta1.OutputObject, v1beta1.OutputSecret)
	errs = append(errs, oneOf(path.Child("argoCD"), o.ArgoCD, v1beta1.ArgoCDLocal, v1beta1.ArgoCDRemote)...)
	if o.ArgoCD == v1beta1.ArgoCDRemote && o.Type == v1beta1.OutputSecret {
		errs = append(errs, field.Forbidden(path.Child("argoCD"), "may not be Remote with output.type Secret, which composes the Secret on this cluster; set output.type: Object"))
	}
	if o.Type == v1beta1.OutputSecret && namespace != "" && namespace != o.Namespace {
		errs = append(errs, field.Invalid(path.Child("type"), o.Type, "cannot work for an XR in namespace "+namespace+", which can only compose Secrets there; set output.type: Object"))
	}
	errs = append(errs, invalid(path.Child("namespace"), o.Namespace, checkNamespace(o.Namespace))...)
	if o.Name != "" {
		errs = append(errs, invalid(path.Child("name"), o.Name, checkSecretName(o.Name))...)
	}
	if o.Object == nil {
		return errs
	}
	path = path.Child("object")
	if o.Type == v1beta1.OutputSecret {
		errs = append(errs, field.Forbidden(path, "may not be set with output.type "+string(v1beta1.OutputSecret)))
	}
	ref, refPath := o.Object.ProviderConfigRef, path.Child("providerConfigRef")
	errs = append(errs, oneOf(refPath.Child("kind"), ref.Kind, v1beta1.ProviderConfigKindCluster, v1beta1.ProviderConfigKindNamespaced)...)
	if ref.Kind != "" && namespace == "" {
		errs = append(errs, field.Forbidden(refPath.Child("kind"), "may only be set for namespaced XRs; the Object of a cluster-scoped one has no such field"))
	}
	errs = append(errs, invalid(refPath.Child("name"), ref.Name, validation.IsDNS1123Subdomain(ref.Name))...)
	return append(errs, validateManagementPolicies(path.Child("managementPolicies"), o.Object.ManagementPolicies)...)
}

func validateManagementPolicies(path *field.Path, policies []v1beta1.ManagementAction) field.ErrorList {
	if len(policies) == 0 {
		return nil
	}
	var errs field.ErrorList
	for i, p := range policies {
		errs = append(errs, oneOf(path.Index(i), p,
			v1beta1.ManagementActionAll, v1beta1.ManagementActionObserve, v1beta1.ManagementActionCreate, v1beta1.ManagementActionUpdate, v1beta1.ManagementActionDelete, v1beta1.ManagementActionLateInitialize)...)
	}
	if slices.Contains(policies, v1beta1.ManagementActionAll) {
		return errs
	}
	for _, p := range []v1beta1.ManagementAction{v1beta1.ManagementActionObserve, v1beta1.ManagementActionCreate, v1beta1.ManagementActionUpdate} {
		if !slices.Contains(policies, p) {
			errs = append(errs, field.Invalid(path, policies, "must have "+string(p)+" or *, without which the registration is not kept up to date"))
		}
	}
	return errs
}

// validateMetadata validates labels or annotations, which are named by their field.
func validateMetadata(path *field.Path, name string, static map[string]string, from []v1beta1.MetadataSource, check func(key, value string) []string) field.ErrorList {
	var errs field.ErrorList
	for k, v := range static {
		errs = append(errs, invalid(path.Child(name).Key(k), v, check(k, v))...)
	}
	if name == kindAnnotations && sizeOf(static) > maxAnnotations {
		errs = append(errs, field.TooLong(path.Child(name), "", maxAnnotations))
	}
	// The order of a map is random, that of messages must not be.
	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Error(), b.Error()) })

	keys := make(map[string]bool, len(from))
	for i := range from {
		s, sPath := &from[i], path.Child(name+"From").Index(i)
		errs = append(errs, validateFieldSource(sPath, &s.FieldSource)...)
		errs = append(errs, oneOf(sPath.Child("policy"), s.Policy, v1beta1.FromFieldPathRequired, v1beta1.FromFieldPathOptional)...)
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

// validateText validates a text and the source that may give it instead, which are named by
// their field.
func validateText(path *field.Path, name string, literal *string, from *v1beta1.FieldSource, check func(string) []string) field.ErrorList {
	var errs field.ErrorList
	if literal != nil {
		var value any = *literal
		if name == "server" || name == "proxyURL" {
			// It may hold a password or a token.
			value = field.OmitValueType{}
		}
		errs = invalid(path.Child(name), value, check(*literal))
	}
	return append(errs, validateFrom(path, name, literal != nil, from)...)
}

// validateFrom validates the source of a value, which is named by its field.
func validateFrom(path *field.Path, name string, literal bool, from *v1beta1.FieldSource) field.ErrorList {
	if from == nil {
		return nil
	}
	path = path.Child(name + "From")
	errs := validateFieldSource(path, from)
	if literal {
		errs = append(errs, field.Forbidden(path, "may not be set together with "+name))
	}
	return errs
}

func validateFieldSource(path *field.Path, from *v1beta1.FieldSource) field.ErrorList {
	errs := oneOf(path.Child("type"), from.Type, v1beta1.FromCompositeFieldPath, v1beta1.FromEnvironmentFieldPath)
	return append(errs, validateFieldPath(path.Child("fieldPath"), from.FieldPath)...)
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

// conditionTypes are what metav1.Condition allows, without a prefix.
var conditionTypes = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,200}[A-Za-z0-9])?$`)

// checkConditionType says what is wrong with the type of a condition; nothing if it is fine.
func checkConditionType(t string) []string {
	switch t {
	case "Ready", "Synced", "Healthy", "Responsive":
		return []string{"must not be one of Crossplane's own condition types"}
	}
	if !conditionTypes.MatchString(t) {
		return []string{"must be a condition type like " + v1beta1.DefaultConditionType}
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

// checkNamespace says what is wrong with the name of a namespace; nothing if it is fine.
func checkNamespace(name string) []string {
	return inOneSentence(validation.IsDNS1123Label(name), "must be a DNS label, like argocd")
}

// checkSecretName says what is wrong with the name of a Secret; nothing if it is fine.
func checkSecretName(name string) []string {
	return inOneSentence(validation.IsDNS1123Subdomain(name), "must be a DNS name, like cluster-prod")
}

// inOneSentence returns a problem in fewer words than Kubernetes has for it.
func inOneSentence(problems []string, problem string) []string {
	if len(problems) == 0 {
		return nil
	}
	return []string{problem}
}

// checkServer says what is wrong with the URL or host of an API server; nothing if it is
// fine.
func checkServer(server string) []string {
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

// checkChosenProxy says what is wrong with the URL of a proxy that the input holds; nothing if it is
// fine.
func checkChosenProxy(proxy string) []string {
	if _, err := kubeconfig.ChosenProxy(proxy); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// checkProxy does the same for a proxy that a field holds.
func checkProxy(proxy string) []string {
	if _, err := kubeconfig.Proxy(proxy); err != nil {
		return []string{err.Error()}
	}
	return nil
}

// Kinds of metadata.
const (
	kindLabels      = "labels"
	kindAnnotations = "annotations"
)

// isReserved reports whether one of the labels or annotations means something to Argo CD,
// Crossplane, kubectl or this function, so that nobody else may set it.
func isReserved(kind, key string, value any) bool {
	switch key {
	case annotationSkipReconcile:
		return kind != kindAnnotations
	case labelAutoLabelClusterInfo:
		return kind != kindLabels
	case annotationLastApplied, labelInstance:
		return true
	case keyManagedBy:
		return value == managedByArgoCD
	}
	return strings.HasPrefix(key, prefixArgoCD) || strings.HasPrefix(key, prefixFunction) || strings.HasPrefix(key, prefixCrossplane)
}

// checkLabel says what is wrong with a label of the cluster Secret that is not the
// function's own; nothing if it is fine.
func checkLabel(key, value string) []string {
	if isReserved(kindLabels, key, value) {
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

// checkAnnotation says what is wrong with an annotation of the cluster Secret that
// is not the function's own; nothing if it is fine.
func checkAnnotation(key, value string) []string {
	if isReserved(kindAnnotations, key, value) {
		return []string{"is reserved"}
	}
	// Kubernetes allows upper case in an annotation's key, but not in a label's.
	problems := checkKey(strings.ToLower(key))
	if strings.ContainsFunc(value, isControl) {
		problems = append(problems, "must not contain control characters")
	}
	if len(value) > maxAnnotations {
		problems = append(problems, fmt.Sprintf("must have at most %d KiB", maxAnnotations>>10))
	}
	return problems
}

// isControl reports whether a rune is a control character that no annotation needs.
func isControl(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }
