package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	poolNamespace = "cluster-pool"
	skipReconcile = "argocd.argoproj.io/skip-reconcile"
	refresh       = "argocd.argoproj.io/refresh"
)

// TestPool gives a cluster of a pool to a team, has it hibernate, and takes it back. Another cluster
// of the pool shows what Argo CD does meanwhile with those that are awake.
func TestPool(t *testing.T) {
	t.Parallel()
	s := begin(t)
	s.offerExample(filepath.Join("fleet", "pool"), "definition.yaml", "composition.yaml")
	s.must(sys.hub.apply(t.Context(), object("v1", "Namespace", "", poolNamespace)))
	s.must(sys.hub.apply(t.Context(), s.shop()...))
	c, awake := s.ask(pooled("warm-1")), s.ask(pooled("warm-2"))
	c.registered().healthy()
	awake.registered().healthy()
	s.must(errors.Join(c.noApplication(t.Context(), "shop"), awake.noApplication(t.Context(), "shop")))

	c.assign(`"shop"`)
	s.await("the team's Application", func(ctx context.Context) error { return c.synced(ctx, "shop") })
	c.didf("assigned: what the team deploys is on the spoke")
	c.assign("null")
	s.await("its end", func(ctx context.Context) error { return c.pruned(ctx, "shop") })
	c.untouched()
	c.didf("returned: that alone is gone")

	c.assign(`"shop"`)
	s.await("the team's Application", func(ctx context.Context) error { return c.synced(ctx, "shop") })
	c.hibernate(true, 0)
	c.asleep(awake)
	lost, control := c.withoutService(), awake.withoutService()
	awake.refreshed()
	s.await("what Argo CD repairs on the cluster that is awake", func(ctx context.Context) error {
		return sys.spoke.Get(ctx, client.ObjectKeyFromObject(control), control)
	})
	if err := sys.spoke.Get(t.Context(), client.ObjectKeyFromObject(lost), lost); !apierrors.IsNotFound(err) {
		s.must(errors.Join(err, errors.New("Argo CD repaired what was deleted while the cluster hibernates")))
	}
	c.didf("hibernates: Argo CD does not repair a deleted Service")

	c.assign("null")
	s.await("the team's Application, which is to end", func(ctx context.Context) error {
		app, err := c.application(ctx, "shop")
		if err == nil && app.GetDeletionTimestamp() == nil {
			err = errors.New("it is not to be deleted yet")
		}
		return err
	})
	if _, err := c.deployment(t.Context(), "shop"); err != nil {
		s.must(fmt.Errorf("Argo CD pruned while the cluster hibernates: %w", err))
	}
	c.didf("returned while it hibernates: the Application waits, and the workload stays")

	c.hibernate(false, 1)
	s.await("what Argo CD repairs, and prunes, on the cluster that woke up", func(ctx context.Context) error {
		if err := sys.spoke.Get(ctx, client.ObjectKeyFromObject(lost), lost); err != nil {
			return err
		}
		return errors.Join(c.synced(ctx, "guestbook"), c.pruned(ctx, "shop"))
	})
	c.untouched()
	c.didf("awake: Argo CD repairs it, and prunes what the team had")
	c.deleted()
	awake.deleted()
}

// offerExample applies files of an example, and waits for its API.
func (s *scenario) offerExample(example string, files ...string) {
	s.Helper()
	for i, f := range files {
		files[i] = filepath.Join(examples, example, f)
	}
	objects, err := load(files...)
	s.must(err)
	s.must(sys.offer(s.Context(), objects))
}

func pooled(name string) *unstructured.Unstructured {
	o := object("platform.example.org/v1alpha1", "PooledCluster", poolNamespace, name)
	o.Object["spec"] = map[string]any{"region": "europe-west1", "version": "1.35"}
	return o
}

// shop is the ApplicationSet of the example, and its project. Theirs is the Git server on loopback,
// and, as all clusters share a spoke, a namespace for each cluster.
func (s *scenario) shop() []*unstructured.Unstructured {
	s.Helper()
	objects, err := load(filepath.Join(examples, "fleet", "pool", "applicationset.yaml"))
	s.must(err)
	const repository = "http://" + gitAddr + "/apps.git"
	for _, o := range objects {
		switch o.GetKind() {
		case "AppProject":
			spec := o.Object["spec"].(map[string]any)
			spec["sourceRepos"] = []any{repository}
			spec["destinations"].([]any)[0].(map[string]any)["namespace"] = "shop-*"
		case "ApplicationSet":
			s.must(errors.Join(
				unstructured.SetNestedField(o.Object, repository, "spec", "template", "spec", "source", "repoURL"),
				unstructured.SetNestedField(o.Object, `shop-{{ .name | replace "." "-" }}`, "spec", "template", "spec", "destination", "namespace"),
			))
		}
	}
	return objects
}

