package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	reaperName = "preview-reaper"
	previewSet = "preview-guestbook"
	recordSet  = "preview-record"
	setsName   = "argocd-applicationset-controller"
)

// A preview is a cluster with an end date.
type preview struct{ *cluster }

// A reaper is what runs in the pod of the example's CronJob.
type reaper struct {
	*scenario

	objects   []*unstructured.Unstructured
	env, args []string
}

// TestEphemeral has clusters come to their end, by the reaper of the example.
func TestEphemeral(t *testing.T) {
	t.Parallel()
	s := begin(t)
	r := s.previews()
	r.rights()

	kept, ended, lying := s.preview("kept"), s.preview("ended"), s.preview("lying")
	never := object("platform.example.org/v1alpha1", "PreviewCluster", "team-a", "never")
	sys.cloud.hold(never, true)
	unmade := s.preview("never")
	for _, c := range []preview{kept, ended, lying} {
		c.registered().healthy()
		c.await("the Application that the reaper waits for", func(ctx context.Context) error { return c.synced(ctx, previewSet) })
	}
	r.saysNothing()
	for _, c := range []preview{kept, ended, lying, unmade} {
		c.isDrained(false)
	}
	kept.untouched()
	s.didf("nothing happens before the end")

	r.end(ended)
	r.lied(lying)
	r.neverMade(unmade)
	r.extended(kept)
}

// end has a cluster's end come, while the cloud is slow to take off a load balancer.
func (r *reaper) end(c preview) {
	c.Helper()
	service := &corev1.Service{}
	c.must(sys.spoke.Get(c.Context(), client.ObjectKey{Namespace: c.namespace(previewSet), Name: "guestbook-ui"}, service))
	c.must(sys.spoke.patch(c.Context(), service, `{"metadata": {"finalizers": ["service.kubernetes.io/load-balancer-cleanup"]}}`))

	c.expires(-time.Minute)
	r.says(c, "its end is over; it is drained")
	c.isDrained(true)
	c.await("the end of the guestbook on the spoke", func(ctx context.Context) error {
		if _, err := c.deployment(ctx, previewSet); !apierrors.IsNotFound(err) {
			return errors.Join(err, errors.New("it is still there"))
		}
		return nil
	})
	r.says(c, "it waits for the Applications that are left on it: ")
	c.isLiving()
	c.expires(-2 * time.Hour)
	if said := r.fails(); !strings.Contains(said, previewSet+"-"+c.name) {
		c.must(fmt.Errorf("of a cluster that is overdue, the reaper said %q", said))
	}
	c.isLiving()
	c.didf("drained; not deleted while a load balancer is left")

	// Without the right to see what is left, the reaper must not take it for nothing.
	binding := r.objects[slices.IndexFunc(r.objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "RoleBinding" })]
	c.must(sys.hub.Delete(c.Context(), binding.DeepCopy()))
	c.must(sys.spoke.patch(c.Context(), service, `{"metadata": {"finalizers": null}}`))
	c.await("an empty spoke", func(ctx context.Context) error {
		return errors.Join(c.pruned(ctx, previewSet), c.pruned(ctx, "guestbook"), c.recorded(ctx, "draining"))
	})
	c.await("a refusal", func(context.Context) error {
		if said := r.fails(); !strings.Contains(said, "it is not known what is left on it") {
			return fmt.Errorf("it said %q", said)
		}
		return nil
	})
	c.isLiving()
	c.didf("nothing is left on the spoke; not deleted while the reaper cannot know")

	composed, err := c.composed(c.Context())
	c.must(err)
	sys.cloud.hold(c.xr, true)
	c.must(sys.hub.apply(c.Context(), binding))
	r.says(c, "nothing is left on it; it is deleted")
	// It asks for foreground deletion, by the same body as for the preconditions.
	xr, err := sys.hub.get(c.Context(), c.xr)
	c.must(err)
	if xr.GetDeletionTimestamp() == nil || !slices.Contains(xr.GetFinalizers(), "foregroundDeletion") {
		c.must(fmt.Errorf("the XR is not being deleted in the foreground: %v", xr.GetFinalizers()))
	}
	r.saysNothing()
	c.didf("deleted; the XR stays until the cloud has deleted the cluster")
	sys.cloud.hold(c.xr, false)
	c.leftNothing(composed)
}

