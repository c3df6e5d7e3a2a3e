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

// TestHosts has each host in a server's URL and in a proxy's: what is refused for one is
// refused for the other.
func TestHosts(t *testing.T) {
	cases := map[string]struct {
		reason string
		host   string
		want   string
	}{
		"Name":             {"A DNS name is fine.", "prod.example.org", ""},
		"UpperCase":        {"EKS's names have upper case.", "0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com", ""},
		"Underscore":       {"Resolvers accept underscores.", "my_cluster.example.org", ""},
		"SingleLabel":      {"A name may have one label only.", "prod", ""},
		"Rooted":           {"A rooted name is a name.", "prod.example.org.", ""},
		"International":    {"A name that idna can map is fine.", "bücher.example", ""},
		"Punycode":         {"So is what it is mapped to.", "xn--bcher-kva.example", ""},
		"Private":          {"A private address is not loopback.", "10.0.0.1", ""},
		"IPv6":             {"An IPv6 address is fine.", "[2001:db8::1]", ""},
		"UniqueLocal":      {"So is a private one.", "[fd00::1]", ""},
		"LikeLocalhost":    {"A name may begin like a forbidden one.", "localhost.example.org", ""},
		"LikeKubernetes":   {"A name may begin like the hub's.", "kubernetes.example.org", ""},
		"AnotherService":   {"Another Service is another cluster, for example a virtual one.", "vcluster.default.svc", ""},
		"OtherKubernetes":  {"The hub's Service is in the namespace default.", "kubernetes.vcluster.svc.cluster.local", ""},
		"DecimalOfPrivate": {"A number means the address that it is.", "167772161", ""},
		"OctalOfPrivate":   {"An octal number means the address that it is.", "012.0.0.1", ""},
		"NAT64OfPrivate":   {"An embedded address is judged by itself.", "[64:ff9b::a00:1]", ""},

		"Loopback":               {"Argo CD would connect to itself.", "127.0.0.1", isLoopback},
		"LoopbackNetwork":        {"The whole of 127.0.0.0/8 is loopback.", "127.8.7.6", isLoopback},
		"LoopbackRooted":         {"Resolvers drop the dot.", "127.0.0.1.", isLoopback},
		"LoopbackIPv6":           {"IPv6 has one.", "[::1]", isLoopback},
		"LoopbackIPv6Long":       {"An IPv6 address has several spellings.", "[0:0:0:0:0:0:0:1]", isLoopback},
		"Localhost":              {"By name.", "localhost", isLoopback},
		"LocalhostUpperCase":     {"Names have no case.", "LocalHost", isLoopback},
		"LocalhostRooted":        {"A rooted name is the same.", "localhost.", isLoopback},
		"LocalhostSubdomain":     {"Every name under localhost is loopback.", "kind.localhost", isLoopback},
		"LocalhostLocaldomain":   {"Red Hat's hosts file has it.", "localhost.localdomain", isLoopback},
		"Localhost6":             {"And this.", "localhost6.localdomain6", isLoopback},
		"IP6Localhost":           {"Debian's has it.", "ip6-localhost", isLoopback},
		"IP6Loopback":            {"And this.", "ip6-loopback", isLoopback},
		"LocalhostFullWidth":     {"net/http maps full-width letters.", "ｌｏｃａｌｈｏｓｔ", isLoopback},
		"LocalhostFullWidthCase": {"And lowers their case.", "ＬＯＣＡＬＨＯＳＴ", isLoopback},
		"LocalhostMathematical":  {"There are other alphabets of them.", "𝐥𝐨𝐜𝐚𝐥𝐡𝐨𝐬𝐭", isLoopback},
		"LocalhostLongS":         {"The long s is an s.", "localhoſt", isLoopback},
		"LocalhostIgnorable":     {"A variation selector is dropped.", "local\ufe0fhost", isLoopback},
		"CircledDigits":          {"net/http maps circled digits.", "①②⑦.0.0.1", isLoopback},
		"FullWidthDigits":        {"And full-width ones.", "１２７.０.０.１", isLoopback},
		"IdeographicDots":        {"And ideographic full stops.", "127。0。0。1", isLoopback},
		"FullWidthDots":          {"And full-width ones.", "127．0．0．1", isLoopback},
		"HalfWidthDots":          {"And half-width ones.", "127｡0｡0｡1", isLoopback},
		"Short":                  {"inet_aton fills in zeros.", "127.1", isLoopback},
		"ShortOfThree":           {"With three numbers, too.", "127.0.1", isLoopback},
		"Decimal":                {"One number is an address.", "2130706433", isLoopback},
		"Octal":                  {"A leading zero means octal.", "0177.0.0.1", isLoopback},
		"OctalWhole":             {"Of one number, too.", "017700000001", isLoopback},
		"OctalOrDecimal":         {"Others ignore leading zeros.", "0127.0.0.1", isLoopback},
		"Hexadecimal":            {"A leading 0x means hexadecimal.", "0x7f.1", isLoopback},
		"HexadecimalWhole":       {"Of one number, too.", "0x7f000001", isLoopback},
		"HexadecimalUpperCase":   {"In either case.", "0X7F.0.0.0X1", isLoopback},
		"HexadecimalNothing":     {"0x alone is zero.", "127.0x", isLoopback},
		"MappedLoopback":         {"IPv4 in IPv6 is IPv4.", "[::ffff:127.0.0.1]", isLoopback},
		"MappedLoopbackHex":      {"In hexadecimal, too.", "[::ffff:7f00:1]", isLoopback},
		"CompatibleLoopback":     {"IPv6 has other places for IPv4.", "[::127.0.0.1]", isLoopback},
		"TranslatedLoopback":     {"This is one.", "[::ffff:0:127.0.0.1]", isLoopback},
		"NAT64Loopback":          {"And this.", "[64:ff9b::127.0.0.1]", isLoopback},
		"NAT64LocalLoopback":     {"And this.", "[64:ff9b:1::7f00:1]", isLoopback},
		"6to4Loopback":           {"And this.", "[2002:7f00:1::]", isLoopback},

		"Unspecified":       {"Linux connects to itself.", "0.0.0.0", isUnspecified},
		"UnspecifiedShort":  {"In short.", "0", isUnspecified},
		"UnspecifiedNet":    {"All of 0.0.0.0/8 means this network.", "0.1.2.3", isUnspecified},
		"UnspecifiedIPv6":   {"IPv6 has one.", "[::]", isUnspecified},
		"UnspecifiedMapped": {"client-go connects to it.", "[::ffff:0.0.0.0]", isUnspecified},
		"LinkLocal":         {"Clouds have their metadata there.", "169.254.169.254", isLinkLocal},
		"LinkLocalDecimal":  {"As a number.", "2852039166", isLinkLocal},
		"LinkLocalMapped":   {"In IPv6.", "[::ffff:a9fe:a9fe]", isLinkLocal},
		"LinkLocalNAT64":    {"Through a gateway.", "[64:ff9b::a9fe:a9fe]", isLinkLocal},
		"LinkLocalIPv6":     {"IPv6 has them, too.", "[fe80::1]", isLinkLocal},
		"Multicast":         {"No server has a multicast address.", "224.0.0.1", isMulticast},
		"MulticastIPv6":     {"Nor in IPv6.", "[ff02::1]", isMulticast},
		"Broadcast":         {"Nor a broadcast address.", "255.255.255.255", isMulticast},

		"InCluster":            {"Argo CD's own spelling of its cluster.", "kubernetes.default.svc", inCluster},
		"InClusterUpperCase":   {"Names have no case.", "KUBERNETES.default.SVC", inCluster},
		"InClusterRooted":      {"A rooted name is the same.", "kubernetes.default.svc.", inCluster},
		"InClusterShort":       {"In the namespace default, it is as short as this.", "kubernetes", inCluster},
		"InClusterNamespace":   {"In other namespaces, as short as this.", "kubernetes.default", inCluster},
		"InClusterLocal":       {"With the cluster's domain.", "kubernetes.default.svc.cluster.local", inCluster},
		"InClusterFullWidth":   {"net/http maps full-width letters.", "ｋubernetes.default.svc", inCluster},
		"InClusterIdeographic": {"And ideographic full stops.", "kubernetes。default。svc", inCluster},
		"InClusterLastDot":     {"At the end, too.", "kubernetes.default.svc。", inCluster},
		"InClusterKelvinSign":  {"The sign of Kelvin is a K.", "\u212aubernetes.default.svc", inCluster},
		"InClusterVariation":   {"A variation selector is dropped.", "kube\ufe00rnetes.default.svc", inCluster},
		"InClusterSoftHyphen":  {"We should refuse characters that cannot be seen.", "kuber\u00adnetes.default.svc", "is not a URL like SCHEME://host:port"},
		"InClusterZeroWidth":   {"We should refuse a space without width.", "kuber\u200bnetes.default.svc", "is not a URL like SCHEME://host:port"},
		"InClusterJoiner":      {"We should refuse a joiner without width.", "kuber\u200dnetes.default.svc", "is not a URL like SCHEME://host:port"},
		"InClusterWordJoiner":  {"We should refuse any of these.", "kuber\u2060netes.default.svc", "is not a URL like SCHEME://host:port"},
		"InClusterPercent":     {"We should refuse escapes in a host.", "%6bubernetes.default.svc", escapedHost},
		"LocalhostPercentUTF8": {"We should refuse escapes of Unicode, which url.Parse decodes.", "%EF%BD%8Cocalhost", escapedHost},
		"Zone":                 {"We should refuse zones.", "[fe80::1%25eth0]", escapedHost},
		"ZoneUnescaped":        {"However they are written.", "[::1%lo]", escapedHost},
		"IPv4InBrackets":       {"Brackets are for IPv6.", "[192.0.2.1]", "is not a URL like SCHEME://host:port"},
		"IPv6WithoutEnd":       {"We should refuse half a bracket.", "[2001:db8::1", "is not a URL like SCHEME://host:port"},
		"NotIPv6":              {"We should refuse what is not an address in brackets.", "[2001:db8::g]", "is not a URL like SCHEME://host:port"},
		"IPv4TooLarge":         {"We should refuse numbers that are not an address.", "256.0.0.1", noIPv4},
		"IPv4TooMany":          {"We should refuse five numbers.", "1.2.3.4.5", noIPv4},
		"IPv4NotOctal":         {"We should refuse digits that are not octal.", "127.0.0.08", noIPv4},
		"IPv4TooLargeDecimal":  {"We should refuse more than 32 bits.", "4294967296", noIPv4},
		"NumberAtTheEnd":       {"No top-level domain is a number.", "example.127", noIPv4},
		"ConfusableLetter":     {"We should refuse a label that mixes in what idna cannot map.", "prod\U000e0001.example.org", "is not a URL like SCHEME://host:port"},
		"Unmappable":           {"We should refuse what idna refuses.", "prod⒈.example.org", noHost},
		"FullWidthSlash":       {"We should refuse a character that idna makes a slash of.", "prod.example.org／x.gke.goog", noHost},
		"EmptyLabel":           {"We should refuse an empty label.", "localhost..", noHost},
		"LeadingDot":           {"We should refuse an empty label.", ".localhost", noHost},
		"Hyphen":               {"We should refuse a label that ends with a hyphen.", "prod-.example.org", noHost},
		"Wildcard":             {"A wildcard is not a host.", "*.example.org", noHost},
		"LongLabel":            {"We should refuse a label that is too long.", strings.Repeat("a", 64) + ".example.org", noHost},
		"LongName":             {"We should refuse a name that is too long.", strings.Repeat("a.", 127) + "org", noHost},
		"Nothing":              {"We should refuse a URL without a host.", "", noHost},
		"InvalidUTF8":          {"We should refuse what is not UTF-8.", "prod\xff.example.org", "is not a URL like SCHEME://host:port"},
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
		"AsItIs":             {"A good server stays as it is written.", "https://0123ABC.eks.amazonaws.com:443", want{server: "https://0123ABC.eks.amazonaws.com:443"}},
		"Path":               {"Rancher's servers have a path.", "https://rancher.example.org/k8s/clusters/c-m-abcd1234", want{server: "https://rancher.example.org/k8s/clusters/c-m-abcd1234"}},
		"TrailingSlashes":    {"Argo CD trims them in some places only.", "https://192.0.2.1//", want{server: "https://192.0.2.1"}},
		"SchemeUpperCase":    {"Schemes have no case.", "HTTPS://192.0.2.1", want{server: "https://192.0.2.1"}},
		"BareAddress":        {"GKE's status has an address.", "34.10.20.30", want{server: "https://34.10.20.30"}},
		"BareName":           {"AKS's status has a name.", "demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io", want{server: "https://demo-dns-1a2b3c4d.hcp.westeurope.azmk8s.io"}},
		"BareWithPort":       {"A bare host may have a port.", "demo.example.org:6443", want{server: "https://demo.example.org:6443"}},
		"BareLabelWithPort":  {"So may one of a single label.", "prod:6443", want{server: "https://prod:6443"}},
		"BareWithSlash":      {"A slash at the end does not make a path.", "demo.example.org/", want{server: "https://demo.example.org"}},
		"BareIPv6":           {"An IPv6 address gets its brackets.", "2001:db8::1", want{server: "https://[2001:db8::1]"}},
		"BareIPv6InBrackets": {"An IPv6 address may have them.", "[2001:db8::1]", want{server: "https://[2001:db8::1]"}},
		"BareIPv6WithPort":   {"An IPv6 address with a port must have them.", "[2001:db8::1]:6443", want{server: "https://[2001:db8::1]:6443"}},
		"PortMin":            {"The first port.", "https://192.0.2.1:1", want{server: "https://192.0.2.1:1"}},
		"PortMax":            {"The last port.", "https://192.0.2.1:65535", want{server: "https://192.0.2.1:65535"}},

		"Empty":               {"We should refuse nothing.", "", want{err: "is empty"}},
		"Word":                {"A single word may be anything.", "READY", want{err: notURL}},
		"BareWithPath":        {"A bare host has no path.", "rancher.example.org/k8s", want{err: notURL}},
		"BareLoopback":        {"We should check a bare host.", "127.0.0.1:6443", want{err: isLoopback}},
		"BareLoopbackIPv6":    {"We should check a bare IPv6 address.", "::1", want{err: isLoopback}},
		"BareZone":            {"We should refuse a bare zone.", "fe80::1%eth0", want{err: escapedHost}},
		"HTTP":                {"We should refuse to send credentials unencrypted.", "http://192.0.2.1", want{err: "uses http, which would send credentials unencrypted; use https"}},
		"HTTPUpperCase":       {"In either case.", "HTTP://192.0.2.1", want{err: "uses http, which would send credentials unencrypted; use https"}},
		"OtherScheme":         {"We should refuse other schemes.", "ftp://192.0.2.1", want{err: "does not use https"}},
		"WithoutHost":         {"We should refuse a URL without a host.", "https://", want{err: noHost}},
		"WithoutScheme":       {"We should refuse a URL without a scheme.", "//192.0.2.1", want{err: notURL}},
		"OneSlash":            {"We should refuse a URL with one slash.", "https:/192.0.2.1", want{err: notURL}},
		"Credentials":         {"We should refuse credentials.", "https://canary:canary@192.0.2.1", want{err: credentials}},
		"EmptyCredentials":    {"We should refuse credentials that are empty.", "https://@192.0.2.1", want{err: credentials}},
		"Query":               {"We should refuse a query.", "https://192.0.2.1?canary", want{err: query}},
		"EmptyQuery":          {"We should refuse an empty query.", "https://192.0.2.1/?", want{err: query}},
		"Fragment":            {"We should refuse a fragment.", "https://192.0.2.1#canary", want{err: query}},
		"EmptyFragment":       {"We should refuse an empty fragment.", "https://192.0.2.1/#", want{err: query}},
		"PortZero":            {"We should refuse port 0.", "https://192.0.2.1:0", want{err: badPort}},
		"PortTooLarge":        {"We should refuse ports that do not exist.", "https://192.0.2.1:99999", want{err: badPort}},
		"PortTooLargeIPv6":    {"After brackets, too.", "https://[2001:db8::1]:65536", want{err: badPort}},
		"PortEmpty":           {"We should refuse a colon without a port.", "https://192.0.2.1:", want{err: badPort}},
		"PortName":            {"We should refuse the name of a port.", "https://192.0.2.1:https", want{err: notURL}},
		"TwoPorts":            {"We should refuse two ports.", "https://192.0.2.1:1:2", want{err: notURL}},
		"Backslash":           {"We should refuse what some readers take for a slash.", `https://192.0.2.1\@example.org`, want{err: credentials}},
		"BackslashWithoutAt":  {"We should refuse what some readers take for a slash.", `https://192.0.2.1\.example.org`, want{err: notURL}},
		"ControlCharacter":    {"We should refuse control characters.", "https://192.0.2.1/\x7f", want{err: notURL}},
		"LineBreak":           {"We should refuse line breaks.", "https://192.0.2.1\n", want{err: notURL}},
		"Space":               {"We should refuse spaces.", "https://192.0.2.1/a b", want{err: notURL}},
		"InvisibleInPath":     {"We should refuse characters that cannot be seen.", "https://192.0.2.1/\u202ea", want{err: notURL}},
		"InvalidEscapeInPath": {"We should refuse an escape that is not one.", "https://192.0.2.1/%zz", want{err: notURL}},
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
		"HTTP":                {"A proxy may speak http: TLS goes through it.", "http://proxy.example.org:3128", want{proxy: "http://proxy.example.org:3128"}},
		"HTTPS":               {"Or https.", "https://proxy.example.org/", want{proxy: "https://proxy.example.org"}},
		"SOCKS5":              {"Or SOCKS5.", "SOCKS5://[2001:db8::1]:1080", want{proxy: "socks5://[2001:db8::1]:1080"}},
		"OtherScheme":         {"Argo CD knows no other.", "socks4://proxy.example.org", want{err: "does not use http or https or socks5"}},
		"Bare":                {"A bare host does not say how to speak to it.", "proxy.example.org:3128", want{err: "is not a URL like http://host:port"}},
		"Credentials":         {"We should refuse credentials.", "http://canary:canary@proxy.example.org", want{err: credentials}},
		"PasswordWithoutUser": {"We should refuse a password alone.", "http://:canary@proxy.example.org", want{err: credentials}},
		"UserWithoutPassword": {"We should refuse a user alone.", "http://canary@proxy.example.org", want{err: credentials}},
		"Path":                {"We should refuse a path.", "http://proxy.example.org/canary", want{err: "has a path, which has no meaning for a proxy"}},
		"Query":               {"We should refuse a query.", "http://proxy.example.org?canary", want{err: "has a query or a fragment"}},
		"Port":                {"We should refuse ports that do not exist.", "http://proxy.example.org:0", want{err: "has a port that is not between 1 and 65535"}},
		"Empty":               {"We should refuse nothing.", "", want{err: "is not a URL like http://host:port"}},
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

func TestHostname(t *testing.T) {
	cases := map[string]struct {
		reason string
		server string
		want   string
	}{
		"Name":      {"Names have no case, and a port and a path are not part of them.", "https://Prod.Example.ORG:6443/path", "prod.example.org"},
		"Rooted":    {"A rooted name is the same.", "https://prod.example.org.", "prod.example.org"},
		"Unicode":   {"One name has one spelling.", "https://ＢÜCHER。example", "xn--bcher-kva.example"},
		"IPv4":      {"So has an address.", "https://0xa.1", "10.0.0.1"},
		"IPv6":      {"So has this.", "https://[2001:DB8:0::1]:6443", "2001:db8::1"},
		"Mapped":    {"So has this.", "https://[::ffff:10.0.0.1]", "10.0.0.1"},
		"Forbidden": {"A host has a name, whether it is allowed or not.", "https://localhost:6443", "localhost"},
		"Bare":      {"A bare host is not a URL.", "prod.example.org", ""},
		"Invalid":   {"What cannot be parsed has no host.", "https://prod.example.org:x", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Hostname(tc.server)); diff != "" {
				t.Errorf("\n%s\nHostname(%q): -want, +got:\n%s", tc.reason, tc.server, diff)
			}
		})
	}
}

