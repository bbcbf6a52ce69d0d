package v1alpha1_test

import (
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// setting is a field with a value. If the value is invalid, the API server's error must contain
// words.
type setting struct {
	field string
	value any
	words []string
}

func (s setting) name() string {
	text, ok := s.value.(string)
	if !ok || len(text) > 40 {
		return s.field
	}
	return s.field + "=" + strings.ReplaceAll(text, "/", "|")
}

// mustReject fails the test unless err rejects the setting with its words and the name of the field.
func (s setting) mustReject(t *testing.T, err error) {
	t.Helper()
	if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) {
		t.Fatalf("%s = %v: got %v, want a refusal", s.field, s.value, err)
	}
	for _, want := range append(s.words, s.field) {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s = %v: want %q in: %v", s.field, s.value, want, err)
		}
	}
}

// Words that recur in errors of the API server.
const (
	urlRule      = "must be a URL that begins with wss://"
	hostPortRule = "must be host and port only"
	hostRule     = "must name a host by a DNS name or an IP address"
	portRule     = "must have a port from 1 to 65535"
	ipRule       = "must be an IP address in its canonical form"
	uidRule      = "kubectl get namespace kube-system"
	bundleRule   = "base64 -w0 ca.crt"
	nameRule     = "must be a DNS name or an IP address from the agent's certificate"
	pinRule      = "must be 64 lower-case hex digits"
	periodRule   = "must be a duration from 100ms to 24h"
	unknownField = "unknown field"
	notAString   = "must be of type string"
	notAList     = "must be of type array"
	notAnObject  = "must be of type object"
	notABoolean  = "must be of type boolean"
	duplicate    = "Duplicate value"
)

func badAgentValues() []setting {
	return slices.Concat(badNames(), badEndpoints(), badClusterIPs(), badTLS(), badJoin(), badIdentity(), badReporting(), badRest())
}

func badNames() []setting {
	return []setting{
		{"metadata.name", "10.20.0.7", []string{"must not be an IP address", "spec.clusterIPs"}},
		{"metadata.name", strings.Repeat("a", 64), []string{"must be at most 63 characters long"}},
	}
}

func badEndpoints() []setting {
	return []setting{
		{"spec.endpoint", missing{}, []string{"spec.endpoint", "is required", "set connection: Reverse if the agent dials the master"}},
		{"spec.connection", "Both", []string{"Unsupported value", `"Dial", "Reverse"`}},
		{"spec.connection", "Reverse", []string{"spec.endpoint", "has no effect with spec.connection: Reverse"}},
		{"spec.link", map[string]any{"channelBinding": "None"}, []string{"spec.link", "has no effect unless connection is Reverse"}},
		{"spec.link.channelBinding", "Off", []string{"Unsupported value", `"Required", "None"`}},
		{"spec.endpoint", 7443, []string{notAString}},
		{"spec.endpoint", "", []string{urlRule}},
		{"spec.endpoint", "10.20.0.7:7443", []string{urlRule}},
		{"spec.endpoint", "prod-eu", []string{urlRule}},
		{"spec.endpoint", "/v1/report", []string{urlRule}},
		{"spec.endpoint", "https://10.20.0.7:7443", []string{urlRule}},
		{"spec.endpoint", "WSS://10.20.0.7:7443", []string{urlRule}},
		{"spec.endpoint", "wss:10.20.0.7:7443", []string{urlRule}},
		{"spec.endpoint", "wss://10.20.0.7:port", []string{urlRule}},
		{"spec.endpoint", "wss://prod eu:7443", []string{urlRule}},
		{"spec.endpoint", "wss://[2001:db8::7:7443", []string{urlRule}},
		{"spec.endpoint", "wss://10.20.0.7:7443/", []string{hostPortRule}},
		{"spec.endpoint", "wss://10.20.0.7:7443/v1/report", []string{hostPortRule}},
		{"spec.endpoint", "wss://10.20.0.7:7443?a=b", []string{hostPortRule}},
		{"spec.endpoint", "wss://10.20.0.7:7443#a", []string{hostPortRule}},
		{"spec.endpoint", "wss://user:word@10.20.0.7:7443", []string{hostPortRule}},
		{"spec.endpoint", "wss://:7443", []string{hostRule}},
		{"spec.endpoint", "wss://-a:7443", []string{hostRule}},
		{"spec.endpoint", "wss://[fe80::1%25eth0]:7443", []string{hostRule}},
		{"spec.endpoint", "wss://10.20.0.7:", []string{portRule}},
		{"spec.endpoint", "wss://10.20.0.7:0", []string{portRule}},
		{"spec.endpoint", "wss://10.20.0.7:65536", []string{portRule}},
		{"spec.endpoint", "wss://10.20.0.7:07443", []string{portRule}},
		{"spec.endpoint", "wss://" + strings.Repeat("a", 295), []string{"may not be more than 300"}},
	}
}

