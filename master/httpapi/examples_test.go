package httpapi

import (
	"bufio"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// TestExamplesFollowAndResume runs the programs in docs/examples against a server that breaks all
// connections in between.
func TestExamplesFollowAndResume(t *testing.T) {
	examples, err := filepath.Abs("../../docs/examples")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "follow-go")
	if out, err := exec.Command("go", "build", "-o", program, filepath.Join(examples, "follow-go")).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	document, err := os.ReadFile("../../docs/API.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, command := range map[string][]string{
		"follow-curl.sh":     {"bash", filepath.Join(examples, "follow-curl.sh")},
		"follow_stdlib.py":   {"python3", filepath.Join(examples, "follow_stdlib.py")},
		"follow_requests.py": {"python3", filepath.Join(examples, "follow_requests.py")},
		"follow.mjs":         {"node", filepath.Join(examples, "follow.mjs")},
		"eventsource.mjs":    {"node", filepath.Join(examples, "eventsource.mjs")},
		"follow-go":          {program},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variable := regexp.MustCompile(`(?m)^\| \[` + regexp.QuoteMeta(name) + "\\].*\\| `([A-Z_]+)` \\|$").FindSubmatch(document)
			if variable == nil {
				t.Fatalf("docs/API.md names no variable for the CA of %s", name)
			}
			runExample(t, append(command, "prod-eu"), string(variable[1]))
		})
	}
}

// caFile writes the certificate of a server to a file and returns its path.
func caFile(t *testing.T, server *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// runExample runs a program that trusts the server by a CA in a file, whose path is in an environment variable.
func runExample(t *testing.T, command []string, caVariable string) {
	f := liveShop(t)
	server := httptest.NewTLSServer(f.api(nil))
	defer server.Close()
	lines := startProgram(t, command, "ROLLCALL_URL="+server.URL, caVariable+"="+caFile(t, server))
	waitFor(t, lines, "ADDED", "n1")
	waitFor(t, lines, "BOOKMARK")
	f.report(t, "prod-eu", nil, node("n2", state.True))
	waitFor(t, lines, "ADDED", "n2")
	waitFor(t, lines, "Summary") // the last event of the change
	server.CloseClientConnections()
	f.report(t, "prod-eu", []state.Key{{Kind: state.KindNode, Name: "n1"}}, node("n3", state.True))
	for between, line := range waitFor(t, lines, "DELETED", "n1") {
		if strings.Contains(line, "ADDED") && strings.Contains(line, "n2") {
			t.Errorf("after break %d: got %s, want only later changes", between, line)
		}
	}
	waitFor(t, lines, "ADDED", "n3")
	f.Change(func() { f.Registered = f.Registered[1:] })
	waitFor(t, lines, "ERROR")
}

// startProgram starts a program and returns its output line by line. The program is killed when the test
// ends.
func startProgram(t *testing.T, command []string, environment ...string) <-chan string {
	t.Helper()
	c := exec.CommandContext(t.Context(), command[0], command[1:]...)
	c.Env = append(append(os.Environ(), "ROLLCALL_TOKEN=secret"), environment...)
	c.WaitDelay = time.Second
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems strings.Builder
	c.Stderr = &problems
	if err := c.Start(); err != nil {
		t.Fatalf("%v: %v; hack/test.sh installs what the examples need", command, err)
	}
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		for range lines {
		}
		_ = c.Wait()
		if t.Failed() {
			t.Logf("%v said:\n%s", command, problems.String())
		}
	})
	return lines
}

// waitFor reads lines until one contains all words, and returns the lines before it.
func waitFor(t *testing.T, lines <-chan string, words ...string) []string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	var before []string
	for {
		select {
		case line, open := <-lines:
			if !open {
				t.Fatalf("the program ended before it printed %v; output:\n%s", words, strings.Join(before, "\n"))
			}
			found := 0
			for _, word := range words {
				if strings.Contains(line, word) {
					found++
				}
			}
			if found == len(words) {
				return before
			}
			before = append(before, line)
		case <-deadline:
			t.Fatalf("timeout waiting for %v; output:\n%s", words, strings.Join(before, "\n"))
		}
	}
}
