package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/agent/simulated"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/test/load"
)

const (
	// lastPort is the highest port below those that the kernel uses for outgoing connections.
	lastPort = 32767
	// drainTime is the timeout for ending all sessions.
	drainTime = 5 * time.Second
)

// fleet has all agents.
type fleet struct {
	config config
	agents []*agent
	// certificate is the certificate of all agents; nil means plain ws.
	certificate *tls.Config
	pin         string
}

// run creates a fleet and serves it until ctx ends.
func run(ctx context.Context, c config, out io.Writer) error {
	if err := c.validate(); err != nil {
		return err
	}
	f, err := newFleet(ctx, c)
	if err != nil {
		return err
	}
	if c.registry != "" {
		if err := f.writeRegistry(c.registry); err != nil {
			return err
		}
	}
	where := "at " + f.agents[0].endpoint() + " to " + f.agents[len(f.agents)-1].endpoint()
	if c.hub.address != "" {
		where = "that dial " + c.hub.address
	}
	fmt.Fprintf(out, "serving %d agents of %d containers %s\n", len(f.agents), c.containers, where)
	return f.serve(ctx)
}

// validate returns an error that names the invalid flag.
func (c config) validate() error {
	switch {
	case c.agents < 1 || c.containers < 1 || c.nodes < 1:
		return errors.New("--agents, --containers and --nodes must be at least 1")
	case c.firstPort < 0 || c.firstPort > 0 && c.firstPort+c.agents-1 > lastPort:
		return fmt.Errorf("--first-port %d with %d agents needs ports above %d", c.firstPort, c.agents, lastPort)
	case c.usagePeriod <= 0 || c.changes < 0:
		return errors.New("--usage-period must be positive, and --changes-per-second not negative")
	}
	return errors.Join(c.hub.validate(), c.reporting.validate())
}

// newFleet creates all agents and opens their ports.
func newFleet(ctx context.Context, c config) (*fleet, error) {
	f := &fleet{config: c}
	if c.tls {
		if err := f.certify(); err != nil {
			return nil, err
		}
	}
	var masterKeys []ed25519.PublicKey
	if c.hub.address != "" {
		var err error
		if masterKeys, err = token.ReadPublicKeys(c.hub.publicKeyFile); err != nil {
			return nil, fmt.Errorf("read --master-public-key-file: %w", err)
		}
	}
	catalog, usage := newCatalog(c.seed), load.New(c.usage, c.seed)
	for i := range c.agents {
		name := fmt.Sprintf("%s%05d", c.prefix, i)
		phase := c.usagePeriod * time.Duration(i) / time.Duration(c.agents)
		a := newAgent(name, newCluster(catalog, rand.New(rand.NewPCG(c.seed, uint64(i))), c.nodes, c.containers), usage, c.usagePeriod, phase, masterKeys)
		if err := f.connect(ctx, a, i); err != nil {
			return nil, errors.Join(err, f.close(ctx))
		}
		f.agents = append(f.agents, a)
	}
	return f, nil
}

// connect opens the port of the i-th agent, or makes it dial the hub.
func (f *fleet) connect(ctx context.Context, a *agent, i int) error {
	if f.config.hub.address != "" {
		return a.dialHub(f.config)
	}
	a.pin = f.pin
	return a.listen(ctx, f.config.port(i), f.certificate)
}

// newCluster returns a cluster with applications of the catalog, all of them ready.
func newCluster(catalog []simulated.App, random *rand.Rand, nodes, containers int) *simulated.Cluster {
	return simulated.NewCluster(simulated.ClusterOptions{Apps: catalog, Nodes: nodes, Containers: containers, CreatedAfter: oldestCreation, Random: random})
}

// port returns the port of the i-th agent; 0 means any free port.
func (c config) port(i int) int {
	if c.firstPort == 0 {
		return 0
	}
	return c.firstPort + i
}

// certify creates the self-signed certificate of all agents.
func (f *fleet) certify() error {
	pair, err := tlsfiles.SelfSigned("fleet", []string{"127.0.0.1"}, 365*24*time.Hour)
	if err != nil {
		return err
	}
	certificate, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return fmt.Errorf("load the fleet's certificate: %w", err)
	}
	f.pin = tlsfiles.Pin(certificate.Leaf)
	f.certificate = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}
	return nil
}

// serve runs all agents until ctx ends. It ends all sessions before it returns.
func (f *fleet) serve(ctx context.Context) error {
	// The agents' work continues until their sessions have ended.
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, working := errgroup.WithContext(background)
	serving, stopServing := context.WithCancel(working)
	defer stopServing()
	for _, a := range f.agents {
		group.Go(func() error { return a.Run(working) })
		group.Go(func() error { return a.serve(serving) })
	}
	if f.config.changes > 0 {
		group.Go(func() error { return f.changeContainers(working) })
	}
	select {
	case <-ctx.Done():
	case <-working.Done():
	}
	stopServing()
	err := f.close(background)
	stop()
	return errors.Join(err, group.Wait())
}

// changeContainers toggles the readiness of containers of random agents until ctx ends.
func (f *fleet) changeContainers(ctx context.Context) error {
	random := rand.New(rand.NewPCG(f.config.seed, ^uint64(0)))
	tick := time.NewTicker(time.Duration(float64(time.Second) / f.config.changes))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a := f.agents[random.IntN(len(f.agents))]
			a.Update(state.Changes{Upserts: []state.Object{a.cluster.ToggleReadiness(random)}})
		case <-ctx.Done():
			return nil
		}
	}
}

// close ends all sessions and closes all ports, within drainTime.
func (f *fleet) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	var group errgroup.Group
	for _, a := range f.agents {
		group.Go(func() error { return a.close(ctx) })
	}
	return group.Wait()
}

// manifests returns the ClusterAgents of the fleet as YAML.
func (f *fleet) manifests() string {
	var all strings.Builder
	for _, a := range f.agents {
		all.WriteString(manifest(a.name, a.endpoint(), a.pin, f.config.reporting))
	}
	return all.String()
}
