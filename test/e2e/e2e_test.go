package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A platform is an API for clusters: see testdata/platform.yaml.
type platform struct {
	Kind, Claim, Scope  string
	APIVersion, Managed string

	// AutoReady says that the last step of the pipeline is function-auto-ready. The examples do not
	// need it: function-patch-and-transform marks what is ready, too.
	AutoReady bool

	// Identity says that the cluster has no credentials to give: Argo CD is to use its own
	// identity. In AWS it may have to assume a role.
	Identity, AssumeRole bool
}

// IsEKS tells Clusters of AWS from Google's.
func (p platform) IsEKS() bool { return strings.HasPrefix(p.APIVersion, "eks.aws.") }

// Principal is who may use the platform's EKS clusters.
func (p platform) Principal() string {
	if p.AssumeRole {
		return awsRole
	}
	return awsUser
}

// platforms beside those of the examples.
var platforms = []platform{
	{Kind: "ClusterAKS", Scope: "Cluster", APIVersion: "containerservice.azure.upbound.io/v1beta2", Managed: "KubernetesCluster"},
	{Kind: "TeamAKS", Scope: "Namespaced", APIVersion: "containerservice.azure.m.upbound.io/v1beta1", Managed: "KubernetesCluster", AutoReady: true},
	{Kind: "XClaimedGKE", Claim: "ClaimedGKE", APIVersion: "container.gcp.upbound.io/v1beta1", Managed: "Cluster", AutoReady: true},
	{Kind: "ClusterGKE", Scope: "Cluster", APIVersion: "container.gcp.upbound.io/v1beta1", Managed: "Cluster", AutoReady: true},
	{Kind: "TeamGKE", Scope: "Namespaced", APIVersion: "container.gcp.m.upbound.io/v1beta1", Managed: "Cluster"},
}

// shapes are what users ask for, by cloud and by shape of the XR.
var shapes = []struct {
	name string
	ask  func(name string) *unstructured.Unstructured
}{
	{"AKS, legacy claim", aksClaim},
	{"AKS, cluster-scoped XR", func(name string) *unstructured.Unstructured { return ofKind("ClusterAKS", "", name) }},
	{"AKS, namespaced XR", func(name string) *unstructured.Unstructured { return ofKind("TeamAKS", "team-a", name) }},
	{"GKE, legacy claim", func(name string) *unstructured.Unstructured { return ofKind("ClaimedGKE", "team-a", name) }},
	{"GKE, cluster-scoped XR", func(name string) *unstructured.Unstructured { return ofKind("ClusterGKE", "", name) }},
	{"GKE, namespaced XR", func(name string) *unstructured.Unstructured { return ofKind("TeamGKE", "team-a", name) }},
}

func ofKind(kind, namespace, name string) *unstructured.Unstructured {
	o := object("e2e.example.org/v1alpha1", kind, namespace, name)
	o.Object["spec"] = map[string]any{"parameters": map[string]any{"environment": "development"}}
	return o
}

// aksClaim is the claim of the example of a legacy XR.
func aksClaim(name string) *unstructured.Unstructured {
	o := object("platform.example.org/v1alpha1", "AKSClusterClaim", "team-a", name)
	o.Object["spec"] = map[string]any{"parameters": map[string]any{"environment": "development", "location": "westeurope", "version": "1.35"}}
	return o
}

// ofExample is an XR of the examples' APIs.
func ofExample(kind, region, name string) *unstructured.Unstructured {
	o := object("platform.example.org/v1alpha1", kind, "team-a", name)
	o.Object["spec"] = map[string]any{"region": region, "environment": "development", "version": "1.35"}
	return o
}

// gke is the XR of the GKE example.
func gke(name string) *unstructured.Unstructured {
	return ofExample("GKECluster", "europe-west1", name)
}

func isClaim(o *unstructured.Unstructured) bool {
	return o.GetKind() == "AKSClusterClaim" || o.GetKind() == "ClaimedGKE"
}

