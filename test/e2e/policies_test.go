package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	connectionType = "connection.crossplane.io/v1alpha1"
	reservedSuffix = "-cluster-connection"
	compositionKey = "crossplane.io/composition-resource-name"
	compositeKey   = "crossplane.io/composite"

	objectsVersion = "kubernetes.m.crossplane.io/v1alpha1"
	gkeVersion     = "container.gcp.m.upbound.io/v1beta1"
)

// policies are those that guard tenants' namespaces, with their bindings.
func policies() ([]*unstructured.Unstructured, error) {
	return loadFolder(filepath.Join(examples, "policies"))
}

// TestPolicies has a namespace's editor attack a registered cluster, without the policies
// and with them.
func TestPolicies(t *testing.T) {
	s := begin(t)
	editor := s.editorOf("team-a")
	c := s.ask(ofKind("TeamGKE", "team-a", "guarded")).registered().healthy()
	own := s.ownedBy(editor, "team-a")
	attacks, rights := s.attacks(editor, c, own), s.rights(editor, c, own)

	s.guard(false, attacks)
	s.allowed(attacks)
	s.forged(editor)

	s.guard(true, attacks)
	s.refused(attacks, rights)
	c.untouched()
	c.deleted()

	s.lives(editor)
	s.namespaceDeleted("team-b")
}

// An attempt is something that somebody tries, as a dry run. RBAC allows all of them.
type attempt struct {
	what string
	try  func(ctx context.Context) error

	// What refuses it, and what it says.
	policy, message string
}

// allowed checks that each attack works without the policies.
func (s *scenario) allowed(attacks []attempt) {
	s.Helper()
	for _, a := range attacks {
		if err := a.try(s.Context()); err != nil {
			s.Errorf("without the policies, %s: %v", a.what, err)
		}
	}
	s.didf("without the policies, each of %d attacks is allowed", len(attacks))
}

// refused checks that the policies refuse each attack for its own reason, and leave the rights.
func (s *scenario) refused(attacks, rights []attempt) {
	s.Helper()
	for _, a := range attacks {
		switch err := a.try(s.Context()); {
		case err == nil:
			s.Errorf("with the policies, this is allowed: %s", a.what)
		case !strings.Contains(err.Error(), "ValidatingAdmissionPolicy '"+a.policy+"'") || !strings.Contains(err.Error(), a.message):
			s.Errorf("%s: want a refusal of %s with %q, got: %v", a.what, a.policy, a.message, err)
		default:
			report.sayf("refused: %s: %s", a.what, a.message)
		}
	}
	s.didf("with the policies, each is refused for its own reason")
	for _, r := range rights {
		if err := r.try(s.Context()); err != nil {
			s.Errorf("with the policies, %s: %v", r.what, err)
		}
	}
	s.didf("with the policies, %d rights are left", len(rights))
}

// guard puts the policies in force or out of it, and waits for the API server to notice.
func (s *scenario) guard(on bool, attacks []attempt) {
	s.Helper()
	objects, err := policies()
	s.must(err)
	if on {
		s.must(sys.hub.apply(s.Context(), objects...))
	} else {
		// Whatever happens here, the next test has them.
		s.Cleanup(func() { _ = sys.hub.apply(context.Background(), objects...) })
		for _, o := range objects {
			if o.GetKind() == "ValidatingAdmissionPolicyBinding" {
				s.must(sys.hub.Delete(s.Context(), o))
			}
		}
	}
	s.inForce(on, attacks)
}

// inForce waits until the policies that the attacks are about are in force, or are not.
func (s *scenario) inForce(on bool, attacks []attempt) {
	s.Helper()
	// One attack of each policy: they do not come into force at once.
	probes := map[string]attempt{}
	for _, a := range attacks {
		probes[a.policy] = a
	}
	for policy, a := range probes {
		s.await("policy "+policy, func(ctx context.Context) error {
			if err := a.try(ctx); (err != nil) != on {
				return fmt.Errorf("%s: %w", a.what, errors.Join(err, errors.New("it is not so yet")))
			}
			return nil
		})
	}
}

