package plugin

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
	"rollcall.dev/rollcall/api/state"
)

// since returns an age as kubectl prints it, or "" for the zero time.
func since(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return duration.HumanDuration(now.Sub(t))
}

// millis returns millicores as `kubectl top` prints them, or "" for 0.
func millis(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10) + "m"
}

func mebibytes(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n>>20, 10) + "Mi"
}

// unknown is printed for unknown usage, as by `kubectl top`.
const unknown = "<unknown>"

func orUnknown(cell string) string {
	if cell == "" {
		return unknown
	}
	return cell
}

func usedCPU(u *state.Used) string {
	if u == nil {
		return unknown
	}
	return strconv.FormatInt(u.CPUMillis, 10) + "m"
}

func usedMemory(u *state.Used) string {
	if u == nil {
		return unknown
	}
	return strconv.FormatInt(u.MemoryBytes>>20, 10) + "Mi"
}

// joinFirst joins at most limit texts, and adds how many more there are.
func joinFirst(texts []string, limit int) string {
	if len(texts) <= limit {
		return strings.Join(texts, ",")
	}
	return fmt.Sprintf("%s + %d more...", strings.Join(texts[:limit], ","), len(texts)-limit)
}

func ratio(part, total int64) string {
	if total == 0 {
		return strconv.FormatInt(part, 10)
	}
	return fmt.Sprintf("%d/%d", part, total)
}
