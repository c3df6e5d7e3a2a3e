package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The API version and kind of the input.
const (
	APIVersion = "argocd.fn.crossplane.io/v1beta1"
	Kind       = "ClusterRegistration"
)

// A ClusterRegistration says how one cluster is registered with Argo CD. Every
// field is optional: with no input at all, the one composed resource whose
// connection details hold a kubeconfig is registered under the composite
// resource's name.
//
// Fields that end in FromFieldPath take their value from the observed composite
// resource (XR), and those that end in FromEnvironmentFieldPath from the environment
// that earlier steps of the pipeline made. Their field paths are Crossplane's, for
// example `spec.parameters.environment` or `metadata.labels[example.org/tier]`. Of the
// fields for one value, at most one may be set.
//
// +kubebuilder:object:root=true
// +kubebuilder:storageversion
// +kubebuilder:resource:categories=crossplane
type ClusterRegistration struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// KubeconfigFrom says where the cluster's kubeconfig is.
	// Default: the only composed resource that has one.
	// +optional
	KubeconfigFrom *KubeconfigSource `json:"kubeconfigFrom,omitempty"`

	// Credentials say how Argo CD authenticates to the cluster.
	// +optional
	Credentials *Credentials `json:"credentials,omitempty"`

	// Cluster is what Argo CD knows of the cluster beside its credentials.
	// +optional
	Cluster *Cluster `json:"cluster,omitempty"`

	// ConditionType is the type of the condition that the step sets on the XR and its
	// claim. Default: `ArgoCDClusterRegistered`; where output.resourceName is not the
	// default, `ArgoCDClusterRegistered-<output.resourceName>`, so that the conditions of
	// several steps do not replace each other.
	// +optional
	ConditionType string `json:"conditionType,omitempty"`

	// StatusFieldPath is the field of the XR's status that gets the cluster's name
	// and server, the Secret's name and namespace, and the type of the credentials,
	// for example `status.argocd`. The XR's schema must have it. Default: none.
	// +optional
	StatusFieldPath *string `json:"statusFieldPath,omitempty"`

	// Output says what is composed, and where the Secret lies.
	// +optional
	Output *Output `json:"output,omitempty"`
}

// A KubeconfigSourceType is a kind of place where a kubeconfig can be.
type KubeconfigSourceType string

// Places where a kubeconfig can be.
const (
	// KubeconfigSourceComposedResource is the connection details of a composed
	// resource: the Secret at its spec.writeConnectionSecretToRef.
	KubeconfigSourceComposedResource KubeconfigSourceType = "ComposedResource"

	// KubeconfigSourceCompositeResource is the connection details of the XR
	// itself. Only legacy XRs have them.
	KubeconfigSourceCompositeResource KubeconfigSourceType = "CompositeResource"

	// KubeconfigSourceSecret is a Secret that is not composed, which Crossplane
	// reads for the function.
	KubeconfigSourceSecret KubeconfigSourceType = "Secret"
)

// A KubeconfigSource says where the cluster's kubeconfig is.
type KubeconfigSource struct {
	// Type of the source.
	// +optional
	// +kubebuilder:validation:Enum=ComposedResource;CompositeResource;Secret
	// +kubebuilder:default=ComposedResource
	Type KubeconfigSourceType `json:"type,omitempty"`

	// ResourceName is the composition resource name of the composed resource
	// that has the kubeconfig. Only with type ComposedResource. Default: the
	// only composed resource that has one.
	// +optional
	ResourceName string `json:"resourceName,omitempty"`

	// SecretRef names the Secret that has the kubeconfig, for example the
	// `<cluster>-kubeconfig` of Cluster API. Required with type Secret, and only
	// with it. Takes Crossplane v2.
	// +optional
	SecretRef *SecretReference `json:"secretRef,omitempty"`

	// Key of the kubeconfig in the connection details or the Secret. Default: the first that
	// is there of `kubeconfig`, `attribute.kube_config_raw`,
	// `attribute.kube_config.0.raw_config`,
	// `attribute.kubeconfig.0.config_file`, `attribute.kubeconfig`,
	// `attribute.kube_config`, `attribute.kubeconfig.raw_config`, and, if the value is a
	// kubeconfig, `value`, `value.yaml`, `config`, `kubeconfig.yaml`, `kubeconfig.json`,
	// `kube_config_raw`, `kube_config`, `admin.conf` and `admin.svc`.
	// +optional
	Key string `json:"key,omitempty"`

	// Context of the kubeconfig to use. Default: its current-context, else its
	// only context.
	// +optional
	Context string `json:"context,omitempty"`
}

