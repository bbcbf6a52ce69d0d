// Package web is the page that the master serves to browsers: built files, embedded, and
// how they are served. What they are built from is beside them, see README.md.
//
// The page owns `/`, `/clusters/NAME` and what its files are called. It knows nothing of
// the master but its HTTP API.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

//go:embed all:dist
var dist embed.FS

const index = "index.html"

// policy lets the page load and ask for nothing but what the master itself serves. That
// text of a cluster is ever run is ruled out twice: no script but those files, and no way
// from a string to markup (trusted types).
const policy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// forever is for files that have a hash of their content in their names.
const forever = "public, max-age=31536000, immutable"

// Patterns are those of http.ServeMux that Handler answers.
func Patterns() []string {
	patterns := []string{"/{$}", "/clusters/{cluster}"}
	for name := range files() {
		if name != index {
			patterns = append(patterns, "/"+name)
		}
	}
	return patterns
}

// Handler serves the page to GET and HEAD: its files by their names, and index.html at
// the URLs that the page gives to its views. Anything else is 404.
func Handler() http.Handler {
	all := files()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := all[nameOf(r.URL.Path)]
		switch {
		case f == nil:
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the page is read by GET", http.StatusMethodNotAllowed)
		default:
			f.serve(w, r)
		}
	})
}

// nameOf is the file behind a path.
func nameOf(urlPath string) string {
	name := strings.TrimPrefix(urlPath, "/")
	if cluster, ok := strings.CutPrefix(name, "clusters/"); name == "" || ok && cluster != "" && !strings.Contains(cluster, "/") {
		return index
	}
	return name
}

// file is one built file, packed at the first need.
type file struct {
	contentType string
	cache       string
	etag        string
	plain       []byte
	zstd, gzip  func() []byte
}

// files are all built files by name. They are part of the binary, so what is wrong with
// them is a fault of the build.
var files = sync.OnceValue(func() map[string]*file {
	all := map[string]*file{}
	err := fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(name, "dist/")
		all[name] = newFile(name, content)
		return nil
	})
	if err != nil || all[index] == nil {
		panic(fmt.Sprintf("web: the built page is not whole: %v", err))
	}
	return all
})

func newFile(name string, content []byte) *file {
	f := &file{contentType: contentType(name), cache: "no-cache", etag: etag(content), plain: content}
	if strings.HasPrefix(name, "assets/") {
		f.cache = forever
	}
	f.zstd = sync.OnceValue(func() []byte { return f.pack(zstdOf) })
	f.gzip = sync.OnceValue(func() []byte { return f.pack(gzipOf) })
	return f
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".woff2": // what the machine thinks of it differs
		return "font/woff2"
	case ".js":
		return "text/javascript; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", f.cache)
	h.Set("Vary", "Accept-Encoding")
	h.Set("ETag", f.etag)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Header.Get("If-None-Match") == f.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body, encoding := f.packed(r.Header.Get("Accept-Encoding"))
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		// Nobody is left to tell of an error to write.
		_, _ = w.Write(body)
	}
}

// packed is the file as a client takes it that says so.
func (f *file) packed(accepted string) (body []byte, encoding string) {
	if accepts(accepted, "zstd") && len(f.zstd()) < len(f.plain) {
		return f.zstd(), "zstd"
	}
	if accepts(accepted, "gzip") && len(f.gzip()) < len(f.plain) {
		return f.gzip(), "gzip"
	}
	return f.plain, ""
}

// accepts says that an Accept-Encoding names an encoding, and not with a quality of zero.
func accepts(accepted, encoding string) bool {
	for one := range strings.SplitSeq(accepted, ",") {
		name, quality, _ := strings.Cut(strings.ReplaceAll(one, " ", ""), ";q=")
		if strings.EqualFold(name, encoding) {
			return quality == "" || strings.Trim(quality, "0.") != ""
		}
	}
	return false
}

func etag(content []byte) string {
	sum := sha256.Sum256(content)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

func (f *file) pack(by func(*bytes.Buffer, []byte) error) []byte {
	var packed bytes.Buffer
	if err := by(&packed, f.plain); err != nil {
		return f.plain // and so it is served
	}
	return packed.Bytes()
}

func zstdOf(to *bytes.Buffer, content []byte) error {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return err
	}
	_, err = to.Write(w.EncodeAll(content, nil))
	return err
}

func gzipOf(to *bytes.Buffer, content []byte) error {
	w, err := gzip.NewWriterLevel(to, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	return w.Close()
}
