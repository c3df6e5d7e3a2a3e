package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestServiceAccount has Argo CD authenticate to clusters as ServiceAccounts, which the
// Compositions of example/service-account make.
//
//nolint:tparallel // The tests after it have the hub for themselves.
func TestServiceAccount(t *testing.T) {
	for name, scenario := range map[string]func(*scenario){
		"life, cluster-scoped XR":               func(s *scenario) { tokenLife(s, "aks", "PlatformCluster", "") },
		"life, namespaced XR":                   func(s *scenario) { tokenLife(s, "team", "TeamCluster", "team-a") },
		"switched from Auto, cluster-scoped XR": func(s *scenario) { switchedToToken(s, "aks", "PlatformCluster", "") },
		"switched from Auto, namespaced XR":     func(s *scenario) { switchedToToken(s, "team", "TeamCluster", "team-a") },
		"token replaced":                        tokenReplaced,
		"some namespaces only":                  someNamespaces,
		"the provider's own identity":           providersIdentity,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario(begin(t))
		})
	}
}

// A tokenCluster is a cluster to which Argo CD authenticates as a ServiceAccount, which has the
// account's name in the cluster's namespace kube-system, and so has its token.
type tokenCluster struct {
	*cluster

	account string
}

// tokenPlatform returns an example's API for clusters. Each has a kind, and a hub, of its own,
// since all clusters share a spoke. Edits are pairs of what is replaced and by what.
func (s *scenario) tokenPlatform(example, kind, suffix string, edits ...string) (definition, composition *unstructured.Unstructured) {
	s.Helper()
	plural := strings.ToLower(kind) + "s"
	r := strings.NewReplacer(append(edits, "hub-eu", "hub-"+suffix, kind, kind+suffix, plural, plural+suffix)...)
	read := func(file string) *unstructured.Unstructured {
		dir := filepath.Join(examples, "service-account", example)
		b, err := os.ReadFile(filepath.Join(dir, file))
		if errors.Is(err, os.ErrNotExist) {
			b, err = os.ReadFile(filepath.Join(filepath.Dir(dir), file))
		}
		s.must(err)
		objects, err := parse([]byte(r.Replace(string(b))))
		s.must(err)
		return objects[0]
	}
	return read("definition.yaml"), read("composition.yaml")
}

// askFor a cluster of such a platform.
func (s *scenario) askFor(definition, composition *unstructured.Unstructured, namespace, suffix string) tokenCluster {
	s.Helper()
	s.must(sys.hub.apply(s.Context(), definition, composition))
	s.await("the API", func(ctx context.Context) error { return sys.hub.hasCondition(ctx, definition, "Established", "") })
	kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
	xr := object("platform.example.org/v1alpha1", kind, namespace, suffix)
	xr.Object["spec"] = map[string]any{"parameters": map[string]any{"location": "westeurope"}}
	return tokenCluster{cluster: s.ask(xr), account: "argocd-hub-" + suffix}
}

// tokenLife takes a cluster of an example through its life.
func tokenLife(s *scenario, example, kind, namespace string) {
	suffix := example
	definition, composition := s.tokenPlatform(example, kind, suffix)
	c := s.askFor(definition, composition, namespace, suffix)
	c.registered().healthy()
	c.deployedBy(c.username())
	c.withoutAdmin()
	if namespace != "" {
		c.guarded()
	}

	s.must(sys.cloud.revoke(s.Context(), c.managed()))
	c.repaired()
	c.didf("the admin's certificate is worth nothing any more, and Argo CD still syncs")

	before, err := c.registration(s.Context())
	s.must(err)
	s.must(client.IgnoreNotFound(sys.cloud.rotate(s.Context(), c.managed())))
	c.tokenDeleted(before)
	c.withoutAdmin()
	c.didf("the kubeconfig is rotated, the token deleted, and another one followed")

	sys.cloud.disconnect(c.managed())
	c.deleted()
}