// A SecretReference names a Secret.
type SecretReference struct {
	// Name of the Secret. Exactly one of the fields for it must be set.
	// +optional
	Name *string `json:"name,omitempty"`

	// NameFromFieldPath is the XR's field that holds the Secret's name.
	// +optional
	NameFromFieldPath *string `json:"nameFromFieldPath,omitempty"`

	// Namespace of the Secret. Default: that of a namespaced XR.
	// +optional
	Namespace *string `json:"namespace,omitempty"`

	// NamespaceFromFieldPath is the XR's field that holds the Secret's namespace:
	// `metadata.namespace` or `spec.claimRef.namespace`. Whoever can write another field
	// could make Crossplane read Secrets from any namespace.
	// +optional
	NamespaceFromFieldPath *string `json:"namespaceFromFieldPath,omitempty"`
}

// A CredentialsType is a way for Argo CD to authenticate to the cluster.
type CredentialsType string

// Ways for Argo CD to authenticate to the cluster.
const (
	// CredentialsAuto takes the kubeconfig's client certificate, else its token,
	// else its username and password, else the credential plugin of Argo CD that
	// does what the kubeconfig's plugin does.
	CredentialsAuto CredentialsType = "Auto"

	// CredentialsKubeconfig takes the kubeconfig's client certificate, token, or
	// username and password, and never a plugin.
	CredentialsKubeconfig CredentialsType = "Kubeconfig"

	// CredentialsAWS has Argo CD authenticate to EKS by its own AWS identity.
	CredentialsAWS CredentialsType = "AWS"

	// CredentialsAzure has Argo CD authenticate to AKS by its own Azure identity.
	CredentialsAzure CredentialsType = "Azure"

	// CredentialsGCP has Argo CD authenticate to GKE by its own Google identity.
	CredentialsGCP CredentialsType = "GCP"

	// CredentialsExec has Argo CD run a credential plugin.
	CredentialsExec CredentialsType = "Exec"
)

// Credentials say how Argo CD authenticates to the cluster.
type Credentials struct {
	// Type of the credentials. `Auto` takes the kubeconfig's client
	// certificate, else its token, else its username and password, else
	// translates its plugin (kubelogin, gke-gcloud-auth-plugin, aws,
	// aws-iam-authenticator) to Argo CD's own. `Kubeconfig` never takes a
	// plugin. `AWS`, `Azure` and `GCP` have Argo CD use its own identity in the
	// cloud, and `Exec` has it run a plugin; of the kubeconfig they take only how
	// to reach the server.
	// +optional
	// +kubebuilder:validation:Enum=Auto;Kubeconfig;AWS;Azure;GCP;Exec
	// +kubebuilder:default=Auto
	Type CredentialsType `json:"type,omitempty"`

	// AllowInsecure carries over the kubeconfig's insecure-skip-tls-verify, which
	// is refused otherwise: Argo CD then sends its credentials to whoever answers.
	// +optional
	AllowInsecure bool `json:"allowInsecure,omitempty"`

	// AWS says what of EKS to authenticate to. Required with type AWS, and only
	// with it.
	// +optional
	AWS *AWSCredentials `json:"aws,omitempty"`

	// Azure says how to authenticate to AKS. Only with type Azure.
	// +optional
	Azure *AzureCredentials `json:"azure,omitempty"`

	// Exec is the credential plugin to run. Required with type Exec, and only with
	// it.
	// +optional
	Exec *ExecCredentials `json:"exec,omitempty"`
}

// AWSCredentials have Argo CD authenticate to EKS by its own AWS identity.
type AWSCredentials struct {
	// ClusterName is the EKS cluster's name. Exactly one of the fields for it must
	// be set.
	// +optional
	ClusterName *string `json:"clusterName,omitempty"`

	// ClusterNameFromFieldPath is the XR's field that holds the EKS cluster's name.
	// +optional
	ClusterNameFromFieldPath *string `json:"clusterNameFromFieldPath,omitempty"`

	// RoleARN is the IAM role that Argo CD assumes. Default: none.
	// +optional
	RoleARN *string `json:"roleARN,omitempty"`

	// RoleARNFromFieldPath is the XR's field that holds the IAM role.
	// +optional
	RoleARNFromFieldPath *string `json:"roleARNFromFieldPath,omitempty"`

	// RoleARNFromEnvironmentFieldPath is the environment's field that holds the
	// IAM role.
	// +optional
	RoleARNFromEnvironmentFieldPath *string `json:"roleARNFromEnvironmentFieldPath,omitempty"`

	// Region of AWS's token service. Default: that of Argo CD's environment.
	// +optional
	Region string `json:"region,omitempty"`

	// Profile in Argo CD's AWS configuration. Default: its default.
	// +optional
	Profile string `json:"profile,omitempty"`
}

