package main

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestReadStatsDistinguishCachedWaitedAndRefused(t *testing.T) {
	var r readStats
	sentAt := time.Now()
	r.add(readResult{status: http.StatusOK, sentAt: sentAt, receivedAt: sentAt.Add(-time.Second), latency: time.Millisecond}, nil)
	r.add(readResult{status: http.StatusOK, sentAt: sentAt, receivedAt: sentAt.Add(time.Second), latency: time.Second}, nil)
	r.add(readResult{status: http.StatusGatewayTimeout, sentAt: sentAt, latency: time.Second}, nil)
	r.add(readResult{}, errors.New("broken"))
	if len(r.latencies) != 1 || r.latencies[0] != time.Millisecond || r.waited != 1 || r.refused != 1 || r.err == nil {
		t.Errorf("got %+v, want one latency of 1ms, one waited, one refused and an error", r)
	}
}
