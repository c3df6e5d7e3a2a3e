package kubeconfig

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// Server returns an API server's URL without trailing slashes. Its errors read as
// the predicate of a sentence about the server, and hold no text of it.
func Server(server string) (string, error) {
	if server == "" {
		return "", errors.New("is empty")
	}
	u, err := url.Parse(server)
	switch {
	case err != nil:
		return "", errors.New("is no URL")
	case u.Scheme == "http":
		return "", errors.New("is http, over which credentials are sent in the clear; it must be https")
	case u.Scheme != "https", u.Hostname() == "":
		return "", errors.New("is no URL like https://host:port")
	case u.User != nil:
		return "", errors.New("holds credentials in its URL")
	case u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return "", errors.New("has a query or a fragment in its URL")
	}
	return strings.TrimRight(server, "/"), nil
}

// IsLoopback reports whether a server's host is a loopback or unspecified address,
// or a name of one.
func IsLoopback(server string) bool {
	host := Hostname(server)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.Unmap().IsLoopback() || ip.IsUnspecified())
}

// Hostname returns the host of a server's URL in lower case, without port and trailing
// dot; empty if it is no URL.
func Hostname(server string) string {
	u, err := url.Parse(server)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}
