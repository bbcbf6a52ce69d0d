package plugin

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"
	"rollcall.dev/rollcall/api/state"
)

// since is an age as kubectl shows it; empty for no time.
func since(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return duration.HumanDuration(now.Sub(t))
}

// millis and mebibytes are amounts as `kubectl top` shows them; empty for nothing.
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

// unknown is shown of usage that nobody knows, as `kubectl top` does.
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

// few are at most most of the texts, and how many more there are.
func few(texts []string, most int) string {
	if len(texts) <= most {
		return strings.Join(texts, ",")
	}
	return fmt.Sprintf("%s + %d more...", strings.Join(texts[:most], ","), len(texts)-most)
}

func ratio(part, whole int64) string {
	if whole == 0 {
		return strconv.FormatInt(part, 10)
	}
	return fmt.Sprintf("%d/%d", part, whole)
}
