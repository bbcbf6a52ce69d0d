package keepalive

import (
	"os"
	"testing"
)

func TestDefaultsKeepTheEnvironment(t *testing.T) {
	t.Setenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS", "")
	t.Setenv("HTTP2_PING_TIMEOUT_SECONDS", "30")
	SetDefaults()
	if idle, ping := os.Getenv("HTTP2_READ_IDLE_TIMEOUT_SECONDS"), os.Getenv("HTTP2_PING_TIMEOUT_SECONDS"); idle != "5" || ping != "30" {
		t.Errorf("idle %s s, ping %s s; want 5 and 30", idle, ping)
	}
}
