package join

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// This file has the steps before anything is applied: they look at both clusters and change nothing.

// maxSkew is a difference of two clocks above which a warning is printed.
const maxSkew = 5 * time.Second

func (j *joining) checkHub(ctx context.Context) (result, error) {
	version, err := j.hub.version()
	if err != nil {
		return result{}, err
	}
	if err := j.hub.keys(ctx, &j.facts); err != nil {
		return result{}, err
	}
	return resultf("%s, Kubernetes %s, signing key %s", j.Hub.Host, version, keyFingerprint(j.facts.signingKeys))
}

// chooseConnection says who dials, and finds the address of the masters if the agent does.
func (j *joining) chooseConnection(ctx context.Context) (result, error) {
	if !j.reverse() {
		if j.ProxyURL != "" {
			return result{}, &Fault{"--proxy-url is for an agent that dials the hub, and with --endpoint or --expose the hub dials the agent", "remove one of them"}
		}
		return resultf("Dial: the hub dials the agent, as --endpoint or --expose is set")
	}
	if err := j.hub.findAddress(ctx, j.HubAddress, j.HubServerName, &j.facts); err != nil {
		return result{}, err
	}
	return resultf("Reverse: the agent dials the hub at %s (%s), as neither --endpoint nor --expose is set", j.facts.address, j.facts.source)
}

func (j *joining) checkMember(ctx context.Context) (result, error) {
	version, err := j.Member.version()
	if err != nil {
		return result{}, err
	}
	if j.uid, err = j.Member.uid(ctx); err != nil {
		return result{}, err
	}
	found := result{text: fmt.Sprintf("%s, Kubernetes %s, UID %s", j.Member.Host, version, j.uid)}
	if j.Hub == nil {
		return found, nil
	}
	if skew, known := j.Member.skew(j.Hub); known && skew.Abs() > maxSkew {
		found.warnings = append(found.warnings, fmt.Sprintf("the clocks of its API server and of the hub's differ by %s: synchronize them", skew.Round(time.Second).Abs()))
	}
	return found, nil
}

func (j *joining) checkName(ctx context.Context) (result, error) {
	agents, err := j.hub.agents(ctx)
	if err != nil {
		return result{}, err
	}
	if j.registered, err = checkName(agents, j.Name, j.uid); err != nil {
		return result{}, err
	}
	if _, err := j.checkInstalled(ctx); err != nil {
		return result{}, err
	}
	if j.registered != nil {
		return resultf("%s is registered for this cluster already: this run repairs it", j.Name)
	}
	return resultf("%s is free, and the cluster is not registered under another name", j.Name)
}

// checkInstalled returns an error if the member has an agent of another name.
func (j *joining) checkInstalled(ctx context.Context) (result, error) {
	installed, err := j.Member.configMap(ctx, Namespace, agentNameMap)
	if err != nil {
		return result{}, err
	}
	if other := installed[agentNameKey]; other != "" && other != j.Name {
		return result{}, &Fault{
			fmt.Sprintf("the agent in this cluster has the name %s, not %s", other, j.Name),
			fmt.Sprintf("join it as %s, or remove the agent first by `kubectl rollcall leave %s --context %s`", other, other, j.Member.Context),
		}
	}
	return resultf("the cluster has no agent of another name")
}

func (j *joining) checkRights(ctx context.Context) (result, error) {
	onMember, err := j.checkMemberRights(ctx)
	if err != nil {
		return result{}, err
	}
	rights := rightsToApply([]*unstructured.Unstructured{registration{name: j.Name}.object()}, "get", "create", "patch")
	if err := j.Hub.needRights(ctx, "on the hub", rights); err != nil {
		return result{}, err
	}
	return resultf("%s, %d on the hub", onMember.text, len(rights))
}

// checkMemberRights reviews the rights that applyAgent and the steps after it need in the member.
func (j *joining) checkMemberRights(ctx context.Context) (result, error) {
	objects, err := agentObjects(j.agentSettings())
	if err != nil {
		return result{}, err
	}
	rights := append(rightsToApply(objects, "get", "create", "patch"),
		right{Verb: "get", Resource: "configmaps", Namespace: Namespace, Name: agentPinMap}, right{Verb: "list", Resource: "pods", Namespace: Namespace}, right{Verb: "get", Resource: "pods", Subresource: "log", Namespace: Namespace})
	if err := j.Member.needRights(ctx, "in the cluster", rights); err != nil {
		return result{}, err
	}
	return resultf("%d on the cluster", len(rights))
}

func (j *joining) checkMetrics(context.Context) (result, error) {
	return checkMetrics(j.Member), nil
}

// checkMetrics reports whether a cluster serves metrics.k8s.io. Without it, all works except usage.
func checkMetrics(c *Cluster) result {
	_, err := c.Client.Discovery().ServerResourcesForGroupVersion("metrics.k8s.io/v1beta1")
	switch {
	case err == nil:
		return result{text: "metrics.k8s.io is served"}
	case apierrors.IsNotFound(err):
		return result{warnings: []string{"metrics.k8s.io is not served, so the usage of CPU and memory is not reported: install metrics-server; nothing else depends on it"}}
	}
	return result{warnings: []string{fmt.Sprintf("metrics.k8s.io does not answer, so the usage of CPU and memory is not reported until it does: %v", err)}}
}
