package httpapi

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/master/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startServer serves an API on its own port until stop is called.
func startServer(t *testing.T, f *fake, config *tls.Config) (address string, stop func() error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	api := f.api(nil)
	go func() { done <- api.Serve(ctx, listener, config) }()
	return listener.Addr().String(), func() error {
		cancel()
		return <-done
	}
}

func TestServeUsesTLSAndEndsWithItsContext(t *testing.T) {
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), "rollcall-master", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	address, stop := startServer(t, shop(t), config)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport}
	answer, err := client.Get("https://" + address + "/api/v1/clusters/prod-eu")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.ProtoMajor != 2 {
		t.Errorf("got %s in %s, want 200 in HTTP/2", answer.Status, answer.Proto)
	}
	transport.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Errorf("stop: got error %v, want none", err)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the server still accepts connections")
	}
}

func TestShutdownEndsWaitingRequests(t *testing.T) {
	f := shop(t)
	delete(f.Reports, "prod-eu")
	waiting := make(chan struct{})
	f.AwaitFunc = func(ctx context.Context, _ string) (*session.Report, error) {
		close(waiting)
		<-ctx.Done()
		return nil, session.ErrStopping
	}
	address, stop := startServer(t, f, nil)
	answered := make(chan string, 1)
	go func() {
		answer, err := http.Get("http://" + address + "/api/v1/clusters/prod-eu")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		answered <- fmt.Sprint(answer.Status, " ", string(body), err)
	}()
	<-waiting
	if err := stop(); err != nil {
		t.Errorf("stop: got error %v, want none", err)
	}
	if got := <-answered; !strings.Contains(got, "503") || !strings.Contains(got, httpv1.ReasonShuttingDown) {
		t.Errorf("waiting request: got %s, want 503 ShuttingDown", got)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestUnexpectedBodyIsNotRead(t *testing.T) {
	address, stop := startServer(t, shop(t), nil)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /api/v1/clusters HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegin")
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest || !answer.Close {
		t.Errorf("got %s, close %t; want 400 and the end of the connection", answer.Status, answer.Close)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: got error %v, want none", err)
	}
}

func TestHeaderSizeIsLimited(t *testing.T) {
	address, stop := startServer(t, shop(t), nil)
	r, err := http.NewRequest(http.MethodGet, "http://"+address+"/api/v1/clusters", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Long", strings.Repeat("a", 2*maxHeader))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("got %s, want 431", answer.Status)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Errorf("stop: got error %v, want none", err)
	}
}

func TestListenerErrorIsReturned(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := shop(t).api(nil).Serve(t.Context(), listener, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got error %v, want net.ErrClosed", err)
	}
}
