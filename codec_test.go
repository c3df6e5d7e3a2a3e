package main

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

func testCodec() codec { return codec{encoding.GetCodecV2(protocodec.Name)} }

func decodeRequest(b []byte) (*fnv1.RunFunctionRequest, error) {
	req := &fnv1.RunFunctionRequest{}
	return req, testCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, req)
}

// deterministic encodes a message so that equal messages are equal bytes.
func deterministic(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// overTheWire returns a request as the codec decodes it.
func overTheWire(t testing.TB, req *fnv1.RunFunctionRequest) *fnv1.RunFunctionRequest {
	t.Helper()
	decoded, err := decodeRequest(deterministic(t, req))
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

// checkCodec checks that the codec and the SDK decode the same request from bytes, or none: what
// is passed on without being read, what is read of it, and what is read at last. It returns how
// many resources were left encoded.
func checkCodec(t testing.TB, b []byte) (left int) {
	t.Helper()
	want := &fnv1.RunFunctionRequest{}
	wantErr := proto.Unmarshal(b, want)
	got, err := decodeRequest(b)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("the codec's error is %v, the SDK's is %v", err, wantErr)
	}
	if err != nil {
		return 0
	}
	passed, err := proto.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	again := &fnv1.RunFunctionRequest{}
	if err := proto.Unmarshal(passed, again); err != nil {
		t.Fatalf("what was passed on cannot be decoded: %v", err)
	}
	if !bytes.Equal(deterministic(t, want), deterministic(t, again)) {
		t.Error("what is passed on is not what came")
	}
	for _, s := range [][2]*fnv1.State{{got.GetObserved(), want.GetObserved()}, {got.GetDesired(), want.GetDesired()}} {
		if len(s[0].GetResources()) != len(s[1].GetResources()) {
			t.Fatalf("%d resources, not %d", len(s[0].GetResources()), len(s[1].GetResources()))
		}
		for name, r := range s[0].GetResources() {
			w := s[1].GetResources()[name]
			if r.GetResource() == nil && w.GetResource() != nil {
				left++
			}
			for _, f := range [][]string{{"apiVersion"}, {"kind"}, {"a"}, {"a", "a"}, {"spec", "writeConnectionSecretToRef", "name"}} {
				if text, want := textOf(r, f...), stringAt(w.GetResource(), f...); text != want {
					t.Errorf("%s is %q, not %q", f, text, want)
				}
			}
			if !bytes.Equal(deterministic(t, &fnv1.Resource{Resource: w.GetResource()}), deterministic(t, &fnv1.Resource{Resource: resourceOf(r)})) {
				t.Error("what is read is not what came")
			}
		}
	}
	if !bytes.Equal(deterministic(t, want), deterministic(t, got)) {
		t.Error("the request is not what came")
	}
	return left
}

// FuzzCodec checks that the codec decodes arbitrary bytes as the SDK does.
func FuzzCodec(f *testing.F) {
	for _, b := range encodings(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkCodec(t, b) })
}

