package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// fakeGo is a go that only pretends to build and to list: its arguments are the path of the real one and of a log.
const fakeGo = `#!/usr/bin/env bash
set -eu
case $1 in
list) printf 'a.example/a\na.example/b\n' ;;
build)
	while [[ $1 != -o ]]; do shift; done
	out=$2
	shift 2
	for package; do
		name=${package##*/}
		if [[ $out == */ ]]; then echo "$package" >"$out$name"; chmod +x "$out$name"; else echo "$package" >"$out"; chmod +x "$out"; name=${out##*/}; fi
		echo "$name" >>%[2]q
		echo "$package" >&2
	done
	;;
*) exec %[1]q "$@" ;;
esac
`

// script runs hack/kube-binaries.sh with a fake go and its own cache.
type script struct {
	t   *testing.T
	dir string
	env []string
}

// newScript returns a script whose sources are a mirror.
func newScript(t *testing.T, m *mirror) *script {
	t.Helper()
	goCommand, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	goCache, err := exec.CommandContext(t.Context(), goCommand, "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(s.dir, "go"), fmt.Appendf(nil, fakeGo, goCommand, filepath.Join(s.dir, "built")), 0o755); err != nil {
		t.Fatal(err)
	}
	s.env = append(os.Environ(), "CI=", "KUBEBUILDER_ASSETS=", "ROLLCALL_KUBE_DOWNLOADS=", "XDG_CACHE_HOME="+s.dir, "GOCACHE="+strings.TrimSpace(string(goCache)),
		"PATH="+s.dir+":"+os.Getenv("PATH"), "ROLLCALL_KUBE_INDEX="+m.URL+"/index.yaml", "ROLLCALL_KUBE_RELEASE="+m.URL)
	return s
}

// run runs the script, and returns the folder that it prints and the names of what it has built since the last run.
func (s *script) run(env ...string) (folder string, built []string) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "../kube-binaries.sh")
	cmd.Env = append(slices.Clone(s.env), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("%v\n%s", err, stderr.String())
	}
	s.t.Log(stderr.String())
	log := filepath.Join(s.dir, "built")
	content, err := os.ReadFile(log)
	if err == nil {
		built = slices.Sorted(slices.Values(strings.Fields(string(content))))
		err = os.Remove(log)
	}
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	folder = strings.TrimSpace(string(out))
	for _, name := range slices.Concat(allBinaries, []string{"kwok", "metrics-server"}) {
		if _, err := exec.LookPath(filepath.Join(folder, name)); err != nil {
			s.t.Errorf("%s: %v", folder, err)
		}
	}
	return folder, built
}

// kubernetesVersion returns the version that the script provides.
func kubernetesVersion(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("../kube-binaries/kubernetes/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`k8s\.io/kubernetes (v\S+)`).FindSubmatch(content)
	if found == nil {
		t.Fatal("hack/kube-binaries/kubernetes/go.mod does not require k8s.io/kubernetes")
	}
	return string(found[1])
}

func TestScriptBuildsOnlyWhatCannotBeDownloaded(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // other systems have no official control plane
	}
	all := slices.Sorted(slices.Values(slices.Concat(allBinaries, []string{"kwok", "metrics-server"})))
	m := newMirrorOf(t, kubernetesVersion(t), runtime.GOOS, runtime.GOARCH)
	s := newScript(t, m)

	downloaded, built := s.run()
	if want := []string{"kwok", "metrics-server"}; !slices.Equal(built, want) {
		t.Errorf("with all downloads: built %v, want %v", built, want)
	}
	requests := len(m.requests)
	again, built := s.run()
	if again != downloaded || built != nil || len(m.requests) != requests {
		t.Errorf("again: got %s, built %v, %d requests, want the same folder, and nothing built or requested", again, built, len(m.requests)-requests)
	}

	// Tests use the binaries of exactly one version.
	for _, off := range []string{"ROLLCALL_KUBE_DOWNLOADS=off", "CI=true"} {
		s := newScript(t, m)
		folder, built := s.run(off)
		if strings.HasSuffix(folder, "-downloaded/bin") || !slices.Equal(built, all) || len(m.requests) != requests {
			t.Errorf("%s: got %s, built %v, %d requests, want all built without a request", off, folder, built, len(m.requests)-requests)
		}
		if again, built := s.run(); again != folder || built != nil || len(m.requests) != requests {
			t.Errorf("after %s: got %s, built %v, want what was built before", off, again, built)
		}
	}
}

func TestScriptBuildsAllWithoutDownloads(t *testing.T) {
	all := slices.Sorted(slices.Values(slices.Concat(allBinaries, []string{"kwok", "metrics-server"})))
	m := newMirror(t)
	m.files = nil
	if folder, built := newScript(t, m).run(); strings.HasSuffix(folder, "-downloaded/bin") || !slices.Equal(built, all) {
		t.Errorf("with 404: got %s, built %v, want all built", folder, built)
	}
	s := newScript(t, m)
	m.Close()
	if _, built := s.run(); !slices.Equal(built, all) {
		t.Errorf("without a server: built %v, want all", built)
	}
	if _, built := newScript(t, m).run("ROLLCALL_KUBE_INDEX=", "ROLLCALL_KUBE_RELEASE="); !slices.Equal(built, all) {
		t.Errorf("without sources: built %v, want all", built)
	}
}
