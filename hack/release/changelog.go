package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// changes returns the section of CHANGELOG.md about the source's version, without its heading. A draft may have the
// section Unreleased instead.
func (s *Source) changes(draft bool) (string, error) {
	content, err := os.ReadFile(filepath.Join(s.Root, "CHANGELOG.md"))
	if err != nil {
		return "", fmt.Errorf("read the changes: %w", err)
	}
	number := strings.TrimPrefix(s.Version, "v")
	if section, ok := section(string(content), "["+number+"]"); ok {
		return section, nil
	}
	if draft {
		if section, ok := section(string(content), "[Unreleased]"); ok {
			return section, nil
		}
	}
	return "", fmt.Errorf(`CHANGELOG.md has no section "## [%s] - YYYY-MM-DD": rename the section Unreleased`, number)
}

// section returns the text below the heading of level two that starts with title.
func section(document, title string) (string, bool) {
	var out []string
	var found bool
	for line := range strings.Lines(document) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			if found {
				break
			}
			found = strings.HasPrefix(heading, title)
			continue
		}
		if found {
			out = append(out, line)
		}
	}
	return strings.TrimSpace(strings.Join(out, "")) + "\n", found
}
