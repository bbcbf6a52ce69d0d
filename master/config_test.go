package master

import (
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   string // a part of the error, empty for none
	}{
		{"defaults", func(c *Config) {}, ""},
		{"kubernetes over plain HTTP", func(c *Config) { c.Insecure = true }, "--auth kubernetes over plain HTTP on :8443 exposes the tokens of clients"},
		{"kubernetes over plain HTTP on loopback", func(c *Config) { c.Insecure, c.Listen = true, "127.0.0.1:0" }, ""},
		{"kubernetes over TLS, insecure to agents", func(c *Config) { c.Insecure, c.TLSCertFile, c.TLSKeyFile = true, "tls.crt", "tls.key" }, ""},
		{"audiences", func(c *Config) { c.TokenAudiences = []string{"rollcall"} }, ""},
		{"an empty audience", func(c *Config) { c.TokenAudiences = []string{"rollcall", ""} }, "--token-audiences contains an empty audience"},
		{"audiences without authentication", func(c *Config) { c.Auth, c.Listen, c.TokenAudiences = AuthNone, "127.0.0.1:0", []string{"rollcall"} }, "require --auth kubernetes"},
		{"client CA without authentication", func(c *Config) { c.Auth, c.Listen, c.ClientCAFile = AuthNone, "127.0.0.1:0", "ca.crt" }, "require --auth kubernetes"},
		{"client CA over plain HTTP", func(c *Config) { c.Insecure, c.Listen, c.ClientCAFile = true, "127.0.0.1:0", "ca.crt" }, "--client-ca-file requires TLS"},
		{"unknown auth", func(c *Config) { c.Auth = "basic" }, `--auth "basic" must be kubernetes or none`},
		{"none on all addresses", func(c *Config) { c.Auth = AuthNone }, "--auth none on :8443 lets anyone read every cluster"},
		{"none on all addresses of IPv6", func(c *Config) { c.Auth, c.Listen = AuthNone, "[::]:8443" }, "--auth none on [::]:8443"},
		{"none on a routable address", func(c *Config) { c.Auth, c.Listen = AuthNone, "10.0.0.1:8443" }, "--auth none on 10.0.0.1:8443"},
		{"none on a host name", func(c *Config) { c.Auth, c.Listen = AuthNone, "hub.example.com:8443" }, "--auth none on hub.example.com:8443"},
		{"none on all addresses, insecure", func(c *Config) { c.Auth, c.Insecure = AuthNone, true }, ""},
		{"none on loopback", func(c *Config) { c.Auth, c.Listen = AuthNone, "127.0.0.1:0" }, ""},
		{"none on loopback of IPv6", func(c *Config) { c.Auth, c.Listen = AuthNone, "[::1]:8443" }, ""},
		{"none on localhost", func(c *Config) { c.Auth, c.Listen = AuthNone, "localhost:8443" }, ""},
		{"no port", func(c *Config) { c.Auth, c.Listen = AuthNone, "127.0.0.1" }, `--listen "127.0.0.1" is not host:port`},
		{"a certificate without its key", func(c *Config) { c.TLSCertFile = "tls.crt" }, "--tls-cert-file and --tls-key-file must be set together"},
		{"hosts with authentication", func(c *Config) { c.AllowedHosts = []string{"hub.example"} }, "--allowed-hosts requires --auth none"},
		{"health listener", func(c *Config) { c.HealthListen = ":8081" }, ""},
		{"invalid health listener", func(c *Config) { c.HealthListen = "8081" }, `--health-listen "8081" is not host:port`},
		{"negative connection limit", func(c *Config) { c.MaxConnections = -1 }, "--max-connections and --max-connections-per-address"},
		{"invalid trusted proxy", func(c *Config) { c.TrustedProxies = []string{"ingress"} }, `--trusted-proxies: "ingress" is neither a CIDR`},
		{"dial ranges", func(c *Config) {
			c.DialAllow, c.DialDeny = []string{"10.0.0.0/8", "2001:db8::/32"}, []string{"10.0.0.1"}
		}, ""},
		{"invalid range to allow", func(c *Config) { c.DialAllow = []string{"10.0.0.0/33"} }, `--dial-allow: "10.0.0.0/33" is neither a CIDR`},
		{"invalid range to deny", func(c *Config) { c.DialDeny = []string{"localhost"} }, `--dial-deny: "localhost" is neither a CIDR`},
		{"a proxy", func(c *Config) { c.DialProxy = "socks5://proxy:1080" }, ""},
		{"a proxy and ranges", func(c *Config) { c.DialProxy, c.DialDeny = "http://proxy:3128", []string{"10.0.0.0/8"} }, "the proxy decides"},
		{"a proxy with a password", func(c *Config) { c.DialProxy = "http://u:secret@proxy:3128" }, "--dial-proxy must not contain a user or password"},
		{"invalid proxy", func(c *Config) { c.DialProxy = "proxy:secret" }, "--dial-proxy is not the URL of a proxy"},
		{"memcached", func(c *Config) { c.Cache = "memcached://user:secret@x" }, "--cache must be memory or a URL"},
		{"redis", func(c *Config) { c.Auth, c.Listen, c.Cache = AuthNone, "127.0.0.1:0", "redis://x" }, ""},
		{"rotation keys", func(c *Config) { c.SigningKeyFile, c.RotationSigningKeyFiles = "new", []string{"old"} }, ""},
		{"rotation keys without a signing key", func(c *Config) { c.RotationSigningKeyFiles = []string{"old"} }, "--rotation-signing-key-file requires --signing-key-file"},
		{"a sink", func(c *Config) { c.Sinks = []string{"kafka://b1:9092,b2:9092/readings"} }, ""},
		{"a sink with a password in it", func(c *Config) { c.Sinks = []string{"influxdb+https://u:secret@influx?db=a"} }, "--sink number 1: the URL must not contain a user or password"},
		{"redis over TLS", func(c *Config) { c.Auth, c.Listen, c.Cache = AuthNone, "127.0.0.1:0", "rediss://x" }, ""},
	} {
		c := Default()
		tc.change(&c)
		err := c.Validate()
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: got %v, want no error", tc.name, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		case err != nil && strings.Contains(err.Error(), "u:secret"):
			t.Errorf("%s: got error %v, want it without the password", tc.name, err)
		}
	}
}

func TestRunValidates(t *testing.T) {
	c := Default()
	c.Auth = AuthNone
	if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "--auth none") {
		t.Errorf("got %v, want an error about --auth none", err)
	}
}
