package view

import "rollcall.dev/rollcall/api/state"

// The rows are written as the struct tags in package state declare them; a test compares each field.

// node writes a state.NodeView.
func (w *jsonWriter) node(n *state.Node, load *state.NodeLoad, used *state.Used) {
	object := w.begin()
	w.string("name", n.Name)
	w.string("ready", n.Ready.String())
	w.bool("schedulable", n.Schedulable)
	w.conditions(n.Conditions)
	w.strings("roles", n.Roles)
	w.addresses(n.Addresses)
	w.optString("zone", n.Zone)
	w.optString("region", n.Region)
	w.optString("instanceType", n.InstanceType)
	w.taints(n.Taints)
	w.optString("kubeletVersion", n.KubeletVersion)
	w.optString("kubeProxyVersion", n.KubeProxyVersion)
	w.optString("kernelVersion", n.KernelVersion)
	w.optString("osImage", n.OSImage)
	w.optString("architecture", n.Architecture)
	w.optString("containerRuntime", n.ContainerRuntime)
	w.optString("systemUUID", n.SystemUUID)
	w.optString("providerID", n.ProviderID)
	w.optString("podCIDR", n.PodCIDR)
	w.time("createdAt", n.CreatedAt)
	w.resources("capacity", &n.Capacity)
	w.resources("allocatable", &n.Allocatable)
	w.time("notReadySince", n.NotReadySince)
	w.time("flappingSince", n.FlappingSince)
	w.optString("mute", n.Mute)
	if load != nil {
		w.resources("requested", &load.Requested)
		w.resources("limits", &load.Limits)
		w.int("pods", load.Pods)
	}
	w.used(used)
	w.close(object, "{}")
}

func (w *jsonWriter) conditions(all []state.NodeCondition) {
	objectList(w, "conditions", all, func(c *state.NodeCondition) {
		w.string("type", c.Type)
		w.string("status", c.Status.String())
		w.optString("reason", c.Reason)
		w.optString("message", c.Message)
		w.time("since", c.Since)
	})
}

func (w *jsonWriter) addresses(all []state.NodeAddress) {
	objectList(w, "addresses", all, func(a *state.NodeAddress) {
		w.string("type", a.Type)
		w.string("address", a.Address)
	})
}

func (w *jsonWriter) taints(all []state.Taint) {
	objectList(w, "taints", all, func(one *state.Taint) {
		w.string("key", one.Key)
		w.optString("value", one.Value)
		w.string("effect", one.Effect)
	})
}

// used writes the field used, and omits it if the usage is unknown.
func (w *jsonWriter) used(u *state.Used) {
	if u == nil {
		return
	}
	w.field("used")
	object := w.begin()
	w.int("cpuMillis", u.CPUMillis)
	w.int("memoryBytes", u.MemoryBytes)
	w.time("sampledAt", u.SampledAt)
	w.close(object, "{}")
}

// pod writes a state.PodView.
func (w *jsonWriter) pod(p *state.Pod) {
	object := w.begin()
	w.string("namespace", p.Namespace)
	w.string("name", p.Name)
	w.uid(p.UID)
	w.optString("node", p.Node)
	w.string("status", p.Status)
	w.string("ready", p.Ready.String())
	w.int("restarts", int64(p.Restarts))
	w.time("lastRestartAt", p.LastRestartAt)
	w.string("phase", p.Phase.String())
	w.optString("reason", p.Reason)
	w.optString("message", p.Message)
	w.strings("podIPs", p.PodIPs)
	w.optString("hostIP", p.HostIP)
	w.optBool("hostNetwork", p.HostNetwork)
	w.optString("qosClass", p.QOSClass.String())
	w.optString("restartPolicy", p.RestartPolicy.String())
	w.optString("priorityClass", p.PriorityClass)
	w.optBool("terminating", p.Terminating)
	w.time("createdAt", p.CreatedAt)
	w.time("startedAt", p.StartedAt)
	w.time("finishedAt", p.FinishedAt)
	w.time("deletionAt", p.DeletionAt)
	w.owner("owner", p.Owner)
	if p.Controller != (state.Owner{}) {
		w.owner("controller", p.Controller)
	}
	w.resources("requested", &p.Requested)
	w.resources("limits", &p.Limits)
	w.volumes(p.Storage)
	w.time("unschedulableSince", p.UnschedulableSince)
	w.time("notReadySince", p.NotReadySince)
	w.optString("mute", p.Mute)
	w.close(object, "{}")
}

func (w *jsonWriter) owner(name string, o state.Owner) {
	w.field(name)
	object := w.begin()
	w.string("kind", o.Kind)
	w.string("name", o.Name)
	w.close(object, "{}")
}

func (w *jsonWriter) uid(u state.UID) {
	if !u.IsZero() {
		w.string("uid", u.String())
	}
}

func (w *jsonWriter) volumes(all []state.Volume) {
	objectList(w, "storage", all, func(v *state.Volume) {
		w.optString("name", v.Name)
		w.string("claim", v.Claim)
		if v.CapacityBytes != 0 {
			w.int("capacityBytes", v.CapacityBytes)
		}
		w.optString("mountPath", v.MountPath)
		w.optBool("ephemeral", v.Ephemeral)
	})
}

// container writes a state.ContainerView.
func (w *jsonWriter) container(c *state.Container, used *state.Used) {
	object := w.begin()
	w.string("namespace", c.Namespace)
	w.string("pod", c.Pod)
	w.string("name", c.Name)
	w.optString("node", c.Node)
	w.string("image", c.Image)
	w.optString("imageID", c.ImageID)
	w.string("kind", c.Kind.String())
	w.string("state", c.State.String())
	w.bool("ready", c.Ready)
	w.int("restarts", int64(c.Restarts))
	w.optString("reason", c.Reason)
	w.optString("message", c.Message)
	w.time("startedAt", c.StartedAt)
	w.time("finishedAt", c.FinishedAt)
	w.time("notReadySince", c.NotReadySince)
	w.time("crashLoopSince", c.CrashLoopSince)
	if last := c.Last; last != nil {
		w.field("last")
		object := w.begin()
		w.optString("reason", last.Reason)
		w.int("exitCode", int64(last.ExitCode))
		w.time("finishedAt", last.FinishedAt)
		w.close(object, "{}")
	}
	w.resources("requests", &c.Requests)
	w.resources("limits", &c.Limits)
	if c.State == state.Terminated {
		w.int("exitCode", int64(c.ExitCode))
	}
	w.used(used)
	w.close(object, "{}")
}
