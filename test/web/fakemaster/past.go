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

// series is one of a query's answer, as Prometheus has it.
type series struct {
	Metric map[string]string `json:"metric"`
	Values [][2]any          `json:"values"`
}

var matcher = regexp.MustCompile(`(\w+)=~?"([^"]*)"`)

// queryRange returns generated samples of the last minutes that lead, in a wave, to the present
// values.
func (s *sessions) queryRange(w http.ResponseWriter, r *http.Request) {
	labels := map[string]string{}
	for _, m := range matcher.FindAllStringSubmatch(r.FormValue("query"), -1) {
		labels[m[1]] = m[2]
	}
	names, err := regexp.Compile("^(?:" + labels["__name__"] + ")$")
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result := []series{}
	for f, now := range s.figures(labels) {
		if names.MatchString(f.name) {
			result = append(result, wave(f, now, number(r, "start"), number(r, "end"), number(r, "step")))
		}
	}
	w.Header().Set("Content-Type", "application/json")
	// Nobody is left to tell of an error.
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": result}})
}

func number(r *http.Request, name string) float64 {
	n, _ := strconv.ParseFloat(r.FormValue(name), 64)
	return n
}

// figure is what a series is called.
type figure struct{ name, resource string }

func wave(f figure, now, start, end, step float64) series {
	one := series{Metric: map[string]string{"__name__": f.name}, Values: [][2]any{}}
	if f.resource != "" {
		one.Metric["resource"] = f.resource
	}
	for at := start; step > 0 && at <= end; at += step {
		v := now
		if moves.MatchString(f.name) {
			v *= 1 + 0.25*math.Sin((end-at)/70) + 0.08*math.Sin((end-at)/13)
		}
		one.Values = append(one.Values, [2]any{at, strconv.FormatFloat(v, 'g', -1, 64)})
	}
	return one
}

var moves = regexp.MustCompile("_used$|_cores$|_working_set_")

// figures returns the present values of a cluster, or of the node or container in labels.
func (s *sessions) figures(labels map[string]string) map[figure]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.find(labels["cluster"])
	switch {
	case c == nil || !c.usage || c.known.Summary == nil || c.known.ObservedAt.Before(time.Now().Add(-time.Hour)):
		return nil
	case labels["container"] != "":
		return c.usedBy("container", state.Key{Kind: state.KindContainer, Namespace: labels["namespace"], Name: labels["pod"], Sub: labels["container"]})
	case labels["node"] != "":
		return c.usedBy("node", state.Key{Kind: state.KindNode, Name: labels["node"]})
	}
	sum := c.known.Summary
	f := map[figure]float64{
		{"rollcall_cluster_containers_desired", ""}: float64(sum.Containers.Desired),
		{"rollcall_cluster_containers_ready", ""}:   float64(sum.Containers.Ready),
		{"rollcall_cluster_problems", ""}:           float64(sum.ProblemCount),
	}
	amounts := func(name string, cpuMillis, memoryBytes int64) {
		f[figure{"rollcall_cluster_" + name, "cpu"}], f[figure{"rollcall_cluster_" + name, "memory"}] = float64(cpuMillis)/1000, float64(memoryBytes)
	}
	amounts("allocatable", sum.Allocatable.CPUMillis, sum.Allocatable.MemoryBytes)
	amounts("requested", sum.Requested.CPUMillis, sum.Requested.MemoryBytes)
	if sum.Used != nil {
		amounts("used", sum.Used.CPUMillis, sum.Used.MemoryBytes)
	}
	return f
}

func (c *cluster) usedBy(what string, key state.Key) map[figure]float64 {
	e, ok := c.world.State.Get(key)
	if !ok || c.world.State.Usage == nil {
		return nil
	}
	u := c.world.State.Usage.Of(e.Slot)
	if u == nil {
		return nil
	}
	return map[figure]float64{{"rollcall_" + what + "_cpu_cores", ""}: float64(u.CPUMillis) / 1000, {what + "_memory_working_set_bytes", ""}: float64(u.MemoryBytes)}
}
