package oracle

import (
	"context"
	"fmt"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// maxOutputs is the number of recent outputs of kubectl top that are kept.
const maxOutputs = 60

// usageComparison compares usage with recent outputs of kubectl top: Rollcall
// reads the metrics API every 15 s, and metrics-server takes samples at other times.
type usageComparison struct{ outputs []map[string]string }

// compare returns the differences from the most similar output.
func (u *usageComparison) compare(ctx context.Context) ([]string, error) {
	top, err := kubectlTop()
	if err != nil {
		return nil, err
	}
	u.outputs = append(u.outputs, top)
	u.outputs = u.outputs[max(0, len(u.outputs)-maxOutputs):]
	d, err := getDocument(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range d.Sections {
		if s.Name == state.SectionUsage.String() && s.Error.Reason != "" {
			return nil, fmt.Errorf("usage was last read at %s: %s: %s", s.ObservedAt, s.Error.Reason, s.Error.Message)
		}
	}
	got := map[string]string{}
	for _, n := range d.Nodes {
		if n.Used != nil {
			got["node "+n.Name] = usageText(n.Used.CPUMillis, n.Used.MemoryBytes)
		}
	}
	for _, c := range d.Containers {
		if c.Used != nil {
			got["container "+c.Namespace+"/"+c.Pod+"/"+c.Name] = usageText(c.Used.CPUMillis, c.Used.MemoryBytes)
		}
	}
	var fewest []string
	for i, top := range u.outputs {
		differences := differencesOf("usage of", "kubectl top", got, top)
		if i == 0 || len(differences) < len(fewest) {
			fewest = differences
		}
	}
	if len(fewest) == 0 && len(got) < 50 {
		return nil, fmt.Errorf("got usage of %d nodes and containers, want at least 50", len(got))
	}
	return fewest, nil
}

// usageText formats usage as kubectl top does, with memory in whole MiB.
func usageText(cpuMillis, memoryBytes int64) string {
	return fmt.Sprintf("%dm %dMi", cpuMillis, memoryBytes>>20)
}

// kubectlTop returns the output of `kubectl top nodes` and `kubectl top pods`, by object.
func kubectlTop() (map[string]string, error) {
	top := map[string]string{}
	nodes, err := env.cluster.Kubectl("top", "nodes", "--no-headers")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(nodes) {
		// NAME CPU(cores) CPU(%) MEMORY(bytes) MEMORY(%)
		f := strings.Fields(line)
		if len(f) != 5 {
			return nil, fmt.Errorf("kubectl top nodes: cannot parse %q", line)
		}
		if f[1] != "<unknown>" {
			top["node "+f[0]] = f[1] + " " + f[3]
		}
	}
	containers, err := env.cluster.Kubectl("top", "pods", "-A", "--containers", "--no-headers")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(containers) {
		// NAMESPACE POD NAME CPU(cores) MEMORY(bytes)
		f := strings.Fields(line)
		if len(f) != 5 {
			return nil, fmt.Errorf("kubectl top pods: cannot parse %q", line)
		}
		top["container "+f[0]+"/"+f[1]+"/"+f[2]] = f[3] + " " + f[4]
	}
	return top, nil
}
