package kubeconfig

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Server returns an API server's URL with its scheme in lower case and without trailing
// slashes. A host or a host with a port becomes an https URL. Its errors read as the
// predicate of a sentence about the server, and hold no text of it.
func Server(server string) (string, error) { return checkServer(server, false) }

// ChosenServer does the same for a server that a Composition's author wrote down. It may be a
// loopback address: a tunnel may end in Argo CD's own Pod.
func ChosenServer(server string) (string, error) { return checkServer(server, true) }

func checkServer(server string, loopback bool) (string, error) {
	if server == "" {
		return "", errors.New("is empty")
	}
	u, err := parseURL(withScheme(server), "https")
	if err != nil {
		return "", err
	}
	if err := u.host.check(loopback); err != nil {
		return "", err
	}
	return u.text, nil
}

// withScheme returns a bare host, as clouds publish it, as a URL. A single word is not taken
// for a host: it may be anything.
func withScheme(server string) string {
	if strings.Contains(server, "://") {
		return server
	}
	if a, err := netip.ParseAddr(server); err == nil && a.Is6() {
		return "https://[" + server + "]"
	}
	bare := strings.TrimRight(server, "/")
	if !strings.ContainsAny(bare, ".:") || strings.Contains(bare, "/") {
		return server
	}
	return "https://" + server
}

// Proxy returns a proxy's URL with its scheme in lower case and without trailing slashes.
// Its errors read as the predicate of a sentence about the proxy, and hold no text of it.
func Proxy(proxy string) (string, error) { return checkProxy(proxy, false) }

// ChosenProxy does the same for a proxy that a Composition's author wrote down. It may be a
// loopback address: a proxy may run in Argo CD's own Pod.
func ChosenProxy(proxy string) (string, error) { return checkProxy(proxy, true) }

func checkProxy(proxy string, loopback bool) (string, error) {
	u, err := parseURL(proxy, "http", "https", "socks5")
	if err != nil {
		return "", err
	}
	if u.path {
		return "", errors.New("has a path, which has no meaning for a proxy")
	}
	if err := u.host.check(loopback); err != nil {
		return "", err
	}
	return u.text, nil
}

// Hostname returns the host of a URL in its normal spelling: in lower-case ASCII, without
// port and trailing dot. It is empty if it is not a URL.
func Hostname(server string) string {
	u, err := parseURL(server, "https", "http", "socks5")
	if err != nil {
		return ""
	}
	return u.host.name
}

// CheckTLSServerName says what is wrong with the name that a server's certificate is
// verified against; nothing if it is fine.
func CheckTLSServerName(s string) []string {
	if _, err := netip.ParseAddr(s); err == nil && !strings.Contains(s, "%") {
		return nil
	}
	if name := strings.ToLower(s); !dnsName.MatchString(name) || len(name) > maxHostname {
		return []string{"must be a DNS name or an IP address"}
	}
	return nil
}

// A parsedURL is a URL without credentials, query and fragment.
type parsedURL struct {
	// text is the URL with its scheme in lower case and without trailing slashes. It is
	// otherwise as it was written.
	text string

	// host of the URL.
	host host

	// path says whether the URL has one.
	path bool
}

// parseURL parses a URL of one of the schemes.
func parseURL(s string, schemes ...string) (parsedURL, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	scheme, rest = strings.ToLower(scheme), strings.TrimRight(rest, "/")
	authority, path, _ := strings.Cut(rest, "/")
	switch {
	case !ok, strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == utf8.RuneError }):
		return parsedURL{}, errors.New("is not a URL like " + schemes[0] + "://host:port")
	case scheme == "http" && !slices.Contains(schemes, scheme):
		return parsedURL{}, errors.New("uses http, which would send credentials unencrypted; use https")
	case !slices.Contains(schemes, scheme):
		return parsedURL{}, errors.New("does not use " + strings.Join(schemes, " or "))
	case strings.Contains(authority, "@"):
		return parsedURL{}, errors.New("holds credentials, which are not copied; use a URL without")
	case strings.ContainsAny(rest, "?#"):
		// url.Parse drops an empty fragment.
		return parsedURL{}, errors.New("has a query or a fragment")
	case strings.Contains(authority, "%"):
		return parsedURL{}, errors.New("has a zone or an escaped character in its host")
	}
	text := scheme + "://" + rest
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return parsedURL{}, errors.New("is not a URL like " + schemes[0] + "://host:port")
	}
	if i := strings.LastIndexByte(u.Host, ':'); i > strings.LastIndexByte(u.Host, ']') {
		if port, err := strconv.ParseUint(u.Host[i+1:], 10, 16); err != nil || port == 0 {
			return parsedURL{}, errors.New("has a port that is not between 1 and 65535")
		}
	}
	parse := parseHost
	if strings.HasPrefix(u.Host, "[") {
		parse = parseIPv6
	}
	h, err := parse(u.Hostname())
	return parsedURL{text: text, host: h, path: path != ""}, err
}
