package join

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"
)

// Log messages of the agent (package agent/dial).
const (
	logLinked    = `msg="linked to the hub"`
	logNotLinked = `msg="no link to the hub; trying again"`
)

// byToken joins with a join token. Without access to the hub, the agent's log says whether it is linked.
func (j *joining) byToken(ctx context.Context) error {
	j.Name = j.Token.Cluster
	err := j.run.execute(ctx, []step{
		{"token", j.checkToken},
		{"cluster", j.checkMember},
		{"name", j.checkInstalled},
		{"rights", j.checkMemberRights},
		{"metrics API", j.checkMetrics},
		{"objects", j.applyAgent},
		{"agent", j.awaitAgent},
		{"link", j.awaitLogged},
	})
	if err != nil {
		return err
	}
	return j.finish()
}

// checkToken takes the facts about the hub from the token.
func (j *joining) checkToken(context.Context) (result, error) {
	t := j.Token
	if !j.reverse() {
		return result{}, &Fault{"a join token is for an agent that dials the hub, and with --endpoint or --expose the hub dials the agent", "remove these flags, or join with kubeconfigs of both clusters"}
	}
	if err := t.Expired(time.Now()); err != nil {
		return result{}, &Fault{fmt.Sprintf("the token for %s expired at %s", t.Cluster, t.ExpiresAt.Local().Format(time.DateTime)), "ask the administrator of the hub for another one: kubectl rollcall token create " + t.Cluster}
	}
	der, err := x509.MarshalPKIXPublicKey(t.SigningKey)
	if err != nil {
		return result{}, fmt.Errorf("encode the signing key of the token: %w", err)
	}
	j.facts = hubFacts{
		address: t.Hub, source: "token", ca: t.HubCA, serverName: t.HubServerName,
		signingKeys: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}
	return resultf("%s joins the hub at %s, signing key %s; the agent dials the hub; valid for %s", t.Cluster, t.Hub, keyFingerprint(j.facts.signingKeys), time.Until(t.ExpiresAt).Round(time.Second))
}

// awaitLogged waits until the agent logs that it is linked.
func (j *joining) awaitLogged(ctx context.Context) (result, error) {
	if j.DryRun != DryRunNone {
		return result{}, nil
	}
	began := time.Now()
	waiting, cancel := context.WithTimeout(ctx, j.Wait)
	defer cancel()
	err := poll(waiting, j.agentIsLinked)
	if err != nil && waiting.Err() != nil {
		cause := j.Member.lastLogError(ctx)
		if cause == "" {
			cause = "its log has no cause"
		}
		return result{}, &Fault{
			fmt.Sprintf("the agent is not linked to the hub within %s\nthe agent says: %s", j.Wait, cause),
			"if the hub refuses it, its administrator sees why by: kubectl describe clusteragent " + j.Name + "; else check that the cluster reaches " + j.facts.address + ", and set --proxy-url otherwise",
		}
	}
	if err != nil {
		return result{}, err
	}
	return resultf("up after %s, as the agent's log says", seconds(time.Since(began)))
}

// agentIsLinked reports whether the agent's log says that it is linked to a master. The condition Linked can still be
// that of the pod before. A pod that is older than this run may have lost the line, and is believed.
func (j *joining) agentIsLinked(ctx context.Context) (bool, error) {
	pod, err := j.Member.agentPod(ctx)
	if err != nil || pod == nil {
		return false, err
	}
	text, err := j.Member.log(ctx, pod, 200)
	if j.Token == nil && (err != nil || text == "") {
		return true, nil //nolint:nilerr // the log cannot be read: the condition has to do
	}
	if err != nil {
		return false, j.Member.explain("read the agent's log", err)
	}
	linked, notLinked := strings.LastIndex(text, logLinked), strings.LastIndex(text, logNotLinked)
	return linked > notLinked || linked == notLinked && pod.UID == j.podBefore, nil
}
