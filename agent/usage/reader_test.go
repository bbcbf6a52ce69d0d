package usage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(kube.Main(m)) }

const (
	nodesJSON = `{"kind":"NodeMetricsList","apiVersion":"metrics.k8s.io/v1beta1","metadata":{},"items":[
		{"metadata":{"name":"n1","labels":{"a":"b"}},"timestamp":"2026-01-01T10:00:00Z","window":"15s","usage":{"cpu":"1234567n","memory":"1024Ki"}},
		{"metadata":{"name":"n2"},"timestamp":"2026-01-01T10:00:05Z","window":"15s","usage":{"cpu":"2","memory":"1Gi"}}]}`
	podsJSON = `{"items":[
		{"metadata":{"namespace":"default","name":"web-1"},"timestamp":"2026-01-01T10:00:07Z","containers":[
			{"name":"app","usage":{"cpu":"0","memory":"0"}},
			{"name":"mesh","usage":{"cpu":"1n","memory":"128974848"}},
			{"name":"silent","usage":{"memory":"1Mi"}}]}],"kind":"PodMetricsList"}`
)

func timeAt(clock string) state.Time {
	t, err := time.Parse(time.RFC3339, "2026-01-01T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return state.TimeOf(t)
}

var (
	wantNodes = state.Reading{
		{Kind: state.KindNode, Name: "n1"}: {CPUMillis: 2, MemoryBytes: 1 << 20, SampledAt: timeAt("10:00:00")},
		{Kind: state.KindNode, Name: "n2"}: {CPUMillis: 2000, MemoryBytes: 1 << 30, SampledAt: timeAt("10:00:05")},
	}
	wantContainers = state.Reading{
		{Kind: state.KindContainer, Namespace: "default", Name: "web-1", Sub: "app"}:  {SampledAt: timeAt("10:00:07")},
		{Kind: state.KindContainer, Namespace: "default", Name: "web-1", Sub: "mesh"}: {CPUMillis: 1, MemoryBytes: 128974848, SampledAt: timeAt("10:00:07")},
	}
)

// fakeMetrics is a fake metrics.k8s.io that records requests and the calls of a Reader's Config.
type fakeMetrics struct {
	mu        sync.Mutex
	responses map[string]string
	err       error
	// errors maps resources to errors.
	errors   map[string]error
	recorded recordedCalls
}

// recordedCalls holds the requests and calls so far.
type recordedCalls struct {
	requests []string
	readings []state.Reading
	statuses []state.SectionStatus
}

func (s recordedCalls) lastStatus() state.SectionStatus { return s.statuses[len(s.statuses)-1] }

func newFakeMetrics() *fakeMetrics {
	return &fakeMetrics{responses: map[string]string{"nodes": nodesJSON, "pods": podsJSON}}
}

func (f *fakeMetrics) list(ctx context.Context, resource string) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recorded.requests = append(f.recorded.requests, resource)
	if f.err != nil {
		return nil, f.err
	}
	if err := f.errors[resource]; err != nil {
		return nil, err
	}
	return io.NopCloser(strings.NewReader(f.responses[resource])), ctx.Err()
}

func (f *fakeMetrics) setReading(s state.Reading) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recorded.readings = append(f.recorded.readings, s)
}

func (f *fakeMetrics) setStatus(r state.SectionStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recorded.statuses = append(f.recorded.statuses, r)
}

