package informer

import (
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// stateTime converts a time. It returns 0 if the time is not set.
func stateTime(t *slimpb.Time) state.Time { return state.Time(t.GetSeconds()) }
