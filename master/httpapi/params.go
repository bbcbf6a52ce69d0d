package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
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

// parameter is one that a route takes, apart from those that view knows of. The
// OpenAPI document is made of the same tables as requests are read by.
type parameter struct {
	name, words string
	schema      schema
	set         func(p *params, value string) error
}

// params are all parameters of a request.
type params struct {
	// query is what view reads of a request about one cluster.
	query   view.Query
	timeout time.Duration
	// awaitUsage says that the answer is wanted with usage.
	awaitUsage bool
	// list is of requests about all clusters.
	list listParams

	watch bool
	watchParams
}

// Tables of parameters. What may be asked of an answer may not of a watch, and the
// other way round.
var (
	watchParameter = parameter{"watch", "A stream of events instead of one answer.", boolean(), func(p *params, v string) (err error) {
		p.watch, err = truth(v)
		return err
	}}
	timeoutParameter = parameter{
		"timeout", "How long to wait for a cluster's report where there is none that is fresh: 100ms to 60s.",
		schema{"type": "string", "default": "10s", "examples": []string{"10s", "1m"}},
		(*params).setTimeout,
	}
	answerParameters = []parameter{
		watchParameter, timeoutParameter,
		{"wait", "`usage`: wait for the first usage too, as far as timeout allows.", enum("usage"), (*params).setWait},
	}
)

// parseParams reads the query string of a request for a part of a cluster.
func parseParams(part view.Part, raw string) (params, error) {
	if raw == "" {
		return params{query: view.Query{Part: part}, timeout: defaultTimeout}, nil
	}
	values, p, table, err := begin(raw, answerParameters, clusterWatchParameters)
	if err != nil {
		return p, err
	}
	if p.watch {
		for _, name := range []string{"wait", "limit", "continue"} {
			if values.Has(name) {
				return p, &view.ParameterError{Name: name, Words: "has no meaning for a watch"}
			}
		}
	}
	p.query, err = view.ParseQuery(part, values, names(table)...)
	return p, err
}

// begin takes the parameters of a table out of a query string: of one table, or of
// another for watches.
func begin(raw string, answer, watch []parameter) (url.Values, params, []parameter, error) {
	p := params{timeout: defaultTimeout}
	values, err := parseQuery(raw)
	if err != nil {
		return nil, p, nil, err
	}
	if err := take(values, "watch", func(v string) error { return watchParameter.set(&p, v) }); err != nil {
		return nil, p, nil, err
	}
	table := answer
	if p.watch {
		table = watch
	}
	for _, one := range table {
		if err := take(values, one.name, func(v string) error { return one.set(&p, v) }); err != nil {
			return nil, p, nil, err
		}
	}
	if p.watch {
		err = p.settle()
	}
	return values, p, table, err
}

func names(table []parameter) []string {
	var names []string
	for _, p := range table {
		names = append(names, p.name)
	}
	return names
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

// onlyThese refuses what is left of the parameters after those of a table were taken,
// by the name of the first.
func onlyThese(values url.Values, table []parameter) error {
	if len(values) == 0 {
		return nil
	}
	var left []string
	for name := range values {
		left = append(left, name)
	}
	words := "is not known; there are no parameters here"
	if known := names(table); len(known) > 0 {
		slices.Sort(known)
		words = "is not known; there are " + strings.Join(known, ", ")
	}
	return &view.ParameterError{Name: slices.Min(left), Words: words}
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
	p.awaitUsage = true
	return nil
}

// truth reads a boolean as Kubernetes' clients write them.
func truth(value string) (bool, error) {
	switch value {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("is %s, and may be true or false", shorten(value))
}

func badQuery(detail string) error {
	return &Problem{Status: http.StatusBadRequest, Reason: ReasonBadRequest, Detail: detail}
}