// encodings returns requests, some as Go encodes them and some as it never does.
func encodings(t testing.TB) map[string][]byte {
	t.Helper()
	req := newRequest(t, legacyXR, "kubeconfigFrom: {resourceName: cluster}", map[string]observation{
		"cluster": {resource: aks, details: connectionDetails(t, "conn-aks-local.yaml")},
		"bucket":  {resource: bucket},
		"all":     {resource: `{apiVersion: v1, kind: All, a: [1, -2.5, "é", true, false, null, {}, [], {b: [[{}]]}], "": {"": ""}}`},
		"none":    {resource: "{}"},
	})
	req.Observed.Resources["ready"] = &fnv1.Resource{Ready: fnv1.Ready_READY_TRUE}
	field := func(n protowire.Number, values ...[]byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), slices.Concat(values...))
	}
	text := func(s string) []byte { return field(3, []byte(s)) }
	item := func(key string, value []byte) []byte { return field(1, field(1, []byte(key)), field(2, value)) }
	// observed returns a request with an observed resource of these fields.
	observed := func(fields ...[]byte) []byte { return field(2, field(2, field(1, []byte("r")), field(2, fields...))) }
	kind := item("kind", text("Object"))
	unknown := field(100, []byte("of a newer Crossplane"))
	// nested returns a request with a resource of so many levels, which end in a wrong one.
	nested := func(levels int, end []byte) []byte {
		for range levels {
			end = field(6, field(1, end))
		}
		return observed(field(1, item("a", end)))
	}
	// The length of this entry's key is more than what is left, and would also do as the value's tag.
	truncatedKey := field(1, []byte{bytes1, bytes2, 2, 4 << 3, 1})
	return map[string][]byte{
		"Request":               deterministic(t, req),
		"Empty":                 nil,
		"EmptyStates":           slices.Concat(field(2), field(3)),
		"NoResource":            observed(),
		"EmptyResource":         observed(field(1)),
		"Unknown":               slices.Concat(unknown, field(3, unknown, field(2, field(1, []byte("r")), field(2, field(1, kind), unknown)))),
		"UnknownFirst":          observed(unknown, field(1, kind)),
		"UnknownInResource":     observed(field(1, kind, unknown)),
		"UnknownInItem":         observed(field(1, field(1, field(1, []byte("a")), field(2, text("b")), unknown))),
		"UnknownInValue":        observed(field(1, item("a", slices.Concat(text("b"), unknown)))),
		"UnknownInEntry":        field(2, field(2, field(1, []byte("r")), field(2, field(1, kind)), unknown)),
		"Group":                 observed(field(1, kind), []byte{15<<3 | 3, 15<<3 | 4}),
		"TwoResources":          observed(field(1, kind), field(1, item("apiVersion", text("v1")))),
		"TwoStates":             slices.Concat(observed(field(1, kind)), observed(field(1, item("kind", text("Secret"))))),
		"TwoEntries":            field(2, field(2, field(1, []byte("r")), field(2, field(1, kind))), field(2, field(1, []byte("r")), field(2))),
		"ReversedEntry":         field(2, field(2, field(2, field(1, kind)), field(1, []byte("r")))),
		"TwoValuesInEntry":      field(2, field(2, field(1, []byte("r")), field(2, field(1, kind)), field(2, field(1, kind)))),
		"EntryWithoutKey":       field(2, field(2, field(2, field(1, kind)))),
		"EntryWithoutValue":     field(2, field(2, field(1, []byte("r")))),
		"TwoKinds":              observed(field(1, kind, item("kind", text("Secret")))),
		"KindIsNoText":          observed(field(1, kind, item("kind", []byte{4 << 3, 1}))),
		"TwoTextsInValue":       observed(field(1, item("kind", slices.Concat(text("a"), text("b"))))),
		"ValueOfNoKind":         observed(field(1, item("kind", nil))),
		"WrongWireType":         observed([]byte{1 << 3, 7}, field(1, kind)),
		"LongTag":               observed([]byte{1<<3 | 2 | 0x80, 0, 0}),
		"LongLength":            observed([]byte{1<<3 | 2, 0x80, 0}),
		"LongBool":              observed(field(1, item("a", []byte{4 << 3, 0x80, 1}))),
		"KeyIsNoUTF8":           observed(field(1, item("\xff", text("a")))),
		"TextIsNoUTF8":          observed(field(1, item("a", text("\xff")))),
		"NameIsNoUTF8":          field(2, field(2, field(1, []byte("\xff")), field(2, field(1, kind)))),
		"Truncated":             observed(field(1, kind))[:12],
		"TruncatedResource":     observed([]byte{1<<3 | 2, 9, 1}),
		"TruncatedKey":          observed(field(1, truncatedKey)),
		"TruncatedName":         field(2, field(2, []byte{bytes1, bytes2, 0})),
		"TruncatedNumber":       observed(field(1, item("a", []byte{2<<3 | 1, 0, 0}))),
		"FieldZero":             observed(field(1, kind), []byte{2, 0}),
		"EndOfNoGroup":          observed(field(1, kind), []byte{15<<3 | 4}),
		"Deep":                  nested(maxDepth-1, text("a")),
		"Deeper":                nested(maxDepth, text("a")),
		"DeepAndWrong":          nested(maxDepth+1, text("\xff")),
		"AsDeepAsProtobufReads": nested(4996, text("a")),
		"DeeperThanThat":        nested(4999, text("a")),
	}
}

// TestCodec checks that the codec decodes what the SDK does, and leaves encoded what Go encodes.
func TestCodec(t *testing.T) {
	// How many resources are left encoded, where it is not none.
	left := map[string]int{"Request": 5, "EmptyResource": 1, "Unknown": 1, "Group": 1, "TwoStates": 1, "TwoKinds": 1, "KindIsNoText": 1, "LongBool": 1, "LongLength": 1, "Deep": 1}
	for name, b := range encodings(t) {
		t.Run(name, func(t *testing.T) {
			if got := checkCodec(t, b); got != left[name] {
				t.Errorf("%d resources were left encoded, not %d", got, left[name])
			}
		})
	}
}

// randomMessage returns a message of tags that a request has, and of some that it has not.
func randomMessage(r *rand.Rand, depth int) []byte {
	var b []byte
	for range r.IntN(4) {
		tag := []byte{bytes1, bytes2, bytes3, bytes5, bytes6, 1 << 3, 4 << 3, 2<<3 | 1, 3 << 3, 1<<3 | 3, 1<<3 | 4, 15<<3 | 2}[r.IntN(12)]
		b = append(b, tag)
		switch {
		case tag&7 == 0:
			b = protowire.AppendVarint(b, r.Uint64N(300))
		case tag&7 == 1:
			b = protowire.AppendFixed64(b, r.Uint64())
		case tag&7 == 2 && depth == 0:
			b = protowire.AppendBytes(b, []byte([]string{"", "a", "kind", "\xff"}[r.IntN(4)]))
		case tag&7 == 2 && r.IntN(2) == 0:
			b = protowire.AppendBytes(b, randomMessage(r, depth-1))
		case tag&7 == 2:
			b = protowire.AppendBytes(b, randomEntry(r, randomMessage(r, depth-1)))
		}
	}
	return b
}

