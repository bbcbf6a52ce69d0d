package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/licenseclassifier/v2/assets"
	"sigs.k8s.io/yaml"
)

func TestReleaseRefusesWhatCannotBePublished(t *testing.T) {
	published := *testPublisher
	for _, url := range []*string{&published.ImageRegistry, &published.ChartRegistry, &published.DownloadURL, &published.Homepage, &published.SourceURL, &published.SecurityContact} {
		*url = strings.ReplaceAll(*url, ".example", ".test")
	}
	dirty := *testSource
	dirty.Commit += "-dirty"
	for name, tc := range map[string]struct {
		source    *Source
		publisher *Publisher
		draft     bool
		version   string
		want      string
	}{
		"complete":                     {testSource, &published, false, "v1.2.3", ""},
		"another version":              {testSource, &published, true, "v1.2.4", "the file VERSION has v1.2.3"},
		"uncommitted changes":          {&dirty, &published, false, "v1.2.3", "commit them"},
		"publisher of the example":     {testSource, testPublisher, false, "v1.2.3", "set yours"},
		"draft of uncommitted changes": {&dirty, testPublisher, true, "v1.2.3", ""},
	} {
		r := &release{Source: tc.source, publisher: tc.publisher, draft: tc.draft}
		err := r.check(tc.version)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got error %v, want %q", name, err, tc.want)
		}
	}
}

func TestChangesAreTheSectionOfTheVersion(t *testing.T) {
	root := t.TempDir()
	changelog := "# Changelog\n\n## [Unreleased]\n\n- next\n\n## [1.2.3] - 2026-01-02\n\n### Added\n\n- this\n\n## [1.2.2] - 2026-01-01\n\n- last\n"
	if err := os.WriteFile(filepath.Join(root, "CHANGELOG.md"), []byte(changelog), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		version     string
		draft       bool
		want, error string
	}{
		{"v1.2.3", false, "### Added\n\n- this\n", ""},
		{"v1.2.2", true, "- last\n", ""},
		{"v1.2.4", true, "- next\n", ""},
		{"v1.2.4", false, "", `no section "## [1.2.4]`},
	} {
		s := &Source{Root: root, Version: tc.version}
		got, err := s.changes(tc.draft)
		if got != tc.want || (err == nil) != (tc.error == "") || err != nil && !strings.Contains(err.Error(), tc.error) {
			t.Errorf("%s: got %q, %v, want %q, %q", tc.version, got, err, tc.want, tc.error)
		}
	}
}

func TestArchivesKeepPermissionsAndHaveNoTimes(t *testing.T) {
	files := []file{{"run", []byte("program"), true}, {"LICENSE", []byte("text"), false}}
	content, err := tarGzip(files...)
	if err != nil {
		t.Fatal(err)
	}
	uncompressed, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewReader(uncompressed)
	for _, want := range files {
		header, err := archive.Next()
		if err != nil {
			t.Fatal(err)
		}
		if header.Name != want.name || os.FileMode(header.Mode) != want.mode() || header.ModTime.Unix() != 0 {
			t.Errorf("got %s with mode %o and time %s, want %s with %o and 1970", header.Name, header.Mode, header.ModTime, want.name, want.mode())
		}
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last file: got error %v, want EOF", err)
	}
	content, err = zipped(files...)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range files {
		if got := z.File[i]; got.Name != want.name || got.Mode() != want.mode() {
			t.Errorf("got %s with mode %s, want %s with %s", got.Name, got.Mode(), want.name, want.mode())
		}
	}
}

