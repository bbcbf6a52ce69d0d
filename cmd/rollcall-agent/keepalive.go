package main

import "os"

// setHTTP2Keepalives makes client-go detect a connection to the API server that went silent within
// 10 s instead of many minutes. It sets the variables of k8s.io/apimachinery/pkg/util/net, in
// seconds, unless the environment sets them.
func setHTTP2Keepalives() {
	for _, name := range []string{"HTTP2_READ_IDLE_TIMEOUT_SECONDS", "HTTP2_PING_TIMEOUT_SECONDS"} {
		if os.Getenv(name) == "" {
			_ = os.Setenv(name, "5")
		}
	}
}
