package state

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// documentedProblems returns the table of problems in docs/FACTS.md. The cells of a row are:
// situation, what, since, threshold, severity, source.
func documentedProblems(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/FACTS.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 6 || strings.HasPrefix(cells[0], "---") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] != "situation" {
			rows = append(rows, cells)
		}
	}
	if len(rows) < 20 {
		t.Fatalf("the table of problems has %d rows", len(rows))
	}
	return rows
}

// codeSpans returns the texts in backquotes in a cell.
func codeSpans(cell string) []string {
	var all []string
	for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		all = append(all, match[1])
	}
	return all
}

// whatConstants returns the values of the What constants.
func whatConstants(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("health*.go")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(strings.ToLower(spec.Names[0].Name), "what") {
				return true
			}
			if value, ok := spec.Values[0].(*ast.BasicLit); ok {
				word, err := strconv.Unquote(value.Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, word)
			}
			return true
		})
	}
	return all
}

func TestDocumentListsEveryProblem(t *testing.T) {
	var message []string
	for _, row := range documentedProblems(t) {
		message = append(message, codeSpans(row[1])...)
		message = append(message, codeSpans(row[0])...)
	}
	all := whatConstants(t)
	if len(all) < 15 {
		t.Fatalf("only %d codeSpans are found in the code: %q", len(all), all)
	}
	for _, what := range all {
		if !slices.Contains(message, what) {
			t.Errorf("docs/FACTS.md does not list %s", what)
		}
	}
	for _, name := range slices.Concat([]string{"KernelDeadlock", "ReadonlyFilesystem", "CorruptDockerOverlay2", "Frequent…", "Pressure"}, badWhenTrueSuffix, goodWhenTrue) {
		if !slices.Contains(message, name) {
			t.Errorf("docs/FACTS.md does not list the condition %s", name)
		}
	}
}

func TestDocumentListsEveryThreshold(t *testing.T) {
	for row, threshold := range map[string]time.Duration{
		"nodes or pods cannot be read":                 sectionThreshold,
		"node not Ready":                               nodeThreshold,
		"pressure or NetworkUnavailable":               conditionThreshold,
		"pod not scheduled":                            podThreshold,
		"container or sidecar that does not work":      podThreshold,
		"pod that is not ready although":               podThreshold,
		"pod in phase Unknown":                         podThreshold,
		"crash loop":                                   crashLoopThreshold,
		"pod failed otherwise":                         failedThreshold,
		"PersistentVolumeClaim pending, and a pod":     claimThreshold,
		"PersistentVolumeClaim whose volume is gone":   claimThreshold,
		"PersistentVolume pending or failed":           volumeThreshold,
		"NodePort or LoadBalancer Service":             serviceThreshold,
		"LoadBalancer without an address":              serviceThreshold,
		"several claim the same port":                  0,
		"pod with scheduling gates":                    0,
		"pod failed, and other pods":                   0,
		"pod that is being deleted":                    0,
		"pod, but for those of Jobs":                   0,
		"Services and EndpointSlices":                  0,
		"PersistentVolumeClaim pending, and no pod":    0,
		"Service whose selector":                       0,
		"Ready changed at least three times":           0,
		"the requests of all pods":                     0,
		"more than 95 %":                               0,
		"taint `node.kubernetes.io/unreachable`":       0,
		"a condition without a rule":                   0,
		"pod still there 5 min after its grace period": 0,
	} {
		want := "–"
		if threshold != 0 {
			want = strconv.Itoa(int(threshold/time.Minute)) + " min"
		}
		at := slices.IndexFunc(documentedProblems(t), func(cells []string) bool { return strings.HasPrefix(cells[0], row) })
		if at < 0 {
			t.Errorf("docs/FACTS.md has no row %q", row)
			continue
		}
		if got := documentedProblems(t)[at][3]; got != want {
			t.Errorf("docs/FACTS.md: got threshold %[2]s of %[1]q, want %[3]s", row, got, want)
		}
	}
}

func TestDocumentListsEveryCoveredAlert(t *testing.T) {
	sources := ""
	for _, row := range documentedProblems(t) {
		sources += row[5] + " "
	}
	// These are the alerts of kubernetes-mixin that do not need workload objects.
	for _, alert := range []string{
		"KubePodCrashLooping", "KubePodNotReady", "KubeContainerWaiting", "KubeNodeNotReady", "KubeNodePressure", "KubeNodeUnreachable",
		"KubeNodeReadinessFlapping", "KubeletTooManyPods", "KubeCPUOvercommit", "KubeMemoryOvercommit", "KubePersistentVolumeErrors",
	} {
		if !strings.Contains(sources, alert) {
			t.Errorf("docs/FACTS.md does not name %s", alert)
		}
	}
}
