package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// openLog opens an audit log at a path.
func openLog(t *testing.T, path string) (l *Log, metrics *prometheus.Registry, logged *bytes.Buffer) {
	t.Helper()
	metrics, logged = prometheus.NewPedanticRegistry(), &bytes.Buffer{}
	l, err := Open(Config{Path: path, Metrics: metrics, Log: slog.New(slog.NewTextHandler(logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return l, metrics, logged
}

// wantLines compares the counter of lines.
func wantLines(t *testing.T, metrics *prometheus.Registry, written, queueFull, writeFailed int) {
	t.Helper()
	want := fmt.Sprintf(`
# HELP rollcall_audit_lines_total Lines of the audit log by outcome: written, or lost because of queue_full (requests arrive faster than lines can be written) or write_failed (the file cannot be written).
# TYPE rollcall_audit_lines_total counter
rollcall_audit_lines_total{outcome="queue_full"} %d
rollcall_audit_lines_total{outcome="write_failed"} %d
rollcall_audit_lines_total{outcome="written"} %d
`, queueFull, writeFailed, written)
	if err := testutil.GatherAndCompare(metrics, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

// paths returns the paths in the lines of a file.
func paths(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		var e Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		all = append(all, e.Path)
	}
	return strings.Join(all, " ")
}

func TestLinesAreWrittenUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "audit.log")
		l, metrics, _ := openLog(t, file)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Run(ctx) }()
		l.Write(Event{Path: "/a"})
		synctest.Wait()
		l.Write(Event{Path: "/b"})
		l.Write(Event{Path: "/c"})
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := paths(t, file); got != "/a /b /c" {
			t.Errorf("got the paths %q", got)
		}
		wantLines(t, metrics, 3, 0, 0)
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("got %v, %v, want a file that only its owner reads", info.Mode(), err)
		}
	})
}

func TestRotationNeedsNoSignal(t *testing.T) {
	for name, rotate := range map[string]func(file string) error{
		"create":       func(file string) error { return os.Rename(file, file+".1") },
		"copytruncate": func(file string) error { return os.Truncate(file, 0) },
		"delete":       os.Remove,
	} {
		synctest.Test(t, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "audit.log")
			l, metrics, _ := openLog(t, file)
			go func() { _ = l.Run(t.Context()) }()
			l.Write(Event{Path: "/before"})
			synctest.Wait()
			if err := rotate(file); err != nil {
				t.Fatal(err)
			}
			<-time.After(checkInterval)
			l.Write(Event{Path: "/after"})
			synctest.Wait()
			if got := paths(t, file); got != "/after" {
				t.Errorf("%s: got the paths %q in the new file", name, got)
			}
			wantLines(t, metrics, 2, 0, 0)
		})
	}
}

func TestWriteNeverBlocks(t *testing.T) {
	l, metrics, logged := openLog(t, filepath.Join(t.TempDir(), "audit.log"))
	for range maxQueue + 10 {
		l.Write(Event{Path: "/a"})
	}
	wantLines(t, metrics, 0, 10, 0)
	if n := strings.Count(logged.String(), "level=WARN"); n != 1 {
		t.Errorf("got %d warnings, want one:\n%s", n, logged)
	}
}

func TestLinesThatCannotBeWrittenAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "log")
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		l, metrics, logged := openLog(t, filepath.Join(folder, "audit.log"))
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		go func() { _ = l.Run(t.Context()) }()
		l.Write(Event{Path: "/a"})
		synctest.Wait()
		wantLines(t, metrics, 0, 0, 1)
		if !strings.Contains(logged.String(), "no such file") {
			t.Errorf("logged %q", logged)
		}
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		<-time.After(checkInterval)
		l.Write(Event{Path: "/b"})
		synctest.Wait()
		wantLines(t, metrics, 1, 0, 1)
	})
}

func TestFileThatCannotBeOpened(t *testing.T) {
	_, err := Open(Config{Path: "/nonexistent/audit.log"})
	if err == nil || !strings.Contains(err.Error(), "set --audit-log") {
		t.Errorf("got %v, want what to do", err)
	}
}

func TestEventsAreBounded(t *testing.T) {
	const secret = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl-_x"
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("cluster-%d", i)
	}
	long := strings.Repeat("x", 1<<20)
	e := Event{
		User: long, UserAgent: "curl " + secret, Method: long, Path: "/api/v1/clusters/" + secret + "/" + long, Clusters: names, StartedSessions: names,
		Parameters: map[string][]string{"q": {secret, "a\nb\x00", long, long}, "query": {long}, "match[]": names},
	}
	text, err := json.Marshal(e.bounded())
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > 8<<10 || strings.Contains(string(text), "c2lnbmF0dXJl") || strings.Contains(string(text), `\n`) {
		t.Errorf("got %d bytes: %.2000s", len(text), text)
	}
	if !strings.Contains(string(text), `"clusterCount":1000`) || !strings.Contains(string(text), Redacted) {
		t.Errorf("got %s", text)
	}
}

func FuzzText(f *testing.F) {
	f.Add("eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2ln")
	f.Add("\xff\x00")
	f.Fuzz(func(t *testing.T, s string) {
		got := Text(s)
		if len(got) > maxText+len("…") || strings.ContainsAny(got, "\n\r\x00") {
			t.Errorf("got %q", got)
		}
		if tokens.MatchString(got) {
			t.Errorf("got the token %q", got)
		}
	})
}
