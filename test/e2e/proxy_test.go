package e2e

import (
	"context"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/test/fault"
)

// startRelay runs a relay until the test ends.
func startRelay(t *testing.T, config fault.Config) *fault.Relay {
	t.Helper()
	relay, err := fault.New(config)
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
	return relay
}

// TestTLSTerminatingProxyIsReportedInTheCondition places a proxy before the agent whose certificate
// the master accepts. The agent reports only if it is started with --channel-binding=off.
func TestTLSTerminatingProxyIsReportedInTheCondition(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"behind-a-proxy": nil, "unbound-behind-a-proxy": {"--channel-binding=off"}} {
		a, err := env.stack.StartAgent(t.Context(), env.member, name, flags...)
		if err != nil {
			t.Fatal(err)
		}
		relay := startRelay(t, fault.Config{Agent: a.Endpoint, TLS: true})
		behind := *a
		behind.Endpoint, behind.Pin = relay.Endpoint(), relay.Pin()
		register(t, behind.Manifest(""))
		if flags != nil {
			getCluster(t, env.master, name)
			waitCondition(t, name, "ChannelBound", metav1.ConditionFalse, "BindingOff")
			continue
		}
		waitProblem(t, env.master, "/api/v1/clusters/"+name, http.StatusServiceUnavailable, "Unauthorized")
		if message := waitCondition(t, name, "Ready", metav1.ConditionFalse, "Unauthorized"); !strings.Contains(message, "--channel-binding=off") {
			t.Errorf("got condition message %q, want the flag in it", message)
		}
	}
	startAgent(t, "bound", "")
	getCluster(t, env.master, "bound")
	waitCondition(t, "bound", "ChannelBound", metav1.ConditionTrue, "TLSBound")
}
