package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const clusterLabel = "argocd.fn.crossplane.io/cluster"

var (
	applicationKind = schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Application"}
	addons          = []string{"guestbook", "ingress-nginx", "kube-prometheus-stack"}
)

// TestHub makes a hub of what Git has, and takes clusters through their lives by commits alone.
func TestHub(t *testing.T) {
	if !*hubFromGit {
		t.Skip("it needs a hub of its own: make hub")
	}
	h := &gitHub{scenario: begin(t), work: sys.path("git", "hub")}
	h.root()

	shop, till := h.claim("gke", "shop", "development"), h.claim("aks", "till", "production")
	h.commit("Ask for two clusters")
	h.deployed(shop, "main")
	h.deployed(till, "v1.0.0")
	h.differ(shop, till)
	h.glance(shop)

	h.follows(shop, till)
	h.released(shop, till)

	h.drained(shop)
	h.removed(shop)
	h.kept(till)
}

// A gitHub is a hub that only commits change.
type gitHub struct {
	*scenario

	work string // the platform team's working copy
}

// root applies what the bootstrap script does, Argo CD's settings and the root Application, and
// waits for all that comes of it.
func (h *gitHub) root() {
	h.Helper()
	objects, err := loadFolder(filepath.Join(h.work, "example", "hub", "argocd"))
	h.must(err)
	root, err := load(filepath.Join(h.work, "example", "hub", "root.yaml"))
	h.must(err)
	objects = append(objects, root...)
	h.must(sys.hub.apply(h.Context(), objects...))
	children, err := loadFolder(filepath.Join(h.work, "example", "hub", "apps"))
	h.must(err)
	names := []string{"hub"}
	for _, c := range children {
		if c.GetKind() == "Application" {
			names = append(names, c.GetName())
		}
	}
	h.await("the hub", func(ctx context.Context) error { return h.healthy(ctx, names...) })
	h.inWaves(children)
	h.didf("the hub comes from Git: %d Applications Synced and Healthy", len(names))
}

// inWaves checks that an Application was only made when those of the waves before it were there.
func (h *gitHub) inWaves(children []*unstructured.Unstructured) {
	h.Helper()
	wave := func(o *unstructured.Unstructured) int {
		n, _ := strconv.Atoi(o.GetAnnotations()["argocd.argoproj.io/sync-wave"])
		return n
	}
	slices.SortStableFunc(children, func(a, b *unstructured.Unstructured) int { return wave(a) - wave(b) })
	var before *unstructured.Unstructured
	for _, c := range children {
		now, err := sys.hub.get(h.Context(), c)
		h.must(err)
		if before != nil && now.GetCreationTimestamp().Time.Before(before.GetCreationTimestamp().Time) {
			h.Errorf("Application %s was made before %s", now.GetName(), before.GetName())
		}
		before = now
	}
}

// healthy returns an error unless the Applications are Synced and Healthy.
func (h *gitHub) healthy(ctx context.Context, names ...string) error {
	for _, name := range names {
		app, err := sys.hub.get(ctx, object("argoproj.io/v1alpha1", "Application", argocdNamespace, name))
		if err != nil {
			return err
		}
		if err := syncedAndHealthy(app); err != nil {
			return err
		}
	}
	return nil
}

// claim adds a cluster to the folder of claims: the example's XR, with a name and an environment.
func (h *gitHub) claim(cloud, name, environment string) *cluster {
	h.Helper()
	objects, err := load(filepath.Join(h.work, "example", cloud, "xr.yaml"))
	h.must(err)
	xr := object(objects[0].GetAPIVersion(), objects[0].GetKind(), "team-a", name)
	xr.Object["spec"] = objects[0].Object["spec"]
	h.must(unstructured.SetNestedField(xr.Object, environment, "spec", "environment"))
	h.must(unstructured.SetNestedField(xr.Object, false, "spec", "drain"))
	h.write(xr)
	c := &cluster{scenario: h.scenario, user: xr, xr: xr, name: "team-a." + name}
	h.clusters = append(h.clusters, c)
	return c
}

func (h *gitHub) write(xr *unstructured.Unstructured) {
	h.Helper()
	b, err := marshalAll([]any{xr.Object})
	h.must(err)
	h.must(write(h.claimFile(xr.GetName()), b))
}

