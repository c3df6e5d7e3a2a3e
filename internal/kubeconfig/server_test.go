package kubeconfig

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	isLoopback    = "is a loopback address, which Argo CD would resolve to its own Pod"
	isUnspecified = "is an unspecified address, which Argo CD would resolve to its own Pod"
	isLinkLocal   = "is a link-local address, which belongs to the machine that Argo CD runs on"
	isMulticast   = "is a multicast or broadcast address, which is not the address of a server"
	inCluster     = "is an in-cluster address, which Argo CD takes for the cluster it runs in"
	noHost        = "does not have a DNS name or an IP address as its host"
	noIPv4        = "has an invalid IPv4 address as its host"
	escapedHost   = "has a zone or an escaped character in its host"
)

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestHosts checks which hosts a server's URL and a proxy's may have: the same.
func TestHosts(t *testing.T) {
	cases := map[string]struct {
		reason string
		host   string
		want   string
	}{
		"Name":             {"We should accept it, because most servers have a DNS name.", "prod.example.org", ""},
		"UpperCase":        {"We should accept it, because EKS's names have upper case.", "0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com", ""},
		"Underscore":       {"We should accept it, because resolvers accept underscores.", "my_cluster.example.org", ""},
		"SingleLabel":      {"We should accept it, because a name may have one label only.", "prod", ""},
		"Rooted":           {"We should accept it, because a rooted name is a name.", "prod.example.org.", ""},
		"International":    {"We should accept it, because idna can map it.", "bücher.example", ""},
		"Punycode":         {"We should accept it, because idna maps to it.", "xn--bcher-kva.example", ""},
		"Private":          {"We should accept it, because a private address is not loopback.", "10.0.0.1", ""},
		"IPv6":             {"We should accept it, because a server may have an IPv6 address.", "[2001:db8::1]", ""},
		"UniqueLocal":      {"We should accept it, because a private address is not loopback.", "[fd00::1]", ""},
		"LikeLocalhost":    {"We should accept it, because it only begins like localhost.", "localhost.example.org", ""},
		"LikeKubernetes":   {"We should accept it, because it only begins like the hub's name.", "kubernetes.example.org", ""},
		"AnotherService":   {"We should accept it, because another Service is another cluster, for example a virtual one.", "vcluster.default.svc", ""},
		"OtherKubernetes":  {"We should accept it, because the hub's Service is in the namespace default.", "kubernetes.vcluster.svc.cluster.local", ""},
		"DecimalOfPrivate": {"We should accept it, because a number means the address that it is.", "167772161", ""},
		"OctalOfPrivate":   {"We should accept it, because an octal number means the address that it is.", "012.0.0.1", ""},
		"NAT64OfPrivate":   {"We should accept it, because an embedded address is judged by itself.", "[64:ff9b::a00:1]", ""},

		"Loopback":               {"We should refuse it as a loopback address, because Argo CD would connect to itself.", "127.0.0.1", isLoopback},
		"LoopbackNetwork":        {"We should refuse it as a loopback address, because the whole of 127.0.0.0/8 is loopback.", "127.8.7.6", isLoopback},
		"LoopbackRooted":         {"We should refuse it as a loopback address, because resolvers drop the dot.", "127.0.0.1.", isLoopback},
		"LoopbackIPv6":           {"We should refuse it as a loopback address, because IPv6 has one loopback address.", "[::1]", isLoopback},
		"LoopbackIPv6Long":       {"We should refuse it as a loopback address, because an IPv6 address has several spellings.", "[0:0:0:0:0:0:0:1]", isLoopback},
		"Localhost":              {"We should refuse it as a loopback address, because hosts files name a loopback address so.", "localhost", isLoopback},
		"LocalhostUpperCase":     {"We should refuse it as a loopback address, because names have no case.", "LocalHost", isLoopback},
		"LocalhostRooted":        {"We should refuse it as a loopback address, because a rooted name is the same.", "localhost.", isLoopback},
		"LocalhostSubdomain":     {"We should refuse it as a loopback address, because every name under localhost is loopback.", "kind.localhost", isLoopback},
		"LocalhostLocaldomain":   {"We should refuse it as a loopback address, because Red Hat's hosts file has it.", "localhost.localdomain", isLoopback},
		"Localhost6":             {"We should refuse it as a loopback address, because Red Hat's hosts file has it.", "localhost6.localdomain6", isLoopback},
		"IP6Localhost":           {"We should refuse it as a loopback address, because Debian's hosts file has it.", "ip6-localhost", isLoopback},
		"IP6Loopback":            {"We should refuse it as a loopback address, because Debian's hosts file has it.", "ip6-loopback", isLoopback},
		"LocalhostFullWidth":     {"We should refuse it as a loopback address, because net/http maps full-width letters.", "ｌｏｃａｌｈｏｓｔ", isLoopback},
		"LocalhostFullWidthCase": {"We should refuse it as a loopback address, because net/http maps full-width letters and lowers their case.", "ＬＯＣＡＬＨＯＳＴ", isLoopback},
		"LocalhostMathematical":  {"We should refuse it as a loopback address, because net/http maps mathematical letters.", "𝐥𝐨𝐜𝐚𝐥𝐡𝐨𝐬𝐭", isLoopback},
		"LocalhostLongS":         {"We should refuse it as a loopback address, because net/http maps the long s to an s.", "localhoſt", isLoopback},
		"LocalhostIgnorable":     {"We should refuse it as a loopback address, because net/http drops a variation selector.", "local\ufe0fhost", isLoopback},
		"CircledDigits":          {"We should refuse it as a loopback address, because net/http maps circled digits.", "①②⑦.0.0.1", isLoopback},
		"FullWidthDigits":        {"We should refuse it as a loopback address, because net/http maps full-width digits.", "１２７.０.０.１", isLoopback},
		"IdeographicDots":        {"We should refuse it as a loopback address, because net/http maps ideographic full stops.", "127。0。0。1", isLoopback},
		"FullWidthDots":          {"We should refuse it as a loopback address, because net/http maps full-width full stops.", "127．0．0．1", isLoopback},
		"HalfWidthDots":          {"We should refuse it as a loopback address, because net/http maps half-width full stops.", "127｡0｡0｡1", isLoopback},
		"Short":                  {"We should refuse it as a loopback address, because inet_aton fills in zeros.", "127.1", isLoopback},
		"ShortOfThree":           {"We should refuse it as a loopback address, because inet_aton fills in a zero between three numbers.", "127.0.1", isLoopback},
		"Decimal":                {"We should refuse it as a loopback address, because one number is an address.", "2130706433", isLoopback},
		"Octal":                  {"We should refuse it as a loopback address, because a leading zero means octal.", "0177.0.0.1", isLoopback},
		"OctalWhole":             {"We should refuse it as a loopback address, because inet_aton reads one octal number.", "017700000001", isLoopback},
		"OctalOrDecimal":         {"We should refuse it as a loopback address, because some resolvers ignore leading zeros.", "0127.0.0.1", isLoopback},
		"Hexadecimal":            {"We should refuse it as a loopback address, because a leading 0x means hexadecimal.", "0x7f.1", isLoopback},
		"HexadecimalWhole":       {"We should refuse it as a loopback address, because inet_aton reads one hexadecimal number.", "0x7f000001", isLoopback},
		"HexadecimalUpperCase":   {"We should refuse it as a loopback address, because hexadecimal digits have no case.", "0X7F.0.0.0X1", isLoopback},
		"HexadecimalNothing":     {"We should refuse it as a loopback address, because 0x alone is zero.", "127.0x", isLoopback},
		"MappedLoopback":         {"We should refuse it as a loopback address, because IPv4 in IPv6 is IPv4.", "[::ffff:127.0.0.1]", isLoopback},
		"MappedLoopbackHex":      {"We should refuse it as a loopback address, because IPv4 in IPv6 may be in hexadecimal.", "[::ffff:7f00:1]", isLoopback},
		"CompatibleLoopback":     {"We should refuse it as a loopback address, because IPv6 has a second place for IPv4.", "[::127.0.0.1]", isLoopback},
		"TranslatedLoopback":     {"We should refuse it as a loopback address, because IPv6 has a place for translated IPv4.", "[::ffff:0:127.0.0.1]", isLoopback},
		"NAT64Loopback":          {"We should refuse it as a loopback address, because NAT64 has a place for IPv4.", "[64:ff9b::127.0.0.1]", isLoopback},
		"NAT64LocalLoopback":     {"We should refuse it as a loopback address, because NAT64 has a local place for IPv4.", "[64:ff9b:1::7f00:1]", isLoopback},
		"6to4Loopback":           {"We should refuse it as a loopback address, because 6to4 has a place for IPv4.", "[2002:7f00:1::]", isLoopback},

		"Unspecified":       {"We should refuse it as an unspecified address, because Linux connects to itself.", "0.0.0.0", isUnspecified},
		"UnspecifiedShort":  {"We should refuse it as an unspecified address, because inet_aton reads 0 as 0.0.0.0.", "0", isUnspecified},
		"UnspecifiedNet":    {"We should refuse it as an unspecified address, because all of 0.0.0.0/8 means this network.", "0.1.2.3", isUnspecified},
		"UnspecifiedIPv6":   {"We should refuse it as an unspecified address, because IPv6 has an unspecified address.", "[::]", isUnspecified},
		"UnspecifiedMapped": {"We should refuse it as an unspecified address, because client-go connects to it.", "[::ffff:0.0.0.0]", isUnspecified},
		"LinkLocal":         {"We should refuse it as a link-local address, because clouds have their metadata there.", "169.254.169.254", isLinkLocal},
		"LinkLocalDecimal":  {"We should refuse it as a link-local address, because inet_aton reads one number as an address.", "2852039166", isLinkLocal},
		"LinkLocalMapped":   {"We should refuse it as a link-local address, because IPv4 in IPv6 is IPv4.", "[::ffff:a9fe:a9fe]", isLinkLocal},
		"LinkLocalNAT64":    {"We should refuse it as a link-local address, because NAT64 has a place for IPv4.", "[64:ff9b::a9fe:a9fe]", isLinkLocal},
		"LinkLocalIPv6":     {"We should refuse it as a link-local address, because IPv6 has link-local addresses.", "[fe80::1]", isLinkLocal},
		"Multicast":         {"We should refuse it as a multicast address, because no server has a multicast address.", "224.0.0.1", isMulticast},
		"MulticastIPv6":     {"We should refuse it as a multicast address, because no server has a multicast address.", "[ff02::1]", isMulticast},
		"Broadcast":         {"We should refuse it as a multicast address, because no server has a broadcast address.", "255.255.255.255", isMulticast},

		"InCluster":            {"We should refuse it as an in-cluster address, because Argo CD spells its own cluster so.", "kubernetes.default.svc", inCluster},
		"InClusterUpperCase":   {"We should refuse it as an in-cluster address, because names have no case.", "KUBERNETES.default.SVC", inCluster},
		"InClusterRooted":      {"We should refuse it as an in-cluster address, because a rooted name is the same.", "kubernetes.default.svc.", inCluster},
		"InClusterShort":       {"We should refuse it as an in-cluster address, because Pods in the namespace default resolve it so.", "kubernetes", inCluster},
		"InClusterNamespace":   {"We should refuse it as an in-cluster address, because Pods in other namespaces resolve it so.", "kubernetes.default", inCluster},
		"InClusterLocal":       {"We should refuse it as an in-cluster address, because it ends with the cluster's domain.", "kubernetes.default.svc.cluster.local", inCluster},
		"InClusterFullWidth":   {"We should refuse it as an in-cluster address, because net/http maps full-width letters.", "ｋubernetes.default.svc", inCluster},
		"InClusterIdeographic": {"We should refuse it as an in-cluster address, because net/http maps ideographic full stops.", "kubernetes。default。svc", inCluster},
		"InClusterLastDot":     {"We should refuse it as an in-cluster address, because net/http maps ideographic full stops at the end.", "kubernetes.default.svc。", inCluster},
		"InClusterKelvinSign":  {"We should refuse it as an in-cluster address, because net/http maps the sign of Kelvin to a k.", "\u212aubernetes.default.svc", inCluster},
		"InClusterVariation":   {"We should refuse it as an in-cluster address, because net/http drops a variation selector.", "kube\ufe00rnetes.default.svc", inCluster},
		"InClusterSoftHyphen":  {"We should refuse a soft hyphen, because it cannot be seen.", "kuber\u00adnetes.default.svc", "is not a URL like SCHEME://host:port"},
		"InClusterZeroWidth":   {"We should refuse a space without width, because it cannot be seen.", "kuber\u200bnetes.default.svc", "is not a URL like SCHEME://host:port"},
		"InClusterJoiner":      {"We should refuse a joiner without width, because it cannot be seen.", "kuber\u200dnetes.default.svc", "is not a URL like SCHEME://host:port"},
		"InClusterWordJoiner":  {"We should refuse a word joiner, because it cannot be seen.", "kuber\u2060netes.default.svc", "is not a URL like SCHEME://host:port"},
		"InClusterPercent":     {"We should refuse escapes in a host, because some readers decode them.", "%6bubernetes.default.svc", escapedHost},
		"LocalhostPercentUTF8": {"We should refuse escapes of Unicode, because url.Parse decodes them.", "%EF%BD%8Cocalhost", escapedHost},
		"Zone":                 {"We should refuse a zone, because it is of one machine only.", "[fe80::1%25eth0]", escapedHost},
		"ZoneUnescaped":        {"We should refuse a zone that is not escaped, because it is of one machine only.", "[::1%lo]", escapedHost},
		"IPv4InBrackets":       {"We should refuse IPv4 in brackets, because brackets are for IPv6.", "[192.0.2.1]", "is not a URL like SCHEME://host:port"},
		"IPv6WithoutEnd":       {"We should refuse half a bracket, because it is not a URL.", "[2001:db8::1", "is not a URL like SCHEME://host:port"},
		"NotIPv6":              {"We should refuse another text in brackets, because brackets are for IPv6.", "[2001:db8::g]", "is not a URL like SCHEME://host:port"},
		"IPv4TooLarge":         {"We should refuse 256, because an address has no such number.", "256.0.0.1", noIPv4},
		"IPv4TooMany":          {"We should refuse five numbers, because an address has four.", "1.2.3.4.5", noIPv4},
		"IPv4NotOctal":         {"We should refuse 08, because it is not octal.", "127.0.0.08", noIPv4},
		"IPv4TooLargeDecimal":  {"We should refuse a number of 33 bits, because an address has 32.", "4294967296", noIPv4},
		"NumberAtTheEnd":       {"We should refuse a number at the end, because no top-level domain is a number.", "example.127", noIPv4},
		"ConfusableLetter":     {"We should refuse a label with a character that idna cannot map, because it may look like another one.", "prod\U000e0001.example.org", "is not a URL like SCHEME://host:port"},
		"Unmappable":           {"We should refuse what idna refuses, because it is not a name.", "prod⒈.example.org", noHost},
		"FullWidthSlash":       {"We should refuse a full-width slash, because idna maps it to a slash.", "prod.example.org／x.gke.goog", noHost},
		"EmptyLabel":           {"We should refuse an empty label, because a name has none.", "localhost..", noHost},
		"LeadingDot":           {"We should refuse a dot at the start, because a name has no empty label.", ".localhost", noHost},
		"Hyphen":               {"We should refuse a label that ends with a hyphen, because a name has none.", "prod-.example.org", noHost},
		"Wildcard":             {"We should refuse a wildcard, because it is not a host.", "*.example.org", noHost},
		"LongLabel":            {"We should refuse a label of 64 characters, because a label has at most 63.", strings.Repeat("a", 64) + ".example.org", noHost},
		"LongName":             {"We should refuse a name that is too long, because no resolver accepts it.", strings.Repeat("a.", 127) + "org", noHost},
		"Nothing":              {"We should refuse a URL without a host, because it names no server.", "", noHost},
		"InvalidUTF8":          {"We should refuse what is not UTF-8, because it is not a name.", "prod\xff.example.org", "is not a URL like SCHEME://host:port"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for _, port := range []string{"", ":6443"} {
				_, err := Server("https://" + tc.host + port)
				if diff := cmp.Diff(strings.ReplaceAll(tc.want, "SCHEME", "https"), message(err)); diff != "" {
					t.Errorf("\n%s\nServer(...): -want error, +got error:\n%s", tc.reason, diff)
				}
				for _, scheme := range []string{"http", "https", "socks5"} {
					_, err := Proxy(scheme + "://" + tc.host + port)
					if diff := cmp.Diff(strings.ReplaceAll(tc.want, "SCHEME", "http"), message(err)); diff != "" {
						t.Errorf("\n%s\nProxy(...): -want error, +got error:\n%s", tc.reason, diff)
					}
				}
			}
		})
	}
}

