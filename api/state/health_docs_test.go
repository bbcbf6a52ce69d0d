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

// documented are the cells of the table of problems in docs/FACTS.md, row by row:
// situation, what, since, patience, severity, source.
func documented(t *testing.T) [][]string {
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

// words are the words in code's type of a cell.
func words(cell string) []string {
	var all []string
	for _, match := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		all = append(all, match[1])
	}
	return all
}

// whats are the values of the constants that say what is wrong.
func whats(t *testing.T) []string {
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

func TestTheDocumentHasEveryProblem(t *testing.T) {
	var said []string
	for _, row := range documented(t) {
		said = append(said, words(row[1])...)
		said = append(said, words(row[0])...)
	}
	all := whats(t)
	if len(all) < 15 {
		t.Fatalf("only %d words are found in the code: %q", len(all), all)
	}
	for _, what := range all {
		if !slices.Contains(said, what) {
			t.Errorf("docs/FACTS.md does not tell of %s", what)
		}
	}
	for _, name := range slices.Concat([]string{"KernelDeadlock", "ReadonlyFilesystem", "CorruptDockerOverlay2", "Frequent…", "Pressure"}, badWhenTrueSuffix, goodWhenTrue) {
		if !slices.Contains(said, name) {
			t.Errorf("docs/FACTS.md does not tell of conditions %s", name)
		}
	}
}

func TestTheDocumentHasThePatienceOfEveryProblem(t *testing.T) {
	for row, patience := range map[string]time.Duration{
		"nodes or pods cannot be read":                 sectionPatience,
		"node not Ready":                               nodePatience,
		"pressure or NetworkUnavailable":               conditionPatience,
		"pod not scheduled":                            podPatience,
		"container or sidecar that does not work":      podPatience,
		"pod that is not ready although":               podPatience,
		"pod in phase Unknown":                         podPatience,
		"crash loop":                                   crashPatience,
		"pod failed otherwise":                         failedPatience,
		"PersistentVolumeClaim pending, and a pod":     claimPatience,
		"PersistentVolumeClaim whose volume is gone":   claimPatience,
		"PersistentVolume pending or failed":           volumePatience,
		"NodePort or LoadBalancer Service":             servicePatience,
		"LoadBalancer without an address":              servicePatience,
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
		"a condition that no rule knows":               0,
		"pod still there 5 min after its grace period": 0,
	} {
		want := "–"
		if patience != 0 {
			want = strconv.Itoa(int(patience/time.Minute)) + " min"
		}
		at := slices.IndexFunc(documented(t), func(cells []string) bool { return strings.HasPrefix(cells[0], row) })
		if at < 0 {
			t.Errorf("docs/FACTS.md has no row %q", row)
			continue
		}
		if got := documented(t)[at][3]; got != want {
			t.Errorf("docs/FACTS.md: the patience of %q is %s, and the code has %s", row, got, want)
		}
	}
}

func TestTheDocumentNamesEveryAlertThatProblemsCover(t *testing.T) {
	sources := ""
	for _, row := range documented(t) {
		sources += row[5] + " "
	}
	// Those of kubernetes-mixin that need no workloads.
	for _, alert := range []string{
		"KubePodCrashLooping", "KubePodNotReady", "KubeContainerWaiting", "KubeNodeNotReady", "KubeNodePressure", "KubeNodeUnreachable",
		"KubeNodeReadinessFlapping", "KubeletTooManyPods", "KubeCPUOvercommit", "KubeMemoryOvercommit", "KubePersistentVolumeErrors",
	} {
		if !strings.Contains(sources, alert) {
			t.Errorf("docs/FACTS.md does not name %s", alert)
		}
	}
}
