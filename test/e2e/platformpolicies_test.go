package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	policedNamespace = "policed"
	unownedNamespace = "unowned"

	secretTypeLabel = "argocd.argoproj.io/secret-type"
)

// TestPlatformPolicies has users, and the hub's own controllers, try what the policies for the
// platform's APIs are about, without these policies and with them.
func TestPlatformPolicies(t *testing.T) {
	s := begin(t)
	s.offerExample("platform-policies", "database.yaml")
	s.offerExample("ephemeral", "definition.yaml")
	s.offerExample(filepath.Join("fleet", "set"), "definition.yaml")
	s.offerUndemanding()
	namespace := object("v1", "Namespace", "", policedNamespace)
	namespace.SetLabels(map[string]string{"platform.example.org/team": "team-a"})
	s.must(sys.hub.apply(t.Context(), namespace, object("v1", "Namespace", "", unownedNamespace)))

	c := s.ask(ofKind("TeamGKE", "team-a", "policed")).registered().healthy()
	p := s.policed(c)
	attacks, rights := p.attacks(), p.rights()

	// Whatever happens here, the next test does not have them.
	objects, err := loadFolder(filepath.Join(examples, "platform-policies", "kubernetes"))
	s.must(err)
	s.Cleanup(func() {
		for _, o := range objects {
			_ = sys.hub.Delete(context.Background(), o)
		}
	})
	s.allowed(attacks)

	s.must(sys.hub.apply(t.Context(), objects...))
	s.inForce(true, attacks)
	s.refused(attacks, rights)
	if err := patching(p.editor, p.kept, `{"spec": {"environment": "development"}}`)(t.Context()); err == nil || !strings.Contains(err.Error(), "a production database stays one") {
		t.Errorf("a production database can be made one for development: %v", err)
	}

	c.rotated()
	c.untouched()
	p.live(c,
		&life{user: pausedGKE(policedNamespace, "lives", "production", false), drain: `{"drain": true}`},
		&life{user: pausedClaim("claimed", "production", false), drain: `{"parameters": {"drain": true}}`},
	)
	s.collected()
}

// offerUndemanding offers an API for clusters whose schema neither asks for an environment nor has a
// default. The test of the example offers it as it is.
func (s *scenario) offerUndemanding() {
	s.Helper()
	b, err := os.ReadFile(filepath.Join(examples, "fleet", "pool", "definition.yaml"))
	s.must(err)
	const enum = "                enum: [development, production]\n"
	const standard = enum + "                default: development\n"
	if !bytes.Contains(b, []byte(standard)) {
		s.Fatal("the schema has no default")
	}
	objects, err := parse(bytes.Replace(b, []byte(standard), []byte(enum), 1))
	s.must(err)
	s.must(sys.offer(s.Context(), objects))
}

// policed is what exists when the policies come into force.
type policed struct {
	*scenario

	secret, other                                        *unstructured.Unstructured // in Argo CD's namespace
	unowned, production, draining, unwanted, development *unstructured.Unstructured // clusters
	claim, drainingClaim, set, preview, drainingPreview  *unstructured.Unstructured // clusters, by other APIs
	kept, lost, test                                     *unstructured.Unstructured // databases

	editor, elsewhere, provider, another, crossplane, server, applications, collector, namespaces *controlPlane
}

// A life is one of a production cluster that an editor asks for, drains and deletes.
type life struct {
	user  *unstructured.Unstructured
	drain string // the XR's or the claim's spec that drains it

	c        *cluster
	composed []*unstructured.Unstructured
}

