package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"rollcall.dev/rollcall/master/view"
)

const (
	// maxQuery is the longest query string that is read.
	maxQuery = 8 << 10

	// Bounds of the parameter timeout.
	defaultTimeout = 10 * time.Second
	minTimeout     = 100 * time.Millisecond
	maxTimeout     = 60 * time.Second
)

// params are all parameters of a request about one cluster.
type params struct {
	query   view.Query
	timeout time.Duration
	// usage says that the answer is wanted with usage.
	usage bool
}

// parseParams reads the query string of a request for a part.
func parseParams(part view.Part, raw string) (params, error) {
	values, err := parseQuery(raw)
	if err != nil {
		return params{}, err
	}
	p := params{timeout: defaultTimeout}
	if err := take(values, "timeout", p.setTimeout); err != nil {
		return params{}, err
	}
	if err := take(values, "wait", p.setWait); err != nil {
		return params{}, err
	}
	p.query, err = view.ParseQuery(part, values, "timeout", "wait")
	return p, err
}

// parseQuery splits a query string into parameters. Its errors do not repeat what they
// refuse, as that may be anything.
func parseQuery(raw string) (url.Values, error) {
	if len(raw) > maxQuery {
		return nil, badQuery(fmt.Sprintf("the query has %d bytes, and may have %d", len(raw), maxQuery))
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badQuery("the query cannot be read: it is name=value with & between, percent-encoded")
	}
	for name := range values {
		if !utf8.ValidString(name) {
			return nil, badQuery("a parameter's name is not UTF-8")
		}
	}
	return values, nil
}

// noParams refuses all parameters, by the name of the first.
func noParams(raw string) error {
	values, err := parseQuery(raw)
	if err != nil || len(values) == 0 {
		return err
	}
	return &view.ParameterError{Name: slices.Min(slices.Collect(maps.Keys(values))), Words: "is not known; there are no parameters here"}
}

// take takes one parameter out of the values.
func take(values url.Values, name string, set func(string) error) error {
	given, ok := values[name]
	if !ok {
		return nil
	}
	delete(values, name)
	if len(given) != 1 {
		return &view.ParameterError{Name: name, Words: fmt.Sprintf("is given %d times, and may be given once", len(given))}
	}
	if err := set(given[0]); err != nil {
		return &view.ParameterError{Name: name, Words: err.Error()}
	}
	return nil
}

func (p *params) setTimeout(value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d < minTimeout || d > maxTimeout {
		return fmt.Errorf("is %s, and may be a duration from %s to %s such as 10s or 1m", shorten(value), minTimeout, maxTimeout)
	}
	p.timeout = d
	return nil
}

func (p *params) setWait(value string) error {
	if value != "usage" {
		return fmt.Errorf("is %s, and may be usage", shorten(value))
	}
	p.usage = true
	return nil
}

func badQuery(detail string) error {
	return &Problem{Status: http.StatusBadRequest, Reason: ReasonBadRequest, Detail: detail}
}
