package e2e

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

const (
	cloudName        = "provider-cloud"
	managedFinalizer = "finalizer.managedresource.crossplane.io"
	externalName     = "crossplane.io/external-name"

	// How long the cloud takes to make a cluster, and to delete it.
	createDelay = 2 * time.Second
	deleteDelay = time.Second

	maxClusters = 1250
)

// networks of the clusters' addresses, of 250 each, are for documentation and for benchmarks.
var networks = []net.IP{{203, 0, 113, 0}, {198, 51, 100, 0}, {192, 0, 2, 0}, {198, 18, 0, 0}, {198, 18, 1, 0}}

// cloudKinds are the managed resources of the simulated clouds.
var cloudKinds = []schema.GroupVersionKind{
	{Group: "azure.upbound.io", Version: "v1beta1", Kind: "ResourceGroup"},
	{Group: "azure.m.upbound.io", Version: "v1beta1", Kind: "ResourceGroup"},
	{Group: "containerservice.azure.upbound.io", Version: "v1beta2", Kind: "KubernetesCluster"},
	{Group: "containerservice.azure.m.upbound.io", Version: "v1beta1", Kind: "KubernetesCluster"},
	{Group: "container.gcp.upbound.io", Version: "v1beta1", Kind: "Cluster"},
	{Group: "container.gcp.m.upbound.io", Version: "v1beta1", Kind: "Cluster"},
	{Group: "container.gcp.upbound.io", Version: "v1beta1", Kind: "NodePool"},
	{Group: "container.gcp.m.upbound.io", Version: "v1beta1", Kind: "NodePool"},
	{Group: "eks.aws.upbound.io", Version: "v1beta1", Kind: "Cluster"},
	{Group: "eks.aws.m.upbound.io", Version: "v1beta1", Kind: "Cluster"},
	{Group: "eks.aws.upbound.io", Version: "v1beta1", Kind: "ClusterAuth"},
	{Group: "eks.aws.m.upbound.io", Version: "v1beta1", Kind: "ClusterAuth"},
	{Group: "eks.aws.upbound.io", Version: "v1beta1", Kind: "AccessEntry"},
	{Group: "eks.aws.m.upbound.io", Version: "v1beta1", Kind: "AccessEntry"},
	{Group: "authorization.azure.m.upbound.io", Version: "v1beta1", Kind: "RoleAssignment"},
	{Group: "eks.aws.m.upbound.io", Version: "v1beta1", Kind: "AccessPolicyAssociation"},
	{Group: "eks.aws.m.upbound.io", Version: "v1beta1", Kind: "NodeGroup"},
	{Group: "iam.aws.m.upbound.io", Version: "v1beta1", Kind: "Role"},
	{Group: "iam.aws.m.upbound.io", Version: "v1beta1", Kind: "RolePolicyAttachment"},
}

// A cloud plays Azure, Google and AWS, and their providers: it reconciles managed resources
// the way a provider shows it to the outside. The kubeconfig in a cluster's connection
// Secret has the form that the cloud's provider gives it, and leads to the spoke. Every
// cluster has an address of its own, where it can be reached for as long as it lives.
type cloud struct {
	hub, spoke *controlPlane
	tokens     *tokenServices
	kinds      []schema.GroupVersionKind // of managed resources

	mu       sync.Mutex
	paused   bool
	held     map[string]bool // XRs for which it does nothing yet, by kind and name.
	clusters map[types.UID]*managedCluster
	secrets  []string // that were given out, in the forms in which they may be told
}

// A managedCluster is a cluster of the cloud.
type managedCluster struct {
	server     string
	user       string // Who may use it, now.
	generation int
	details    map[string][]byte
	listener   net.Listener
	ip         net.IP
	eks        string // Its name in AWS.

	// ca is in its kubeconfig beside the spoke's, which all clusters share.
	ca []byte
}

// isCluster tells clusters from what else is managed.
func isCluster(mr *unstructured.Unstructured) bool {
	return mr.GetKind() == "KubernetesCluster" || mr.GetKind() == "Cluster"
}

func isEKS(mr *unstructured.Unstructured) bool {
	return strings.HasPrefix(mr.GetAPIVersion(), "eks.aws.")
}

// clusterIP returns the address of the n-th cluster, from 1 on.
func clusterIP(n int) net.IP {
	network := networks[(n-1)/250]
	return net.IPv4(network[0], network[1], network[2], byte((n-1)%250+1))
}

// The clouds' domains, and what they call their clusters.
const (
	aksDomain = ".hcp.westeurope.azmk8s.io"
	eksDomain = ".gr7." + awsRegion + ".eks.amazonaws.com"
)

