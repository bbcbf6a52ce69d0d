package join

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// testNextPin is the pin of the played agent's next key.
var testNextPin = strings.Repeat("cd", 32)

// playKey returns the pins that the played agent publishes. It makes its next key when its Secret asks for it, and uses
// that when the hub accepts it.
func (f *fixture) playKey(ctx context.Context) (pin, next string) {
	secret, err := f.member.Client().CoreV1().Secrets(Namespace).Get(ctx, agentKeySecret, metav1.GetOptions{})
	if err != nil || len(secret.Data["rotate"]) == 0 {
		return testPin, ""
	}
	registry := hub{Cluster: f.cluster("hub", f.hub.Config())}
	agent, err := registry.agent(ctx, "prod-eu")
	if err == nil && agent != nil && slices.Contains(agent.Spec.TLS.PinnedSHA256, testNextPin) {
		return testNextPin, ""
	}
	return testPin, testNextPin
}

func (f *fixture) rotate(wait time.Duration) (string, error) {
	f.out.Reset()
	o := f.options()
	err := RotateKey(f.t.Context(), RotateOptions{Name: o.Name, Hub: o.Hub, Member: o.Member, Wait: wait, Out: f.out})
	return f.out.String(), err
}

// TestRotateKeyOfALinkedAgent replaces the key of an agent that dials the hub. The agent is not stopped.
func TestRotateKeyOfALinkedAgent(t *testing.T) {
	f := newFixture(t)
	f.play()
	f.mustJoin(f.options())
	before := f.kubectl(f.member, "-n", Namespace, "get", "deployment", agentName, "-o", "jsonpath={.metadata.generation}")
	out, err := f.rotate(20 * time.Second)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f.contains(out, []string{"✓ next key       SHA-256 " + testNextPin, "the hub accepts both keys", "✓ new key", "✓ link", "✓ old key        the hub accepts the new key only", "prod-eu has a new key"})
	if pins := f.kubectl(f.hub, "get", "clusteragent", "prod-eu", "-o", "jsonpath={.spec.tls.pinnedSHA256}"); pins != `["`+testNextPin+`"]` {
		t.Errorf("got the pins %s, want the new one only", pins)
	}
	if after := f.kubectl(f.member, "-n", Namespace, "get", "deployment", agentName, "-o", "jsonpath={.metadata.generation}"); after != before {
		t.Errorf("the Deployment has the generation %s, want %s: the agent was stopped", after, before)
	}
}

// TestRotateKeyOfAnAgentThatDoesNotAnswer has no agent. The hub accepts the old key only.
func TestRotateKeyOfAnAgentThatDoesNotAnswer(t *testing.T) {
	f := newFixture(t)
	f.play()
	f.mustJoin(f.options())
	f.stop()
	out, err := f.rotate(-agentKeyPeriod + time.Second)
	if !errors.Is(err, ErrFailed) {
		t.Errorf("got %v, want a failure", err)
	}
	f.contains(out, []string{"✗ next key", "the agent has not answered in the ConfigMap rollcall-agent-pin in time", "→ the old key is still accepted"})
	if pins := f.kubectl(f.hub, "get", "clusteragent", "prod-eu", "-o", "jsonpath={.spec.tls.pinnedSHA256}"); pins != `["`+testPin+`"]` {
		t.Errorf("got the pins %s, want the old one only", pins)
	}
}
