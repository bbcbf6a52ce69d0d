package prom

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/session"
)

// These labels are on all series.
const (
	// nameLabel is the label of the metric name, clusterLabel that of the cluster.
	nameLabel    = model.MetricNameLabel
	clusterLabel = "cluster"
)

// queryContext holds the state of one request. It takes a snapshot of a cluster at first use.
type queryContext struct {
	api        *API
	authorizer Authorizer
	now        time.Time
	// registered has the names of all registered clusters, sorted.
	registered []string
	// byName and listed cache the levels that the caller has for clusters: byName for those
	// named in the request, listed for those taken from the registered clusters. They are
	// separate, so that the number of lookups in the hub does not reveal which clusters exist.
	byName, listed map[string]Level
	clusterCache   map[string]*samples.Cluster

	// programs is the size of the regular expressions of the request. cost is the cost of its
	// expression, nil if it has none.
	programs programSize
	cost     *costEstimate
	// series counts the selected series. longest is the length of their longest label value.
	series, longest int
	selected        [][]storage.Series
}

func (a *API) newQueryContext(authorizer Authorizer) (*queryContext, error) {
	registered, err := a.config.Registry.Names()
	if err != nil {
		return nil, &externalError{err}
	}
	if !slices.IsSorted(registered) {
		registered = slices.Sorted(slices.Values(registered))
	}
	return &queryContext{
		api: a, authorizer: authorizer, now: time.Now(), registered: registered,
		byName: map[string]Level{}, listed: map[string]Level{}, clusterCache: map[string]*samples.Cluster{},
	}, nil
}

const (
	// maxNamed limits the clusters that are looked up by name at once.
	maxNamed = 100
	// maxHints limits the clusters that are looked up by name before the request is parsed, as
	// any caller with a token can cause these lookups.
	maxHints = 5
	// accessBatch is how many clusters are looked up at once to find one that the caller may see.
	accessBatch = 64
)

// requireAccess returns an error unless the caller may see at least one cluster. It tries those
// that the request names first.
func (qc *queryContext) requireAccess(ctx context.Context, named []string, forbidden func(context.Context) error) error {
	all := qc.registered
	if len(all) == 0 {
		all = []string{""}
	}
	visible := func(name string) bool { return qc.level(name) >= Summary }
	if err := qc.authorize(ctx, named, true); err != nil || slices.ContainsFunc(named, visible) {
		return err
	}
	for names := range slices.Chunk(all, accessBatch) {
		if err := qc.authorize(ctx, names, false); err != nil || slices.ContainsFunc(names, visible) {
			return err
		}
	}
	if forbidden != nil {
		return &externalError{forbidden(ctx)}
	}
	return &Error{Type: ErrorForbidden, Err: errors.New("you are not allowed to see any cluster; ask for a ClusterRole such as rollcall-viewer on the hub")}
}

// requested returns the clusters that matchers select. These are the names in the matchers,
// whether such clusters exist or not, with byName set, or else all registered clusters. So the
// lookups in the hub do not reveal whether a cluster exists that the caller may not see.
func (qc *queryContext) requested(matchers []*labels.Matcher) (names []string, byName bool) {
	for _, m := range matchers {
		names, byName := matchedNames(m)
		if byName && len(names) <= maxNamed {
			return slices.DeleteFunc(names, func(name string) bool { return name == "" || !matches(matchers, clusterLabel, name) }), true
		}
	}
	return qc.registered, false
}

// matchedNames returns the clusters that a matcher lists. It returns false if the matcher can
// match others.
func matchedNames(m *labels.Matcher) ([]string, bool) {
	switch {
	case m.Name != clusterLabel:
	case m.Type == labels.MatchEqual:
		return []string{m.Value}, true
	case m.Type == labels.MatchRegexp:
		names := m.SetMatches()
		return names, len(names) > 0
	}
	return nil, false
}

