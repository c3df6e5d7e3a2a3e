package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const conditionRegistered = "ArgoCDClusterRegistered"

// A cluster is one that a user asked for, in a scenario: what becomes of it on the hub,
// in Argo CD and on the spoke. Its methods are steps, which fail the scenario.
type cluster struct {
	*scenario

	user *unstructured.Unstructured // The claim, or the XR.
	xr   *unstructured.Unstructured
	name string // Argo CD's.

	// What must stay the same for as long as the cluster lives.
	secret, app, workload types.UID
}

// ask for a cluster.
func (s *scenario) ask(user *unstructured.Unstructured) *cluster {
	s.Helper()
	c := &cluster{scenario: s, user: user, xr: user, name: user.GetName()}
	s.clusters = append(s.clusters, c)
	s.must(sys.hub.apply(s.Context(), user))
	if ns := user.GetNamespace(); ns != "" {
		c.name = ns + "." + user.GetName()
	}
	if isClaim(user) {
		s.await("the claim's XR", func(ctx context.Context) error {
			o, err := sys.hub.get(ctx, user)
			if err != nil {
				return err
			}
			ref, ok, _ := unstructured.NestedStringMap(o.Object, "spec", "resourceRef")
			if !ok {
				return errors.New("the claim has none yet")
			}
			c.xr, c.name = object(ref["apiVersion"], ref["kind"], "", ref["name"]), ref["name"]
			return nil
		})
	}
	return c
}

// didf says that a step is done, and of which cluster if there are more than one.
func (c *cluster) didf(format string, a ...any) {
	c.Helper()
	what := fmt.Sprintf(format, a...)
	if len(c.clusters) > 1 {
		what = c.user.GetName() + ": " + what
	}
	c.scenario.didf("%s", what)
}

// registered with Argo CD: its Secret is there.
func (c *cluster) registered() *cluster {
	c.Helper()
	c.await("Argo CD's Secret", func(ctx context.Context) error {
		s, err := c.registration(ctx)
		if err != nil {
			return err
		}
		c.secret = s.UID
		return nil
	})
	c.didf("registered")
	return c
}

// healthy waits until the guestbook is Synced and Healthy, and what the user asked for
// is ready.
func (c *cluster) healthy() *cluster {
	c.Helper()
	c.await("the guestbook", func(ctx context.Context) error { return c.synced(ctx, "guestbook") })
	app, err := c.application(c.Context(), "guestbook")
	c.must(err)
	d, err := c.deployment(c.Context(), "guestbook")
	c.must(err)
	c.app, c.workload = app.GetUID(), d.UID
	c.didf("guestbook Synced and Healthy")
	c.ready()
	return c
}

func (c *cluster) ready() {
	c.Helper()
	c.await("ready", func(ctx context.Context) error {
		return errors.Join(sys.hub.hasCondition(ctx, c.user, "Ready", ""), sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Registered"))
	})
	c.didf("%s Ready", c.user.GetKind())
}

// untouched checks that neither the Secret nor the Application nor the workload was
// deleted, or made anew.
func (c *cluster) untouched() {
	c.Helper()
	s, err := c.registration(c.Context())
	c.must(err)
	app, err := c.application(c.Context(), "guestbook")
	c.must(err)
	d, err := c.deployment(c.Context(), "guestbook")
	c.must(err)
	if s.UID != c.secret || app.GetUID() != c.app || d.UID != c.workload || app.GetDeletionTimestamp() != nil || s.DeletionTimestamp != nil || d.DeletionTimestamp != nil {
		c.must(fmt.Errorf("something is lost: the Secret %s, the Application %s or the workload %s/guestbook-ui", s.Name, app.GetName(), d.Namespace))
	}
}

// managed waits for the managed cluster.
func (c *cluster) managed() *unstructured.Unstructured {
	c.Helper()
	var mr *unstructured.Unstructured
	c.await("the managed cluster", func(ctx context.Context) error {
		refs, err := c.composed(ctx)
		i := slices.IndexFunc(refs, isCluster)
		if err != nil || i < 0 {
			return errors.Join(err, errors.New("it is not composed yet"))
		}
		mr, err = sys.hub.get(ctx, refs[i])
		return err
	})
	return mr
}

// rotated gives the cluster new credentials, and takes the old ones away. Argo CD must
// follow: it repairs what is deleted on the spoke.
func (c *cluster) rotated() {
	c.Helper()
	before, err := c.registration(c.Context())
	c.must(err)
	c.must(sys.cloud.rotate(c.Context(), c.managed()))
	c.followed(before)
	c.repaired()
}

func (c *cluster) followed(before *corev1.Secret) {
	c.Helper()
	c.await("the new credentials", func(ctx context.Context) error {
		now, err := c.registration(ctx)
		if err == nil && bytes.Equal(now.Data["config"], before.Data["config"]) {
			err = errors.New("the Secret has the old ones")
		}
		return err
	})
	c.didf("credentials rotated")
}

func (c *cluster) repaired() {
	c.Helper()
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace("guestbook"), Name: "guestbook-ui"}}
	c.must(sys.spoke.Delete(c.Context(), service))
	// As by a click on Refresh. With new credentials, Argo CD forgets what it knows of a
	// cluster, and looks at it again only when its Application is next compared.
	app, err := c.application(c.Context(), "guestbook")
	c.must(err)
	c.must(sys.hub.patch(c.Context(), app, `{"metadata": {"annotations": {"argocd.argoproj.io/refresh": "normal"}}}`))
	c.await("what Argo CD repairs with the new credentials", func(ctx context.Context) error {
		if err := sys.spoke.Get(ctx, client.ObjectKeyFromObject(service), service); err != nil {
			return err
		}
		return c.synced(ctx, "guestbook")
	})
	c.untouched()
	c.didf("Argo CD repairs a deleted Service with the new")
}

