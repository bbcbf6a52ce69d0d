package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// operations returns the text of docs/OPERATIONS.md.
func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/OPERATIONS.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sources calls visit for each node of the code of master and agent, without tests.
func sources(t *testing.T, visit func(path string, node ast.Node)) {
	t.Helper()
	for _, folder := range []string{"master", "agent", "controllers", "api", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool { visit(path, n); return true })
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// literal returns the value of a text in the code, "" for other expressions.
func literal(e ast.Expr) string {
	basic, ok := e.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return ""
	}
	value, err := strconv.Unquote(basic.Value)
	if err != nil {
		return ""
	}
	return value
}

func TestEveryConditionReasonIsDocumented(t *testing.T) {
	text, found := operations(t), 0
	sources(t, func(path string, n ast.Node) {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasSuffix(path, "v1alpha1/conditions.go") || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return
		}
		found++
		if reason := literal(spec.Values[0]); !strings.Contains(text, "\n| `"+reason+"` |") {
			t.Errorf("docs/OPERATIONS.md has no row for the reason %s", reason)
		}
	})
	if found == 0 {
		t.Error("found no reasons")
	}
}

func TestEveryWarningIsDocumented(t *testing.T) {
	text, found := operations(t), 0
	sources(t, func(path string, n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains([]string{"Warn", "Error", "WarnContext", "ErrorContext"}, method.Sel.Name) {
			return
		}
		message := literal(call.Args[0])
		if message == "" {
			return
		}
		found++
		if !strings.Contains(text, "`"+message+"` |") && !strings.Contains(text, "``"+message+"`` |") {
			t.Errorf("docs/OPERATIONS.md has no row for the log line %q of %s", message, path)
		}
	})
	if found == 0 {
		t.Error("found no log lines")
	}
}

// series are the folders whose metrics are those of the clusters, which docs/PROMETHEUS.md lists.
var series = regexp.MustCompile(`/(prom|series|samples|heapster|sink)/[a-z_]+\.go$`)

func TestEveryMetricIsDocumented(t *testing.T) {
	metrics := map[string]bool{}
	var prefixes, suffixes []string
	add := func(path, name string) {
		if strings.HasPrefix(name, "rollcall_") && (!series.MatchString(path) || strings.HasSuffix(path, "metrics.go")) {
			metrics[name] = true
		}
	}
	sources(t, func(path string, n ast.Node) {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Name" {
				add(path, literal(n.Value))
				if sum, ok := n.Value.(*ast.BinaryExpr); ok && strings.Contains(path, "connlimit") {
					suffixes = append(suffixes, literal(sum.Y))
				}
			}
		case *ast.CallExpr:
			if len(n.Args) == 0 {
				return
			}
			switch f := n.Fun.(type) {
			case *ast.SelectorExpr:
				if f.Sel.Name == "NewDesc" {
					add(path, literal(n.Args[0]))
				}
				if f.Sel.Name == "Collectors" {
					prefixes = append(prefixes, literal(n.Args[0]))
				}
			case *ast.Ident:
				add(path, literal(n.Args[0])) // a function that makes counters
			}
		}
	})
	for _, prefix := range prefixes {
		for _, suffix := range suffixes {
			metrics[prefix+suffix] = true
		}
	}
	text := operations(t)
	for name := range metrics {
		if !strings.Contains(text, "\n| `"+name+"` |") {
			t.Errorf("docs/OPERATIONS.md has no row for the metric %s", name)
		}
	}
	for _, row := range regexp.MustCompile("\n\\| `(rollcall_[a-z_]+)` \\|").FindAllStringSubmatch(text, -1) {
		if !metrics[row[1]] {
			t.Errorf("docs/OPERATIONS.md names the metric %s, which does not exist", row[1])
		}
	}
}
