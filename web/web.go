// Package web serves the page of the master to browsers. It embeds the built files of
// dist; README.md describes their source, which is in the same directory.
//
// The page is served at "/", "/clusters/NAME" and the paths of its files. It uses only
// the HTTP API of the master.
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

// policy is the Content-Security-Policy. The page loads and requests only what the master
// serves. Text from a cluster cannot run as a script, as only the built files are allowed,
// and cannot become markup, as trusted types are required and none are defined.
const policy = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// immutable is the Cache-Control of files that have a hash of their content in their names.
const immutable = "public, max-age=31536000, immutable"

// Patterns returns the patterns for http.ServeMux that Handler serves.
func Patterns() []string {
	patterns := []string{"/{$}", "/clusters/{cluster}"}
	for name := range files() {
		if name != index {
			patterns = append(patterns, "/"+name)
		}
	}
	return patterns
}

// Handler returns a handler that serves the built files by their names, and index.html at
// the URLs of the page's views. It answers 404 for other paths, and 405 for methods other
// than GET and HEAD.
func Handler() http.Handler {
	byName := files()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := byName[fileName(r.URL.Path)]
		switch {
		case f == nil:
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed: the page supports GET and HEAD", http.StatusMethodNotAllowed)
		default:
			f.serve(w, r)
		}
	})
}

// fileName returns the name of the file that is served at a path.
func fileName(urlPath string) string {
	name := strings.TrimPrefix(urlPath, "/")
	cluster, isCluster := strings.CutPrefix(name, "clusters/")
	if name == "" || isCluster && cluster != "" && !strings.Contains(cluster, "/") {
		return index
	}
	return name
}

// file is one built file. It is compressed when it is first requested so.
type file struct {
	contentType  string
	cacheControl string
	etag         string
	content      []byte
	zstd, gzip   func() []byte
}

// files returns all built files by name. It panics if they are incomplete: they are part
// of the binary, so that is an error of the build.
var files = sync.OnceValue(func() map[string]*file {
	byName := map[string]*file{}
	err := fs.WalkDir(dist, "dist", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := dist.ReadFile(name)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(name, "dist/")
		byName[name] = newFile(name, content)
		return nil
	})
	if err != nil || byName[index] == nil {
		panic(fmt.Sprintf("web: read the embedded page: %v; build it with hack/web.sh", err))
	}
	return byName
})

func newFile(name string, content []byte) *file {
	f := &file{contentType: contentType(name), cacheControl: "no-cache", etag: etag(content), content: content}
	if strings.HasPrefix(name, "assets/") {
		f.cacheControl = immutable
	}
	f.zstd = sync.OnceValue(func() []byte { return f.compress(writeZstd) })
	f.gzip = sync.OnceValue(func() []byte { return f.compress(writeGzip) })
	return f
}

func contentType(name string) string {
	switch path.Ext(name) {
	case ".woff2": // mime.TypeByExtension depends on the machine
		return "font/woff2"
	case ".js":
		return "text/javascript; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", f.cacheControl)
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
	body, encoding := f.encode(r.Header.Get("Accept-Encoding"))
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		// A write fails only if the client has disconnected.
		_, _ = w.Write(body)
	}
}

// encode returns the content in the best encoding that an Accept-Encoding header allows.
func (f *file) encode(accepted string) (body []byte, encoding string) {
	if accepts(accepted, "zstd") && len(f.zstd()) < len(f.content) {
		return f.zstd(), "zstd"
	}
	if accepts(accepted, "gzip") && len(f.gzip()) < len(f.content) {
		return f.gzip(), "gzip"
	}
	return f.content, ""
}

// accepts reports whether an Accept-Encoding header names an encoding with a quality above zero.
func accepts(accepted, encoding string) bool {
	for item := range strings.SplitSeq(accepted, ",") {
		name, quality, _ := strings.Cut(strings.ReplaceAll(item, " ", ""), ";q=")
		if strings.EqualFold(name, encoding) {
			return quality == "" || strings.Trim(quality, "0.") != ""
		}
	}
	return false
}

// etag returns a strong ETag from a hash of the content.
func etag(content []byte) string {
	sum := sha256.Sum256(content)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// compress returns the content as write compresses it, or uncompressed if write fails.
func (f *file) compress(write func(*bytes.Buffer, []byte) error) []byte {
	var b bytes.Buffer
	if err := write(&b, f.content); err != nil {
		return f.content
	}
	return b.Bytes()
}

func writeZstd(to *bytes.Buffer, content []byte) error {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return err
	}
	_, err = to.Write(w.EncodeAll(content, nil))
	return err
}

func writeGzip(to *bytes.Buffer, content []byte) error {
	w, err := gzip.NewWriterLevel(to, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	return w.Close()
}
