package heapster

import "rollcall.dev/rollcall/master/samples"

// Metric is one of the metrics of Heapster.
type Metric uint8

// The metrics, in the order of Heapster's schema.
const (
	// Uptime is the time since a container started, in milliseconds.
	Uptime Metric = iota
	// CPUUsage is cumulative since the session began.
	CPUUsage
	MemoryUsage
	MemoryWorkingSet
	CPURequest
	CPULimit
	MemoryRequest
	MemoryLimit
	CPUUsageRate
	CPUNodeCapacity
	MemoryNodeCapacity
	CPUNodeAllocatable
	MemoryNodeAllocatable
	// The utilization is usage divided by allocatable, the reservation requests divided by
	// allocatable: 0.5 is half.
	CPUNodeUtilization
	MemoryNodeUtilization
	CPUNodeReservation
	MemoryNodeReservation
	// NumMetrics is the number of metrics, which are numbered from 0.
	NumMetrics
)

// Float reports whether Heapster stored a metric as a float64.
func (m Metric) Float() bool { return descriptors[m].ValueType == "double" }

// Ratio reports whether a metric is a ratio. All others are integers.
func (m Metric) Ratio() bool {
	return m >= CPUNodeUtilization && m <= MemoryNodeReservation
}

// String returns the metric's name in Heapster.
func (m Metric) String() string { return descriptors[m].Name }

// Value returns a metric of a set. ok is false if the set does not have it.
func (m Metric) Value(s *samples.Set) (v float64, ok bool) {
	switch {
	case m == Uptime:
		return float64(max(0, s.At-s.Started)), s.Started != 0
	case m.Ratio():
		part, known := s.Value(sources[m])
		total, ok := s.Value(allocatable[m])
		if !known || !ok || total == 0 {
			return 0, false
		}
		return part / total, true
	case m == CPUUsage:
		v, ok = s.Value(samples.CPUTime)
		return v * nanosPerMilliSecond, ok
	}
	return s.Value(sources[m])
}

// sources are the metrics that those of Heapster are taken from; for a ratio, the part.
var sources = [NumMetrics]samples.Metric{
	MemoryUsage: samples.Memory, MemoryWorkingSet: samples.Memory, CPUUsageRate: samples.CPU,
	CPURequest: samples.CPURequest, CPULimit: samples.CPULimit, MemoryRequest: samples.MemoryRequest, MemoryLimit: samples.MemoryLimit,
	CPUNodeCapacity: samples.CPUCapacity, MemoryNodeCapacity: samples.MemoryCapacity,
	CPUNodeAllocatable: samples.CPUAllocatable, MemoryNodeAllocatable: samples.MemoryAllocatable,
	CPUNodeUtilization: samples.CPU, MemoryNodeUtilization: samples.Memory,
	CPUNodeReservation: samples.CPURequest, MemoryNodeReservation: samples.MemoryRequest,
}

// allocatable are the totals of ratios.
var allocatable = map[Metric]samples.Metric{
	CPUNodeUtilization: samples.CPUAllocatable, CPUNodeReservation: samples.CPUAllocatable,
	MemoryNodeUtilization: samples.MemoryAllocatable, MemoryNodeReservation: samples.MemoryAllocatable,
}

// nanosPerMilliSecond is the CPU time of one millicore-second, in nanoseconds.
const nanosPerMilliSecond = 1_000_000

// descriptors describe the metrics in the schema.
var descriptors = [NumMetrics]MetricDescriptor{
	Uptime:                {Name: "uptime", Description: "Milliseconds since the container was started", Type: "cumulative", ValueType: "int64", Units: "ms"},
	CPUUsage:              {Name: "cpu/usage", Description: "CPU time used on all cores since the cluster's session began: the integral of cpu/usage_rate", Type: "cumulative", ValueType: "int64", Units: "ns"},
	MemoryUsage:           {Name: "memory/usage", Description: "The working set: metrics.k8s.io has no other memory metric", Type: "gauge", ValueType: "int64", Units: "bytes"},
	MemoryWorkingSet:      {Name: "memory/working_set", Description: "Memory in use that the kernel cannot easily drop", Type: "gauge", ValueType: "int64", Units: "bytes"},
	CPURequest:            {Name: "cpu/request", Description: "CPU request in millicores", Type: "gauge", ValueType: "int64"},
	CPULimit:              {Name: "cpu/limit", Description: "CPU limit in millicores; 0: none", Type: "gauge", ValueType: "int64"},
	MemoryRequest:         {Name: "memory/request", Description: "Memory request", Type: "gauge", ValueType: "int64", Units: "bytes"},
	MemoryLimit:           {Name: "memory/limit", Description: "Memory limit; 0: none", Type: "gauge", ValueType: "int64", Units: "bytes"},
	CPUUsageRate:          {Name: "cpu/usage_rate", Description: "CPU usage on all cores in millicores", Type: "gauge", ValueType: "int64"},
	CPUNodeCapacity:       {Name: "cpu/node_capacity", Description: "CPU capacity of a node in millicores", Type: "gauge", ValueType: "double"},
	MemoryNodeCapacity:    {Name: "memory/node_capacity", Description: "Memory capacity of a node in bytes", Type: "gauge", ValueType: "double"},
	CPUNodeAllocatable:    {Name: "cpu/node_allocatable", Description: "CPU of a node that pods may have, in millicores", Type: "gauge", ValueType: "double"},
	MemoryNodeAllocatable: {Name: "memory/node_allocatable", Description: "Memory of a node that pods may have, in bytes", Type: "gauge", ValueType: "double"},
	CPUNodeUtilization:    {Name: "cpu/node_utilization", Description: "CPU used, as a share of allocatable", Type: "gauge", ValueType: "double"},
	MemoryNodeUtilization: {Name: "memory/node_utilization", Description: "Memory used, as a share of allocatable", Type: "gauge", ValueType: "double"},
	CPUNodeReservation:    {Name: "cpu/node_reservation", Description: "CPU requested, as a share of allocatable", Type: "gauge", ValueType: "double"},
	MemoryNodeReservation: {Name: "memory/node_reservation", Description: "Memory requested, as a share of allocatable", Type: "gauge", ValueType: "double"},
}

// oldNames are names from before Heapster 1.2, which it still accepted later.
var oldNames = map[string]Metric{
	"cpu-usage":      CPUUsageRate,
	"cpu-limit":      CPULimit,
	"memory-limit":   MemoryLimit,
	"memory-usage":   MemoryUsage,
	"memory-working": MemoryWorkingSet,
}

// exported are the metrics of metric-export and its schema.
var exported = []Metric{Uptime, CPUUsage, MemoryUsage, MemoryWorkingSet, CPULimit, MemoryLimit}

// metricOf returns the metric of a name, or NumMetrics if there is none.
func metricOf(name string) Metric {
	if m, ok := oldNames[name]; ok {
		return m
	}
	for m := range NumMetrics {
		if descriptors[m].Name == name {
			return m
		}
	}
	return NumMetrics
}
