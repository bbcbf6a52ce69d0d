package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
)

// wsClient is a websocket client.
type wsClient struct {
	t    *testing.T
	conn *websocket.Conn
	ctx  context.Context
}

func dialWebsocket(t *testing.T, api http.Handler, target string) *wsClient {
	t.Helper()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	conn, _, err := websocket.Dial(ctx, server.URL+target, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { conn.CloseNow() })
	return &wsClient{t, conn, ctx}
}

// waitFor reads events until one matches want.
func (c *wsClient) waitFor(want string) receivedEvent {
	c.t.Helper()
	var before []string
	for {
		_, message, err := c.conn.Read(c.ctx)
		if err != nil {
			c.t.Fatalf("waiting for %s after %v: %v", want, before, err)
		}
		var h receivedEvent
		if err := json.Unmarshal(message, &h); err != nil {
			c.t.Fatalf("%s: %v", message, err)
		}
		if h.brief() == want {
			return h
		}
		before = append(before, h.brief())
	}
}

func (c *wsClient) send(words string) {
	c.t.Helper()
	if err := c.conn.Write(c.ctx, websocket.MessageText, []byte(words)); err != nil {
		c.t.Fatal(err)
	}
}

func liveShop(t *testing.T) *fake {
	f := shop(t)
	f.Statuses["prod-eu"], f.Statuses["v1.24.lab"] = reporting, reporting
	for _, v := range f.Reports {
		v.TTL, v.ExpiresAt = time.Hour, v.ReceivedAt.Add(time.Hour)
	}
	return f
}

func TestWebsocketHasOneEventPerMessage(t *testing.T) {
	f := liveShop(t)
	c := dialWebsocket(t, f.api(nil), eu1+"/nodes?watch=true")
	c.waitFor("ADDED Node n1")
	c.waitFor("BOOKMARK initial-events-end")
	f.report(t, "prod-eu", nil, node("n2", state.True))
	c.waitFor("ADDED Node n2")
	f.Change(func() { f.Registered = nil })
	c.waitFor("ERROR 404 NotFound")
	if _, _, err := c.conn.Read(c.ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("got error %v, want the close code of a policy violation", err)
	}
}

func TestClusterWebsocketRejectsMessages(t *testing.T) {
	c := dialWebsocket(t, liveShop(t).api(nil), eu1+"/nodes?watch=true")
	c.waitFor("BOOKMARK initial-events-end")
	c.send(`{"demand":["prod-eu"]}`)
	c.waitFor("ERROR 400 BadRequest")
	if _, _, err := c.conn.Read(c.ctx); err == nil {
		t.Error("the stream continues, want it ended")
	}
}

func TestWebsocketWithExpiredVersionGetsErrorEvent(t *testing.T) {
	c := dialWebsocket(t, liveShop(t).api(nil), eu1+"?watch=true&resourceVersion=17.dead-1")
	c.waitFor("ERROR 410 Expired")
}

