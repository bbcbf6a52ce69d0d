package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/test/fault"
	"rollcall.dev/rollcall/test/history"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

const (
	// chaosPeriod is the request period.
	chaosPeriod = 2 * time.Second
	// chaosHeals is the timeout for healing. Healing takes one period, which the tests in
	// virtual time verify (test/history); here the machine may be busy.
	chaosHeals = 30 * time.Second
)

// chaos is a cluster behind a relay that injects faults, with the history of what its readers got.
type chaos struct {
	t       *testing.T
	history *history.History
	agent   *stack.Agent
	master  *stack.Master
	relay   *fault.Relay
	readers sync.WaitGroup
	// done ends when end is called.
	done context.Context
	end  context.CancelFunc
}

// TestReadersSeeConsistentDataDuringFaults changes a large cluster, injects faults into messages, cuts
// connections and kills agent and master while clients poll.
func TestReadersSeeConsistentDataDuringFaults(t *testing.T) {
	t.Parallel()
	lockLarge(t)
	c := newChaos(t)
	defer c.readers.Wait()
	defer c.end()
	c.history.RequireHealing("chaos", chaosHeals)
	for _, pace := range []time.Duration{300 * time.Millisecond, 700 * time.Millisecond} {
		c.readers.Go(func() { c.read(fmt.Sprintf("GET every %s", pace), pace) })
	}
	c.readers.Go(c.mutate)
	kube.Eventually(t, 20*time.Second, c.servesReportAfter(time.Time{}))

	c.relay.SetPlan(fault.Random(1, 8, fault.Duplicate, fault.Truncate, fault.Delay, fault.CutMaster, fault.CutAgent, fault.CutHalfway))
	c.wait(3 * time.Second)
	c.agent.Kill()
	c.wait(time.Second)
	c.must(c.agent.Start(t.Context()))
	c.wait(4 * time.Second)
	c.relay.SetPlan(nil)

	// A new master has no backoff from earlier failures.
	c.master.Kill()
	c.must(c.master.Start(t.Context()))
	kube.Eventually(t, 20*time.Second, c.servesReportAfter(time.Now()))
	c.wait(chaosPeriod)
	if n := c.relay.Cut(); n != 1 {
		t.Errorf("Cut: got %d open connections, want 1", n)
	}
	cut := time.Now()
	c.history.Fault("chaos", "the last cut", cut)
	kube.Eventually(t, chaosHeals, c.servesReportAfter(cut))
	c.wait(chaosPeriod) // until each reader has polled again

	c.end()
	c.readers.Wait()
	kube.Eventually(t, 2*time.Minute, c.equalsCluster)
	c.history.Check()
}

// newChaos starts a hub, a master, an agent and a relay between them.
func newChaos(t *testing.T) *chaos {
	t.Helper()
	hub, master := startHub(t)
	a, err := env.stack.StartAgent(t.Context(), env.large, "chaos", "--channel-binding=off")
	if err != nil {
		t.Fatal(err)
	}
	c := &chaos{t: t, history: history.New(t), agent: a, master: master}
	c.done, c.end = context.WithCancel(context.Background())
	c.relay = startRelay(t, fault.Config{Agent: a.Endpoint, TLS: true, OnInjected: func(f fault.Injected) {
		c.history.Annotate("chaos", f.String(), f.At)
	}})
	behind := *a
	behind.Endpoint, behind.Pin = c.relay.Endpoint(), c.relay.Pin()
	_, err = hub.KubectlInput(behind.Manifest("requestPeriod: 2s, cacheTTL: 5s, sessionDuration: 1m"), "apply", "-f", "-")
	c.must(err)
	return c
}

// must fails the test if err is not nil.
func (c *chaos) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// wait waits for a duration, or until the test is stopped.
func (c *chaos) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.t.Context().Done():
	}
}

// mutate makes changes to the cluster until end is called.
func (c *chaos) mutate() {
	for seed := uint64(100); c.done.Err() == nil; seed++ {
		if err := kube.Mutate(c.done, env.large, 3, seed); err != nil && c.done.Err() == nil {
			c.t.Error(err)
			return
		}
	}
}

// read polls until end is called. Failed requests are expected.
func (c *chaos) read(who string, pace time.Duration) {
	r := c.history.Reader(who)
	for {
		select {
		case <-c.done.Done():
			return
		case <-time.After(pace):
		}
		response, err := c.master.Get(c.done, "/api/v1/clusters/chaos?timeout=1s")
		if err != nil || response.Status != http.StatusOK {
			continue
		}
		var d document
		if err := response.Decode(&d); err != nil {
			c.t.Error(err)
			return
		}
		r.RecordDocument("chaos", d.ResourceVersion, c.content(response), d.ReceivedAt)
	}
}

// content returns the part of a body that must not change under one resourceVersion.
func (c *chaos) content(response *stack.Response) string {
	var all struct {
		Nodes, Pods, Containers, Ports json.RawMessage
		Sections                       []section
	}
	if err := response.Decode(&all); err != nil {
		c.t.Error(err)
	}
	var errs string
	for _, s := range all.Sections {
		errs += fmt.Sprintf(" %s %v", s.Name, s.Error)
	}
	return errs + string(all.Nodes) + string(all.Pods) + string(all.Containers) + string(all.Ports)
}

// servesReportAfter returns a check that fails until the master serves a report that it received after the given time.
func (c *chaos) servesReportAfter(after time.Time) func() error {
	return func() error {
		d, err := tryGetCluster(c.t.Context(), c.master, "/api/v1/clusters/chaos?timeout=1s")
		if err == nil && !d.ReceivedAt.After(after) {
			err = fmt.Errorf("the last report was received at %s", d.ReceivedAt)
		}
		return err
	}
}

// equalsCluster returns an error unless the master serves the present state of the cluster.
func (c *chaos) equalsCluster() error {
	want, err := clusterFacts(c.t.Context())
	if err != nil {
		return err
	}
	d, err := tryGetCluster(c.t.Context(), c.master, "/api/v1/clusters/chaos")
	if err != nil {
		return err
	}
	return reportedFacts(d).difference(want)
}
