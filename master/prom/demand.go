package prom

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"rollcall.dev/rollcall/master/session"
)

// demand demands reports of the clusters that an expression names. It returns warnings about
// clusters that have no current report.
func (qc *queryContext) demand(ctx context.Context, expr parser.Expr) (warnings []string, err error) {
	named := map[string]bool{}
	for _, matchers := range parser.ExtractSelectors(expr) {
		if !namesCluster(matchers) {
			continue
		}
		names, err := qc.visible(ctx, matchers, Details)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			named[name] = true
		}
	}
	visible := sortedKeys(named)
	if more := len(visible) - maxDemand; more > 0 {
		warnings = append(warnings, fmt.Sprintf("the query names %d clusters, but asks at most %d to report; the others show their last known state", len(visible), maxDemand))
		visible = visible[:maxDemand]
	}
	var missing []string
	for _, name := range visible {
		if err := qc.api.config.Sessions.RegisterDemand(ctx, name); err != nil && !errors.Is(err, session.ErrNotFound) {
			return nil, &externalError{err}
		}
		c, err := qc.cluster(name)
		if err != nil {
			return nil, err
		}
		if c != nil && !c.Fresh() {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		warnings = append(warnings, "no current report yet from "+joinFew(missing)+"; a report was requested, try again in a few seconds")
	}
	return warnings, nil
}

// namesCluster reports whether a selector has a matcher on the cluster that does not match the
// empty string.
func namesCluster(matchers []*labels.Matcher) bool {
	return slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return m.Name == clusterLabel && !m.Matches("") })
}

// joinFew joins up to five names with commas and counts the others.
func joinFew(names []string) string {
	const few = 5
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
