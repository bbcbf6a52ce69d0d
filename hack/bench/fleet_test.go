package main

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestReadsThatHadToWaitAreNoReadsOfWhatWasThere(t *testing.T) {
	var r reads
	asked := time.Now()
	r.add(seen{status: http.StatusOK, asked: asked, received: asked.Add(-time.Second), took: time.Millisecond}, nil)
	r.add(seen{status: http.StatusOK, asked: asked, received: asked.Add(time.Second), took: time.Second}, nil)
	r.add(seen{status: http.StatusGatewayTimeout, asked: asked, took: time.Second}, nil)
	r.add(seen{}, errors.New("broken"))
	if len(r.took) != 1 || r.took[0] != time.Millisecond || r.waited != 1 || r.refused != 1 || r.err == nil {
		t.Errorf("%+v", r)
	}
}
