// Package docs tests that names and paths in the documents exist in the repository.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the root folder of the repository.
const root = "../.."

// named matches a test's name in a document, declared its declaration.
var (
	named    = regexp.MustCompile("`((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`")
	declared = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)\(`)
)

func TestTestsInThreatModelExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	exists := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, match := range declared.FindAllSubmatch(source, -1) {
			exists[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range named.FindAllSubmatch(text, -1) {
		if name := string(match[1]); !exists[name] {
			t.Errorf("SECURITY.md names %s, which does not exist", name)
		}
	}
}

// TestPathsInArchitectureExist checks the paths of packages and files that
// docs/ARCHITECTURE.md names.
func TestPathsInArchitectureExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	quoted := regexp.MustCompile("`([a-z0-9]+(?:/[A-Za-z0-9_*.-]+)+)`")
	matches := quoted.FindAllSubmatch(text, -1)
	if len(matches) == 0 {
		t.Fatal("docs/ARCHITECTURE.md names no path")
	}
	for _, match := range matches {
		path := string(match[1])
		if path == "testing/synctest" { // of Go
			continue
		}
		found, err := filepath.Glob(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			t.Errorf("docs/ARCHITECTURE.md names %s, which does not exist", path)
		}
	}
}