// setError makes all requests fail with err, or succeed if err is nil.
func (f *fakeMetrics) setError(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// advance advances virtual time and returns the calls until then.
func (f *fakeMetrics) advance(d time.Duration) recordedCalls {
	<-time.After(d)
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.recorded
}

// runReader calls test with a running Reader of fake metrics in a synctest bubble.
func runReader(t *testing.T, test func(t *testing.T, r *Reader, f *fakeMetrics)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeMetrics()
		r := &Reader{list: f.list, closeIdle: func() {}, wake: make(chan struct{}, 1), cfg: Config{
			Period:     15 * time.Second,
			SetReading: f.setReading,
			SetStatus:  f.setStatus,
			Log:        slog.New(slog.DiscardHandler),
		}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Run(ctx) }()
		synctest.Wait()
		test(t, r, f)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
}

func TestNoRequestsWithoutSubscribers(t *testing.T) {
	runReader(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		calls := f.advance(time.Hour)
		if len(calls.requests) > 0 {
			t.Errorf("got requests of %q, want none", calls.requests)
		}
		if len(calls.statuses) != 1 || calls.lastStatus().Error != pending {
			t.Errorf("got statuses %+v, want one with Pending", calls.statuses)
		}
	})
}

func TestReaderReadsImmediatelyAndEveryPeriod(t *testing.T) {
	runReader(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		release := r.Subscribe()
		calls := f.advance(0)
		want := maps.Clone(wantNodes)
		maps.Copy(want, wantContainers)
		if len(calls.readings) != 1 || !maps.Equal(calls.readings[0], want) {
			t.Fatalf("got readings %v, want %v immediately", calls.readings, want)
		}
		if got, want := calls.lastStatus(), (state.SectionStatus{ObservedAt: time.Now()}); got != want {
			t.Errorf("got status %+v, want %+v", got, want)
		}

		releaseSecond := r.Subscribe()
		calls = f.advance(time.Minute)
		if got, want := fmt.Sprint(calls.requests), "[nodes pods nodes pods nodes pods nodes pods nodes pods]"; got != want {
			t.Errorf("got requests of %s within a minute, want %s", got, want)
		}
		release()
		release()
		calls = f.advance(15 * time.Second)
		if len(calls.readings) != 6 {
			t.Errorf("got %d readings after one of two subscribers released, want 6", len(calls.readings))
		}
		releaseSecond()
		calls = f.advance(time.Hour)
		if len(calls.readings) != 6 {
			t.Errorf("got %d readings after all subscribers released, want 6", len(calls.readings))
		}
	})
}

func TestNewSubscriberUsesReadingYoungerThanPeriod(t *testing.T) {
	runReader(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		r.Subscribe()()
		calls := f.advance(0)
		if len(calls.readings) != 0 {
			t.Fatalf("got %d readings for a subscriber that released immediately, want 0", len(calls.readings))
		}
		release := r.Subscribe()
		f.advance(5 * time.Second)
		release()
		release = r.Subscribe()
		calls = f.advance(10*time.Second - 1)
		if len(calls.readings) != 1 {
			t.Errorf("got %d readings within a period, want 1", len(calls.readings))
		}
		calls = f.advance(1)
		if len(calls.readings) != 2 {
			t.Errorf("got %d readings after a period, want 2", len(calls.readings))
		}
		release()
		f.advance(time.Hour)
		defer r.Subscribe()()
		calls = f.advance(0)
		if len(calls.readings) != 3 {
			t.Errorf("got %d readings after a pause, want a third one immediately", len(calls.readings))
		}
	})
}

func TestFailedReadingKeepsLastReadingAndItsAge(t *testing.T) {
	runReader(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		defer r.Subscribe()()
		f.advance(0)
		read := time.Now()
		f.setError(apierrors.NewServiceUnavailable("the server is currently unable to handle the request"))
		calls := f.advance(31 * time.Second)
		if len(calls.readings) != 1 {
			t.Errorf("got %d readings, want only the successful one", len(calls.readings))
		}
		if got := calls.lastStatus(); got.Live || !got.ObservedAt.Equal(read) || got.Error.Reason != state.ReasonUnavailable {
			t.Errorf("got status %+v, want Unavailable, observed at %v", got, read)
		}
		f.setError(nil)
		calls = f.advance(15 * time.Second)
		if got := calls.lastStatus(); got.Error != (state.SectionError{}) || len(calls.readings) != 2 {
			t.Errorf("got status %+v and %d readings after the recovery, want no error and 2", got, len(calls.readings))
		}
	})
}

