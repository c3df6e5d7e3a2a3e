package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// platforms of the scenarios that edit a Composition: each has its own.
var editedPlatforms = []platform{
	{Kind: "EditedAKS", Scope: "Cluster", APIVersion: "containerservice.azure.upbound.io/v1beta2", Managed: "KubernetesCluster"},
	{Kind: "WithdrawnAKS", Scope: "Cluster", APIVersion: "containerservice.azure.upbound.io/v1beta2", Managed: "KubernetesCluster"},
	{Kind: "MistypedAKS", Scope: "Cluster", APIVersion: "containerservice.azure.upbound.io/v1beta2", Managed: "KubernetesCluster"},
	{Kind: "SharedAKS", Scope: "Cluster", APIVersion: "containerservice.azure.upbound.io/v1beta2", Managed: "KubernetesCluster"},
	{Kind: "RemoteAKS", Scope: "Cluster", APIVersion: "containerservice.azure.upbound.io/v1beta2", Managed: "KubernetesCluster"},
}

const attacker = "https://203.0.113.254"

// TestTrust has users, tenants and time work against registrations. The repairs are timed, and
// have the hub for themselves.
func TestTrust(t *testing.T) {
	t.Run("edited by hand", func(t *testing.T) { editedByHand(begin(t)) })
	t.Run("at the same time", func(t *testing.T) {
		for name, scenario := range map[string]func(*scenario){
			"made again, AKS cluster-scoped XR":  func(s *scenario) { madeAgain(s, ofKind("ClusterAKS", "", "again")) },
			"made again, GKE namespaced XR":      func(s *scenario) { madeAgain(s, ofKind("TeamGKE", "team-a", "again")) },
			"Composition edited":                 compositionEdited,
			"credentials.type tightened":         credentialsTightened,
			"namespace mistyped":                 namespaceMistyped,
			"cluster replaced, AKS":              func(s *scenario) { clusterReplaced(s, ofKind("TeamAKS", "team-a", "replaced-aks")) },
			"cluster replaced, GKE":              func(s *scenario) { clusterReplaced(s, ofKind("ClusterGKE", "", "replaced-gke")) },
			"cluster replaced, by token":         tokenOfAnotherCluster,
			"an XR's user edits it":              xrEdited,
			"Object edited without a kubeconfig": objectEdited,
			"two XRs of one server":              serverShared,
			"Argo CD on another control plane":   argoCDElsewhere,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				scenario(begin(t))
			})
		}
	})
}