func aksHost(n int) string { return fmt.Sprintf("demo-%d%s", n, aksDomain) }

func eksHost(n int) string { return fmt.Sprintf("%032X%s", n, eksDomain) }

// hostNames is the hosts file: clusters of AKS and EKS, the clouds' token services, and the
// functions' Services.
func hostNames() string {
	b := &strings.Builder{}
	fmt.Fprintln(b, "127.0.0.1 localhost")
	for n := 1; n <= maxClusters; n++ {
		fmt.Fprintln(b, clusterIP(n), aksHost(n), eksHost(n))
	}
	fmt.Fprintln(b, tokenIP, strings.Join(tokenHosts, " "))
	for name, ip := range functionIPs {
		fmt.Fprintf(b, "%s %s.%s\n", ip, name, crossplaneNamespace)
	}
	return b.String()
}

// run the cloud.
func (c *cloud) run(ctx context.Context) {
	every(ctx, func() error {
		if c.isPaused() {
			return nil
		}
		var errs []error
		for _, gvk := range c.kinds {
			l, err := c.hub.list(ctx, gvk)
			if err != nil {
				return err
			}
			for i := range l {
				if c.isHeld(&l[i]) {
					continue
				}
				errs = append(errs, client.IgnoreNotFound(c.reconcile(ctx, &l[i])))
			}
		}
		return errors.Join(errs...)
	})
}

func (c *cloud) reconcile(ctx context.Context, mr *unstructured.Unstructured) error {
	if mr.GetDeletionTimestamp() != nil {
		return c.delete(ctx, mr)
	}
	if controllerutil.AddFinalizer(mr, managedFinalizer) {
		if a := mr.GetAnnotations(); isEKS(mr) && isCluster(mr) && a[externalName] == "" {
			a[externalName] = mr.GetName()
			mr.SetAnnotations(a)
		}
		return c.hub.Update(ctx, mr)
	}
	if pending, err := c.resolve(ctx, mr); pending || err != nil {
		return err
	}
	if hasCondition(mr, "Ready", "True", "") == nil || time.Since(mr.GetCreationTimestamp().Time) < createDelay {
		return nil
	}
	if isCluster(mr) || mr.GetKind() == "ClusterAuth" {
		cluster, err := c.clusterOf(mr)
		if err != nil || cluster == nil {
			return err
		}
		if cluster.details == nil {
			if err := c.issue(ctx, mr, cluster); err != nil {
				return err
			}
		}
		if err := c.publish(ctx, mr); err != nil {
			return err
		}
	}
	if mr.GetKind() == "AccessEntry" {
		if err := c.enter(ctx, mr); err != nil {
			return err
		}
	}
	now := metav1.Now().UTC().Format(time.RFC3339)
	mr.Object["status"] = map[string]any{"conditions": []any{
		map[string]any{"type": "Synced", "status": "True", "reason": "ReconcileSuccess", "lastTransitionTime": now},
		map[string]any{"type": "Ready", "status": "True", "reason": "Available", "lastTransitionTime": now},
	}, "atProvider": c.atProvider(mr)}
	return c.hub.Status().Update(ctx, mr)
}

// resolve the selector of what is for the EKS cluster of the same XR. While there is one to resolve,
// nothing else is done.
func (c *cloud) resolve(ctx context.Context, mr *unstructured.Unstructured) (pending bool, err error) {
	if _, ok, _ := unstructured.NestedMap(mr.Object, "spec", "forProvider", "clusterNameSelector"); !ok {
		return false, nil
	}
	if _, ok, _ := unstructured.NestedString(mr.Object, "spec", "forProvider", "clusterName"); ok {
		return false, nil
	}
	all, err := c.hub.list(ctx, mr.GroupVersionKind().GroupVersion().WithKind("Cluster"))
	if err != nil {
		return false, err
	}
	for i := range all {
		name := all[i].GetAnnotations()[externalName]
		if a, b := metav1.GetControllerOf(&all[i]), metav1.GetControllerOf(mr); a == nil || b == nil || a.UID != b.UID || name == "" {
			continue
		}
		if err := unstructured.SetNestedField(mr.Object, name, "spec", "forProvider", "clusterName"); err != nil {
			return false, err
		}
		return true, c.hub.Update(ctx, mr)
	}
	return true, nil
}

