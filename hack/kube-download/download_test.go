package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// mirror is a server on loopback with the files of both sources.
type mirror struct {
	*httptest.Server
	mu       sync.Mutex
	files    map[string][]byte
	requests []string // method, path and range
	// serve replaces the response to some paths.
	serve map[string]http.HandlerFunc
}

// newMirror returns a mirror with all files for linux/amd64.
func newMirror(t *testing.T) *mirror {
	t.Helper()
	return newMirrorOf(t, "v1.37.2", "linux", "amd64")
}

// newMirrorOf returns a mirror with all files for a version and a platform.
func newMirrorOf(t *testing.T, version, system, arch string) *mirror {
	t.Helper()
	m := &mirror{files: map[string][]byte{}, serve: map[string]http.HandlerFunc{}}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	archive := archiveOf(t, map[string]string{"controller-tools/envtest/kube-apiserver": "api server", "controller-tools/envtest/etcd": "etcd", "controller-tools/envtest/kubectl": "kubectl", "../../evil": "evil"})
	m.files["/envtest.tar.gz"] = archive
	m.files["/index.yaml"] = fmt.Appendf(nil, "releases:\n  %[1]s:\n    envtest-%[1]s-%[2]s-%[3]s.tar.gz: {hash: %[4]s, selfLink: envtest.tar.gz}\n", version, system, arch, sumOf(archive))
	for _, name := range officialBinaries {
		content := []byte("official " + name)
		file := fmt.Sprintf("/%s/bin/%s/%s/%s", version, system, arch, name)
		m.files[file], m.files[file+".sha512"] = content, []byte(sumOf(content)+"\n")
	}
	return m
}

// archiveOf returns a compressed tar.
func archiveOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	compressor := gzip.NewWriter(&out)
	archive := tar.NewWriter(compressor)
	for name, content := range files {
		if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := compressor.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func sumOf(content []byte) string {
	sum := sha512.Sum512(content)
	return hex.EncodeToString(sum[:])
}

// ServeHTTP serves the files, also from an offset.
func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.requests = append(m.requests, strings.TrimSpace(r.URL.Path+" "+r.Header.Get("Range")))
	content, ok := m.files[r.URL.Path]
	handler := m.serve[r.URL.Path]
	m.mu.Unlock()
	switch {
	case handler != nil:
		handler(w, r)
	case !ok:
		http.NotFound(w, r)
	default:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
}

// source returns a source of the mirror that gives up after a fraction of a second.
func (m *mirror) source(t *testing.T) *source {
	f := newFetcher(http.DefaultTransport.(*http.Transport).Clone(), t.Logf)
	f.window, f.minimum = time.Minute, 1
	t.Cleanup(f.client.CloseIdleConnections)
	return &source{fetcher: f, version: "v1.37.2", system: "linux", arch: "amd64", index: m.URL + "/index.yaml", release: m.URL}
}

// checkDownload downloads, and checks the names, the error and that the folder has exactly these files.
func checkDownload(t *testing.T, s *source, wantNames []string, wantError string) {
	t.Helper()
	folder := t.TempDir()
	names, err := s.download(t.Context(), folder)
	if !slices.Equal(names, wantNames) {
		t.Errorf("got %v, want %v", names, wantNames)
	}
	if wantError == "" && err != nil || wantError != "" && (err == nil || !strings.Contains(err.Error(), wantError)) {
		t.Errorf("got error %v, want %q", err, wantError)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		files = append(files, e.Name())
		if info, err := os.Stat(filepath.Join(folder, e.Name())); err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s: got %v, %v, want an executable", e.Name(), info.Mode(), err)
		}
	}
	want := slices.Sorted(slices.Values(wantNames))
	if !slices.Equal(files, want) {
		t.Errorf("the folder has %v, want %v", files, want)
	}
}

var allBinaries = slices.Concat(envtestBinaries, officialBinaries)

func TestAllBinariesAreDownloadedAndVerified(t *testing.T) {
	m := newMirror(t)
	checkDownload(t, m.source(t), allBinaries, "")
	s := m.source(t)
	s.system = "darwin"
	checkDownload(t, s, nil, "no archive of v1.37 for darwin/amd64")
	s = m.source(t)
	s.index, s.release = "", ""
	checkDownload(t, s, nil, "")
}

func TestCutConnectionIsResumed(t *testing.T) {
	m := newMirror(t)
	archive := m.files["/envtest.tar.gz"]
	var cuts int
	m.serve["/envtest.tar.gz"] = func(w http.ResponseWriter, r *http.Request) {
		if cuts++; cuts == 3 {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(archive))
			return
		}
		// Ten bytes more, of a response that promises all.
		var offset int
		_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &offset)
		w.Header().Set("Content-Length", fmt.Sprint(len(archive)-offset))
		if offset > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		_, _ = w.Write(archive[offset : offset+10])
	}
	checkDownload(t, m.source(t), allBinaries, "")
	for _, want := range []string{"/envtest.tar.gz", "/envtest.tar.gz bytes=10-", "/envtest.tar.gz bytes=20-"} {
		if !slices.Contains(m.requests, want) {
			t.Errorf("no request %q in %q", want, m.requests)
		}
	}
}