// retained deletes the connection Secret, and brings it back.
func (c *cluster) retained() {
	c.Helper()
	before, err := c.registration(c.Context())
	c.must(err)
	mr := c.managed()
	c.must(sys.cloud.withdraw(c.Context(), mr))
	c.await("Retained", func(ctx context.Context) error {
		return sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Retained")
	})
	after, err := c.registration(c.Context())
	c.must(err)
	if !bytes.Equal(before.Data["config"], after.Data["config"]) {
		c.Fatal("the registration changed")
	}
	c.must(c.synced(c.Context(), "guestbook"))
	c.untouched()
	c.didf("connection Secret deleted: Retained")
	c.must(sys.cloud.publish(c.Context(), mr))
	c.await("Registered", func(ctx context.Context) error {
		return sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Registered")
	})
	c.untouched()
	c.didf("connection Secret back: Registered")
}

// relabelled changes the label on which the ApplicationSet "monitoring" selects, there
// and back.
func (c *cluster) relabelled() {
	c.Helper()
	c.must(sys.hub.patch(c.Context(), c.user, `{"spec": {"parameters": {"environment": "production"}}}`))
	c.await("the second Application", func(ctx context.Context) error { return c.synced(ctx, "monitoring") })
	c.didf("label changed: the second ApplicationSet deploys")
	c.must(sys.hub.patch(c.Context(), c.user, `{"spec": {"parameters": {"environment": "development"}}}`))
	c.await("the second Application's end", func(ctx context.Context) error { return c.pruned(ctx, "monitoring") })
	c.untouched()
	c.didf("label changed back: it prunes")
}

