package controllers

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
)

// defaultIdleRefresh is the schema's, for objects that never came by it.
const defaultIdleRefresh = 5 * time.Minute

// clusterOf is what a ClusterAgent says, in session's words. A lasting answer of the
// agent's cluster (status.clusterUID) counts like a person's.
func clusterOf(agent *v1alpha1.ClusterAgent) session.Cluster {
	spec := agent.Spec
	return session.Cluster{
		Name:        agent.Name,
		Generation:  agent.Generation,
		Endpoint:    spec.Endpoint,
		ExpectedUID: expectedUID(agent),
		TLS: session.TLS{
			CABundle:     spec.TLS.CABundle,
			ServerName:   spec.TLS.ServerName,
			PinnedSHA256: spec.TLS.PinnedSHA256,
		},
		Continuous:      spec.Reporting.Mode == v1alpha1.Continuous,
		RequestPeriod:   spec.Reporting.RequestPeriod.Duration,
		SessionDuration: spec.Reporting.SessionDuration.Duration,
		CacheTTL:        spec.Reporting.CacheTTL.Duration,
		IdleRefresh:     orDefault(spec.Reporting.IdleRefresh),
		Ignore:          ignored(spec.Health.Ignore),
		Suspended:       spec.Suspend,
		Invalid:         endpointFault(spec.Endpoint),
	}
}

// ignored returns rules of a spec as those by which problems are muted.
func ignored(rules []v1alpha1.IgnoreRule) []state.Ignore {
	var all []state.Ignore
	for _, r := range rules {
		i := state.Ignore{Namespace: r.Namespace, Owner: r.Owner, Node: r.Node, What: r.What, Reason: r.Reason}
		if r.Until != nil {
			i.Until = state.TimeOf(r.Until.Time)
		}
		all = append(all, i)
	}
	return all
}

func expectedUID(agent *v1alpha1.ClusterAgent) string {
	return cmp.Or(agent.Spec.ClusterUID, agent.Status.ClusterUID)
}

func orDefault(idleRefresh *metav1.Duration) time.Duration {
	if idleRefresh == nil {
		return defaultIdleRefresh
	}
	return idleRefresh.Duration
}

// endpointFault says what is wrong with an address or port in an endpoint, which
// schemas cannot read; empty: nothing. Its form is session's business.
func endpointFault(endpoint string) string {
	u, err := url.Parse(endpoint)
	var wrong *url.Error
	if errors.As(err, &wrong) {
		return fmt.Sprintf("spec.endpoint %q cannot be read: %v", endpoint, wrong.Err)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Sprintf("spec.endpoint %q: the port %s is not between 1 and 65535", endpoint, port)
		}
	}
	return ""
}
