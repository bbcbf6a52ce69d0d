package fault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/tlsfiles"
)

// TestOverLoopbackWithTLSOnBothSides uses the relay in the same way as tests with real binaries.
func TestOverLoopbackWithTLSOnBothSides(t *testing.T) {
	agent := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"rollcall.v1"}})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for range 3 {
			_ = conn.Write(r.Context(), websocket.MessageBinary, []byte("tick"))
			if _, _, err := conn.Read(r.Context()); err != nil {
				return
			}
		}
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}))
	defer agent.Close()
	relay, err := New(Config{Agent: strings.Replace(agent.URL, "https", "wss", 1), TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- relay.Run(context.Background()) }()
	for kind, ticks := range map[Kind]int{None: 3, CutHalfway: 2, CutAgent: 2} {
		relay.SetPlan(Once(ToMaster, 2, Fault{Kind: kind}))
		if got := countTicks(t, relay); got != ticks {
			t.Errorf("%s: got %d messages, want %d", kind, got, ticks)
		}
	}
	relay.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, _, err := websocket.Dial(t.Context(), relay.Endpoint(), nil); err == nil {
		t.Error("dial after Close: got no error")
	}
}

// countTicks connects as a master that pins the certificate, and counts the messages.
func countTicks(t *testing.T, relay *Relay) (ticks int) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
		c, err := x509.ParseCertificate(raw[0])
		if err == nil && tlsfiles.Pin(c) != relay.Pin() {
			err = errors.New("the certificate has a different pin")
		}
		return err
	}}}
	conn, _, err := websocket.Dial(t.Context(), relay.Endpoint()+"/v1/report", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"rollcall.v1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	for {
		if _, _, err := conn.Read(t.Context()); err != nil {
			return ticks
		}
		ticks++
		_ = conn.Write(t.Context(), websocket.MessageBinary, []byte("tock"))
	}
}

func TestInvalidEndpointIsRejected(t *testing.T) {
	if _, err := New(Config{Agent: "ws://%"}); err == nil {
		t.Error("New with an invalid endpoint: got no error")
	}
}

func TestRelayCanBeClosedBeforeRun(t *testing.T) {
	relay, err := New(Config{Agent: "ws://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	relay.Close()
	if err := relay.Run(t.Context()); err != nil {
		t.Errorf("Run after Close: %v", err)
	}
}
