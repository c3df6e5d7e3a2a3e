package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// neighbour applies CRDs of what else may run on a hub. Its controllers do not run.
func (s *scenario) neighbour(name string, crds ...string) {
	s.Helper()
	folder, err := module(s.Context(), "tools/crds", name)
	s.must(err)
	for i, f := range crds {
		crds[i] = filepath.Join(folder, filepath.FromSlash(f))
	}
	objects, err := load(crds...)
	s.must(err)
	s.must(sys.hub.apply(s.Context(), objects...))
}

// short is the name that the examples make of an XR's name and UID.
func (c *cluster) short() string {
	c.Helper()
	xr, err := sys.hub.get(c.Context(), c.xr)
	c.must(err)
	return fmt.Sprintf("%s-%.8s", xr.GetName(), xr.GetUID())
}

func neighbouring(kind, name, region string) *unstructured.Unstructured {
	o := object("platform.example.org/v1alpha1", kind, "team-a", name)
	o.Object["spec"] = map[string]any{"region": region, "environment": "development", "version": "1.35"}
	return o
}

// emptied drains the cluster by its API's own field, and waits until Argo CD has pruned.
func (c *cluster) emptied() {
	c.Helper()
	c.must(sys.hub.patch(c.Context(), c.user, `{"spec": {"drain": true}}`))
	c.await("an empty spoke", func(ctx context.Context) error {
		return errors.Join(c.pruned(ctx, "guestbook"), sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Draining"))
	})
}

// TestFlux makes clusters to which Flux deploys, too, and checks what Flux gets.
func TestFlux(t *testing.T) {
	t.Parallel()
	s := begin(t)
	s.neighbour("github.com/fluxcd/kustomize-controller", "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml")
	s.offerExample("flux", "rbac.yaml", "definition.yaml", "composition.yaml")

	c := s.ask(neighbouring("FluxCluster", "flux", "europe-west1"))
	c.registered().healthy()
	config := object("v1", "ConfigMap", "flux-clusters", c.short())
	kustomization := object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-clusters", c.short())
	applies := func(o *unstructured.Unstructured, path string) {
		s.await("what Flux is to apply", func(ctx context.Context) error {
			now, err := sys.hub.get(ctx, o)
			if err != nil {
				return err
			}
			return is(now, path, "spec", "path")
		})
	}
	id := "projects/demo/clusters/" + c.managed().GetName()
	s.await("how Flux connects", func(ctx context.Context) error {
		now, err := sys.hub.get(ctx, config)
		if err != nil {
			return err
		}
		return errors.Join(is(now, "gcp", "data", "provider"), is(now, id, "data", "cluster"))
	})
	applies(kustomization, "./clusters/development")
	c.didf("Flux has what it needs for a cluster without credentials")
	c.emptied()
	applies(kustomization, "./clusters/drained")
	c.didf("drained: Argo CD has pruned, and Flux has nothing to apply")
	c.deleted()
	s.await("the end of what Flux had", func(ctx context.Context) error { return isGone(ctx, config, kustomization) })

	s.offerExample("flux", filepath.Join("credentials", "composition.yaml"))
	s.await("the second revision of the Composition", func(ctx context.Context) error {
		revisions, err := sys.hub.list(ctx, schema.GroupVersionKind{Group: "apiextensions.crossplane.io", Version: "v1", Kind: "CompositionRevision"})
		n := 0
		for i := range revisions {
			if revisions[i].GetLabels()["crossplane.io/composition-name"] == "fluxclusters.platform.example.org" {
				n++
			}
		}
		if n < 2 {
			err = errors.Join(err, fmt.Errorf("there are %d", n))
		}
		return err
	})
	c = s.ask(neighbouring("FluxCluster", "flux-credentials", "westeurope"))
	c.registered().healthy()
	kustomization, secret := object("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-clusters", c.short()), object("v1", "Secret", "flux-clusters", c.short())
	applies(kustomization, "./clusters/development")
	ref := connectionSecret(c.managed())
	connection := object("v1", "Secret", ref.Namespace, ref.Name)
	connects := func() {
		s.await("the cluster's kubeconfig", func(ctx context.Context) error {
			now, err := sys.hub.get(ctx, secret)
			if err != nil {
				return err
			}
			published, err := sys.hub.get(ctx, connection)
			if err != nil {
				return err
			}
			want, _, _ := unstructured.NestedString(published.Object, "data", "kubeconfig")
			return is(now, want, "data", "kubeconfig")
		})
	}
	connects()
	c.didf("Flux has the kubeconfig of a cluster with credentials")
	c.rotated()
	connects()
	c.didf("Flux has the new kubeconfig")
	c.deleted()
	s.await("the end of what Flux had", func(ctx context.Context) error { return isGone(ctx, secret, kustomization) })
}

// TestJoined makes a cluster that Open Cluster Management knows by the name and labels that Argo CD
// does.
func TestJoined(t *testing.T) {
	t.Parallel()
	s := begin(t)
	s.neighbour("open-cluster-management.io/api", "cluster/v1/0000_00_clusters.open-cluster-management.io_managedclusters.crd.yaml")
	s.offerExample("open-cluster-management", "rbac.yaml", "definition.yaml", "composition.yaml")

	// No ManagedCluster can have a dot in its name.
	if err := sys.hub.Create(t.Context(), neighbouring("JoinedCluster", "join.ed", "europe-west1"), client.DryRunAll); !apierrors.IsInvalid(err) {
		t.Errorf("creating an XR whose name has a dot: %v", err)
	}
	c := s.ask(neighbouring("JoinedCluster", "joined", "europe-west1"))
	c.name = c.short()
	c.registered().healthy()
	managed := object("cluster.open-cluster-management.io/v1", "ManagedCluster", "", c.name)
	state := func(want string) {
		s.await("the ManagedCluster's labels", func(ctx context.Context) error {
			now, err := sys.hub.get(ctx, managed)
			if err != nil {
				return err
			}
			return errors.Join(
				is(now, "team-a", "metadata", "labels", "team"), is(now, "development", "metadata", "labels", "environment"),
				is(now, want, "metadata", "labels", "argocd.fn.crossplane.io/state"),
			)
		})
	}
	state("active")
	c.didf("Open Cluster Management knows it by Argo CD's name and labels")
	c.emptied()
	state("draining")
	c.didf("drained in both")
	c.deleted()
	s.await("the ManagedCluster's end", func(ctx context.Context) error { return isGone(ctx, managed) })
}
