package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestDemo registers two clusters, says what happens while it happens, and leaves all
// of it up.
func TestDemo(t *testing.T) {
	if !*demo {
		t.Skip("run make demo")
	}
	s := &scenario{T: t}
	s.show("AKS: a developer commits a claim", aksClaim("shop"))
	s.show("GKE: a developer commits a namespaced XR. Its Composition has GKE issue a client\n"+
		"certificate, for here is no Google that gives Argo CD a token.", ofKind("TeamGKE", "team-a", "search"))

	enter := "nsenter -t $(cat " + sys.path("pid") + ") -n"
	if os.Getuid() != 0 || os.Getenv("SUDO_UID") != "" {
		enter = "sudo " + enter
	}
	fmt.Printf(`
All of it stays up until Ctrl-C. From another shell, with kubectl:

  hub()   { %[1]s kubectl --kubeconfig %[2]s "$@"; }
  spoke() { %[1]s kubectl --kubeconfig %[3]s "$@"; }

  hub get akscluster,teamgke,managed -A
  hub -n argocd get secret -l argocd.argoproj.io/secret-type=cluster --show-labels
  hub -n argocd get applications
  spoke get deployments -A

  hub -n team-a patch akscluster shop --type merge -p '{"spec": {"parameters": {"environment": "production"}}}'
  hub -n team-a patch akscluster shop --type merge -p '{"spec": {"parameters": {"drain": true}}}'
  hub -n team-a get akscluster shop -o yaml
  hub -n team-a delete akscluster shop

Logs, and audit logs that say who wrote what: %[4]s
`, enter, sys.hub.kubeconfig, sys.spoke.kubeconfig, sys.path("logs"))
	<-interrupted
}

// show one cluster's way from what the developer commits to the guestbook.
func (s *scenario) show(title string, user *unstructured.Unstructured) {
	b, err := yaml.Marshal(user.Object)
	s.must(err)
	fmt.Printf("\n%s\n\n    %s\n", title, strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "\n    "))

	fmt.Println()
	c := s.ask(user)
	if c.xr != user {
		report.sayf("Crossplane made %s %s of it", c.xr.GetKind(), c.xr.GetName())
	}
	mr := c.managed()
	report.sayf("Crossplane composed %s %s; the cloud makes it", mr.GetKind(), mr.GetName())

	connection := &corev1.Secret{}
	s.await("its kubeconfig", func(ctx context.Context) error { return sys.hub.Get(ctx, connectionSecret(mr), connection) })
	report.sayf("its connection Secret %s has %s", connection.Name, strings.Join(slices.Sorted(maps.Keys(connection.Data)), ", "))

	var registration *corev1.Secret
	s.await("the registration", func(ctx context.Context) (err error) {
		registration, err = c.registration(ctx)
		return err
	})
	report.sayf("the function registered it: Secret argocd/%s", registration.Name)
	fmt.Printf("\n    name:   %s\n    server: %s\n", registration.Data["name"], registration.Data["server"])
	for _, l := range slices.Sorted(maps.Keys(registration.Labels)) {
		fmt.Printf("    label:  %s: %s\n", l, registration.Labels[l])
	}
	fmt.Println()

	s.await("the Application", func(ctx context.Context) error {
		_, err := c.application(ctx, "guestbook")
		return err
	})
	report.sayf("the ApplicationSet made Application argocd/guestbook-%s", c.name)
	s.await("the guestbook", func(ctx context.Context) error { return c.synced(ctx, "guestbook") })
	report.sayf("it is Synced and Healthy: the spoke has Deployment %s/guestbook-ui", c.namespace("guestbook"))
	s.await("ready", func(ctx context.Context) error { return sys.hub.hasCondition(ctx, user, "Ready", "") })
	report.sayf("%s %s is Ready", user.GetKind(), user.GetName())
}
