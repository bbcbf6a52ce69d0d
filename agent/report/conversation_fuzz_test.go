package report

import (
	"context"
	"testing"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/wire"
)

// FuzzConversation lets a master say anything, as its Report and behind it: the agent
// must neither fail nor hang, and serves the next master as if nothing had been.
func FuzzConversation(f *testing.F) {
	say := func(m wire.MasterMessage) []byte {
		frame, err := wire.EncodeMaster(m)
		if err != nil {
			f.Fatal(err)
		}
		return frame
	}
	opening := say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "h", Period: time.Second, Duration: time.Minute, Base: &wire.Base{Epoch: epoch, Seq: 1}})
	f.Add(opening, say(&wire.Ack{Seq: 3}))
	f.Add(opening, say(&wire.Ack{Seq: 1 << 63}))
	f.Add(opening, say(&wire.Renew{Renewal: 1, Duration: time.Hour}))
	f.Add(opening, say(&wire.Stop{Message: "enough"}))
	f.Add(opening, opening)
	f.Add(say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "h", SummaryOnly: true}), []byte{})
	f.Add(say(&wire.SubscribeRequest{Protocol: 9, Session: "s", MasterID: "h"}), []byte("garbage"))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		inWorld(t, nil, func(_ *testing.T, w *world) {
			w.ready()
			m := w.dial()
			m.silent = true
			for _, frame := range [][]byte{first, second} {
				_ = m.conn.Write(context.Background(), websocket.MessageBinary, m.out.Append(frame))
			}
			if _, err := m.untilEnd(); err == nil {
				t.Error("it never ended, although nobody acknowledged anything")
			}
			_ = m.conn.CloseNow()
			w.open("another", time.Second, time.Minute).mustNext()
		})
	})
}
