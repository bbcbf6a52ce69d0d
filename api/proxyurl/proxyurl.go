// Package proxyurl parses the URLs of proxies, by which agents and masters connect to each other.
package proxyurl

import (
	"fmt"
	"net/url"
	"slices"
)

// schemes are the proxies that net/http supports.
var schemes = []string{"http", "https", "socks5", "socks5h"}

// Parse parses the URL of a proxy. Its errors name the flag, but do not contain the URL, which may have a password. A URL
// with a user or password is an error that ends with instead, which says how to do without.
func Parse(flag, text, instead string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || !slices.Contains(schemes, u.Scheme):
		return nil, fmt.Errorf("%s is not the URL of a proxy: use http://, https:// or socks5:// and host:port", flag)
	case u.User != nil:
		return nil, fmt.Errorf("%s must not contain a user or password, which anyone could read in the list of processes: %s", flag, instead)
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s must contain only scheme, host and port", flag)
	}
	return u, nil
}
