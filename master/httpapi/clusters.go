package httpapi

import (
	"cmp"
	"net/http"
	"time"

	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// listParams are the parameters of the list of clusters.
type listParams struct {
	words string
	limit int
	from  view.ListToken
}

var (
	wordsParameter = parameter{
		"q", "Words; each is found in a cluster's name, addresses, versions, session, or problems.",
		schema{"type": "string"},
		func(p *params, v string) (err error) {
			p.list.words, err = view.ParseWords(v)
			return err
		},
	}
	listParameters = []parameter{
		watchParameter, wordsParameter,
		{"limit", "How many clusters a page has.", integer(1, view.MaxLimit), func(p *params, v string) (err error) {
			p.list.limit, err = view.ParseLimit(v)
			return err
		}},
		{"continue", "The token of the page before, with the same other parameters.", schema{"type": "string"}, func(p *params, v string) (err error) {
			p.list.from, err = view.ParseListToken(v)
			return err
		}},
	}
)

// clusters answers with all registered clusters that the caller may see. It is no
// demand for any of them, but where a watch asks for that.
func (a *API) clusters(w http.ResponseWriter, r *http.Request) error {
	caller, err := a.caller(r)
	if err != nil {
		return err
	}
	// Versions are taken before the clusters are: a watch from there tells again what
	// came meanwhile, and would never tell of a cluster that the list was too early for.
	a.fleet.Advance(time.Now(), a.listAll)
	values, p, table, invalid := begin(r.URL.RawQuery, listParameters, fleetWatchParameters)
	if invalid == nil {
		invalid = onlyThese(values, table)
	}
	if invalid == nil && !p.watch {
		return a.list(w, r, caller, &p)
	}
	visible, all, err := a.visibleTo(r.Context(), caller)
	switch {
	case err != nil:
		return err
	case invalid != nil:
		return invalid
	}
	return a.watchFleet(w, r, &p, namesOf(visible, all))
}

// listAll are all registered clusters, as the list shows them.
func (a *API) listAll() []view.Cluster { return a.listed(a.config.Registry.List()) }

func (a *API) listed(registered []Registered) []view.Cluster {
	now := time.Now()
	list := make([]view.Cluster, len(registered))
	for i, r := range registered {
		value, _ := a.config.Sessions.Peek(r.Name)
		list[i] = listed(r, a.observe(r.Name), value, now)
	}
	return list
}

// observe is how a cluster stands, with what another master left where this one has
// not heard of it yet.
func (a *API) observe(cluster string) session.Observation {
	o := a.config.Sessions.Observe(cluster)
	if o.Summary != nil {
		return o
	}
	if last, ok := a.config.Registry.LastKnown(cluster); ok {
		o.Summary, o.ObservedAt = last.Summary, last.ObservedAt
		o.KubernetesVersion = cmp.Or(o.KubernetesVersion, last.KubernetesVersion)
	}
	return o
}

// listed is a cluster as the list shows it: with the last report where there is one,
// which may be old, else with the last summary that was asked for by itself.
func listed(c Registered, o session.Observation, v *session.Value, now time.Time) view.Cluster {
	shown := view.Cluster{
		Name: c.Name, ClusterIPs: c.ClusterIPs, Suspended: c.Suspended,
		UID: o.UID, KubernetesVersion: o.KubernetesVersion, AgentVersion: o.AgentVersion,
		Session: sessionNow(o), Summary: o.Summary, ObservedAt: o.ObservedAt, Stale: true,
	}
	if v == nil || !v.Fresh(now) && v.ObservedAt.Before(o.ObservedAt) {
		return shown
	}
	shown.ResourceVersion, shown.ReceivedAt, shown.ObservedAt = v.ResourceVersion(), v.ReceivedAt, v.ObservedAt
	shown.Summary = &v.Summary
	if v.Fresh(now) {
		report := reportOf(v)
		shown.Stale = report.Stale()
	}
	return shown
}
