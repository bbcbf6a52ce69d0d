package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"rollcall.dev/rollcall/agent"
	"rollcall.dev/rollcall/api/version"
)

func TestFlags(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want func(*agent.Config)
	}{
		{nil, func(*agent.Config) {}},
		{[]string{"--kubeconfig", "k"}, func(c *agent.Config) { c.Kubeconfig = "k" }},
		{[]string{"--cluster-name=prod-eu"}, func(c *agent.Config) { c.ClusterName = "prod-eu" }},
		{[]string{"--listen", ":1"}, func(c *agent.Config) { c.Listen = ":1" }},
		{[]string{"--metrics-listen", ""}, func(c *agent.Config) { c.MetricsListen = "" }},
		{[]string{"--tls-cert-file", "tls.crt"}, func(c *agent.Config) { c.TLSCertFile = "tls.crt" }},
		{[]string{"--tls-key-file", "tls.key"}, func(c *agent.Config) { c.TLSKeyFile = "tls.key" }},
		{[]string{"--auth", "none"}, func(c *agent.Config) { c.Auth = agent.AuthNone }},
		{[]string{"--master-public-key-file", "old", "--master-public-key-file", "new"}, func(c *agent.Config) { c.MasterPublicKeyFiles = []string{"old", "new"} }},
		{[]string{"--channel-binding=off"}, func(c *agent.Config) { c.ChannelBinding = agent.BindingOff }},
		{[]string{"--insecure"}, func(c *agent.Config) { c.Insecure = true }},
		{[]string{"--usage-source", "none"}, func(c *agent.Config) { c.UsageSource = agent.UsageNone }},
		{[]string{"--usage-period", "30s"}, func(c *agent.Config) { c.UsagePeriod = 30 * time.Second }},
		{[]string{"--min-request-period", "2s"}, func(c *agent.Config) { c.MinRequestPeriod = 2 * time.Second }},
		{[]string{"--max-session", "1h"}, func(c *agent.Config) { c.MaxSession = time.Hour }},
	} {
		got, err := parse(tc.args, &bytes.Buffer{})
		want := agent.Default()
		want.Version, want.Log, got.Log = version.String(), nil, nil
		tc.want(&want)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %+v, %v; want %+v", tc.args, got, err, want)
		}
	}
}

func TestLogLevel(t *testing.T) {
	var logged bytes.Buffer
	cfg, err := parse([]string{"--log-level", "debug"}, &logged)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Log.Debug("shown")
	if !strings.Contains(logged.String(), "shown") {
		t.Errorf("logged %q, want debug messages", logged.String())
	}
}

func TestHelp(t *testing.T) {
	var help bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &bytes.Buffer{}, &help); !errors.Is(err, pflag.ErrHelp) {
		t.Fatal(err)
	}
	for _, want := range []string{"--cluster-name", `":7443"`, `"127.0.0.1:7444"`, `"token"`, `"metrics-api"`, "15s", "(default 1s)", "30m0s"} {
		if !strings.Contains(help.String(), want) {
			t.Errorf("no %s in\n%s", want, help.String())
		}
	}
}

func TestInvalidArguments(t *testing.T) {
	invalidKey := filepath.Join(t.TempDir(), "master.pub")
	if err := os.WriteFile(invalidKey, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"unknown argument": {"certify", "dir"},
		"unknown flag":     {"--name", "x"},
		"invalid argument": {"--usage-period", "often"},
		"--cluster-name":   {},
		"usage:":           {"certgen"},
		"certgen DIR":      {"certgen", "--help"},
		"master.pub":       {"--cluster-name", "x", "--kubeconfig", writeKubeconfig(t), "--master-public-key-file", invalidKey},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // if it starts
		if err := run(ctx, args, &bytes.Buffer{}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", args, err, want)
		}
		cancel()
	}
}

func writeKubeconfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	content := `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}], users: [{name: u, user: {}}]}`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCertgenPrintsThePin(t *testing.T) {
	dir := t.TempDir()
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{"certgen", dir}, &stdout, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(filepath.Join(dir, "tls.pin"))
	if err != nil || stdout.String() != string(written) || len(strings.TrimSpace(stdout.String())) != 64 {
		t.Errorf("printed %q, wrote %q, %v", stdout.String(), written, err)
	}
}
