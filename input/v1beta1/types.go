package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// The API version and kind of the input.
const (
	APIVersion = "argocd.fn.crossplane.io/v1beta1"
	Kind       = "ClusterRegistration"
)

// A ClusterRegistration configures how one cluster is registered with Argo CD. Every field
// is optional. Without any input, the function registers the only composed resource whose
// connection details contain a kubeconfig, under the name of the composite resource (XR).
//
// A value that differs from XR to XR can be read from a field. For example, `cluster.name`
// sets the cluster's name, and `cluster.nameFrom` names a field that contains it. Only one
// of the two can be set.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:resource:categories=crossplane
type ClusterRegistration struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// KubeconfigFrom configures where the cluster's kubeconfig is read from.
	// Default: the only composed resource that has one.
	// +optional
	KubeconfigFrom KubeconfigSource `json:"kubeconfigFrom,omitzero"`

	// Credentials configure how Argo CD authenticates to the cluster.
	// +optional
	Credentials Credentials `json:"credentials,omitzero"`

	// Cluster configures how the cluster appears in Argo CD, and how Argo CD reaches it.
	// +optional
	Cluster Cluster `json:"cluster,omitzero"`

	// ConditionType is the type of the condition that the step sets on the XR and its
	// claim. Default: `ArgoCDClusterRegistered`. If output.resourceName is not the default,
	// `ArgoCDClusterRegistered-<output.resourceName>`, so that several steps of one pipeline
	// do not overwrite each other's condition.
	// +optional
	ConditionType string `json:"conditionType,omitempty"`

	// StatusFieldPath is where to write the registration's details in the XR's status, for
	// example `status.argocd`: `name`, `server`, `secretRef.name`, `secretRef.namespace` and
	// `credentials`, their type. The XR's schema must allow it. Default: not written.
	// +optional
	StatusFieldPath *string `json:"statusFieldPath,omitempty"`

	// Output configures the composed resource, and the cluster Secret's name and namespace.
	// +optional
	Output Output `json:"output,omitzero"`
}

// A FieldSourceType is where a field is.
type FieldSourceType string

// Where a field is.
const (
	// FromCompositeFieldPath is the XR.
	FromCompositeFieldPath FieldSourceType = "FromCompositeFieldPath"

	// FromEnvironmentFieldPath is the environment of the pipeline, which earlier steps
	// load, for example from EnvironmentConfigs.
	FromEnvironmentFieldPath FieldSourceType = "FromEnvironmentFieldPath"
)

// A FieldSource names a field to read a value from.
type FieldSource struct {
	// Type is where the field is. `FromCompositeFieldPath` reads the XR, and
	// `FromEnvironmentFieldPath` reads the pipeline's environment. A field of the XR's status
	// is first read from what earlier steps of the pipeline write there.
	// +optional
	// +kubebuilder:validation:Enum=FromCompositeFieldPath;FromEnvironmentFieldPath
	// +kubebuilder:default=FromCompositeFieldPath
	Type FieldSourceType `json:"type,omitempty"`

	// FieldPath is the field's path, in Crossplane's syntax. For example,
	// `spec.parameters.environment` or `metadata.labels[example.org/tier]`. Wildcards are not
	// supported. Required.
	FieldPath string `json:"fieldPath"`
}

// A KubeconfigSourceType is a kind of place that a kubeconfig is read from.
type KubeconfigSourceType string

// Places that a kubeconfig is read from.
const (
	// KubeconfigSourceComposedResource is the connection details of a composed resource:
	// the Secret at its spec.writeConnectionSecretToRef.
	KubeconfigSourceComposedResource KubeconfigSourceType = "ComposedResource"

	// KubeconfigSourceCompositeResource is the XR's own connection details. Only legacy
	// (v1-style) XRs have them.
	KubeconfigSourceCompositeResource KubeconfigSourceType = "CompositeResource"

	// KubeconfigSourceSecret is a Secret that is not composed, which Crossplane reads for
	// the function.
	KubeconfigSourceSecret KubeconfigSourceType = "Secret"
)

