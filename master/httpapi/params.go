package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/httpapi/openapi"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/master/view"
)

const (
	// maxQueryBytes is the maximum length of a query string in bytes.
	maxQueryBytes = 8 << 10

	// Limits of the parameter timeout.
	defaultTimeout = 10 * time.Second
	minTimeout     = 100 * time.Millisecond
	maxTimeout     = 60 * time.Second
)

// parameter is a query parameter that this package parses. The same tables generate the OpenAPI
// document.
type parameter struct {
	name, description string
	schema            openapi.Schema
	set               func(p *params, value string) error
}

// params holds all parameters of a request.
type params struct {
	// query holds the parameters that view parses, for requests about one cluster.
	query   view.Query
	timeout time.Duration
	// awaitUsage is set if the response should include usage.
	awaitUsage bool
	// minVersion is the oldest version that may be returned, or nil if any may.
	minVersion *report.Version
	// list holds the parameters of the list of clusters.
	list listParams

	watch bool
	watchParams
}

// Tables of parameters. Requests with and without watch=true have different tables.
var (
	watchParameter = parameter{"watch", "Stream events instead of one response.", openapi.Boolean(), func(p *params, v string) (err error) {
		p.watch, err = parseBool(v)
		return err
	}}
	timeoutParameter = parameter{
		"timeout", "How long to wait for a report if there is no fresh one: 100ms to 60s.",
		openapi.Schema{"type": "string", "default": "10s", "examples": []string{"10s", "1m"}},
		(*params).setTimeout,
	}
	getParameters = []parameter{
		watchParameter, timeoutParameter,
		{"wait", "`usage`: also wait for the first usage, within the timeout.", openapi.Enum("usage"), (*params).setWait},
		{
			"resourceVersion", "A version of this cluster from a response or an event of any master. With resourceVersionMatch=NotOlderThan, no older one is returned.",
			openapi.String(),
			func(p *params, v string) error {
				version, err := report.ParseVersion(v)
				p.minVersion = &version
				return err
			},
		},
		{"resourceVersionMatch", "`NotOlderThan`: wait for the resourceVersion, within the timeout. Several masters may be some milliseconds apart.", openapi.Enum("NotOlderThan"), func(p *params, v string) error {
			p.notOlderThan = v == "NotOlderThan"
			return oneOf(v, "NotOlderThan")
		}},
	}
)

// parseClusterParams parses the query string of a request for a part of a cluster.
func parseClusterParams(part view.Part, raw string) (params, error) {
	if raw == "" {
		return defaultParams(part), nil
	}
	values, p, table, err := parseParams(raw, getParameters, clusterWatchParameters)
	if err != nil {
		return p, err
	}
	if p.watch {
		for _, name := range []string{"wait", "limit", "continue"} {
			if values.Has(name) {
				return p, &view.ParameterError{Name: name, Message: "not supported with watch=true"}
			}
		}
	}
	p.query, err = view.ParseQuery(part, values, names(table)...)
	return p, err
}

// parseParams parses the parameters of a table: of get, or of watch if watch=true. It returns the
// remaining values, and the table that it used.
func parseParams(raw string, get, watch []parameter) (url.Values, params, []parameter, error) {
	p := params{timeout: defaultTimeout}
	values, err := parseQuery(raw)
	if err != nil {
		return nil, p, nil, err
	}
	if err := takeParam(values, "watch", func(v string) error { return watchParameter.set(&p, v) }); err != nil {
		return nil, p, nil, err
	}
	table := get
	if p.watch {
		table = watch
	}
	for _, one := range table {
		if err := takeParam(values, one.name, func(v string) error { return one.set(&p, v) }); err != nil {
			return nil, p, nil, err
		}
	}
	switch {
	case p.watch:
		err = p.validate()
	case p.notOlderThan != (p.minVersion != nil):
		err = &view.ParameterError{Name: "resourceVersionMatch", Message: "resourceVersion and resourceVersionMatch=NotOlderThan need each other"}
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

// parseQuery splits a query string into parameters. Its errors do not contain the query, which may
// be anything.
func parseQuery(raw string) (url.Values, error) {
	if len(raw) > maxQueryBytes {
		return nil, badRequest(fmt.Sprintf("the query string is too long: %d bytes, at most %d are allowed", len(raw), maxQueryBytes))
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badRequest("invalid query string: it must be name=value pairs separated by &, percent-encoded")
	}
	for name := range values {
		if !utf8.ValidString(name) {
			return nil, badRequest("invalid query string: the name of a parameter is not UTF-8")
		}
	}
	return values, nil
}

// rejectUnknown returns an error for the first parameter that remains after those of a table were
// taken.
func rejectUnknown(values url.Values, table []parameter) error {
	if len(values) == 0 {
		return nil
	}
	var remaining []string
	for name := range values {
		remaining = append(remaining, name)
	}
	message := "unknown parameter; this path supports no parameters"
	if supported := names(table); len(supported) > 0 {
		slices.Sort(supported)
		message = "unknown parameter; supported: " + strings.Join(supported, ", ")
	}
	return &view.ParameterError{Name: slices.Min(remaining), Message: message}
}

// rejectQuery returns an error if the query string has any parameters.
func rejectQuery(r *http.Request) error {
	values, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	return rejectUnknown(values, nil)
}

// takeParam removes one parameter from the values and parses it.
func takeParam(values url.Values, name string, set func(string) error) error {
	got, ok := values[name]
	if !ok {
		return nil
	}
	delete(values, name)
	if len(got) != 1 {
		return &view.ParameterError{Name: name, Message: fmt.Sprintf("must be specified once, got %d", len(got))}
	}
	if err := set(got[0]); err != nil {
		return &view.ParameterError{Name: name, Message: err.Error()}
	}
	return nil
}

func (p *params) setTimeout(value string) error {
	d, err := time.ParseDuration(value)
	if err != nil || d < minTimeout || d > maxTimeout {
		return fmt.Errorf("must be a duration from %s to %s such as 10s or 1m, got %s", minTimeout, maxTimeout, quoteShort(value))
	}
	p.timeout = d
	return nil
}

func (p *params) setWait(value string) error {
	if value != "usage" {
		return fmt.Errorf("must be usage, got %s", quoteShort(value))
	}
	p.awaitUsage = true
	return nil
}

// parseBool parses a boolean as Kubernetes clients write it.
func parseBool(value string) (bool, error) {
	switch value {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("must be true or false, got %s", quoteShort(value))
}

func badRequest(detail string) error {
	return &httpv1.Problem{Status: http.StatusBadRequest, Reason: httpv1.ReasonBadRequest, Detail: detail}
}