// platform applies the APIs for clusters, and the ApplicationSets.
func (s *system) platform(ctx context.Context) error {
	apis := []string{"claim"}
	offered := slices.Concat(platforms, editedPlatforms, identityPlatforms)
	if isV1() {
		offered = slices.DeleteFunc(offered, func(p platform) bool { return p.Claim == "" })
	} else {
		apis = append(apis, "aks", "eks", "gke")
	}
	var objects []*unstructured.Unstructured
	for _, api := range apis {
		for _, file := range []string{"definition.yaml", "composition.yaml"} {
			b, err := os.ReadFile(filepath.Join(examples, api, file))
			if err != nil {
				return err
			}
			// What the example says to replace.
			more, err := parse(bytes.ReplaceAll(b, []byte("principalArn: arn:aws:iam::123456789012:role/argocd"), []byte("principalArn: "+awsUser)))
			if err != nil {
				return err
			}
			objects = append(objects, more...)
		}
	}
	for _, p := range offered {
		more, err := p.objects()
		if err != nil {
			return err
		}
		objects = append(objects, more...)
	}
	sets, err := applicationSets()
	if err != nil {
		return err
	}
	return s.offer(ctx, append(objects, sets...))
}

// objects of a platform: its XRD and its Composition.
func (p platform) objects() ([]*unstructured.Unstructured, error) {
	t, err := template.New("platform.yaml").Funcs(template.FuncMap{"lower": strings.ToLower}).ParseFiles(filepath.Join("testdata", "platform.yaml"))
	if err != nil {
		return nil, err
	}
	b := &strings.Builder{}
	if err := t.Execute(b, p); err != nil {
		return nil, err
	}
	return parse([]byte(b.String()))
}

// offer applies objects, and waits for the XRDs among them.
func (s *system) offer(ctx context.Context, objects []*unstructured.Unstructured) error {
	if err := s.hub.apply(ctx, objects...); err != nil {
		return err
	}
	for _, o := range objects {
		if o.GetKind() != "CompositeResourceDefinition" {
			continue
		}
		if err := until(ctx, time.Minute, func(ctx context.Context) error { return s.hub.hasCondition(ctx, o, "Established", "") }); err != nil {
			return err
		}
	}
	return nil
}

// applicationSets are the example's, for every registered cluster, and another, for
// those of production. Theirs is the Git server on loopback, and, as all clusters share
// a spoke, a namespace for each cluster.
func applicationSets() ([]*unstructured.Unstructured, error) {
	sets, err := load(filepath.Join(examples, "argocd", "applicationset.yaml"))
	if err != nil {
		return nil, err
	}
	monitoring := sets[0].DeepCopy()
	monitoring.SetName("monitoring")
	spec := monitoring.Object["spec"].(map[string]any)
	labels := spec["generators"].([]any)[0].(map[string]any)["clusters"].(map[string]any)["selector"].(map[string]any)["matchLabels"].(map[string]any)
	labels["environment"] = "production"
	sets = append(sets, monitoring)
	for _, set := range sets {
		if err := errors.Join(
			unstructured.SetNestedField(set.Object, "http://"+gitAddr+"/apps.git", "spec", "template", "spec", "source", "repoURL"),
			unstructured.SetNestedField(set.Object, set.GetName()+"-{{ .nameNormalized }}", "spec", "template", "metadata", "name"),
			unstructured.SetNestedField(set.Object, set.GetName()+`-{{ .name | replace "." "-" }}`, "spec", "template", "spec", "destination", "namespace"),
		); err != nil {
			return nil, err
		}
	}
	return sets, nil
}