func TestCrossOriginWebsocketIsRejected(t *testing.T) {
	for origin, want := range map[string]int{
		"https://evil.example": 403, "null": 403, "file://": 403, "http://example.com.evil.example": 403, "http://example.com": 0, "": 0,
	} {
		f := liveShop(t)
		r := httptest.NewRequest(http.MethodGet, eu1+"?watch=true", nil)
		for name, value := range map[string]string{"Origin": origin, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := do(f.api(nil), r)
		if refused := w.Code == 403 && strings.Contains(w.Body.String(), httpv1.ReasonCrossOrigin); refused != (want == 403) {
			t.Errorf("Origin %q: got %d %s, want %d", origin, w.Code, w.Body, want)
		}
		if f.Watching("prod-eu") != 0 {
			t.Errorf("Origin %q: got demand after the end, want none", origin)
		}
	}
}

func TestInvalidHandshakeIsRejected(t *testing.T) {
	whole := map[string]string{"Connection": "keep-alive, Upgrade", "Upgrade": "h2c, WebSocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
	for name, value := range map[string]string{"Connection": "close", "Sec-WebSocket-Version": "12", "Sec-WebSocket-Key": "AAAA", "": ""} {
		for _, path := range []string{eu1, "/api/v1/clusters"} {
			f := liveShop(t)
			r := newRequest(path + "?watch=true")
			for header, usual := range whole {
				r.Header.Set(header, usual)
			}
			if name != "" {
				r.Header.Set(name, value)
			}
			w := do(f.api(nil), r)
			if refused := w.Code == 400 && w.Header().Get("Content-Type") == "application/problem+json"; refused != (name != "") {
				t.Errorf("%s: %q on %s: got %d %s, want 400 only if a header is wrong", name, value, path, w.Code, w.Body)
			}
			if f.Watching("prod-eu") != 0 || name != "" && len(f.Demanded) > 0 {
				t.Errorf("%s: %q on %s: got demand, want none", name, value, path)
			}
		}
	}
}

func TestShutdownClosesWebsockets(t *testing.T) {
	f := liveShop(t)
	api := f.api(nil)
	c := dialWebsocket(t, api, eu1+"/nodes?watch=true")
	c.waitFor("BOOKMARK initial-events-end")
	api.Drain()
	c.waitFor("ERROR 503 ShuttingDown")
	if _, _, err := c.conn.Read(c.ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("got close error %v, want code 1001", err)
	}
	api.waitStreams()
}

func TestListWebsocketChangesSubscriptions(t *testing.T) {
	f := liveShop(t)
	c := dialWebsocket(t, f.api(nil), "/api/v1/clusters?watch=true")
	c.waitFor("ADDED Cluster prod-eu")
	c.waitFor("BOOKMARK initial-events-end")
	c.send(`{"detail":["prod-eu"]}`)
	c.waitFor("prod-eu: ADDED Node n1")
	c.waitFor("prod-eu: BOOKMARK initial-events-end")
	for message, want := range map[string]string{
		`{"detail":["nowhere"]}`: "ERROR 404 NotFound",
		`{"demand":["nowhere"]}`: "ERROR 404 NotFound",
		`{"detail":["a b"]}`:     "ERROR 400 BadRequest",
		`{"details":[]}`:         "ERROR 400 BadRequest",
		`watch everything`:       "ERROR 400 BadRequest",
		`{} {}`:                  "ERROR 400 BadRequest",
		`{"demand":["*"]}}`:      "ERROR 400 BadRequest",

		`{"demand":["nowhere"],"detail":[]}`: "ERROR 404 NotFound",
		`{"demand":["*"],"detail":["a b"]}`:  "ERROR 400 BadRequest",
		`{"demand":["a b"],"detail":[]}`:     "ERROR 400 BadRequest",
	} {
		c.send(message)
		c.waitFor(want)
	}
	f.report(t, "prod-eu", nil, node("n0", state.True))
	c.waitFor("prod-eu: ADDED Node n0")
	if n := f.Watching("v1.24.lab"); n != 0 {
		t.Errorf("%d watches of v1.24.lab before the first message, want 0", n)
	}
	c.send(`{"demand":["*"],"detail":["v1.24.lab"]}`)
	c.waitFor("v1.24.lab: ADDED Node n1")
	c.waitFor("v1.24.lab: BOOKMARK initial-events-end")
	f.report(t, "prod-eu", nil, node("n2", state.True))
	f.report(t, "v1.24.lab", nil, node("n9", state.True))
	c.waitFor("v1.24.lab: ADDED Node n9")
	f.observe("prod-eu", session.Status{Session: session.Info{Phase: session.Backoff}})
	c.waitFor("MODIFIED Cluster prod-eu")
	if n := f.Watching("v1.24.lab"); n != 2 {
		t.Errorf("%d watches of v1.24.lab, want one for demand=* and one for detail", n)
	}
	c.send(`{"demand":[]}`)
	c.send(`{"detail":["v1.24.lab","prod-eu@17.9f2c-4"]}`)
	c.waitFor("prod-eu: ADDED Node n2")
	if n := f.Watching("v1.24.lab"); n != 1 {
		t.Errorf("%d watches of v1.24.lab, want one for detail", n)
	}
	c.conn.Close(websocket.StatusNormalClosure, "")
}

func TestTooLongMessageEndsTheStream(t *testing.T) {
	f := liveShop(t)
	c := dialWebsocket(t, f.api(nil), "/api/v1/clusters?watch=true")
	c.waitFor("BOOKMARK initial-events-end")
	c.send(fmt.Sprintf(`{"demand":[%q]}`, strings.Repeat("a", maxMessageBytes)))
	for {
		if _, _, err := c.conn.Read(c.ctx); err != nil {
			if websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
				t.Errorf("got close error %v, want code 1009", err)
			}
			return
		}
	}
}
