package kubeconfig

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// hostile returns kubeconfigs of about the greatest size that is read, of which each takes as
// much work as it can, by name. All hold an anchor and an asterisk, so that they are searched for
// aliases.
func hostile() map[string]string {
	const size = MaxSize - 1<<10
	repeat := func(s string, n int) string { return strings.Repeat(s, min(n, size/len(s))) }
	number := func(format string, n int) string {
		b := strings.Builder{}
		for i := 0; i < n && b.Len() < size; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	// So many of a thing with one of the counted characters, or two.
	const one, two = maxElements - 10, maxElements/2 - 10
	const prefix = "x: &a 1 # *\ncontexts: []\n"
	return map[string]string{
		"Brackets":        prefix + "y: " + repeat("[", one),
		"BracketsClosed":  prefix + "y: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"Braces":          prefix + "y: " + repeat("{a: ", two),
		"BracesClosed":    prefix + "y: " + strings.Repeat("{a: ", 9000) + strings.Repeat("}", 9000),
		"MergeKeysNested": prefix + "y: " + strings.Repeat("{<<: ", 9000) + strings.Repeat("}", 9000),
		"MergeKeys":       prefix + "y: {" + repeat("<<: {},", one/3) + "}",
		"Items":           prefix + "y: [" + repeat("a,", one) + "]",
		"Numbers":         prefix + "y: [" + repeat("1,", one) + "]",
		"Keys":            prefix + number("k%x:\n", one),
		"FlowKeys":        prefix + "y: {" + number("%x,", one) + "}",
		"SameKey":         prefix + repeat("a:\n", one),
		"Dashes":          prefix + "y:\n" + repeat("- \n", one),
		"DashesNested":    prefix + "y:\n" + repeat("- ", one),
		"QuestionMarks":   prefix + "y:\n" + repeat("? ", one),
		"Anchors":         prefix + "y: [" + number("&a%x 1,", one) + "]",
		"SameAnchor":      prefix + "y: [" + repeat("&a 1,", one) + "]",
		"Comments":        prefix + repeat("#\n", size),
		"CommentsIndent":  prefix + "y:\n" + repeat("  #\n", size) + "  z: 1",
		"CommentsOfItems": prefix + "y:\n" + repeat("- 1 #\n", one),
		"CommentsInFlow":  prefix + "y: [\n" + repeat("a, #\n", one) + "]",
		"CommentsInText":  prefix + "y: a\n" + repeat("  # a\n  # b\n\n", size),
		"LongPlain":       prefix + "y: " + repeat("a", size),
		"LongWords":       prefix + "y: " + repeat("a ", size),
		"LongLines":       prefix + "y: " + repeat("a\n  ", size),
		"LongQuoted":      prefix + "y: \"" + repeat("a", size) + "\"",
		"LongEscapes":     prefix + "y: \"" + repeat(`\n`, size) + "\"",
		"LongUnicode":     prefix + "y: \"" + repeat("\u0085", size) + "\"",
		"Block":           prefix + "y: |\n" + repeat(" a\n", size),
		"BlankLines":      prefix + repeat("\n", size),
		"Spaces":          prefix + repeat(" ", size),
		"Tags":            prefix + "y: [" + repeat("!a 1,", one) + "]",
		"TagDirectives":   tagDirectives(40000)[:size] + "\n---\n" + prefix,
		"Documents":       prefix + repeat("---\n", size),
		"Aliases":         "x: &a " + repeat("y", 250<<10) + "\nl: [" + repeat("*a,", one) + "]",
		"AliasesNested":   "a0: &a0 [x,x,x,x]\n" + number("b: &b%[1]x [*a0,*a0,*a0]\n", one/5),
	}
}

// TestHostile checks that nothing takes much memory. BenchmarkHostile shows that nothing takes long:
// some 100 ms at most.
func TestHostile(t *testing.T) {
	for name, data := range hostile() {
		t.Run(name, func(t *testing.T) {
			if len(data) > MaxSize {
				t.Fatalf("%d bytes are too many to be read", len(data))
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Parse([]byte(data), Options{Now: now()})
			runtime.ReadMemStats(&after)
			allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
			if err == nil {
				t.Error("Parse(...): no error")
			}
			if allocated > 64 {
				t.Errorf("Parse(...): allocated %d MiB: %v", allocated, err)
			}
		})
	}
}

// BenchmarkHostile measures how long it takes to refuse what is made to take long.
func BenchmarkHostile(b *testing.B) {
	for name, data := range hostile() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse([]byte(data), Options{Now: now()}); err == nil {
					b.Fatal("Parse(...): no error")
				}
			}
		})
	}
}

// BenchmarkParse measures how long kubeconfigs take to be parsed.
func BenchmarkParse(b *testing.B) {
	for name, file := range map[string]string{"ClientCertificate": "kc-capi.yaml", "Token": "kc-eks-clusterauth.yaml"} {
		data := sample(b, file)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(data, Options{Now: now()}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRecognize measures how long a kubeconfig and another value take to be told apart.
func BenchmarkRecognize(b *testing.B) {
	for name, data := range map[string][]byte{
		"Kubeconfig": sample(b, "kc-capi.yaml"),
		"Other":      []byte("replicas: 3\nimage: {tag: v1}\n" + strings.Repeat("key: value\n", 500)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Recognize(data)
			}
		})
	}
}
