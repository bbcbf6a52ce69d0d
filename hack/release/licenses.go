package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	classifier "github.com/google/licenseclassifier/v2"
	"github.com/google/licenseclassifier/v2/assets"
)

// allowedLicenses has the licences that dependencies of a program under the Apache License 2.0 may have. The terms of
// MPL-2.0 apply to the files of the dependency only.
var allowedLicenses = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "Unlicense", "Zlib", "CC0-1.0", "0BSD"}

// Module is a Go module that is compiled into a program.
type Module struct {
	Path, Dir string
	// Licenses has the SPDX identifiers of its licences.
	Licenses []string
	// texts and notices have the contents of the licence and notice files.
	texts, notices []string
}

// dependencies returns the modules that are compiled into the programs, with their licences, sorted by path. The last
// ones is Go's standard library, whose path is std.
func (s *Source) dependencies(ctx context.Context) ([]Module, error) {
	dirs := map[string]string{}
	for _, p := range pluginPlatforms {
		cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}", "./cmd/...")
		cmd.Dir = s.Root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly", "GOOS="+p.OS, "GOARCH="+p.Arch)
		cmd.Stderr = os.Stderr
		output, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("list the dependencies for %s: %w", p, err)
		}
		for line := range strings.Lines(string(output)) {
			if path, dir, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
				dirs[path] = dir
			}
		}
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("find Go: %w", err)
	}
	dirs["std"] = strings.TrimSpace(string(goroot))
	identify, err := assets.DefaultClassifier()
	if err != nil {
		return nil, fmt.Errorf("load the texts of licences: %w", err)
	}
	var modules []Module
	var errs []error
	for path, dir := range dirs {
		m := Module{Path: path, Dir: dir}
		errs = append(errs, m.readLicenses(identify))
		modules = append(modules, m)
	}
	slices.SortFunc(modules, func(a, b Module) int { return cmp.Compare(a.Path, b.Path) })
	return modules, errors.Join(errs...)
}

// licenseFile matches the names of files with licences, and noticeFile those of notices that have to be passed on.
var (
	licenseFile = regexp.MustCompile(`(?i)^(licen[cs]es?|copying)([.-].*)?$`)
	noticeFile  = regexp.MustCompile(`(?i)^notice(\.txt|\.md)?$`)
)

// readLicenses reads the licence files of the module. It returns an error if there is none, or if a licence is not
// allowed.
func (m *Module) readLicenses(identify *classifier.Classifier) error {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return fmt.Errorf("read the licence of %s: %w", m.Path, err)
	}
	for _, e := range entries {
		isLicense, isNotice := licenseFile.MatchString(e.Name()), noticeFile.MatchString(e.Name())
		if !e.Type().IsRegular() || !isLicense && !isNotice || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			return fmt.Errorf("read the licence of %s: %w", m.Path, err)
		}
		text := cleanText(content)
		if isNotice {
			m.notices = append(m.notices, text)
			continue
		}
		m.texts = append(m.texts, text)
		for _, match := range identify.Match(content).Matches {
			if match.MatchType == "License" && !slices.Contains(m.Licenses, match.Name) {
				m.Licenses = append(m.Licenses, match.Name)
			}
		}
	}
	slices.Sort(m.Licenses)
	if len(m.Licenses) == 0 {
		return fmt.Errorf("%s has no known licence in %s: check it by hand", m.Path, m.Dir)
	}
	for _, l := range m.Licenses {
		if !slices.Contains(allowedLicenses, l) {
			return fmt.Errorf("%s has the licence %s, which is not allowed: remove the dependency, or add the licence to allowedLicenses if it is compatible with Apache-2.0", m.Path, l)
		}
	}
	return nil
}

// cleanText removes spaces at the ends of lines and empty lines at both ends.
func cleanText(content []byte) string {
	var lines []string
	for line := range strings.Lines(string(bytes.ReplaceAll(content, []byte("\r"), nil))) {
		lines = append(lines, strings.TrimRight(line, " \t\n\f"))
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

// notice returns the content of the file NOTICE: the notices that dependencies ask for, and the text of each licence
// with the modules that have it. No versions, so that it changes only with what it says.
func notice(modules []Module) []byte {
	var out bytes.Buffer
	out.WriteString("Rollcall\nCopyright The Rollcall authors\n\nThe programs contain the Go modules below. This file is generated: hack/release.sh --notice\n")
	const line = "--------------------------------------------------------------------------------"
	byText := map[string][]string{}
	var texts []string
	add := func(text, module string) {
		if byText[text] == nil {
			texts = append(texts, text)
		}
		byText[text] = append(byText[text], module)
	}
	for _, m := range modules {
		for _, text := range m.notices {
			add(text, m.Path+" (notice)")
		}
	}
	for _, m := range modules {
		for _, text := range m.texts {
			add(text, m.Path+" ("+strings.Join(m.Licenses, ", ")+")")
		}
	}
	for _, text := range texts {
		fmt.Fprintf(&out, "\n%s\n%s\n%s\n\n%s\n", line, strings.Join(byText[text], "\n"), line, text)
	}
	return out.Bytes()
}
