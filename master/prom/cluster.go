package prom

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/session"
)

// Labels that all series have.
const (
	// nameLabel is a series' name, clusterLabel the cluster that it is of.
	nameLabel    = model.MetricNameLabel
	clusterLabel = "cluster"
)

// presentFor is for how long before it is asked what is only known of the present is
// said to be so: a range ends up to a step before it is asked for.
const presentFor = time.Minute

// cluster is one cluster as one request sees it.
type cluster struct {
	name  string
	level Level
	// value is the last report, nil where there is none, or the caller may not see it.
	value *session.Value
	told  session.Observation
	// past is nil where there is no history.
	past  *history.ClusterHistory
	trail []step
	now   int64
}

// scene is what one request sees: each cluster as it is at the first look.
type scene struct {
	api *API
	see Sight
	now time.Time
	// registered are the clusters that there are, sorted.
	registered []string
	// named and listed are how much the caller may see of clusters, as they are asked for by
	// their names and as some of all there are. Neither spares a question of the other: how
	// many there are would tell which of the names there are.
	named, listed map[string]Level
	looked        map[string]*cluster

	// programs are the regular expressions of the request, plan is what its expression may
	// cost, nil where it has none.
	programs programs
	plan     *plan
	// series is how many series were selected, longest the longest value of their labels.
	series, longest int
	selected        [][]storage.Series
}

func (a *API) scene(see Sight) *scene {
	registered := a.config.Clusters()
	if !slices.IsSorted(registered) {
		registered = slices.Sorted(slices.Values(registered))
	}
	return &scene{
		api: a, see: see, now: time.Now(), registered: registered,
		named: map[string]Level{}, listed: map[string]Level{}, looked: map[string]*cluster{},
	}
}

const (
	// maxNamed is how many clusters are asked for by their names at once.
	maxNamed = 100
	// maxHints is how many of them are asked for before the request is read: a caller that has a
	// token may have the hub asked about these.
	maxHints = 5
	// admitted is how many clusters are asked for at once until one is found that the caller
	// may see.
	admitted = 64
)

// admit returns an error unless the caller may see one cluster. Those that the request names
// are asked for first.
func (s *scene) admit(ctx context.Context, named []string, forbidden func(context.Context) error) error {
	all := s.registered
	if len(all) == 0 {
		all = []string{""}
	}
	sees := func(name string) bool { return s.level(name) >= Summary }
	if err := s.ask(ctx, named, true); err != nil || slices.ContainsFunc(named, sees) {
		return err
	}
	for names := range slices.Chunk(all, admitted) {
		if err := s.ask(ctx, names, false); err != nil || slices.ContainsFunc(names, sees) {
			return err
		}
	}
	if forbidden != nil {
		return &unseenError{forbidden(ctx)}
	}
	return &Error{Type: ErrorForbidden, Err: errors.New("you may see no cluster: a ClusterRole such as rollcall-viewer on the hub allows it")}
}

// asked are the clusters that matchers ask for: those that they name, whether there are such
// or not, or else all there are. So what is asked of the hub does not tell whether there is a
// cluster that the caller may not see.
func (s *scene) asked(matchers []*labels.Matcher) (names []string, named bool) {
	for _, m := range matchers {
		names, named := namesIn(m)
		if named && len(names) <= maxNamed {
			return slices.DeleteFunc(names, func(name string) bool { return name == "" || !matches(matchers, clusterLabel, name) }), true
		}
	}
	return s.registered, false
}

