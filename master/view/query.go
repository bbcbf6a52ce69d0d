package view

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// Bounds of a query.
const (
	// MaxLimit is how many rows a page has at most.
	MaxLimit = 10_000
	maxPort  = 65535
	// maxValue is the longest value, in bytes; names in Kubernetes have at most 253.
	maxValue = 512
	// maxWords is how many words q may have.
	maxWords = 16
)

// Query is what a client asks of one part of a cluster's document.
type Query struct {
	Part   Part
	Filter Filter
	// Limit is how many rows a page has; 0: all.
	Limit int
	// after is where the page before this one ended, nil for the first.
	after *mark
}

// Plain says that the query picks everything, so that the shared Body answers it.
func (q *Query) Plain() bool { return q.Filter == Filter{} && q.Limit == 0 && q.after == nil }

// ParameterError is a parameter that a query may not have, or that may not have this
// value.
type ParameterError struct {
	Name string
	// Words say what would be right.
	Words string
}

func (e *ParameterError) Error() string {
	return fmt.Sprintf("parameter %s %s", quote(e.Name), e.Words)
}

// parameter is one that a query may have: on which lists, and how it is taken in.
type parameter struct {
	lists []Part
	words string
	// values are those that it may have, by list; nil: any.
	values map[Part][]string
	set    func(q *Query, value string) error
}

var parameters = map[string]parameter{
	"namespace": {[]Part{Pods, Containers, Ports}, "The namespace of the object; of a port: of the Service or pod that holds it.", nil, setName(func(f *Filter) *string { return &f.Namespace })},
	"node":      {[]Part{Nodes, Pods, Containers, Ports}, "The node's name. A port of all nodes is a port of this one.", nil, setName(func(f *Filter) *string { return &f.Node })},
	"pod":       {[]Part{Pods, Containers, Ports}, "The pod's name; ports that it holds or that lead to it.", nil, setName(func(f *Filter) *string { return &f.Pod })},
	"owner":     {[]Part{Pods, Containers, Ports}, "The pod's owner, as name or Kind/name such as Deployment/web.", nil, setOwner},
	"state":     {[]Part{Nodes, Pods, Containers}, "A node's readiness, a pod's phase, or a container's state.", states, setState},
	"kind":      {[]Part{Containers, Ports}, "The kind of container, or of listener behind a port.", kindsOf, setKind},
	"port":      {[]Part{Ports}, "A port's number, 1 to 65535.", nil, setPort},
	"protocol":  {[]Part{Ports}, "A port's protocol.", map[Part][]string{Ports: texts(state.TCP, state.UDP, state.SCTP)}, setProtocol},
	"q":         {[]Part{Nodes, Pods, Containers, Ports}, "Words; each is found in a name, image, reason or message.", nil, setWords},
	"limit":     {[]Part{Nodes, Pods, Containers, Ports}, "How many rows a page has.", nil, setLimit},
	"continue":  {[]Part{Nodes, Pods, Containers, Ports}, "The token of the page before, with the same filters.", nil, setContinue},
}

// Parameter is what a document can tell of a parameter.
type Parameter struct {
	Name, Words string
	// Values are those that it may have, in any case of letters; nil: any.
	Values []string
	// Number: it is a number, from 1 to Most.
	Number bool
	Most   int
	// Paging: it cuts a list into pages, which a watch has none of.
	Paging bool
}

// Parameters are those that queries of a part take, by name.
func Parameters(p Part) []Parameter {
	var all []Parameter
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if !p.takes(name) {
			continue
		}
		one := Parameter{Name: name, Words: parameters[name].words, Paging: slices.Contains(paging, name)}
		for _, list := range p.lists() {
			one.Values = append(one.Values, parameters[name].values[list]...)
		}
		slices.Sort(one.Values)
		one.Values = slices.Compact(one.Values)
		switch name {
		case "port":
			one.Number, one.Most = true, maxPort
		case "limit":
			one.Number, one.Most = true, MaxLimit
		}
		all = append(all, one)
	}
	return all
}

// paging are the parameters that cut one list, and not a document of several.
var paging = []string{"limit", "continue"}

// ParseQuery reads the parameters of a query. It takes nothing that it does not
// understand, because the answer to a misspelt filter would be taken for a filtered
// one. Errors are *ParameterError; their words name the parameters that there are, with
// those that the caller takes besides.
func ParseQuery(part Part, params map[string][]string, besides ...string) (Query, error) {
	q := Query{Part: part}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if !part.takes(name) {
			return Query{}, &ParameterError{Name: name, Words: part.refuse(name, besides)}
		}
		if err := q.take(name, params[name]); err != nil {
			return Query{}, &ParameterError{Name: name, Words: err.Error()}
		}
	}
	return q, nil
}

func (q *Query) take(name string, values []string) error {
	value, err := single(values)
	if err != nil {
		return err
	}
	return parameters[name].set(q, value)
}

// single is the one value that a parameter may have.
func single(values []string) (string, error) {
	switch {
	case len(values) != 1:
		return "", fmt.Errorf("is given %d times, and may be given once", len(values))
	case values[0] == "":
		return "", fmt.Errorf("has no value")
	}
	return values[0], nil
}

// takes says that a parameter has a meaning for the part. The whole document takes
// each filter that one of its lists does.
func (p Part) takes(name string) bool {
	known, ok := parameters[name]
	if p == Whole {
		return ok && !slices.Contains(paging, name)
	}
	return slices.Contains(known.lists, p)
}

// lists are those that a query of the part narrows.
func (p Part) lists() []Part {
	switch p {
	case Whole:
		return lists
	case Summary:
		return nil
	}
	return []Part{p}
}

// refuse is why the part does not take a parameter.
func (p Part) refuse(name string, besides []string) string {
	names := slices.Clone(besides)
	for _, known := range slices.Sorted(maps.Keys(parameters)) {
		if p.takes(known) {
			names = append(names, known)
		}
	}
	why := "is not known"
	if _, known := parameters[name]; known {
		why = "has no meaning for " + p.words()
	}
	if names == nil {
		return why + "; there are no parameters here"
	}
	slices.Sort(names)
	return why + "; there are " + strings.Join(names, ", ")
}

func (p Part) words() string {
	if p == Whole {
		return "the whole document"
	}
	return p.String()
}
