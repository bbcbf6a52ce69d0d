package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"rollcall.dev/rollcall/master/view"
)

// listHold is for how long a list waits until it is whole, so that it has an ETag and may be
// answered by 304. Then it is sent as the hub answers.
const listHold = 250 * time.Millisecond

// errCutOff ends an answer in the middle, whose connection has to end with it: what was sent
// must not look whole.
var errCutOff = errors.New("the answer is cut off")

// list answers with the list of clusters. One question decides for who may see all.
func (a *API) list(w http.ResponseWriter, r *http.Request, caller Caller, p *params) error {
	refused := caller(r.Context(), Access{Verb: "list"})
	switch {
	case errors.Is(refused, ErrForbidden):
		return a.listVisible(w, r, caller, p, refused)
	case refused != nil:
		return refused
	}
	version := a.fleet.Version()
	body, err := view.EncodeClusters(a.listAll(), version, p.list.words, p.list.from, p.list.limit)
	if err != nil {
		return err
	}
	return a.writeList(w, r, body)
}

func (a *API) writeList(w http.ResponseWriter, r *http.Request, body view.Body) error {
	w.Header()["Cache-Control"], w.Header()["Vary"] = noCache, varies
	return a.writeTagged(w, r, body)
}

// visibleList is a list of which it is asked cluster by cluster whether the caller may see it.
type visibleList struct {
	api    *API
	caller Caller
	// left are those that nobody was asked about yet.
	left []Registered
	// visible are those that the caller may see, so far.
	visible  map[string]bool
	versions *view.Versions
	page     *view.ClusterPage
}

// more asks about the next clusters.
func (l *visibleList) more(ctx context.Context) error {
	n := min(len(l.left), maxQuestions)
	some, err := oneByOne(ctx, l.caller, l.left[:n])
	if err != nil {
		return err
	}
	l.left = l.left[n:]
	for _, c := range some {
		l.visible[c.Name] = true
	}
	for _, c := range l.api.listed(some) {
		if err := l.page.Add(c); err != nil {
			return err
		}
	}
	return nil
}

func (l *visibleList) version() string { return l.versions.Of(l.visible) }

// listVisible answers with those clusters that the caller may see, who may not list all of
// them. All are asked about, whatever the page has: its version is that of all clusters that
// the caller may see, and neither words nor limit change how much the hub is asked.
func (a *API) listVisible(w http.ResponseWriter, r *http.Request, caller Caller, p *params, refused error) error {
	l := &visibleList{
		api: a, caller: caller, versions: a.fleet.Versions(), left: slices.Clone(a.config.Registry.List()),
		visible: map[string]bool{}, page: view.NewClusterPage(p.list.words, p.list.from, p.list.limit),
	}
	begun := time.Now()
	for len(l.left) > 0 {
		if err := l.more(r.Context()); err != nil {
			return err
		}
		if time.Since(begun) >= listHold && len(l.visible) > 0 && len(l.left) > 0 && r.Method == http.MethodGet {
			return a.streamList(w, r, l)
		}
	}
	if len(l.visible) == 0 {
		return refused
	}
	body, err := l.page.Body(l.version())
	if err != nil {
		return err
	}
	return a.writeList(w, r, body)
}

// streamList sends a list as it is asked for. It has no ETag, which would come too late.
func (a *API) streamList(w http.ResponseWriter, r *http.Request, l *visibleList) error {
	encoding := encodingOf(r)
	h := w.Header()
	h["Content-Type"], h["Cache-Control"], h["Vary"] = plainJSON, noCache, varies
	if encoding != view.Identity {
		h["Content-Encoding"] = packed[encoding]
	}
	w.WriteHeader(http.StatusOK)
	err := a.config.Documents.Stream(w, encoding, func(to io.Writer) error {
		for len(l.left) > 0 {
			if err := sendNow(w, to, l.page.Take()); err != nil {
				return err
			}
			if err := l.more(r.Context()); err != nil {
				return err
			}
		}
		last, err := l.page.End(l.version())
		if err != nil {
			return err
		}
		return sendNow(w, to, last)
	})
	if err != nil {
		return errors.Join(errCutOff, err)
	}
	return nil
}

// sendNow writes some of an answer so that its reader has it at once; to packs what goes to w.
func sendNow(w http.ResponseWriter, to io.Writer, some []byte) error {
	if len(some) == 0 {
		return nil
	}
	if _, err := to.Write(some); err != nil {
		return errors.Join(errGone, err)
	}
	if packer, ok := to.(interface{ Flush() error }); ok {
		if err := packer.Flush(); err != nil {
			return errors.Join(errGone, err)
		}
	}
	if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errors.Join(errGone, err)
	}
	return nil
}
