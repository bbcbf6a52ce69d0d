package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const reconnectGoal = 5000 // bytes

// measureReconnect cuts a connection, changes pods, and measures the first flush of the resumed session.
func measureReconnect(ctx context.Context, env *environment) (rows []row, err error) {
	p, err := env.regular(ctx)
	if err != nil {
		return nil, err
	}
	s, err := env.openSession(ctx, p, "cut", "--usage-period", env.sizes.sample.String())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.closeAll(ctx)) }()
	_, base := s.session.progress()
	s.forwarder.cut()
	mended := time.Now().Add(env.sizes.cutTime)
	s.session.close()
	pods := shuffled(p.running(func(pod *corev1.Pod) bool { return pod.Labels["app"] != wideApp }))
	if _, err := toggleAll(ctx, p.Cluster, pods[:env.sizes.cutChanges], float64(env.sizes.cutChanges)/env.sizes.cutTime.Seconds()*2); err != nil {
		return nil, err
	}
	if err := sleep(ctx, time.Until(mended)); err != nil {
		return nil, err
	}
	s.forwarder.restore()
	before := s.forwarder.down.Load()
	if s.session, err = dial(ctx, s.agent, s.forwarder, env.sizes.period, base); err != nil {
		return nil, err
	}
	if _, err := s.session.waitFlush(ctx, 0, anyFlush); err != nil {
		return nil, err
	}
	first := s.session.flushRange(0, 1)[0]
	bytes := first.down - before
	return []row{goalRow("reconnect.bytes", fmt.Sprintf("reconnect after a cut of %s, %d changes meanwhile, %s pods", env.sizes.cutTime, env.sizes.cutChanges, thousands(len(p.pods))),
		"≤ 5 kB", bytes <= reconnectGoal,
		"%s to the master, TLS handshake included: snapshot %d, delta %d (%d objects), usage %d", inBytes(float64(bytes)), first.snapshot, first.delta, len(first.changed), first.usage)}, nil
}
