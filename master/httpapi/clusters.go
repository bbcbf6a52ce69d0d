package httpapi

import (
	"cmp"
	"net/http"
	"time"

	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// clusters answers with all registered clusters that the caller may see. It is no
// demand for any of them.
func (a *API) clusters(w http.ResponseWriter, r *http.Request) error {
	visible, err := a.visible(r)
	if err != nil {
		return err
	}
	if err := noParams(r.URL.RawQuery); err != nil {
		return err
	}
	now := time.Now()
	list := make([]view.Cluster, len(visible))
	for i, registered := range visible {
		value, _ := a.config.Sessions.Peek(registered.Name)
		list[i] = listed(registered, a.observe(registered.Name), value, now)
	}
	body, err := view.EncodeClusters(list)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "private, no-cache")
	w.Header().Set("Vary", "Accept-Encoding, Authorization")
	writeJSON(w, body)
	return nil
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
		Session: sessionOf(o.Session), Summary: o.Summary, ObservedAt: o.ObservedAt, Stale: true,
	}
	shown.Session.Message = o.Message
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
