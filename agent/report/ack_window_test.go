package report

import (
	"testing"

	"rollcall.dev/rollcall/api/wire"
)

func TestAckOpensWindow(t *testing.T) {
	w := ackWindow{}
	w.add(inflightFlush{seq: 5})
	w.add(inflightFlush{seq: 5})
	if w.open() {
		t.Fatal("open with two unacknowledged flushes")
	}
	if err := w.ack(4); err != nil || w.open() {
		t.Errorf("Ack of an older seq: got %v, open: %v; want nil and false", err, w.open())
	}
	for range 2 {
		if err := w.ack(5); err != nil || !w.open() || len(w.inflight) != 0 {
			t.Errorf("Ack: got %v, open: %v; want nil and true", err, w.open())
		}
	}
	if w.ack(6) == nil {
		t.Error("Ack of a seq that was not sent: got nil, want an error")
	}
}

func TestOneLargeFlushFillsWindow(t *testing.T) {
	w := ackWindow{}
	w.add(inflightFlush{seq: 5, bytes: wire.MaxUnackedBytes})
	if w.open() {
		t.Fatal("open with MaxUnackedBytes unacknowledged")
	}
	if err := w.ack(5); err != nil || !w.open() || w.bytes != 0 {
		t.Errorf("Ack: got %v, open: %v, %d unacknowledged bytes; want nil, true, 0", err, w.open(), w.bytes)
	}
}