func TestTruncatedReadingIsDropped(t *testing.T) {
	for name, pods := range map[string]string{
		"truncated":      podsJSON[:200],
		"not a list":     `{"items":{}}`,
		"not JSON":       `<html>`,
		"wrong type":     `{"items":[{"timestamp":3}]}`,
		"empty response": ``,
	} {
		t.Run(name, func(t *testing.T) {
			runReader(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
				f.responses["pods"] = pods
				defer r.Subscribe()()
				calls := f.advance(0)
				if len(calls.readings) != 0 || calls.lastStatus().Error.Reason != state.ReasonDisconnected {
					t.Errorf("got readings %v, status %+v; want none and Disconnected", calls.readings, calls.lastStatus())
				}
			})
		})
	}
}

func TestClusterWithoutPodsHasNoContainerSamples(t *testing.T) {
	runReader(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		f.responses["pods"] = `{"items":null}`
		defer r.Subscribe()()
		calls := f.advance(0)
		if len(calls.readings) != 1 || !maps.Equal(calls.readings[0], wantNodes) {
			t.Errorf("got readings %v, want %v", calls.readings, wantNodes)
		}
	})
}

func TestSectionError(t *testing.T) {
	pods := schema.GroupResource{Group: "metrics.k8s.io", Resource: "pods"}
	for _, c := range []struct {
		err          error
		reason, text string
	}{
		{apierrors.NewNotFound(pods, ""), state.ReasonUnavailable, "metrics.k8s.io is not served"},
		{apierrors.NewServiceUnavailable("no endpoints"), state.ReasonUnavailable, "metrics-server"},
		{apierrors.NewForbidden(pods, "", errors.New(`User "agent" cannot list`)), state.ReasonForbidden, `User "agent"`},
		{apierrors.NewUnauthorized("who are you"), state.ReasonUnauthorized, "credentials"},
		{errors.New("connection refused"), state.ReasonDisconnected, "connection refused"},
		{context.DeadlineExceeded, state.ReasonDisconnected, "deadline"},
	} {
		got := sectionError(fmt.Errorf("list pods of metrics.k8s.io: %w", c.err))
		if got.Reason != c.reason || !strings.Contains(got.Message, c.text) {
			t.Errorf("%v: got %+v, want reason %s and a message with %q", c.err, got, c.reason, c.text)
		}
	}
}

func TestReadNodesReadsNodesOnly(t *testing.T) {
	runReader(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		got, err := r.ReadNodes(t.Context())
		if err != nil || !maps.Equal(got, wantNodes) {
			t.Errorf("ReadNodes: got %v, %v; want %v", got, err, wantNodes)
		}
		if calls := f.advance(0); len(calls.requests) != 1 || len(calls.readings) != 0 {
			t.Errorf("got requests of %q and %d readings, want one request and no reading", calls.requests, len(calls.readings))
		}
	})
}

func TestReadNodesDoesNotWaitForHangingMetrics(t *testing.T) {
	runReader(t, func(t *testing.T, r *Reader, _ *fakeMetrics) {
		r.list = func(ctx context.Context, _ string) (io.ReadCloser, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		start := time.Now()
		if _, err := r.ReadNodes(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != nodesTimeout {
			t.Errorf("ReadNodes returned after %v with %v, want %v and DeadlineExceeded", time.Since(start), err, nodesTimeout)
		}
	})
}

func TestDisabledUsageIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var statuses []state.SectionStatus
		r := None{SetStatus: func(s state.SectionStatus) { statuses = append(statuses, s) }}
		defer r.Subscribe()()
		if _, err := r.ReadNodes(t.Context()); err == nil {
			t.Error("ReadNodes: got nil, want an error")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
		if len(statuses) != 1 || statuses[0].Error != disabled {
			t.Errorf("got statuses %+v, want one with Disabled", statuses)
		}
	})
}
