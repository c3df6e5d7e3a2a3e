package v1beta1

import "cmp"

// Defaults of the input.
const (
	// DefaultConditionType is the condition's type of a step with the default composition
	// resource name.
	DefaultConditionType = "ArgoCDClusterRegistered"

	// DefaultResourceName is the composition resource name of the registration.
	DefaultResourceName = "argocd-cluster"

	// DefaultNamespace is the namespace that Argo CD is usually installed in.
	DefaultNamespace = "argocd"

	// DefaultProviderConfigName is the configuration that providers use by default.
	DefaultProviderConfigName = "default"

	// DefaultTokenKey and DefaultCAKey are the keys of a ServiceAccount's token Secret.
	DefaultTokenKey = "token"
	DefaultCAKey    = "ca.crt"

	// DefaultExecAPIVersion is the API version that argocd-k8s-auth prints.
	DefaultExecAPIVersion = "client.authentication.k8s.io/v1beta1"
)

// Default sets every field that has a constant default and is not set. Crossplane does not
// apply the CRD's defaults to an input.
func (in *ClusterRegistration) Default() {
	in.KubeconfigFrom.Type = cmp.Or(in.KubeconfigFrom.Type, KubeconfigSourceComposedResource)
	in.Credentials.Type = cmp.Or(in.Credentials.Type, CredentialsAuto)
	if t := in.Credentials.Token; t != nil {
		t.Key, t.CAKey = cmp.Or(t.Key, DefaultTokenKey), cmp.Or(t.CAKey, DefaultCAKey)
	}
	if e := in.Credentials.Exec; e != nil {
		e.APIVersion = cmp.Or(e.APIVersion, DefaultExecAPIVersion)
	}
	for _, from := range in.fieldSources() {
		if from != nil {
			from.Type = cmp.Or(from.Type, FromCompositeFieldPath)
		}
	}
	for _, sources := range [][]MetadataSource{in.Cluster.LabelsFrom, in.Cluster.AnnotationsFrom} {
		for i := range sources {
			sources[i].Type = cmp.Or(sources[i].Type, FromCompositeFieldPath)
			sources[i].Policy = cmp.Or(sources[i].Policy, FromFieldPathRequired)
		}
	}
	out := &in.Output
	out.Type = cmp.Or(out.Type, OutputObject)
	out.ArgoCD = cmp.Or(out.ArgoCD, ArgoCDLocal)
	out.ResourceName = cmp.Or(out.ResourceName, DefaultResourceName)
	out.Namespace = cmp.Or(out.Namespace, DefaultNamespace)
	if out.Object == nil && out.Type == OutputObject {
		out.Object = &ObjectOutput{}
	}
	if out.Object != nil {
		out.Object.ProviderConfigRef.Name = cmp.Or(out.Object.ProviderConfigRef.Name, DefaultProviderConfigName)
	}
}

// fieldSources returns the sources of single values. Those that are not set are nil.
func (in *ClusterRegistration) fieldSources() []*FieldSource {
	c := &in.Cluster
	all := []*FieldSource{
		c.NameFrom, c.ServerFrom, c.TLSServerNameFrom, c.ProxyURLFrom, c.ProjectFrom,
		c.NamespacesFrom, c.ClusterResourcesFrom, c.ShardFrom, c.DrainFrom,
	}
	refs := []*SecretReference{in.KubeconfigFrom.SecretRef}
	if t := in.Credentials.Token; t != nil {
		refs = append(refs, t.SecretRef)
	}
	for _, ref := range refs {
		if ref != nil {
			all = append(all, ref.NameFrom, ref.NamespaceFrom)
		}
	}
	if aws := in.Credentials.AWS; aws != nil {
		all = append(all, aws.ClusterNameFrom, aws.RoleARNFrom, aws.RegionFrom)
	}
	if azure := in.Credentials.Azure; azure != nil {
		all = append(all, azure.TenantIDFrom, azure.ClientIDFrom)
	}
	return all
}

// ManagementPolicies returns the management policies of an Object; empty for the provider's
// own.
func (o *Output) ManagementPolicies() []ManagementAction {
	if o.Object == nil {
		return nil
	}
	return o.Object.ManagementPolicies
}
