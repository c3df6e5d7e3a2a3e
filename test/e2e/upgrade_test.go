package e2e

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestUpgrade has another version of the function take over, and the old one again.
func TestUpgrade(t *testing.T) {
	s := begin(t)
	c := s.ask(ofKind("TeamAKS", "team-a", "upgraded")).registered().healthy()
	function, err := sys.hub.get(t.Context(), object("pkg.crossplane.io/v1", "Function", "", functionName))
	s.must(err)
	old, _, _ := unstructured.NestedString(function.Object, "spec", "package")
	repository, _, _ := strings.Cut(old, ":v")
	upgrade := repository + ":v0.99.0"
	s.must(sys.publish(t.Context(), upgrade))
	for _, ref := range []string{upgrade, old} {
		before := sys.named(functionName)
		s.must(sys.hub.patch(t.Context(), function, `{"spec": {"package": "`+ref+`"}}`))
		s.await("the other version", func(ctx context.Context) error {
			if pr := sys.named(functionName); pr == nil || pr == before {
				return errors.New("the process is the same")
			}
			return sys.hub.hasCondition(ctx, function, "Healthy", "")
		})
		before2, err := c.registration(t.Context())
		s.must(err)
		s.must(sys.cloud.rotate(t.Context(), c.managed()))
		c.followed(before2)
		c.untouched()
		c.ready()
		c.didf("%s registers it", ref[strings.LastIndex(ref, "/")+1:])
	}
	c.deleted()
}

// TestRestored has a hub come back from a backup: everything is there again, with new UIDs and
// without owner references.
func TestRestored(t *testing.T) {
	s := begin(t)
	c := s.ask(ofKind("ClusterAKS", "", "restored")).registered().healthy()
	secret, err := c.registration(t.Context())
	s.must(err)
	controllers := []string{"crossplane", providerName, "argocd-applicationset-controller", "argocd-application-controller"}
	for _, name := range controllers {
		sys.named(name).kill()
	}
	mr := c.managed()
	connection := connectionSecret(mr)
	composed, err := c.composed(t.Context())
	s.must(err)
	objects := slices.Concat(composed, []*unstructured.Unstructured{c.xr, object("v1", "Secret", secret.Namespace, secret.Name), object("v1", "Secret", connection.Namespace, connection.Name)})
	backup := make([]*unstructured.Unstructured, 0, len(objects))
	for _, o := range objects {
		o, err := sys.hub.get(t.Context(), o)
		s.must(err)
		backup = append(backup, o.DeepCopy())
	}
	sys.cloud.suspend(true)
	for _, o := range backup {
		s.must(client.IgnoreNotFound(sys.hub.patch(t.Context(), o.DeepCopy(), `{"metadata": {"finalizers": null}}`)))
		s.must(client.IgnoreNotFound(sys.hub.Delete(t.Context(), o)))
		s.await("its end", func(ctx context.Context) error { return isGone(ctx, o) })
	}
	for _, o := range backup {
		uid, status := o.GetUID(), o.Object["status"]
		o.SetUID("")
		o.SetResourceVersion("")
		o.SetOwnerReferences(nil)
		o.SetManagedFields(nil)
		s.must(sys.hub.Create(t.Context(), o))
		if isCluster(o) {
			sys.cloud.adopt(uid, o.GetUID())
			o.Object["status"] = status
			s.must(sys.hub.Status().Update(t.Context(), o))
		}
	}
	sys.cloud.suspend(false)
	restored, err := c.registration(t.Context())
	s.must(err)
	c.secret = restored.UID
	for _, name := range controllers {
		s.must(sys.named(name).start())
	}
	c.didf("restored")
	// The connection Secret's name follows from the XR's UID.
	s.await("Registered", func(ctx context.Context) error {
		mr, err := sys.hub.get(ctx, mr)
		if err != nil {
			return err
		}
		return errors.Join(sys.cloud.publish(ctx, mr), sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Registered"))
	})
	c.ready()
	c.untouched()
	c.didf("the same Secret, Application and workload")
	s.must(sys.cloud.rotate(t.Context(), c.managed()))
	c.followed(restored)
	c.deleted()
}
