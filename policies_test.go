package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestPolicyLists checks that the policies for the platform's APIs name every API of the examples whose
// users can drain a cluster.
func TestPolicyLists(t *testing.T) {
	drained := map[string]bool{}
	for _, d := range definitions(t) {
		plural := d.Spec.ClaimNames.Plural
		if d.Spec.Scope == "Namespaced" {
			plural = d.Spec.Names.Plural
		}
		for _, v := range d.Spec.Versions {
			fields := v.Schema.OpenAPIV3Schema.Properties["spec"].Properties
			_, own := fields["drain"]
			_, parameter := fields["parameters"].Properties["drain"]
			if plural != "" && (own || parameter) {
				drained[plural] = true
			}
		}
	}
	// The README says why.
	delete(drained, "importedclusters")

	for _, name := range []string{"clusters.yaml", "deletion.yaml", "production-drain.yaml"} {
		want := maps.Clone(drained)
		if name == "production-drain.yaml" {
			// It is for development.
			delete(want, "previewclusters")
		}
		for _, form := range []string{"kubernetes", "kyverno"} {
			f := filepath.Join("example", "platform-policies", form, name)
			var policy struct {
				Spec struct {
					MatchConstraints struct {
						ResourceRules []struct{ Resources []string }
					}
				}
			}
			policyOf, _, _ := strings.Cut(read(t, f), "\n---\n") // Its binding follows.
			if err := yaml.Unmarshal([]byte(policyOf), &policy); err != nil {
				t.Fatal(err)
			}
			rules := policy.Spec.MatchConstraints.ResourceRules
			if len(rules) != 1 {
				t.Fatalf("%s has %d rules", f, len(rules))
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), rules[0].Resources); diff != "" {
				t.Errorf("%s: -APIs that can be drained, +APIs in the policy:\n%s", f, diff)
			}
		}
	}
}
