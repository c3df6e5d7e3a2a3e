package main

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	fnv1 "github.com/crossplane/function-sdk-go/proto/v1"
)

// A codec is gRPC's own codec, except that it leaves composed resources encoded: the function reads
// few of them. Until resourceOf decodes one, it is an unknown field of its fnv1.Resource, which
// protobuf sends on as it came.
type codec struct{ encoding.CodecV2 }

// Unmarshal a message. A request of an encoding that is not known here is left to gRPC's own codec.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if req, ok := v.(*fnv1.RunFunctionRequest); ok && unmarshalRequest(data.Materialize(), req) {
		return nil
	}
	return c.CodecV2.Unmarshal(data, v)
}

// Tags of run_function.proto, struct.proto and the entries of maps: number and wire type.
const bytes1, bytes2, bytes3, bytes5, bytes6 = 1<<3 | 2, 2<<3 | 2, 3<<3 | 2, 5<<3 | 2, 6<<3 | 2

const maxDepth = 100 // Resources with more levels are decoded at once: isStruct is recursive.

// unmarshalRequest reports whether it could decode a request. If not, it may be half decoded.
func unmarshalRequest(b []byte, req *fnv1.RunFunctionRequest) bool {
	proto.Reset(req)
	return eachField(b, func(field, value []byte) bool {
		switch field[0] {
		case bytes2:
			return merge([]byte{bytes2, 0}, req, 0) && unmarshalState(value, req.GetObserved())
		case bytes3:
			return merge([]byte{bytes3, 0}, req, 0) && unmarshalState(value, req.GetDesired())
		}
		return merge(field, req, 0)
	})
}

func unmarshalState(b []byte, state *fnv1.State) bool {
	return eachField(b, func(field, value []byte) bool {
		if field[0] != bytes2 {
			return merge(field, state, 1)
		}
		if state.Resources == nil {
			state.Resources = make(map[string]*fnv1.Resource)
		}
		key, value, ok := entry(value)
		r := &fnv1.Resource{}
		state.Resources[string(key)] = r
		return ok && eachField(value, func(field, value []byte) bool {
			if m := r.ProtoReflect(); field[0] == bytes1 && len(m.GetUnknown()) == 0 && isStruct(value, maxDepth) {
				m.SetUnknown(slices.Clip(field)) // Other unknown fields are appended, to a copy.
				return true
			}
			return merge(field, r, 3) && r.GetResource() == nil
		})
	})
}

// merge decodes fields of a message that is so many levels below the request, as protobuf counts.
func merge(field []byte, m proto.Message, level int) bool {
	return proto.UnmarshalOptions{Merge: true, RecursionLimit: protowire.DefaultRecursionLimit - level}.Unmarshal(field, m) == nil
}

// resourceOf returns a resource, decoded. The codec has checked that it can be.
func resourceOf(r *fnv1.Resource) *structpb.Struct {
	if b := r.ProtoReflect().GetUnknown(); r.GetResource() == nil && len(b) > 0 {
		r.ProtoReflect().SetUnknown(nil)
		merge(b, r, 3)
	}
	return r.GetResource()
}

// textOf returns the string at a path of a resource's fields, without decoding the resource.
func textOf(r *fnv1.Resource, path ...string) string {
	b, _, _ := take(r.ProtoReflect().GetUnknown(), bytes1)
	for i, tag := range append(bytes.Repeat([]byte{bytes5}, len(path)-1), bytes3) {
		found := []byte(nil)
		eachField(b, func(_, item []byte) bool {
			if key, value, _ := entry(item); string(key) == path[i] {
				found = value
			}
			return true
		})
		b, _, _ = take(found, tag)
	}
	return string(b) + stringAt(r.GetResource(), path...)
}

// isStruct reports whether b is a Struct that protobuf can decode, and textOf can read as it is.
func isStruct(b []byte, depth int) bool {
	return eachField(b, func(field, item []byte) bool {
		_, value, ok := entry(item)
		return ok && field[0] == bytes1 && isValue(value, depth)
	})
}

func isValue(b []byte, depth int) bool {
	if _, _, n := protowire.ConsumeField(b); n < 0 || n != len(b) || depth == 0 {
		return false
	}
	value, _, _ := take(b, b[0])
	switch b[0] {
	case bytes3:
		return utf8.Valid(value)
	case bytes5:
		return isStruct(value, depth-1)
	case bytes6:
		return eachField(value, func(field, item []byte) bool { return field[0] == bytes1 && isValue(item, depth-1) })
	}
	return b[0] == 1<<3 || b[0] == 4<<3 || b[0] == 2<<3|1 // A null, a boolean or a number.
}

// eachField reports whether all fields are well-formed and f is true of each, and of its bytes.
func eachField(b []byte, f func(field, value []byte) bool) bool {
	var n int
	for ; len(b) > 0; b = b[n:] {
		value, _, _ := take(b, b[0])
		if _, _, n = protowire.ConsumeField(b); n < 0 || !f(b[:n], value) {
			return false
		}
	}
	return true
}

// entry returns the key and the value of a map's entry.
func entry(b []byte) (key, value []byte, ok bool) {
	key, rest, hasKey := take(b, bytes1)
	value, rest, ok = take(rest, bytes2)
	return key, value, hasKey && ok && len(rest) == 0 && utf8.Valid(key)
}

// take returns the value of the field that b begins with, if that has a tag, and what follows it.
func take(b []byte, tag byte) (value, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != tag {
		return nil, nil, false
	}
	value, n := protowire.ConsumeBytes(b[1:])
	return value, b[1+max(n, 0):], n >= 0
}
