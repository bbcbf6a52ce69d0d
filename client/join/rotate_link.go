package join

import (
	"context"
	"fmt"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// agentKeyPeriod is how often an agent reads the Secret with its key.
const agentKeyPeriod = time.Minute

// reverse reports whether the agent dials the hub.
func (r *rotating) reverse() bool { return r.agent.Spec.Connection == v1alpha1.Reverse }

// requestKey asks the agent for another key, and waits until it has published the pin of it. The agent reads the
// request within agentKeyPeriod.
func (r *rotating) requestKey(ctx context.Context) (result, error) {
	if err := r.patchSecret(ctx, fmt.Sprintf(`{"stringData":{"rotate":%q}}`, time.Now().UTC().Format(time.RFC3339))); err != nil {
		return result{}, err
	}
	err := r.awaitPublished(ctx, func(published map[string]string) bool {
		r.pin = published["next-pin"]
		return r.pin != "" && r.pin != r.old
	})
	if err != nil {
		return result{}, err
	}
	return resultf("SHA-256 %s, made by the agent, which uses the old key until the hub accepts this one", r.pin)
}

// awaitPublished waits until the agent has published something in its ConfigMap.
func (r *rotating) awaitPublished(ctx context.Context, done func(map[string]string) bool) error {
	waiting, cancel := context.WithTimeout(ctx, agentKeyPeriod+r.Wait)
	defer cancel()
	err := poll(waiting, func(ctx context.Context) (bool, error) {
		published, err := r.Member.configMap(ctx, Namespace, agentPinMap)
		return err == nil && done(published), err
	})
	if err == nil || waiting.Err() == nil {
		return err
	}
	cause := "the agent has not answered in the ConfigMap " + agentPinMap + " in time"
	if logged := r.Member.lastLogError(ctx); logged != "" {
		cause += "\nthe agent says: " + logged
	}
	return &Fault{cause, "the old key is still accepted; update the agent if it is older than this command, remove the cause, and run the command again"}
}

// acceptBoth has the hub accept the next key beside the old one, if its ClusterAgent has pins. An enrolled key accepts
// the next one by its signature.
func (r *rotating) acceptBoth(ctx context.Context) (result, error) {
	pins := r.agent.Spec.TLS.PinnedSHA256
	if len(pins) == 0 {
		return resultf("the agent announces the next key on its link, signed by the old one")
	}
	if !slices.Contains(pins, r.pin) {
		pins = append(slices.Clone(pins), r.pin)
	}
	if err := r.setPins(ctx, pins); err != nil {
		return result{}, err
	}
	return resultf("the hub accepts both keys")
}

// awaitSwitch waits until the agent uses the next key.
func (r *rotating) awaitSwitch(ctx context.Context) (result, error) {
	err := r.awaitPublished(ctx, func(published map[string]string) bool { return published["pin"] == r.pin })
	if err != nil {
		return result{}, err
	}
	return resultf("in use by the agent")
}

// refuseOld has the hub accept the new key only. If the key was enrolled, the hub does that itself.
func (r *rotating) refuseOld(ctx context.Context) (result, error) {
	if len(r.agent.Spec.TLS.PinnedSHA256) > 0 {
		return r.accept(ctx)
	}
	waiting, cancel := context.WithTimeout(ctx, r.Wait)
	defer cancel()
	err := poll(waiting, func(ctx context.Context) (bool, error) {
		agent, err := r.hub.agent(ctx, r.Name)
		return err == nil && agent != nil && slices.Equal(acceptedPins(agent), []string{r.pin}), err
	})
	if err != nil && waiting.Err() != nil {
		return result{}, &Fault{"the hub still accepts the old key: the agent has not connected with the new one", "see why by: kubectl rollcall check " + r.Name}
	}
	if err != nil {
		return result{}, err
	}
	return resultf("the hub accepts the new key only")
}