// AzureCredentials have Argo CD authenticate to AKS by its own Azure identity.
type AzureCredentials struct {
	// TenantID of Entra ID, a UUID or a domain. Default: that of Argo CD's
	// environment.
	// +optional
	TenantID string `json:"tenantID,omitempty"`

	// ClientID of Argo CD's identity, a UUID. Default: that of Argo CD's
	// environment.
	// +optional
	ClientID string `json:"clientID,omitempty"`

	// ServerID is the AKS server application, a UUID. Default: that of all AKS
	// clusters, 6dae42f8-4368-4678-94ff-3960e28e3630.
	// +optional
	ServerID string `json:"serverID,omitempty"`

	// Environment of Azure, for example AzureChinaCloud. Default: AzurePublicCloud.
	// +optional
	Environment string `json:"environment,omitempty"`

	// LoginMethod by which Argo CD gets a token. Default: workloadidentity.
	// +optional
	// +kubebuilder:validation:Enum=workloadidentity;msi;spn;azurecli
	LoginMethod AzureLoginMethod `json:"loginMethod,omitempty"`
}

// An AzureLoginMethod is a way to get a token of Azure without asking anyone.
type AzureLoginMethod string

// Ways to get a token of Azure.
const (
	AzureLoginWorkloadIdentity AzureLoginMethod = "workloadidentity"
	AzureLoginManagedIdentity  AzureLoginMethod = "msi"
	AzureLoginServicePrincipal AzureLoginMethod = "spn"
	AzureLoginAzureCLI         AzureLoginMethod = "azurecli"
)

// ExecCredentials have Argo CD run a credential plugin of client-go.
type ExecCredentials struct {
	// Command to run. It must be in Argo CD's image, which has argocd-k8s-auth.
	Command string `json:"command"`

	// Args of the command.
	// +optional
	Args []string `json:"args,omitempty"`

	// Env are environment variables to set for the command.
	// +optional
	Env map[string]string `json:"env,omitempty"`

	// APIVersion of what the command prints.
	// +optional
	// +kubebuilder:validation:Enum=client.authentication.k8s.io/v1;client.authentication.k8s.io/v1beta1
	// +kubebuilder:default=client.authentication.k8s.io/v1beta1
	APIVersion string `json:"apiVersion,omitempty"`

	// InstallHint is shown where the command is not there.
	// +optional
	InstallHint string `json:"installHint,omitempty"`

	// ProvideClusterInfo gives the command the cluster's address and CA. Argo CD
	// v3.2, for one, does not know this, and ignores it.
	// +optional
	ProvideClusterInfo bool `json:"provideClusterInfo,omitempty"`
}

