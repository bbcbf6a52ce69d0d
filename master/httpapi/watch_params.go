package httpapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall.dev/rollcall/master/view"
)

const (
	// maxTimeoutSeconds is the longest that a watch can be told to last.
	maxTimeoutSeconds = 24 * 60 * 60
	// maxDetails is how many clusters' own events one stream carries at most.
	maxDetails = 64
	// maxDemands is how many clusters can be named in demand.
	maxDemands  = 10_000
	allClusters = "*"
)

// watchParams are the parameters of watches.
type watchParams struct {
	// version is where to resume; empty: begin anew.
	version string
	// initial says whether the present state is wanted first; nil: where there is no
	// version.
	initial      *bool
	notOlderThan bool
	bookmarks    bool
	lasts        time.Duration // 0: until the client goes
	usage        view.UsageMode
	wishes
}

// wishes are what a client of the fleet's stream wants of single clusters.
type wishes struct {
	demand map[string]bool
	detail []wish
}

// wish is a cluster whose own events are wanted.
type wish struct{ cluster, version string }

var (
	versionParameter = parameter{
		"resourceVersion", "Where to begin: what changed since this version. Absent or 0: the present state, then what changes.",
		schema{"type": "string"},
		func(p *params, v string) error { p.version = v; return view.ParseVersion(v) },
	}
	fleetVersionParameter = parameter{
		versionParameter.name, versionParameter.words, versionParameter.schema,
		func(p *params, v string) error { p.version = v; return view.ParseFleetVersion(v) },
	}
	commonWatchParameters = []parameter{
		watchParameter,
		{"resourceVersionMatch", "Kubernetes' own; goes with sendInitialEvents.", enum("NotOlderThan"), func(p *params, v string) error {
			p.notOlderThan = v == "NotOlderThan"
			return oneOf(v, "NotOlderThan")
		}},
		{"sendInitialEvents", "Whether the present state comes first; by default where no resourceVersion is given.", boolean(), func(p *params, v string) error {
			initial, err := truth(v)
			p.initial = &initial
			return err
		}},
		{"allowWatchBookmarks", "BOOKMARK events, at most one a period, in a stream of JSON lines. Other streams always have them.", boolean(), func(p *params, v string) (err error) {
			p.bookmarks, err = truth(v)
			return err
		}},
		{"timeoutSeconds", "After so many seconds the stream ends.", integer(1, maxTimeoutSeconds), func(p *params, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || n > maxTimeoutSeconds {
				return fmt.Errorf("is %s, and may be a number from 1 to %d", shorten(v), maxTimeoutSeconds)
			}
			p.lasts = time.Duration(n) * time.Second
			return nil
		}},
		{
			"usage", "How usage is told: a Usage event for each reading, MODIFIED nodes and containers, or not at all.",
			schema{"type": "string", "enum": []string{"events", "objects", "none"}, "default": "events"},
			func(p *params, v string) error {
				p.usage = view.UsageModes[v]
				return oneOf(v, "events", "objects", "none")
			},
		},
	}
	clusterWatchParameters = append([]parameter{timeoutParameter, orBeginning(versionParameter)}, commonWatchParameters...)
	fleetWatchParameters   = append([]parameter{
		orBeginning(fleetVersionParameter), wordsParameter,
		{"demand", "Names of clusters, or `*`: the master keeps them reporting while the stream is open.", schema{"type": "string"}, func(p *params, v string) (err error) {
			p.demand, err = parseDemand(strings.Split(v, ","))
			return err
		}},
		{"detail", "Names of clusters whose own events are wanted too, each with a `cluster` field; NAME@VERSION resumes.", schema{"type": "string"}, func(p *params, v string) (err error) {
			p.detail, err = parseDetail(strings.Split(v, ","))
			return err
		}},
	}, commonWatchParameters...)
)

// orBeginning takes 0 and nothing for no version.
func orBeginning(p parameter) parameter {
	set := p.set
	p.set = func(to *params, v string) error {
		if v == "" || v == view.Beginning {
			return nil
		}
		return set(to, v)
	}
	return p
}

func oneOf(value string, known ...string) error {
	if !slices.Contains(known, value) {
		return fmt.Errorf("is %s, and may be %s", shorten(value), strings.Join(known, ", "))
	}
	return nil
}

// settle holds the parameters of a watch against each other, as Kubernetes does.
func (p *params) settle() error {
	switch {
	case p.initial != nil && *p.initial && p.version != "" && !p.notOlderThan:
		return &view.ParameterError{Name: "sendInitialEvents", Words: "goes with resourceVersionMatch=NotOlderThan where there is a resourceVersion"}
	case p.notOlderThan && p.initial == nil:
		return &view.ParameterError{Name: "resourceVersionMatch", Words: "goes with sendInitialEvents"}
	}
	return nil
}

// anew says that the present state is wanted first.
func (w *watchParams) anew() bool {
	if w.initial != nil {
		return *w.initial
	}
	return w.version == ""
}

func parseDemand(clusters []string) (map[string]bool, error) {
	if len(clusters) > maxDemands {
		return nil, fmt.Errorf("names %d clusters, and may name %d", len(clusters), maxDemands)
	}
	demand := make(map[string]bool, len(clusters))
	for _, name := range clusters {
		if err := clusterName(name); err != nil && name != allClusters {
			return nil, err
		}
		demand[name] = true
	}
	return demand, nil
}

func parseDetail(clusters []string) ([]wish, error) {
	if len(clusters) > maxDetails {
		return nil, fmt.Errorf("names %d clusters, and may name %d", len(clusters), maxDetails)
	}
	var detail []wish
	for _, text := range clusters {
		name, version, resumes := strings.Cut(text, "@")
		if err := clusterName(name); err != nil {
			return nil, err
		}
		if resumes && version != view.Beginning {
			if err := view.ParseVersion(version); err != nil {
				return nil, fmt.Errorf("has a version that %w", err)
			}
		} else {
			version = ""
		}
		if !slices.ContainsFunc(detail, func(w wish) bool { return w.cluster == name }) {
			detail = append(detail, wish{name, version})
		}
	}
	return detail, nil
}

// clusterName refuses what no cluster is called; names that no ClusterAgent has are
// told apart later.
func clusterName(name string) error {
	const longest = 253
	if name == "" || len(name) > longest || strings.ContainsAny(name, " \t\r\n*/") {
		return fmt.Errorf("has %s, which is no cluster's name", shorten(name))
	}
	return nil
}
