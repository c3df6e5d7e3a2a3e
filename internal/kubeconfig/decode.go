package kubeconfig

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/tools/clientcmd/api/latest"
)

const (
	// MaxSize is the size in bytes of the largest kubeconfig that is read. Real ones have a
	// few KiB, and a whole Secret may have no more than 1 MiB.
	MaxSize = 512 << 10

	// maxElements bounds the elements of a kubeconfig: each costs the decoder some 200
	// bytes, however short it is. Real ones have a few hundred.
	maxElements = 32 << 10

	// maxTags bounds %TAG directives. The decoder compares each with all before it.
	maxTags = 16
)

// load decodes a kubeconfig. It drops the decoder's errors: they quote what they
// failed on, tokens included.
func load(data []byte) (*api.Config, error) {
	data, err := text(data)
	if err != nil {
		return nil, err
	}
	return decode(data)
}

// text returns a kubeconfig as YAML that is safe to decode. It decodes base64 once.
func text(data []byte) ([]byte, error) {
	if len(data) > MaxSize {
		return nil, Invalid(fmt.Sprintf("the kubeconfig is larger than %d KiB", MaxSize>>10))
	}
	if !isText(data) {
		return nil, notText()
	}
	// A mapping always has a colon, and base64 never has one.
	if !bytes.ContainsRune(data, ':') {
		raw, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(data), nil)))
		if err != nil {
			return nil, Invalid("the kubeconfig is not valid YAML, JSON or base64")
		}
		if data = raw; !isText(data) {
			return nil, notText()
		}
	}
	if elements(data) > maxElements {
		return nil, Invalid(fmt.Sprintf("the kubeconfig has more than %d YAML elements", maxElements))
	}
	if bytes.Count(data, []byte("%TAG")) > maxTags {
		return nil, undecodable()
	}
	return withoutAliases(data)
}

// isText reports whether data is UTF-8 without NUL. The decoder also reads UTF-16, in which
// a search for a character finds nothing.
func isText(data []byte) bool { return utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 }

func notText() error {
	return Invalid("the kubeconfig is not UTF-8 text; other encodings, such as UTF-16, are not supported")
}

func undecodable() error {
	return Invalid("the kubeconfig cannot be decoded: it must be YAML or JSON of apiVersion v1, kind Config, without duplicate cluster, user or context names")
}

// elements returns how many of the characters data has that YAML needs for each key, value
// and item.
func elements(data []byte) int {
	n := 0
	for _, c := range []byte(",:[{?-") {
		n += bytes.Count(data, []byte{c})
	}
	return n
}

// withoutAliases refuses YAML with aliases, of which the decoder makes gigabytes out of a
// few KiB: it limits how many there are, but not the size of what they repeat.
func withoutAliases(data []byte) ([]byte, error) {
	// An alias (*) needs an anchor (&). In JSON, both are only ever part of a string.
	if bytes.IndexByte(data, '&') < 0 || bytes.IndexByte(data, '*') < 0 || json.Valid(data) {
		return data, nil
	}
	doc := yaml.Node{}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, undecodable()
	}
	// What is decoded is what was searched. Another library decodes, which may see an
	// alias where this one sees none; in quoted strings there is none.
	b := &bytes.Buffer{}
	if !writeNode(b, &doc) {
		return nil, Invalid("the kubeconfig uses YAML anchors and aliases, which are not supported")
	}
	return b.Bytes(), nil
}

// writeNode writes a YAML node in flow style, with all strings quoted and in ASCII. It
// returns false if there is an alias in it.
func writeNode(b *bytes.Buffer, n *yaml.Node) bool {
	switch n.Kind {
	case yaml.AliasNode:
		return false
	case yaml.DocumentNode:
		return len(n.Content) == 0 || writeNode(b, n.Content[0])
	case yaml.SequenceNode, yaml.MappingNode:
		brackets := "[]"
		if n.Kind == yaml.MappingNode {
			brackets = "{}"
		}
		b.WriteByte(brackets[0])
		for i, c := range n.Content {
			switch {
			case i == 0:
			case n.Kind == yaml.MappingNode && i%2 == 1:
				b.WriteString(": ")
			default:
				b.WriteString(", ")
			}
			if !writeNode(b, c) {
				return false
			}
		}
		b.WriteByte(brackets[1])
	case yaml.ScalarNode:
		b.WriteString(scalar(n))
	}
	return true
}

// scalar returns a YAML scalar. A kubeconfig has no number, so its value does not matter
// where there is one; but it is not a string.
func scalar(n *yaml.Node) string {
	switch n.ShortTag() {
	case "!!null":
		return "null"
	case "!!bool":
		return strconv.FormatBool(strings.EqualFold(n.Value, "true"))
	case "!!int", "!!float":
		return "0"
	}
	// Go's escapes are a subset of YAML's.
	return strconv.QuoteToASCII(n.Value)
}

func decode(data []byte) (*api.Config, error) {
	cfg := api.NewConfig()
	if _, _, err := latest.Codec.Decode(data, &schema.GroupVersionKind{Version: latest.Version, Kind: "Config"}, cfg); err != nil {
		return nil, undecodable()
	}
	return cfg, nil
}