// A KubeconfigSource configures where the cluster's kubeconfig is read from.
type KubeconfigSource struct {
	// Type of the source. `ComposedResource` reads the connection details of a composed
	// resource, `CompositeResource` reads those of a legacy (v1-style) XR, and `Secret` reads
	// any Secret on the hub.
	// +optional
	// +kubebuilder:validation:Enum=ComposedResource;CompositeResource;Secret
	// +kubebuilder:default=ComposedResource
	Type KubeconfigSourceType `json:"type,omitempty"`

	// ResourceName is the composition resource name of the composed resource that has the
	// kubeconfig. Only with type ComposedResource. Default: the only composed resource that
	// has one; once the cluster is registered, the one that it was registered from.
	// +optional
	ResourceName string `json:"resourceName,omitempty"`

	// SecretRef names the Secret that contains the kubeconfig, for example the
	// `<cluster>-kubeconfig` of Cluster API. Required with type Secret, and only allowed with
	// it. Requires Crossplane v2.0 or later.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// Key of the kubeconfig in the connection details or the Secret. Default: the first of
	// these keys that exists: `kubeconfig`, `attribute.kube_config_raw`,
	// `attribute.kube_config.0.raw_config`, `attribute.kubeconfig.0.config_file`,
	// `attribute.kubeconfig`, `attribute.kube_config`, `attribute.kubeconfig.raw_config`; or
	// of these, if the value is a kubeconfig: `value`, `value.yaml`, `config`,
	// `kubeconfig.yaml`, `kubeconfig.json`, `kube_config_raw`, `kube_config`, `admin.conf`,
	// `admin.svc`.
	// +optional
	Key string `json:"key,omitempty"`

	// Context of the kubeconfig to use. Default: its current-context, or its only context.
	// +optional
	Context string `json:"context,omitempty"`
}

// A SecretReference names a Secret on the hub.
type SecretReference struct {
	// Name of the Secret. Either name or nameFrom is required.
	// +optional
	Name *string `json:"name,omitempty"`

	// NameFrom is the field that contains the Secret's name.
	// +optional
	NameFrom *FieldSource `json:"nameFrom,omitempty"`

	// Namespace of the Secret. Default: the XR's namespace. Required for a cluster-scoped
	// XR, unless namespaceFrom is set.
	// +optional
	Namespace *string `json:"namespace,omitempty"`

	// NamespaceFrom is the field that contains the Secret's namespace. It can be any field of
	// the environment, but only `metadata.namespace` or `spec.claimRef.namespace` of the XR.
	// With another field of the XR, its users could make the function read Secrets from any
	// namespace.
	// +optional
	NamespaceFrom *FieldSource `json:"namespaceFrom,omitempty"`
}

// A CredentialsType is a way for Argo CD to authenticate to the cluster.
type CredentialsType string

// Ways for Argo CD to authenticate to the cluster.
const (
	// CredentialsAuto uses the kubeconfig's client certificate, token, or username and
	// password, in this order, or else the credential plugin of Argo CD that does what the
	// kubeconfig's plugin does.
	CredentialsAuto CredentialsType = "Auto"

	// CredentialsKubeconfig uses the kubeconfig's client certificate, token, or username and
	// password, and never a plugin.
	CredentialsKubeconfig CredentialsType = "Kubeconfig"

	// CredentialsToken uses a token that the Composition made, for example that of a
	// ServiceAccount on the cluster.
	CredentialsToken CredentialsType = "Token"

	// CredentialsAWS uses Argo CD's own AWS identity, for EKS.
	CredentialsAWS CredentialsType = "AWS"

	// CredentialsAzure uses Argo CD's own Azure identity, for AKS with Entra ID.
	CredentialsAzure CredentialsType = "Azure"

	// CredentialsGCP uses Argo CD's own Google identity, for GKE.
	CredentialsGCP CredentialsType = "GCP"

	// CredentialsExec has Argo CD run a credential plugin.
	CredentialsExec CredentialsType = "Exec"
)

