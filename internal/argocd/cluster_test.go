package argocd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"
)

func TestSecretName(t *testing.T) {
	cases := map[string]struct {
		reason  string
		cluster string
		want    string
	}{
		"DNSName": {
			reason:  "A name that can be a Secret's stays as it is.",
			cluster: "team-a.prod",
			want:    "cluster-team-a.prod",
		},
		"UpperCase": {
			reason:  "A name that was changed gets a hash, so that it is not another's.",
			cluster: "Prod",
			want:    "cluster-prod-5f56359ef1",
		},
		"Symbols": {
			reason:  "Whatever a Secret's name may not have becomes a dash.",
			cluster: "Production / West..eu ü",
			want:    "cluster-production-west-eu-ac5dc192bb",
		},
		"Long": {
			reason:  "A name is cut where it is too long.",
			cluster: strings.Repeat("a", 252),
			want:    "cluster-" + strings.Repeat("a", 234) + "-03aaf57737",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := SecretName(tc.cluster)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("\n%s\nSecretName(...): -want, +got:\n%s", tc.reason, diff)
			}
			if p := validation.IsDNS1123Subdomain(got); len(p) > 0 {
				t.Errorf("\n%s\nSecretName(...): %v", tc.reason, p)
			}
		})
	}
}

// TestSecretNamesDiffer guards against two clusters with one Secret.
func TestSecretNamesDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, c := range []string{"a", "A", "a-", "-a", "a b", "a/b", "a.b", "a..b", "a-b", "ä", "ö", strings.Repeat("a", 252), strings.Repeat("a", 253)} {
		n := SecretName(c)
		if other, ok := seen[n]; ok {
			t.Errorf("SecretName(...): %q and %q both have %q", c, other, n)
		}
		seen[n] = c
	}
}

func TestIsInCluster(t *testing.T) {
	cases := map[string]struct {
		reason string
		server string
		want   bool
	}{
		"AsArgoCDWritesIt": {"Argo CD's own spelling.", "https://kubernetes.default.svc", true},
		"Case":             {"Host names have no case.", "https://KUBERNETES.default.SVC", true},
		"Port":             {"The port is the default.", "https://kubernetes.default.svc:443", true},
		"TrailingDot":      {"A rooted name is the same.", "https://kubernetes.default.svc.", true},
		"Short":            {"In the namespace default it is as short as this.", "https://kubernetes", true},
		"ClusterLocal":     {"With the cluster's domain.", "https://kubernetes.default.svc.cluster.local/", true},
		"AnotherService":   {"Another Service is another cluster, say a virtual one.", "https://vcluster.default.svc", false},
		"AnotherHost":      {"A host may begin alike.", "https://kubernetes.example.org", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := IsInCluster(tc.server); got != tc.want {
				t.Errorf("\n%s\nIsInCluster(%q): want %t, got %t", tc.reason, tc.server, tc.want, got)
			}
		})
	}
}

func TestCheckName(t *testing.T) {
	cases := map[string]struct {
		reason string
		name   string
		want   bool
	}{
		"Plain":            {"Most names are fine.", "prod", true},
		"Spaces":           {"Argo CD shows names, and lets them be anything.", "Prod / West ü", true},
		"Empty":            {"No name is none.", "", false},
		"InCluster":        {"Argo CD's own.", "in-cluster", false},
		"Long":             {"A name ends up in the names of Applications.", strings.Repeat("a", 254), false},
		"ControlCharacter": {"Nobody sees it.", "a\nb", false},
		"TrailingSpace":    {"Nobody sees it.", "a ", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := CheckName(tc.name); (len(got) == 0) != tc.want {
				t.Errorf("\n%s\nCheckName(%q): want ok %t, got %v", tc.reason, tc.name, tc.want, got)
			}
		})
	}
}
