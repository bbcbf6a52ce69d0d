package plugin

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// runCompletion runs the command completion and returns its exit code and output.
func runCompletion(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Run(t.Context(), Config{IOStreams: genericiooptions.IOStreams{Out: &stdout, ErrOut: &stderr}}, append([]string{"completion"}, args...))
	return code, stdout.String(), stderr.String()
}

func TestCompletionIsPrintedOrInstalledBesideThePlugin(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // the folder has a plugin without the suffix .exe
	}
	_, script := completionScript(runtime.GOOS)
	if code, out, errOut := runCompletion(t); code != 0 || out != script {
		t.Errorf("got %d, %q, %q; want the script", code, out, errOut)
	}
	bin, other := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "kubectl-rollcall"), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	for folder, args := range map[string][]string{bin: {"--install"}, other: {"--install", "--directory", other}} {
		file := filepath.Join(folder, "kubectl_complete-rollcall")
		if code, out, errOut := runCompletion(t, args...); code != 0 || out != "installed "+file+"\n" {
			t.Errorf("%v: got %d, %q, %q; want the name of the file", args, code, out, errOut)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || string(content) != script || info.Mode()&0o111 == 0 {
			t.Errorf("%v: got %q, %v, %v; want the script, executable", args, content, info.Mode(), err)
		}
	}
}

func TestCompletionWithoutAPluginOnThePathSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if code, _, errOut := runCompletion(t, "--install"); code != 1 || !strings.Contains(errOut, "--directory") {
		t.Errorf("got %d, %q; want an error that names --directory", code, errOut)
	}
}

func TestCompletionOfWindowsIsABatchFile(t *testing.T) {
	name, script := completionScript("windows")
	if name != "kubectl_complete-rollcall.cmd" || script != "@kubectl-rollcall __complete %*\r\n" {
		t.Errorf("got %q, %q", name, script)
	}
}
