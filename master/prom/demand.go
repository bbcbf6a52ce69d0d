package prom

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// want has the clusters report that an expression asks about by name, and gives what is
// to be told of those of which there is nothing yet.
func (s *scene) want(ctx context.Context, expr parser.Expr) (warnings []string, err error) {
	named := map[string]bool{}
	for _, matchers := range parser.ExtractSelectors(expr) {
		if !asksByName(matchers) {
			continue
		}
		names, err := s.visible(ctx, matchers, Details)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			named[name] = true
		}
	}
	visible := sortedKeys(named)
	if more := len(visible) - maxDemand; more > 0 {
		warnings = append(warnings, fmt.Sprintf("the query asks about %d clusters, and has no more than %d of them report: the others are as they were last known", len(visible), maxDemand))
		visible = visible[:maxDemand]
	}
	var cold []string
	for _, name := range visible {
		s.api.config.Want(name)
		if c := s.look(name); c != nil && (c.state() == nil || c.expired() != 0) {
			cold = append(cold, name)
		}
	}
	if len(cold) > 0 {
		warnings = append(warnings, "not reporting yet, and asked to: "+some(cold)+"; ask again in some seconds")
	}
	return warnings, nil
}

// asksByName says that a selector has a matcher of the cluster that does not match what
// has none.
func asksByName(matchers []*labels.Matcher) bool {
	return slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return m.Name == clusterLabel && !m.Matches("") })
}

// some are a few of some names, in words.
func some(names []string) string {
	const few = 5
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
