package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// movingSet is an ApplicationSet that selects clusters by a label of its own, as one that is older than
// the function does.
const movingSet = "moving"

// TestMoving takes over cluster Secrets that something else made, as docs/moving.md says.
func TestMoving(t *testing.T) {
	t.Parallel()
	s := begin(t)
	sets, err := applicationSets()
	s.must(err)
	older := sets[0]
	older.SetName(movingSet)
	unstructured.RemoveNestedField(older.Object, "spec", "template", "metadata", "labels")
	spec := older.Object["spec"].(map[string]any)
	spec["generators"].([]any)[0].(map[string]any)["clusters"] = map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"tier": "gold"}}}
	s.must(errors.Join(
		unstructured.SetNestedField(older.Object, movingSet+"-{{ .nameNormalized }}", "spec", "template", "metadata", "name"),
		unstructured.SetNestedField(older.Object, movingSet+`-{{ .name | replace "." "-" }}`, "spec", "template", "spec", "destination", "namespace"),
	))
	s.must(sys.hub.apply(t.Context(), older))

	for name, scenario := range map[string]func(*scenario){
		"argocd cluster add": addedByHand,
		"hand-written step":  func(s *scenario) { templated(s, "TemplatedAKS", asInTheExample) },
		"hand-written step, of which the labels and the name were forgotten": func(s *scenario) { templated(s, "ForgottenAKS", forgotten) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario(begin(t))
		})
	}
}

// A registrant is what Argo CD has of a cluster, and the cluster of it. None of it may be made again.
type registrant struct {
	Secret, Application, Workload types.UID

	// Version of the workload changes whenever anybody writes it.
	Version string
}

func (c *cluster) registrant(ctx context.Context) (registrant, error) {
	secret, err := c.registration(ctx)
	if err != nil {
		return registrant{}, err
	}
	if err := c.synced(ctx, movingSet); err != nil {
		return registrant{}, err
	}
	app, err := c.application(ctx, movingSet)
	if err != nil {
		return registrant{}, err
	}
	d, err := c.deployment(ctx, movingSet)
	return registrant{secret.UID, app.GetUID(), d.UID, d.ResourceVersion}, err
}

// deployed waits until the cluster has what the ApplicationSet deploys to it, and returns that.
func (c *cluster) deployed() registrant {
	c.Helper()
	var r registrant
	c.await("the Application", func(ctx context.Context) (err error) {
		r, err = c.registrant(ctx)
		return err
	})
	c.didf("Synced and Healthy, before the move")
	return r
}

