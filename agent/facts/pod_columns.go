package facts

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

const (
	podInitializing = "PodInitializing"
	completed       = "Completed"
	// nodeLost is status.reason of a pod whose node is unreachable.
	nodeLost = "NodeLost"
)

// podColumns holds the values of a pod's columns in `kubectl get pods`.
type podColumns struct {
	status        string
	ready         state.Fraction
	restarts      int32
	lastRestartAt state.Time
}

// newPodColumns returns the columns of a pod. It follows printPod of the API server
// (k8s.io/kubernetes/pkg/printers/internalversion).
func newPodColumns(in *PodInput) podColumns {
	p := podColumns{status: in.Phase.String()}
	if in.Reason != "" {
		p.status = in.Reason
	}
	if in.Scheduled.Reason == corev1.PodReasonSchedulingGated {
		p.status = corev1.PodReasonSchedulingGated
	}
	kinds := make(map[string]state.ContainerKind, len(in.Containers))
	inits := 0
	for i := range in.Containers {
		c := &in.Containers[i]
		kinds[c.Name] = c.Kind
		switch c.Kind {
		case state.Main:
			p.ready.Total++
		case state.Sidecar:
			p.ready.Total++
			inits++
		case state.Init:
			inits++
		}
	}
	sidecars, initializing := p.addInitContainers(in.InitStatuses, kinds, inits)
	if !initializing || in.Initialized.Status == state.True {
		p.restarts, p.lastRestartAt = sidecars.restarts, sidecars.lastRestartAt
		p.addMainContainers(in)
	}
	switch {
	case in.Terminating && in.Reason == nodeLost:
		p.status = "Unknown"
	case in.Terminating && !in.Phase.Finished():
		p.status = "Terminating"
	}
	p.status = truncateText(p.status)
	return p
}

// addRestarts adds the restarts of one container.
func (p *podColumns) addRestarts(s *ContainerStatus) {
	p.restarts += s.Restarts
	if s.Last != nil {
		p.lastRestartAt = max(p.lastRestartAt, s.Last.FinishedAt)
	}
}

// addInitContainers processes the statuses of init containers up to the first one that is not done. It returns the
// restarts of sidecars, and whether there is an init container that is not done. inits is the number of init
// containers in the spec.
func (p *podColumns) addInitContainers(statuses []*ContainerStatus, kinds map[string]state.ContainerKind, inits int) (sidecars podColumns, initializing bool) {
	for i, s := range statuses {
		p.addRestarts(s)
		sidecar := kinds[s.Name] == state.Sidecar
		if sidecar {
			sidecars.addRestarts(s)
		}
		switch {
		case s.State == state.Terminated && s.ExitCode == 0:
			continue
		case sidecar && s.Started:
			if s.Ready {
				p.ready.Of++
			}
			continue
		case s.State == state.Terminated:
			p.status = "Init:" + exitReason(s)
		case s.State == state.Waiting && s.Reason != "" && s.Reason != podInitializing:
			p.status = "Init:" + s.Reason
		default:
			p.status = fmt.Sprintf("Init:%d/%d", i, inits)
		}
		return sidecars, true
	}
	return sidecars, false
}

// addMainContainers processes the statuses of main containers in reverse order.
func (p *podColumns) addMainContainers(in *PodInput) {
	running, failed := false, ""
	for i := len(in.Statuses) - 1; i >= 0; i-- {
		s := in.Statuses[i]
		p.addRestarts(s)
		switch {
		case s.State == state.Waiting && s.Reason != "":
			p.status = s.Reason
		case s.State == state.Terminated:
			p.status = exitReason(s)
			if s.ExitCode != 0 {
				failed = p.status
			}
		case s.Ready && s.State == state.Running:
			running = true
			p.ready.Of++
		}
	}
	if p.status != completed {
		return
	}
	switch {
	case running && in.Ready.Status == state.True:
		p.status = "Running"
	case failed != "":
		p.status = failed
	case running:
		p.status = "NotReady"
	}
}

// exitReason returns the reason of a terminated container, else its signal or exit code.
func exitReason(s *ContainerStatus) string {
	switch {
	case s.Reason != "":
		return s.Reason
	case s.Signal != 0:
		return fmt.Sprintf("Signal:%d", s.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", s.ExitCode)
}