// atProvider is what a provider's status says of where a cluster is.
func (c *cloud) atProvider(mr *unstructured.Unstructured) map[string]any {
	if !isCluster(mr) {
		return map[string]any{}
	}
	cluster, err := c.clusterOf(mr)
	if err != nil {
		return map[string]any{}
	}
	if isEKS(mr) {
		return map[string]any{"endpoint": cluster.server}
	}
	host := strings.TrimSuffix(strings.TrimPrefix(cluster.server, "https://"), ":443")
	if mr.GetKind() == "KubernetesCluster" {
		return map[string]any{"fqdn": host, "id": "/subscriptions/demo/managedClusters/" + mr.GetName()}
	}
	return map[string]any{"endpoint": host, "id": "projects/demo/clusters/" + mr.GetName()}
}

// replace a cluster by another one, at another address and with another CA.
func (c *cloud) replace(ctx context.Context, mr *unstructured.Unstructured) error {
	c.mu.Lock()
	old := c.clusters[mr.GetUID()]
	delete(c.clusters, mr.GetUID())
	// Its address is not used again.
	c.clusters[types.UID("replaced-"+string(mr.GetUID()))] = old
	c.mu.Unlock()
	cluster, err := c.clusterOf(mr)
	if err != nil {
		return err
	}
	another, err := newAuthority("another-ca")
	if err != nil {
		return err
	}
	cluster.generation, cluster.ca = old.generation, another.pem
	if err := c.issue(ctx, mr, cluster); err != nil {
		return err
	}
	if err := c.publish(ctx, mr); err != nil {
		return err
	}
	if mr, err = c.hub.get(ctx, mr); err != nil {
		return err
	}
	if err := unstructured.SetNestedMap(mr.Object, c.atProvider(mr), "status", "atProvider"); err != nil {
		return err
	}
	if err := c.hub.Status().Update(ctx, mr); err != nil {
		return err
	}
	old.listener.Close()
	return nil
}

// clusterOf returns the cluster of a managed resource. It is made when it is first asked
// for: an address, at which the spoke answers. A ClusterAuth has none while the EKS cluster
// that it names is not made.
func (c *cloud) clusterOf(mr *unstructured.Unstructured) (*managedCluster, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cluster, ok := c.clusters[mr.GetUID()]; ok {
		return cluster, nil
	}
	if mr.GetKind() == "ClusterAuth" {
		name, _, _ := unstructured.NestedString(mr.Object, "spec", "forProvider", "clusterName")
		for _, cluster := range c.clusters {
			if cluster.eks != "" && cluster.eks == name {
				return cluster, nil
			}
		}
		return nil, nil
	}
	n := len(c.clusters) + 1
	if n > maxClusters {
		return nil, errors.New("the cloud has no more addresses")
	}
	cluster := &managedCluster{server: "https://" + clusterIP(n).String(), ip: clusterIP(n)}
	switch {
	case mr.GetKind() == "KubernetesCluster":
		cluster.server = "https://" + aksHost(n) + ":443"
	case isEKS(mr):
		cluster.server, cluster.eks = "https://"+eksHost(n), mr.GetAnnotations()[externalName]
	}
	var err error
	if cluster.listener, err = net.Listen("tcp", cluster.ip.String()+":443"); err != nil {
		return nil, err
	}
	go forward(cluster.listener, cluster.ip)
	c.clusters[mr.GetUID()] = cluster
	return cluster, nil
}

// forward connections to the spoke, until the listener is closed. They come from the cluster's
// address: the spoke's audit log tells to which cluster a request was sent.
func forward(l net.Listener, ip net.IP) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}}
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := dialer.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", spokePort))
		if err != nil {
			in.Close()
			continue
		}
		open = append(open, in, out)
		for _, c := range [][2]net.Conn{{in, out}, {out, in}} {
			go func() {
				_, _ = io.Copy(c[0], c[1])
				c[0].Close()
			}()
		}
	}
}

// delete a managed resource, and its cluster: nobody answers at its address any more.
func (c *cloud) delete(ctx context.Context, mr *unstructured.Unstructured) error {
	c.mu.Lock()
	if cluster, ok := c.clusters[mr.GetUID()]; ok {
		cluster.listener.Close()
		cluster.eks = ""
	}
	c.mu.Unlock()
	if time.Since(mr.GetDeletionTimestamp().Time) < deleteDelay || !controllerutil.RemoveFinalizer(mr, managedFinalizer) {
		return nil
	}
	return c.hub.Update(ctx, mr)
}

// rotate a cluster's credentials: the new are published, and the old are worth nothing.
func (c *cloud) rotate(ctx context.Context, mr *unstructured.Unstructured) error {
	cluster, err := c.clusterOf(mr)
	if err != nil {
		return err
	}
	old := cluster.user
	if err := c.issue(ctx, mr, cluster); err != nil {
		return err
	}
	if err := c.publish(ctx, mr); err != nil {
		return err
	}
	return c.spoke.Delete(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: old}})
}