// editorOf returns the hub as a namespace's editor sees it: a ServiceAccount with the role
// that Crossplane has for them.
func (s *scenario) editorOf(namespace string) *controlPlane {
	s.Helper()
	account := object("v1", "ServiceAccount", namespace, "editor")
	binding := object("rbac.authorization.k8s.io/v1", "RoleBinding", namespace, "editor")
	binding.Object["roleRef"] = map[string]any{"apiGroup": rbacv1.GroupName, "kind": "ClusterRole", "name": "crossplane-edit"}
	binding.Object["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "namespace": namespace, "name": "editor"}}
	s.must(sys.hub.apply(s.Context(), account, binding))
	editor, err := sys.hub.as(s.Context(), namespace, "editor")
	s.must(err)
	return editor
}

// owned is what an editor has that is not composed.
type owned struct{ secret, nodePool, object, config *unstructured.Unstructured }

func (s *scenario) ownedBy(editor *controlPlane, namespace string) owned {
	s.Helper()
	o := owned{
		secret:   object("v1", "Secret", namespace, "mine"),
		nodePool: object(gkeVersion, "NodePool", namespace, "mine"),
		object:   newObject(namespace, "mine", "ProviderConfig", "team"),
		config:   newConfig(namespace, "team"),
	}
	o.nodePool.Object["spec"] = map[string]any{"forProvider": map[string]any{"nodeCount": int64(1)}, "providerConfigRef": teamConfig()}
	s.must(sys.hub.apply(s.Context(), o.config))
	s.must(editor.apply(s.Context(), o.secret, o.nodePool, o.object))
	s.Cleanup(func() {
		for _, mine := range []*unstructured.Unstructured{o.secret, o.nodePool, o.object} {
			_ = sys.hub.Delete(context.Background(), mine)
		}
	})
	return o
}

func newObject(namespace, name, configKind, config string) *unstructured.Unstructured {
	o := object(objectsVersion, "Object", namespace, name)
	o.Object["spec"] = map[string]any{
		"managementPolicies": []any{"Observe"},
		"forProvider": map[string]any{"manifest": map[string]any{
			"apiVersion": "v1", "kind": "Secret",
			"metadata": map[string]any{"name": "crossplane-root-ca", "namespace": crossplaneNamespace},
		}},
	}
	if config != "" {
		o.Object["spec"].(map[string]any)["providerConfigRef"] = map[string]any{"kind": configKind, "name": config}
	}
	return o
}

// teamConfig refers to the ProviderConfig that the platform team made for a namespace.
func teamConfig() map[string]any { return map[string]any{"kind": "ProviderConfig", "name": "team"} }

// newConfig is a ProviderConfig of a tenant's own. Its Secret does not exist.
func newConfig(namespace, name string) *unstructured.Unstructured {
	o := object(objectsVersion, "ProviderConfig", namespace, name)
	o.Object["spec"] = map[string]any{"credentials": map[string]any{
		"source": "Secret", "secretRef": map[string]any{"namespace": crossplaneNamespace, "name": "none", "key": "kubeconfig"},
	}}
	return o
}

func newSecret(namespace, name string, kind corev1.SecretType, change func(*corev1.Secret)) *corev1.Secret {
	o := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Type: kind}
	if change != nil {
		change(o)
	}
	return o
}