// live takes clusters through their lives, at the same time, and another one to its end.
func (p *policed) live(other *cluster, lives ...*life) {
	p.Helper()
	for _, l := range lives {
		l.user.SetAnnotations(nil)
		p.must(p.editor.apply(p.Context(), l.user))
		l.c = p.ask(l.user)
	}
	for _, l := range lives {
		l.c.registered().healthy()
		for want, try := range map[string]func(context.Context) error{
			"this cluster is not drained":                              deleting(p.editor, l.user),
			"draining removes all workloads from a production cluster": patching(p.editor, l.user, `{"spec": `+l.drain+`}`),
		} {
			if err := try(p.Context()); err == nil || !strings.Contains(err.Error(), want) {
				p.must(fmt.Errorf("want a refusal with %q, got: %w", want, err))
			}
		}
		p.must(p.editor.patch(p.Context(), l.user, `{"metadata": {"annotations": {"platform.example.org/drain-reason": "replaced"}}, "spec": `+l.drain+`}`))
	}
	for _, l := range lives {
		p.await("an empty spoke", func(ctx context.Context) error {
			return errors.Join(l.c.pruned(ctx, "guestbook"), sys.hub.hasCondition(ctx, l.user, conditionRegistered, "Draining"))
		})
		l.c.didf("drained, with a reason")
	}
	lives = append(lives, &life{user: other.user, c: other})
	for _, l := range lives {
		var err error
		l.composed, err = l.c.composed(p.Context())
		p.must(err)
		as := p.editor
		if l.c == other {
			as = sys.hub
		}
		p.must(as.Delete(p.Context(), l.user.DeepCopy()))
	}
	for _, l := range lives {
		p.await("the end of the cluster, and of everything composed", func(ctx context.Context) error {
			if _, err := l.c.registration(ctx); !errors.Is(err, errNotRegistered) {
				return errors.Join(err, errors.New("the Secret is still there"))
			}
			return isGone(ctx, append(l.composed, l.c.xr, l.user)...)
		})
	}
	p.didf("deleted: no Secret, and nothing that was composed")
}

func (s *scenario) policed(c *cluster) *policed {
	s.Helper()
	registration, err := c.registration(s.Context())
	s.must(err)
	p := &policed{
		scenario:    s,
		secret:      object("v1", "Secret", argocdNamespace, registration.Name),
		other:       object("v1", "Secret", argocdNamespace, "policed"),
		unowned:     pausedGKE(unownedNamespace, "unowned", "production", false),
		production:  pausedGKE(policedNamespace, "production", "production", false),
		draining:    pausedGKE(policedNamespace, "draining", "production", true),
		unwanted:    pausedGKE(policedNamespace, "unwanted", "production", false),
		development: pausedGKE(policedNamespace, "development", "development", false),
		claim:       pausedClaim("claim", "production", false),
		set:         pausedSet(policedNamespace, "set", false),
		preview:     pausedPreview("preview", false),
		kept:        pausedDatabase("kept", "production", 14),
		lost:        pausedDatabase("lost", "production", 0),
		test:        pausedDatabase("test", "development", 0),
	}
	p.drainingClaim, p.drainingPreview = pausedClaim("draining-claim", "production", true), pausedPreview("draining", true)
	annotate(p.unwanted, "platform.example.org/delete-undrained", "true")
	all := []*unstructured.Unstructured{
		p.other, p.unowned, p.production, p.draining, p.unwanted, p.development,
		p.claim, p.drainingClaim, p.set, p.preview, p.drainingPreview, p.kept, p.lost, p.test,
	}
	s.must(sys.hub.apply(s.Context(), all...))
	s.Cleanup(func() {
		for _, o := range all {
			_ = sys.hub.Delete(context.Background(), o)
		}
	})

	p.editor, p.elsewhere = s.editorOf(policedNamespace), s.editorOf(unownedNamespace)
	for account, as := range map[client.ObjectKey]**controlPlane{
		{Namespace: crossplaneNamespace, Name: providerName}:                &p.provider,
		{Namespace: crossplaneNamespace, Name: "another-provider"}:          &p.another,
		{Namespace: crossplaneNamespace, Name: "crossplane"}:                &p.crossplane,
		{Namespace: argocdNamespace, Name: "argocd-server"}:                 &p.server,
		{Namespace: argocdNamespace, Name: "argocd-application-controller"}: &p.applications,
		{Namespace: "kube-system", Name: "generic-garbage-collector"}:       &p.collector,
		{Namespace: "kube-system", Name: "namespace-controller"}:            &p.namespaces,
	} {
		if account.Name == "another-provider" || account.Name == "argocd-server" {
			s.must(sys.hub.apply(s.Context(), object("v1", "ServiceAccount", account.Namespace, account.Name), secretsEditor(account)))
		}
		if account.Name == "another-provider" {
			// As provider-helm often is.
			admin := object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "policed-"+account.Name)
			admin.Object["roleRef"] = map[string]any{"apiGroup": rbacv1.GroupName, "kind": "ClusterRole", "name": "cluster-admin"}
			admin.Object["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "namespace": account.Namespace, "name": account.Name}}
			s.must(sys.hub.apply(s.Context(), admin))
		}
		*as, err = sys.hub.as(s.Context(), account.Namespace, account.Name)
		s.must(err)
	}
	// The guard does not apply in Argo CD's namespace. It says to give no team a role there.
	s.must(sys.hub.apply(s.Context(), secretsEditor(client.ObjectKey{Namespace: policedNamespace, Name: "editor"})))
	return p
}