func (h *gitHub) claimFile(name string) string {
	return filepath.Join(h.work, "example", "hub", "claims", "team-a", name+".yaml")
}

// commit what has changed, and push it. Nothing else is done to the hub from here on.
func (h *gitHub) commit(message string) {
	h.Helper()
	h.must(errors.Join(
		sys.git("-C", h.work, "add", "--all"),
		sys.git("-C", h.work, "commit", "--quiet", "--message="+message),
		sys.git("-C", h.work, "push", "--quiet", "origin", "main"),
	))
	h.didf("git commit: %s", message)
}

// edit replaces text of a file, which has to be there.
func (h *gitHub) edit(path, old, now string) {
	h.Helper()
	file := filepath.Join(h.work, "example", "hub", filepath.FromSlash(path))
	b, err := os.ReadFile(file)
	h.must(err)
	if !strings.Contains(string(b), old) {
		h.must(fmt.Errorf("%s does not say %q", path, old))
	}
	h.must(write(file, []byte(strings.ReplaceAll(string(b), old, now))))
}

// applications of a cluster, by the label that the examples' ApplicationSets put on them.
func (h *gitHub) applications(ctx context.Context, c *cluster) ([]unstructured.Unstructured, error) {
	l := &unstructured.UnstructuredList{}
	l.SetGroupVersionKind(applicationKind)
	err := sys.hub.List(ctx, l, client.InNamespace(argocdNamespace), client.MatchingLabels{clusterLabel: c.name})
	return l.Items, err
}

// deployed waits until the whole baseline is on a cluster, from a revision.
func (h *gitHub) deployed(c *cluster, revision string) {
	h.Helper()
	h.await("the baseline", func(ctx context.Context) error { return h.baseline(ctx, c, revision) })
	h.await("ready", func(ctx context.Context) error {
		return errors.Join(sys.hub.hasCondition(ctx, c.user, "Ready", ""), sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Registered"),
			h.healthy(ctx, "team-a"))
	})
	h.didf("%s %s: registered, and its baseline Synced and Healthy from %s", c.user.GetKind(), c.name, revision)
}

func (h *gitHub) baseline(ctx context.Context, c *cluster, revision string) error {
	apps, err := h.applications(ctx, c)
	if err != nil {
		return err
	}
	if len(apps) != len(addons) {
		return fmt.Errorf("%s has %d Applications", c.name, len(apps))
	}
	environment, _, _ := unstructured.NestedString(c.user.Object, "spec", "environment")
	for i := range apps {
		app := &apps[i]
		if err := syncedAndHealthy(app); err != nil {
			return err
		}
		project, _, _ := unstructured.NestedString(app.Object, "spec", "project")
		from, _, _ := unstructured.NestedString(app.Object, "spec", "source", "targetRevision")
		if project != environment || from != revision {
			return fmt.Errorf("Application %s is of project %s and from %s, not of %s and from %s", app.GetName(), project, from, environment, revision)
		}
	}
	for _, addon := range addons {
		if d, err := h.workloads(ctx, c, addon); err != nil || len(d) == 0 {
			return errors.Join(err, fmt.Errorf("%s is not on %s", addon, c.name))
		}
	}
	return nil
}

// workloads of an add-on on the spoke, which all clusters share.
func (h *gitHub) workloads(ctx context.Context, c *cluster, addon string) ([]appsv1.Deployment, error) {
	l := &appsv1.DeploymentList{}
	err := sys.spoke.List(ctx, l, client.InNamespace(c.namespace(addon)))
	return l.Items, err
}

// values that a played chart was given, without those that are of the cluster.
func (h *gitHub) values(c *cluster, addon string) map[string]any {
	h.Helper()
	o := &corev1.ConfigMap{}
	h.must(sys.spoke.Get(h.Context(), client.ObjectKey{Namespace: c.namespace(addon), Name: addon}, o))
	out := map[string]any{}
	h.must(json.Unmarshal([]byte(o.Data["values"]), &out))
	delete(out, "global")
	return out
}