// attacks of the cluster's namespace's editor, of what acts for it, and of Crossplane on
// what the editor prepared.
func (s *scenario) attacks(editor *controlPlane, c *cluster, own owned) []attempt {
	s.Helper()
	ns := c.user.GetNamespace()
	mr := c.managed()
	details := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: connectionSecret(mr).Name}}
	var registration *unstructured.Unstructured
	composed, err := c.composed(s.Context())
	s.must(err)
	for _, o := range composed {
		if o.GetKind() == "Object" {
			registration = o
		}
	}
	argoCD, err := sys.hub.as(s.Context(), argocdNamespace, "argocd-application-controller")
	s.must(err)
	crossplane, err := sys.hub.as(s.Context(), crossplaneNamespace, "crossplane")
	s.must(err)
	xr, err := sys.hub.get(s.Context(), c.user)
	s.must(err)
	controller := metav1.NewControllerRef(xr, xr.GroupVersionKind())

	var all []attempt
	add := func(policy, message, what string, try func(context.Context) error) {
		all = append(all, attempt{what: what, try: try, policy: policy, message: message})
	}
	marked := func(o *unstructured.Unstructured) *unstructured.Unstructured {
		o.SetAnnotations(map[string]string{compositionKey: "cluster"})
		return o
	}
	forged := marked(object(gkeVersion, "Cluster", ns, "forged"))
	forged.Object["spec"] = map[string]any{"providerConfigRef": teamConfig()}
	reserved := "prod" + reservedSuffix

	p := "crossplane-connection-secrets"
	m := "only Crossplane and its providers write Secrets of type " + connectionType
	add(p, m, "change a connection Secret", patching(editor, details, `{"data": {"kubeconfig": "e30="}}`))
	add(p, m, "take the managed resource's reference off it", patching(editor, details, `{"metadata": {"ownerReferences": null}}`))
	add(p, m, "delete it", deleting(editor, details))
	add(p, m, "delete all Secrets", func(ctx context.Context) error {
		return editor.DeleteAllOf(ctx, &corev1.Secret{}, client.InNamespace(ns), client.DryRunAll)
	})
	add(p, m, "create a connection Secret", creating(editor, newSecret(ns, "first", connectionType, nil)))
	add(p, m, "have Argo CD change a connection Secret", patching(argoCD, details, `{"data": {"kubeconfig": "e30="}}`))
	m = "names that end in " + reservedSuffix + " are reserved for the Secrets to which providers publish"
	add(p, m, "create a Secret for a cluster that is to come", creating(editor, newSecret(ns, reserved, corev1.SecretTypeOpaque, nil)))
	m = "this Secret belongs to a resource of Crossplane, or says so"
	add(p, m, "create a Secret that says it is composed", creating(editor, newSecret(ns, "forged", corev1.SecretTypeOpaque, func(o *corev1.Secret) {
		o.Annotations = map[string]string{compositionKey: "argocd-cluster"}
	})))
	add(p, m, "have a Secret say it is composed", patching(editor, own.secret, `{"metadata": {"annotations": {"`+compositionKey+`": "argocd-cluster"}}}`))
	add(p, m, "create a Secret of a managed resource", creating(editor, newSecret(ns, "forged", corev1.SecretTypeOpaque, func(o *corev1.Secret) {
		o.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(mr, mr.GroupVersionKind())}
	})))

	p, m = "crossplane-connection-secret-names", "names that end in "+reservedSuffix+" are reserved for the connection Secrets of composed clusters"
	asking := object(gkeVersion, "NodePool", ns, "asking")
	asking.Object["spec"] = map[string]any{"providerConfigRef": teamConfig(), "writeConnectionSecretToRef": map[string]any{"name": reserved}}
	add(p, m, "have a provider publish to a reserved name", creating(editor, asking))
	add(p, m, "the same, of a resource that is there", patching(editor, own.nodePool, `{"spec": {"writeConnectionSecretToRef": {"name": "`+reserved+`"}}}`))
	claim := ofKind("ClaimedGKE", ns, "asking")
	claim.Object["spec"].(map[string]any)["writeConnectionSecretToRef"] = map[string]any{"name": reserved}
	add(p, m, "have Crossplane publish a claim's details to a reserved name", creating(editor, claim))

	p, m = "crossplane-composed-resources", "Crossplane composed this resource"
	add(p, m, "change a managed cluster", patching(editor, mr, `{"spec": {"forProvider": {"location": "us-east1"}}}`))
	add(p, m, "change its status", patchingStatus(editor, mr, `{"status": {"atProvider": {"endpoint": "203.0.113.250"}}}`))
	add(p, m, "delete it", deleting(editor, mr))
	add(p, m, "delete all managed clusters", func(ctx context.Context) error {
		return editor.DeleteAllOf(ctx, object(gkeVersion, "Cluster", "", ""), client.InNamespace(ns), client.DryRunAll)
	})
	for what, patch := range map[string]string{
		"annotation":       `{"metadata": {"annotations": null}}`,
		"label":            `{"metadata": {"labels": null}}`,
		"owner references": `{"metadata": {"ownerReferences": null}}`,
		"marks":            `{"metadata": {"annotations": null, "labels": null, "ownerReferences": null}}`,
	} {
		add(p, m, "take Crossplane's "+what+" off it", patching(editor, mr, patch))
	}
	add(p, m, "change the registration's Object", patching(editor, registration, `{"spec": {"forProvider": {"manifest": {"data": {"server": "e30="}}}}}`))
	add(p, m, "change its ProviderConfig", patching(editor, registration, `{"spec": {"providerConfigRef": {"kind": "ProviderConfig", "name": "team"}}}`))
	add(p, m, "change its status", patchingStatus(editor, registration, `{"status": {"atProvider": {"manifest": {"data": {"server": "e30="}}}}}`))
	add(p, m, "delete it", deleting(editor, registration))
	m = "this resource says that it is composed"
	add(p, m, "create a cluster that says it is composed", creating(editor, forged))
	add(p, m, "create an Object that says it is composed", creating(editor, marked(newObject(ns, "forged", "ProviderConfig", "team"))))
	add(p, m, "have a resource say it is composed", patching(editor, own.nodePool, `{"metadata": {"labels": {"`+compositeKey+`": "guarded"}}}`))

	p, m = "crossplane-provider-kubernetes", "a resource of yours must not use a ClusterProviderConfig"
	theirs := object(gkeVersion, "Cluster", ns, "theirs")
	theirs.SetAnnotations(map[string]string{"crossplane.io/external-name": "another-teams"})
	add(p, m, "take another team's cluster by its name in the cloud", creating(editor, theirs))
	add(p, m, "have a managed resource use the provider's identity", patching(editor, own.nodePool, `{"spec": {"providerConfigRef": {"kind": "ClusterProviderConfig", "name": "default"}}}`))
	add(p, m, "create an Object with Argo CD's ClusterProviderConfig", creating(editor, newObject(ns, "spy", "ClusterProviderConfig", "argocd")))
	add(p, m, "create an Object with the default ProviderConfig", creating(editor, newObject(ns, "spy", "", "")))
	add(p, m, "have an Object use Argo CD's ClusterProviderConfig", patching(editor, own.object, `{"spec": {"providerConfigRef": {"kind": "ClusterProviderConfig", "name": "argocd"}}}`))
	collection := object(objectsVersion, "ObservedObjectCollection", ns, "spy")
	collection.Object["spec"] = map[string]any{
		"observeObjects":    map[string]any{"apiVersion": "v1", "kind": "Secret", "namespace": argocdNamespace, "selector": map[string]any{}},
		"providerConfigRef": map[string]any{"kind": "ClusterProviderConfig", "name": "argocd"},
	}
	add(p, m, "observe all of Argo CD's Secrets", creating(editor, collection))
	m = "only the platform team writes ProviderConfigs"
	identity := object(objectsVersion, "ProviderConfig", ns, "identity")
	identity.Object["spec"] = map[string]any{"credentials": map[string]any{"source": "InjectedIdentity"}}
	add(p, m, "create a ProviderConfig with the provider's identity", creating(editor, identity))
	add(p, m, "create a ProviderConfig with a kubeconfig", creating(editor, newConfig(ns, "kubeconfig")))
	add(p, m, "change a ProviderConfig", patching(editor, own.config, `{"spec": {"credentials": {"source": "InjectedIdentity"}}}`))
	add(p, m, "delete a ProviderConfig", deleting(editor, own.config))

	p = "crossplane-compositions"
	unreserved := marked(object(gkeVersion, "Cluster", ns, "unreserved"))
	unreserved.SetOwnerReferences([]metav1.OwnerReference{*controller})
	unreserved.Object["spec"] = map[string]any{"writeConnectionSecretToRef": map[string]any{"name": "prod"}}
	add(p, "must end in "+reservedSuffix, "have Crossplane compose a cluster with a connection Secret of any name", creating(crossplane, unreserved))
	add(p, "a resource of this name is there already", "have Crossplane take over an Object", func(ctx context.Context) error {
		o := marked(newObject(ns, own.object.GetName(), "ClusterProviderConfig", "argocd"))
		o.SetOwnerReferences([]metav1.OwnerReference{*controller})
		return crossplane.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("e2e"), client.ForceOwnership, client.DryRunAll)
	})
	return all
}