// TestServer checks which URLs a server may have, and how they are written.
func TestServer(t *testing.T) {
	const notURL = "is not a URL like https://host:port"
	const badPort = "has a port that is not between 1 and 65535"
	const query = "has a query or a fragment"
	const credentials = "holds credentials, which are not copied; use a URL without"

	type want struct {
		server string
		err    string
	}
	cases := map[string]struct {
		reason string
		server string
		want   want
	}{
		"AsItIs":             {"We should keep a good server as it is written, because its letters may be in any case.", "https://0123ABC.eks.amazonaws.com:443", want{server: "https://0123ABC.eks.amazonaws.com:443"}},
		"Path":               {"We should keep a path, because Rancher's servers have one.", "https://rancher.example.org/k8s/clusters/c-m-abcd1234", want{server: "https://rancher.example.org/k8s/clusters/c-m-abcd1234"}},
		"TrailingSlashes":    {"We should remove slashes at the end, because Argo CD does so in some places only.", "https://192.0.2.1//", want{server: "https://192.0.2.1"}},
		"SchemeUpperCase":    {"We should write the scheme in small letters, because schemes have no case.", "HTTPS://192.0.2.1", want{server: "https://192.0.2.1"}},
		"BareAddress":        {"We should accept a bare address, because GKE's status has one.", "34.10.20.30", want{server: "https://34.10.20.30"}},
		"BareName":           {"We should accept a bare name, because AKS's status has one.", "demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io", want{server: "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io"}},
		"BareWithPort":       {"We should accept a bare host with a port, because some clouds' status has one.", "demo.example.org:6443", want{server: "https://demo.example.org:6443"}},
		"BareLabelWithPort":  {"We should accept a bare label with a port, because the port says that it is a host.", "prod:6443", want{server: "https://prod:6443"}},
		"BareWithSlash":      {"We should accept a bare host with a slash, because a slash alone is not a path.", "demo.example.org/", want{server: "https://demo.example.org"}},
		"BareIPv6":           {"We should put a bare IPv6 address in brackets, because a URL needs them.", "2001:db8::1", want{server: "https://[2001:db8::1]"}},
		"BareIPv6InBrackets": {"We should accept a bare IPv6 address in brackets, because some tools write it so.", "[2001:db8::1]", want{server: "https://[2001:db8::1]"}},
		"BareIPv6WithPort":   {"We should accept a bare IPv6 address with a port, because its brackets separate them.", "[2001:db8::1]:6443", want{server: "https://[2001:db8::1]:6443"}},
		"PortMin":            {"We should accept port 1, because it is the first.", "https://192.0.2.1:1", want{server: "https://192.0.2.1:1"}},
		"PortMax":            {"We should accept port 65535, because it is the last.", "https://192.0.2.1:65535", want{server: "https://192.0.2.1:65535"}},

		"Empty":               {"We should refuse an empty server, because Argo CD cannot connect to it.", "", want{err: "is empty"}},
		"Word":                {"We should refuse a single word, because it may be anything.", "READY", want{err: notURL}},
		"BareWithPath":        {"We should refuse a bare host with a path, because it may be anything.", "rancher.example.org/k8s", want{err: notURL}},
		"BareLoopback":        {"We should refuse a bare loopback address, because Argo CD would connect to itself.", "127.0.0.1:6443", want{err: isLoopback}},
		"BareLoopbackIPv6":    {"We should refuse a bare loopback address of IPv6, because Argo CD would connect to itself.", "::1", want{err: isLoopback}},
		"BareZone":            {"We should refuse a bare zone, because it is of one machine only.", "fe80::1%eth0", want{err: escapedHost}},
		"HTTP":                {"We should refuse http, because it would send credentials unencrypted.", "http://192.0.2.1", want{err: "uses http, which would send credentials unencrypted; use https"}},
		"HTTPUpperCase":       {"We should refuse http in capitals, because schemes have no case.", "HTTP://192.0.2.1", want{err: "uses http, which would send credentials unencrypted; use https"}},
		"OtherScheme":         {"We should refuse another scheme, because API servers speak https.", "ftp://192.0.2.1", want{err: "does not use https"}},
		"WithoutHost":         {"We should refuse a URL without a host, because it names no server.", "https://", want{err: noHost}},
		"WithoutScheme":       {"We should refuse slashes without a scheme, because it is not a URL.", "//192.0.2.1", want{err: notURL}},
		"OneSlash":            {"We should refuse a single slash, because it is not a URL of a host.", "https:/192.0.2.1", want{err: notURL}},
		"Credentials":         {"We should refuse credentials, because Argo CD shows servers to everyone.", "https://canary:canary@192.0.2.1", want{err: credentials}},
		"EmptyCredentials":    {"We should refuse empty credentials, because some readers look for the host before them.", "https://@192.0.2.1", want{err: credentials}},
		"Query":               {"We should refuse a query, because clients drop it.", "https://192.0.2.1?canary", want{err: query}},
		"EmptyQuery":          {"We should refuse an empty query, because clients drop it.", "https://192.0.2.1/?", want{err: query}},
		"Fragment":            {"We should refuse a fragment, because clients drop it.", "https://192.0.2.1#canary", want{err: query}},
		"EmptyFragment":       {"We should refuse an empty fragment, because clients drop it.", "https://192.0.2.1/#", want{err: query}},
		"PortZero":            {"We should refuse port 0, because no server can listen on it.", "https://192.0.2.1:0", want{err: badPort}},
		"PortTooLarge":        {"We should refuse port 99999, because ports end at 65535.", "https://192.0.2.1:99999", want{err: badPort}},
		"PortTooLargeIPv6":    {"We should refuse port 65536 after brackets, because ports end at 65535.", "https://[2001:db8::1]:65536", want{err: badPort}},
		"PortEmpty":           {"We should refuse a colon without a port, because readers may expect one.", "https://192.0.2.1:", want{err: badPort}},
		"PortName":            {"We should refuse the name of a port, because a URL has a number.", "https://192.0.2.1:https", want{err: notURL}},
		"TwoPorts":            {"We should refuse two ports, because a server has one.", "https://192.0.2.1:1:2", want{err: notURL}},
		"Backslash":           {"We should refuse a backslash before an @, because some readers take it for a slash.", `https://192.0.2.1\@example.org`, want{err: credentials}},
		"BackslashWithoutAt":  {"We should refuse a backslash, because some readers take it for a slash.", `https://192.0.2.1\.example.org`, want{err: notURL}},
		"ControlCharacter":    {"We should refuse a control character, because a URL has none.", "https://192.0.2.1/\x7f", want{err: notURL}},
		"LineBreak":           {"We should refuse a line break, because a URL has none.", "https://192.0.2.1\n", want{err: notURL}},
		"Space":               {"We should refuse a space, because a URL has none.", "https://192.0.2.1/a b", want{err: notURL}},
		"InvisibleInPath":     {"We should refuse a character that cannot be seen, because it may hide what follows.", "https://192.0.2.1/\u202ea", want{err: notURL}},
		"InvalidEscapeInPath": {"We should refuse a broken escape, because it is not a URL.", "https://192.0.2.1/%zz", want{err: notURL}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Server(tc.server)
			if diff := cmp.Diff(tc.want, want{got, message(err)}, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("\n%s\nServer(%q): -want, +got:\n%s", tc.reason, tc.server, diff)
			}
			if err != nil {
				return
			}
			if again, err := Server(got); err != nil || again != got {
				t.Errorf("\n%s\nServer(%q): %q, %v", tc.reason, got, again, err)
			}
		})
	}
}