// lied has Argo CD be slow, and a user write what the reaper must not believe.
func (r *reaper) lied(c preview) {
	c.Helper()
	user, sets := c.editorOf("team-a"), sys.named(setsName)
	sets.kill()
	c.expires(-time.Minute)
	r.says(c, "its end is over; it is drained")
	c.await("the drained registration", func(ctx context.Context) error {
		secret, err := c.registration(ctx)
		if err == nil && secret.Labels["argocd.fn.crossplane.io/state"] != "draining" {
			err = errors.New("it is active")
		}
		return err
	})
	lie := func() {
		c.Helper()
		patch := client.RawPatch(types.MergePatchType, []byte(`{"status": {"argocd": {"name": "team-a.nobody"}, "conditions": []}}`))
		c.await("the user's right", func(ctx context.Context) error { return user.Status().Patch(ctx, c.user.DeepCopy(), patch) })
	}
	lie()
	r.says(c, "it waits for the Applications that are left on it: ")
	c.isLiving()

	// None is left, but the ApplicationSet controller, once it runs, could still deploy again.
	for _, set := range []string{previewSet, "guestbook"} {
		app, err := c.application(c.Context(), set)
		c.must(err)
		c.must(sys.hub.Delete(c.Context(), app))
		c.await("the end of the Application", func(ctx context.Context) error { return c.noApplication(ctx, set) })
	}
	lie()
	r.says(c, "Argo CD does not know yet that it is drained")
	c.isLiving()
	c.must(c.recorded(c.Context(), "active"))
	c.didf("not deleted while Argo CD is slow, whatever its user writes")

	composed, err := c.composed(c.Context())
	c.must(err)
	c.must(sets.start())
	lie()
	r.deletes(c)
	c.leftNothing(composed)
}

// neverMade ends a cluster that the cloud never made.
func (r *reaper) neverMade(c preview) {
	c.Helper()
	c.expires(-time.Minute)
	r.says(c, "its end is over; it is drained")
	r.says(c, "Argo CD does not know it, at least not yet")
	c.isLiving()
	composed, err := c.composed(c.Context())
	c.must(err)
	c.expires(-2 * time.Hour)
	r.deletes(c)
	c.must(c.noApplication(c.Context(), recordSet))
	sys.cloud.hold(c.xr, false)
	c.leftNothing(composed)
}

// extended gives a cluster a later end when it is drained already.
func (r *reaper) extended(c preview) {
	c.Helper()
	c.expires(-time.Minute)
	r.says(c, "its end is over; it is drained")
	c.await("an empty spoke", func(ctx context.Context) error {
		return errors.Join(c.pruned(ctx, previewSet), c.recorded(ctx, "draining"))
	})
	c.expires(time.Hour)
	r.saysNothing()
	c.isDrained(true)
	c.isLiving()
	c.must(sys.hub.patch(c.Context(), c.user, `{"spec": {"drain": false}}`))
	c.await("the guestbook", func(ctx context.Context) error { return c.synced(ctx, previewSet) })
	c.didf("a later end keeps a drained cluster; its user has it deployed to again")
	c.deleted()
}

// previews offers the example's API, its ApplicationSets and its reaper. The ApplicationSets take
// the Git server on loopback, and, as all clusters share a spoke, a namespace for each cluster.
func (s *scenario) previews() *reaper {
	s.Helper()
	file := func(name string) string { return filepath.Join(examples, "ephemeral", name) }
	b, err := os.ReadFile(file("applicationset.yaml"))
	s.must(err)
	objects, err := parse([]byte(strings.ReplaceAll(string(b), "https://github.com/argoproj/argocd-example-apps", "http://"+gitAddr+"/apps.git")))
	s.must(err)
	for _, o := range objects {
		if o.GetName() == previewSet {
			s.must(unstructured.SetNestedField(o.Object, previewSet+`-{{ .name | replace "." "-" }}`, "spec", "template", "spec", "destination", "namespace"))
		}
	}
	api, err := load(file("definition.yaml"), file("composition.yaml"))
	s.must(err)
	r := &reaper{scenario: s}
	r.objects, err = load(file("reaper.yaml"))
	s.must(err)
	s.must(sys.offer(s.Context(), slices.Concat(api, objects, r.objects)))
	r.schedule()
	return r
}

