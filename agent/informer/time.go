package informer

import (
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// instant is a time as facts have it; one that is not set is none.
func instant(t *slimpb.Time) state.Time { return state.Time(t.GetSeconds()) }