// assign the cluster to a team, or to nobody; the value is JSON.
func (c *cluster) assign(team string) {
	c.Helper()
	c.must(sys.hub.patch(c.Context(), c.user, `{"spec": {"assignedTo": `+team+`}}`))
}

// hibernate has the cluster hibernate, or wake up, and waits until Argo CD and the cloud know.
func (c *cluster) hibernate(on bool, nodes int64) {
	c.Helper()
	c.must(sys.hub.patch(c.Context(), c.user, fmt.Sprintf(`{"spec": {"hibernate": %t}}`, on)))
	c.await("what Argo CD and the cloud are to know", func(ctx context.Context) error {
		r, err := c.registration(ctx)
		if err != nil {
			return err
		}
		if got := r.Annotations[skipReconcile]; got != fmt.Sprint(on) {
			return fmt.Errorf("%s is %q", skipReconcile, got)
		}
		refs, err := c.composed(ctx)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			if ref.GetKind() != "NodePool" {
				continue
			}
			pool, err := sys.hub.get(ctx, ref)
			if err != nil {
				return err
			}
			if got, _, _ := unstructured.NestedInt64(pool.Object, "spec", "forProvider", "nodeCount"); got != nodes {
				return fmt.Errorf("the node pool has %d nodes", got)
			}
			return nil
		}
		return errors.New("no node pool is composed")
	})
	c.didf("hibernate is %t: the annotation is %t, and the nodes are %d", on, on, nodes)
}

// refreshed has Argo CD look at the guestbook.
func (c *cluster) refreshed() {
	c.Helper()
	app, err := c.application(c.Context(), "guestbook")
	c.must(err)
	c.must(sys.hub.patch(c.Context(), app, fmt.Sprintf(`{"metadata": {"annotations": {%q: "normal"}}}`, refresh)))
}

// asleep waits until Argo CD leaves a refresh of the cluster's guestbook undone, while it does that of
// another cluster three times.
func (c *cluster) asleep(awake *cluster) {
	c.Helper()
	for range 60 {
		c.refreshed()
		for range 3 {
			awake.refreshed()
			c.await("the refresh of the other cluster", func(ctx context.Context) error {
				app, err := awake.application(ctx, "guestbook")
				if err == nil && app.GetAnnotations()[refresh] != "" {
					err = errors.New("it is not done")
				}
				return err
			})
		}
		app, err := c.application(c.Context(), "guestbook")
		c.must(err)
		if app.GetAnnotations()[refresh] != "" {
			return
		}
	}
	c.Fatal("Argo CD still looks at the cluster")
}

// withoutService deletes the guestbook's Service on the spoke.
func (c *cluster) withoutService() *corev1.Service {
	c.Helper()
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace("guestbook"), Name: "guestbook-ui"}}
	c.must(sys.spoke.Delete(c.Context(), service))
	return service
}

