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

func at(clock string) state.Time {
	t, err := time.Parse(time.RFC3339, "2026-01-01T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return state.TimeOf(t)
}

var (
	wantNodes = state.Sample{
		{Kind: state.KindNode, Name: "n1"}: {CPUMillis: 2, MemoryBytes: 1 << 20, SampledAt: at("10:00:00")},
		{Kind: state.KindNode, Name: "n2"}: {CPUMillis: 2000, MemoryBytes: 1 << 30, SampledAt: at("10:00:05")},
	}
	wantContainers = state.Sample{
		{Kind: state.KindContainer, Namespace: "default", Name: "web-1", Sub: "app"}:  {SampledAt: at("10:00:07")},
		{Kind: state.KindContainer, Namespace: "default", Name: "web-1", Sub: "mesh"}: {CPUMillis: 1, MemoryBytes: 128974848, SampledAt: at("10:00:07")},
	}
)

// fakeMetrics is a fake metrics.k8s.io that records requests and what a Reader passes on.
type fakeMetrics struct {
	mu      sync.Mutex
	answers map[string]string
	err     error
	// refusals maps resources to errors.
	refusals map[string]error
	seen     seen
}

// seen records the requests and calls so far.
type seen struct {
	asked   []string
	samples []state.Sample
	reports []state.SectionStatus
}

func (s seen) last() state.SectionStatus { return s.reports[len(s.reports)-1] }

func newFakeMetrics() *fakeMetrics {
	return &fakeMetrics{answers: map[string]string{"nodes": nodesJSON, "pods": podsJSON}}
}

func (f *fakeMetrics) list(ctx context.Context, resource string) (io.ReadCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen.asked = append(f.seen.asked, resource)
	if f.err != nil {
		return nil, f.err
	}
	if err := f.refusals[resource]; err != nil {
		return nil, err
	}
	return io.NopCloser(strings.NewReader(f.answers[resource])), ctx.Err()
}

func (f *fakeMetrics) sink(s state.Sample) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen.samples = append(f.seen.samples, s)
}

func (f *fakeMetrics) report(r state.SectionStatus) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen.reports = append(f.seen.reports, r)
}

// answer makes the server fail with err; nil makes it answer.
func (f *fakeMetrics) answer(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// after advances virtual time and returns what was seen until then.
func (f *fakeMetrics) after(d time.Duration) seen {
	<-time.After(d)
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// reading runs test with a Reader of fake metrics in a synctest bubble.
func reading(t *testing.T, test func(t *testing.T, r *Reader, f *fakeMetrics)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFakeMetrics()
		r := &Reader{list: f.list, closeIdle: func() {}, wake: make(chan struct{}, 1), cfg: Config{
			Period: 15 * time.Second,
			Sink:   f.sink,
			Report: f.report,
			Log:    slog.New(slog.DiscardHandler),
		}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- r.Run(ctx) }()
		synctest.Wait()
		test(t, r, f)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
}

func TestNothingIsReadWithoutSubscribers(t *testing.T) {
	reading(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		saw := f.after(time.Hour)
		if len(saw.asked) > 0 {
			t.Errorf("asked for %q", saw.asked)
		}
		if len(saw.reports) != 1 || saw.last().Error != pending {
			t.Errorf("reports %+v, want one that says pending", saw.reports)
		}
	})
}

func TestSubscribedReaderReadsAtOnceAndEveryPeriod(t *testing.T) {
	reading(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		release := r.Subscribe()
		saw := f.after(0)
		want := maps.Clone(wantNodes)
		maps.Copy(want, wantContainers)
		if len(saw.samples) != 1 || !maps.Equal(saw.samples[0], want) {
			t.Fatalf("samples %v, want %v at once", saw.samples, want)
		}
		if got, want := saw.last(), (state.SectionStatus{ObservedAt: time.Now()}); got != want {
			t.Errorf("report %+v, want %+v", got, want)
		}

		alsoRelease := r.Subscribe()
		saw = f.after(time.Minute)
		if got, want := fmt.Sprint(saw.asked), "[nodes pods nodes pods nodes pods nodes pods nodes pods]"; got != want {
			t.Errorf("asked for %s in a minute, want %s", got, want)
		}
		release()
		release()
		saw = f.after(15 * time.Second)
		if len(saw.samples) != 6 {
			t.Errorf("%d samples after one of two released, want 6", len(saw.samples))
		}
		alsoRelease()
		saw = f.after(time.Hour)
		if len(saw.samples) != 6 {
			t.Errorf("%d samples after all released, want 6", len(saw.samples))
		}
	})
}

func TestNewSubscriberUsesReadingYoungerThanPeriod(t *testing.T) {
	reading(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		r.Subscribe()()
		saw := f.after(0)
		if len(saw.samples) != 0 {
			t.Fatalf("%d samples though the subscriber was gone at once", len(saw.samples))
		}
		release := r.Subscribe()
		f.after(5 * time.Second)
		release()
		release = r.Subscribe()
		saw = f.after(10*time.Second - 1)
		if len(saw.samples) != 1 {
			t.Errorf("%d samples within a period, want 1", len(saw.samples))
		}
		saw = f.after(1)
		if len(saw.samples) != 2 {
			t.Errorf("%d samples after a period, want 2", len(saw.samples))
		}
		release()
		f.after(time.Hour)
		defer r.Subscribe()()
		saw = f.after(0)
		if len(saw.samples) != 3 {
			t.Errorf("%d samples after a pause, want one at once", len(saw.samples))
		}
	})
}

