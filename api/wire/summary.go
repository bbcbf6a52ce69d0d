package wire

import (
	"fmt"
	"math"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

func (m *Summary) toAgentPB() (*wirepb.AgentMessage, error) {
	s := m.Summary
	pb := &wirepb.Summary{
		Nodes: &wirepb.NodeCounts{Total: uint64(s.Nodes.Total), Ready: uint64(s.Nodes.Ready), Schedulable: uint64(s.Nodes.Schedulable)},
		Pods: &wirepb.PodCounts{
			Total: uint64(s.Pods.Total), Pending: uint64(s.Pods.Pending), Running: uint64(s.Pods.Running), Succeeded: uint64(s.Pods.Succeeded),
			Failed: uint64(s.Pods.Failed), Unknown: uint64(s.Pods.Unknown), Terminating: uint64(s.Pods.Terminating),
		},
		Containers: &wirepb.ContainerCounts{
			Total: uint64(s.Containers.Total), Running: uint64(s.Containers.Running), Waiting: uint64(s.Containers.Waiting),
			Terminated: uint64(s.Containers.Terminated), Unknown: uint64(s.Containers.Unknown), Restarts: uint64(s.Containers.Restarts),
			Desired: uint64(s.Containers.Desired), Ready: uint64(s.Containers.Ready),
		},
		PortsTaken: uint64(s.Ports.Taken), PortConflicts: uint64(s.Ports.Conflicts),
		Healthy: s.Healthy, ProblemCount: uint64(s.ProblemCount), Ages: agesToPB(m.Ages), SameProblems: m.SameProblems, SameResources: m.SameResources,
		ProblemCounts: problemCountsToPB(s.ProblemCounts), More: problemCountsToPB(s.More), Muted: uint64(s.Muted),
	}
	if !m.SameResources {
		pb.Identity = identityToPB(m.Identity)
		pb.Capacity, pb.Allocatable, pb.Requested, pb.Limits = summedToPB(s.Capacity), summedToPB(s.Allocatable), summedToPB(s.Requested), summedToPB(s.Limits)
		pb.LargestFreeCpuMillis, pb.LargestFreeMemoryBytes = s.Fragmentation.CPUMillis, s.Fragmentation.MemoryBytes
	}
	if s.Used != nil {
		pb.Used = &wirepb.UsedSum{CpuMillis: s.Used.CPUMillis, MemoryBytes: s.Used.MemoryBytes, SampledAt: int64(s.Used.SampledAt), Nodes: uint64(s.Used.Nodes)}
	}
	if m.SameProblems {
		s.Problems = nil
	}
	for _, p := range s.Problems {
		pb.Problems = append(pb.Problems, problemToPB(&p))
	}
	for section, err := range m.Errors {
		if err != (state.SectionError{}) {
			pb.Errors = append(pb.Errors, statusPB(&Status{Section: state.SectionName(section), Age: m.Ages[section], Error: err}))
		}
	}
	return &wirepb.AgentMessage{Message: &wirepb.AgentMessage_Summary{Summary: pb}}, nil
}

func summaryFromPB(pb *wirepb.Summary) (*Summary, error) {
	if len(pb.Problems) > state.MaxProblems {
		return nil, fmt.Errorf("decode Summary: it has %d problems, the limit is %d", len(pb.Problems), state.MaxProblems)
	}
	m := &Summary{Identity: identityFromPB(pb.Identity), Ages: agesFromPB(pb.Ages), SameProblems: pb.SameProblems, SameResources: pb.SameResources, Summary: state.Summary{
		Nodes: state.NodeCounts{Total: countFromPB(pb.Nodes.GetTotal()), Ready: countFromPB(pb.Nodes.GetReady()), Schedulable: countFromPB(pb.Nodes.GetSchedulable())},
		Pods: state.PodCounts{
			Total: countFromPB(pb.Pods.GetTotal()), Pending: countFromPB(pb.Pods.GetPending()), Running: countFromPB(pb.Pods.GetRunning()), Succeeded: countFromPB(pb.Pods.GetSucceeded()),
			Failed: countFromPB(pb.Pods.GetFailed()), Unknown: countFromPB(pb.Pods.GetUnknown()), Terminating: countFromPB(pb.Pods.GetTerminating()),
		},
		Containers: state.ContainerCounts{
			Total: countFromPB(pb.Containers.GetTotal()), Running: countFromPB(pb.Containers.GetRunning()), Waiting: countFromPB(pb.Containers.GetWaiting()),
			Terminated: countFromPB(pb.Containers.GetTerminated()), Unknown: countFromPB(pb.Containers.GetUnknown()), Restarts: countFromPB(pb.Containers.GetRestarts()),
			Desired: countFromPB(pb.Containers.GetDesired()), Ready: countFromPB(pb.Containers.GetReady()),
		},
		Capacity: summedFromPB(pb.Capacity), Allocatable: summedFromPB(pb.Allocatable), Requested: summedFromPB(pb.Requested), Limits: summedFromPB(pb.Limits),
		Fragmentation: state.FreeResources{CPUMillis: pb.LargestFreeCpuMillis, MemoryBytes: pb.LargestFreeMemoryBytes},
		Ports:         state.PortCounts{Taken: countFromPB(pb.PortsTaken), Conflicts: countFromPB(pb.PortConflicts)},
		Healthy:       pb.Healthy, Problems: make([]state.Problem, 0, len(pb.Problems)), ProblemCount: countFromPB(pb.ProblemCount),
		ProblemCounts: problemCountsFromPB(pb.ProblemCounts), More: problemCountsFromPB(pb.More), Muted: countFromPB(pb.Muted),
	}}
	if u := pb.Used; u != nil {
		m.Summary.Used = &state.UsedSum{CPUMillis: u.CpuMillis, MemoryBytes: u.MemoryBytes, SampledAt: state.Time(u.SampledAt), Nodes: countFromPB(u.Nodes)}
	}
	for _, p := range pb.Problems {
		m.Summary.Problems = append(m.Summary.Problems, problemFromPB(p))
	}
	for _, e := range pb.Errors {
		status, err := statusFromPB(e)
		if err != nil {
			return nil, fmt.Errorf("decode Summary: %w", err)
		}
		m.Errors[status.Section] = status.Error
	}
	return m, nil
}

// countFromPB returns a count as an int, limited to MaxInt32, so that a hostile agent's count
// cannot turn negative and sums of counts cannot overflow.
func countFromPB(n uint64) int { return int(min(n, math.MaxInt32)) }

func problemToPB(p *state.Problem) *wirepb.Problem {
	return &wirepb.Problem{
		Severity: wirepb.Severity(p.Severity), Kind: p.Kind, What: state.TruncateText(p.What, maxText), Where: state.TruncateText(p.Where, maxText), OwnerKind: p.Owner.Kind, OwnerName: p.Owner.Name,
		Since: int64(p.Since), Message: state.TruncateText(p.Message, maxText), Count: uint64(p.Count), Others: p.Others, Muted: state.TruncateText(p.Muted, maxText),
	}
}

func problemFromPB(pb *wirepb.Problem) state.Problem {
	p := state.Problem{
		Kind: state.TruncateText(pb.Kind, maxText), What: state.TruncateText(pb.What, maxText), Where: state.TruncateText(pb.Where, maxText), Owner: state.Owner{Kind: state.TruncateText(pb.OwnerKind, maxText), Name: state.TruncateText(pb.OwnerName, maxText)},
		Since: state.Time(pb.Since), Message: state.TruncateText(pb.Message, maxText), Count: countFromPB(pb.Count), Muted: state.TruncateText(pb.Muted, maxText),
	}
	if s := state.Severity(pb.Severity); pb.Severity >= 0 && pb.Severity <= wirepb.Severity_SEVERITY_INFO {
		p.Severity = s
	}
	for _, other := range pb.Others[:min(len(pb.Others), state.MaxOthers)] {
		p.Others = append(p.Others, state.TruncateText(other, maxText))
	}
	return p
}

func problemCountsToPB(c state.ProblemCounts) *wirepb.ProblemCounts {
	if c == (state.ProblemCounts{}) {
		return nil
	}
	return &wirepb.ProblemCounts{Critical: uint64(c.Critical), Warning: uint64(c.Warning), Info: uint64(c.Info)}
}

func problemCountsFromPB(pb *wirepb.ProblemCounts) state.ProblemCounts {
	return state.ProblemCounts{Critical: countFromPB(pb.GetCritical()), Warning: countFromPB(pb.GetWarning()), Info: countFromPB(pb.GetInfo())}
}

func summedToPB(r state.Resources) *wirepb.SummedResources {
	return &wirepb.SummedResources{CpuMillis: r.CPUMillis, MemoryBytes: r.MemoryBytes, EphemeralStorageBytes: r.EphemeralStorageBytes, Pods: r.Pods, Extended: r.Extended}
}

func summedFromPB(pb *wirepb.SummedResources) state.Resources {
	return state.Resources{CPUMillis: pb.GetCpuMillis(), MemoryBytes: pb.GetMemoryBytes(), EphemeralStorageBytes: pb.GetEphemeralStorageBytes(), Pods: pb.GetPods(), Extended: pb.GetExtended()}
}
