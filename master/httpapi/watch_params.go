package httpapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/httpapi/openapi"
	"rollcall.dev/rollcall/master/view"
)

const (
	// maxTimeoutSeconds is the maximum value of timeoutSeconds: one day.
	maxTimeoutSeconds = 24 * 60 * 60
	// maxDetailClusters is the maximum number of clusters in the parameter detail.
	maxDetailClusters = 64
	// maxDemandClusters is the maximum number of clusters in the parameter demand.
	maxDemandClusters = 10_000
	allClusters       = "*"
)

// watchParams holds the parameters of watches.
type watchParams struct {
	// version is where to resume; empty to start with the initial events.
	version string
	// initial reports whether initial events are requested; nil means that they are if there is no
	// version.
	initial       *bool
	notOlderThan  bool
	bookmarks     bool
	streamTimeout time.Duration // 0: until the client disconnects
	usage         view.UsageMode
	subscriptions
}

// subscriptions holds what a client of the list's stream wants from single clusters.
type subscriptions struct {
	demand map[string]bool
	detail []detailRequest
}

// detailRequest is a cluster whose own events are requested, and the version to resume from.
type detailRequest struct{ cluster, version string }

var (
	versionParameter = parameter{
		"resourceVersion", "Version to resume from: changes since then are sent. Absent or 0: the current state is sent first, then changes.",
		openapi.String(),
		func(p *params, v string) error { p.version = v; return view.ParseVersion(v) },
	}
	listVersionParameter = parameter{
		versionParameter.name, versionParameter.description, versionParameter.schema,
		func(p *params, v string) error { p.version = v; return view.ParseClusterListVersion(v) },
	}
	commonWatchParameters = []parameter{
		watchParameter,
		{"resourceVersionMatch", "As in Kubernetes; required with sendInitialEvents if there is a resourceVersion.", openapi.Enum("NotOlderThan"), func(p *params, v string) error {
			p.notOlderThan = v == "NotOlderThan"
			return oneOf(v, "NotOlderThan")
		}},
		{"sendInitialEvents", "Whether the current state is sent first. By default it is if there is no resourceVersion.", openapi.Boolean(), func(p *params, v string) error {
			initial, err := parseBool(v)
			p.initial = &initial
			return err
		}},
		{"allowWatchBookmarks", "Send BOOKMARK events in a stream of JSON lines, at most one per interval. Other streams always have them.", openapi.Boolean(), func(p *params, v string) (err error) {
			p.bookmarks, err = parseBool(v)
			return err
		}},
		{"timeoutSeconds", "The stream ends after this number of seconds.", openapi.Integer(1, maxTimeoutSeconds), func(p *params, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || n > maxTimeoutSeconds {
				return fmt.Errorf("must be a number from 1 to %d, got %s", maxTimeoutSeconds, quoteShort(v))
			}
			p.streamTimeout = time.Duration(n) * time.Second
			return nil
		}},
		{
			"usage", "How usage is sent: as one Usage event for each reading, as MODIFIED events of nodes and containers, or not at all.",
			openapi.Schema{"type": "string", "enum": []string{"events", "objects", "none"}, "default": "events"},
			func(p *params, v string) error {
				p.usage = view.UsageModes[v]
				return oneOf(v, "events", "objects", "none")
			},
		},
	}
	clusterWatchParameters = append([]parameter{timeoutParameter, orInitial(versionParameter)}, commonWatchParameters...)
	listWatchParameters    = append([]parameter{
		orInitial(listVersionParameter), wordsParameter,
		{"demand", "Names of clusters separated by commas, or `*` for all: the master keeps them reporting while the stream is open.", openapi.String(), func(p *params, v string) (err error) {
			p.demand, err = parseDemand(strings.Split(v, ","))
			return err
		}},
		{"detail", "Names of clusters separated by commas, whose own events are sent as well, with a `cluster` field. NAME@VERSION resumes from a version.", openapi.String(), func(p *params, v string) (err error) {
			p.detail, err = parseDetail(strings.Split(v, ","))
			return err
		}},
	}, commonWatchParameters...)
)

// orInitial returns the parameter so that it also accepts 0 and an empty value, as no version.
func orInitial(p parameter) parameter {
	set := p.set
	p.set = func(to *params, v string) error {
		if v == "" || v == httpv1.InitialVersion {
			return nil
		}
		return set(to, v)
	}
	return p
}

func oneOf(value string, known ...string) error {
	if !slices.Contains(known, value) {
		return fmt.Errorf("must be one of %s, got %s", strings.Join(known, ", "), quoteShort(value))
	}
	return nil
}

// validate checks the parameters of a watch against each other, with the rules of Kubernetes.
func (p *params) validate() error {
	switch {
	case p.initial != nil && *p.initial && p.version != "" && !p.notOlderThan:
		return &view.ParameterError{Name: "sendInitialEvents", Message: "requires resourceVersionMatch=NotOlderThan if there is a resourceVersion"}
	case p.notOlderThan && p.initial == nil:
		return &view.ParameterError{Name: "resourceVersionMatch", Message: "requires sendInitialEvents"}
	}
	return nil
}

// wantsInitial reports whether the stream starts with the initial events.
func (w *watchParams) wantsInitial() bool {
	if w.initial != nil {
		return *w.initial
	}
	return w.version == ""
}

func parseDemand(clusters []string) (map[string]bool, error) {
	if len(clusters) > maxDemandClusters {
		return nil, fmt.Errorf("must name at most %d clusters, got %d", maxDemandClusters, len(clusters))
	}
	demand := make(map[string]bool, len(clusters))
	for _, name := range clusters {
		if err := validateName(name); err != nil && name != allClusters {
			return nil, err
		}
		demand[name] = true
	}
	return demand, nil
}

func parseDetail(clusters []string) ([]detailRequest, error) {
	if len(clusters) > maxDetailClusters {
		return nil, fmt.Errorf("must name at most %d clusters, got %d", maxDetailClusters, len(clusters))
	}
	var detail []detailRequest
	for _, text := range clusters {
		name, version, resumes := strings.Cut(text, "@")
		if err := validateName(name); err != nil {
			return nil, err
		}
		if resumes && version != httpv1.InitialVersion {
			if err := view.ParseVersion(version); err != nil {
				return nil, fmt.Errorf("version of cluster %s: %w", name, err)
			}
		} else {
			version = ""
		}
		if !slices.ContainsFunc(detail, func(w detailRequest) bool { return w.cluster == name }) {
			detail = append(detail, detailRequest{name, version})
		}
	}
	return detail, nil
}

// validateName returns an error if no cluster can have that name. Names of clusters that do not
// exist are rejected later.
func validateName(name string) error {
	const longest = 253
	if name == "" || len(name) > longest || strings.ContainsAny(name, " \t\r\n*/") {
		return fmt.Errorf("invalid name of a cluster: %s", quoteShort(name))
	}
	return nil
}
