package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestFunctionsInArchitectureExist checks the functions that the tables of docs/ARCHITECTURE.md name as
// "| `package` | `Function` |" or "| `package` | `Type.Method` |".
func TestFunctionsInArchitectureExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Following the data\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)` \\| `([A-Za-z.]+)` \\|").FindAllStringSubmatch(section, -1)
	if !found || len(rows) == 0 {
		t.Fatal("docs/ARCHITECTURE.md has no tables of functions")
	}
	functions := map[string]map[string]bool{}
	for _, row := range rows {
		folder, function := row[1], row[2]
		if functions[folder] == nil {
			functions[folder] = functionsOf(t, filepath.Join(root, folder))
		}
		if !functions[folder][function] {
			t.Errorf("docs/ARCHITECTURE.md names %s of %s, which does not exist", function, folder)
		}
	}
}

// functionsOf returns the functions and the methods (as Type.Method) of the package in a folder, without tests.
func functionsOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				names[receiverOf(f)+f.Name.Name] = true
			}
		}
	}
	return names
}

// receiverOf returns the type of a method's receiver and a dot, or an empty string for a function.
func receiverOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	of := f.Recv.List[0].Type
	for {
		switch t := of.(type) {
		case *ast.StarExpr:
			of = t.X
		case *ast.IndexExpr:
			of = t.X
		case *ast.IndexListExpr:
			of = t.X
		case *ast.Ident:
			return t.Name + "."
		default:
			return ""
		}
	}
}
