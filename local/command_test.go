package local

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/client/plugin"
)

func TestPageIsOpened(t *testing.T) {
	opened := make(chan string, 1)
	r := start(t, Config{Simulate: 1, Seed: 1, Open: func(url string) error { opened <- url; return nil }})
	if got := <-opened; got != r.link {
		t.Errorf("opened %s, want the address with the one-time token, %s", got, r.link)
	}
}

func TestBrowserThatCannotBeOpened(t *testing.T) {
	r := start(t, Config{Simulate: 1, Seed: 1, Open: func(string) error { return errors.New("no xdg-open") }})
	r.waitPrinted("The browser could not be opened: no xdg-open. Open the address of the page yourself.")
	if got := r.request("/", nil); got.status != 200 {
		t.Errorf("got status %d, want the page", got.status)
	}
}

// TestOpenFlag runs the command with a program as browser that writes its argument to a file.
func TestOpenFlag(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte("#!/bin/sh\necho \"$1\" > \"$(dirname \"$0\")/new\"\nmv \"$(dirname \"$0\")/new\" \"$(dirname \"$0\")/url\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	out := &terminal{}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	cmd := Command(CommandConfig{Version: "v1.2.3"})
	cmd.SetOut(out)
	cmd.SetArgs([]string{"--simulate", "1", "--open"})
	go func() { ended <- cmd.ExecuteContext(ctx) }()
	var url []byte
	eventually(t, "the browser is started", func() bool {
		url, _ = os.ReadFile(filepath.Join(dir, "url"))
		return len(url) > 0
	}, out.String)
	if m := printed.FindStringSubmatch(out.String()); m == nil || m[1] != strings.TrimSpace(string(url)) {
		t.Errorf("opened %s, want the printed address:\n%s", url, out)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestPluginUsesThePrintedVariables runs another command of the plugin with the printed ROLLCALL_SERVER and
// ROLLCALL_TOKEN, and with a wrong token.
func TestPluginUsesThePrintedVariables(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	r := start(t, Config{Simulate: 2, Seed: 1})
	status := func(token string) (code int, out, errOut string) {
		var stdout, stderr bytes.Buffer
		code = plugin.Run(t.Context(), plugin.Config{
			IOStreams: genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &stdout, ErrOut: &stderr},
			Getenv: func(name string) string {
				return map[string]string{"ROLLCALL_SERVER": r.url, "ROLLCALL_TOKEN": token}[name]
			},
			Commands: []*cobra.Command{Command(CommandConfig{})},
		}, []string{"status", "-o", "wide"})
		return code, stdout.String(), stderr.String()
	}
	code, out, errOut := status(r.token)
	if code != 0 || strings.Count(out, "\n") != 3 || !strings.Contains(errOut, "Master version: v1.2.3") {
		t.Errorf("got %d\n%s%s\nwant two clusters and the version", code, out, errOut)
	}
	if code, out, errOut := status("wrong"); code == 0 || !strings.Contains(errOut, "ROLLCALL_TOKEN") || strings.Contains(out+errOut, r.token) {
		t.Errorf("with a wrong token: got %d\n%s%s\nwant what to do", code, out, errOut)
	}
}

// TestFlagsOfThePlugin runs the command below the plugin, whose flags it inherits.
func TestFlagsOfThePlugin(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	config := kubeconfigFile(t, map[string]userContext{"one": {Config: &rest.Config{Host: "https://127.0.0.1:1"}, user: "jane"}})
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--kubeconfig", config, "--context", "two"}, `the kubeconfig has no context "two"; it has one`},
		{[]string{"--kubeconfig", config}, "the kubeconfig has no current context: set --contexts to some of one"},
		{[]string{"--kubeconfig", config, "--server", "https://rollcall.example", "--token", "x"}, "--server, --token: not used by `kubectl rollcall local`"},
		{nil, "no kubeconfig with a context found"},
	} {
		var stderr bytes.Buffer
		code := plugin.Run(t.Context(), plugin.Config{
			IOStreams: genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &bytes.Buffer{}, ErrOut: &stderr},
			Commands:  []*cobra.Command{Command(CommandConfig{})},
		}, append([]string{"local"}, tc.args...))
		if code == 0 || !strings.Contains(stderr.String(), tc.want) {
			t.Errorf("%q: got %d %s, want the error %q", tc.args, code, &stderr, tc.want)
		}
	}
}