// switchedToToken changes the credentials of a registered cluster, from the admin's to a token.
func switchedToToken(s *scenario, example, kind, namespace string) {
	suffix := "switched" + example
	definition, composition := s.tokenPlatform(example, kind, suffix)
	before := composition.DeepCopy()
	for _, step := range before.Object["spec"].(map[string]any)["pipeline"].([]any) {
		switch step := step.(map[string]any); step["step"] {
		case "provision-the-cluster":
			input := step["input"].(map[string]any)
			input["resources"] = slices.DeleteFunc(input["resources"].([]any), func(r any) bool {
				name := r.(map[string]any)["name"]
				return name != "resource-group" && name != "cluster"
			})
		case "register-with-argocd":
			delete(step["input"].(map[string]any), "credentials")
		}
	}
	c := s.askFor(definition, before, namespace, suffix)
	c.registered().healthy()
	r, err := c.registration(s.Context())
	s.must(err)
	if !strings.Contains(string(r.Data["config"]), "keyData") {
		s.Fatal("Argo CD has no client key to begin with")
	}
	s.must(sys.hub.apply(s.Context(), composition))
	c.followed(r)
	c.withoutAdmin()
	c.ready()
	c.untouched()
	s.must(sys.cloud.revoke(s.Context(), c.managed()))
	c.repaired()
	c.didf("switched to the token: the same Secret, Application and workload")
	c.deleted()
}

// tokenReplaced has the Composition give the token's Secret another name, and then deletes the old
// one. At no time does Argo CD have a token that is not valid.
func tokenReplaced(s *scenario) {
	const suffix = "another"
	definition, composition := s.tokenPlatform("aks", "PlatformCluster", suffix)
	c := s.askFor(definition, composition, "", suffix)
	c.registered().healthy()
	before, err := c.registration(s.Context())
	s.must(err)
	old := c.grown()
	for _, step := range composition.Object["spec"].(map[string]any)["pipeline"].([]any) {
		input, _ := step.(map[string]any)["input"].(map[string]any)
		resources, _ := input["resources"].([]any)
		for _, r := range resources {
			r := r.(map[string]any)
			if r["name"] != "token" {
				continue
			}
			spec := r["base"].(map[string]any)["spec"].(map[string]any)
			set(c.account+"-2", "forProvider", "manifest", "metadata", "name")(spec)
			for _, d := range spec["connectionDetails"].([]any) {
				d.(map[string]any)["name"] = c.account + "-2"
			}
		}
	}
	s.must(sys.hub.apply(s.Context(), composition))
	c.followed(before)
	s.must(sys.spoke.Delete(s.Context(), old))
	c.ready()
	c.repaired()
	c.didf("the token is replaced by another one, which the Composition has made beside it")
	c.deleted()
}

// tokenOfAnotherCluster has the cloud replace a cluster by one without a ServiceAccount.
func tokenOfAnotherCluster(s *scenario) {
	const suffix = "replaced"
	definition, composition := s.tokenPlatform("aks", "PlatformCluster", suffix)
	c := s.askFor(definition, composition, "", suffix)
	c.registered().healthy()
	before, err := c.registration(s.Context())
	s.must(err)
	secret := c.grown()
	s.must(sys.spoke.Delete(s.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: c.account}}))
	s.must(sys.spoke.Delete(s.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: c.account}}))
	s.await("the end of the token", func(ctx context.Context) error {
		if err := sys.spoke.Get(ctx, client.ObjectKeyFromObject(secret), secret); !apierrors.IsNotFound(err) {
			return errors.Join(err, errors.New("it is still there"))
		}
		return nil
	})
	s.must(sys.cloud.replace(s.Context(), c.managed()))
	s.await("the token of the new cluster, at its address", func(ctx context.Context) error {
		now, err := c.registration(ctx)
		if err != nil {
			return err
		}
		token := c.token().Data["token"] //nolint:contextcheck // It has the scenario's.
		if bytes.Equal(now.Data["server"], before.Data["server"]) || now.UID != before.UID || len(token) == 0 || !bytes.Contains(now.Data["config"], token) {
			return errors.New("the Secret is not that of the new cluster, or another one")
		}
		return sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Registered")
	})
	c.repaired()
	c.didf("the new cluster has a ServiceAccount, and Argo CD its token")
	c.deleted()
}

