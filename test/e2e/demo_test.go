package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// TestDemo makes a hub from Git, has a developer commit a cluster, says what happens while it
// happens, and leaves all of it up.
func TestDemo(t *testing.T) {
	if !*demo {
		t.Skip("run make demo")
	}
	h := &gitHub{scenario: &scenario{T: t, last: time.Now()}, work: sys.path("git", "hub")}
	fmt.Print("\nA hub that has Argo CD and nothing else gets the root Application of example/hub.\n\n")
	h.root()

	c := h.claim("gke", "shop", "development")
	b, err := yaml.Marshal(c.user.Object)
	h.must(err)
	fmt.Printf("\nA developer commits one file:\n\n    %s\n\n", strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "\n    "))
	h.commit("Ask for a cluster")
	mr := c.managed()
	report.sayf("Crossplane composed %s %s; the cloud makes it", mr.GetKind(), mr.GetName())
	c.registered()
	registration, err := c.registration(t.Context())
	h.must(err)
	fmt.Printf("\n    Secret argocd/%s\n    name:   %s\n    server: %s\n", registration.Name, registration.Data["name"], registration.Data["server"])
	for _, l := range slices.Sorted(maps.Keys(registration.Labels)) {
		fmt.Printf("    label:  %s: %s\n", l, registration.Labels[l])
	}
	fmt.Println()
	h.deployed(c, "main")

	enter := "nsenter -t $(cat " + sys.path("pid") + ") -n"
	if os.Getuid() != 0 || os.Getenv("SUDO_UID") != "" {
		enter = "sudo " + enter
	}
	file, err := filepath.Rel(h.work, h.claimFile("shop"))
	h.must(err)
	fmt.Printf(`
All of it stays up until Ctrl-C. This is the platform team's repository:

  cd %[5]s

Two commits remove the cluster: one that takes everything off it, and one that deletes it.

  sed -i 's/drain: false/drain: true/' %[6]s
  git commit -am 'Drain the shop' && git push
  git rm %[6]s
  git commit -m 'Remove the shop' && git push

From another shell, with kubectl:

  hub()   { %[1]s kubectl --kubeconfig %[2]s "$@"; }
  spoke() { %[1]s kubectl --kubeconfig %[3]s "$@"; }

  hub get akscluster,ekscluster,gkecluster,managed -A
  hub -n argocd get applications
  hub -n argocd get secret -l argocd.argoproj.io/secret-type=cluster --show-labels
  spoke get deployments -A

Logs, and audit logs that say who wrote what: %[4]s
`, enter, sys.hub.kubeconfig, sys.spoke.kubeconfig, sys.path("logs"), h.work, file)
	<-interrupted
}
