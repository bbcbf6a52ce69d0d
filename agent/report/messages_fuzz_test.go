package report

import (
	"context"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// FuzzMasterMessages sends two arbitrary frames to an agent. The agent must neither panic nor hang, and must serve the
// next master.
func FuzzMasterMessages(f *testing.F) {
	encode := func(m wire.MasterMessage) []byte {
		frame, err := wire.EncodeMaster(m)
		if err != nil {
			f.Fatal(err)
		}
		return frame
	}
	opening := encode(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "h", Period: time.Second, Duration: time.Minute, Base: &wire.Base{Epoch: epoch, Seq: 1}})
	f.Add(opening, encode(&wire.Ack{Seq: 3}))
	f.Add(opening, encode(&wire.Ack{Seq: 1 << 63}))
	f.Add(opening, encode(&wire.Renew{Renewal: 1, Duration: time.Hour}))
	f.Add(opening, encode(&wire.Stop{Message: "suspended"}))
	f.Add(opening, opening)
	f.Add(encode(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "h", Period: time.Second, Duration: time.Minute, Owner: true, Term: 1 << 63}), opening)
	f.Add(encode(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s", MasterID: "h", SummaryOnly: true}), []byte{})
	f.Add(encode(&wire.SubscribeRequest{Protocol: 9, Session: "s", MasterID: "h"}), []byte("garbage"))
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		runTest(t, nil, func(_ *testing.T, h *harness) {
			h.makeReady()
			m := h.dial()
			m.noAcks = true
			for _, frame := range [][]byte{first, second} {
				_ = m.SendFrame(context.Background(), frame)
			}
			if _, err := m.readUntilEnd(); err == nil {
				t.Error("the connection did not end, although no flush was acknowledged")
			}
			_ = m.CloseNow()
			h.openSession("another", time.Second, time.Minute).mustNextFlush()
		})
	})
}
