package heapster

// Metric is one of Heapster's metrics, as far as the facts of a State give them.
type Metric uint8

// The metrics, in the order of Heapster's schema.
const (
	// Uptime of a container.
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
	// Shares of what is allocatable: 0.5 is half.
	CPUNodeUtilization
	MemoryNodeUtilization
	CPUNodeReservation
	MemoryNodeReservation
	// NumMetrics is how many there are; they are numbered from 0.
	NumMetrics
)

// Cumulative says that a metric counts up, from Set.Since.
func (m Metric) Cumulative() bool { return m == Uptime || m == CPUUsage }

// Float says that a metric was no whole number to Heapster.
func (m Metric) Float() bool { return descriptors[m].ValueType == "double" }

// Share says that a metric is a fraction; all others are whole numbers.
func (m Metric) Share() bool {
	return m >= CPUNodeUtilization && m <= MemoryNodeReservation
}

// String is the metric's name.
func (m Metric) String() string { return descriptors[m].Name }

// nanosPerMilliSecond turns a millicore for a second into nanoseconds of CPU time.
const nanosPerMilliSecond = 1_000_000

// descriptors are the metrics as the schema shows them.
var descriptors = [NumMetrics]MetricDescriptor{
	Uptime:                {Name: "uptime", Description: "Milliseconds since the container was started", Type: "cumulative", ValueType: "int64", Units: "ms"},
	CPUUsage:              {Name: "cpu/usage", Description: "CPU time used on all cores since the cluster's session began: the integral of cpu/usage_rate", Type: "cumulative", ValueType: "int64", Units: "ns"},
	MemoryUsage:           {Name: "memory/usage", Description: "The working set: metrics.k8s.io tells of no other memory", Type: "gauge", ValueType: "int64", Units: "bytes"},
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
	CPUNodeUtilization:    {Name: "cpu/node_utilization", Description: "CPU used, as a share of what is allocatable", Type: "gauge", ValueType: "double"},
	MemoryNodeUtilization: {Name: "memory/node_utilization", Description: "Memory used, as a share of what is allocatable", Type: "gauge", ValueType: "double"},
	CPUNodeReservation:    {Name: "cpu/node_reservation", Description: "CPU requested, as a share of what is allocatable", Type: "gauge", ValueType: "double"},
	MemoryNodeReservation: {Name: "memory/node_reservation", Description: "Memory requested, as a share of what is allocatable", Type: "gauge", ValueType: "double"},
}

// oldNames are names that Heapster took for a metric's before 1.2, and still did later.
var oldNames = map[string]Metric{
	"cpu-usage":      CPUUsageRate,
	"cpu-limit":      CPULimit,
	"memory-limit":   MemoryLimit,
	"memory-usage":   MemoryUsage,
	"memory-working": MemoryWorkingSet,
}

// exported are the metrics of metric-export and its schema.
var exported = []Metric{Uptime, CPUUsage, MemoryUsage, MemoryWorkingSet, CPULimit, MemoryLimit}

// metricOf is the metric of a name; NumMetrics where there is none.
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
