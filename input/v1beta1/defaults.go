package v1beta1

import (
	"crypto/sha256"
	"encoding/hex"
)

// Defaults of the input.
const (
	// DefaultResourceName is the composition resource name of what is composed.
	DefaultResourceName = "argocd-cluster"

	// DefaultConditionType is the type of the condition of a step with the default
	// composition resource name.
	DefaultConditionType = "ArgoCDClusterRegistered"

	// DefaultNamespace is where Argo CD's own installation manifests put it.
	DefaultNamespace = "argocd"

	// DefaultProviderConfigName is the name that providers fall back to.
	DefaultProviderConfigName = "default"

	// DefaultExecAPIVersion is the version that argocd-k8s-auth prints.
	DefaultExecAPIVersion = "client.authentication.k8s.io/v1beta1"
)

// GetConditionType returns the type of the step's condition, by default one that follows
// from the composition resource name.
func (in *ClusterRegistration) GetConditionType() string {
	if in.ConditionType != "" {
		return in.ConditionType
	}
	return ConditionTypeOf(in.Output.GetResourceName())
}

// ConditionTypeOf returns the default type of the condition of a step with a composition
// resource name.
func ConditionTypeOf(resourceName string) string {
	if resourceName == DefaultResourceName {
		return DefaultConditionType
	}
	t := DefaultConditionType + "-" + resourceName
	if len(checkConditionType(t)) == 0 {
		return t
	}
	sum := sha256.Sum256([]byte(resourceName))
	return DefaultConditionType + "-" + hex.EncodeToString(sum[:5])
}

// GetTLSServerName returns the name that the server's certificate is verified against;
// empty for the kubeconfig's.
func (c *Cluster) GetTLSServerName() string {
	if c == nil {
		return ""
	}
	return c.TLSServerName
}

// GetProxyURL returns the proxy on the way to the server; empty for the kubeconfig's.
func (c *Cluster) GetProxyURL() string {
	if c == nil {
		return ""
	}
	return c.ProxyURL
}

// GetArgoCD returns where Argo CD runs, by default on this cluster.
func (o *Output) GetArgoCD() ArgoCDLocation {
	if o == nil || o.ArgoCD == "" {
		return ArgoCDLocal
	}
	return o.ArgoCD
}

// GetType returns the source's type, by default ComposedResource.
func (s *KubeconfigSource) GetType() KubeconfigSourceType {
	if s == nil || s.Type == "" {
		return KubeconfigSourceComposedResource
	}
	return s.Type
}

// GetResourceName returns the composition resource name of the composed resource
// that has the kubeconfig; empty where it is to be found.
func (s *KubeconfigSource) GetResourceName() string {
	if s == nil {
		return ""
	}
	return s.ResourceName
}

// GetSecretRef returns the reference to the Secret that has the kubeconfig. It is nil
// but for type Secret.
func (s *KubeconfigSource) GetSecretRef() *SecretReference {
	if s == nil {
		return nil
	}
	return s.SecretRef
}

// GetKey returns the kubeconfig's key; empty where it is to be found.
func (s *KubeconfigSource) GetKey() string {
	if s == nil {
		return ""
	}
	return s.Key
}

// GetContext returns the kubeconfig's context to use; empty for its own choice.
func (s *KubeconfigSource) GetContext() string {
	if s == nil {
		return ""
	}
	return s.Context
}

// GetType returns the credentials' type, by default Auto.
func (c *Credentials) GetType() CredentialsType {
	if c == nil || c.Type == "" {
		return CredentialsAuto
	}
	return c.Type
}

// GetAllowInsecure says whether a kubeconfig may do without verifying the server.
func (c *Credentials) GetAllowInsecure() bool { return c != nil && c.AllowInsecure }

// GetAPIVersion returns the API version of what the plugin prints, by default
// DefaultExecAPIVersion.
func (e *ExecCredentials) GetAPIVersion() string {
	if e == nil || e.APIVersion == "" {
		return DefaultExecAPIVersion
	}
	return e.APIVersion
}

// GetType returns the type of the source, by default FromCompositeFieldPath.
func (s *MetadataSource) GetType() MetadataSourceType {
	if s == nil || s.Type == "" {
		return FromCompositeFieldPath
	}
	return s.Type
}

// GetPolicy returns the policy for a missing field, by default Required.
func (s *MetadataSource) GetPolicy() FromFieldPathPolicy {
	if s == nil || s.Policy == "" {
		return FromFieldPathRequired
	}
	return s.Policy
}

// GetType returns the type of what is composed, by default Auto.
func (o *Output) GetType() OutputType {
	if o == nil || o.Type == "" {
		return OutputAuto
	}
	return o.Type
}

// GetResourceName returns the composition resource name of what is composed, by
// default DefaultResourceName.
func (o *Output) GetResourceName() string {
	if o == nil || o.ResourceName == "" {
		return DefaultResourceName
	}
	return o.ResourceName
}

// GetNamespace returns Argo CD's namespace, by default DefaultNamespace.
func (o *Output) GetNamespace() string {
	if o == nil || o.Namespace == "" {
		return DefaultNamespace
	}
	return o.Namespace
}

// GetName returns the cluster Secret's name; empty where it follows from the
// cluster's name.
func (o *Output) GetName() string {
	if o == nil {
		return ""
	}
	return o.Name
}

// GetObject returns what is particular to an Object. It may be nil.
func (o *Output) GetObject() *ObjectOutput {
	if o == nil {
		return nil
	}
	return o.Object
}

// GetProviderConfigRef returns the reference to the provider's configuration. It
// may be nil.
func (o *ObjectOutput) GetProviderConfigRef() *ProviderConfigReference {
	if o == nil {
		return nil
	}
	return o.ProviderConfigRef
}

// GetManagementPolicies returns the Object's management policies; empty for the
// provider's own.
func (o *ObjectOutput) GetManagementPolicies() []ManagementAction {
	if o == nil {
		return nil
	}
	return o.ManagementPolicies
}

// GetKind returns the kind of the provider's configuration that the Object of a
// namespaced XR uses, by default ClusterProviderConfig.
func (r *ProviderConfigReference) GetKind() ProviderConfigKind {
	if r == nil || r.Kind == "" {
		return ProviderConfigKindCluster
	}
	return r.Kind
}

// GetName returns the name of the provider's configuration, by default
// DefaultProviderConfigName.
func (r *ProviderConfigReference) GetName() string {
	if r == nil || r.Name == "" {
		return DefaultProviderConfigName
	}
	return r.Name
}
