package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"rollcall.dev/rollcall/master/view"
)

// encodingsBySize holds the encodings, best compression first. The first wins among equally acceptable
// ones.
var encodingsBySize = [...]view.Encoding{view.Zstd, view.Gzip, view.Identity}

// negotiateEncoding returns the encoding that the client's Accept-Encoding prefers.
func negotiateEncoding(r *http.Request) view.Encoding {
	header := r.Header["Accept-Encoding"]
	if len(header) == 0 {
		return view.Identity
	}
	const unnamed = -1
	weights, wildcard := [len(encodingsBySize)]float64{unnamed, unnamed, unnamed}, 0.0
	for _, line := range header {
		for one := range strings.SplitSeq(line, ",") {
			name, q := parseQuality(one)
			if name == "*" {
				wildcard = q
			}
			for i, e := range encodingsBySize {
				if strings.EqualFold(name, e.String()) {
					weights[i] = q
				}
			}
		}
	}
	best, bestWeight := view.Identity, 0.0
	for i, e := range encodingsBySize {
		if weights[i] == unnamed && e != view.Identity {
			weights[i] = wildcard
		}
		if weights[i] > bestWeight {
			best, bestWeight = e, weights[i]
		}
	}
	return best
}

// parseQuality returns the name and the weight of an element such as `gzip;q=0.5`.
func parseQuality(one string) (name string, q float64) {
	name, parameters, hasParameters := strings.Cut(one, ";")
	name = strings.TrimSpace(name)
	if !hasParameters {
		return name, 1
	}
	key, value, _ := strings.Cut(parameters, "=")
	if !strings.EqualFold(strings.TrimSpace(key), "q") {
		return name, 1
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err == nil && q >= 0 && q <= 1 {
		return name, q
	}
	return name, 0
}

// etagMatches reports whether If-None-Match contains the tag, by weak comparison.
func etagMatches(r *http.Request, tag string) bool {
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

// writeWithETag writes a body with an ETag computed from its bytes, or 304 if the client already
// has it.
func (a *API) writeWithETag(w http.ResponseWriter, r *http.Request, body view.Body) error {
	h := xxhash.New()
	// Writing to a hash cannot fail.
	_, _ = body.WriteTo(h)
	tag := fmt.Sprintf(`W/"%x"`, h.Sum64())
	w.Header()["Etag"] = []string{tag}
	if etagMatches(r, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return a.writeBody(w, r, body)
}

// writeBody writes a response that is not shared, in the encoding that the client prefers.
func (a *API) writeBody(w http.ResponseWriter, r *http.Request, body view.Body) error {
	response, err := a.config.Documents.Encode(body, negotiateEncoding(r))
	if err != nil {
		return err
	}
	writeJSON(w, response)
	return nil
}

func writeJSON(w http.ResponseWriter, a *view.EncodedBody) {
	h := w.Header()
	h["Content-Type"], h["Content-Length"] = jsonContentType, a.Length
	if a.Encoding != view.Identity {
		h["Content-Encoding"] = contentEncodings[a.Encoding]
	}
	w.WriteHeader(http.StatusOK)
	// A failed write means that the client has disconnected.
	_, _ = a.Body.WriteTo(w)
}

// writeUncached writes a response that no cache may keep.
func writeUncached(w http.ResponseWriter, response any) error {
	body, err := json.Marshal(response)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header()["Content-Type"] = jsonContentType
	// A failed write means that the client has disconnected.
	_, _ = w.Write(append(body, '\n'))
	return nil
}