// A Cluster is what Argo CD knows of the cluster beside its credentials.
type Cluster struct {
	// Name of the cluster in Argo CD. Default: the
	// XR's name; for a namespaced XR, `<namespace>.<name>`.
	// +optional
	Name *string `json:"name,omitempty"`

	// NameFromFieldPath is the XR's field that holds the cluster's name.
	// +optional
	NameFromFieldPath *string `json:"nameFromFieldPath,omitempty"`

	// NameFromEnvironmentFieldPath is the environment's field that holds the
	// cluster's name.
	// +optional
	NameFromEnvironmentFieldPath *string `json:"nameFromEnvironmentFieldPath,omitempty"`

	// Server is the URL of the cluster's API server, where Argo CD reaches it at
	// another one than the kubeconfig says. Default: the kubeconfig's.
	// +optional
	Server *string `json:"server,omitempty"`

	// ServerFromFieldPath is the XR's field that holds the server's URL.
	// +optional
	ServerFromFieldPath *string `json:"serverFromFieldPath,omitempty"`

	// ServerFromEnvironmentFieldPath is the environment's field that holds the
	// server's URL.
	// +optional
	ServerFromEnvironmentFieldPath *string `json:"serverFromEnvironmentFieldPath,omitempty"`

	// TLSServerName is the name that the server's certificate is verified against.
	// Default: the kubeconfig's, else the server's host.
	// +optional
	TLSServerName string `json:"tlsServerName,omitempty"`

	// ProxyURL is the http, https or socks5 proxy through which Argo CD connects to the
	// server. Default: the kubeconfig's.
	// +optional
	ProxyURL string `json:"proxyURL,omitempty"`

	// Project is the AppProject of Argo CD that the cluster belongs to.
	// Default: none, which lets every project deploy to it.
	// +optional
	Project *string `json:"project,omitempty"`

	// ProjectFromFieldPath is the XR's field that holds the project's name.
	// +optional
	ProjectFromFieldPath *string `json:"projectFromFieldPath,omitempty"`

	// ProjectFromEnvironmentFieldPath is the environment's field that holds the
	// project's name.
	// +optional
	ProjectFromEnvironmentFieldPath *string `json:"projectFromEnvironmentFieldPath,omitempty"`

	// Namespaces that Argo CD manages in the cluster. Default: all.
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`

	// ClusterResources says whether Argo CD manages cluster-scoped resources, too,
	// where it manages only some namespaces. Only with namespaces.
	// +optional
	ClusterResources bool `json:"clusterResources,omitempty"`

	// Shard of Argo CD's application controller that manages the cluster. Default:
	// Argo CD's choice.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Shard *int32 `json:"shard,omitempty"`

	// Labels of the cluster Secret, for ApplicationSets to select on. Keys under
	// `argocd.argoproj.io/` and `argocd.fn.crossplane.io/`, and those that are
	// always set, are reserved.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`

	// LabelsFrom takes labels of the cluster Secret from the XR's fields. They
	// win over labels.
	// +optional
	LabelsFrom []MetadataSource `json:"labelsFrom,omitempty"`

	// Annotations of the cluster Secret. Keys under `argocd.argoproj.io/` (but
	// for `argocd.argoproj.io/skip-reconcile`) and `argocd.fn.crossplane.io/`
	// are reserved.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`

	// AnnotationsFrom takes annotations of the cluster Secret from the XR's
	// fields. They win over annotations.
	// +optional
	AnnotationsFrom []MetadataSource `json:"annotationsFrom,omitempty"`

	// DrainFromFieldPath is a boolean field of the XR, for example `spec.drain`.
	// While it is true, the label `argocd.fn.crossplane.io/state` is `draining` and
	// not `active`, so that ApplicationSets that select on it prune their workloads
	// before the cluster is deleted. Default: none.
	// +optional
	DrainFromFieldPath *string `json:"drainFromFieldPath,omitempty"`
}

// A FromFieldPathPolicy says what happens where there is no such field.
type FromFieldPathPolicy string

// What happens where there is no such field.
const (
	// FromFieldPathRequired waits until there is the field.
	FromFieldPathRequired FromFieldPathPolicy = "Required"

	// FromFieldPathOptional goes on without the field.
	FromFieldPathOptional FromFieldPathPolicy = "Optional"
)

// A MetadataSourceType is a kind of place that labels and annotations come from.
type MetadataSourceType string

// Places that labels and annotations come from.
const (
	// FromCompositeFieldPath is a field of the XR.
	FromCompositeFieldPath MetadataSourceType = "FromCompositeFieldPath"

	// FromEnvironmentFieldPath is a field of the environment that earlier steps of
	// the pipeline made, for example of EnvironmentConfigs.
	FromEnvironmentFieldPath MetadataSourceType = "FromEnvironmentFieldPath"
)

// A MetadataSource takes labels or annotations from a field of the XR or of the
// pipeline's environment.
type MetadataSource struct {
	// Type of the source: the XR's field, or the environment's.
	// +optional
	// +kubebuilder:validation:Enum=FromCompositeFieldPath;FromEnvironmentFieldPath
	// +kubebuilder:default=FromCompositeFieldPath
	Type MetadataSourceType `json:"type,omitempty"`

	// FieldPath of the field: a string, number or boolean with key, a map
	// of them without.
	FieldPath string `json:"fieldPath"`

	// Key of the label or annotation that the field's value goes to. Without a
	// key the field is a map, and all its entries are taken.
	// +optional
	Key string `json:"key,omitempty"`

	// KeyPrefix is put before the keys of a map, for example `example.org/`.
	// Excludes key.
	// +optional
	KeyPrefix string `json:"keyPrefix,omitempty"`

	// Policy for a field that is not there: `Required` waits for it, `Optional`
	// goes on without.
	// +optional
	// +kubebuilder:validation:Enum=Required;Optional
	// +kubebuilder:default=Required
	Policy FromFieldPathPolicy `json:"policy,omitempty"`
}