// secretsEditor lets a ServiceAccount write Argo CD's Secrets.
func secretsEditor(account client.ObjectKey) *unstructured.Unstructured {
	o := object("rbac.authorization.k8s.io/v1", "RoleBinding", argocdNamespace, "policed-"+account.Name)
	o.Object["roleRef"] = map[string]any{"apiGroup": rbacv1.GroupName, "kind": "ClusterRole", "name": "edit"}
	o.Object["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "namespace": account.Namespace, "name": account.Name}}
	return o
}

// pausedGKE is a cluster of which Crossplane composes nothing.
func pausedGKE(namespace, name, environment string, drain bool) *unstructured.Unstructured {
	o := object("platform.example.org/v1alpha1", "GKECluster", namespace, name)
	o.Object["spec"] = map[string]any{"region": "europe-west1", "environment": environment, "version": "1.35", "drain": drain}
	annotate(o, "crossplane.io/paused", "true")
	return o
}

func pausedClaim(name, environment string, drain bool) *unstructured.Unstructured {
	o := object("platform.example.org/v1alpha1", "AKSClusterClaim", policedNamespace, name)
	o.Object["spec"] = map[string]any{"parameters": map[string]any{"location": "westeurope", "environment": environment, "version": "1.35", "drain": drain}}
	annotate(o, "crossplane.io/paused", "true")
	return o
}

func pausedSet(namespace, name string, drain bool) *unstructured.Unstructured {
	o := object("platform.example.org/v1alpha1", "ClusterSet", namespace, name)
	o.Object["spec"] = map[string]any{
		"regions":  map[string]any{"development": "europe-west1", "primary": "europe-west1", "secondary": "us-east1"},
		"versions": map[string]any{"development": "1.36", "production": "1.35"},
		"drain":    drain,
	}
	annotate(o, "crossplane.io/paused", "true")
	return o
}

func pausedPreview(name string, drain bool) *unstructured.Unstructured {
	o := object("platform.example.org/v1alpha1", "PreviewCluster", policedNamespace, name)
	o.Object["spec"] = map[string]any{"region": "europe-west1", "expiresAt": "2100-01-01T00:00:00Z", "drain": drain}
	annotate(o, "crossplane.io/paused", "true")
	return o
}

func pausedDatabase(name, environment string, retention int64) *unstructured.Unstructured {
	o := object("platform.example.org/v1alpha1", "Database", policedNamespace, name)
	o.Object["spec"] = map[string]any{"environment": environment, "version": "18", "backup": map[string]any{"retentionDays": retention}}
	annotate(o, "crossplane.io/paused", "true")
	return o
}

func annotate(o *unstructured.Unstructured, key, value string) {
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	o.SetAnnotations(annotations)
}

// clusterSecret is one that Argo CD would take for a cluster's.
func clusterSecret(name string) *corev1.Secret {
	return newSecret(argocdNamespace, name, corev1.SecretTypeOpaque, func(o *corev1.Secret) {
		o.Labels = map[string]string{secretTypeLabel: "cluster"}
		o.Data = map[string][]byte{"name": []byte(name), "server": []byte("https://203.0.113.250"), "config": []byte("{}")}
	})
}

// attacks that each policy refuses.
func (p *policed) attacks() []attempt {
	var all []attempt
	add := func(policy, message, what string, try func(context.Context) error) {
		all = append(all, attempt{what: what, try: try, policy: policy, message: message})
	}
	deletingAll := func(as *controlPlane, o client.Object, namespace string, options ...client.DeleteAllOfOption) func(context.Context) error {
		return func(ctx context.Context) error {
			return as.DeleteAllOf(ctx, o, append(options, client.InNamespace(namespace), client.DryRunAll)...)
		}
	}

	name, m := "platform-clusters", "a cluster belongs to a team, and this namespace has none"
	add(name, m, "create a cluster in a namespace without a team", creating(p.elsewhere, pausedGKE(unownedNamespace, "another", "development", false)))
	add(name, m, "change one there", patching(p.elsewhere, p.unowned, `{"spec": {"version": "1.36"}}`))
	add(name, m, "create a set of clusters there", creating(p.elsewhere, pausedSet(unownedNamespace, "another", false)))
	nameless := object("platform.example.org/v1alpha1", "PooledCluster", policedNamespace, "another")
	nameless.Object["spec"] = map[string]any{"region": "europe-west1", "version": "1.35"}
	add(name, "a cluster has an environment", "create a cluster without an environment", creating(p.editor, nameless))

	name, m = "platform-production-drain", "draining removes all workloads from a production cluster"
	add(name, m, "drain a production cluster", patching(p.editor, p.production, `{"spec": {"drain": true}}`))
	add(name, m, "drain it with an empty reason", patching(p.editor, p.production, `{"metadata": {"annotations": {"platform.example.org/drain-reason": ""}}, "spec": {"drain": true}}`))
	add(name, m, "have Argo CD drain it", patching(p.applications, p.production, `{"spec": {"drain": true}}`))
	add(name, m, "give it another environment", patching(p.editor, p.production, `{"spec": {"environment": "development"}}`))
	add(name, m, "drain it with another environment", patching(p.editor, p.production, `{"spec": {"environment": "development", "drain": true}}`))
	add(name, m, "drain a production cluster by its claim", patching(p.editor, p.claim, `{"spec": {"parameters": {"drain": true}}}`))
	add(name, m, "drain a set of clusters", patching(p.editor, p.set, `{"spec": {"drain": true}}`))
	add(name, m, "create a drained production cluster", creating(p.editor, pausedGKE(policedNamespace, "another", "production", true)))

	name, m = "platform-databases", "a production database has backups of at least 7 days"
	add(name, m, "create a production database without backups", creating(p.editor, pausedDatabase("another", "production", 0)))
	add(name, m, "create one with backups of six days", creating(p.editor, pausedDatabase("another", "production", 6)))
	add(name, m, "take the backups off a production database", patching(p.editor, p.kept, `{"spec": {"backup": null}}`))
	add(name, m, "make a database without backups one for production", patching(p.editor, p.test, `{"spec": {"environment": "production"}}`))

	name, m = "argocd-cluster-secrets", "only the hub's own controllers write cluster Secrets"
	for who, as := range map[string]*controlPlane{"a user": p.editor, "another provider": p.another, "Argo CD's application controller": p.applications} {
		add(name, m, who+": create a cluster Secret", creating(as, clusterSecret("another")))
		add(name, m, who+": change one", patching(as, p.secret, `{"data": {"server": "e30="}}`))
		add(name, m, who+": change one of its labels", patching(as, p.secret, `{"metadata": {"labels": {"argocd.fn.crossplane.io/state": "draining"}}}`))
		add(name, m, who+": add a label", patching(as, p.secret, `{"metadata": {"labels": {"environment": "staging"}}}`))
		add(name, m, who+": change an annotation", patching(as, p.secret, `{"metadata": {"annotations": {"argocd.fn.crossplane.io/composite": "another"}}}`))
		add(name, m, who+": take its annotations off", patching(as, p.secret, `{"metadata": {"annotations": null}}`))
		add(name, m, who+": have the garbage collector delete it", patching(as, p.secret, `{"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "gone"}]}}`))
		add(name, m, who+": hold up its deletion", patching(as, p.secret, `{"metadata": {"finalizers": ["example.org/policed"]}}`))
		add(name, m, who+": hold up its rotation", patching(as, p.secret, `{"immutable": true}`))
		add(name, m, who+": take its labels off", patching(as, p.secret, `{"metadata": {"labels": null}}`))
		add(name, m, who+": make a cluster Secret of another", patching(as, p.other, `{"metadata": {"labels": {"`+secretTypeLabel+`": "cluster"}}}`))
		add(name, m, who+": delete one", deleting(as, p.secret))
		add(name, m, who+": delete all", deletingAll(as, &corev1.Secret{}, argocdNamespace, client.MatchingLabels{secretTypeLabel: "cluster"}))
	}

	name, m = "platform-deletion", "this cluster is not drained"
	add(name, m, "delete a cluster that is not drained", deleting(p.editor, p.production))
	add(name, m, "delete one for development", deleting(p.editor, p.development))
	add(name, m, "delete a claim for one", deleting(p.editor, p.claim))
	add(name, m, "delete a set of clusters", deleting(p.editor, p.set))
	add(name, m, "delete a preview before its end", deleting(p.editor, p.preview))
	add(name, m, "have Argo CD prune it", deleting(p.applications, p.production))
	add(name, m, "delete all clusters", deletingAll(p.editor, object("platform.example.org/v1alpha1", "GKECluster", "", ""), policedNamespace))
	return all
}

// rights that users keep, and the hub's controllers.
func (p *policed) rights() []attempt {
	all := []attempt{
		{what: "create a cluster in a team's namespace", try: creating(p.editor, pausedGKE(policedNamespace, "another", "production", false))},
		{what: "change a cluster", try: patching(p.editor, p.production, `{"spec": {"version": "1.36"}}`)},
		{what: "Crossplane: write one that was there before the policy", try: patching(p.crossplane, p.unowned, `{"metadata": {"finalizers": ["example.org/policed"]}}`)},
		{what: "the garbage collector: write it", try: patching(p.collector, p.unowned, `{"metadata": {"finalizers": []}}`)},

		{what: "drain a production cluster, with a reason", try: patching(p.editor, p.production, `{"metadata": {"annotations": {"platform.example.org/drain-reason": "replaced"}}, "spec": {"drain": true}}`)},
		{what: "drain a development cluster", try: patching(p.editor, p.development, `{"spec": {"drain": true}}`)},
		{what: "change a cluster that drains", try: patching(p.editor, p.draining, `{"spec": {"version": "1.36"}}`)},
		{what: "give one another environment", try: patching(p.editor, p.draining, `{"spec": {"environment": "development"}}`)},
		{what: "give a development cluster another environment", try: patching(p.editor, p.development, `{"spec": {"environment": "production"}}`)},
		{what: "Crossplane: drain what a claim asks for", try: patching(p.crossplane, p.claim, `{"spec": {"parameters": {"drain": true}}}`)},
		{what: "end the draining", try: patching(p.editor, p.draining, `{"spec": {"drain": false}}`)},
		{what: "Crossplane: drain a cluster of a set", try: patching(p.crossplane, p.production, `{"spec": {"drain": true}}`)},

		{what: "create a production database with backups", try: creating(p.editor, pausedDatabase("another", "production", 7))},
		{what: "create a development database without", try: creating(p.editor, pausedDatabase("another", "development", 0))},
		{what: "delete a production database without", try: deleting(p.editor, p.lost)},
		{what: "Crossplane: write it", try: patching(p.crossplane, p.lost, `{"metadata": {"finalizers": ["example.org/policed"]}}`)},

		{what: "write another Secret of Argo CD's", try: patching(p.editor, p.other, `{"data": {"key": "e30="}}`)},
		{what: "delete it", try: deleting(p.editor, p.other)},
		{what: "Argo CD's application controller: note the version of Kubernetes", try: patching(p.applications, p.secret, `{"metadata": {"labels": {"argocd.argoproj.io/kubernetes-version": "1.37"}, "annotations": {"managed-by": "argocd.argoproj.io"}}}`)},

		{what: "delete a cluster that is drained", try: deleting(p.editor, p.draining)},
		{what: "delete the claim for one", try: deleting(p.editor, p.drainingClaim)},
		{what: "delete a preview whose end has come", try: deleting(p.editor, p.drainingPreview)},
		{what: "delete a cluster that may be left behind", try: deleting(p.editor, p.unwanted)},
	}
	for who, as := range map[string]*controlPlane{
		"an administrator": sys.hub, "Crossplane": p.crossplane, "provider-kubernetes": p.provider, "Argo CD's server": p.server,
	} {
		all = append(all,
			attempt{what: who + ": create a cluster Secret", try: creating(as, clusterSecret("another"))},
			attempt{what: who + ": change one", try: patching(as, p.secret, `{"data": {"server": "e30="}}`)},
			attempt{what: who + ": delete one", try: deleting(as, p.secret)},
		)
	}
	for who, as := range map[string]*controlPlane{"the garbage collector": p.collector, "the namespace controller": p.namespaces} {
		all = append(all,
			attempt{what: who + ": delete a cluster Secret", try: deleting(as, p.secret)},
			attempt{what: who + ": delete a cluster that is not drained", try: deleting(as, p.production)},
		)
	}
	return all
}

// collected has the garbage collector delete a cluster Secret, as it does if output.type is Secret
// and the XR is deleted.
func (s *scenario) collected() {
	s.Helper()
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: argocdNamespace, Name: "policed"}}
	s.must(sys.hub.Create(s.Context(), owner))
	secret := clusterSecret("policed-collected")
	secret.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, corev1.SchemeGroupVersion.WithKind("ConfigMap"))}
	s.must(sys.hub.Create(s.Context(), secret))
	s.must(sys.hub.Delete(s.Context(), owner))
	s.await("the end of the cluster Secret", func(ctx context.Context) error {
		if err := isGone(ctx, object("v1", "Secret", argocdNamespace, secret.Name)); err != nil {
			return fmt.Errorf("its owner is gone: %w", err)
		}
		return nil
	})
	s.didf("the garbage collector deletes a cluster Secret whose owner is gone")
}