// TestClusters takes many clusters through their lives, at the same time.
//
//nolint:tparallel // The tests after it have the hub for themselves.
func TestClusters(t *testing.T) {
	for i, shape := range shapes {
		t.Run("life/"+shape.name, func(t *testing.T) {
			t.Parallel()
			c := begin(t).ask(shape.ask(fmt.Sprintf("life-%d", i))).registered().healthy()
			c.rotated()
			c.retained()
			c.relabelled()
			c.drained()
			c.deleted()
		})
		// Nothing may hang for want of a drain.
		t.Run("delete without drain/"+shape.name, func(t *testing.T) {
			t.Parallel()
			begin(t).ask(shape.ask(fmt.Sprintf("delete-%d", i))).registered().healthy().deleted()
		})
	}
	t.Run("name conflict", nameConflict)
}

// nameConflict has two XRs that want one name.
func nameConflict(t *testing.T) {
	t.Parallel()
	first := begin(t).ask(ofKind("ClusterAKS", "", "twin")).registered().healthy()
	before, err := first.registration(t.Context())
	first.must(err)
	second := first.ask(ofKind("ClusterGKE", "", "twin"))
	second.await("NameConflict", func(ctx context.Context) error {
		return sys.hub.conditionIs(ctx, second.user, conditionRegistered, "False", "NameConflict")
	})
	time.Sleep(5 * time.Second) // for a fight over the Secret, if there is one
	after, err := first.registration(t.Context())
	first.must(err)
	if before.ResourceVersion != after.ResourceVersion {
		t.Fatal("the first's Secret was touched")
	}
	first.didf("the second says NameConflict, the first is untouched")
	second.must(sys.hub.Delete(t.Context(), second.user))
	second.await("the second's end", func(ctx context.Context) error { return isGone(ctx, second.user) })
	first.untouched()
	first.didf("the second is gone, the first is untouched")
	first.deleted()
}

// TestRestart kills what runs on the hub, and meanwhile has a cluster's credentials
// rotated, and another cluster made.
func TestRestart(t *testing.T) {
	for i, victim := range []string{functionName, providerName, "crossplane"} {
		t.Run(victim, func(t *testing.T) {
			s := begin(t)
			before := s.ask(ofKind("ClusterAKS", "", fmt.Sprintf("before-%d", i))).registered().healthy()
			secret, err := before.registration(t.Context())
			s.must(err)
			mr := before.managed()

			sys.named(victim).kill()
			s.must(sys.cloud.rotate(t.Context(), mr))
			during := s.ask(ofKind("TeamGKE", "team-a", fmt.Sprintf("during-%d", i)))
			time.Sleep(5 * time.Second)
			before.untouched()
			s.must(sys.named(victim).start())
			s.didf("killed, and started again after five seconds")

			before.followed(secret)
			before.repaired()
			during.registered().healthy()
		})
	}
	// As it does if it has no rights yet.
	t.Run("a provider that ends by itself", func(t *testing.T) {
		s, provider := begin(t), sys.named(providerName)
		pid := provider.pid()
		s.must(syscall.Kill(pid, syscall.SIGKILL))
		s.await("another process", func(context.Context) error {
			if err := provider.ended(); err != nil {
				return err
			}
			if provider.pid() == pid {
				return errors.New("it has not ended yet")
			}
			return nil
		})
		s.didf("is started again")
	})
}

// TestCredentials looks for what the cloud gave out in what the clusters' lives left
// behind for everybody to read.
func TestCredentials(t *testing.T) { begin(t).toldNone() }

// toldNone checks that no credential that the cloud gave out is in the logs and events.
func (s *scenario) toldNone() {
	s.Helper()
	told := map[string]string{}
	for _, name := range []string{functionName, "crossplane"} {
		b, err := os.ReadFile(sys.path("logs", name+".log"))
		s.must(err)
		told[name+".log"] = string(b)
	}
	events := &corev1.EventList{}
	s.must(sys.hub.List(s.Context(), events))
	for i := range events.Items {
		told["event "+events.Items[i].Name] = events.Items[i].Message
	}
	secrets := sys.cloud.given()
	for where, text := range told {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				s.Errorf("%s contains a credential", where)
			}
		}
	}
	s.didf("none of %d credentials in the logs, nor in %d events", len(secrets), len(events.Items))
}
