package heapster

import (
	"fmt"
	"strings"
	"testing"

	"rollcall.dev/rollcall/master/history"
)

// parseSeries parses `0:5 15:7 20:end` as samples at seconds.
func parseSeries(t *testing.T, text string) sampleList {
	t.Helper()
	var all sampleList
	for _, part := range strings.Fields(text) {
		var s history.Sample
		var seconds int64
		if n, _ := fmt.Sscanf(part, "%d:%d", &seconds, &s.Value); n < 2 {
			s.Stale = true
		}
		s.Time = 1000 * (1_500_000 + seconds)
		all = append(all, s)
	}
	return all
}

func TestSumOfSeries(t *testing.T) {
	for name, c := range map[string]struct {
		all  []string
		want string
	}{
		"no series":                                   {nil, ""},
		"one series":                                  {[]string{"0:5 15:7"}, "0:5 15:7"},
		"series sampled at different seconds":         {[]string{"0:5 15:7", "4:1 19:2"}, "4:6 19:9"},
		"a reading across two buckets":                {[]string{"13:5 28:7", "16:1 31:2"}, "28:8 31:9"},
		"one series misses a reading":                 {[]string{"0:5 15:7 30:9", "0:1 30:3"}, "0:6 15:8 30:12"},
		"one series ends":                             {[]string{"0:5 15:7 30:9", "0:1 10:end"}, "0:6 15:7 30:9"},
		"one series starts later":                     {[]string{"0:5 15:7 30:9", "30:1"}, "0:5 15:7 30:10"},
		"one series has no further samples":           {[]string{"0:5 60:5 120:5 180:5", "0:1"}, "0:6 60:6 120:6 180:5"},
		"a gap":                                       {[]string{"0:5 300:7", "0:1 300:2"}, "0:6 300:9"},
		"a session ends and another starts":           {[]string{"0:5 10:end 44:7 46:8", "0:1 10:end 46:2"}, "0:6 46:10"},
		"the later of two samples in a bucket counts": {[]string{"0:5 3:6 15:7"}, "3:6 15:7"},
	} {
		t.Run(name, func(t *testing.T) {
			var all []sampleList
			for _, text := range c.all {
				all = append(all, parseSeries(t, text))
			}
			var got []string
			for _, s := range sumOf(all) {
				got = append(got, fmt.Sprintf("%d:%d", s.Time/1000-1_500_000, s.Value))
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("got sums %q, want %q", text, c.want)
			}
		})
	}
}
