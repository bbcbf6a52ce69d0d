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
	// chaosHeals is how long healing may take. It takes one period, which the tests in
	// virtual time hold it to (test/history); here the machine may be busy.
	chaosHeals = 30 * time.Second
)

// chaos is a cluster behind a relay that breaks things, and the record of what its
// readers saw.
type chaos struct {
	t       *testing.T
	history *history.History
	agent   *stack.Agent
	master  *stack.Master
	relay   *fault.Relay
	working sync.WaitGroup
	done    context.Context
	end     context.CancelFunc
}

// TestReadersSeeOrderAndTheTruthThroughChaos changes a large cluster, breaks messages, cuts
// connections and kills agent and master while clients poll.
func TestReadersSeeOrderAndTheTruthThroughChaos(t *testing.T) {
	t.Parallel()
	changesLarge(t)
	c := newChaos(t)
	defer c.working.Wait()
	defer c.end()
	c.history.RequireHealing("chaos", chaosHeals)
	for _, pace := range []time.Duration{300 * time.Millisecond, 700 * time.Millisecond} {
		c.working.Go(func() { c.read(fmt.Sprintf("GET every %s", pace), pace) })
	}
	c.working.Go(c.mutate)
	kube.Eventually(t, 20*time.Second, c.answers(time.Time{}))

	c.relay.SetPlan(fault.Random(1, 8, fault.Duplicate, fault.Truncate, fault.Delay, fault.CutMaster, fault.CutAgent, fault.CutHalfway))
	c.wait(3 * time.Second)
	c.agent.Kill()
	c.wait(time.Second)
	c.must(c.agent.Start(t.Context()))
	c.wait(4 * time.Second)
	c.relay.SetPlan(nil)

	// A new process knows nothing of the failures, and so waits for nothing.
	c.master.Kill()
	c.must(c.master.Start(t.Context()))
	kube.Eventually(t, 20*time.Second, c.answers(time.Now()))
	c.wait(chaosPeriod)
	if n := c.relay.Cut(); n != 1 {
		t.Errorf("%d connections were open, want one", n)
	}
	cut := time.Now()
	c.history.Fault("chaos", "the last cut", cut)
	kube.Eventually(t, chaosHeals, c.answers(cut))
	c.wait(chaosPeriod) // so that each reader comes to see it

	c.end()
	c.working.Wait()
	kube.Eventually(t, 2*time.Minute, c.equalsTheCluster)
	c.history.Check()
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	hub, master := ownHub(t)
	a, err := world.stack.StartAgent(t.Context(), world.large, "chaos", "--channel-binding=off")
	if err != nil {
		t.Fatal(err)
	}
	c := &chaos{t: t, history: history.New(t), agent: a, master: master}
	c.done, c.end = context.WithCancel(context.Background())
	c.relay, err = fault.New(fault.Config{Agent: a.Endpoint, TLS: true, OnInjected: func(f fault.Injected) {
		c.history.Annotate("chaos", f.String(), f.At)
	}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.relay.Run(context.Background()) }()
	t.Cleanup(func() {
		c.relay.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	behind := *a
	behind.Endpoint, behind.Pin = c.relay.Endpoint(), c.relay.Pin()
	_, err = hub.KubectlInput(behind.Manifest("requestPeriod: 2s, cacheTTL: 5s, sessionDuration: 1m"), "apply", "-f", "-")
	c.must(err)
	return c
}

func (c *chaos) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *chaos) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.t.Context().Done():
	}
}

// mutate changes the cluster until the end.
func (c *chaos) mutate() {
	for seed := uint64(100); c.done.Err() == nil; seed++ {
		if err := kube.Mutate(c.done, world.large, 3, seed); err != nil && c.done.Err() == nil {
			c.t.Error(err)
			return
		}
	}
}

// read polls until the end. That nobody answers now and then is expected.
func (c *chaos) read(who string, pace time.Duration) {
	r := c.history.Reader(who)
	for {
		select {
		case <-c.done.Done():
			return
		case <-time.After(pace):
		}
		answer, err := c.master.Get(c.done, "/api/v1/clusters/chaos?timeout=1s")
		if err != nil || answer.Status != http.StatusOK {
			continue
		}
		var d document
		if err := answer.Decode(&d); err != nil {
			c.t.Error(err)
			return
		}
		r.RecordDocument("chaos", d.ResourceVersion, c.content(answer), d.ReceivedAt)
	}
}

// content returns the part of a body that must not change under one resourceVersion.
func (c *chaos) content(answer *stack.Response) string {
	var all struct {
		Nodes, Pods, Containers, Ports json.RawMessage
		Sections                       []section
	}
	if err := answer.Decode(&all); err != nil {
		c.t.Error(err)
	}
	var errs string
	for _, s := range all.Sections {
		errs += fmt.Sprintf(" %s %v", s.Name, s.Error)
	}
	return errs + string(all.Nodes) + string(all.Pods) + string(all.Containers) + string(all.Ports)
}

// answers returns a check that fails until there is a response received after a time.
func (c *chaos) answers(after time.Time) func() error {
	return func() error {
		d, err := tryAsk(c.t.Context(), c.master, "/api/v1/clusters/chaos?timeout=1s")
		if err == nil && !d.ReceivedAt.After(after) {
			err = fmt.Errorf("the last report came at %s", d.ReceivedAt)
		}
		return err
	}
}

func (c *chaos) equalsTheCluster() error {
	want, err := clusterFacts(c.t.Context())
	if err != nil {
		return err
	}
	d, err := tryAsk(c.t.Context(), c.master, "/api/v1/clusters/chaos")
	if err != nil {
		return err
	}
	return reportedFacts(d).difference(want)
}