// drained takes the workloads off the cluster.
func (c *cluster) drained() {
	c.Helper()
	c.must(sys.hub.patch(c.Context(), c.user, `{"spec": {"parameters": {"drain": true}}}`))
	c.await("an empty spoke", func(ctx context.Context) error {
		return errors.Join(c.pruned(ctx, "guestbook"), sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Draining"))
	})
	s, err := c.registration(c.Context())
	c.must(err)
	if s.UID != c.secret {
		c.Fatal("the Secret is not the same any more")
	}
	c.didf("drained: no workload on the spoke")
}

// deleted deletes what the user asked for, and waits until all of it is gone.
func (c *cluster) deleted() {
	c.Helper()
	composed, err := c.composed(c.Context())
	c.must(err)
	c.must(sys.hub.Delete(c.Context(), c.user))
	c.await("the end of the registration", func(ctx context.Context) error {
		if _, err := c.registration(ctx); !errors.Is(err, errNotRegistered) {
			return errors.Join(err, errors.New("the Secret is still there"))
		}
		return c.noApplication(ctx, "guestbook")
	})
	c.didf("deleted: no Secret, no Application")
	c.await("the end of everything composed", func(ctx context.Context) error {
		return isGone(ctx, append(composed, c.xr, c.user)...)
	})
	c.didf("%s and its %d composed resources gone", c.user.GetKind(), len(composed))
}

// deployedBy asks the spoke who wrote the guestbook's Deployment: nobody but a user, and only at
// the cluster's own address.
func (c *cluster) deployedBy(user string) {
	c.Helper()
	at, err := sys.cloud.clusterOf(c.managed())
	c.must(err)
	log, err := os.ReadFile(sys.path("logs", "spoke-audit.log"))
	c.must(err)
	by := map[string]bool{}
	for line := range bytes.Lines(log) {
		var event struct {
			User struct {
				Username string `json:"username"`
			} `json:"user"`
			SourceIPs []string `json:"sourceIPs"`
			ObjectRef struct {
				Resource    string `json:"resource"`
				Subresource string `json:"subresource"`
				Namespace   string `json:"namespace"`
			} `json:"objectRef"`
		}
		// The last line may not be whole yet.
		if json.Unmarshal(line, &event) != nil || event.ObjectRef.Namespace != c.namespace("guestbook") {
			continue
		}
		if r := event.ObjectRef; r.Resource == "deployments" && r.Subresource == "" {
			by[fmt.Sprintf("%s at %v", event.User.Username, event.SourceIPs)] = true
		}
	}
	if want := fmt.Sprintf("%s at [%s]", user, at.ip); len(by) != 1 || !by[want] {
		c.must(fmt.Errorf("the guestbook's Deployment was written by %v, not by %s", by, want))
	}
	c.didf("the spoke says that %s made the Deployment", user)
}

// isGone returns an error while there is one of the objects.
func isGone(ctx context.Context, objects ...*unstructured.Unstructured) error {
	for _, o := range objects {
		left, err := sys.hub.get(ctx, o)
		if err == nil {
			return fmt.Errorf("%s %s is still there, with finalizers %v", left.GetKind(), left.GetName(), left.GetFinalizers())
		}
		if !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

var errNotRegistered = errors.New("the cluster is not registered with Argo CD")

// registration returns Argo CD's Secret of the cluster.
func (c *cluster) registration(ctx context.Context) (*corev1.Secret, error) {
	all, err := registrations(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if string(all[i].Data["name"]) == c.name {
			return &all[i], nil
		}
	}
	return nil, errNotRegistered
}

// registrations returns all of Argo CD's cluster Secrets.
func registrations(ctx context.Context) ([]corev1.Secret, error) {
	l := &corev1.SecretList{}
	err := sys.hub.List(ctx, l, client.InNamespace(argocdNamespace), client.MatchingLabels{"argocd.argoproj.io/secret-type": "cluster"})
	return l.Items, err
}

// application that an ApplicationSet made for the cluster.
func (c *cluster) application(ctx context.Context, set string) (*unstructured.Unstructured, error) {
	return sys.hub.get(ctx, object("argoproj.io/v1alpha1", "Application", argocdNamespace, set+"-"+c.name))
}

// namespace of an Application on the spoke, which all clusters share.
func (c *cluster) namespace(set string) string {
	return set + "-" + strings.ReplaceAll(c.name, ".", "-")
}

func (c *cluster) deployment(ctx context.Context, set string) (*appsv1.Deployment, error) {
	d := &appsv1.Deployment{}
	return d, sys.spoke.Get(ctx, client.ObjectKey{Namespace: c.namespace(set), Name: "guestbook-ui"}, d)
}

// synced returns an error unless an Application is Synced and Healthy, and on the spoke.
func (c *cluster) synced(ctx context.Context, set string) error {
	app, err := c.application(ctx, set)
	if err != nil {
		return err
	}
	sync, _, _ := unstructured.NestedString(app.Object, "status", "sync", "status")
	health, _, _ := unstructured.NestedString(app.Object, "status", "health", "status")
	if sync != "Synced" || health != "Healthy" {
		conditions, _, _ := unstructured.NestedSlice(app.Object, "status", "conditions")
		message, _, _ := unstructured.NestedString(app.Object, "status", "operationState", "message")
		return fmt.Errorf("Application %s is %q and %q: %s %v", app.GetName(), sync, health, message, conditions)
	}
	_, err = c.deployment(ctx, set)
	return err
}

// pruned returns an error unless an Application is gone, and its workload.
func (c *cluster) pruned(ctx context.Context, set string) error {
	if err := c.noApplication(ctx, set); err != nil {
		return err
	}
	if _, err := c.deployment(ctx, set); !apierrors.IsNotFound(err) {
		return errors.Join(err, errors.New("the workload is still on the spoke"))
	}
	return nil
}

func (c *cluster) noApplication(ctx context.Context, set string) error {
	if _, err := c.application(ctx, set); !apierrors.IsNotFound(err) {
		return errors.Join(err, fmt.Errorf("there is still an Application of %s", set))
	}
	return nil
}

// composed returns what the XR refers to.
func (c *cluster) composed(ctx context.Context) ([]*unstructured.Unstructured, error) {
	xr, err := sys.hub.get(ctx, c.xr)
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	for _, path := range [][]string{{"spec", "resourceRefs"}, {"spec", "crossplane", "resourceRefs"}} {
		refs, _, _ := unstructured.NestedSlice(xr.Object, path...)
		for _, r := range refs {
			r := r.(map[string]any)
			name, _ := r["name"].(string)
			out = append(out, object(r["apiVersion"].(string), r["kind"].(string), xr.GetNamespace(), name))
		}
	}
	return out, nil
}

// explain prints the conditions of what the user asked for, of what is composed, and of
// the Application.
func (c *cluster) explain() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, name := range sys.dead() {
		report.sayf("    ended by itself: %s", name)
	}
	objects, err := c.composed(ctx)
	if err != nil {
		report.sayf("    %v", err)
	}
	objects = append(objects, c.user, c.xr, object("argoproj.io/v1alpha1", "Application", argocdNamespace, "guestbook-"+c.name))
	for _, o := range objects {
		o, err := sys.hub.get(ctx, o)
		if err != nil {
			report.sayf("    %v", err)
			continue
		}
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		if len(conditions) == 0 {
			report.sayf("    %s %s: no conditions", o.GetKind(), o.GetName())
		}
		for _, condition := range conditions {
			k := condition.(map[string]any)
			report.sayf("    %s %s: %v %v %v %v", o.GetKind(), o.GetName(), k["type"], k["status"], k["reason"], k["message"])
		}
	}
}
