package view

import "rollcall.dev/rollcall/api/state"

// The rows as their tags in package state have them; a test compares each field.

// node is a state.NodeView.
func (t *text) node(n *state.Node, load *state.NodeLoad, used *state.Used) {
	object := t.open()
	t.string("name", n.Name)
	t.string("ready", n.Ready.String())
	t.bool("schedulable", n.Schedulable)
	t.conditions(n.Conditions)
	t.strings("roles", n.Roles)
	t.addresses(n.Addresses)
	t.given("zone", n.Zone)
	t.given("region", n.Region)
	t.given("instanceType", n.InstanceType)
	t.taints(n.Taints)
	t.given("kubeletVersion", n.KubeletVersion)
	t.given("kubeProxyVersion", n.KubeProxyVersion)
	t.given("kernelVersion", n.KernelVersion)
	t.given("osImage", n.OSImage)
	t.given("architecture", n.Architecture)
	t.given("containerRuntime", n.ContainerRuntime)
	t.given("systemUUID", n.SystemUUID)
	t.given("providerID", n.ProviderID)
	t.given("podCIDR", n.PodCIDR)
	t.time("createdAt", n.CreatedAt)
	t.resources("capacity", &n.Capacity)
	t.resources("allocatable", &n.Allocatable)
	t.time("notReadySince", n.NotReadySince)
	t.time("flappingSince", n.FlappingSince)
	t.given("mute", n.Mute)
	if load != nil {
		t.resources("requested", &load.Requested)
		t.resources("limits", &load.Limits)
		t.int("pods", load.Pods)
	}
	t.used(used)
	t.end(object, "{}")
}

func (t *text) conditions(all []state.NodeCondition) {
	objects(t, "conditions", all, func(c *state.NodeCondition) {
		t.string("type", c.Type)
		t.string("status", c.Status.String())
		t.given("reason", c.Reason)
		t.given("message", c.Message)
		t.time("since", c.Since)
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
	t.uid(p.UID)
	t.given("node", p.Node)
	t.string("status", p.Status)
	t.string("ready", p.Ready.String())
	t.int("restarts", int64(p.Restarts))
	t.time("lastRestartAt", p.LastRestartAt)
	t.string("phase", p.Phase.String())
	t.given("reason", p.Reason)
	t.given("message", p.Message)
	t.strings("podIPs", p.PodIPs)
	t.given("hostIP", p.HostIP)
	t.flag("hostNetwork", p.HostNetwork)
	t.given("qosClass", p.QOSClass.String())
	t.given("restartPolicy", p.RestartPolicy.String())
	t.given("priorityClass", p.PriorityClass)
	t.flag("terminating", p.Terminating)
	t.time("createdAt", p.CreatedAt)
	t.time("startedAt", p.StartedAt)
	t.time("finishedAt", p.FinishedAt)
	t.time("deletionAt", p.DeletionAt)
	t.owner("owner", p.Owner)
	if p.Controller != (state.Owner{}) {
		t.owner("controller", p.Controller)
	}
	t.resources("requested", &p.Requested)
	t.resources("limits", &p.Limits)
	t.volumes(p.Storage)
	t.time("unschedulableSince", p.UnschedulableSince)
	t.time("notReadySince", p.NotReadySince)
	t.given("mute", p.Mute)
	t.end(object, "{}")
}

func (t *text) owner(name string, o state.Owner) {
	t.field(name)
	object := t.open()
	t.string("kind", o.Kind)
	t.string("name", o.Name)
	t.end(object, "{}")
}

func (t *text) uid(u state.UID) {
	if !u.IsZero() {
		t.string("uid", u.String())
	}
}

func (t *text) volumes(all []state.Volume) {
	objects(t, "storage", all, func(v *state.Volume) {
		t.given("name", v.Name)
		t.string("claim", v.Claim)
		if v.CapacityBytes != 0 {
			t.int("capacityBytes", v.CapacityBytes)
		}
		t.given("mountPath", v.MountPath)
		t.flag("ephemeral", v.Ephemeral)
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
	t.time("notReadySince", c.NotReadySince)
	t.time("crashLoopSince", c.CrashLoopSince)
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
