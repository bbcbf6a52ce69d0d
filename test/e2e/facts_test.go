package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
)

// facts has the facts that Rollcall reports about the cluster, as comparable lines.
type facts struct {
	// requested by node: cpu and memory requests and limits, as kubectl describes them.
	requested map[string]string
	// pods by namespace/name: their phase.
	pods map[string]string
	// containers by namespace/pod/name: their state.
	containers map[string]string
	// targets by namespace/service/port name/protocol: addresses with their conditions.
	targets map[string][]string
}

// difference returns an error with the first lines in which two sets of facts differ.
func (f facts) difference(o facts) error {
	var found []string
	found = appendDifferences(found, "requested of node", f.requested, o.requested)
	found = appendDifferences(found, "phase of pod", f.pods, o.pods)
	found = appendDifferences(found, "state of container", f.containers, o.containers)
	found = appendDifferences(found, "targets of", joined(f.targets), joined(o.targets))
	if len(found) == 0 {
		return nil
	}
	return fmt.Errorf("%d differences:%s", len(found), lines(found[:min(len(found), 12)]))
}

func appendDifferences(found []string, what string, got, want map[string]string) []string {
	keys := slices.Sorted(maps.Keys(want))
	for k := range got {
		if _, ok := want[k]; !ok {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		if got[k] != want[k] {
			found = append(found, fmt.Sprintf("%s %s: Rollcall says %q, the cluster %q", what, k, got[k], want[k]))
		}
	}
	return found
}

func joined(lists map[string][]string) map[string]string {
	texts := map[string]string{}
	for k, list := range lists {
		slices.Sort(list)
		texts[k] = strings.Join(slices.Compact(list), " ")
	}
	return texts
}

// amounts formats quantities in base units, so that 1 and 1000m are equal.
func amounts(cpuRequests, cpuLimits, memoryRequests, memoryLimits int64) string {
	return fmt.Sprintf("cpu %dm of %dm, memory %d of %d", cpuRequests, cpuLimits, memoryRequests, memoryLimits)
}

func reportedFacts(d document) facts {
	f := facts{map[string]string{}, map[string]string{}, map[string]string{}, map[string][]string{}}
	for _, n := range d.Nodes {
		f.requested[n.Name] = amounts(n.Requested.CPUMillis, n.NodeLoad.Limits.CPUMillis, n.Requested.MemoryBytes, n.NodeLoad.Limits.MemoryBytes)
	}
	for _, p := range d.Pods {
		f.pods[p.Namespace+"/"+p.Name] = p.Phase.String()
	}
	for _, c := range d.Containers {
		f.containers[c.Namespace+"/"+c.Pod+"/"+c.Name] = c.State.String()
	}
	for _, p := range d.Ports {
		if p.Service == "" || p.ServicePort == nil {
			continue
		}
		key := fmt.Sprintf("%s/%s/%s/%s", p.Namespace, p.Service, p.ServicePort.Name, p.Protocol)
		f.targets[key] = append(f.targets[key], "")
		for _, target := range p.Targets {
			for _, address := range target.Addresses {
				f.targets[key] = append(f.targets[key], endpoint(address, target.ContainerPort, target.Ready, target.Serving, target.Terminating))
			}
		}
	}
	return f
}

func endpoint(address string, port uint16, ready, serving, terminating bool) string {
	return fmt.Sprintf("%s:%d(%v,%v,%v)", address, port, ready, serving, terminating)
}

// clusterFacts computes the same from what kubectl says.
func clusterFacts(ctx context.Context) (facts, error) {
	f := facts{map[string]string{}, map[string]string{}, map[string]string{}, map[string][]string{}}
	if err := f.describeNodes(); err != nil {
		return f, err
	}
	if err := f.readPods(); err != nil {
		return f, err
	}
	return f, f.readServices()
}

var (
	nodeName  = regexp.MustCompile(`(?m)^Name:\s+(\S+)$`)
	allocated = regexp.MustCompile(`(?m)^\s+(cpu|memory)\s+(\S+) \(\d+%\)\s+(\S+) \(\d+%\)$`)
)

// describeNodes parses "Allocated resources" in the output of kubectl describe node.
func (f facts) describeNodes() error {
	out, err := world.large.Kubectl("describe", "nodes")
	if err != nil {
		return err
	}
	for _, text := range strings.Split("\n"+out, "\nName:")[1:] {
		name := nodeName.FindStringSubmatch("Name:" + text)
		_, table, found := strings.Cut(text, "Allocated resources:")
		rows := allocated.FindAllStringSubmatch(table, -1)
		if name == nil || !found || len(rows) < 2 {
			return fmt.Errorf("kubectl describe node: cannot read %q", text)
		}
		q := map[string]int64{}
		for _, row := range rows {
			requests, limits := resource.MustParse(row[2]), resource.MustParse(row[3])
			if row[1] == "cpu" {
				q["cpu"], q["cpuLimits"] = requests.MilliValue(), limits.MilliValue()
			} else {
				q["memory"], q["memoryLimits"] = requests.Value(), limits.Value()
			}
		}
		f.requested[name[1]] = amounts(q["cpu"], q["cpuLimits"], q["memory"], q["memoryLimits"])
	}
	return nil
}

func kubectlList[T any](args ...string) ([]T, error) {
	out, err := world.large.Kubectl(append(append([]string{"get"}, args...), "-A", "-o", "json")...)
	if err != nil {
		return nil, err
	}
	var list struct{ Items []T }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	return list.Items, nil
}

func (f facts) readPods() error {
	pods, err := kubectlList[corev1.Pod]("pods")
	if err != nil {
		return err
	}
	for _, p := range pods {
		f.pods[p.Namespace+"/"+p.Name] = string(p.Status.Phase)
		declare := func(name string) { f.containers[p.Namespace+"/"+p.Name+"/"+name] = "waiting" }
		for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
			declare(c.Name)
		}
		for _, c := range p.Spec.EphemeralContainers {
			declare(c.Name)
		}
		for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses) {
			said := "unknown"
			switch {
			case c.State.Running != nil:
				said = "running"
			case c.State.Waiting != nil:
				said = "waiting"
			case c.State.Terminated != nil:
				said = "terminated"
			}
			f.containers[p.Namespace+"/"+p.Name+"/"+c.Name] = said
		}
	}
	return nil
}

