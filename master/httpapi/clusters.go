package httpapi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/httpapi/openapi"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// listParams holds the parameters of the list of clusters.
type listParams struct {
	words string
	limit int
	from  view.ListToken
}

var (
	wordsParameter = parameter{
		"q", "Words that must all occur in a cluster's name, addresses, versions, session, or problems.",
		openapi.String(),
		func(p *params, v string) (err error) {
			p.list.words, err = view.ParseWords(v)
			return err
		},
	}
	listParameters = []parameter{
		watchParameter, wordsParameter,
		{"limit", "Maximum number of clusters on a page.", openapi.Integer(1, view.MaxLimit), func(p *params, v string) (err error) {
			p.list.limit, err = view.ParseLimit(v)
			return err
		}},
		{"continue", "Continue token of the previous page; the other parameters must be the same.", openapi.String(), func(p *params, v string) (err error) {
			p.list.from, err = view.ParseListToken(v)
			return err
		}},
	}
)

// clusters handles requests for the list of clusters that the caller may see. Only a watch can
// register demand for clusters, with the parameter demand.
func (a *API) clusters(w http.ResponseWriter, r *http.Request) error {
	authorize, err := a.authenticate(r)
	if err != nil {
		return err
	}
	// The version is taken before the clusters are read. A watch from it may repeat changes that the
	// list already contains, but never misses one.
	if _, _, err := a.clusterList.Refresh(time.Now(), a.listAll); err != nil {
		return err
	}
	values, p, table, invalid := parseParams(r.URL.RawQuery, listParameters, listWatchParameters)
	if invalid == nil {
		invalid = rejectUnknown(values, table)
	}
	if invalid == nil && !p.watch {
		return a.list(w, r, authorize, &p)
	}
	visible, all, err := a.visibleTo(r.Context(), authorize)
	switch {
	case err != nil:
		return err
	case invalid != nil:
		return invalid
	}
	return a.watchList(w, r, &p, namesOf(visible, all))
}

// listAll returns all registered clusters, as the list shows them.
func (a *API) listAll() ([]httpv1.Cluster, error) {
	registered, err := a.config.Registry.List()
	if err != nil {
		return nil, err
	}
	return a.toClusters(registered)
}

func (a *API) toClusters(registered []session.Registered) ([]httpv1.Cluster, error) {
	now := time.Now()
	list := make([]httpv1.Cluster, len(registered))
	for i, r := range registered {
		report, _ := a.config.Sessions.LastReport(r.Name)
		status, err := a.status(r.Name)
		if err != nil {
			return nil, err
		}
		list[i] = toCluster(r, status, report, now)
	}
	return list, nil
}

// status returns the status of a cluster. If it has not reported to this master yet, the summary
// that another master stored is filled in.
func (a *API) status(cluster string) (session.Status, error) {
	status := a.config.Sessions.Status(cluster)
	if status.Summary != nil {
		return status, nil
	}
	last, err := a.config.Registry.StoredStatus(cluster)
	switch {
	case err == nil:
		status.Summary, status.ObservedAt = last.Summary, last.ObservedAt
		status.KubernetesVersion = cmp.Or(status.KubernetesVersion, last.KubernetesVersion)
	case !errors.Is(err, session.ErrNotFound):
		return session.Status{}, fmt.Errorf("read the stored status of %s: %w", cluster, err)
	}
	return status, nil
}

// toCluster returns a cluster as the list shows it: with the last report, which may be old, or
// otherwise with the last summary that was requested on its own.
func toCluster(registered session.Registered, status session.Status, last *session.Report, now time.Time) httpv1.Cluster {
	c := httpv1.Cluster{
		Name: registered.Name, ClusterIPs: registered.ClusterIPs, Suspended: registered.Suspended,
		UID: status.UID, KubernetesVersion: status.KubernetesVersion, AgentVersion: status.AgentVersion,
		Session: currentSession(status), Summary: status.Summary, ObservedAt: status.ObservedAt, Stale: true,
	}
	if last == nil || !last.Fresh(now) && last.ObservedAt.Before(status.ObservedAt) {
		return c
	}
	c.ResourceVersion, c.ReceivedAt, c.ObservedAt = last.ResourceVersion(), last.ReceivedAt, last.ObservedAt
	c.Summary = &last.Summary
	if last.Fresh(now) {
		c.Stale = last.Stale()
	}
	return c
}
