package heapster

import "time"

// Heapster's JSON.

// MetricPoint is a value at an instant.
type MetricPoint struct {
	Timestamp time.Time `json:"timestamp"`
	// Value is a whole number; of a share its whole part, so nearly always 0.
	Value uint64 `json:"value"`
	// FloatValue is a share as it is, and absent for all else.
	FloatValue *float64 `json:"floatValue,omitempty"`
}

// MetricResult is a metric's points, by ascending time.
type MetricResult struct {
	Metrics         []MetricPoint `json:"metrics"`
	LatestTimestamp time.Time     `json:"latestTimestamp"`
}

// MetricResultList has one MetricResult for each pod of a list, in the list's order.
type MetricResultList struct {
	Items []MetricResult `json:"items"`
}

// Timeseries is all that metric-export has of one node, pod or container.
type Timeseries struct {
	Metrics map[string][]Point `json:"metrics"`
	Labels  map[string]string  `json:"labels,omitempty"`
}

// Point is a value for the time from Start to End, which are the same for what is no
// sum over time.
type Point struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Value any       `json:"value"`
}

// TimeseriesSchema tells what metric-export has.
type TimeseriesSchema struct {
	Metrics      []MetricDescriptor `json:"metrics,omitempty"`
	CommonLabels []LabelDescriptor  `json:"common_labels,omitempty"`
	PodLabels    []LabelDescriptor  `json:"pod_labels,omitempty"`
}

// MetricDescriptor tells of a metric. Type is cumulative or gauge, ValueType int64 or
// double, and Units bytes, ns, ms or nothing.
type MetricDescriptor struct {
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Type        string `json:"type,omitempty"`
	ValueType   string `json:"value_type,omitempty"`
	Units       string `json:"units,omitempty"`
}

// LabelDescriptor tells of a label.
type LabelDescriptor struct {
	Key         string `json:"key,omitempty"`
	Description string `json:"description,omitempty"`
}