func badClusterIPs() []setting {
	bad := []setting{
		{"spec.clusterIPs", "203.0.113.7", []string{notAList}},
		{"spec.clusterIPs", []any{"203.0.113.7", "203.0.113.7"}, []string{duplicate}},
		{"spec.clusterIPs", slices.Repeat([]any{"203.0.113.7"}, 17), []string{"must have at most 16 items"}},
		{"spec.clusterIPs[0]", 203, []string{notAString}},
		{"spec.clusterIPs[0]", strings.Repeat("1", 46), []string{"may not be more than 45"}},
	}
	for _, value := range []string{
		"", "prod-eu", "203.0.113", "203.0.113.7:7443", "203.0.113.0/24", "203.0.113.007", "::ffff:203.0.113.7",
		"2001:DB8::7", "2001:db8:0:0:0:0:0:7", "[2001:db8::7]", "fe80::1%eth0",
	} {
		bad = append(bad, setting{"spec.clusterIPs[0]", value, []string{ipRule}})
	}
	return bad
}

func badTLS() []setting {
	return []setting{
		{"spec.tls", "none", []string{notAnObject}},
		{"spec.tls.caBundle", 1, []string{notAString}},
		{"spec.tls.caBundle", "-----BEGIN CERTIFICATE-----", []string{bundleRule}},
		{"spec.tls.caBundle", "LS0t\nLS1C", []string{bundleRule}},
		{"spec.tls.caBundle", "LS0tLS1C=", []string{bundleRule}},
		{"spec.tls.caBundle", "Pz8_Pj4-", []string{bundleRule}},
		{"spec.tls.caBundle", strings.Repeat("LS0t", 87384/4+1), []string{"may not be more than 87384"}},
		{"spec.tls.serverName", 1, []string{notAString}},
		{"spec.tls.serverName", "https://prod-eu", []string{nameRule}},
		{"spec.tls.serverName", "prod-eu:7443", []string{nameRule}},
		{"spec.tls.serverName", "prod eu", []string{nameRule}},
		{"spec.tls.serverName", strings.Repeat("a", 254), []string{"may not be more than 253"}},
		{"spec.tls.pinnedSHA256", samplePin, []string{notAList}},
		{"spec.tls.pinnedSHA256", []any{samplePin, samplePin}, []string{duplicate}},
		{"spec.tls.pinnedSHA256", slices.Repeat([]any{samplePin}, 5), []string{"must have at most 4 items"}},
		{"spec.tls.pinnedSHA256[0]", 1, []string{notAString}},
		{"spec.tls.pinnedSHA256[0]", "", []string{pinRule}},
		{"spec.tls.pinnedSHA256[0]", samplePin[1:], []string{pinRule}},
		{"spec.tls.pinnedSHA256[0]", strings.ToUpper(samplePin), []string{pinRule}},
		{"spec.tls.pinnedSHA256[0]", "sha256:" + samplePin, []string{"may not be more than 64"}},
	}
}

func badJoin() []setting {
	join := map[string]any{"keySHA256": samplePin, "expiresAt": "2026-11-22T10:00:00Z"}
	return []setting{
		{"spec.join", join, []string{"spec.join", "has no effect unless connection is Reverse", "tls.pinnedSHA256"}},
		{"spec.join", "now", []string{notAnObject}},
		{"spec.join", map[string]any{"keySHA256": samplePin}, []string{"spec.join.expiresAt", "Required value"}},
		{"spec.join", map[string]any{"expiresAt": "2026-11-22T10:00:00Z"}, []string{"spec.join.keySHA256", "Required value"}},
		{"spec.join", map[string]any{"keySHA256": "", "expiresAt": "2026-11-22T10:00:00Z"}, []string{"spec.join.keySHA256", "must be 64 lower-case hex digits", "kubectl rollcall token create"}},
		{"spec.join.keySHA256", 1, []string{notAString}},
		{"spec.join.keySHA256", samplePin + "a", []string{"may not be more than 64"}},
		{"spec.join.expiresAt", "tomorrow", []string{"must be of type date-time"}},
		{"spec.join", map[string]any{"keySHA256": samplePin, "expiresAt": "0001-01-01T00:00:00Z"}, []string{"spec.join.expiresAt", "must be a time since 1970"}},
	}
}

