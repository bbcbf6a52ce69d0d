// Package keepalive has the settings of both programs by which client-go detects a broken connection.
package keepalive

import "os"

// SetDefaults makes client-go detect within 10 s, and not only after many minutes, that a
// connection to the API server no longer responds. It sets the variables of
// k8s.io/apimachinery/pkg/util/net, in seconds, unless the environment sets them.
func SetDefaults() {
	for _, name := range []string{"HTTP2_READ_IDLE_TIMEOUT_SECONDS", "HTTP2_PING_TIMEOUT_SECONDS"} {
		if os.Getenv(name) == "" {
			_ = os.Setenv(name, "5")
		}
	}
}
