package argocd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation"
)

// TestSecretName checks that a cluster's Secret has a valid name.
func TestSecretName(t *testing.T) {
	cases := map[string]struct {
		reason  string
		cluster string
		want    string
	}{
		"DNSName": {
			reason:  "We should keep a name that a Secret can have, because it is easy to find.",
			cluster: "team-a.prod",
			want:    "cluster-team-a.prod",
		},
		"UpperCase": {
			reason:  "We should add a hash to a name that we change, because another cluster may have that name.",
			cluster: "Prod",
			want:    "cluster-prod-5f56359ef1",
		},
		"Symbols": {
			reason:  "We should write a dash for other characters, because a Secret's name cannot have them.",
			cluster: "Production / West..eu ü",
			want:    "cluster-production-west-eu-ac5dc192bb",
		},
		"Long": {
			reason:  "We should cut a long name and add a hash, because Kubernetes refuses it.",
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

// TestSecretNamesDiffer guards against two clusters with one Secret, or one label.
func TestSecretNamesDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, c := range []string{"a", "A", "a-", "-a", "a b", "a/b", "a.b", "a..b", "a-b", "ä", "ö", strings.Repeat("a", 252), strings.Repeat("a", 253)} {
		n := SecretName(c)
		if other, ok := seen[n]; ok {
			t.Errorf("SecretName(...): %q and %q both have %q", c, other, n)
		}
		seen[n] = c
	}
	seen = map[string]string{}
	for _, c := range []string{"a", "A", "a-", "-a", "a b", "a/b", "a.b", "a..b", "a-b", "ä", "ö", strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("A", 64)} {
		n := ClusterLabel(c)
		if other, ok := seen[n]; ok {
			t.Errorf("ClusterLabel(...): %q and %q both have %q", c, other, n)
		}
		seen[n] = c
	}
}

// TestClusterLabel checks that the label made of a cluster's name is valid.
func TestClusterLabel(t *testing.T) {
	cases := map[string]struct {
		reason  string
		cluster string
		want    string
	}{
		"LabelValue": {
			reason:  "We should keep a name that a label can have, because ApplicationSets may select by it.",
			cluster: "Team_A.prod",
			want:    "Team_A.prod",
		},
		"Longest": {
			reason:  "We should keep a name of 63 characters, because a label can have it.",
			cluster: strings.Repeat("a", 63),
			want:    strings.Repeat("a", 63),
		},
		"Symbols": {
			reason:  "We should write a dash for other characters and add a hash, because a label cannot have them.",
			cluster: "Production / West..eu ü",
			want:    "production-west-eu-ac5dc192bb",
		},
		"Long": {
			reason:  "We should cut a long name and add a hash, because Kubernetes refuses it.",
			cluster: strings.Repeat("a", 64),
			want:    strings.Repeat("a", 52) + "-ffe054fe7a",
		},
		"CutAtADash": {
			reason:  "We should not leave a dash where a name is cut, because two dashes would meet.",
			cluster: strings.Repeat("a", 51) + " " + strings.Repeat("b", 20),
			want:    strings.Repeat("a", 51) + "-74cbdeee19",
		},
		"NoWords": {
			reason:  "We should use only the hash, because nothing is left of the name.",
			cluster: "ü",
			want:    "607474ca47",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := ClusterLabel(tc.cluster)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("\n%s\nClusterLabel(...): -want, +got:\n%s", tc.reason, diff)
			}
			if p := validation.IsValidLabelValue(got); len(p) > 0 || got == "" {
				t.Errorf("\n%s\nClusterLabel(...): %v", tc.reason, p)
			}
		})
	}
}

// TestServerLabel checks that the label made of a server is valid, and another server's is another.
func TestServerLabel(t *testing.T) {
	got := ServerLabel("https://192.0.2.1")
	if diff := cmp.Diff("44ac6374f2c5679161c6b6768e1f7070", got); diff != "" {
		t.Errorf("ServerLabel(...): -want, +got:\n%s", diff)
	}
	if p := validation.IsValidLabelValue(got); len(p) > 0 {
		t.Errorf("ServerLabel(...): %v", p)
	}
	if other := ServerLabel("https://192.0.2.2"); other == got {
		t.Errorf("ServerLabel(...): two servers have %s", got)
	}
}

// TestCheckName checks which names a cluster can have in Argo CD.
func TestCheckName(t *testing.T) {
	cases := map[string]struct {
		reason string
		name   string
		want   bool
	}{
		"Plain":            {"We should accept a plain name, because most are.", "prod", true},
		"Spaces":           {"We should accept spaces and symbols, because Argo CD only shows names.", "Prod / West ü", true},
		"Empty":            {"We should refuse an empty name, because Argo CD finds clusters by name.", "", false},
		"InCluster":        {"We should refuse in-cluster, because Argo CD calls its own cluster so.", "in-cluster", false},
		"Long":             {"We should refuse a very long name, because it ends up in the names of Applications.", strings.Repeat("a", 254), false},
		"ControlCharacter": {"We should refuse a control character, because it cannot be seen.", "a\nb", false},
		"TrailingSpace":    {"We should refuse a space at the end, because it cannot be seen.", "a ", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := CheckName(tc.name); (len(got) == 0) != tc.want {
				t.Errorf("\n%s\nCheckName(%q): want ok %t, got %v", tc.reason, tc.name, tc.want, got)
			}
		})
	}
}