// someNamespaces gives the ServiceAccount rights in some namespaces only.
func someNamespaces(s *scenario) {
	const suffix = "restricted"
	definition, composition := s.tokenPlatform("aks/restricted", "PlatformCluster", suffix, "name: apps", "name: guestbook-"+suffix, "namespace: apps", "namespace: guestbook-"+suffix, "[apps]", "[guestbook-"+suffix+"]")
	c := s.askFor(definition, composition, "", suffix)
	c.registered().healthy()
	c.deployedBy(c.username())
	c.withoutAdmin()
	c.repaired()
	c.deleted()
}

// providersIdentity has provider-kubernetes authenticate to the cluster by an identity of its own,
// since the kubeconfig has no credentials.
func providersIdentity(s *scenario) {
	const suffix, secret = "identity", "google-token"
	// Here is no Google that gives the provider a token, so a Secret does.
	account := object("v1", "ServiceAccount", "kube-system", "google")
	binding := object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "google")
	binding.Object["roleRef"] = map[string]any{"apiGroup": rbacv1.GroupName, "kind": "ClusterRole", "name": "cluster-admin"}
	binding.Object["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "namespace": "kube-system", "name": "google"}}
	s.must(sys.spoke.apply(s.Context(), account, binding))
	token, err := sys.spoke.token(s.Context(), "kube-system", "google")
	s.must(err)
	s.must(sys.hub.Create(s.Context(), newSecret(crossplaneNamespace, secret, corev1.SecretTypeOpaque, func(o *corev1.Secret) {
		o.Data = map[string][]byte{"token": []byte(token)}
	})))
	definition, composition := s.tokenPlatform("gke", "GoogleCluster", suffix,
		"source: InjectedIdentity", fmt.Sprintf("source: Secret\n              secretRef: {namespace: %s, name: %s, key: token}", crossplaneNamespace, secret))
	c := s.askFor(definition, composition, "", suffix)
	c.registered().healthy()
	c.deployedBy(c.username())
	c.deleted()

	// What the examples say of Google's and Azure's identities is what the provider knows.
	for _, example := range []string{"gke", "aks/entra-id"} {
		objects, err := load(filepath.Join(examples, "service-account", example, "expected.yaml"))
		s.must(err)
		i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "ProviderConfig" })
		objects[i].SetOwnerReferences(nil)
		s.must(sys.hub.Create(s.Context(), objects[i], client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict)))
	}
	c.didf("the ProviderConfigs of the examples are valid")
}

// username is who the spoke takes Argo CD for.
func (c tokenCluster) username() string { return "system:serviceaccount:kube-system:" + c.account }

// withoutAdmin looks for what the cloud gave out in Argo CD's Secret, and in what composes it.
func (c tokenCluster) withoutAdmin() {
	c.Helper()
	r, err := c.registration(c.Context())
	c.must(err)
	config := string(r.Data["config"])
	if strings.Contains(config, "keyData") || strings.Contains(config, "certData") || !strings.Contains(config, `"bearerToken"`) {
		c.must(errors.New("Argo CD's Secret does not have a token alone"))
	}
	written := []string{string(r.Data["config"])}
	composed, err := c.composed(c.Context())
	c.must(err)
	for _, o := range composed {
		if o.GetKind() != "Object" {
			continue
		}
		o, err := sys.hub.get(c.Context(), o)
		c.must(err)
		b, err := json.Marshal(o.Object)
		c.must(err)
		written = append(written, string(b))
		if encoded, _, _ := unstructured.NestedString(o.Object, "spec", "forProvider", "manifest", "data", "config"); encoded != "" {
			decoded, err := base64.StdEncoding.DecodeString(encoded)
			c.must(err)
			written = append(written, string(decoded))
		}
	}
	for _, secret := range sys.cloud.given() {
		for _, w := range written {
			if strings.Contains(w, secret) {
				c.must(errors.New("an Object or Argo CD's Secret has the admin's credentials"))
			}
		}
	}
	c.didf("neither Argo CD's Secret nor an Object has the admin's credentials")
}

