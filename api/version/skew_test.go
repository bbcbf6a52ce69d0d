package version

import (
	"strings"
	"testing"
)

func TestDescribeSkew(t *testing.T) {
	for _, tc := range []struct{ master, agent, want string }{
		{"v0.4.0", "v0.4.9", ""},
		{"v0.4.0", "v0.2.0", ""},
		{"v0.4.0-3-g0123abc", "v0.4.0", ""},
		{"v0.4.0", "v0.1.9", "upgrade the agent"},
		{"v1.0.0", "v0.9.0", "upgrade the agent"},
		{"v0.4.0", "v0.5.0", "upgrade the master"},
		{"v0.9.0", "v1.0.0", "upgrade the master"},
		{"unknown", "v9.0.0", ""},
		{"v0.4.0", "(devel)", ""},
		{"v0.4.0", "", ""},
		{"v0.4.0", "vx.y.z", ""},
		{"v0.4.0", "v-1.2.3", ""},
	} {
		got := DescribeSkew(tc.master, tc.agent)
		if got != "" != (tc.want != "") || !strings.Contains(got, tc.want) {
			t.Errorf("master %s, agent %s: got %q, want %q", tc.master, tc.agent, got, tc.want)
		}
	}
}