func TestInstallManifestsNameTheRegistry(t *testing.T) {
	source := *testSource
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	source.Root = root
	version, err := os.ReadFile(filepath.Join(root, "VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tree := range installManifests {
		content, err := installManifest(&source, tree, "registry.example/rollcall")
		if err != nil {
			t.Fatal(err)
		}
		want := "image: registry.example/rollcall/rollcall-" + tree + ":" + strings.TrimSpace(string(version)) + "\n"
		if strings.Count(string(content), "image: ") != 1 || !strings.Contains(string(content), want) {
			t.Errorf("%s: no %q in:\n%s", tree, want, content)
		}
	}
}

// TestKrewAcceptsTheManifest runs krew's own validation, without its installation, which downloads the archives.
func TestKrewAcceptsTheManifest(t *testing.T) {
	archives, sums := map[Platform]string{}, map[string]string{}
	for _, p := range pluginPlatforms {
		archives[p] = p.OS + "_" + p.Arch + ".tar.gz"
		sums[archives[p]] = strings.Repeat("0a", 32)
	}
	content, err := krewManifest(testSource, testPublisher, archives, pluginPlatforms, sums)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), krewName+".yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "../tool.sh", "validate-krew-manifest", "-skip-install", "-manifest", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, content)
	}
	var manifest struct {
		Spec struct {
			Platforms []struct{ URI, Bin string }
		}
	}
	if err := yaml.Unmarshal(content, &manifest); err != nil {
		t.Fatal(err)
	}
	if p := manifest.Spec.Platforms[5]; p.URI != "https://downloads.example/v1.2.3/windows_arm64.tar.gz" || p.Bin != "kubectl-rollcall.exe" {
		t.Errorf("got %+v for windows/arm64", p)
	}
}

func TestBOMHasTheModulesOfExecutablesAndThePage(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	executables := []executable{{"rollcall-master", Platform{"linux", "amd64"}, self}}
	first, err := bom(testSource, testPublisher, executables, []Module{{Path: "github.com/google/go-containerregistry", Licenses: []string{"Apache-2.0"}}})
	if err != nil {
		t.Fatal(err)
	}
	var b cdx.BOM
	if err := json.Unmarshal(first, &b); err != nil {
		t.Fatal(err)
	}
	if b.SerialNumber != "" || b.Metadata.Timestamp != "" {
		t.Errorf("got serial number %q and time %q, want none", b.SerialNumber, b.Metadata.Timestamp)
	}
	var names []string
	for _, c := range *b.Components {
		names = append(names, c.Name)
		if c.Name == "github.com/google/go-containerregistry" && ((*c.Licenses)[0].License.ID != "Apache-2.0" || len((*c.Hashes)[0].Value) != 64) {
			t.Errorf("got %+v, want a licence and a checksum", c)
		}
	}
	for _, want := range []string{"rollcall-master", "std", "github.com/google/go-containerregistry", "react"} {
		if !slices.Contains(names, want) {
			t.Errorf("no component %s in %v", want, names)
		}
	}
	if slices.Contains(names, "vite") {
		t.Error("the SBOM has vite, which only builds the page")
	}
}

func TestChartsArePackagedWithTheRegistryOfThePublisher(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, "config/charts/rollcall-master")
	for name, content := range map[string]string{
		"Chart.yaml":             "apiVersion: v2\nname: rollcall-master\nversion: 1.2.3\nappVersion: v1.2.3\n",
		"values.yaml":            "image:\n  # the registry\n  registry: \"\"\n  tag: \"\"\n",
		"ci/values.yaml":         "image: {}\n",
		"templates/a.yaml":       "a: {}\n",
		"values.schema.json":     "{}\n",
		"templates/_helpers.tpl": "",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source := *testSource
	source.Root = root
	charts, err := packageCharts(&source, testPublisher)
	if err != nil {
		t.Fatal(err)
	}
	if len(charts) != 1 || charts[0].ref != "registry.example/rollcall/charts/rollcall-master:1.2.3" {
		t.Fatalf("got %+v, want one chart", charts)
	}
	uncompressed, err := gzip.NewReader(bytes.NewReader(charts[0].archive))
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewReader(uncompressed)
	files := map[string]string{}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(content)
	}
	if want := "image:\n  # the registry\n  registry: \"registry.example/rollcall\"\n  tag: \"\"\n"; len(files) != 5 || files["rollcall-master/values.yaml"] != want {
		t.Errorf("got %d files and the values %q, want 5 and %q", len(files), files["rollcall-master/values.yaml"], want)
	}
	manifest, err := charts[0].artifact.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if manifest.Config.MediaType != chartConfigType || len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != chartContentType {
		t.Errorf("got manifest %+v, want Helm's media types", manifest)
	}
	path := filepath.Join(t.TempDir(), charts[0].artifactFile())
	if err := writeChartArchive(charts[0], path); err != nil {
		t.Error(err)
	}
	source.Version = "v1.2.4"
	if _, err := packageCharts(&source, testPublisher); err == nil || !strings.Contains(err.Error(), "want 1.2.4 and v1.2.4") {
		t.Errorf("another version: got error %v, want one with both versions", err)
	}
}