// readServices joins Services that take a port with their EndpointSlices.
func (f facts) readServices() error {
	services, err := kubectlList[corev1.Service]("services")
	if err != nil {
		return err
	}
	endpointSlices, err := kubectlList[discoveryv1.EndpointSlice]("endpointslices")
	if err != nil {
		return err
	}
	for _, s := range services {
		for _, p := range s.Spec.Ports {
			if p.NodePort == 0 && len(s.Spec.ExternalIPs) == 0 && len(s.Status.LoadBalancer.Ingress) == 0 || s.Spec.ClusterIP == corev1.ClusterIPNone || s.Spec.Type == corev1.ServiceTypeExternalName {
				continue
			}
			f.targets[fmt.Sprintf("%s/%s/%s/%s", s.Namespace, s.Name, p.Name, p.Protocol)] = []string{""}
		}
	}
	for _, slice := range endpointSlices {
		for _, p := range slice.Ports {
			key := fmt.Sprintf("%s/%s/%s/%s", slice.Namespace, slice.Labels[discoveryv1.LabelServiceName], *p.Name, *p.Protocol)
			if _, wanted := f.targets[key]; !wanted || p.Port == nil {
				continue
			}
			for _, e := range slice.Endpoints {
				is := func(condition *bool, unset bool) bool {
					if condition == nil {
						return unset
					}
					return *condition
				}
				ready := is(e.Conditions.Ready, true)
				for _, address := range e.Addresses {
					f.targets[key] = append(f.targets[key], endpoint(address, uint16(*p.Port), ready, is(e.Conditions.Serving, true), is(e.Conditions.Terminating, false)))
				}
			}
		}
	}
	return nil
}

// equalFacts waits until both tell the same: a cluster is never quite at rest.
func equalFacts(t *testing.T, cluster string) document {
	t.Helper()
	var d document
	kube.Eventually(t, 2*time.Minute, func() error {
		want, err := clusterFacts(t.Context())
		if err != nil {
			return err
		}
		if d, err = tryAsk(t.Context(), world.master, "/api/v1/clusters/"+cluster); err != nil {
			return err
		}
		return reportedFacts(d).difference(want)
	})
	return d
}

func TestFactsEqualTheCluster(t *testing.T) {
	t.Parallel()
	changesLarge(t)
	a, err := world.stack.StartAgent(t.Context(), world.large, "facts")
	if err != nil {
		t.Fatal(err)
	}
	register(t, a.Manifest("mode: Continuous"))
	d := equalFacts(t, "facts")
	if len(d.Nodes) < 25 || len(d.Pods) < 1000 {
		t.Errorf("compared %d nodes and %d pods, want at least 25 and 1000", len(d.Nodes), len(d.Pods))
	}
	kinds := map[state.PortKind]int{}
	for _, p := range d.Ports {
		kinds[p.Kind]++
	}
	for kind := state.NodePort; kind <= state.Kubelet; kind++ {
		if kinds[kind] == 0 {
			t.Errorf("the cluster has no port of kind %s", kind)
		}
	}
	if err := kube.Mutate(t.Context(), world.large, 200, 1); err != nil {
		t.Fatal(err)
	}
	equalFacts(t, "facts")
}