// Credentials configure how Argo CD authenticates to the cluster.
type Credentials struct {
	// Type of the credentials. `Auto` uses the kubeconfig's client certificate, or its token,
	// or its username and password. If it has none of them, `Auto` translates its plugin
	// (kubelogin, gke-gcloud-auth-plugin, aws, aws-iam-authenticator) to Argo CD's own plugin.
	// `Kubeconfig` does the same without plugins. `Token` uses the token in `token`. `AWS`,
	// `Azure` and `GCP` have Argo CD use its own identity in that cloud, and `Exec` has it run
	// the plugin in `exec`. These take only the server, its CA, its TLS server name and its
	// proxy from the kubeconfig.
	// +optional
	// +kubebuilder:validation:Enum=Auto;Kubeconfig;Token;AWS;Azure;GCP;Exec
	// +kubebuilder:default=Auto
	Type CredentialsType `json:"type,omitempty"`

	// AllowInsecure accepts a kubeconfig that sets insecure-skip-tls-verify. Argo CD then
	// does not verify the server that it sends credentials to. Default: false. Such a
	// kubeconfig is then refused.
	// +optional
	AllowInsecure bool `json:"allowInsecure,omitempty"`

	// Token is where the token is read from. Required with type Token, and only allowed with
	// it.
	// +optional
	Token *TokenCredentials `json:"token,omitempty"`

	// AWS identifies the EKS cluster, and the role to use. Required with type AWS, and only
	// allowed with it.
	// +optional
	AWS *AWSCredentials `json:"aws,omitempty"`

	// Azure configures which Azure identity Argo CD uses. Only with type Azure.
	// +optional
	Azure *AzureCredentials `json:"azure,omitempty"`

	// Exec is the credential plugin to run. Required with type Exec, and only allowed with
	// it.
	// +optional
	Exec *ExecCredentials `json:"exec,omitempty"`
}

// TokenCredentials configure where a bearer token is read from, and the CA of the server that
// it is for.
type TokenCredentials struct {
	// ResourceName is the composition resource name of the composed resource whose connection
	// details contain the token. Either resourceName or secretRef is required.
	// +optional
	ResourceName string `json:"resourceName,omitempty"`

	// SecretRef names the Secret that contains the token. Requires Crossplane v2.0 or later.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// Key of the token.
	// +optional
	// +kubebuilder:default=token
	Key string `json:"key,omitempty"`

	// CAKey is the key of the CA, in PEM. If there is no such key, the kubeconfig's CA is
	// used. With a CA and cluster.server, no kubeconfig is needed.
	// +optional
	// +kubebuilder:default=ca.crt
	CAKey string `json:"caKey,omitempty"`
}

// AWSCredentials configure how Argo CD authenticates to EKS by its own AWS identity.
type AWSCredentials struct {
	// ClusterName is the EKS cluster's name. Either clusterName or clusterNameFrom is
	// required.
	// +optional
	ClusterName *string `json:"clusterName,omitempty"`

	// ClusterNameFrom is the field that contains the EKS cluster's name.
	// +optional
	ClusterNameFrom *FieldSource `json:"clusterNameFrom,omitempty"`

	// RoleARN is the IAM role that Argo CD assumes. Default: none.
	// +optional
	RoleARN *string `json:"roleARN,omitempty"`

	// RoleARNFrom is the field that contains the IAM role.
	// +optional
	RoleARNFrom *FieldSource `json:"roleARNFrom,omitempty"`

	// Region of AWS's token service. Default: that of Argo CD's environment.
	// +optional
	Region *string `json:"region,omitempty"`

	// RegionFrom is the field that contains the region.
	// +optional
	RegionFrom *FieldSource `json:"regionFrom,omitempty"`

	// Profile in Argo CD's AWS configuration. Default: the configuration's default.
	// +optional
	Profile string `json:"profile,omitempty"`
}

// AzureCredentials configure how Argo CD authenticates to AKS by its own Azure identity.
type AzureCredentials struct {
	// TenantID is the Entra ID tenant, a UUID or a domain. Default: that of Argo CD's
	// environment.
	// +optional
	TenantID *string `json:"tenantID,omitempty"`

	// TenantIDFrom is the field that contains the tenant.
	// +optional
	TenantIDFrom *FieldSource `json:"tenantIDFrom,omitempty"`

	// ClientID of Argo CD's identity, a UUID. Default: that of Argo CD's environment.
	// +optional
	ClientID *string `json:"clientID,omitempty"`

	// ClientIDFrom is the field that contains the client ID.
	// +optional
	ClientIDFrom *FieldSource `json:"clientIDFrom,omitempty"`

	// ServerID is the AKS server application, a UUID. Default: that of all AKS clusters,
	// 6dae42f8-4368-4678-94ff-3960e28e3630.
	// +optional
	ServerID string `json:"serverID,omitempty"`

	// Environment of Azure, for example AzureChinaCloud. Default: AzurePublicCloud.
	// +optional
	Environment string `json:"environment,omitempty"`

	// LoginMethod is how Argo CD gets a token. Default: workloadidentity.
	// +optional
	// +kubebuilder:validation:Enum=workloadidentity;msi;spn;azurecli
	LoginMethod AzureLoginMethod `json:"loginMethod,omitempty"`
}

