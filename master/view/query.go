package view

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// Limits of a query.
const (
	// MaxLimit is the maximum number of rows on a page.
	MaxLimit = 10_000
	maxPort  = 65535
	// maxValueBytes is the maximum length of a parameter value in bytes. Names in Kubernetes have at
	// most 253.
	maxValueBytes = 512
	// maxWords is the maximum number of words in q.
	maxWords = 16
)

// Query is a request for one part of a cluster's document.
type Query struct {
	Part   Part
	Filter Filter
	// Limit is the maximum number of rows on the page; 0 for no limit.
	Limit int
	// after is the continue token of the previous page; nil for the first page.
	after *continueToken
}

// SelectsAll reports whether the query selects the whole part, so that the shared Body is the
// response.
func (q *Query) SelectsAll() bool { return q.Filter == Filter{} && q.Limit == 0 && q.after == nil }

// ParameterError is returned for a parameter that the part does not support, or whose value is
// invalid.
type ParameterError struct {
	Name string
	// Message says what is wrong and what would be valid.
	Message string
}

func (e *ParameterError) Error() string {
	return fmt.Sprintf("parameter %s: %s", quote(e.Name), e.Message)
}

// parameter describes a query parameter: the lists that support it, and how to parse it.
type parameter struct {
	lists       []Part
	description string
	// values holds the valid values by list; nil if there is no fixed set.
	values map[Part][]string
	set    func(q *Query, value string) error
}

var parameters = map[string]parameter{
	"namespace": {[]Part{Pods, Containers, Ports}, "Namespace of the object; of a port: namespace of the Service or pod that owns it.", nil, setName(func(f *Filter) *string { return &f.Namespace })},
	"node":      {[]Part{Nodes, Pods, Containers, Ports}, "Node name. A port on all nodes matches every node.", nil, setName(func(f *Filter) *string { return &f.Node })},
	"pod":       {[]Part{Pods, Containers, Ports}, "Pod name. For ports: ports that the pod owns or receives traffic from.", nil, setName(func(f *Filter) *string { return &f.Pod })},
	"owner":     {[]Part{Pods, Containers, Ports}, "Owner of the pod, as name or Kind/name such as Deployment/web.", nil, setOwner},
	"state":     {[]Part{Nodes, Pods, Containers}, "Readiness of a node, phase of a pod, or state of a container.", states, setState},
	"kind":      {[]Part{Containers, Ports}, "Kind of container, or kind of port.", kindsOf, setKind},
	"port":      {[]Part{Ports}, "Port number, 1 to 65535.", nil, setPort},
	"protocol":  {[]Part{Ports}, "Protocol of the port.", map[Part][]string{Ports: stringsOf(state.TCP, state.UDP, state.SCTP)}, setProtocol},
	"q":         {[]Part{Nodes, Pods, Containers, Ports}, "Words that must all occur in a name, image, reason or message.", nil, setWords},
	"limit":     {[]Part{Nodes, Pods, Containers, Ports}, "Maximum number of rows on a page.", nil, setLimit},
	"continue":  {[]Part{Nodes, Pods, Containers, Ports}, "Continue token of the previous page; the filters must be the same.", nil, setContinue},
}

// Parameter describes a query parameter for the API's documentation.
type Parameter struct {
	Name, Description string
	// Values holds the valid values, which ignore case; nil if there is no fixed set.
	Values []string
	// IsNumber is set if the value is a number from 1 to Max.
	IsNumber bool
	Max      int
	// Paging is set if the parameter divides a list into pages. Watches do not support it.
	Paging bool
}

// Parameters returns the parameters that queries of a part support, sorted by name.
func Parameters(p Part) []Parameter {
	var all []Parameter
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if !p.supports(name) {
			continue
		}
		one := Parameter{Name: name, Description: parameters[name].description, Paging: slices.Contains(pagingParameters, name)}
		for _, list := range p.lists() {
			one.Values = append(one.Values, parameters[name].values[list]...)
		}
		slices.Sort(one.Values)
		one.Values = slices.Compact(one.Values)
		switch name {
		case "port":
			one.IsNumber, one.Max = true, maxPort
		case "limit":
			one.IsNumber, one.Max = true, MaxLimit
		}
		all = append(all, one)
	}
	return all
}

// pagingParameters holds the parameters that divide a list into pages. The whole document does not support
// them.
var pagingParameters = []string{"limit", "continue"}

// ParseQuery parses the parameters of a query. It rejects unknown parameters, because a client
// would take the response to a misspelled filter for a filtered one. Errors are *ParameterError;
// they list the supported parameters, including extra, which the caller handles.
func ParseQuery(part Part, params map[string][]string, extra ...string) (Query, error) {
	q := Query{Part: part}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if !part.supports(name) {
			return Query{}, &ParameterError{Name: name, Message: part.unsupportedMessage(name, extra)}
		}
		if err := q.set(name, params[name]); err != nil {
			return Query{}, &ParameterError{Name: name, Message: err.Error()}
		}
	}
	return q, nil
}

func (q *Query) set(name string, values []string) error {
	value, err := singleValue(values)
	if err != nil {
		return err
	}
	return parameters[name].set(q, value)
}

// singleValue returns the value of a parameter that must be specified once.
func singleValue(values []string) (string, error) {
	switch {
	case len(values) != 1:
		return "", fmt.Errorf("must be specified once, got %d", len(values))
	case values[0] == "":
		return "", errors.New("must not be empty")
	}
	return values[0], nil
}

// supports reports whether the part supports a parameter. The whole document supports each filter
// that one of its lists does.
func (p Part) supports(name string) bool {
	known, ok := parameters[name]
	if p == Whole {
		return ok && !slices.Contains(pagingParameters, name)
	}
	return slices.Contains(known.lists, p)
}

// lists returns the lists that a query of the part returns.
func (p Part) lists() []Part {
	switch p {
	case Whole:
		return lists
	case Summary:
		return nil
	}
	return []Part{p}
}

// unsupportedMessage says why the part does not support a parameter, and which ones it does.
func (p Part) unsupportedMessage(name string, extra []string) string {
	names := slices.Clone(extra)
	for _, known := range slices.Sorted(maps.Keys(parameters)) {
		if p.supports(known) {
			names = append(names, known)
		}
	}
	message := "unknown parameter"
	if _, known := parameters[name]; known {
		message = "not supported for " + p.description()
	}
	if names == nil {
		return message + "; this path supports no parameters"
	}
	slices.Sort(names)
	return message + "; supported: " + strings.Join(names, ", ")
}

func (p Part) description() string {
	if p == Whole {
		return "the whole document"
	}
	return p.String()
}
