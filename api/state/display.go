package state

import (
	"fmt"
	"math/bits"
)

// Display has a Summary's values as table columns, the same in kubectl, on the page and in the
// plugin. A value is empty if it is unknown.
type Display struct {
	Nodes           string `json:"nodes"`
	Containers      string `json:"containers"`
	CPURequested    string `json:"cpuRequested"`
	MemoryRequested string `json:"memoryRequested"`
	CPUUsed         string `json:"cpuUsed"`
	MemoryUsed      string `json:"memoryUsed"`
}

// DisplayOf returns the table columns of a Summary: ready/total nodes, ready/desired containers,
// and shares of the allocatable amounts as whole percentages, rounded down.
func DisplayOf(sum Summary) Display {
	d := Display{
		Nodes:           fmt.Sprintf("%d/%d", sum.Nodes.Ready, sum.Nodes.Total),
		Containers:      fmt.Sprintf("%d/%d", sum.Containers.Ready, sum.Containers.Desired),
		CPURequested:    percent(sum.Requested.CPUMillis, sum.Allocatable.CPUMillis),
		MemoryRequested: percent(sum.Requested.MemoryBytes, sum.Allocatable.MemoryBytes),
	}
	if sum.Used != nil {
		d.CPUUsed = percent(sum.Used.CPUMillis, sum.Allocatable.CPUMillis)
		d.MemoryUsed = percent(sum.Used.MemoryBytes, sum.Allocatable.MemoryBytes)
	}
	return d
}

// percent returns part of whole as a percentage, rounded down. It computes with 128 bits, as the
// bytes of a large cluster times 100 overflow 64.
func percent(part, whole int64) string {
	if whole <= 0 || part < 0 {
		return ""
	}
	hi, lo := bits.Mul64(uint64(part), 100)
	if hi >= uint64(whole) {
		return ""
	}
	quotient, _ := bits.Div64(hi, lo, uint64(whole))
	return fmt.Sprintf("%d%%", quotient)
}