// rights that the namespace's editor keeps, and others'.
func (s *scenario) rights(editor *controlPlane, c *cluster, own owned) []attempt {
	ns := c.user.GetNamespace()
	mr := c.managed()
	list := func(apiVersion, kind string) func(ctx context.Context) error {
		return func(ctx context.Context) error {
			l := &unstructured.UnstructuredList{}
			l.SetAPIVersion(apiVersion)
			l.SetKind(kind)
			return editor.List(ctx, l, client.InNamespace(ns))
		}
	}
	named := object(gkeVersion, "NodePool", ns, "named")
	named.Object["spec"] = map[string]any{"providerConfigRef": teamConfig(), "writeConnectionSecretToRef": map[string]any{"name": "named"}}
	details := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: connectionSecret(mr).Name}}
	return []attempt{
		{what: "create an XR", try: creating(editor, ofKind("TeamGKE", ns, "another"))},
		{what: "change an XR", try: patching(editor, c.user, `{"spec": {"parameters": {"environment": "production"}}}`)},
		{what: "delete an XR", try: deleting(editor, c.user)},
		{what: "create a claim", try: creating(editor, ofKind("ClaimedGKE", ns, "another"))},
		{what: "read Secrets", try: list("v1", "SecretList")},
		{what: "read clusters", try: list(gkeVersion, "ClusterList")},
		{what: "read Objects", try: list(objectsVersion, "ObjectList")},
		{what: "create a Secret", try: creating(editor, newSecret(ns, "another", corev1.SecretTypeOpaque, nil))},
		{what: "change a Secret", try: patching(editor, own.secret, `{"data": {"key": "e30="}}`)},
		{what: "delete a Secret", try: deleting(editor, own.secret)},
		{what: "create a managed resource with the namespace's ProviderConfig", try: creating(editor, named)},
		{what: "change a managed resource", try: patching(editor, own.nodePool, `{"spec": {"forProvider": {"nodeCount": 2}}}`)},
		{what: "delete a managed resource", try: deleting(editor, own.nodePool)},
		{what: "create an Object with the namespace's ProviderConfig", try: creating(editor, newObject(ns, "another", "ProviderConfig", "team"))},
		{what: "delete an Object", try: deleting(editor, own.object)},
		{what: "an administrator changes a connection Secret", try: patching(sys.hub, details, `{"data": {"kubeconfig": "e30="}}`)},
		{what: "an administrator changes a cluster's status", try: patchingStatus(sys.hub, mr, `{"status": {"atProvider": {"endpoint": "203.0.113.250"}}}`)},
	}
}

