package main

import (
	"encoding/json"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// series is one series of the response to a range query.
type series struct {
	Metric map[string]string `json:"metric"`
	Values [][2]any          `json:"values"`
}

// labelMatcher matches the label matchers of a query.
var labelMatcher = regexp.MustCompile(`(\w+)=~?"([^"]*)"`)

// queryRange serves range queries of the page. Usage is a wave that ends with the current value.
func (s *sessions) queryRange(w http.ResponseWriter, r *http.Request) {
	labels := map[string]string{}
	for _, m := range labelMatcher.FindAllStringSubmatch(r.FormValue("query"), -1) {
		labels[m[1]] = m[2]
	}
	names, err := regexp.Compile("^(?:" + labels["__name__"] + ")$")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result := []series{}
	for m, value := range s.currentValues(labels) {
		if names.MatchString(m.name) {
			result = append(result, wave(m, value, number(r, "start"), number(r, "end"), number(r, "step")))
		}
	}
	w.Header().Set("Content-Type", "application/json")
	// Encode fails only if the client has disconnected.
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
}

// number returns a number of the form, or 0.
func number(r *http.Request, name string) float64 {
	n, _ := strconv.ParseFloat(r.FormValue(name), 64)
	return n
}

// metric identifies a series within a query.
type metric struct{ name, resource string }

// wave returns the series of a metric that ends with a value.
func wave(m metric, value, start, end, step float64) series {
	s := series{Metric: map[string]string{"__name__": m.name}, Values: [][2]any{}}
	if m.resource != "" {
		s.Metric["resource"] = m.resource
	}
	for at := start; step > 0 && at <= end; at += step {
		v := value
		if varying.MatchString(m.name) {
			v *= 1 + 0.25*math.Sin((end-at)/70) + 0.08*math.Sin((end-at)/13)
		}
		s.Values = append(s.Values, [2]any{at, strconv.FormatFloat(v, 'g', -1, 64)})
	}
	return s
}

// varying matches the metrics that are waves; the others are constant.
var varying = regexp.MustCompile("_used$|_cores$|_working_set_")

// currentValues returns the metrics of the cluster, node or container that the labels select.
func (s *sessions) currentValues(labels map[string]string) map[metric]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(labels["cluster"])
	switch {
	case c == nil || !c.usage || c.known.Summary == nil || c.known.ObservedAt.Before(time.Now().Add(-time.Hour)):
		return nil
	case labels["container"] != "":
		return c.usageOf("container", state.Key{Kind: state.KindContainer, Namespace: labels["namespace"], Name: labels["pod"], Sub: labels["container"]})
	case labels["node"] != "":
		return c.usageOf("node", state.Key{Kind: state.KindNode, Name: labels["node"]})
	}
	sum := c.known.Summary
	f := map[metric]float64{
		{"rollcall_cluster_containers_desired", ""}: float64(sum.Containers.Desired),
		{"rollcall_cluster_containers_ready", ""}:   float64(sum.Containers.Ready),
		{"rollcall_cluster_problems", ""}:           float64(sum.ProblemCount),
	}
	amounts := func(name string, cpuMillis, memoryBytes int64) {
		f[metric{"rollcall_cluster_" + name, "cpu"}], f[metric{"rollcall_cluster_" + name, "memory"}] = float64(cpuMillis)/1000, float64(memoryBytes)
	}
	amounts("allocatable", sum.Allocatable.CPUMillis, sum.Allocatable.MemoryBytes)
	amounts("requested", sum.Requested.CPUMillis, sum.Requested.MemoryBytes)
	if sum.Used != nil {
		amounts("used", sum.Used.CPUMillis, sum.Used.MemoryBytes)
	}
	return f
}

// usageOf returns the usage metrics of a node or container.
func (c *cluster) usageOf(kind string, key state.Key) map[metric]float64 {
	e, ok := c.state.State.Get(key)
	if !ok || c.state.State.Usage == nil {
		return nil
	}
	u := c.state.State.Usage.Of(e.Slot)
	if u == nil {
		return nil
	}
	return map[metric]float64{{"rollcall_" + kind + "_cpu_cores", ""}: float64(u.CPUMillis) / 1000, {kind + "_memory_working_set_bytes", ""}: float64(u.MemoryBytes)}
}
