package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// listBufferTime is how long a list is buffered, so that it can have an ETag and be answered with
// 304. After that it is streamed as access reviews complete.
const listBufferTime = 250 * time.Millisecond

// errTruncated aborts a response whose header has been sent, together with its connection: the
// truncated body must not look complete.
var errTruncated = errors.New("response truncated")

// list writes the list of clusters. If the caller may list all clusters, one access review is
// enough.
func (a *API) list(w http.ResponseWriter, r *http.Request, authorize Authorizer, p *params) error {
	listErr := authorize(r.Context(), Access{Verb: "list"})
	switch {
	case errors.Is(listErr, ErrForbidden):
		return a.listVisible(w, r, authorize, p, listErr)
	case listErr != nil:
		return listErr
	}
	version := a.clusterList.Version()
	clusters, err := a.listAll()
	if err != nil {
		return err
	}
	body, err := view.EncodeClusters(clusters, version, p.list.words, p.list.from, p.list.limit)
	if err != nil {
		return err
	}
	return a.writeList(w, r, body)
}

func (a *API) writeList(w http.ResponseWriter, r *http.Request, body view.Body) error {
	w.Header()["Cache-Control"], w.Header()["Vary"] = cacheControlHeader, varyHeader
	return a.writeWithETag(w, r, body)
}

// visibleListBuilder builds a list whose clusters are reviewed one by one.
type visibleListBuilder struct {
	api       *API
	authorize Authorizer
	// pending holds the clusters that have not been reviewed yet.
	pending []session.Registered
	// visible holds the clusters that the caller may see, among those reviewed.
	visible  map[string]bool
	versions *view.Versions
	page     *view.ClusterPage
}

// addNext reviews the next clusters and adds the visible ones to the page.
func (l *visibleListBuilder) addNext(ctx context.Context) error {
	n := min(len(l.pending), maxParallelReviews)
	some, err := filterVisible(ctx, l.authorize, l.pending[:n])
	if err != nil {
		return err
	}
	l.pending = l.pending[n:]
	for _, c := range some {
		l.visible[c.Name] = true
	}
	clusters, err := l.api.toClusters(some)
	if err != nil {
		return err
	}
	for _, c := range clusters {
		if err := l.page.Add(c); err != nil {
			return err
		}
	}
	return nil
}

func (l *visibleListBuilder) version() string { return l.versions.Of(l.visible) }

// listVisible writes the list for a caller that may not list all clusters. It reviews all clusters,
// whatever the page contains: the version covers all clusters that the caller may see, and neither
// words nor limit change the number of reviews.
func (a *API) listVisible(w http.ResponseWriter, r *http.Request, authorize Authorizer, p *params, listErr error) error {
	registered, err := a.config.Registry.List()
	if err != nil {
		return err
	}
	l := &visibleListBuilder{
		api: a, authorize: authorize, versions: a.clusterList.Versions(), pending: registered,
		visible: map[string]bool{}, page: view.NewClusterPage(p.list.words, p.list.from, p.list.limit),
	}
	start := time.Now()
	for len(l.pending) > 0 {
		if err := l.addNext(r.Context()); err != nil {
			return err
		}
		if time.Since(start) >= listBufferTime && len(l.visible) > 0 && len(l.pending) > 0 && r.Method == http.MethodGet {
			return a.streamList(w, r, l)
		}
	}
	if len(l.visible) == 0 {
		return listErr
	}
	body, err := l.page.Body(l.version())
	if err != nil {
		return err
	}
	return a.writeList(w, r, body)
}

// streamList writes a list while its clusters are reviewed. It has no ETag, which would have to
// precede the body.
func (a *API) streamList(w http.ResponseWriter, r *http.Request, l *visibleListBuilder) error {
	encoding := negotiateEncoding(r)
	h := w.Header()
	h["Content-Type"], h["Cache-Control"], h["Vary"] = jsonContentType, cacheControlHeader, varyHeader
	if encoding != view.Identity {
		h["Content-Encoding"] = contentEncodings[encoding]
	}
	w.WriteHeader(http.StatusOK)
	err := a.config.Documents.EncodeStream(w, encoding, func(to io.Writer) error {
		for len(l.pending) > 0 {
			if err := writeAndFlush(w, to, l.page.Flush()); err != nil {
				return err
			}
			if err := l.addNext(r.Context()); err != nil {
				return err
			}
		}
		last, err := l.page.Finish(l.version())
		if err != nil {
			return err
		}
		return writeAndFlush(w, to, last)
	})
	if err != nil {
		return errors.Join(errTruncated, err)
	}
	return nil
}

// writeAndFlush writes part of a response so that the client gets it immediately. to encodes what
// it writes to w.
func writeAndFlush(w http.ResponseWriter, to io.Writer, data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if _, err := to.Write(data); err != nil {
		return errors.Join(errClientGone, err)
	}
	if flusher, ok := to.(interface{ Flush() error }); ok {
		if err := flusher.Flush(); err != nil {
			return errors.Join(errClientGone, err)
		}
	}
	if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errors.Join(errClientGone, err)
	}
	return nil
}