// tokenDeleted deletes the token. As everything that is changed by hand on the cluster, the
// provider sees it when it next looks, or when its Object changes.
func (c tokenCluster) tokenDeleted(before *corev1.Secret) {
	c.Helper()
	secret := c.grown()
	now, err := c.registration(c.Context())
	c.must(err)
	if !bytes.Equal(now.Data["config"], before.Data["config"]) {
		c.Fatal("the registration changed with the kubeconfig")
	}
	c.must(sys.spoke.Delete(c.Context(), secret))
	composed, err := c.composed(c.Context())
	c.must(err)
	for _, o := range composed {
		o, err := sys.hub.get(c.Context(), o)
		c.must(err)
		if o.GetAnnotations()[compositionKey] == "token" {
			c.must(sys.hub.patch(c.Context(), o, `{"metadata": {"annotations": {"example.org/look": "again"}}}`))
		}
	}
	c.followed(before)
	c.repaired()
}

// token of the ServiceAccount, on the spoke; empty if there is none.
func (c tokenCluster) token() *corev1.Secret {
	c.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: c.account}}
	c.must(client.IgnoreNotFound(sys.spoke.Get(c.Context(), client.ObjectKeyFromObject(secret), secret)))
	return secret
}

// grown returns the token once it is so old that provider-kubernetes misses it: within 30 seconds
// of the creation, it does not look again.
func (c tokenCluster) grown() *corev1.Secret {
	c.Helper()
	secret := c.token()
	time.Sleep(time.Until(secret.CreationTimestamp.Add(35 * time.Second)))
	return secret
}

// guarded has a namespace's editor change what would give them the provider's rights, or have Argo
// CD use another token.
func (c tokenCluster) guarded() {
	c.Helper()
	editor := c.editorOf(c.user.GetNamespace())
	composed, err := c.composed(c.Context())
	c.must(err)
	n := 0
	refused := func(what string, try func(context.Context) error) {
		c.Helper()
		if err := try(c.Context()); err == nil || !strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
			c.must(fmt.Errorf("with the policies, an editor may %s: %w", what, err))
		}
		n++
	}
	for _, o := range composed {
		o, err := sys.hub.get(c.Context(), o)
		c.must(err)
		name := o.GetAnnotations()[compositionKey]
		refused("change "+name, patching(editor, o, `{"spec": {"managementPolicies": ["*"], "credentials": {"source": "InjectedIdentity"}}}`))
		refused("delete "+name, deleting(editor, o))
		if ref := connectionSecret(o); ref.Name != "" {
			secret := object("v1", "Secret", ref.Namespace, ref.Name)
			refused("change the connection Secret of "+name, patching(editor, secret, `{"data": {"token": "e30=", "kubeconfig": "e30="}}`))
			refused("delete the connection Secret of "+name, deleting(editor, secret))
		}
		if o.GetKind() == "Object" {
			refused("change the status of "+name, patchingStatus(editor, o, `{"status": {"atProvider": {"manifest": {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"uid": "forged"}}}}}`))
		}
	}
	c.didf("a namespace's editor is refused %d changes of what is composed", n)
}

// revoke what the cloud gave out for a cluster.
func (c *cloud) revoke(ctx context.Context, mr *unstructured.Unstructured) error {
	cluster, err := c.clusterOf(mr)
	if err != nil {
		return err
	}
	return c.spoke.Delete(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: cluster.user}})
}

// disconnect a cluster: nobody answers at its address any more.
func (c *cloud) disconnect(mr *unstructured.Unstructured) {
	if cluster, err := c.clusterOf(mr); err == nil {
		cluster.listener.Close()
	}
}