// TestProxy checks which URLs a proxy may have, and how they are written.
func TestProxy(t *testing.T) {
	const credentials = "holds credentials, which are not copied; use a URL without"

	type want struct {
		proxy string
		err   string
	}
	cases := map[string]struct {
		reason string
		proxy  string
		want   want
	}{
		"HTTP":                {"We should accept http, because TLS goes through the proxy.", "http://proxy.example.org:3128", want{proxy: "http://proxy.example.org:3128"}},
		"HTTPS":               {"We should accept https, because Argo CD supports it.", "https://proxy.example.org/", want{proxy: "https://proxy.example.org"}},
		"SOCKS5":              {"We should accept SOCKS5, because Argo CD supports it.", "SOCKS5://[2001:db8::1]:1080", want{proxy: "socks5://[2001:db8::1]:1080"}},
		"OtherScheme":         {"We should refuse another scheme, because Argo CD does not support it.", "socks4://proxy.example.org", want{err: "does not use http or https or socks5"}},
		"Bare":                {"We should refuse a bare host, because it does not say how to speak to it.", "proxy.example.org:3128", want{err: "is not a URL like http://host:port"}},
		"Credentials":         {"We should refuse credentials, because Argo CD shows its configuration.", "http://canary:canary@proxy.example.org", want{err: credentials}},
		"PasswordWithoutUser": {"We should refuse a password without a user, because Argo CD shows its configuration.", "http://:canary@proxy.example.org", want{err: credentials}},
		"UserWithoutPassword": {"We should refuse a user without a password, because a proxy may take it for a key.", "http://canary@proxy.example.org", want{err: credentials}},
		"Path":                {"We should refuse a path, because a proxy has none.", "http://proxy.example.org/canary", want{err: "has a path, which has no meaning for a proxy"}},
		"Query":               {"We should refuse a query, because clients drop it.", "http://proxy.example.org?canary", want{err: "has a query or a fragment"}},
		"Port":                {"We should refuse port 0, because no proxy can listen on it.", "http://proxy.example.org:0", want{err: "has a port that is not between 1 and 65535"}},
		"Empty":               {"We should refuse an empty proxy, because it is not a URL.", "", want{err: "is not a URL like http://host:port"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Proxy(tc.proxy)
			if diff := cmp.Diff(tc.want, want{got, message(err)}, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("\n%s\nProxy(%q): -want, +got:\n%s", tc.reason, tc.proxy, diff)
			}
		})
	}
}

