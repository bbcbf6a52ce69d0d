package state

import (
	"fmt"
	"math/bits"
)

// Display is a Summary as the columns of tables show it, the same in kubectl, on
// the page and in the plugin. A column is empty where nothing is known.
type Display struct {
	Nodes           string `json:"nodes"`
	Containers      string `json:"containers"`
	CPURequested    string `json:"cpuRequested"`
	MemoryRequested string `json:"memoryRequested"`
	CPUUsed         string `json:"cpuUsed"`
	MemoryUsed      string `json:"memoryUsed"`
}

// DisplayOf formats a Summary: ready of all nodes, ready of desired containers,
// and shares of what is allocatable in whole per cent, rounded down.
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

// percent is part of whole in per cent, rounded down; in 128 bits, as the bytes of
// a large cluster times a hundred overflow 64.
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
