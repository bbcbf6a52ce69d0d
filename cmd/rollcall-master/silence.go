package main

import "os"

// noticeSilence has a connection to the API server that went silent found out within
// 10 s, and not when TCP gives up after many minutes. These are client-go's own
// settings (k8s.io/apimachinery/pkg/util/net), in seconds; what the environment says
// stays.
func noticeSilence() {
	for _, name := range []string{"HTTP2_READ_IDLE_TIMEOUT_SECONDS", "HTTP2_PING_TIMEOUT_SECONDS"} {
		if os.Getenv(name) == "" {
			_ = os.Setenv(name, "5")
		}
	}
}
