package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"rollcall.dev/rollcall/master/view"
)

// encodingOf is the encoding that a client likes best among those there are, the
// smallest where it does not mind.
func encodingOf(r *http.Request) view.Encoding {
	header := r.Header["Accept-Encoding"]
	if len(header) == 0 {
		return view.Identity
	}
	best, most := view.Identity, 0.0
	likes := qualities(strings.Join(header, ","))
	for _, e := range []view.Encoding{view.Zstd, view.Gzip, view.Identity} {
		q, named := likes[e.String()]
		if !named {
			q = likes["*"]
			if e == view.Identity {
				continue
			}
		}
		if q > most {
			best, most = e, q
		}
	}
	return best
}

// qualities are what a header such as `gzip;q=0.5, zstd` says of each name.
func qualities(header string) map[string]float64 {
	likes := map[string]float64{}
	for one := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(one, ";")
		q := 1.0
		if text, ok := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q="); ok {
			parsed, err := strconv.ParseFloat(text, 64)
			if err != nil || parsed < 0 || parsed > 1 {
				parsed = 0
			}
			q = parsed
		}
		likes[strings.ToLower(strings.TrimSpace(name))] = q
	}
	return likes
}

// etag of a cluster's answer is weak: its times move without it.
func etag(r *view.Report) string { return `W/"` + r.ResourceVersion + `"` }

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

// writeBody writes an answer that nobody shares, packed as the client likes it.
func (a *API) writeBody(w http.ResponseWriter, r *http.Request, body view.Body) error {
	body, e, err := a.config.Shelf.Pack(body, encodingOf(r))
	if err != nil {
		return err
	}
	writeJSON(w, body, e)
	return nil
}

func writeJSON(w http.ResponseWriter, body view.Body, e view.Encoding) {
	h := w.Header()
	h["Content-Type"] = plainJSON
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	if e != view.Identity {
		h.Set("Content-Encoding", e.String())
	}
	w.WriteHeader(http.StatusOK)
	// Nobody is left to tell of an error to write.
	_, _ = body.WriteTo(w)
}