// TestClusterSet asks for several clusters at once, by an XR of XRs, and drains and deletes them together.
func TestClusterSet(t *testing.T) {
	t.Parallel()
	s := begin(t)
	s.offerExample(filepath.Join("fleet", "set"), "definition.yaml", "composition.yaml")
	objects, err := load(filepath.Join(examples, "fleet", "set", "xr.yaml"))
	s.must(err)
	set := objects[0]
	s.must(sys.hub.apply(t.Context(), set))
	parts := []string{"development", "primary", "secondary"}
	for _, part := range parts {
		xr := object(set.GetAPIVersion(), "GKECluster", set.GetNamespace(), set.GetName()+"-"+part)
		s.clusters = append(s.clusters, &cluster{scenario: s, user: xr, xr: xr, name: xr.GetNamespace() + "." + xr.GetName()})
	}
	for _, c := range s.clusters {
		c.registered().healthy()
	}
	s.await("the set's status", func(ctx context.Context) error {
		now, err := sys.hub.get(ctx, set)
		if err != nil {
			return err
		}
		for i, part := range parts {
			if err := is(now, s.clusters[i].name, "status", "clusters", part, "name"); err != nil {
				return err
			}
		}
		return hasCondition(now, "Ready", "True", "")
	})
	s.didf("the set is ready, and says how Argo CD knows each of its clusters")

	for _, o := range []*unstructured.Unstructured{set, s.clusters[0].user} {
		for what, patch := range map[string]string{
			"keep a revision":   `{"spec": {"crossplane": {"compositionUpdatePolicy": "Manual"}}}`,
			"choose a revision": `{"spec": {"crossplane": {"compositionRevisionSelector": {"matchLabels": {"a": "b"}}}}}`,
		} {
			if err := sys.hub.patch(t.Context(), o, patch); err == nil || !strings.Contains(err.Error(), "the platform chooses") {
				s.must(fmt.Errorf("a user may %s of a %s: %w", what, o.GetKind(), err))
			}
		}
	}
	s.didf("a user cannot choose a revision of the Composition")

	s.must(sys.hub.patch(t.Context(), set, `{"spec": {"drain": true}}`))
	for _, c := range s.clusters {
		s.await("an empty spoke", func(ctx context.Context) error {
			return errors.Join(c.pruned(ctx, "guestbook"), sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Draining"))
		})
	}
	s.didf("drained together")
	s.must(sys.hub.Delete(t.Context(), set))
	for _, c := range s.clusters {
		s.await("the end of the registration", func(ctx context.Context) error {
			if _, err := c.registration(ctx); !errors.Is(err, errNotRegistered) {
				return errors.Join(err, errors.New("the Secret is still there"))
			}
			return isGone(ctx, c.user)
		})
	}
	s.await("the set's end", func(ctx context.Context) error { return isGone(ctx, set) })
	s.didf("deleted together")
}

// capiAccount is who plays Cluster API: its kubeadm control plane provider, which writes kubeconfigs.
const capiAccount = "capi-kubeadm-control-plane-manager"

// TestClusterAPI registers a cluster of Cluster API. Its CRD is the real one; its controllers are played.
func TestClusterAPI(t *testing.T) {
	t.Parallel()
	s := begin(t)
	folder, err := module(t.Context(), "tools/schemas", "sigs.k8s.io/cluster-api")
	s.must(err)
	crd, err := load(filepath.Join(folder, "core", "config", "crd", "bases", "cluster.x-k8s.io_clusters.yaml"))
	s.must(err)
	s.must(sys.hub.apply(t.Context(), crd...))
	capi := s.clusterAPI()
	s.offerExample("cluster-api", "rbac.yaml", "policy.yaml", "definition.yaml", "composition.yaml")

	xr := object("platform.example.org/v1alpha1", "CAPICluster", "team-a", "capi")
	xr.Object["spec"] = map[string]any{"region": "eu-west-1", "version": "1.36.1"}
	c := s.ask(xr)
	mr := c.managed()
	s.await("WaitingForKubeconfig", func(ctx context.Context) error {
		return sys.hub.conditionIs(ctx, xr, conditionRegistered, "False", "WaitingForKubeconfig")
	})
	c.didf("the Cluster is composed, and waits for its kubeconfig")

	// A name that is not taken yet, and one that is.
	secret := newSecret(mr.GetNamespace(), mr.GetName()+"-kubeconfig", corev1.SecretTypeOpaque, nil)
	editor := s.editorOf("team-a")
	s.refusedBy("cluster-api-kubeconfigs", creating(editor, secret))
	user := s.issued(capi, mr, 1)
	s.refusedBy("cluster-api-kubeconfigs", patching(editor, secret, `{"data": {"value": ""}}`))
	s.refusedBy("cluster-api-kubeconfigs", deleting(editor, secret))
	c.didf("a namespace's editor cannot write the kubeconfig")

	c.registered()
	// p&t takes the Cluster for ready by its condition Available alone.
	available := func(status string) {
		mr, err := sys.hub.get(t.Context(), mr)
		s.must(err)
		mr.Object["status"] = map[string]any{"phase": "Provisioned", "conditions": []any{map[string]any{
			"type": "Available", "status": status, "reason": "Simulated", "message": "", "lastTransitionTime": metav1.Now().UTC().Format("2006-01-02T15:04:05Z"),
		}}}
		s.must(capi.Status().Update(t.Context(), mr))
	}
	available("False")
	s.await("not ready", func(ctx context.Context) error {
		return errors.Join(sys.hub.conditionIs(ctx, xr, "Ready", "False", ""), sys.hub.hasCondition(ctx, xr, conditionRegistered, "Registered"))
	})
	c.didf("registered, and not ready before the Cluster is available")
	available("True")
	c.healthy()
	c.deployedBy(user)

	before, err := c.registration(t.Context())
	s.must(err)
	second := s.issued(capi, mr, 2)
	s.must(sys.spoke.Delete(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: user}}))
	c.followed(before)
	c.repaired()

	// Cluster API's infrastructure provider says where the cluster is.
	s.must(capi.patch(t.Context(), mr, `{"spec": {"controlPlaneEndpoint": {"host": "192.0.2.1", "port": 6443}}}`))
	before, err = c.registration(t.Context())
	s.must(err)
	s.offerExample("cluster-api", filepath.Join("service-account", "composition.yaml"))
	c.followed(before)
	c.ready()
	tokenCluster{cluster: c, account: "argocd-hub-eu"}.withoutAdmin()
	s.must(sys.spoke.Delete(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: second}}))
	c.repaired()
	c.didf("switched to a ServiceAccount's token: the same Secret, Application and workload")
	c.deleted()
}

