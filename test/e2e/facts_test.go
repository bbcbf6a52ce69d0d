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

// facts has some facts of a cluster in a form that can be compared.
type facts struct {
	// requested has CPU and memory requests and limits by node, as kubectl describe prints them.
	requested map[string]string
	// pods has the phases by namespace/name.
	pods map[string]string
	// containers has the states by namespace/pod/name.
	containers map[string]string
	// targets has the addresses and conditions by namespace/service/port name/protocol.
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

// appendDifferences appends a line for each key with different values.
func appendDifferences(found []string, what string, got, want map[string]string) []string {
	keys := slices.Sorted(maps.Keys(want))
	for k := range got {
		if _, ok := want[k]; !ok {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		if got[k] != want[k] {
			found = append(found, fmt.Sprintf("%s %s: Rollcall reports %q, the cluster %q", what, k, got[k], want[k]))
		}
	}
	return found
}

// joined returns the lists sorted, without duplicates, as texts.
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

// reportedFacts returns the facts in a document of the master.
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

// endpoint formats an address with its conditions.
func endpoint(address string, port uint16, ready, serving, terminating bool) string {
	return fmt.Sprintf("%s:%d(%v,%v,%v)", address, port, ready, serving, terminating)
}

// clusterFacts returns the facts that kubectl prints.
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

// describeNodes reads the section "Allocated resources" of kubectl describe node.
func (f facts) describeNodes() error {
	out, err := env.large.Kubectl("describe", "nodes")
	if err != nil {
		return err
	}
	for _, text := range strings.Split("\n"+out, "\nName:")[1:] {
		name := nodeName.FindStringSubmatch("Name:" + text)
		_, table, found := strings.Cut(text, "Allocated resources:")
		rows := allocated.FindAllStringSubmatch(table, -1)
		if name == nil || !found || len(rows) < 2 {
			return fmt.Errorf("kubectl describe node: cannot parse %q", text)
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

// kubectlList returns the objects of kubectl get.
func kubectlList[T any](args ...string) ([]T, error) {
	out, err := env.large.Kubectl(append(append([]string{"get"}, args...), "-A", "-o", "json")...)
	if err != nil {
		return nil, err
	}
	var list struct{ Items []T }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, err
	}
	return list.Items, nil
}

// readPods reads the phases of pods and the states of containers.
func (f facts) readPods() error {
	pods, err := kubectlList[corev1.Pod]("pods")
	if err != nil {
		return err
	}
	for _, p := range pods {
		f.pods[p.Namespace+"/"+p.Name] = string(p.Status.Phase)
		setWaiting := func(name string) { f.containers[p.Namespace+"/"+p.Name+"/"+name] = "waiting" }
		for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
			setWaiting(c.Name)
		}
		for _, c := range p.Spec.EphemeralContainers {
			setWaiting(c.Name)
		}
		for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses) {
			current := "unknown"
			switch {
			case c.State.Running != nil:
				current = "running"
			case c.State.Waiting != nil:
				current = "waiting"
			case c.State.Terminated != nil:
				current = "terminated"
			}
			f.containers[p.Namespace+"/"+p.Name+"/"+c.Name] = current
		}
	}
	return nil
}

// readServices reads the endpoints of Services that use a port of nodes or an external address.
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

// equalFacts waits until Rollcall and the cluster have equal facts, since a cluster always changes a little.
func equalFacts(t *testing.T, cluster string) document {
	t.Helper()
	var d document
	kube.Eventually(t, 2*time.Minute, func() error {
		want, err := clusterFacts(t.Context())
		if err != nil {
			return err
		}
		if d, err = tryGetCluster(t.Context(), env.master, "/api/v1/clusters/"+cluster); err != nil {
			return err
		}
		return reportedFacts(d).difference(want)
	})
	return d
}

func TestFactsEqualTheCluster(t *testing.T) {
	t.Parallel()
	lockLarge(t)
	a, err := env.stack.StartAgent(t.Context(), env.large, "facts")
	if err != nil {
		t.Fatal(err)
	}
	register(t, a.Manifest("mode: Continuous"))
	d := equalFacts(t, "facts")
	if len(d.Nodes) < 25 || len(d.Pods) < 1000 {
		t.Errorf("got %d nodes and %d pods, want at least 25 and 1000", len(d.Nodes), len(d.Pods))
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
	if err := kube.Mutate(t.Context(), env.large, 200, 1); err != nil {
		t.Fatal(err)
	}
	equalFacts(t, "facts")
}
