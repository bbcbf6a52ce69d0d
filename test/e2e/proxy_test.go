package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/test/fault"
)

// TestAProxyThatEndsTLSIsToldInTheCondition places a proxy before the agent whose certificate
// the master accepts. No report passes until the agent is started with --channel-binding=off.
func TestAProxyThatEndsTLSIsToldInTheCondition(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"behind-a-proxy": nil, "unbound-behind-a-proxy": {"--channel-binding=off"}} {
		a, err := world.stack.StartAgent(t.Context(), world.member, name, flags...)
		if err != nil {
			t.Fatal(err)
		}
		relay, err := fault.New(fault.Config{Agent: a.Endpoint, TLS: true})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- relay.Run(context.Background()) }()
		t.Cleanup(func() {
			relay.Close()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		behind := *a
		behind.Endpoint, behind.Pin = relay.Endpoint(), relay.Pin()
		register(t, behind.Manifest(""))
		if flags != nil {
			ask(t, world.master, name)
			condition(t, name, "ChannelBound", metav1.ConditionFalse, "BindingOff")
			continue
		}
		refused(t, world.master, "/api/v1/clusters/"+name, http.StatusServiceUnavailable, "Unauthorized")
		if message := condition(t, name, "Ready", metav1.ConditionFalse, "Unauthorized"); !strings.Contains(message, "--channel-binding=off") {
			t.Errorf("the condition does not say what to do: %q", message)
		}
	}
	agent(t, "bound", "")
	ask(t, world.master, "bound")
	condition(t, "bound", "ChannelBound", metav1.ConditionTrue, "TLSBound")
}
