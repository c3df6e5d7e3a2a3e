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

func TestClusterLabel(t *testing.T) {
	cases := map[string]struct {
		reason  string
		cluster string
		want    string
	}{
		"LabelValue": {
			reason:  "A name that can be a label's value stays as it is.",
			cluster: "Team_A.prod",
			want:    "Team_A.prod",
		},
		"Longest": {
			reason:  "A value has at most 63 characters.",
			cluster: strings.Repeat("a", 63),
			want:    strings.Repeat("a", 63),
		},
		"Symbols": {
			reason:  "Whatever a value may not have becomes a dash, and the name's hash tells it from others.",
			cluster: "Production / West..eu ü",
			want:    "production-west-eu-ac5dc192bb",
		},
		"Long": {
			reason:  "A name is cut where it is too long.",
			cluster: strings.Repeat("a", 64),
			want:    strings.Repeat("a", 52) + "-ffe054fe7a",
		},
		"CutAtADash": {
			reason:  "No two dashes meet where a name is cut.",
			cluster: strings.Repeat("a", 51) + " " + strings.Repeat("b", 20),
			want:    strings.Repeat("a", 51) + "-74cbdeee19",
		},
		"NoWords": {
			reason:  "A name of which nothing is left is its hash.",
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