// differ checks that development and production have values of their own.
func (h *gitHub) differ(development, production *cluster) {
	h.Helper()
	for _, addon := range addons[1:] {
		if a, b := h.values(development, addon), h.values(production, addon); reflect.DeepEqual(a, b) {
			h.Errorf("%s has the same values in development and production: %v", addon, a)
		}
	}
	if a, b := h.replicas(development), h.replicas(production); a == b {
		h.Errorf("the guestbook has %d replicas in development and production", a)
	}
	h.didf("development and production have different values")
}

// replicas of the guestbook.
func (h *gitHub) replicas(c *cluster) int32 {
	h.Helper()
	d, err := h.workloads(h.Context(), c, "guestbook")
	h.must(err)
	if len(d) != 1 {
		h.must(fmt.Errorf("%s has %d guestbooks", c.name, len(d)))
	}
	return *d[0].Spec.Replicas
}

// syncedAndHealthy returns an error unless an Application is both.
func syncedAndHealthy(app *unstructured.Unstructured) error {
	sync, _, _ := unstructured.NestedString(app.Object, "status", "sync", "status")
	health, _, _ := unstructured.NestedString(app.Object, "status", "health", "status")
	if sync == "Synced" && health == "Healthy" {
		return nil
	}
	conditions, _, _ := unstructured.NestedSlice(app.Object, "status", "conditions")
	message, _, _ := unstructured.NestedString(app.Object, "status", "operationState", "message")
	return fmt.Errorf("Application %s is %q and %q: %s %v", app.GetName(), sync, health, message, conditions)
}

// glance checks what kubectl get shows of a cluster: the columns that the server prints.
func (h *gitHub) glance(c *cluster) {
	h.Helper()
	secret, err := c.registration(h.Context())
	h.must(err)
	table, err := sys.hub.table(h.Context(), c.user)
	h.must(err)
	want := map[string]string{"REGISTERED": "True", "REASON": "Registered", "SERVER": string(secret.Data["server"])}
	got := map[string]string{}
	for i, column := range table.ColumnDefinitions {
		if name := strings.ToUpper(column.Name); want[name] != "" {
			got[name] = fmt.Sprint(table.Rows[0].Cells[i])
		}
	}
	if !maps.Equal(want, got) {
		h.Errorf("kubectl get shows %v, not %v", got, want)
	}
	h.didf("kubectl get shows whether Argo CD has %s", c.name)
}

// follows checks that a change on the main branch comes to development, and not to production.
func (h *gitHub) follows(development, production *cluster) {
	h.Helper()
	before := h.replicas(production)
	h.edit("baseline/guestbook/values-development.yaml", "replicas: 1", "replicas: 2")
	h.edit("baseline/guestbook/values-production.yaml", "replicas: 3", "replicas: 4")
	h.commit("Run more guestbooks")
	h.await("the change in development", func(ctx context.Context) error {
		d, err := h.workloads(ctx, development, "guestbook")
		if err != nil || len(d) != 1 || *d[0].Spec.Replicas != 2 {
			return errors.Join(err, errors.New("development has the old value"))
		}
		return nil
	})
	if now := h.replicas(production); now != before {
		h.Errorf("production has %d guestbooks, and not %d", now, before)
	}
	h.didf("development follows the main branch, production stays")
}

