package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"rollcall.dev/rollcall/api/version"
	"rollcall.dev/rollcall/master"
)

func TestFlags(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want func(*master.Config)
	}{
		{nil, func(*master.Config) {}},
		{[]string{"--kubeconfig", "k"}, func(c *master.Config) { c.Kubeconfig = "k" }},
		{[]string{"--listen", ":1"}, func(c *master.Config) { c.Listen = ":1" }},
		{[]string{"--tls-cert-file", "tls.crt"}, func(c *master.Config) { c.TLSCertFile = "tls.crt" }},
		{[]string{"--tls-key-file", "tls.key"}, func(c *master.Config) { c.TLSKeyFile = "tls.key" }},
		{[]string{"--serving-ca-secret", "s", "--serving-ca-configmap", "c", "--serving-cert-names", "a,10.0.0.1"}, func(c *master.Config) {
			c.ServingCASecret, c.ServingCAConfigMap, c.ServingCertNames = "s", "c", []string{"a", "10.0.0.1"}
		}},
		{[]string{"--auth", "none"}, func(c *master.Config) { c.Auth = master.AuthNone }},
		{[]string{"--token-audiences", "a,b"}, func(c *master.Config) { c.TokenAudiences = []string{"a", "b"} }},
		{[]string{"--client-ca-file", "ca.crt"}, func(c *master.Config) { c.ClientCAFile = "ca.crt" }},
		{[]string{"--insecure"}, func(c *master.Config) { c.Insecure = true }},
		{[]string{"--cache", "redis://x"}, func(c *master.Config) { c.Cache = "redis://x" }},
		{[]string{"--signing-key-file", "s"}, func(c *master.Config) { c.SigningKeyFile = "s" }},
		{[]string{"--rotation-signing-key-file", "old", "--rotation-signing-key-file", "older"}, func(c *master.Config) { c.RotationSigningKeyFiles = []string{"old", "older"} }},
		{[]string{"--leader-elect=false"}, func(c *master.Config) { c.LeaderElect = false }},
		{[]string{"--leader-elect-namespace", "n"}, func(c *master.Config) { c.LeaderElectionNamespace = "n" }},
		{[]string{"--history", "5m"}, func(c *master.Config) { c.History = 5 * time.Minute }},
		{[]string{"--history-max-memory", "64Mi"}, func(c *master.Config) { c.HistoryMaxMemory = 64 << 20 }},
		{[]string{"--sink", "kafka://b1:9092,b2:9092/t", "--sink", "prometheus+https://prom"}, func(c *master.Config) {
			c.Sinks = []string{"kafka://b1:9092,b2:9092/t", "prometheus+https://prom"}
		}},
		{[]string{"--audit-log", "-"}, func(c *master.Config) { c.AuditLog = "-" }},
		{[]string{"--profiling"}, func(c *master.Config) { c.Profiling = true }},
		{[]string{"--state-max-memory", "7Mi"}, func(c *master.Config) { c.StateMaxMemory = 7 << 20 }},
		{[]string{"--cluster-max-memory", "0"}, func(c *master.Config) { c.ClusterMaxMemory = 0 }},
		{[]string{"--query-max-samples", "7"}, func(c *master.Config) { c.QueryMaxSamples = 7 }},
		{[]string{"--history-max-memory", "0"}, func(c *master.Config) { c.HistoryMaxMemory = 0 }},
	} {
		limitedTo(t, "max")
		got, err := parse(tc.args, &bytes.Buffer{})
		want := master.Default()
		want.Version, want.Log, got.Log = version.String(), nil, nil
		tc.want(&want)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %+v, %v; want %+v", tc.args, got, err, want)
		}
	}
}

func TestDefaults(t *testing.T) {
	got, err := parse(nil, &bytes.Buffer{})
	if err != nil || got.Listen != ":8443" || got.Auth != "kubernetes" || got.Cache != "memory" || !got.LeaderElect || got.Insecure {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestLogLevel(t *testing.T) {
	var logged bytes.Buffer
	cfg, err := parse([]string{"--log-level", "warn"}, &logged)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Log.Info("hidden")
	cfg.Log.Warn("shown")
	if got := logged.String(); strings.Contains(got, "hidden") || !strings.Contains(got, "shown") {
		t.Errorf("logged %q, want warnings only", got)
	}
}

func TestHelp(t *testing.T) {
	var help bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &bytes.Buffer{}, &help); !errors.Is(err, pflag.ErrHelp) {
		t.Fatal(err)
	}
	for _, want := range []string{"keygen PATH", "--kubeconfig", `":8443"`, `"kubernetes"`, `"memory"`, "(default true)", "--auth none --dial-loopback --signing-key-file", "--tls-cert-file", "--tls-key-file", "--insecure", "--token-audiences", "--client-ca-file", "--clusterrole rollcall-viewer"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("no %s in\n%s", want, help.String())
		}
	}
}

func TestInvalidArguments(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own.key")
	if err := master.GenerateSigningKey(own); err != nil {
		t.Fatal(err)
	}
	// A configuration of a hub that is never contacted.
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(`{clusters: [{name: hub, cluster: {server: "https://127.0.0.1:1"}}], contexts: [{name: hub, context: {cluster: hub}}], current-context: hub}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	for want, args := range map[string][]string{
		"unknown argument":                  {"serve"},
		"unknown flag":                      {"--name", "x"},
		"unknown name":                      {"--log-level", "loud"},
		"exposes the tokens of clients":     {"--insecure"},
		"require --auth kubernetes":         {"--auth", "none", "--listen", "127.0.0.1:0", "--token-audiences", "a"},
		"lets anyone read":                  {"--auth", "none"},
		"anyone read profiles":              {"--auth", "none", "--insecure", "--profiling"},
		"--serving-ca-configmap must be":    {"--serving-ca-secret", "s"},
		"has its own names":                 {"--serving-cert-names", "a"},
		"usage:":                            {"keygen"},
		"keygen PATH":                       {"keygen", "--help"},
		"read signing key: open /none":      {"--auth", "none", "--listen", "127.0.0.1:0", "--signing-key-file", "/nonexistent"},
		"file requires --signing-key-file":  {"--rotation-signing-key-file", "x"},
		"read signing key: open /next":      {"--auth", "none", "--listen", "127.0.0.1:0", "--signing-key-file", own, "--rotation-signing-key-file", "/next"},
		"open the audit log":                {"--auth", "none", "--listen", "127.0.0.1:0", "--audit-log", "/nonexistent/audit.log"},
		"must be greater than 0":            {"--query-max-samples", "0"},
		"must be 0, which disables it":      {"--history", "1s"},
		"is not an amount":                  {"--history-max-memory", "much"},
		"load the configuration of the hub": {"--auth", "none", "--listen", "127.0.0.1:0", "--kubeconfig", "/nonexistent"},
		"open --cache":                      {"--auth", "none", "--listen", "127.0.0.1:0", "--cache", "redis://x:y:z"},
	} {
		if err := run(t.Context(), args, &bytes.Buffer{}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
	}
}

func TestKeygen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.key")
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"keygen", path}, &stdout, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stdout.String(), path+".pub for --master-public-key-file") {
		t.Errorf("it says %q, want what the files are for", stdout.String())
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v; want mode 0600", info, err)
	}
	if _, err := os.Stat(path + ".pub"); err != nil {
		t.Error(err)
	}
	if err := run(t.Context(), []string{"keygen", path}, &stdout, &bytes.Buffer{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v, want that it exists", err)
	}
}