// namesIn returns the clusters that a matcher names, if it lets no other through.
func namesIn(m *labels.Matcher) ([]string, bool) {
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

// matches says that all matchers of a label let a value through.
func matches(matchers []*labels.Matcher, label, value string) bool {
	for _, m := range matchers {
		if m.Name == label && !m.Matches(value) {
			return false
		}
	}
	return true
}

// ask has it decided how much of some clusters the caller may see, where it is not yet.
func (s *scene) ask(ctx context.Context, names []string, named bool) error {
	known := s.listed
	if named {
		known = s.named
	}
	var unknown []string
	for _, name := range names {
		if _, ok := known[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	levels, err := s.see(ctx, unknown, named)
	if err != nil {
		return &unseenError{err}
	}
	for _, name := range unknown {
		known[name] = levels[name]
	}
	return nil
}

// level is how much the caller may see of a cluster that was asked for.
func (s *scene) level(name string) Level { return max(s.named[name], s.listed[name]) }

// decide has it decided what the caller may see of what selectors ask for.
func (s *scene) decide(ctx context.Context, selectors ...[]*labels.Matcher) error {
	for _, matchers := range selectors {
		names, named := s.asked(matchers)
		if err := s.ask(ctx, names, named); err != nil {
			return failed(err)
		}
	}
	return nil
}

// visible are the registered clusters that matchers of the cluster's name let through, and of
// which the caller may see so much at least.
func (s *scene) visible(ctx context.Context, matchers []*labels.Matcher, level Level) ([]string, error) {
	names, named := s.asked(matchers)
	if err := s.ask(ctx, names, named); err != nil {
		return nil, err
	}
	var visible []string
	for _, name := range names {
		if s.level(name) < level || !s.exists(name) {
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
func (s *scene) exists(name string) bool {
	_, ok := slices.BinarySearch(s.registered, name)
	return ok
}

// charge counts series that were selected, and reports why the request may not have them.
func (s *scene) charge(found []storage.Series) error {
	s.series += len(found)
	if s.plan == nil || len(found) == 0 {
		return nil
	}
	if s.plan.labelCalls > 0 {
		for _, one := range found {
			one.Labels().Range(func(l labels.Label) { s.longest = max(s.longest, len(l.Value)) })
		}
	}
	s.selected = append(s.selected, found)
	if err := s.plan.afford(s.series, max(s.longest, s.plan.longest), s.groups); err != nil {
		return tooMuch(err)
	}
	return nil
}

// groups counts the sets of values that the selected series have of some labels.
func (s *scene) groups(names []string) int {
	sets, buf := map[uint64]struct{}{}, []byte(nil)
	for _, found := range s.selected {
		for _, one := range found {
			var hash uint64
			hash, buf = one.Labels().HashForLabels(buf, names...)
			sets[hash] = struct{}{}
		}
	}
	return len(sets)
}

// look is a visible cluster, nil where it has just gone.
func (s *scene) look(name string) *cluster {
	if c, ok := s.looked[name]; ok {
		return c
	}
	c := s.lookAt(name)
	s.looked[name] = c
	return c
}

func (s *scene) lookAt(name string) *cluster {
	glance, ok := s.api.config.Look(name)
	if !ok {
		return nil
	}
	c := &cluster{name: name, level: s.level(name), value: glance.Value, told: glance.Observation, now: s.now.UnixMilli()}
	if c.value != nil {
		c.trail = s.api.config.Trail.of(c.value)
	}
	if s.api.config.History != nil {
		c.past = s.api.config.History.Read(name, s.now)
	}
	return c
}

// state is what is known of the cluster's objects, nil where nothing is.
func (c *cluster) state() *state.State {
	if c.value == nil {
		return nil
	}
	return c.value.State
}

// asItIs is the time in which an object has been as the last report says.
func (c *cluster) asItIs(e state.Entry) stretch {
	at := c.value.ReceivedAt.UnixMilli()
	return stretch{since: since(c.trail, e.Seq, at), until: at, ended: c.expired()}
}

// atReport is the instant of the last report: the time of what is told of many objects
// together, of which it is not kept since when it has been so.
func (c *cluster) atReport() stretch {
	at := c.value.ReceivedAt.UnixMilli()
	return stretch{since: at, until: at, ended: c.expired()}
}

// expired is when the last report was no longer served, 0: it still is.
func (c *cluster) expired() int64 {
	if at := c.value.ExpiresAt.UnixMilli(); at <= c.now {
		return at
	}
	return 0
}

// reports is the time in which the cluster's session has been as it is.
func (c *cluster) reports() stretch {
	s := stretch{since: c.now - presentFor.Milliseconds(), until: c.now}
	if started := c.told.Session.StartedAt; c.told.Session.Phase == session.Reporting && !started.IsZero() {
		s.since = min(started.UnixMilli(), c.now)
	}
	return s
}
