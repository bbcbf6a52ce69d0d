package heapster

import "time"

// The types of this file are Heapster's JSON.

// MetricPoint is a value at an instant.
type MetricPoint struct {
	Timestamp time.Time `json:"timestamp"`
	// Value is an integer. A ratio is truncated, so it is nearly always 0.
	Value uint64 `json:"value"`
	// FloatValue is the value of a ratio, and absent for all other metrics.
	FloatValue *float64 `json:"floatValue,omitempty"`
}

// MetricResult is the points of a metric, by ascending time.
type MetricResult struct {
	Metrics         []MetricPoint `json:"metrics"`
	LatestTimestamp time.Time     `json:"latestTimestamp"`
}

// MetricResultList has one MetricResult for each pod of a list, in the list's order.
type MetricResultList struct {
	Items []MetricResult `json:"items"`
}

// Timeseries is an element of metric-export: the metrics of one node, pod or container.
type Timeseries struct {
	Metrics map[string][]Point `json:"metrics"`
	Labels  map[string]string  `json:"labels,omitempty"`
}

// Point is a value for the time from Start to End. Both are the same for a gauge.
type Point struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	Value any       `json:"value"`
}

// TimeseriesSchema describes the metrics and labels of metric-export.
type TimeseriesSchema struct {
	Metrics      []MetricDescriptor `json:"metrics,omitempty"`
	CommonLabels []LabelDescriptor  `json:"common_labels,omitempty"`
	PodLabels    []LabelDescriptor  `json:"pod_labels,omitempty"`
}

// MetricDescriptor describes a metric. Type is cumulative or gauge, ValueType int64 or
// double, and Units bytes, ns, ms or empty.
type MetricDescriptor struct {
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Type        string `json:"type,omitempty"`
	ValueType   string `json:"value_type,omitempty"`
	Units       string `json:"units,omitempty"`
}

// LabelDescriptor describes a label.
type LabelDescriptor struct {
	Key         string `json:"key,omitempty"`
	Description string `json:"description,omitempty"`
}
