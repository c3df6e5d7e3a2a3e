package kubeconfig

import (
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// A host has many spellings, and clients, resolvers and kernels accept most of them. All
// of them are brought into one here, which is the one that is checked. The errors of this
// file read as the predicate of a sentence, and hold no text of the host.

var (
	// A DNS name in lower case, with the underscores that resolvers accept too.
	dnsName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)

	// What the last label of an IPv4 address looks like. No top-level domain does.
	number = regexp.MustCompile(`^(\d+|0x[0-9a-f]*)$`)
)

// maxHostname is the length of the longest DNS name.
const maxHostname = 253

// A host is a host in its normal spelling.
type host struct {
	// name in lower-case ASCII without a trailing dot; an IP address as netip writes it.
	name string

	// addrs that the host means, if it is an IP address. It has two where readers
	// disagree on what its leading zeros are for.
	addrs []netip.Addr
}

// parseIPv6 returns the host that was written in the brackets of a URL.
func parseIPv6(s string) (host, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return host{}, errHost()
	}
	return host{name: a.Unmap().String(), addrs: []netip.Addr{a}}, nil
}

// parseHost returns the host that was written without brackets.
func parseHost(s string) (host, error) {
	if strings.ContainsFunc(s, func(r rune) bool { return r > '~' }) {
		// As net/http does it.
		ascii, err := idna.Lookup.ToASCII(s)
		if err != nil {
			return host{}, errHost()
		}
		s = ascii
	}
	s = strings.TrimSuffix(strings.ToLower(s), ".")
	if !dnsName.MatchString(s) || len(s) > maxHostname {
		return host{}, errHost()
	}
	if !number.MatchString(s[strings.LastIndexByte(s, '.')+1:]) {
		return host{name: s}, nil
	}
	// inet_aton's reading comes first, that of parsers which ignore leading zeros second.
	a, ok := parseIPv4(s, 0)
	if !ok {
		return host{}, errors.New("has an invalid IPv4 address as its host")
	}
	h := host{name: a.String(), addrs: []netip.Addr{a}}
	if b, ok := parseIPv4(s, 10); ok && b != a {
		h.addrs = append(h.addrs, b)
	}
	return h, nil
}

// parseIPv4 returns the IPv4 address of one to four numbers, of which the last fills all
// bytes that are left. In base 0, a leading 0x means hexadecimal and a leading 0 octal.
func parseIPv4(s string, base int) (netip.Addr, bool) {
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var v uint64
	for i, p := range parts {
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (4 - i)
		}
		n, ok := parseNumber(p, base, bits)
		if !ok {
			return netip.Addr{}, false
		}
		v = v<<bits | n
	}
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), true
}

func parseNumber(s string, base, bits int) (uint64, bool) {
	if base == 0 {
		// Not ParseUint's base 0, which knows underscores, 0b and 0o as well.
		base = 10
		switch digits, hex := strings.CutPrefix(s, "0x"); {
		case hex:
			s, base = "0"+digits, 16
		case len(s) > 1 && s[0] == '0':
			base = 8
		}
	}
	n, err := strconv.ParseUint(s, base, bits)
	return n, err == nil
}

// check refuses a host that means another machine to Argo CD than to its author. A loopback
// address is refused unless it is allowed.
func (h host) check(loopback bool) error {
	for _, a := range h.addrs {
		if err := checkAddr(a, loopback); err != nil {
			return err
		}
		if v4, ok := embedded(a); ok {
			if err := checkAddr(v4, loopback); err != nil {
				return err
			}
		}
	}
	switch {
	case len(h.addrs) > 0:
		return nil
	case isLocalhost(h.name) && !loopback:
		return errLoopback()
	case isInCluster(h.name):
		return errors.New("is an in-cluster address, which Argo CD takes for the cluster it runs in")
	}
	return nil
}

func errHost() error {
	return errors.New("does not have a DNS name or an IP address as its host")
}

func errLoopback() error {
	return errors.New("is a loopback address, which Argo CD would resolve to its own Pod")
}

func checkAddr(a netip.Addr, loopback bool) error {
	a = a.Unmap()
	switch {
	case a.IsLoopback():
		if loopback {
			return nil
		}
		return errLoopback()
	case a.IsUnspecified(), a.Is4() && a.As4()[0] == 0:
		return errors.New("is an unspecified address, which Argo CD would resolve to its own Pod")
	case a.IsLinkLocalUnicast():
		return errors.New("is a link-local address, which belongs to the machine that Argo CD runs on")
	case a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return errors.New("is a multicast or broadcast address, which is not the address of a server")
	}
	return nil
}

// embedded returns the IPv4 address within an IPv6 address of a kind that systems or
// gateways connect to as IPv4. Unmap already covers the IPv4-mapped ones.
func embedded(a netip.Addr) (netip.Addr, bool) {
	for _, p := range []struct {
		prefix string
		offset int
	}{
		{"::/96", 12},           // IPv4-compatible
		{"::ffff:0:0:0/96", 12}, // IPv4-translated
		{"64:ff9b::/96", 12},    // NAT64
		{"64:ff9b:1::/48", 12},  // NAT64 of local use
		{"2002::/16", 2},        // 6to4
	} {
		if netip.MustParsePrefix(p.prefix).Contains(a) {
			b := a.As16()
			return netip.AddrFrom4([4]byte(b[p.offset : p.offset+4])), true
		}
	}
	return netip.Addr{}, false
}

// isLocalhost reports whether a name is one of those that mean the machine itself, by RFC
// 6761 or in the hosts file of a common distribution.
func isLocalhost(name string) bool {
	return strings.HasSuffix(name, ".localhost") || slices.Contains([]string{
		"localhost", "localhost4", "localhost6", "loopback", "broadcasthost",
		"localhost.localdomain", "localhost4.localdomain4", "localhost6.localdomain6",
		"ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-mcastprefix",
		"ip6-allnodes", "ip6-allrouters", "ip6-allhosts",
	}, name)
}

// isInCluster reports whether a name is that of the API server of the cluster that Argo CD
// runs in. For it, Argo CD ignores all credentials. Other Services are other clusters.
func isInCluster(name string) bool {
	return slices.Contains([]string{"kubernetes", "kubernetes.default", "kubernetes.default.svc"}, name) ||
		strings.HasPrefix(name, "kubernetes.default.svc.")
}