func TestServerThatCannotResumeIsAskedForTheWholeFile(t *testing.T) {
	m := newMirror(t)
	archive := m.files["/envtest.tar.gz"]
	var requests int
	m.serve["/envtest.tar.gz"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(archive)))
		if requests++; requests == 1 {
			_, _ = w.Write(archive[:10])
			return
		}
		_, _ = w.Write(archive)
	}
	checkDownload(t, m.source(t), allBinaries, "")
}

func TestConnectionThatIsCutAgainAndAgainIsGivenUp(t *testing.T) {
	m := newMirror(t)
	m.serve["/envtest.tar.gz"] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("x"))
	}
	checkDownload(t, m.source(t), officialBinaries, "unexpected EOF")
}

func TestWrongChecksumIsRefused(t *testing.T) {
	m := newMirror(t)
	m.files["/envtest.tar.gz"] = archiveOf(t, map[string]string{"kube-apiserver": "other", "etcd": "other", "kubectl": "other"})
	checkDownload(t, m.source(t), officialBinaries, "the SHA-512 is")

	m = newMirror(t)
	m.files["/v1.37.2/bin/linux/amd64/kube-scheduler"] = []byte("other")
	checkDownload(t, m.source(t), allBinaries[:4], "the SHA-512 is")

	// A pin wins over the sum of the server.
	m = newMirror(t)
	s := m.source(t)
	s.pins = parsePins(strings.Repeat("0", 128) + "  v1.37.2/linux/amd64/kube-scheduler\n")
	checkDownload(t, s, allBinaries[:4], "want "+strings.Repeat("0", 128))
}

// impatient makes a source give up soon.
func impatient(s *source) *source {
	s.fetcher.window, s.fetcher.minimum = 200*time.Millisecond, 1<<20
	return s
}

func TestSlowServerIsGivenUp(t *testing.T) {
	m := newMirror(t)
	m.serve["/envtest.tar.gz"] = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100000000")
		_, _ = w.Write(make([]byte, 1000))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	checkDownload(t, impatient(m.source(t)), officialBinaries, errSlow.Error())

	// One that accepts the connection, and does not answer.
	m = newMirror(t)
	m.serve["/index.yaml"] = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	checkDownload(t, impatient(m.source(t)), nil, "context deadline exceeded")
}

func TestMissingFilesAreNotDownloaded(t *testing.T) {
	m := newMirror(t)
	delete(m.files, "/index.yaml")
	checkDownload(t, m.source(t), officialBinaries, "404 Not Found")

	m = newMirror(t)
	delete(m.files, "/v1.37.2/bin/linux/amd64/kube-controller-manager")
	checkDownload(t, m.source(t), envtestBinaries, "404 Not Found")

	m = newMirror(t)
	m.files["/envtest.tar.gz"] = archiveOf(t, map[string]string{"etcd": "etcd"})
	m.files["/index.yaml"] = fmt.Appendf(nil, "releases: {v1.37.2: {envtest-v1.37.2-linux-amd64.tar.gz: {hash: %s, selfLink: /envtest.tar.gz}}}", sumOf(m.files["/envtest.tar.gz"]))
	checkDownload(t, m.source(t), officialBinaries, "2 of 3 binaries are missing")
}

func TestUnreachableServerIsTriedOnce(t *testing.T) {
	m := newMirror(t)
	s := m.source(t)
	m.Close()
	start := time.Now()
	checkDownload(t, s, nil, "connection refused")
	t.Logf("given up after %s", time.Since(start))
}

func TestTooLargeFilesAreRefused(t *testing.T) {
	m := newMirror(t)
	m.files["/index.yaml"] = make([]byte, maxIndex+1)
	checkDownload(t, m.source(t), officialBinaries, "more than")
	f := m.source(t).fetcher
	path := filepath.Join(t.TempDir(), "file")
	if err := f.large(t.Context(), m.URL+"/envtest.tar.gz", path, "", 10); err == nil || !strings.Contains(err.Error(), "more than 10 bytes") {
		t.Errorf("got error %v, want one about the size", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file was kept")
	}
}

func TestHighestPatchOfTheMinorVersionIsChosen(t *testing.T) {
	const index = `
releases:
  v1.37.1: {envtest-v1.37.1-linux-amd64.tar.gz: {hash: "1", selfLink: "https://downloads.example/1"}}
  v1.37.10: {envtest-v1.37.10-linux-amd64.tar.gz: {hash: "10", selfLink: "https://downloads.example/10"}}
  v1.37.11-rc.1: {envtest-v1.37.11-rc.1-linux-amd64.tar.gz: {hash: "11", selfLink: "https://downloads.example/11"}}
  v1.38.0: {envtest-v1.38.0-linux-amd64.tar.gz: {hash: "38", selfLink: "https://downloads.example/38"}}
  v1.39.0: {envtest-v1.39.0-linux-amd64.tar.gz: {hash: "39", selfLink: "http://downloads.example/39"}}
`
	for version, want := range map[string]string{"v1.37.2": "10", "v1.37.1": "1", "v1.38.4": "38", "v1.36.0": "", "v1.39.0": "", "v1": ""} {
		link, sum, err := findArchive([]byte(index), "https://index.example/index.yaml", version, "linux", "amd64")
		if sum != want && (want != "" || err == nil) || want != "" && link != "https://downloads.example/"+want {
			t.Errorf("%s: got %s, %s, %v, want the archive %s", version, link, sum, err, want)
		}
	}
}
