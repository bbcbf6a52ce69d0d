// Package charts tests the Helm charts under config/charts, and the alerts under config/prometheus.
package charts

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository is the root folder of the repository.
const repository = "../.."

func TestAlertRules(t *testing.T) {
	for _, args := range [][]string{
		{"check", "rules", filepath.Join(repository, "config/prometheus/rules.yaml")},
		{"test", "rules", filepath.Join(repository, "config/prometheus/rules_test.yaml")},
	} {
		if out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