func TestLicenceThatIsMissingOrNotAllowedIsAnError(t *testing.T) {
	identify, err := assets.DefaultClassifier()
	if err != nil {
		t.Fatal(err)
	}
	for license, want := range map[string]string{
		"":                            "has no known licence",
		"All rights reserved.":        "has no known licence",
		"License/GPL-3.0/license.txt": "has the licence GPL-3.0, which is not allowed",
		"LICENSE":                     "",
	} {
		m := Module{Path: "a.example/a", Dir: t.TempDir()}
		text := []byte(license)
		switch {
		case strings.HasSuffix(license, ".txt"):
			text, err = assets.ReadLicenseFile(license)
		case license == "LICENSE":
			text, err = os.ReadFile("../../LICENSE")
		}
		if err != nil {
			t.Fatal(err)
		}
		if license != "" {
			if err := os.WriteFile(filepath.Join(m.Dir, "LICENSE.txt"), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := m.readLicenses(identify)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got error %v, want %q", license, err, want)
		}
	}
}

func TestNoticeGroupsModulesByText(t *testing.T) {
	got := string(notice([]Module{
		{Path: "a.example/a", Licenses: []string{"MIT"}, texts: []string{"text of MIT"}},
		{Path: "b.example/b", Licenses: []string{"MIT"}, texts: []string{"text of MIT"}, notices: []string{"notice of b"}},
	}))
	for _, want := range []string{"b.example/b (notice)\n--", "\nnotice of b\n", "a.example/a (MIT)\nb.example/b (MIT)\n--"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Count(got, "text of MIT") != 1 {
		t.Errorf("the text is repeated:\n%s", got)
	}
}

func TestProvenanceNamesCommitAndFiles(t *testing.T) {
	source := *testSource
	source.Commit = strings.Repeat("0a", 20) + "-dirty"
	content, err := provenance(t.Context(), &source, testPublisher, "https://builder.example", map[string]string{"b.tar": strings.Repeat("0b", 32), "a.tar": strings.Repeat("0a", 32)}, time.Unix(1700000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	var statement struct {
		Type          string `json:"_type"`
		PredicateType string
		Subject       []struct {
			Name   string
			Digest map[string]string
		}
		Predicate struct {
			BuildDefinition struct {
				ResolvedDependencies []struct {
					URI    string
					Digest map[string]string
				}
			}
		}
	}
	if err := json.Unmarshal(content, &statement); err != nil {
		t.Fatal(err)
	}
	if statement.Type != "https://in-toto.io/Statement/v1" || statement.PredicateType != "https://slsa.dev/provenance/v1" {
		t.Errorf("got types %s and %s", statement.Type, statement.PredicateType)
	}
	if s := statement.Subject; len(s) != 2 || s[0].Name != "a.tar" || s[0].Digest["sha256"] != strings.Repeat("0a", 32) {
		t.Errorf("got subjects %+v", s)
	}
	if d := statement.Predicate.BuildDefinition.ResolvedDependencies[0]; d.URI != "git+https://code.example/rollcall" || d.Digest["gitCommit"] != strings.Repeat("0a", 20) {
		t.Errorf("got source %+v", d)
	}
}