// An OutputType is a kind of composed resource that holds the cluster Secret.
type OutputType string

// Kinds of composed resources that hold the cluster Secret.
const (
	// OutputAuto composes what works for the XR's scope, which is an Object.
	OutputAuto OutputType = "Auto"

	// OutputObject composes an Object of provider-kubernetes that manages the
	// Secret.
	OutputObject OutputType = "Object"

	// OutputSecret composes the Secret itself. It needs no provider, and works
	// for cluster-scoped XRs and for those in Argo CD's own namespace.
	OutputSecret OutputType = "Secret"
)

// An ArgoCDLocation says where Argo CD runs.
type ArgoCDLocation string

// Where Argo CD runs.
const (
	// ArgoCDLocal is the cluster that Crossplane runs on.
	ArgoCDLocal ArgoCDLocation = "Local"

	// ArgoCDRemote is another cluster.
	ArgoCDRemote ArgoCDLocation = "Remote"
)

// Output says what is composed, and where the Secret lies.
type Output struct {
	// Type of the composed resource. `Object` is one of provider-kubernetes, of
	// the API `kubernetes.m.crossplane.io/v1alpha1` for a namespaced XR and
	// `kubernetes.crossplane.io/v1alpha2` otherwise. `Secret` composes the
	// Secret itself, which works for cluster-scoped XRs and for those in Argo
	// CD's own namespace. `Auto` is an `Object`.
	// +optional
	// +kubebuilder:validation:Enum=Auto;Object;Secret
	// +kubebuilder:default=Auto
	Type OutputType `json:"type,omitempty"`

	// ArgoCD says where Argo CD runs: `Local` is this cluster. `Remote` is another one, to
	// which output.object.providerConfigRef leads; the function then cannot read the
	// Secret, and knows of it only what the Object's status says. Secret names must be
	// unique among all hubs that share that Argo CD.
	// +optional
	// +kubebuilder:validation:Enum=Local;Remote
	// +kubebuilder:default=Local
	ArgoCD ArgoCDLocation `json:"argoCD,omitempty"`

	// ResourceName is the composition resource name of the composed resource. Each
	// step of a pipeline that registers a cluster needs its own. A change of the name
	// is not followed once the cluster is registered.
	// +optional
	// +kubebuilder:default=argocd-cluster
	ResourceName string `json:"resourceName,omitempty"`

	// Namespace of Argo CD, where the cluster Secret lies.
	// +optional
	// +kubebuilder:default=argocd
	Namespace string `json:"namespace,omitempty"`

	// Name of the cluster Secret. Default: `cluster-<cluster name>`, made a DNS
	// name, with a hash where that changed it.
	// +optional
	Name string `json:"name,omitempty"`

	// Object is what is particular to an Object. Excludes type Secret.
	// +optional
	Object *ObjectOutput `json:"object,omitempty"`
}

// An ObjectOutput is what is particular to an Object.
type ObjectOutput struct {
	// ProviderConfigRef is the provider-kubernetes configuration for the hub.
	// +optional
	ProviderConfigRef *ProviderConfigReference `json:"providerConfigRef,omitempty"`

	// ManagementPolicies of the Object. They must let it create and update the
	// Secret. Default: the provider's, which is all.
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

// A ProviderConfigReference refers to a provider-kubernetes configuration.
type ProviderConfigReference struct {
	// Kind of the configuration: `ClusterProviderConfig` (the default) or
	// `ProviderConfig`. Only for namespaced XRs; the Object of a cluster-scoped
	// one always uses a cluster-scoped ProviderConfig.
	// +optional
	// +kubebuilder:validation:Enum=ClusterProviderConfig;ProviderConfig
	Kind ProviderConfigKind `json:"kind,omitempty"`

	// Name of the configuration.
	// +optional
	// +kubebuilder:default=default
	Name string `json:"name,omitempty"`
}

// A ManagementAction is something that a provider may do with what it manages.
// +kubebuilder:validation:Enum=Observe;Create;Update;Delete;LateInitialize;*
type ManagementAction string

// What a provider may do with what it manages.
const (
	ManagementActionObserve        ManagementAction = "Observe"
	ManagementActionCreate         ManagementAction = "Create"
	ManagementActionUpdate         ManagementAction = "Update"
	ManagementActionDelete         ManagementAction = "Delete"
	ManagementActionLateInitialize ManagementAction = "LateInitialize"
	ManagementActionAll            ManagementAction = "*"
)
