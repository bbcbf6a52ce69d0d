package facts

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

const (
	podInitializing = "PodInitializing"
	completed       = "Completed"
	// nodeLost is status.reason of a pod whose node cannot be reached.
	nodeLost = "NodeLost"
)

// printed is what `kubectl get pods` prints of a pod in its columns.
type printed struct {
	status        string
	ready         state.Fraction
	restarts      int32
	lastRestartAt state.Time
}

// printPod follows printPod of the API server
// (k8s.io/kubernetes/pkg/printers/internalversion), which makes these columns.
func printPod(in *PodInput) printed {
	p := printed{status: in.Phase.String()}
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
	sidecars, initializing := p.printInit(in.InitStatuses, kinds, inits)
	if !initializing || in.Initialized.Status == state.True {
		p.restarts, p.lastRestartAt = sidecars.restarts, sidecars.lastRestartAt
		p.printMain(in)
	}
	switch {
	case in.Terminating && in.Reason == nodeLost:
		p.status = "Unknown"
	case in.Terminating && !in.Phase.Finished():
		p.status = "Terminating"
	}
	p.status = text(p.status)
	return p
}

func (p *printed) addRestarts(s *ContainerStatus) {
	p.restarts += s.Restarts
	if s.Last != nil {
		p.lastRestartAt = max(p.lastRestartAt, s.Last.FinishedAt)
	}
}

// printInit goes through init containers up to the first one that is not done, and
// returns the restarts of sidecars and whether there is one that is not done.
func (p *printed) printInit(statuses []*ContainerStatus, kinds map[string]state.ContainerKind, inits int) (sidecars printed, initializing bool) {
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

// printMain goes through main containers, the last first.
func (p *printed) printMain(in *PodInput) {
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

// exitReason returns how a terminated container ended, in a word.
func exitReason(s *ContainerStatus) string {
	switch {
	case s.Reason != "":
		return s.Reason
	case s.Signal != 0:
		return fmt.Sprintf("Signal:%d", s.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", s.ExitCode)
}