// moved waits until the function has registered the cluster, and checks that nothing was made again.
func (c *cluster) moved(before registrant, owner string) {
	c.Helper()
	c.await("Registered", func(ctx context.Context) error {
		secret, err := c.registration(ctx)
		if err != nil {
			return err
		}
		if got := secret.Annotations["argocd.fn.crossplane.io/composite"]; got != owner {
			return fmt.Errorf("the Secret is of %q", got)
		}
		return errors.Join(sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Registered"), sys.hub.hasCondition(ctx, c.user, "Ready", ""))
	})
	c.same(before)
	c.didf("moved: the same Secret, Application and workload")
	// From now on the function's label selects the cluster, too.
	c.registered().healthy()
	c.same(before)
}

func (c *cluster) same(before registrant) {
	c.Helper()
	var after registrant
	c.await("the Application, Synced and Healthy", func(ctx context.Context) (err error) {
		after, err = c.registrant(ctx)
		return err
	})
	if diff := cmp.Diff(before, after); diff != "" {
		c.must(fmt.Errorf("the move lost something: -before, +after:\n%s", diff))
	}
}

// gone deletes the XR, and with it the registration.
func (c *cluster) gone() {
	c.Helper()
	c.deleted()
	c.await("the end of the Application", func(ctx context.Context) error { return c.noApplication(ctx, movingSet) })
}

// withoutFunction returns an API for clusters that registers none.
func (s *scenario) withoutFunction(kind, scope, apiVersion string) (objects []*unstructured.Unstructured, composition *unstructured.Unstructured) {
	s.Helper()
	objects, err := platform{Kind: kind, Scope: scope, APIVersion: apiVersion, Managed: "KubernetesCluster", AutoReady: true}.objects()
	s.must(err)
	composition = objects[1]
	s.replaceStep(composition, nil)
	return objects, composition
}

// replaceStep replaces the step of a Composition that registers, or removes it.
func (s *scenario) replaceStep(composition *unstructured.Unstructured, step map[string]any) {
	s.Helper()
	steps, _, err := unstructured.NestedSlice(composition.Object, "spec", "pipeline")
	s.must(err)
	var out []any
	for i, old := range steps {
		name := old.(map[string]any)["step"]
		if name != "register-with-argocd" && name != "template" {
			out = append(out, old)
		}
		if i == 0 && step != nil {
			out = append(out, step)
		}
	}
	s.must(unstructured.SetNestedSlice(composition.Object, out, "spec", "pipeline"))
}

// addedByHand has a Secret that is like that of `argocd cluster add`, for a cluster that no XR
// registers.
func addedByHand(s *scenario) {
	ctx := s.Context()
	objects, _ := s.withoutFunction("UnregisteredAKS", "Cluster", "containerservice.azure.upbound.io/v1beta2")
	s.must(sys.offer(ctx, objects))
	made := s.ask(ofKind("UnregisteredAKS", "", "by-hand"))
	mr := made.managed()
	at, err := sys.cloud.clusterOf(mr)
	s.must(err)
	u, err := url.Parse(at.server)
	s.must(err)

	// As the command names it, and with the credentials of another user than the cloud's.
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(at.server))
	pair, err := sys.spoke.ca.client("argocd-manager")
	s.must(err)
	s.must(grant(ctx, sys.spoke, "argocd-manager"))
	config, err := json.Marshal(map[string]any{"tlsClientConfig": map[string]any{"insecure": false, "caData": sys.spoke.ca.pem, "certData": pair.cert, "keyData": pair.key}})
	s.must(err)
	sys.cloud.remember(base64.StdEncoding.EncodeToString(pair.key))
	const name = "prod-west"
	secret := newSecret(argocdNamespace, fmt.Sprintf("cluster-%s-%d", u.Hostname(), hash.Sum32()), corev1.SecretTypeOpaque, func(o *corev1.Secret) {
		o.Labels = map[string]string{"argocd.argoproj.io/secret-type": "cluster", "tier": "gold"}
		o.Annotations = map[string]string{"managed-by": "argocd.argoproj.io"}
		o.Data = map[string][]byte{"name": []byte(name), "server": []byte(at.server), "config": config, "shard": []byte("0")}
	})
	s.must(sys.hub.Create(ctx, secret, client.FieldOwner("argocd")))

	objects, err = load(filepath.Join(examples, "moving", "imported", "xr.yaml"))
	s.must(err)
	xr := objects[0]
	xr.SetNamespace("team-a")
	c := &cluster{scenario: s, user: xr, xr: xr, name: name}
	s.clusters = append(s.clusters, c)
	before := c.deployed()

	owner := "ImportedCluster.platform.example.org/team-a/" + xr.GetName()
	s.must(sys.hub.patch(ctx, secret, `{"metadata": {"annotations": {"argocd.fn.crossplane.io/composite": "`+owner+`", "managed-by": null}, "labels": {"argocd.fn.crossplane.io/cluster": "`+name+`"}}}`))
	published := &corev1.Secret{}
	s.await("the kubeconfig", func(ctx context.Context) error { return sys.hub.Get(ctx, connectionSecret(mr), published) })
	s.must(sys.hub.Create(ctx, newSecret("team-a", "prod-west-kubeconfig", corev1.SecretTypeOpaque, func(o *corev1.Secret) {
		o.Data = map[string][]byte{"kubeconfig": published.Data["kubeconfig"]}
	})))
	s.offerExample(filepath.Join("moving", "imported"), "definition.yaml", "composition.yaml")
	s.must(sys.hub.apply(ctx, xr))
	c.moved(before, owner)
	s.await("no shard", func(ctx context.Context) error {
		now, err := c.registration(ctx)
		if err == nil && now.Data["shard"] != nil {
			err = fmt.Errorf("the Secret still has the shard %q", now.Data["shard"])
		}
		return err
	})
	c.didf("what the old Secret said of a shard is gone")
	s.must(sys.spoke.Delete(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "argocd-manager"}}))
	c.repaired()
	c.gone()
	s.must(sys.hub.Delete(ctx, made.user))
	s.await("the cluster's end", func(ctx context.Context) error { return isGone(ctx, made.user) })
}