// issue credentials of a new user, who may do everything.
func (c *cloud) issue(ctx context.Context, mr *unstructured.Unstructured, cluster *managedCluster) error {
	cluster.generation++
	cluster.user = fmt.Sprintf("%s-%d", mr.GetUID(), cluster.generation)
	if err := grant(ctx, c.spoke, cluster.user); err != nil {
		return err
	}
	var err error
	cluster.details, err = c.connectionDetails(mr, cluster)
	return err
}

// grant a user of the spoke everything.
func grant(ctx context.Context, spoke *controlPlane, user string) error {
	return client.IgnoreAlreadyExists(spoke.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: strings.ReplaceAll(user, "/", ":")},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}))
}

// enter has an EKS cluster know a principal of AWS as a user, who may do everything.
func (c *cloud) enter(ctx context.Context, mr *unstructured.Unstructured) error {
	spec, _, _ := unstructured.NestedMap(mr.Object, "spec", "forProvider")
	text := func(field string) string { s, _ := spec[field].(string); return s }
	user := cmp.Or(text("userName"), text("principalArn"))
	c.tokens.mu.Lock()
	c.tokens.entries[accessEntry{cluster: text("clusterName"), principal: text("principalArn")}] = user
	c.tokens.mu.Unlock()
	return grant(ctx, c.spoke, user)
}

// connectionDetails are as the upjet providers have them. AKS gives a certificate and a
// token, or with Entra ID alone what has the user sign in; GKE a certificate if asked to, or
// nothing; EKS a token of the provider's own.
func (c *cloud) connectionDetails(mr *unstructured.Unstructured, cluster *managedCluster) (map[string][]byte, error) {
	cert, err := c.spoke.ca.client(cluster.user)
	if err != nil {
		return nil, err
	}
	c.remember(strings.Split(string(cert.key), "\n")[1], base64.StdEncoding.EncodeToString(cert.key))
	user := &clientcmdapi.AuthInfo{ClientCertificateData: cert.cert, ClientKeyData: cert.key}
	details := map[string][]byte{}
	// The spoke does not know the token: a registration must not hold it.
	token := rand.Text() + rand.Text()
	switch entra, _, _ := unstructured.NestedBool(mr.Object, "spec", "forProvider", "localAccountDisabled"); {
	case entra:
		user = &clientcmdapi.AuthInfo{Exec: kubelogin()}
	case mr.GetKind() == "KubernetesCluster":
		user.Token = token
	case isEKS(mr):
		token = awsPrefix + token
		user = &clientcmdapi.AuthInfo{Token: token}
		details["endpoint"], details["clusterCA"] = []byte(cluster.server), c.spoke.ca.pem
	default:
		if auth, _, _ := unstructured.NestedSlice(mr.Object, "spec", "forProvider", "masterAuth"); len(auth) == 0 {
			user = &clientcmdapi.AuthInfo{}
			details["attribute.master_auth.0.client_key"] = nil
		}
	}
	c.remember(token)
	details["kubeconfig"], err = kubeconfig(mr.GetName(), cluster.server, slices.Concat(c.spoke.ca.pem, cluster.ca), user)
	c.remember(base64.StdEncoding.EncodeToString(details["kubeconfig"]))
	return details, err
}

// kubelogin is what the kubeconfig of an AKS cluster without local accounts runs.
func kubelogin() *clientcmdapi.ExecConfig {
	return &clientcmdapi.ExecConfig{
		APIVersion: "client.authentication.k8s.io/v1beta1", Command: "kubelogin", InteractiveMode: clientcmdapi.IfAvailableExecInteractiveMode,
		Args: []string{
			"get-token", "--environment", "AzurePublicCloud", "--server-id", aksApplication,
			"--client-id", "80faf920-1908-4b52-b5ef-a8e7bedfc67a", "--tenant-id", entraTenant, "--login", "devicecode",
		},
		InstallHint: "kubelogin is not installed which is required to connect to AAD enabled cluster.",
	}
}

// suspend the cloud, or have it go on.
func (c *cloud) suspend(paused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = paused
}

func (c *cloud) isPaused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paused
}

// hold has the cloud do nothing yet for what an XR composes, or have it go on.
func (c *cloud) hold(xr *unstructured.Unstructured, held bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[xr.GetKind()+"/"+xr.GetName()] = held
}

func (c *cloud) isHeld(mr *unstructured.Unstructured) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	xr := metav1.GetControllerOf(mr)
	return xr != nil && c.held[xr.Kind+"/"+xr.Name]
}

