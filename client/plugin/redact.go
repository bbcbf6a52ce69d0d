package plugin

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// redactedText replaces what may be secret.
const redactedText = "[REDACTED]"

// secretPatterns match what looks like a secret in any text. $1 and $2 are kept.
var secretPatterns = []*regexp.Regexp{
	// Private keys in PEM, also with escaped line ends, or cut off.
	regexp.MustCompile(`(?s)()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`),
	// PEM in base64.
	regexp.MustCompile(`()LS0tLS1CRUdJTi[A-Za-z0-9+/=_-]+`),
	// JSON web tokens.
	regexp.MustCompile(`()eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){1,4}`),
	// Authorization headers.
	regexp.MustCompile(`(?i)(\b(?:bearer|basic)[ \t]+)[A-Za-z0-9._~+/=-]{8,}`),
	// Users and passwords in URLs.
	regexp.MustCompile(`(?i)(\b[a-z][a-z0-9+.-]*://)[^\s/@"'\\]+(@)`),
	// Fields, flags and parameters by their names.
	regexp.MustCompile(`(?i)((?:passw(?:or)?d|passphrase|secret|token|api[-_]?key|access[-_]?key|private[-_]?key|credentials?)\\?["']?[ \t]*[:=][ \t]*\\?["']?)[^\s"'&,;\\]+`),
}

// redactor removes secrets from texts, and addresses if that is wanted.
type redactor struct {
	// known are secrets that are known as such, replaced wherever they are.
	known []string
	// addresses has a placeholder for each address that was replaced; nil: addresses are kept.
	addresses map[string]string
	// hosts are host names that count as addresses.
	hosts []string
}

// minKnown is the length from which a known secret is replaced. Shorter ones would match ordinary words.
const minKnown = 6

// addSecret makes a text count as secret.
func (r *redactor) addSecret(secret string) {
	if len(secret) >= minKnown {
		r.known = append(r.known, secret)
	}
}

// addHost makes the host of an endpoint count as an address.
func (r *redactor) addHost(endpoint string) {
	host := endpoint
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		host = u.Hostname()
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && !slices.Contains(r.hosts, host) {
		r.hosts = append(r.hosts, host)
	}
}

// text returns a text without secrets, and without addresses if that is wanted.
func (r *redactor) text(s string) string { return r.withoutAddresses(r.withoutSecrets(s)) }

func (r *redactor) withoutSecrets(s string) string {
	for _, secret := range r.known {
		s = strings.ReplaceAll(s, secret, redactedText)
	}
	for _, p := range secretPatterns {
		s = p.ReplaceAllString(s, "${1}"+redactedText+"${2}")
	}
	return s
}

func (r *redactor) withoutAddresses(s string) string {
	if r.addresses == nil {
		return s
	}
	for _, host := range r.hosts {
		s = strings.ReplaceAll(s, host, r.placeholder(host))
	}
	return addressPattern.ReplaceAllStringFunc(s, func(word string) string {
		address := strings.TrimRight(word, ":.")
		if _, err := netip.ParseAddr(address); err != nil {
			return word
		}
		return r.placeholder(address) + word[len(address):]
	})
}

// addressPattern matches what may be an IP address.
var addressPattern = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b|[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*`)

// placeholder returns the text that stands for an address in the whole bundle.
func (r *redactor) placeholder(address string) string {
	if r.addresses[address] == "" {
		r.addresses[address] = fmt.Sprintf("address-%d", len(r.addresses)+1)
	}
	return r.addresses[address]
}

// keptEnvironment are the environment variables whose values are shown.
var keptEnvironment = []string{"GOMEMLIMIT", "GOGC", "GOMAXPROCS"}

// object returns a value of a Kubernetes object, changed in place, without noise and without what may be secret.
// Texts are redacted here and not only in the encoded object, in which they may be broken into lines.
func (r *redactor) object(value any) any {
	switch value := value.(type) {
	case string:
		return r.withoutSecrets(value)
	case []any:
		for i, one := range value {
			value[i] = r.object(one)
		}
	case map[string]any:
		delete(value, "managedFields")
		if annotations, ok := value["annotations"].(map[string]any); ok {
			delete(annotations, "kubectl.kubernetes.io/last-applied-configuration")
		}
		if env, ok := value["env"].([]any); ok {
			redactEnvironment(env)
		}
		if _, ok := value["caBundle"]; ok {
			value["caBundle"] = redactedText
		}
		for name, one := range value {
			value[name] = r.object(one)
		}
	}
	return value
}

func redactEnvironment(env []any) {
	for _, one := range env {
		variable, ok := one.(map[string]any)
		if !ok {
			continue
		}
		name, _ := variable["name"].(string)
		if _, ok := variable["value"]; ok && !slices.Contains(keptEnvironment, name) {
			variable["value"] = redactedText
		}
	}
}