func TestCheckTLSServerName(t *testing.T) {
	cases := map[string]struct {
		reason string
		name   string
		want   bool
	}{
		"Name":             {"A DNS name is fine.", "Prod.example.org", true},
		"Localhost":        {"A certificate may be for localhost: it is not connected to.", "localhost", true},
		"InCluster":        {"A cluster's certificate is for its own in-cluster name.", "kubernetes.default.svc", true},
		"IPv4":             {"An address is fine.", "10.0.0.1", true},
		"IPv6":             {"An IPv6 address is fine.", "2001:db8::1", true},
		"Empty":            {"We should refuse nothing.", "", false},
		"ControlCharacter": {"We should refuse control characters.", "prod\x00", false},
		"LineBreak":        {"We should refuse a line break at the end.", "prod\n", false},
		"Space":            {"We should refuse spaces.", "prod example", false},
		"Unicode":          {"Certificates have names in ASCII.", "bücher.example", false},
		"Port":             {"A name has no port.", "prod.example.org:443", false},
		"Zone":             {"An address has no zone.", "fe80::1%eth0", false},
		"Wildcard":         {"A name is not a pattern.", "*.example.org", false},
		"Long":             {"We should refuse a name that is too long.", strings.Repeat("a.", 127) + "org", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := CheckTLSServerName(tc.name); (len(got) == 0) != tc.want {
				t.Errorf("\n%s\nCheckTLSServerName(%q): want ok %t, got %v", tc.reason, tc.name, tc.want, got)
			}
		})
	}
}
