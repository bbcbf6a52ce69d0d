package prom

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

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
	past  *history.Past
	trail []step
	now   int64
}

// scene is what one request sees: each cluster as it is at the first look.
type scene struct {
	api *API
	see Sight
	now time.Time
	// levels and looked are filled as clusters are asked for.
	levels map[string]Level
	looked map[string]*cluster
}

func (a *API) scene(see Sight) *scene {
	return &scene{api: a, see: see, now: time.Now(), levels: map[string]Level{}, looked: map[string]*cluster{}}
}

// named are the registered clusters that matchers of the cluster's name let through.
func (s *scene) named(matchers []*labels.Matcher) []string {
	return slices.DeleteFunc(slices.Clone(s.api.config.Clusters()), func(name string) bool {
		return !matches(matchers, clusterLabel, name)
	})
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

// visible are those of some clusters of which the caller may see so much at least.
func (s *scene) visible(ctx context.Context, names []string, level Level) ([]string, error) {
	var unknown []string
	for _, name := range names {
		if _, ok := s.levels[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		levels, err := s.see(ctx, unknown)
		if err != nil {
			return nil, &unseenError{err}
		}
		for _, name := range unknown {
			s.levels[name] = levels[name]
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return s.levels[name] < level }), nil
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
	c := &cluster{name: name, level: s.levels[name], value: glance.Value, told: glance.Observation, now: s.now.UnixMilli()}
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
