package main

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// serve responds on every port with $NAME or, if it is not set, with the host name, which is the pod's name unless the
// pod uses the host network. Over HTTP, /fail responds with status 503.
func serve(ports []string) error {
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("read the host's name: %w", err)
	}
	name = cmp.Or(os.Getenv("NAME"), name)
	failed := make(chan error, len(ports))
	for _, port := range ports {
		number, protocol, _ := strings.Cut(port, "/")
		switch protocol {
		case "tcp":
			go func() { failed <- serveHTTP(name, ":"+number) }()
		case "udp":
			go func() { failed <- serveUDP(name, ":"+number) }()
		default:
			return fmt.Errorf("port %q: want a number and a protocol, as in 8080/tcp", port)
		}
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		pause()
	}()
	select {
	case err := <-failed:
		return err
	case <-ended:
		return nil
	}
}

// serveHTTP serves HTTP on an address.
func serveHTTP(name, address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })
	mux.HandleFunc("/fail", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "fails as requested", http.StatusServiceUnavailable)
	})
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

// serveUDP responds to UDP packets on an address.
func serveUDP(name, address string) error {
	conn, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	var request [512]byte
	for {
		_, from, err := conn.ReadFrom(request[:])
		if err != nil {
			return err
		}
		if _, err := conn.WriteTo([]byte(name+"\n"), from); err != nil {
			return err
		}
	}
}
