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

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
)

// conversation is a client on a websocket.
type conversation struct {
	t    *testing.T
	conn *websocket.Conn
	ctx  context.Context
}

func converse(t *testing.T, api http.Handler, target string) *conversation {
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
	return &conversation{t, conn, ctx}
}

// hears reads events until one is as wanted.
func (c *conversation) hears(want string) happening {
	c.t.Helper()
	var before []string
	for {
		_, message, err := c.conn.Read(c.ctx)
		if err != nil {
			c.t.Fatalf("waiting for %s after %v: %v", want, before, err)
		}
		var h happening
		if err := json.Unmarshal(message, &h); err != nil {
			c.t.Fatalf("%s: %v", message, err)
		}
		if h.brief() == want {
			return h
		}
		before = append(before, h.brief())
	}
}

func (c *conversation) says(words string) {
	c.t.Helper()
	if err := c.conn.Write(c.ctx, websocket.MessageText, []byte(words)); err != nil {
		c.t.Fatal(err)
	}
}

func live(t *testing.T) *fake {
	f := shop(t)
	f.observed["prod-eu"], f.observed["v1.24.lab"] = reporting, reporting
	for _, v := range f.values {
		v.TTL, v.ExpiresAt = time.Hour, v.ReceivedAt.Add(time.Hour)
	}
	return f
}

func TestAWebsocketCarriesOneEventAMessage(t *testing.T) {
	f := live(t)
	c := converse(t, f.api(nil), eu1+"/nodes?watch=true")
	c.hears("ADDED Node n1")
	c.hears("BOOKMARK initial-events-end")
	f.report(t, "prod-eu", nil, node("n2", state.True))
	c.hears("ADDED Node n2")
	f.change(func() { f.clusters = nil })
	c.hears("ERROR 404 NotFound")
	if _, _, err := c.conn.Read(c.ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("closed with %v", err)
	}
}

func TestAWebsocketOfOneClusterTakesNoMessages(t *testing.T) {
	c := converse(t, live(t).api(nil), eu1+"/nodes?watch=true")
	c.hears("BOOKMARK initial-events-end")
	c.says(`{"demand":["prod-eu"]}`)
	c.hears("ERROR 400 BadRequest")
	if _, _, err := c.conn.Read(c.ctx); err == nil {
		t.Error("the stream goes on")
	}
}

func TestAWebsocketThatCannotBeResumedIsToldByAnEvent(t *testing.T) {
	c := converse(t, live(t).api(nil), eu1+"?watch=true&resourceVersion=17.dead-1")
	c.hears("ERROR 410 Expired")
}

func TestAPageOfAnotherSiteGetsNoWebsocket(t *testing.T) {
	for origin, want := range map[string]int{
		"https://evil.example": 403, "null": 403, "file://": 403, "http://example.com.evil.example": 403, "http://example.com": 0, "": 0,
	} {
		f := live(t)
		r := httptest.NewRequest(http.MethodGet, eu1+"?watch=true", nil)
		for name, value := range map[string]string{"Origin": origin, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := ask(f.api(nil), r)
		if refused := w.Code == 403 && strings.Contains(w.Body.String(), ReasonCrossOrigin); refused != (want == 403) {
			t.Errorf("Origin %q: %d %s", origin, w.Code, w.Body)
		}
		if f.watching("prod-eu") != 0 {
			t.Errorf("Origin %q: demand is left", origin)
		}
	}
}

func TestWhatCannotBecomeAWebsocketIsRefusedInWords(t *testing.T) {
	whole := map[string]string{"Connection": "keep-alive, Upgrade", "Upgrade": "h2c, WebSocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
	for name, value := range map[string]string{"Connection": "close", "Sec-WebSocket-Version": "12", "Sec-WebSocket-Key": "AAAA", "": ""} {
		for _, path := range []string{eu1, "/api/v1/clusters"} {
			f := live(t)
			r := asking(path + "?watch=true")
			for header, usual := range whole {
				r.Header.Set(header, usual)
			}
			if name != "" {
				r.Header.Set(name, value)
			}
			w := ask(f.api(nil), r)
			if refused := w.Code == 400 && w.Header().Get("Content-Type") == "application/problem+json"; refused != (name != "") {
				t.Errorf("%s: %q on %s: %d %s", name, value, path, w.Code, w.Body)
			}
			if f.watching("prod-eu") != 0 || name != "" && len(f.awaited) > 0 {
				t.Errorf("%s: %q on %s: was demand", name, value, path)
			}
		}
	}
}

func TestTheEndOfTheMasterClosesWebsockets(t *testing.T) {
	f := live(t)
	api := f.api(nil)
	c := converse(t, api, eu1+"/nodes?watch=true")
	c.hears("BOOKMARK initial-events-end")
	api.Drain()
	c.hears("ERROR 503 ShuttingDown")
	if _, _, err := c.conn.Read(c.ctx); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("closed with %v, want 1001", err)
	}
	api.waitStreams()
}

func TestAClientOfTheFleetChangesWhatItWants(t *testing.T) {
	f := live(t)
	c := converse(t, f.api(nil), "/api/v1/clusters?watch=true")
	c.hears("ADDED Cluster prod-eu")
	c.hears("BOOKMARK initial-events-end")
	c.says(`{"detail":["prod-eu"]}`)
	c.hears("prod-eu: ADDED Node n1")
	c.hears("prod-eu: BOOKMARK initial-events-end")
	for said, want := range map[string]string{
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
		c.says(said)
		c.hears(want)
	}
	f.report(t, "prod-eu", nil, node("n0", state.True))
	c.hears("prod-eu: ADDED Node n0")
	if n := f.watching("v1.24.lab"); n != 0 {
		t.Errorf("%d watches of v1.24.lab are demand before anybody asked", n)
	}
	c.says(`{"demand":["*"],"detail":["v1.24.lab"]}`)
	c.hears("v1.24.lab: ADDED Node n1")
	c.hears("v1.24.lab: BOOKMARK initial-events-end")
	f.report(t, "prod-eu", nil, node("n2", state.True))
	f.report(t, "v1.24.lab", nil, node("n9", state.True))
	c.hears("v1.24.lab: ADDED Node n9")
	f.observe("prod-eu", session.Observation{Session: session.Info{Phase: session.Backoff}})
	c.hears("MODIFIED Cluster prod-eu")
	if n := f.watching("v1.24.lab"); n != 2 {
		t.Errorf("%d watches of v1.24.lab are demand, want one for * and one for its details", n)
	}
	c.says(`{"demand":[]}`)
	c.says(`{"detail":["v1.24.lab","prod-eu@17.9f2c-4"]}`)
	c.hears("prod-eu: ADDED Node n2")
	if n := f.watching("v1.24.lab"); n != 1 {
		t.Errorf("%d watches of v1.24.lab are demand, want the one for its details", n)
	}
	c.conn.Close(websocket.StatusNormalClosure, "")
}

func TestAMessageThatIsTooLongEndsTheStream(t *testing.T) {
	f := live(t)
	c := converse(t, f.api(nil), "/api/v1/clusters?watch=true")
	c.hears("BOOKMARK initial-events-end")
	c.says(fmt.Sprintf(`{"demand":[%q]}`, strings.Repeat("a", maxMessage)))
	for {
		if _, _, err := c.conn.Read(c.ctx); err != nil {
			if websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
				t.Errorf("closed with %v, want 1009", err)
			}
			return
		}
	}
}