// truth looks all the time whether what the condition says is true, until it is stopped. It
// then returns for how long at a time it was not.
func (c *cluster) truth() (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(c.Context())
	var worst time.Duration
	var wg sync.WaitGroup
	wg.Go(func() {
		var since time.Time
		for ctx.Err() == nil {
			said := sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Registered") == nil
			_, err := c.registration(ctx)
			if !said || err == nil || ctx.Err() != nil {
				since = time.Time{}
			} else if since.IsZero() {
				since = time.Now()
			}
			if !since.IsZero() {
				worst = max(worst, time.Since(since))
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return func() time.Duration {
		cancel()
		wg.Wait()
		return worst
	}
}

// honest fails if the condition said Registered for longer than Crossplane takes to notice
// that the Secret is gone.
func (c *cluster) honest(stop func() time.Duration) {
	c.Helper()
	if d := stop(); d > 10*time.Second {
		c.must(fmt.Errorf("the condition said Registered for %v while there was no Secret", d))
	}
}

// editedByHand deletes the Secret, and changes it. Each time it is repaired.
func editedByHand(s *scenario) {
	c := s.ask(ofKind("ClusterAKS", "", "edited")).registered().healthy()
	before, err := c.registration(s.Context())
	s.must(err)
	// provider-kubernetes does not look again within 30 seconds of the creation.
	time.Sleep(time.Until(before.CreationTimestamp.Add(35 * time.Second)))
	name := client.ObjectKeyFromObject(before)
	for _, edit := range []struct {
		what string
		do   func() error
	}{
		{"label removed", func() error {
			return sys.hub.patch(s.Context(), before.DeepCopy(), `{"metadata": {"labels": {"argocd.argoproj.io/secret-type": null}}}`)
		}},
		{"config garbage", func() error { return sys.hub.patch(s.Context(), before.DeepCopy(), `{"data": {"config": "e30K"}}`) }},
		{"another server", func() error {
			return sys.hub.patch(s.Context(), before.DeepCopy(), `{"data": {"server": "`+base64.StdEncoding.EncodeToString([]byte(attacker))+`"}}`)
		}},
		{"Secret deleted", func() error { return sys.hub.Delete(s.Context(), before.DeepCopy()) }},
	} {
		stop := c.truth()
		s.must(edit.do())
		began := time.Now()
		if err := until(s.Context(), 30*time.Second, func(ctx context.Context) error {
			now := &corev1.Secret{}
			if err := sys.hub.Get(ctx, name, now); err != nil {
				return err
			}
			for k, v := range before.Data {
				if !bytes.Equal(now.Data[k], v) {
					return fmt.Errorf("%s differs", k)
				}
			}
			for k, v := range before.Labels {
				if now.Labels[k] != v {
					return fmt.Errorf("label %s differs", k)
				}
			}
			return nil
		}); err != nil {
			s.must(fmt.Errorf("%s: not repaired: %w", edit.what, err))
		}
		took := time.Since(began)
		s.await("Registered", func(ctx context.Context) error {
			return errors.Join(sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Registered"), c.noRepair(ctx))
		})
		c.honest(stop)
		c.didf("%s: repaired after %.1f s", edit.what, took.Seconds())
	}
	c.deleted()
}

// noRepair returns an error while the Object is annotated for a repair.
func (c *cluster) noRepair(ctx context.Context) error {
	refs, err := c.composed(ctx)
	if err != nil {
		return err
	}
	for _, o := range refs {
		if o.GetKind() != "Object" {
			continue
		}
		if o, err = sys.hub.get(ctx, o); err != nil {
			return err
		}
		if note := o.GetAnnotations()["argocd.fn.crossplane.io/repair"]; note != "" {
			return fmt.Errorf("the Object is still annotated: %s", note)
		}
	}
	return nil
}

// madeAgain deletes an XR, and makes it again at once. The old Object, which is still there,
// must not take the new registration away.
func madeAgain(s *scenario, user *unstructured.Unstructured) {
	first := s.ask(user.DeepCopy()).registered().healthy()
	secret, err := first.registration(s.Context())
	s.must(err)
	s.must(sys.hub.Delete(s.Context(), user))
	s.await("the XR's end", func(ctx context.Context) error { return isGone(ctx, user) })
	began := time.Now()
	c := s.ask(user.DeepCopy())
	stop := c.truth()
	if err := until(s.Context(), 2*time.Minute, func(ctx context.Context) error {
		now, err := c.registration(ctx)
		if err != nil {
			return err
		}
		if now.UID == secret.UID {
			return errors.New("the old Secret is still there")
		}
		return sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Registered")
	}); err != nil {
		s.must(fmt.Errorf("registered again: %w", err))
	}
	c.didf("registered again %.1f s after it was made again", time.Since(began).Seconds())
	now, err := c.registration(s.Context())
	s.must(err)
	c.secret = now.UID
	c.healthy()
	// For as long as the old Object could have gone on.
	time.Sleep(time.Until(began.Add(50 * time.Second)))
	c.untouched()
	c.honest(stop)
	c.didf("and stays")
	c.deleted()
}

// edit a Composition's input for the function.
func (s *scenario) edit(kind string, change func(input map[string]any)) {
	s.Helper()
	s.must(until(s.Context(), time.Minute, func(ctx context.Context) error {
		o, err := sys.hub.get(ctx, object("apiextensions.crossplane.io/v1", "Composition", "", strings.ToLower(kind)+"s.e2e.example.org"))
		if err != nil {
			return err
		}
		for _, step := range o.Object["spec"].(map[string]any)["pipeline"].([]any) {
			if step := step.(map[string]any); step["step"] == "register-with-argocd" {
				change(step["input"].(map[string]any))
			}
		}
		return sys.hub.Update(ctx, o)
	}))
}

// says waits for the cluster's condition, and checks that nothing is lost.
func (c *cluster) says(status, reason, message string) {
	c.Helper()
	c.await(reason, func(ctx context.Context) error {
		if err := sys.hub.conditionIs(ctx, c.user, conditionRegistered, status, reason); err != nil {
			return err
		}
		return c.message(ctx, message)
	})
}

// message returns an error unless the condition's message has a part.
func (c *cluster) message(ctx context.Context, part string) error {
	o, err := sys.hub.get(ctx, c.user)
	if err != nil {
		return err
	}
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, condition := range conditions {
		if k := condition.(map[string]any); k["type"] == conditionRegistered {
			if m, _ := k["message"].(string); !strings.Contains(m, part) {
				return fmt.Errorf("want %q in %q", part, m)
			}
		}
	}
	return nil
}

func set(value any, path ...string) func(map[string]any) {
	return func(input map[string]any) {
		if value == nil {
			unstructured.RemoveNestedField(input, path...)
			return
		}
		if err := unstructured.SetNestedField(input, value, path...); err != nil {
			panic(err)
		}
	}
}

// compositionEdited edits the Composition of a registered cluster.
func compositionEdited(s *scenario) {
	const kind = "EditedAKS"
	c := s.ask(ofKind(kind, "", "edited-composition")).registered().healthy()

	s.edit(kind, set("x", "cluster", "nome"))
	s.await("the Fatal", func(ctx context.Context) error {
		return sys.hub.conditionIs(ctx, c.user, conditionRegistered, "Unknown", "FatalError")
	})
	c.untouched()
	s.edit(kind, set(nil, "cluster", "nome"))
	c.says("True", "Registered", "")
	c.untouched()
	c.didf("an unknown field, and without it again")

	for _, e := range []struct {
		field string
		value any
		path  []string
	}{
		{"cluster.name", "renamed", []string{"cluster", "name"}},
		{"output.namespace", "missing", []string{"output", "namespace"}},
		{"output.resourceName", "another", []string{"output", "resourceName"}},
	} {
		s.edit(kind, func(input map[string]any) {
			set(e.value, e.path...)(input)
			if e.field == "output.resourceName" {
				set(conditionRegistered, "conditionType")(input)
			}
		})
		c.says("True", "Registered", e.field+" changed but was not applied")
		c.untouched()
		s.edit(kind, set(nil, e.path...))
		s.await("no complaint", func(ctx context.Context) error {
			if c.message(ctx, "not applied") == nil {
				return errors.New("the condition still complains")
			}
			return sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Registered")
		})
		c.untouched()
		c.didf("%s, and back", e.field)
	}
	c.deleted()
}

// credentialsTightened has the author no longer accept what a registered cluster has.
func credentialsTightened(s *scenario) {
	const kind = "WithdrawnAKS"
	c := s.ask(ofKind(kind, "", "withdrawn")).registered().healthy()
	// The kubeconfig goes first: with it, the certificate gives way to Azure's identity.
	s.must(sys.cloud.withdraw(s.Context(), c.managed()))
	c.says("True", "Retained", "")
	s.edit(kind, func(input map[string]any) {
		set("Azure", "credentials", "type")(input)
	})
	c.says("False", "UnsupportedCredentials", "without credentials")
	s.await("no credentials", func(ctx context.Context) error {
		r, err := c.registration(ctx)
		if err == nil && strings.Contains(string(r.Data["config"]), "keyData") {
			err = errors.New("the Secret has the certificate")
		}
		return err
	})
	c.untouched()
	s.edit(kind, set(nil, "credentials"))
	s.must(sys.cloud.publish(s.Context(), c.managed()))
	c.says("True", "Registered", "")
	c.untouched()
	c.didf("credentials.type tightened: the Secret stays, without credentials, and gets them again")
	c.deleted()
}

// namespaceMistyped mistypes Argo CD's namespace before the cluster is registered.
func namespaceMistyped(s *scenario) {
	const kind = "MistypedAKS"
	s.edit(kind, set("argcd", "output", "namespace"))
	c := s.ask(ofKind(kind, "", "mistyped"))
	c.says("False", "Registering", "provider-kubernetes")
	c.didf("not registered")
	s.edit(kind, set("argocd", "output", "namespace"))
	c.registered().healthy()
	c.deleted()
}

// clusterReplaced has the cloud replace a cluster.
func clusterReplaced(s *scenario, user *unstructured.Unstructured) {
	c := s.ask(user).registered().healthy()
	before, err := c.registration(s.Context())
	s.must(err)
	s.must(sys.cloud.replace(s.Context(), c.managed()))
	c.followed(before)
	s.await("the new server", func(ctx context.Context) error {
		now, err := c.registration(ctx)
		if err == nil && bytes.Equal(now.Data["server"], before.Data["server"]) {
			err = errors.New("the Secret has the old server")
		}
		return errors.Join(err, sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Registered"))
	})
	after, err := c.registration(s.Context())
	s.must(err)
	if after.UID != before.UID {
		s.Fatal("the Secret is another one")
	}
	s.await("the guestbook on the new cluster", func(ctx context.Context) error { return c.synced(ctx, "guestbook") })
	c.didf("registered at its new address")
	c.deleted()
}

// xrEdited has an XR's user write all that it can of the XR.
func xrEdited(s *scenario) {
	c := s.ask(ofKind("TeamAKS", "team-a", "user")).registered().healthy()
	before, err := c.registration(s.Context())
	s.must(err)
	for what, patch := range map[string]string{
		"resourceRefs":   `{"spec": {"crossplane": {"resourceRefs": []}}}`,
		"labels":         `{"metadata": {"labels": {"crossplane.io/claim-name": "forged", "crossplane.io/claim-namespace": "forged", "argocd.fn.crossplane.io/state": "draining"}}}`,
		"compositionRef": `{"spec": {"crossplane": {"compositionRef": {"name": "clusteraks.e2e.example.org"}}}}`,
	} {
		s.must(sys.hub.patch(s.Context(), c.user, patch))
		time.Sleep(3 * time.Second)
		c.await("ready", func(ctx context.Context) error {
			return errors.Join(sys.hub.hasCondition(ctx, c.user, "Ready", ""), sys.hub.hasCondition(ctx, c.user, conditionRegistered, "Registered"))
		})
		c.untouched()
		c.didf("%s edited", what)
	}
	xr, err := sys.hub.get(s.Context(), c.user)
	s.must(err)
	s.must(sys.hub.Status().Patch(s.Context(), xr, client.RawPatch("application/merge-patch+json", []byte(`{"status": {"endpoint": "203.0.113.254"}}`))))
	time.Sleep(3 * time.Second)
	after, err := c.registration(s.Context())
	s.must(err)
	for k, v := range before.Labels {
		if after.Labels[k] != v {
			s.Errorf("label %s: %s", k, after.Labels[k])
		}
	}
	if len(after.Labels) != len(before.Labels) || !bytes.Equal(after.Data["server"], before.Data["server"]) {
		s.Errorf("the registration changed: %v", after.Labels)
	}
	c.untouched()
	c.didf("status edited")
	c.deleted()
}

// objectEdited writes a command into the Object while there is no kubeconfig to replace it.
func objectEdited(s *scenario) {
	c := s.ask(ofKind("TeamGKE", "team-a", "object")).registered().healthy()
	mr := c.managed()
	s.must(sys.cloud.withdraw(s.Context(), mr))
	c.says("True", "Retained", "no connection details")
	refs, err := c.composed(s.Context())
	s.must(err)
	evil := base64.StdEncoding.EncodeToString([]byte(`{"tlsClientConfig":{"insecure":false},"execProviderConfig":{"command":"sh","args":["-c","id"],"apiVersion":"client.authentication.k8s.io/v1beta1"}}`))
	for _, o := range refs {
		if o.GetKind() == "Object" {
			s.must(sys.hub.patch(s.Context(), o, `{"spec": {"forProvider": {"manifest": {"data": {"config": "`+evil+`"}}}}}`))
		}
	}
	// Either the Secret's own connection is composed again, or one without credentials.
	s.await("no command", func(ctx context.Context) error {
		for _, o := range refs {
			if o.GetKind() != "Object" {
				continue
			}
			now, err := sys.hub.get(ctx, o)
			if err != nil {
				return err
			}
			if config, _, _ := unstructured.NestedString(now.Object, "spec", "forProvider", "manifest", "data", "config"); config == evil {
				return errors.New("the Object has the command")
			}
		}
		r, err := c.registration(ctx)
		if err == nil && strings.Contains(string(r.Data["config"]), "execProviderConfig") {
			err = errors.New("the Secret has the command")
		}
		return err
	})
	c.untouched()
	c.didf("the command is gone")
	s.must(sys.cloud.publish(s.Context(), mr))
	c.says("True", "Registered", "")
	c.untouched()
	c.deleted()
}

// serverShared has two XRs of one server, which the Composition gives.
func serverShared(s *scenario) {
	const kind = "SharedAKS"
	s.edit(kind, set("https://203.0.113.250", "cluster", "server"))
	first := s.ask(ofKind(kind, "", "shared-one")).registered()
	first.ready()
	before, err := first.registration(s.Context())
	s.must(err)
	second := s.ask(ofKind(kind, "", "shared-two"))
	second.says("False", "ServerConflict", "Secret argocd/"+before.Name)
	if _, err := second.registration(s.Context()); !errors.Is(err, errNotRegistered) {
		s.Fatal("the second is registered, too")
	}
	after, err := first.registration(s.Context())
	s.must(err)
	if after.ResourceVersion != before.ResourceVersion {
		s.Fatal("the first's Secret was touched")
	}
	second.didf("ServerConflict")
	s.must(sys.hub.Delete(s.Context(), first.user))
	second.registered()
	second.ready()
	second.didf("registered once the first is gone")
	second.deleted()
}

// argoCDElsewhere registers a cluster with an Argo CD that is not on the hub. The spoke plays
// the cluster that it runs on.
func argoCDElsewhere(s *scenario) {
	const kind, namespace = "RemoteAKS", "remote-argocd"
	s.must(sys.spoke.apply(s.Context(), object("v1", "Namespace", "", namespace)))
	admin, err := sys.spoke.ca.client("remote-argocd", "system:masters")
	s.must(err)
	config, err := kubeconfig("remote", sys.spoke.server, sys.spoke.ca.pem, &clientcmdapi.AuthInfo{ClientCertificateData: admin.cert, ClientKeyData: admin.key})
	s.must(err)
	secret := object("v1", "Secret", crossplaneNamespace, "remote-argocd")
	secret.Object["data"] = map[string]any{"kubeconfig": base64.StdEncoding.EncodeToString(config)}
	provider := object("kubernetes.crossplane.io/v1alpha1", "ProviderConfig", "", "remote-argocd")
	provider.Object["spec"] = map[string]any{"credentials": map[string]any{
		"source": "Secret", "secretRef": map[string]any{"namespace": crossplaneNamespace, "name": "remote-argocd", "key": "kubeconfig"},
	}}
	s.must(sys.hub.apply(s.Context(), secret, provider))
	s.edit(kind, func(input map[string]any) {
		set("Remote", "output", "argoCD")(input)
		set(namespace, "output", "namespace")(input)
		set("remote-argocd", "output", "object", "providerConfigRef", "name")(input)
	})
	c := s.ask(ofKind(kind, "", "elsewhere"))
	there := func(ctx context.Context) (*corev1.Secret, error) {
		l := &corev1.SecretList{}
		if err := sys.spoke.List(ctx, l, client.InNamespace(namespace), client.MatchingLabels{"argocd.argoproj.io/secret-type": "cluster"}); err != nil {
			return nil, err
		}
		if len(l.Items) != 1 {
			return nil, fmt.Errorf("there are %d cluster Secrets", len(l.Items))
		}
		return &l.Items[0], nil
	}
	c.ready()
	before, err := there(s.Context())
	s.must(err)
	if _, err := c.registration(s.Context()); !errors.Is(err, errNotRegistered) {
		s.Fatal("it is registered on the hub, too")
	}
	c.didf("registered there, and not on the hub")
	s.must(sys.cloud.rotate(s.Context(), c.managed()))
	s.await("the new credentials", func(ctx context.Context) error {
		now, err := there(ctx)
		if err == nil && (bytes.Equal(now.Data["config"], before.Data["config"]) || now.UID != before.UID) {
			err = errors.New("the Secret has the old credentials, or is another one")
		}
		return err
	})
	c.didf("credentials rotated")
	s.must(sys.hub.Delete(s.Context(), c.user))
	s.await("the Secret's end", func(ctx context.Context) error {
		if _, err := there(ctx); err == nil {
			return errors.New("it is still there")
		}
		_, err := sys.hub.get(ctx, c.user)
		if !apierrors.IsNotFound(err) {
			return errors.Join(err, errors.New("the XR is still there"))
		}
		return nil
	})
	c.didf("deleted")
}
