package agent

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"
)

func TestDefaultNeedsOnlyNameAndKey(t *testing.T) {
	cfg := Default()
	err := cfg.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Fatalf("Validate: got %v, want two errors: the missing name and the missing key", err)
	}
	cfg.ClusterName, cfg.MasterPublicKeyFiles = "prod-eu", []string{"master.pub"}
	if err := cfg.Validate(); err != nil {
		t.Errorf("Validate: got %v, want nil", err)
	}
}

func TestValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*Config)
		want string // empty: valid
	}{
		"no name":                        {func(c *Config) { c.ClusterName = "" }, "configmap rollcall-agent --from-literal=cluster-name=NAME"},
		"unset variable in the name":     {func(c *Config) { c.ClusterName = "$(CLUSTER_NAME)" }, "configmap rollcall-agent --from-literal=cluster-name=NAME"},
		"invalid name":                   {func(c *Config) { c.ClusterName = "Prod EU" }, "not a valid name of a ClusterAgent"},
		"certificate without key":        {func(c *Config) { c.TLSCertFile = "tls.crt" }, "--tls-key-file"},
		"key without certificate":        {func(c *Config) { c.TLSKeyFile = "tls.key" }, "--tls-cert-file"},
		"certificate and key":            {func(c *Config) { c.TLSCertFile, c.TLSKeyFile = "tls.crt", "tls.key" }, ""},
		"unknown auth":                   {func(c *Config) { c.Auth = "basic" }, "--auth"},
		"token without a key":            {func(c *Config) { c.MasterPublicKeyFiles = nil }, "--master-public-key-file"},
		"none on all addresses":          {func(c *Config) { c.Auth = AuthNone }, "--insecure"},
		"none on one address":            {func(c *Config) { c.Auth, c.Listen = AuthNone, "10.0.0.1:7443" }, "--insecure"},
		"none on a name":                 {func(c *Config) { c.Auth, c.Listen = AuthNone, "example.org:7443" }, "--insecure"},
		"none on an invalid address":     {func(c *Config) { c.Auth, c.Listen = AuthNone, "7443" }, "--insecure"},
		"none on loopback":               {func(c *Config) { c.Auth, c.Listen = AuthNone, "127.0.0.1:7443" }, ""},
		"none on IPv6 loopback":          {func(c *Config) { c.Auth, c.Listen = AuthNone, "[::1]:7443" }, ""},
		"none on localhost":              {func(c *Config) { c.Auth, c.Listen = AuthNone, "localhost:7443" }, ""},
		"none and insecure":              {func(c *Config) { c.Auth, c.Insecure = AuthNone, true }, ""},
		"token on plain ws":              {func(c *Config) { c.Insecure = true }, "--channel-binding=off"},
		"token on plain ws, binding off": {func(c *Config) { c.Insecure, c.ChannelBinding = true, BindingOff }, ""},
		"token, TLS and insecure":        {func(c *Config) { c.Insecure, c.TLSCertFile, c.TLSKeyFile = true, "tls.crt", "tls.key" }, ""},
		"binding off":                    {func(c *Config) { c.ChannelBinding = BindingOff }, ""},
		"unknown binding":                {func(c *Config) { c.ChannelBinding = "auto" }, "--channel-binding"},
		"unknown usage":                  {func(c *Config) { c.UsageSource = "kubelet" }, "--usage-source"},
		"negative connection limit":      {func(c *Config) { c.MaxConnections = -1 }, "--max-connections"},
		"trusted proxies":                {func(c *Config) { c.TrustedProxies = []string{"10.0.0.0/8"} }, ""},
		"invalid trusted proxies":        {func(c *Config) { c.TrustedProxies = []string{"ingress"} }, "--trusted-proxies"},
		"profiles on all addresses":      {func(c *Config) { c.Profiling, c.MetricsListen = true, ":7444" }, "--profiling"},
		"profiles without an address":    {func(c *Config) { c.Profiling, c.MetricsListen = true, "" }, "--profiling"},
		"profiles on loopback":           {func(c *Config) { c.Profiling = true }, ""},
		"proxy without a hub":            {func(c *Config) { c.HubProxy = "http://proxy:3128" }, "require --hub"},
		"proxy with a join token":        {func(c *Config) { c.HubProxy, c.JoinTokenFile = "socks5://proxy:1080", "token" }, ""},
		"proxy with a password":          {func(c *Config) { c.HubProxy, c.JoinTokenFile = "http://u:secret@proxy:3128", "token" }, "set HTTPS_PROXY"},
		"invalid proxy":                  {func(c *Config) { c.HubProxy, c.Hub = "proxy:secret", "wss://hub:443" }, "--hub-proxy is not the URL of a proxy"},
		"no usage":                       {func(c *Config) { c.UsageSource = UsageNone }, ""},
		"usage too often":                {func(c *Config) { c.UsagePeriod = 100 * time.Millisecond }, "--usage-period"},
		"period of zero":                 {func(c *Config) { c.MinRequestPeriod = 0 }, "--min-request-period"},
		"session as long as the period":  {func(c *Config) { c.MaxSession = c.MinRequestPeriod }, "--max-session"},
		"session longer than the period": {func(c *Config) { c.MaxSession = c.MinRequestPeriod + 1 }, ""},
	} {
		cfg := Default()
		cfg.ClusterName, cfg.MasterPublicKeyFiles = "prod-eu", []string{"master.pub"}
		tc.edit(&cfg)
		err := cfg.Validate()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got error %v, want it to contain %q", name, err, tc.want)
		}
	}
}

// TestServerTLSRequiresTLS13 checks the version that masters need to bind signatures to the connection.
func TestServerTLSRequiresTLS13(t *testing.T) {
	cfg := Default()
	config, err := cfg.serverTLS(nil)
	if err != nil || config.MinVersion != tls.VersionTLS13 {
		t.Errorf("got %+v, %v; want MinVersion TLS 1.3", config, err)
	}
	cfg.Insecure = true
	if plain, err := cfg.serverTLS(nil); err != nil || plain != nil {
		t.Errorf("plain ws: got %+v, %v; want nil", plain, err)
	}
}
