package client

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/client"
)

// TestUnreadableRegistryIsNotAMissingClusterForTheClient checks the error of the Go client and the texts of the plugin.
func TestUnreadableRegistryIsNotAMissingClusterForTheClient(t *testing.T) {
	m := newShop(t, nil)
	cause := errors.New("the ClusterAgents have not been read yet")
	m.sessions.Change(func() { m.sessions.RegistryCause = cause })
	_, err := m.Pods(t.Context(), "none", client.ListOptions{})
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable || p.Reason != "RegistryUnavailable" || p.RetryAfter != 2*time.Second || !strings.Contains(p.Detail, cause.Error()) {
		t.Errorf("got %v, want 503 RegistryUnavailable with the cause", err)
	}
	for _, args := range []string{"status", "status none", "pods none", "pods none -w"} {
		r := m.kubectl(t, strings.Fields(args)...)
		if r.code != 1 || r.out != "" || !strings.HasPrefix(r.errOut, "Error from server (RegistryUnavailable): ") || !strings.Contains(r.errOut, cause.Error()) || !strings.Contains(r.errOut, "retry") || strings.Contains(r.errOut, "hint") {
			t.Errorf("%s: got code %d, output %q, errors %q; want the error of the registry and no output", args, r.code, r.out, r.errOut)
		}
	}
}
