{{- /* The guide on top of docs/input.md. `make generate` puts the reference below it. */ -}}
{{- define "guide" -}}
# Input

The `input` of the step is a `ClusterRegistration`. All of its fields are optional. If the
input is wrong, the function returns a fatal result that names every wrong field.

[example/input.yaml](../example/input.yaml) shows every field.

- [A step without input](#a-step-without-input)
- [Where the kubeconfig comes from](#where-the-kubeconfig-comes-from)
- [Values from fields](#values-from-fields)
- [How Argo CD authenticates](#how-argo-cd-authenticates)
- [Labels and annotations](#labels-and-annotations)
- [Names, and what is composed](#names-and-what-is-composed)
- [Several clusters in one pipeline](#several-clusters-in-one-pipeline)
- [Reference](#reference)

## A step without input

Without input, the function registers the only composed resource that publishes a kubeconfig.
It expects Argo CD in the namespace `argocd`, and a provider-kubernetes configuration named
`default`. The cluster's name in Argo CD is the XR's name. For a namespaced XR, it is
`<namespace>.<name>`.

Most hubs have a provider-kubernetes configuration of their own for Argo CD, and set one field:

```yaml
    input:
      apiVersion: argocd.fn.crossplane.io/v1beta1
      kind: ClusterRegistration
      output:
        object:
          providerConfigRef:
            name: argocd
```

## Where the kubeconfig comes from

| `kubeconfigFrom.type` | Source |
| --- | --- |
| `ComposedResource` (default) | The connection details of a composed resource. The resource must set `spec.writeConnectionSecretToRef`. Without it, its provider publishes no kubeconfig. |
| `CompositeResource` | The XR's own connection details. Only legacy (v1-style) XRs have them. |
| `Secret` | Any Secret on the hub, for example the `<cluster>-kubeconfig` of Cluster API. Requires Crossplane v2.0 or later. |

If several composed resources publish a kubeconfig, set `kubeconfigFrom.resourceName`.
Otherwise the function waits with the reason `AmbiguousKubeconfig`.

Once a cluster is registered, the function remembers which composed resource it was registered
from. A kubeconfig of another composed resource never replaces it, unless you name that
resource in `kubeconfigFrom.resourceName`.

The function looks for the kubeconfig under the keys that providers use. Set
`kubeconfigFrom.key` if yours uses another one. The kubeconfig may be YAML or JSON, as it is or
base64-encoded, and at most 512 KiB large.

```yaml
kubeconfigFrom:
  type: Secret
  secretRef:
    name: prod-kubeconfig
    namespace: clusters           # default: the XR's namespace
```

## Values from fields

Most values have two forms. `cluster.name` sets a value for all XRs. `cluster.nameFrom` names a
field that contains it. You can set one of the two.

```yaml
cluster:
  nameFrom: {fieldPath: spec.claimRef.name}
  serverFrom: {type: FromCompositeFieldPath, fieldPath: status.privateEndpoint}
  tlsServerNameFrom: {type: FromEnvironmentFieldPath, fieldPath: network.tlsServerName}
```

- `FromCompositeFieldPath` (default) reads a field of the XR.
- `FromEnvironmentFieldPath` reads a field of the pipeline's environment. An earlier step loads
  it, for example function-environment-configs.

If a path begins with `status`, the function first looks at what earlier steps of the pipeline
write to the XR's status in this run, and then at the observed XR.

If a field is not set, the cluster is not registered yet, and the condition's reason is
`WaitingForField`. If the cluster is registered already, the value stays as it was, and the
reason is `Retained`. `drainFrom` is the exception: a field that is not set means `false`.

**The XR's user can write every field of the observed XR, including its status.** Only use
`serverFrom`, `secretRef.nameFrom`, `aws.clusterNameFrom` and `aws.roleARNFrom` with a field of
the XR if users may choose that value, or restrict the field in the XRD. See
[SECURITY.md](../SECURITY.md#the-xrs-user).

## How Argo CD authenticates

With `credentials.type: Auto`, the function takes the first of these that the current context of
the kubeconfig has. It takes nothing from other contexts.

| The kubeconfig has | For example from | Argo CD uses |
| --- | --- | --- |
| a client certificate and key | AKS with local accounts, GKE with `issueClientCertificate`, Cluster API | the certificate and key, without a token that the kubeconfig also has |
| a token | EKS `ClusterAuth`, Rancher, OpenShift | the token |
| a username and password | | both |
| the plugin `kubelogin`, or `auth-provider: azure` | AKS with Entra ID | its own Azure identity, by `argocd-k8s-auth azure` |
| the plugin `gke-gcloud-auth-plugin`, or `auth-provider: gcp` | `gcloud` | its own Google identity, by `argocd-k8s-auth gcp` |
| the plugin `aws` or `aws-iam-authenticator` | `aws eks update-kubeconfig` | its own AWS identity, by `awsAuthConfig`, or by `argocd-k8s-auth aws` if the kubeconfig names a region |
| nothing, and a composed GKE cluster publishes it | GKE | its own Google identity, by `argocd-k8s-auth gcp` |

[kubeconfigs.md](kubeconfigs.md) lists the result for every kind of kubeconfig.

Other values of `credentials.type` are `Kubeconfig` (never a plugin), `Token`, `AWS`, `Azure` and
`GCP` (always Argo CD's own identity), and `Exec` (a plugin in Argo CD's image that you configure).

**Argo CD's own cloud identity** is only used if the server is confirmed by one of these:

- the cloud provider, in the status of the composed cluster: `endpoint` of GKE and EKS, `fqdn` of
  AKS, and the private endpoints of GKE and AKS;
- you, in `cluster.server`, or in `cluster.serverFrom` with a field of the environment or a
  status field that an earlier step sets.

Otherwise anyone who can edit the kubeconfig could have Argo CD send its token to a server of
their own, and use the token elsewhere. For the same reason, the `proxy-url` and the
`tls-server-name` of such a kubeconfig are refused. Set `cluster.proxyURL` and
`cluster.tlsServerName` instead. If a kubeconfig is refused, the reason of the condition is
`UnsupportedCredentials`, and its message says what to set.

If you set `credentials.type` to `AWS`, `Azure` or `GCP`, and the kubeconfig does not come from a
composed cluster of a cloud but, for example, from a Secret, the kubeconfig's server is used
without this check. See [SECURITY.md](../SECURITY.md#argo-cds-own-cloud-identity).

Argo CD's application controller and server need an identity of that cloud that has access to the
cluster. See
[Argo CD's documentation](https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters).
The Compositions of [aks](../example/aks/composition.yaml) and [eks](../example/eks/composition.yaml)
give it that access, to each cluster that they create.

The token of an EKS `ClusterAuth` expires after 15 minutes at most. Prefer
`credentials.type: AWS`:

```yaml
credentials:
  type: AWS
  aws:
    clusterName: prod
    roleARN: arn:aws:iam::123456789012:role/argocd # default: none
    region: eu-west-1             # default: that of Argo CD's environment
```

**A token of your own.** With `credentials.type: Token`, Argo CD uses a token that the Composition
has created, for example the token of a ServiceAccount on the cluster. It is read from the
connection details of a composed resource, or from a Secret on the hub. This is what
`argocd cluster add` sets up by hand.

```yaml
credentials:
  type: Token
  token:
    resourceName: argocd-token    # a composed resource that publishes the token
    key: token
    caKey: ca.crt                 # default: ca.crt; if there is none, the kubeconfig's CA
```

Have the token's source publish the CA as well, as a ServiceAccount's token Secret does. The token
is then only sent to a server that this CA verifies, and if you also set `cluster.server` or
`cluster.serverFrom`, no kubeconfig is needed. Without the CA, the kubeconfig decides which server
receives the token, unless you set `cluster.server`, or the cloud provider's status names the
servers.

## Labels and annotations

The cluster Secret always has these labels:

| Label | Value |
| --- | --- |
| `argocd.argoproj.io/secret-type` | `cluster`: Argo CD reads the Secret by it |
| `argocd.fn.crossplane.io/state` | `active`, or `draining` while `cluster.drain` is true |
| `argocd.fn.crossplane.io/cluster` | the cluster's name, as a label value |
| `argocd.fn.crossplane.io/server` | a hash of the server's URL |
| `crossplane.io/composite` | the XR's name |
| `crossplane.io/claim-name`, `crossplane.io/claim-namespace` | the claim, if the XR has one |

It always has these annotations:

| Annotation | Value |
| --- | --- |
| `argocd.fn.crossplane.io/composite` | the XR that the Secret belongs to, as `<Kind>.<group>/<namespace>/<name>` or `<Kind>.<group>/<name>` |
| `argocd.fn.crossplane.io/source` | the composed resource that the cluster was registered from |

Add your own with `cluster.labels` and `cluster.labelsFrom`. If the same key comes from several
places, this is the order of precedence, the strongest first:

1. the labels that the function sets;
2. an entry of `labelsFrom` with a `key`;
3. `labels`;
4. the entries of a map in `labelsFrom`, of which a later one overrides an earlier one.

The same holds for annotations.

An entry of `labelsFrom` without a `key` copies all entries of a map. If an entry of the map
cannot be used, for example because its value is not valid as a label, the condition's message
names it. The other entries are used.

These keys are reserved. Argo CD, Crossplane, kubectl or the function give them a meaning. The
input must not set them, and in a map they are ignored:

- labels and annotations under `argocd.argoproj.io/`, except the label
  `argocd.argoproj.io/auto-label-cluster-info` and the annotation
  `argocd.argoproj.io/skip-reconcile`;
- labels and annotations under `argocd.fn.crossplane.io/` and `crossplane.io/`;
- `app.kubernetes.io/instance` and `kubectl.kubernetes.io/last-applied-configuration`;
- `managed-by` with the value `argocd.argoproj.io`.

## Names, and what is composed

By default, the function composes an `Object` of provider-kubernetes with the cluster Secret in
it. `output.type: Secret` composes the Secret itself, without provider-kubernetes. This only works
for cluster-scoped XRs, and for XRs in Argo CD's own namespace.

The Secret is named `cluster-<cluster name>`. Set `output.name` to choose another name, and
`output.namespace` if Argo CD does not run in `argocd`.

The cluster's name, the Secret's name and namespace, `output.type`, `output.resourceName` and
`output.object.providerConfigRef` do not change once the cluster is registered. See
[lifecycle.md](lifecycle.md#what-cannot-change).

If Argo CD runs on another cluster than Crossplane, see
[operations.md](operations.md#argo-cd-on-another-cluster).

## Several clusters in one pipeline

Use one step for each cluster. Give each step its own `output.resourceName`, its own
`kubeconfigFrom.resourceName` and its own `cluster.name` or `cluster.nameFrom`. Each step sets a
condition of its own. With `output.resourceName: blue`, it is `ArgoCDClusterRegistered-blue`.
{{ end -}}
