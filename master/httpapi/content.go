package httpapi

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"rollcall.dev/rollcall/master/view"
)

// preferred are the encodings, the smallest first: what a client gets that does not mind.
var preferred = [...]view.Encoding{view.Zstd, view.Gzip, view.Identity}

// encodingOf is the encoding that a client likes best among those there are.
func encodingOf(r *http.Request) view.Encoding {
	header := r.Header["Accept-Encoding"]
	if len(header) == 0 {
		return view.Identity
	}
	const unnamed = -1
	likes, others := [len(preferred)]float64{unnamed, unnamed, unnamed}, 0.0
	for _, line := range header {
		for one := range strings.SplitSeq(line, ",") {
			name, q := quality(one)
			if name == "*" {
				others = q
			}
			for i, e := range preferred {
				if strings.EqualFold(name, e.String()) {
					likes[i] = q
				}
			}
		}
	}
	best, most := view.Identity, 0.0
	for i, e := range preferred {
		if likes[i] == unnamed && e != view.Identity {
			likes[i] = others
		}
		if likes[i] > most {
			best, most = e, likes[i]
		}
	}
	return best
}

// quality is what a header's part such as `gzip;q=0.5` says of a name.
func quality(one string) (name string, q float64) {
	name, parameters, weighed := strings.Cut(one, ";")
	name = strings.TrimSpace(name)
	if !weighed {
		return name, 1
	}
	of, text, _ := strings.Cut(parameters, "=")
	if !strings.EqualFold(strings.TrimSpace(of), "q") {
		return name, 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err == nil && q >= 0 && q <= 1 {
		return name, q
	}
	return name, 0
}

// matches says that If-None-Match names the tag, by the weak comparison.
func matches(r *http.Request, tag string) bool {
	for _, header := range r.Header["If-None-Match"] {
		for one := range strings.SplitSeq(header, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}

// writeTagged is writeBody for an answer of which nothing but its bytes tells whether it
// is another: with an ETag made of them, and 304 for who has it.
func (a *API) writeTagged(w http.ResponseWriter, r *http.Request, body view.Body) error {
	h := xxhash.New()
	// A hash takes everything.
	_, _ = body.WriteTo(h)
	tag := fmt.Sprintf(`W/"%x"`, h.Sum64())
	w.Header()["Etag"] = []string{tag}
	if matches(r, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return a.writeBody(w, r, body)
}

// writeBody writes an answer that nobody shares, packed as the client likes it.
func (a *API) writeBody(w http.ResponseWriter, r *http.Request, body view.Body) error {
	answer, err := a.config.Documents.Pack(body, encodingOf(r))
	if err != nil {
		return err
	}
	writeJSON(w, answer)
	return nil
}

func writeJSON(w http.ResponseWriter, a *view.Answer) {
	h := w.Header()
	h["Content-Type"], h["Content-Length"] = plainJSON, a.Length
	if a.Encoding != view.Identity {
		h["Content-Encoding"] = packed[a.Encoding]
	}
	w.WriteHeader(http.StatusOK)
	// Nobody is left to tell of an error to write.
	_, _ = a.Body.WriteTo(w)
}