// An AzureLoginMethod is a way to get a token from Azure without user interaction.
type AzureLoginMethod string

// Ways to get a token from Azure.
const (
	AzureLoginWorkloadIdentity AzureLoginMethod = "workloadidentity"
	AzureLoginManagedIdentity  AzureLoginMethod = "msi"
	AzureLoginServicePrincipal AzureLoginMethod = "spn"
	AzureLoginAzureCLI         AzureLoginMethod = "azurecli"
)

// ExecCredentials configure a credential plugin of client-go, which Argo CD runs.
type ExecCredentials struct {
	// Command to run. It must be installed in Argo CD's image. Argo CD's own image has
	// argocd-k8s-auth. Required.
	Command string `json:"command"`

	// Args of the command.
	// +optional
	Args []string `json:"args,omitempty"`

	// Env are environment variables to set for the command.
	// +optional
	Env map[string]string `json:"env,omitempty"`

	// APIVersion of the ExecCredential that the command prints:
	// `client.authentication.k8s.io/v1` or `client.authentication.k8s.io/v1beta1`.
	// +optional
	// +kubebuilder:validation:Enum=client.authentication.k8s.io/v1;client.authentication.k8s.io/v1beta1
	// +kubebuilder:default=client.authentication.k8s.io/v1beta1
	APIVersion string `json:"apiVersion,omitempty"`

	// InstallHint is shown if the command is not installed.
	// +optional
	InstallHint string `json:"installHint,omitempty"`

	// ProvideClusterInfo passes the cluster's server and CA to the command.
	// +optional
	ProvideClusterInfo bool `json:"provideClusterInfo,omitempty"`

	// Config is passed to the command as the cluster's config, if provideClusterInfo is
	// true. Requires Argo CD v3.5 or later; older versions ignore it.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Config *runtime.RawExtension `json:"config,omitempty"`
}