func creating(as *controlPlane, o client.Object) func(context.Context) error {
	return func(ctx context.Context) error {
		return as.Create(ctx, o.DeepCopyObject().(client.Object), client.DryRunAll)
	}
}

func deleting(as *controlPlane, o client.Object) func(context.Context) error {
	return func(ctx context.Context) error { return as.Delete(ctx, o, client.DryRunAll) }
}

func patching(as *controlPlane, o client.Object, patch string) func(context.Context) error {
	return func(ctx context.Context) error {
		return as.Patch(ctx, o.DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, []byte(patch)), client.DryRunAll)
	}
}

func patchingStatus(as *controlPlane, o client.Object, patch string) func(context.Context) error {
	return func(ctx context.Context) error {
		return as.Status().Patch(ctx, o.DeepCopyObject().(client.Object), client.RawPatch(types.MergePatchType, []byte(patch)), client.DryRunAll)
	}
}

// forged has the editor create a cluster's connection Secret before its provider does.
// Crossplane reads it, and the editor's server is registered under the cluster's name.
func (s *scenario) forged(editor *controlPlane) {
	s.Helper()
	const server = "https://203.0.113.250"
	c := s.ask(ofKind("TeamGKE", "team-a", "forged"))
	mr := c.managed()
	config, err := kubeconfig("forged", server, sys.spoke.ca.pem, &clientcmdapi.AuthInfo{Token: "forged"})
	s.must(err)
	secret := newSecret("team-a", connectionSecret(mr).Name, corev1.SecretTypeOpaque, func(o *corev1.Secret) {
		o.Data = map[string][]byte{"kubeconfig": config}
	})
	s.must(editor.Create(s.Context(), secret))
	s.await("the forged registration", func(ctx context.Context) error {
		r, err := c.registration(ctx)
		if err == nil && string(r.Data["server"]) != server {
			err = fmt.Errorf("its server is %s", r.Data["server"])
		}
		return err
	})
	c.didf("without the policies, an editor's Secret is read as connection details")
	s.must(sys.hub.Delete(s.Context(), secret))
	s.must(sys.hub.Delete(s.Context(), c.user))
}

// lives a cluster that the editor asks for and deletes.
func (s *scenario) lives(editor *controlPlane) {
	s.Helper()
	user := ofKind("TeamGKE", "team-a", "lives")
	s.must(editor.apply(s.Context(), user))
	c := s.ask(user).registered().healthy()
	c.rotated()
	mr := c.managed()
	details := object("v1", "Secret", mr.GetNamespace(), connectionSecret(mr).Name)
	composed, err := c.composed(s.Context())
	s.must(err)
	s.must(editor.Delete(s.Context(), user))
	s.await("the end of everything composed", func(ctx context.Context) error {
		return isGone(ctx, append(composed, details, user)...)
	})
	c.didf("the editor deletes it, and the connection Secret is collected")
}

// namespaceDeleted deletes a namespace with what the policies guard. It has no Object:
// provider-kubernetes v1.3 cannot finish one in a namespace that is being deleted, since its
// ProviderConfigUsage goes first, and cannot be created again.
func (s *scenario) namespaceDeleted(name string) {
	s.Helper()
	ns := object("v1", "Namespace", "", name)
	details := object("v1", "Secret", name, "guarded"+reservedSuffix)
	details.Object["type"] = connectionType
	composed := object(gkeVersion, "NodePool", name, "guarded")
	composed.SetAnnotations(map[string]string{compositionKey: "guarded"})
	s.must(sys.hub.apply(s.Context(), ns, details, composed, newConfig(name, "team")))
	s.must(sys.hub.Delete(s.Context(), ns))
	s.await("the namespace's end", func(ctx context.Context) error { return isGone(ctx, ns) })
	s.didf("a namespace with what they guard can be deleted")
}