// schedule finds out what the kubelet would start: the CronJob's container, with its environment
// and its files, under its ServiceAccount.
func (r *reaper) schedule() {
	r.Helper()
	job := &batchv1.CronJob{}
	r.must(sys.hub.Get(r.Context(), client.ObjectKey{Namespace: reaperName, Name: reaperName}, job))
	pod := &job.Spec.JobTemplate.Spec.Template.Spec
	container, dir := &pod.Containers[0], sys.path("pods", reaperName)
	var paths []string
	for i := range pod.Volumes {
		v := &pod.Volumes[i]
		to := filepath.Join(dir, v.Name)
		r.must(os.MkdirAll(to, 0o700))
		if v.ConfigMap != nil {
			files := &corev1.ConfigMap{}
			r.must(sys.hub.Get(r.Context(), client.ObjectKey{Namespace: reaperName, Name: v.ConfigMap.Name}, files))
			for name, content := range files.Data {
				r.must(write(filepath.Join(to, name), []byte(content)))
			}
		}
		for _, m := range container.VolumeMounts {
			if m.Name == v.Name {
				paths = append(paths, m.MountPath, to)
			}
		}
	}
	inPod := strings.NewReplacer(paths...)
	config, err := sys.hub.serviceAccount(r.Context(), dir, reaperName, pod.ServiceAccountName)
	r.must(err)
	// The image has kubectl in its path.
	r.env = []string{"KUBECONFIG=" + config, "PATH=" + *bin + ":" + os.Getenv("PATH")}
	for _, e := range container.Env {
		if e.Name == "PAUSE_SECONDS" {
			e.Value = "3"
		}
		r.env = append(r.env, e.Name+"="+inPod.Replace(e.Value))
	}
	for _, arg := range slices.Concat(container.Command, container.Args) {
		r.args = append(r.args, inPod.Replace(arg))
	}
}

// run the reaper once, and return what it said.
func (r *reaper) run() (string, error) {
	r.Helper()
	log := sys.path("logs", reaperName+".log")
	before, err := os.ReadFile(log)
	if err != nil && !os.IsNotExist(err) {
		return "", err
	}
	failed := sys.run(reaperName, "", r.args[0], r.env, r.args[1:]...)
	after, err := os.ReadFile(log)
	if err != nil {
		return "", err
	}
	return string(after[len(before):]), failed
}

// says runs the reaper, which must succeed and say something of a cluster. What changes an XR meanwhile
// keeps the reaper from changing it, until it runs again.
func (r *reaper) says(c preview, what string) {
	r.Helper()
	r.await("the reaper", func(context.Context) error {
		said, err := r.run()
		if err == nil && !strings.Contains(said, "team-a/"+c.user.GetName()+": "+what) {
			err = errors.New("that is something else")
		}
		if err != nil {
			return fmt.Errorf("it said %q: %w", said, err)
		}
		return nil
	})
}

// saysNothing runs the reaper, which must have nothing to do.
func (r *reaper) saysNothing() {
	r.Helper()
	if said, err := r.run(); err != nil || said != "" {
		r.must(fmt.Errorf("the reaper said %q: %w", said, err))
	}
}

// fails runs the reaper, which must fail.
func (r *reaper) fails() string {
	r.Helper()
	said, err := r.run()
	if err == nil {
		r.must(fmt.Errorf("the reaper did not fail, and said %q", said))
	}
	return said
}

// deletes runs the reaper, as often as the CronJob would, until it has deleted a cluster.
func (r *reaper) deletes(c preview) {
	r.Helper()
	r.await("the deletion", func(ctx context.Context) error {
		if said, err := r.run(); err != nil {
			return fmt.Errorf("the reaper said %q: %w", said, err)
		}
		xr, err := sys.hub.get(ctx, c.xr)
		if err == nil && xr.GetDeletionTimestamp() == nil {
			err = errors.New("the XR is not being deleted")
		}
		return client.IgnoreNotFound(err)
	})
}