// TestHostname checks that each spelling of a host gives one name.
func TestHostname(t *testing.T) {
	cases := map[string]struct {
		reason string
		server string
		want   string
	}{
		"Name":      {"We should return a name in small letters without port and path, because only the host counts.", "https://Prod.Example.ORG:6443/path", "prod.example.org"},
		"Rooted":    {"We should drop the dot at the end, because a rooted name is the same.", "https://prod.example.org.", "prod.example.org"},
		"Unicode":   {"We should return a name as idna maps it, because one name must have one spelling.", "https://ＢÜCHER。example", "xn--bcher-kva.example"},
		"IPv4":      {"We should return an address in decimal, because one address must have one spelling.", "https://0xa.1", "10.0.0.1"},
		"IPv6":      {"We should return the short form of IPv6, because one address must have one spelling.", "https://[2001:DB8:0::1]:6443", "2001:db8::1"},
		"Mapped":    {"We should return IPv4 for IPv4 in IPv6, because one address must have one spelling.", "https://[::ffff:10.0.0.1]", "10.0.0.1"},
		"Forbidden": {"We should return a forbidden host, because others check what is allowed.", "https://localhost:6443", "localhost"},
		"Bare":      {"We should return nothing for a bare host, because it is not a URL.", "prod.example.org", ""},
		"Invalid":   {"We should return nothing for what cannot be parsed, because it has no host.", "https://prod.example.org:x", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Hostname(tc.server)); diff != "" {
				t.Errorf("\n%s\nHostname(%q): -want, +got:\n%s", tc.reason, tc.server, diff)
			}
		})
	}
}