func TestFailedReadingKeepsLastReadingAndItsAge(t *testing.T) {
	reading(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		defer r.Subscribe()()
		f.after(0)
		read := time.Now()
		f.answer(apierrors.NewServiceUnavailable("the server is currently unable to handle the request"))
		saw := f.after(31 * time.Second)
		if len(saw.samples) != 1 {
			t.Errorf("%d samples, want only the one that was read", len(saw.samples))
		}
		if got := saw.last(); got.Live || !got.ObservedAt.Equal(read) || got.Error.Reason != reasonUnavailable {
			t.Errorf("report %+v, want unavailable, observed %v", got, read)
		}
		f.answer(nil)
		saw = f.after(15 * time.Second)
		if got := saw.last(); got.Error != (state.SectionError{}) || len(saw.samples) != 2 {
			t.Errorf("report %+v and %d samples once it is back", got, len(saw.samples))
		}
	})
}

func TestTruncatedReadingIsDropped(t *testing.T) {
	for name, pods := range map[string]string{
		"cut off":      podsJSON[:200],
		"not a list":   `{"items":{}}`,
		"not JSON":     `<html>`,
		"wrong type":   `{"items":[{"timestamp":3}]}`,
		"empty answer": ``,
	} {
		t.Run(name, func(t *testing.T) {
			reading(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
				f.answers["pods"] = pods
				defer r.Subscribe()()
				saw := f.after(0)
				if len(saw.samples) != 0 || saw.last().Error.Reason != reasonDisconnected {
					t.Errorf("samples %v, report %+v; want none and an error", saw.samples, saw.last())
				}
			})
		})
	}
}

func TestClusterWithoutPodsHasNoContainerSamples(t *testing.T) {
	reading(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		f.answers["pods"] = `{"items":null}`
		defer r.Subscribe()()
		saw := f.after(0)
		if len(saw.samples) != 1 || !maps.Equal(saw.samples[0], wantNodes) {
			t.Errorf("samples %v, want %v", saw.samples, wantNodes)
		}
	})
}

func TestErrorsSayWhatToDo(t *testing.T) {
	pods := schema.GroupResource{Group: "metrics.k8s.io", Resource: "pods"}
	for _, c := range []struct {
		err           error
		reason, words string
	}{
		{apierrors.NewNotFound(pods, ""), reasonUnavailable, "metrics.k8s.io is not served"},
		{apierrors.NewServiceUnavailable("no endpoints"), reasonUnavailable, "metrics-server"},
		{apierrors.NewForbidden(pods, "", errors.New(`User "agent" cannot list`)), reasonForbidden, `User "agent"`},
		{apierrors.NewUnauthorized("who are you"), reasonUnauthorized, "credentials"},
		{errors.New("connection refused"), reasonDisconnected, "connection refused"},
		{context.DeadlineExceeded, reasonDisconnected, "deadline"},
	} {
		got := sectionError(fmt.Errorf("list pods of metrics.k8s.io: %w", c.err))
		if got.Reason != c.reason || !strings.Contains(got.Message, c.words) {
			t.Errorf("%v is told as %+v, want reason %s and the words %q", c.err, got, c.reason, c.words)
		}
	}
}

func TestReadNodesReadsNodesOnly(t *testing.T) {
	reading(t, func(t *testing.T, r *Reader, f *fakeMetrics) {
		got, err := r.ReadNodes(t.Context())
		if err != nil || !maps.Equal(got, wantNodes) {
			t.Errorf("read %v, %v; want %v", got, err, wantNodes)
		}
		if saw := f.after(0); len(saw.asked) != 1 || len(saw.samples) != 0 {
			t.Errorf("asked for %q and told %d samples, want one question and nothing told", saw.asked, len(saw.samples))
		}
	})
}

func TestReadNodesDoesNotWaitForHangingMetrics(t *testing.T) {
	reading(t, func(t *testing.T, r *Reader, _ *fakeMetrics) {
		r.list = func(ctx context.Context, _ string) (io.ReadCloser, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		start := time.Now()
		if _, err := r.ReadNodes(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != nodesTimeout {
			t.Errorf("ended after %v with %v, want %v and a deadline", time.Since(start), err, nodesTimeout)
		}
	})
}

func TestDisabledUsageIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports []state.SectionStatus
		r, err := New(Config{Report: func(s state.SectionStatus) { reports = append(reports, s) }, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Subscribe()()
		if _, err := r.ReadNodes(t.Context()); err == nil {
			t.Error("ReadNodes succeeded")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
		if len(reports) != 1 || reports[0].Error != disabled {
			t.Errorf("reports %+v, want one that says disabled", reports)
		}
	})
}