// A Cluster configures how the cluster appears in Argo CD, and how Argo CD reaches it.
type Cluster struct {
	// Name of the cluster in Argo CD. Default: the XR's name; for a namespaced XR,
	// `<namespace>.<name>`. It cannot change once the cluster is registered.
	// +optional
	Name *string `json:"name,omitempty"`

	// NameFrom is the field that contains the cluster's name.
	// +optional
	NameFrom *FieldSource `json:"nameFrom,omitempty"`

	// Server overrides the kubeconfig's API server URL. A host, or host:port, becomes
	// `https://…`. Default: the kubeconfig's.
	// +optional
	Server *string `json:"server,omitempty"`

	// ServerFrom is the field that contains the server.
	// +optional
	ServerFrom *FieldSource `json:"serverFrom,omitempty"`

	// TLSServerName is the name that Argo CD verifies the server's certificate against.
	// Default: the kubeconfig's, or the server's host.
	// +optional
	TLSServerName *string `json:"tlsServerName,omitempty"`

	// TLSServerNameFrom is the field that contains the TLS server name.
	// +optional
	TLSServerNameFrom *FieldSource `json:"tlsServerNameFrom,omitempty"`

	// ProxyURL is the http, https or socks5 proxy through which Argo CD connects to the
	// server. Default: the kubeconfig's.
	// +optional
	ProxyURL *string `json:"proxyURL,omitempty"`

	// ProxyURLFrom is the field that contains the proxy's URL.
	// +optional
	ProxyURLFrom *FieldSource `json:"proxyURLFrom,omitempty"`

	// Project is the AppProject that the cluster belongs to. Default: none. Every project can
	// then deploy to the cluster.
	// +optional
	Project *string `json:"project,omitempty"`

	// ProjectFrom is the field that contains the project's name.
	// +optional
	ProjectFrom *FieldSource `json:"projectFrom,omitempty"`

	// Namespaces of the cluster that Argo CD manages. Default: all.
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`

	// NamespacesFrom is the field that contains the list of namespaces.
	// +optional
	NamespacesFrom *FieldSource `json:"namespacesFrom,omitempty"`

	// ClusterResources lets Argo CD manage cluster-scoped resources as well. Only allowed with
	// namespaces or namespacesFrom. Without them, Argo CD always manages them. Default: false.
	// +optional
	ClusterResources *bool `json:"clusterResources,omitempty"`

	// ClusterResourcesFrom is the field that contains true or false for clusterResources.
	// +optional
	ClusterResourcesFrom *FieldSource `json:"clusterResourcesFrom,omitempty"`

	// Shard of Argo CD's application controller that manages the cluster. Default: Argo CD
	// chooses one.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Shard *int32 `json:"shard,omitempty"`

	// ShardFrom is the field that contains the shard, a number.
	// +optional
	ShardFrom *FieldSource `json:"shardFrom,omitempty"`

	// Labels of the cluster Secret, for ApplicationSets to select on. Reserved are keys under
	// `argocd.argoproj.io/` (except `argocd.argoproj.io/auto-label-cluster-info`),
	// `argocd.fn.crossplane.io/` and `crossplane.io/`, `app.kubernetes.io/instance`, and
	// `managed-by` with the value `argocd.argoproj.io`.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// LabelsFrom reads labels of the cluster Secret from fields. An entry with a key
	// overrides the same key in labels.
	// +optional
	LabelsFrom []MetadataSource `json:"labelsFrom,omitempty"`

	// Annotations of the cluster Secret. Reserved are keys under `argocd.argoproj.io/`
	// (except `argocd.argoproj.io/skip-reconcile`), `argocd.fn.crossplane.io/` and
	// `crossplane.io/`, and `kubectl.kubernetes.io/last-applied-configuration`.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// AnnotationsFrom reads annotations of the cluster Secret from fields. An entry with a
	// key overrides the same key in annotations.
	// +optional
	AnnotationsFrom []MetadataSource `json:"annotationsFrom,omitempty"`

	// Drain sets the label `argocd.fn.crossplane.io/state` to `draining` instead of `active`.
	// ApplicationSets that select `active` then remove their Applications, and the workloads
	// with them, while the cluster still exists. Default: false.
	// +optional
	Drain *bool `json:"drain,omitempty"`

	// DrainFrom is the field that contains true or false for drain, for example
	// `spec.drain`. A field that is not set means false.
	// +optional
	DrainFrom *FieldSource `json:"drainFrom,omitempty"`
}

// A FromFieldPathPolicy configures what happens if a field is not set.
type FromFieldPathPolicy string

// What happens if a field is not set.
const (
	// FromFieldPathRequired waits for the field.
	FromFieldPathRequired FromFieldPathPolicy = "Required"

	// FromFieldPathOptional goes on without the field.
	FromFieldPathOptional FromFieldPathPolicy = "Optional"
)

// A MetadataSource reads labels or annotations from a field.
type MetadataSource struct {
	// The field contains a string, a number or a boolean if key is set, or a map of them if
	// it is not.
	FieldSource `json:",inline"`

	// Key of the label or annotation. Without it, the field must be a map, and all its
	// entries become labels or annotations.
	// +optional
	Key string `json:"key,omitempty"`

	// KeyPrefix is put before the keys of a map, for example `example.org/`. Cannot be
	// combined with key.
	// +optional
	KeyPrefix string `json:"keyPrefix,omitempty"`

	// Policy for a field that is not set. `Required` waits for the field. `Optional` goes on
	// without it.
	// +optional
	// +kubebuilder:validation:Enum=Required;Optional
	// +kubebuilder:default=Required
	Policy FromFieldPathPolicy `json:"policy,omitempty"`
}

// An OutputType is a kind of composed resource that holds the cluster Secret.
type OutputType string

// Kinds of composed resources that hold the cluster Secret.
const (
	// OutputObject composes an Object of provider-kubernetes that manages the Secret.
	OutputObject OutputType = "Object"

	// OutputSecret composes the Secret itself.
	OutputSecret OutputType = "Secret"
)

// An ArgoCDLocation is where Argo CD runs.
type ArgoCDLocation string

// Where Argo CD runs.
const (
	// ArgoCDLocal is the cluster that Crossplane runs on.
	ArgoCDLocal ArgoCDLocation = "Local"

	// ArgoCDRemote is another cluster.
	ArgoCDRemote ArgoCDLocation = "Remote"
)

// Output configures the composed resource, and the cluster Secret's name and namespace.
type Output struct {
	// Type of the composed resource. `Object` is an Object of provider-kubernetes:
	// `kubernetes.m.crossplane.io/v1alpha1` for a namespaced XR, and
	// `kubernetes.crossplane.io/v1alpha2` for a cluster-scoped one. `Secret` composes the
	// Secret itself. This needs no provider, but only works for cluster-scoped XRs and for XRs
	// in Argo CD's own namespace. It cannot change once the cluster is registered.
	// +optional
	// +kubebuilder:validation:Enum=Object;Secret
	// +kubebuilder:default=Object
	Type OutputType `json:"type,omitempty"`

	// ArgoCD is where Argo CD runs. `Local` is the cluster that Crossplane runs on. `Remote`
	// is another cluster, which output.object.providerConfigRef connects to. The function
	// then cannot read the cluster Secret, and only knows what the Object's status says about
	// it. The Secret's name must be unique among all hubs that register clusters with that
	// Argo CD.
	// +optional
	// +kubebuilder:validation:Enum=Local;Remote
	// +kubebuilder:default=Local
	ArgoCD ArgoCDLocation `json:"argoCD,omitempty"`

	// ResourceName is the composition resource name of the composed resource. Each step of a
	// pipeline that registers a cluster needs its own. It cannot change once the cluster is
	// registered.
	// +optional
	// +kubebuilder:default=argocd-cluster
	ResourceName string `json:"resourceName,omitempty"`

	// Namespace that Argo CD runs in, where the cluster Secret is created. It cannot change
	// once the cluster is registered.
	// +optional
	// +kubebuilder:default=argocd
	Namespace string `json:"namespace,omitempty"`

	// Name of the cluster Secret. Default: `cluster-<cluster name>`, converted to a DNS name;
	// a hash is appended if that changes it. It cannot change once the cluster is registered.
	// +optional
	Name string `json:"name,omitempty"`

	// Object configures the Object. Cannot be combined with type Secret.
	// +optional
	Object *ObjectOutput `json:"object,omitempty"`
}

// An ObjectOutput configures the Object of provider-kubernetes.
type ObjectOutput struct {
	// ProviderConfigRef is the provider-kubernetes configuration for the cluster that Argo CD
	// runs on. It cannot change once the cluster is registered.
	// +optional
	ProviderConfigRef ProviderConfigReference `json:"providerConfigRef,omitzero"`

	// ManagementPolicies of the Object. They must include Observe, Create and Update, or `*`.
	// Without Delete, the Secret stays when the Object is deleted. Default: the provider's own,
	// which is `*`.
	// +optional
	ManagementPolicies []ManagementAction `json:"managementPolicies,omitempty"`
}

// A ProviderConfigKind is a kind of provider-kubernetes configuration.
type ProviderConfigKind string

// Kinds of provider-kubernetes configurations.
const (
	ProviderConfigKindCluster    ProviderConfigKind = "ClusterProviderConfig"
	ProviderConfigKindNamespaced ProviderConfigKind = "ProviderConfig"
)

// A ProviderConfigReference names a provider-kubernetes configuration.
type ProviderConfigReference struct {
	// Kind of the configuration: `ClusterProviderConfig` (the default) or `ProviderConfig`.
	// Only for namespaced XRs. The Object of a cluster-scoped XR always uses a cluster-scoped
	// ProviderConfig.
	// +optional
	// +kubebuilder:validation:Enum=ClusterProviderConfig;ProviderConfig
	Kind ProviderConfigKind `json:"kind,omitempty"`

	// Name of the configuration.
	// +optional
	// +kubebuilder:default=default
	Name string `json:"name,omitempty"`
}

// A ManagementAction is something that a provider may do with an external resource.
// +kubebuilder:validation:Enum=Observe;Create;Update;Delete;LateInitialize;*
type ManagementAction string

// What a provider may do with an external resource.
const (
	ManagementActionObserve        ManagementAction = "Observe"
	ManagementActionCreate         ManagementAction = "Create"
	ManagementActionUpdate         ManagementAction = "Update"
	ManagementActionDelete         ManagementAction = "Delete"
	ManagementActionLateInitialize ManagementAction = "LateInitialize"
	ManagementActionAll            ManagementAction = "*"
)
