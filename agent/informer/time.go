package informer

import (
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// instant returns a time as facts have it; zero if it is not set.
func instant(t *slimpb.Time) state.Time { return state.Time(t.GetSeconds()) }
