package realnode

import "testing"

func TestMetricsServerReadsTheKubelet(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	if err := node.Cluster.WaitForMetrics(t.Context(), 1); err != nil {
		t.Error(err)
	}
}