// rights asks the API server what the reaper may do. It may read no Secret, nor write what Argo CD
// trusts.
func (r *reaper) rights() {
	r.Helper()
	previews := schema.GroupResource{Group: "platform.example.org", Resource: "previewclusters"}
	applications := schema.GroupResource{Group: "argoproj.io", Resource: "applications"}
	objects := schema.GroupResource{Group: "kubernetes.m.crossplane.io", Resource: "objects"}
	secrets := schema.GroupResource{Resource: "secrets"}
	verbs := []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	n := 0
	for _, may := range []struct {
		namespace string
		resource  schema.GroupResource
		verbs     []string
	}{
		{"team-a", previews, []string{"get", "list", "patch", "delete"}},
		{argocdNamespace, applications, []string{"list"}},
		{"team-a", applications, nil},
		{argocdNamespace, secrets, nil},
		{"team-a", secrets, nil},
		{reaperName, secrets, nil},
		{"team-a", objects, nil},
		{"team-a", schema.GroupResource{Group: "platform.example.org", Resource: "gkeclusters"}, nil},
		{argocdNamespace, schema.GroupResource{Group: "argoproj.io", Resource: "applicationsets"}, nil},
		{reaperName, schema.GroupResource{Resource: "configmaps"}, nil},
		{reaperName, schema.GroupResource{Group: "batch", Resource: "cronjobs"}, nil},
	} {
		for _, verb := range verbs {
			review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
				User:   "system:serviceaccount:" + reaperName + ":" + reaperName,
				Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + reaperName, "system:authenticated"},
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: may.namespace, Verb: verb, Group: may.resource.Group, Resource: may.resource.Resource,
				},
			}}
			r.must(sys.hub.Create(r.Context(), review))
			if want := slices.Contains(may.verbs, verb); review.Status.Allowed != want {
				r.must(fmt.Errorf("may the reaper %s %s in %s: %v, not %v", verb, may.resource, may.namespace, review.Status.Allowed, want))
			}
			n++
		}
	}
	r.didf("the reaper has the rights that it needs, of %d", n)
}

// preview asks for a cluster that has an hour to live.
func (s *scenario) preview(name string) preview {
	s.Helper()
	o := object("platform.example.org/v1alpha1", "PreviewCluster", "team-a", name)
	o.Object["spec"] = map[string]any{"region": "europe-west1", "expiresAt": in(time.Hour)}
	return preview{s.ask(o)}
}

func in(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }

// expires gives a cluster another end.
func (c preview) expires(d time.Duration) {
	c.Helper()
	c.must(sys.hub.patch(c.Context(), c.user, fmt.Sprintf(`{"spec": {"expiresAt": %q}}`, in(d))))
}

func (c preview) isDrained(want bool) {
	c.Helper()
	xr, err := sys.hub.get(c.Context(), c.xr)
	c.must(err)
	if drain, _, _ := unstructured.NestedBool(xr.Object, "spec", "drain"); drain != want {
		c.must(fmt.Errorf("%s: drain is %v", c.user.GetName(), drain))
	}
}

// isLiving checks that nobody has deleted the XR.
func (c preview) isLiving() {
	c.Helper()
	xr, err := sys.hub.get(c.Context(), c.xr)
	c.must(err)
	if xr.GetDeletionTimestamp() != nil {
		c.must(fmt.Errorf("%s is being deleted", c.user.GetName()))
	}
}

// recorded returns an error unless Argo CD's record of the cluster has a state.
func (c preview) recorded(ctx context.Context, state string) error {
	app, err := c.application(ctx, recordSet)
	if err == nil && app.GetLabels()["argocd.fn.crossplane.io/state"] != state {
		err = fmt.Errorf("the record has the labels %v", app.GetLabels())
	}
	return err
}

// leftNothing waits until all that there was of a cluster is gone: on the hub, in Argo CD, in the
// cloud and on the spoke.
func (c preview) leftNothing(composed []*unstructured.Unstructured) {
	c.Helper()
	c.await("the end of everything", func(ctx context.Context) error {
		if _, err := c.registration(ctx); !errors.Is(err, errNotRegistered) {
			return errors.Join(err, errors.New("the Secret is still there"))
		}
		return errors.Join(c.pruned(ctx, previewSet), c.pruned(ctx, "guestbook"), c.noApplication(ctx, recordSet),
			isGone(ctx, append(slices.Clone(composed), c.xr)...))
	})
	c.didf("the XR and its %d composed resources gone, and nothing left on the spoke", len(composed))
}