// asInTheExample is the step's input as the page has it.
func asInTheExample(*scenario, *cluster, map[string]any) {}

// forgotten is an input that neither says how the Object's composed resource is named, nor which labels
// the template set. They are held as the page says.
func forgotten(s *scenario, c *cluster, input map[string]any) {
	set(nil, "output", "resourceName")(input)
	set(nil, "cluster", "labels")(input)
	set(nil, "cluster", "labelsFrom")(input)
	secret, err := c.registration(s.Context())
	s.must(err)
	held := object("v1", "Secret", secret.Namespace, secret.Name)
	held.SetLabels(secret.Labels)
	s.must(sys.hub.Apply(s.Context(), client.ApplyConfigurationFromUnstructured(held), client.FieldOwner("moving")))
}

// templated replaces a step that wrote the Secret by itself.
func templated(s *scenario, kind string, change func(s *scenario, c *cluster, input map[string]any)) {
	ctx := s.Context()
	inputs, err := load(filepath.Join(examples, "moving", "go-templating.yaml"), filepath.Join(examples, "moving", "registration.yaml"))
	s.must(err)
	objects, composition := s.withoutFunction(kind, "Namespaced", "containerservice.azure.m.upbound.io/v1beta1")
	s.replaceStep(composition, map[string]any{
		"step": "template", "functionRef": map[string]any{"name": "function-go-templating"}, "input": inputs[0].Object,
	})
	s.must(sys.offer(ctx, objects))
	c := s.ask(ofKind(kind, "team-a", strings.ToLower(kind)))
	c.name = c.user.GetName()
	before := c.deployed()

	owner := kind + ".e2e.example.org/team-a/" + c.user.GetName()
	secret, err := c.registration(ctx)
	s.must(err)
	s.must(sys.hub.patch(ctx, secret, `{"metadata": {"annotations": {"argocd.fn.crossplane.io/composite": "`+owner+`"}}}`))
	input := inputs[1].Object
	change(s, c, input)
	register := func() {
		s.replaceStep(composition, map[string]any{
			"step": "register-with-argocd", "functionRef": map[string]any{"name": functionName}, "input": input,
		})
		s.must(sys.offer(ctx, []*unstructured.Unstructured{composition}))
	}
	register()
	c.moved(before, owner)

	// From now on the Secret goes with the XR.
	set(nil, "output", "object", "managementPolicies")(input)
	register()
	s.await("an Object that deletes its Secret", func(ctx context.Context) error {
		all, err := c.composed(ctx)
		for _, o := range all {
			if o.GetKind() != "Object" {
				continue
			}
			now, err := sys.hub.get(ctx, o)
			if err != nil {
				return err
			}
			if policies, _, _ := unstructured.NestedStringSlice(now.Object, "spec", "managementPolicies"); !slices.Contains(policies, "*") {
				return fmt.Errorf("Object %s has %v", o.GetName(), policies)
			}
		}
		return err
	})
	c.rotated()
	c.same(before)
	c.gone()
}