// adopt gives a cluster to a managed resource that was restored.
func (c *cloud) adopt(old, restored types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clusters[restored] = c.clusters[old]
	c.clusters["restored-"+old] = c.clusters[old]
	delete(c.clusters, old)
}

// given returns all credentials that were given out.
func (c *cloud) given() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.secrets)
}

func (c *cloud) remember(secrets ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secrets = append(c.secrets, secrets...)
}

// publish a cluster's connection Secret.
func (c *cloud) publish(ctx context.Context, mr *unstructured.Unstructured) error {
	cluster, err := c.clusterOf(mr)
	if err != nil {
		return err
	}
	return c.hub.publish(ctx, mr, cluster.details)
}

// publish connection details to the Secret that a managed resource asks for.
func (p *controlPlane) publish(ctx context.Context, mr *unstructured.Unstructured, details map[string][]byte) error {
	ref := connectionSecret(mr)
	if ref.Name == "" {
		return nil
	}
	o := object("v1", "Secret", ref.Namespace, ref.Name)
	o.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(mr, mr.GroupVersionKind())})
	data := map[string]any{}
	for k, v := range details {
		data[k] = base64.StdEncoding.EncodeToString(v)
	}
	o.Object["type"], o.Object["data"] = "connection.crossplane.io/v1alpha1", data
	return p.apply(ctx, o)
}

// withdraw a cluster's connection Secret.
func (c *cloud) withdraw(ctx context.Context, mr *unstructured.Unstructured) error {
	ref := connectionSecret(mr)
	return c.hub.Delete(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name}})
}

func connectionSecret(mr *unstructured.Unstructured) client.ObjectKey {
	ref, _, _ := unstructured.NestedStringMap(mr.Object, "spec", "writeConnectionSecretToRef")
	if ns := mr.GetNamespace(); ns != "" {
		return client.ObjectKey{Namespace: ns, Name: ref["name"]}
	}
	return client.ObjectKey{Namespace: ref["namespace"], Name: ref["name"]}
}

// cloudProvider installs the played provider, which acts as a ServiceAccount of its own.
func cloudProvider() []*unstructured.Unstructured {
	config := object("pkg.crossplane.io/v1beta1", "DeploymentRuntimeConfig", "", cloudName)
	config.Object["spec"] = map[string]any{"serviceAccountTemplate": map[string]any{"metadata": map[string]any{"name": cloudName}}}
	provider := object("pkg.crossplane.io/v1", "Provider", "", cloudName)
	provider.Object["spec"] = map[string]any{
		"package":          upstream + "/crossplane-contrib/provider-cloud:v1.0.0",
		"runtimeConfigRef": map[string]any{"name": cloudName},
	}
	return []*unstructured.Unstructured{config, provider}
}

// isPlayed says of a provider that it is a cloud's.
func isPlayed(name string) bool {
	return strings.HasPrefix(strings.TrimPrefix(name, "upbound-"), "provider-") && name != providerName
}

// cloudPackage is a played provider: the right groups, versions, kinds and scopes, with an open
// schema.
func cloudPackage(name string, kinds []schema.GroupVersionKind) ([]byte, error) {
	docs := []any{map[string]any{
		"apiVersion": "meta.pkg.crossplane.io/v1", "kind": "Provider", "metadata": map[string]any{"name": name},
	}}
	open := map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
	for _, k := range kinds {
		scope, plural := "Cluster", strings.ToLower(k.Kind)+"s"
		if stem, ok := strings.CutSuffix(plural, "ys"); ok {
			plural = stem + "ies"
		}
		if strings.Contains(k.Group, ".m.") && k.Kind != "ClusterProviderConfig" {
			scope = "Namespaced"
		}
		docs = append(docs, map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
			"metadata": map[string]any{"name": plural + "." + k.Group},
			"spec": map[string]any{
				"group": k.Group, "scope": scope,
				"names": map[string]any{
					"kind": k.Kind, "listKind": k.Kind + "List", "plural": plural, "singular": strings.ToLower(k.Kind),
					"categories": []any{"crossplane", "managed"},
				},
				"versions": []any{map[string]any{
					"name": k.Version, "served": true, "storage": true,
					"subresources": map[string]any{"status": map[string]any{}},
					"additionalPrinterColumns": []any{
						map[string]any{"name": "READY", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].status"},
					},
					"schema": map[string]any{"openAPIV3Schema": map[string]any{
						"type": "object", "properties": map[string]any{"spec": open, "status": open},
					}},
				}},
			},
		})
	}
	return marshalAll(docs)
}