// randomEntry returns an entry of a map, which may lack a byte.
func randomEntry(r *rand.Rand, value []byte) []byte {
	key := protowire.AppendString([]byte{bytes1}, []string{"", "a", "kind", "apiVersion"}[r.IntN(4)])
	e := protowire.AppendBytes(append(key, bytes2), value)
	if i := r.IntN(8 * len(e)); i < len(e) {
		e = slices.Delete(e, i, i+1)
	}
	return e
}

// TestCodecRandom checks that the codec and the SDK decode the same request from messages that are
// nearly requests. Random bytes seldom are.
func TestCodecRandom(t *testing.T) {
	left := 0
	for seed := range uint64(20000) {
		r := rand.New(rand.NewPCG(seed, 0))
		resource := protowire.AppendBytes([]byte{bytes1}, protowire.AppendBytes([]byte{bytes1}, randomEntry(r, randomMessage(r, 3))))
		b := protowire.AppendBytes([]byte{bytes2}, protowire.AppendBytes([]byte{bytes2}, randomEntry(r, append(resource, randomMessage(r, 2)...))))
		b = append(b, protowire.AppendBytes([]byte{bytes3}, randomMessage(r, 4))...)
		for range r.IntN(3) {
			b[r.IntN(len(b))] = byte(r.IntN(40))
		}
		if left += checkCodec(t, b); t.Failed() {
			t.Fatalf("of %x", b)
		}
	}
	if left == 0 {
		t.Error("no resource was left encoded")
	}
}

// TestCodecLevels checks that the codec and the SDK read the same number of levels, wherever they
// are.
func TestCodecLevels(t *testing.T) {
	read := map[bool]int{}
	for levels := 4980; levels < 5010; levels++ {
		b := []byte{}
		for range levels {
			b = protowire.AppendBytes([]byte{bytes6}, protowire.AppendBytes([]byte{bytes1}, b))
		}
		b = slices.Concat([]byte{bytes1, 1, 'a'}, protowire.AppendBytes([]byte{bytes2}, b))
		b = protowire.AppendBytes([]byte{bytes1}, b) // a Struct
		resource := protowire.AppendBytes([]byte{bytes1}, b)
		for what, state := range map[string][]byte{
			"composite": protowire.AppendBytes([]byte{bytes1}, resource),
			"resource":  protowire.AppendBytes([]byte{bytes2}, slices.Concat([]byte{bytes1, 1, 'r'}, protowire.AppendBytes([]byte{bytes2}, resource))),
		} {
			b := protowire.AppendBytes([]byte{bytes2}, state)
			t.Run(what, func(t *testing.T) { checkCodec(t, b) })
			read[proto.Unmarshal(b, &fnv1.RunFunctionRequest{}) == nil]++
		}
	}
	if read[true] == 0 || read[false] == 0 {
		t.Errorf("protobuf's limit is not among these: %v", read)
	}
}

// TestResourceOf checks that a resource that is read is decoded once, with what is not known of it.
func TestResourceOf(t *testing.T) {
	unknown := protowire.AppendString(protowire.AppendTag(nil, 100, protowire.BytesType), "new")
	want := &fnv1.Resource{Resource: mustStruct(t, aks), Ready: fnv1.Ready_READY_TRUE, ConnectionDetails: map[string][]byte{"a": []byte("b")}}
	want.ProtoReflect().SetUnknown(unknown)
	r := overTheWire(t, &fnv1.RunFunctionRequest{Desired: &fnv1.State{Resources: map[string]*fnv1.Resource{"r": want}}}).GetDesired().GetResources()["r"]
	if r.GetResource() != nil {
		t.Fatal("it was decoded before it was read")
	}
	first := resourceOf(r)
	if first == nil || resourceOf(r) != first || !bytes.Equal(r.ProtoReflect().GetUnknown(), unknown) || !proto.Equal(r, want) {
		t.Errorf("got %v", r)
	}
	for name, r := range map[string]*fnv1.Resource{"Nil": nil, "Empty": {}} {
		if res := resourceOf(r); res != nil || textOf(r, "kind") != "" {
			t.Errorf("%s: %v", name, res)
		}
	}
	if text := textOf(&fnv1.Resource{Resource: &structpb.Struct{}}, "kind"); text != "" {
		t.Errorf("kind %q", text)
	}
}