func badIdentity() []setting {
	const issuer = "spec.identity.serviceAccount.issuer"
	account := map[string]any{"serviceAccount": map[string]any{"issuer": "https://issuer.example"}}
	bad := []setting{
		{"spec.identity", account, []string{"spec.identity", "has no effect unless connection is Reverse", "tls.pinnedSHA256"}},
		{"spec.identity", "none", []string{notAnObject}},
		{"spec.identity.serviceAccount", "none", []string{notAnObject}},
		{"spec.identity.serviceAccount", map[string]any{}, []string{issuer, "Required value"}},
		{"spec.identity.serviceAccount", map[string]any{"issuer": "https://issuer.example", "subject": "rollcall-agent"}, []string{"must be system:serviceaccount:NAMESPACE:NAME"}},
		{"spec.identity.serviceAccount.subject", strings.Repeat("a", 341), []string{"may not be more than 340"}},
		{"spec.identity.serviceAccount.audience", strings.Repeat("a", 254), []string{"may not be more than 253"}},
		{"spec.identity.serviceAccount.jwks", strings.Repeat("a", 65537), []string{"may not be more than 65536"}},
		{"spec.identity.serviceAccount.allowUnbound", "yes", []string{notABoolean}},
		{issuer, strings.Repeat("a", 301), []string{"may not be more than 300"}},
	}
	for _, value := range []string{"", "issuer.example", "http://issuer.example", "https://u:p@issuer.example", "https://issuer.example?a=b", "https://issuer.example#a"} {
		bad = append(bad, setting{issuer, value, []string{"must be an https URL without user, query and fragment"}})
	}
	return bad
}

func badReporting() []setting {
	bad := []setting{
		{"spec.reporting", "often", []string{notAnObject}},
		{"spec.reporting.mode", "Always", []string{"Unsupported value", `"OnDemand", "Continuous"`}},
		{"spec.reporting.mode", "", []string{"Unsupported value", `"OnDemand", "Continuous"`}},
		{"spec.reporting.requestPeriod", "0s", []string{periodRule}},
		{"spec.reporting.cacheTTL", "0s", []string{periodRule}},
		{"spec.reporting.sessionDuration", "0ms", []string{periodRule}},
		{"spec.reporting.idleRefresh", "99ms", []string{"must be 0s, which is never, or a duration from 100ms to 24h"}},
	}
	for _, field := range []string{"requestPeriod", "sessionDuration", "cacheTTL", "idleRefresh"} {
		field = "spec.reporting." + field
		bad = append(bad,
			setting{field, 5, []string{notAString}},
			setting{field, "1000h1000m1000.5s", []string{"may not be more than 16"}},
			// The value matches the pattern but overflows time.Duration, which would break every
			// informer.
			setting{field, "9999999999h", []string{"a duration from 100ms to 24h"}},
			setting{field, "99999999999999ms", []string{"a duration from 100ms to 24h"}},
		)
		for _, value := range []string{"", "5", "s", "1d", "-5s", "+5s", "1us", "5 s", "1.s", ".5s", "1e3s", "5S", "24h1ms", "99.9ms"} {
			bad = append(bad, setting{field, value, []string{"a duration from 100ms to 24h"}})
		}
	}
	return bad
}

func badRest() []setting {
	return []setting{
		{"spec", missing{}, []string{"Required value"}},
		{"spec", "wss://10.20.0.7:7443", []string{notAnObject}},
		{"spec.clusterUID", 1, []string{notAString}},
		{"spec.clusterUID", "the new one", []string{uidRule}},
		{"spec.clusterUID", strings.Repeat("a", 65), []string{"may not be more than 64"}},
		{"spec.health", "none", []string{"must be of type object"}},
		{"spec.health.ignore", "none", []string{"must be of type array"}},
		{"spec.health.ignore", slices.Repeat([]any{map[string]any{"what": "Evicted"}}, 33), []string{"must have at most 32 items"}},
		{"spec.health.ignore[0]", map[string]any{"reason": "all"}, []string{"must say what to ignore", "namespace, owner, node or what"}},
		{"spec.health.ignore[0].namespace", "", []string{"at least 1 chars long"}},
		{"spec.health.ignore[0].namespace", strings.Repeat("a", 64), []string{"may not be more than 63"}},
		{"spec.health.ignore[0].owner", strings.Repeat("a", 318), []string{"may not be more than 317"}},
		{"spec.health.ignore[0].node", strings.Repeat("a", 254), []string{"may not be more than 253"}},
		{"spec.health.ignore[0].what", strings.Repeat("a", 257), []string{"may not be more than 256"}},
		{"spec.health.ignore[0].until", "tomorrow", []string{"must be of type date-time"}},
		{"spec.health.ignore[0].until", "0001-01-01T00:00:00Z", []string{"must be a time since 1970"}},
		{"spec.health.ignore[0].reason", strings.Repeat("a", 257), []string{"may not be more than 256"}},
		{"spec.suspend", "yes", []string{notABoolean}},
		{"spec.endpiont", "wss://10.20.0.7:7443", []string{unknownField}},
		{"spec.reporting.period", "5s", []string{unknownField}},
	}
}
