package view

import "rollcall.dev/rollcall/api/state"

// The rows as their tags in package state have them; a test compares each field.

// node is a state.NodeView.
func (t *text) node(n *state.Node, load *state.NodeLoad, used *state.Used) {
	object := t.open()
	t.string("name", n.Name)
	t.string("ready", n.Ready.String())
	t.bool("schedulable", n.Schedulable)
	t.nodeProblems(n.Problems)
	t.strings("roles", n.Roles)
	t.addresses(n.Addresses)
	t.given("zone", n.Zone)
	t.given("region", n.Region)
	t.given("instanceType", n.InstanceType)
	t.taints(n.Taints)
	t.given("kubeletVersion", n.KubeletVersion)
	t.given("kernelVersion", n.KernelVersion)
	t.given("osImage", n.OSImage)
	t.given("architecture", n.Architecture)
	t.given("containerRuntime", n.ContainerRuntime)
	t.time("createdAt", n.CreatedAt)
	t.resources("capacity", &n.Capacity)
	t.resources("allocatable", &n.Allocatable)
	if load != nil {
		t.resources("requested", &load.Requested)
		t.resources("limits", &load.Limits)
		t.int("pods", load.Pods)
	}
	t.used(used)
	t.end(object, "{}")
}

func (t *text) nodeProblems(all []state.NodeProblem) {
	objects(t, "problems", all, func(p *state.NodeProblem) {
		t.string("type", p.Type)
		t.string("status", p.Status.String())
		t.given("reason", p.Reason)
		t.given("message", p.Message)
		t.time("since", p.Since)
	})
}

func (t *text) addresses(all []state.NodeAddress) {
	objects(t, "addresses", all, func(a *state.NodeAddress) {
		t.string("type", a.Type)
		t.string("address", a.Address)
	})
}

func (t *text) taints(all []state.Taint) {
	objects(t, "taints", all, func(one *state.Taint) {
		t.string("key", one.Key)
		t.given("value", one.Value)
		t.string("effect", one.Effect)
	})
}

// used is left out where it is not known.
func (t *text) used(u *state.Used) {
	if u == nil {
		return
	}
	t.field("used")
	object := t.open()
	t.int("cpuMillis", u.CPUMillis)
	t.int("memoryBytes", u.MemoryBytes)
	t.time("sampledAt", u.SampledAt)
	t.end(object, "{}")
}

// pod is a state.PodView.
func (t *text) pod(p *state.Pod) {
	object := t.open()
	t.string("namespace", p.Namespace)
	t.string("name", p.Name)
	t.given("node", p.Node)
	t.string("phase", p.Phase.String())
	t.given("reason", p.Reason)
	t.given("message", p.Message)
	t.strings("podIPs", p.PodIPs)
	t.flag("hostNetwork", p.HostNetwork)
	t.given("qosClass", p.QOSClass.String())
	t.flag("terminating", p.Terminating)
	t.time("createdAt", p.CreatedAt)
	t.field("owner")
	owner := t.open()
	t.string("kind", p.Owner.Kind)
	t.string("name", p.Owner.Name)
	t.end(owner, "{}")
	t.resources("requested", &p.Requested)
	t.resources("limits", &p.Limits)
	t.volumes(p.Storage)
	t.time("unschedulableSince", p.UnschedulableSince)
	t.end(object, "{}")
}

func (t *text) volumes(all []state.Volume) {
	objects(t, "storage", all, func(v *state.Volume) {
		t.string("claim", v.Claim)
		if v.CapacityBytes != 0 {
			t.int("capacityBytes", v.CapacityBytes)
		}
		t.given("mountPath", v.MountPath)
	})
}

// container is a state.ContainerView.
func (t *text) container(c *state.Container, used *state.Used) {
	object := t.open()
	t.string("namespace", c.Namespace)
	t.string("pod", c.Pod)
	t.string("name", c.Name)
	t.given("node", c.Node)
	t.string("image", c.Image)
	t.given("imageID", c.ImageID)
	t.string("kind", c.Kind.String())
	t.string("state", c.State.String())
	t.bool("ready", c.Ready)
	t.int("restarts", int64(c.Restarts))
	t.given("reason", c.Reason)
	t.given("message", c.Message)
	t.time("startedAt", c.StartedAt)
	t.time("finishedAt", c.FinishedAt)
	t.time("waitingSince", c.WaitingSince)
	if last := c.Last; last != nil {
		t.field("last")
		object := t.open()
		t.given("reason", last.Reason)
		t.int("exitCode", int64(last.ExitCode))
		t.time("finishedAt", last.FinishedAt)
		t.end(object, "{}")
	}
	t.resources("requests", &c.Requests)
	t.resources("limits", &c.Limits)
	if c.State == state.Terminated {
		t.int("exitCode", int64(c.ExitCode))
	}
	t.used(used)
	t.end(object, "{}")
}