// released has production follow a tag, while development is not healthy. It has to wait for
// development.
func (h *gitHub) released(development, production *cluster) {
	h.Helper()
	before := h.replicas(production)
	const mended, broken = "replicas: 2\n", "replicas: 2\nimage: " + neverAvailable + "\n"
	h.edit("baseline/guestbook/values-development.yaml", mended, broken)
	h.commit("Break the guestbook in development")
	h.await("a broken guestbook", func(ctx context.Context) error {
		app, err := h.guestbook(ctx, development)
		if err != nil {
			return err
		}
		return is(app, "Progressing", "status", "health", "status")
	})

	h.edit("delivery/baseline.yaml", "v1.0.0", "v1.1.0")
	h.must(sys.git("-C", h.work, "tag", "v1.1.0"))
	h.must(sys.git("-C", h.work, "push", "--quiet", "origin", "v1.1.0"))
	h.commit("Release v1.1.0 to production")
	h.await("the release", func(ctx context.Context) error {
		app, err := h.guestbook(ctx, production)
		if err != nil {
			return err
		}
		return errors.Join(is(app, "v1.1.0", "spec", "source", "targetRevision"), is(app, "OutOfSync", "status", "sync", "status"))
	})
	time.Sleep(20 * time.Second) // for a rollout, if there is one
	if now := h.replicas(production); now != before {
		h.Errorf("production has %d guestbooks, and not %d, though development is not healthy", now, before)
	}
	h.didf("while development is not healthy, production waits")

	h.edit("baseline/guestbook/values-development.yaml", broken, mended)
	h.commit("Mend the guestbook in development")
	h.await("the release in production", func(ctx context.Context) error {
		d, err := h.workloads(ctx, production, "guestbook")
		if err != nil || len(d) != 1 || *d[0].Spec.Replicas != 4 {
			return errors.Join(err, errors.New("production has the old value"))
		}
		return errors.Join(h.baseline(ctx, development, "main"), h.baseline(ctx, production, "v1.1.0"))
	})
	first, err := h.guestbook(h.Context(), development)
	h.must(err)
	second, err := h.guestbook(h.Context(), production)
	h.must(err)
	// Both are in RFC 3339, in UTC.
	ended, _, _ := unstructured.NestedString(first.Object, "status", "operationState", "finishedAt")
	began, _, _ := unstructured.NestedString(second.Object, "status", "operationState", "startedAt")
	if began < ended {
		h.Errorf("production began at %s, before development was done at %s", began, ended)
	}
	h.didf("the change goes to development first, and then to production")
}

// guestbook returns the Application of a cluster's guestbook.
func (h *gitHub) guestbook(ctx context.Context, c *cluster) (*unstructured.Unstructured, error) {
	apps, err := h.applications(ctx, c)
	if err != nil {
		return nil, err
	}
	for i := range apps {
		if apps[i].GetLabels()["addon"] == "guestbook" {
			return &apps[i], nil
		}
	}
	return nil, fmt.Errorf("%s has no guestbook", c.name)
}

// is returns an error unless a field of an object has a value.
func is(o *unstructured.Unstructured, want string, path ...string) error {
	if got, _, _ := unstructured.NestedString(o.Object, path...); got != want {
		return fmt.Errorf("%s of %s %s is %q, not %q", strings.Join(path, "."), o.GetKind(), o.GetName(), got, want)
	}
	return nil
}

// drained commits drain, and waits until the spoke has nothing of the cluster.
func (h *gitHub) drained(c *cluster) {
	h.Helper()
	h.must(unstructured.SetNestedField(c.user.Object, true, "spec", "drain"))
	h.write(c.user)
	h.commit("Drain " + c.name)
	h.await("an empty spoke", func(ctx context.Context) error {
		apps, err := h.applications(ctx, c)
		if err != nil || len(apps) > 0 {
			return errors.Join(err, fmt.Errorf("there are %d Applications", len(apps)))
		}
		return sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Draining")
	})
	for _, addon := range addons {
		if d, err := h.workloads(h.Context(), c, addon); err != nil || len(d) > 0 {
			h.must(errors.Join(err, fmt.Errorf("%s is still on the spoke", addon)))
		}
	}
	_, err := c.registration(h.Context())
	h.must(err)
	h.didf("drained: no Application, no workload on the spoke, and the cluster is still registered")
}

// removed removes the file, and waits until nothing is left.
func (h *gitHub) removed(c *cluster) {
	h.Helper()
	composed, err := c.composed(h.Context())
	h.must(err)
	h.must(os.Remove(h.claimFile(c.user.GetName())))
	h.commit("Remove " + c.name)
	h.await("the end", func(ctx context.Context) error {
		if _, err := c.registration(ctx); !errors.Is(err, errNotRegistered) {
			return errors.Join(err, errors.New("the Secret is still there"))
		}
		return errors.Join(isGone(ctx, append(composed, c.user)...), h.healthy(ctx, "hub", "team-a"))
	})
	h.didf("removed: %s and its %d composed resources are gone", c.user.GetKind(), len(composed))
}

// kept checks that another cluster has all that it had.
func (h *gitHub) kept(c *cluster) {
	h.Helper()
	h.must(h.baseline(h.Context(), c, "v1.1.0"))
	h.must(sys.hub.hasCondition(h.Context(), c.user, conditionRegistered, "Registered"))
	h.didf("%s has all that it had", c.name)
}