// clusterAPI returns the hub with the rights of Cluster API's account.
func (s *scenario) clusterAPI() *controlPlane {
	s.Helper()
	const namespace = "capi-kubeadm-control-plane-system"
	role := object("rbac.authorization.k8s.io/v1", "ClusterRole", "", capiAccount)
	role.Object["rules"] = []any{
		map[string]any{"apiGroups": []any{""}, "resources": []any{"secrets"}, "verbs": []any{"*"}},
		map[string]any{"apiGroups": []any{"cluster.x-k8s.io"}, "resources": []any{"clusters", "clusters/status"}, "verbs": []any{"get", "update", "patch"}},
	}
	binding := object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", capiAccount)
	binding.Object["roleRef"] = map[string]any{"apiGroup": rbacv1.GroupName, "kind": "ClusterRole", "name": capiAccount}
	binding.Object["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "namespace": namespace, "name": capiAccount}}
	s.must(sys.hub.apply(s.Context(), object("v1", "Namespace", "", namespace), object("v1", "ServiceAccount", namespace, capiAccount), role, binding))
	capi, err := sys.hub.as(s.Context(), namespace, capiAccount)
	s.must(err)
	return capi
}

// issued writes the Secret with the cluster's kubeconfig, as Cluster API does, for a new user of the
// spoke, whom it returns.
func (s *scenario) issued(capi *controlPlane, mr *unstructured.Unstructured, generation int) string {
	s.Helper()
	at, err := sys.cloud.clusterOf(mr)
	s.must(err)
	user := fmt.Sprintf("%s-admin-%d", mr.GetName(), generation)
	s.must(grant(s.Context(), sys.spoke, user))
	pair, err := sys.spoke.ca.client(user)
	s.must(err)
	config, err := kubeconfig(mr.GetName(), at.server, sys.spoke.ca.pem, &clientcmdapi.AuthInfo{ClientCertificateData: pair.cert, ClientKeyData: pair.key})
	s.must(err)
	sys.cloud.remember(base64.StdEncoding.EncodeToString(pair.key), base64.StdEncoding.EncodeToString(config))
	o := newSecret(mr.GetNamespace(), mr.GetName()+"-kubeconfig", "cluster.x-k8s.io/secret", func(o *corev1.Secret) {
		o.Labels = map[string]string{"cluster.x-k8s.io/cluster-name": mr.GetName()}
		o.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(mr, mr.GroupVersionKind())}
		o.Data = map[string][]byte{"value": config}
	})
	err = capi.Create(s.Context(), o)
	if apierrors.IsAlreadyExists(err) {
		err = capi.Update(s.Context(), o)
	}
	s.must(err)
	return user
}

// refusedBy checks that a policy refuses an attempt.
func (s *scenario) refusedBy(policy string, attempt func(context.Context) error) {
	s.Helper()
	if err := attempt(s.Context()); err == nil || !strings.Contains(err.Error(), "ValidatingAdmissionPolicy '"+policy+"'") {
		s.must(fmt.Errorf("%s does not refuse this: %w", policy, err))
	}
}