// matches reports whether all matchers on a label match a value.
func matches(matchers []*labels.Matcher, label, value string) bool {
	for _, m := range matchers {
		if m.Name == label && !m.Matches(value) {
			return false
		}
	}
	return true
}

// authorize looks up the levels of clusters that are not known yet.
func (qc *queryContext) authorize(ctx context.Context, names []string, byName bool) error {
	levels := qc.listed
	if byName {
		levels = qc.byName
	}
	var unknown []string
	for _, name := range names {
		if _, ok := levels[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	found, err := qc.authorizer(ctx, unknown, byName)
	if err != nil {
		return &externalError{err}
	}
	for _, name := range unknown {
		levels[name] = found[name]
	}
	return nil
}

// level returns the level of a cluster that was looked up before.
func (qc *queryContext) level(name string) Level { return max(qc.byName[name], qc.listed[name]) }

// authorizeSelectors looks up the levels of all clusters that selectors request.
func (qc *queryContext) authorizeSelectors(ctx context.Context, selectors ...[]*labels.Matcher) error {
	for _, matchers := range selectors {
		names, byName := qc.requested(matchers)
		if err := qc.authorize(ctx, names, byName); err != nil {
			return toAPIError(err)
		}
	}
	return nil
}

// visible returns the registered clusters that match and for which the caller has at least the
// given level, sorted.
func (qc *queryContext) visible(ctx context.Context, matchers []*labels.Matcher, level Level) ([]string, error) {
	names, byName := qc.requested(matchers)
	if err := qc.authorize(ctx, names, byName); err != nil {
		return nil, err
	}
	var visible []string
	for _, name := range names {
		if qc.level(name) < level || !qc.exists(name) {
			continue
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if matches(matchers, clusterLabel, name) {
			visible = append(visible, name)
		}
	}
	slices.Sort(visible)
	return visible, nil
}

// exists reports whether a cluster is registered.
func (qc *queryContext) exists(name string) bool {
	_, ok := slices.BinarySearch(qc.registered, name)
	return ok
}

// addSelected counts selected series, and returns an error if their evaluation costs too much.
func (qc *queryContext) addSelected(found []storage.Series) error {
	qc.series += len(found)
	if qc.cost == nil || len(found) == 0 {
		return nil
	}
	if qc.cost.labelCalls > 0 {
		for _, one := range found {
			one.Labels().Range(func(l labels.Label) { qc.longest = max(qc.longest, len(l.Value)) })
		}
	}
	qc.selected = append(qc.selected, found)
	if err := qc.cost.check(qc.series, max(qc.longest, qc.cost.longest), qc.groups); err != nil {
		return executionError(err)
	}
	return nil
}

// groups returns how many distinct sets of values the selected series have for some labels.
func (qc *queryContext) groups(names []string) int {
	sets, buf := map[uint64]struct{}{}, []byte(nil)
	for _, found := range qc.selected {
		for _, one := range found {
			var hash uint64
			hash, buf = one.Labels().HashForLabels(buf, names...)
			sets[hash] = struct{}{}
		}
	}
	return len(sets)
}

// cluster returns the snapshot of a visible cluster, nil if it has just been removed.
func (qc *queryContext) cluster(name string) (*samples.Cluster, error) {
	if c, ok := qc.clusterCache[name]; ok {
		return c, nil
	}
	c, err := qc.readCluster(name)
	if err != nil {
		return nil, err
	}
	qc.clusterCache[name] = c
	return c, nil
}

func (qc *queryContext) readCluster(name string) (*samples.Cluster, error) {
	current, err := qc.api.config.Sessions.Current(name)
	switch {
	case errors.Is(err, session.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, &externalError{err}
	}
	c := &samples.Cluster{Name: name, Report: current.Report, Status: current.Status, Now: qc.now.UnixMilli()}
	if c.Report != nil {
		c.Changes = qc.api.config.RevisionTimes.Changes(c.Report)
	}
	if qc.api.config.History != nil {
		c.History = qc.api.config.History.Read(name, qc.now)
	}
	return c, nil
}
