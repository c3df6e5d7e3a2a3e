package kubeconfig

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestText checks that the text which is decoded has no anchors and aliases, by which other
// readers could take it for more.
func TestText(t *testing.T) {
	cases := map[string]struct {
		reason string
		data   string
		want   string
	}{
		"Plain": {
			reason: "We should return JSON unchanged, because it cannot have an alias.",
			data:   "a: &a b",
			want:   "a: &a b",
		},
		"JSON": {
			reason: "We should accept the characters of an alias in JSON, because it cannot have one.",
			data:   `{"a": "&a *a"}`,
			want:   `{"a": "&a *a"}`,
		},
		"Rewritten": {
			reason: "We should decode exactly what was searched, because another library could find an alias in the rest.",
			data:   "a: &a b # *\nc: [~, True, 1, .5, '*', \"&\\u00fc\\n\"]\n? d\n---\n*e",
			want:   `{"a": "b", "c": [null, true, 0, 0, "*", "&\u00fc\n"], "d": null}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := text([]byte(tc.data))
			if err != nil {
				t.Fatalf("\n%s\ntext(...): %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Errorf("\n%s\ntext(...): -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
