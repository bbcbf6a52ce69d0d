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
	"rollcall.dev/rollcall/master/session/dial"
)

// defaultIdleRefresh is the default of the schema, for objects that were stored without it.
const defaultIdleRefresh = 5 * time.Minute

// clusterOf returns the session.Cluster of a ClusterAgent.
func clusterOf(agent *v1alpha1.ClusterAgent) session.Cluster {
	spec := agent.Spec
	return session.Cluster{
		Name:        agent.Name,
		Generation:  agent.Generation,
		Reverse:     spec.Connection == v1alpha1.Reverse,
		LinkUnbound: spec.Link.ChannelBinding == v1alpha1.BindingNone,
		Endpoint:    spec.Endpoint,
		ExpectedUID: expectedUID(agent),
		TLS: dial.TLS{
			CABundle:     spec.TLS.CABundle,
			ServerName:   spec.TLS.ServerName,
			PinnedSHA256: acceptedKeys(agent),
		},
		Continuous:      spec.Reporting.Mode == v1alpha1.Continuous,
		RequestPeriod:   spec.Reporting.RequestPeriod.Duration,
		SessionDuration: spec.Reporting.SessionDuration.Duration,
		CacheTTL:        spec.Reporting.CacheTTL.Duration,
		IdleRefresh:     idleRefreshOf(spec.Reporting.IdleRefresh),
		Ignore:          ignoreRules(spec.Health.Ignore),
		Suspended:       spec.Suspend,
		Invalid:         endpointFault(spec.Endpoint),
	}
}

// ignoreRules returns the ignore rules of a spec as state.Ignore.
func ignoreRules(rules []v1alpha1.IgnoreRule) []state.Ignore {
	var all []state.Ignore
	for _, r := range rules {
		rule := state.Ignore{Namespace: r.Namespace, Owner: r.Owner, Node: r.Node, What: r.What, Reason: r.Reason}
		if r.Until != nil {
			rule.Until = state.TimeOf(r.Until.Time)
		}
		all = append(all, rule)
	}
	return all
}

// expectedUID returns the UID that the cluster must have: that of the spec, else that of the first
// answer, which is in the status.
func expectedUID(agent *v1alpha1.ClusterAgent) string {
	return cmp.Or(agent.Spec.ClusterUID, agent.Status.ClusterUID)
}

func idleRefreshOf(idleRefresh *metav1.Duration) time.Duration {
	if idleRefresh == nil {
		return defaultIdleRefresh
	}
	return idleRefresh.Duration
}

// endpointFault returns what is wrong with the address or port of an endpoint, empty if nothing
// is. The schema cannot check it. Package session checks the rest of the endpoint.
func endpointFault(endpoint string) string {
	u, err := url.Parse(endpoint)
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		return fmt.Sprintf("spec.endpoint %q is not a valid URL: %v", endpoint, urlErr.Err)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Sprintf("spec.endpoint %q: port %s is not between 1 and 65535", endpoint, port)
		}
	}
	return ""
}