// TestCheckTLSServerName checks which names a server's certificate may have.
func TestCheckTLSServerName(t *testing.T) {
	cases := map[string]struct {
		reason string
		name   string
		want   bool
	}{
		"Name":             {"We should accept a DNS name, because certificates have them.", "Prod.example.org", true},
		"Localhost":        {"We should accept localhost, because it is only compared with a certificate.", "localhost", true},
		"InCluster":        {"We should accept an in-cluster name, because a cluster's certificate has it.", "kubernetes.default.svc", true},
		"IPv4":             {"We should accept an address, because certificates have them.", "10.0.0.1", true},
		"IPv6":             {"We should accept an IPv6 address, because certificates have them.", "2001:db8::1", true},
		"Empty":            {"We should refuse an empty name, because no certificate has it.", "", false},
		"ControlCharacter": {"We should refuse a control character, because no certificate has it.", "prod\x00", false},
		"LineBreak":        {"We should refuse a line break at the end, because no certificate has it.", "prod\n", false},
		"Space":            {"We should refuse a space, because no certificate has it.", "prod example", false},
		"Unicode":          {"We should refuse other letters, because certificates have names in ASCII.", "bücher.example", false},
		"Port":             {"We should refuse a port, because a name has none.", "prod.example.org:443", false},
		"Zone":             {"We should refuse a zone, because an address in a certificate has none.", "fe80::1%eth0", false},
		"Wildcard":         {"We should refuse a wildcard, because a name is not a pattern.", "*.example.org", false},
		"Long":             {"We should refuse a name that is too long, because no certificate has it.", strings.Repeat("a.", 127) + "org", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := CheckTLSServerName(tc.name); (len(got) == 0) != tc.want {
				t.Errorf("\n%s\nCheckTLSServerName(%q): want ok %t, got %v", tc.reason, tc.name, tc.want, got)
			}
		})
	}
}
