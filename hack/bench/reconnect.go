package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const reconnectGoal = 5000 // bytes

// measureReconnect cuts a connection and resumes the session from what is held.
func measureReconnect(ctx context.Context, w *world) (rows []row, err error) {
	p, err := w.regular(ctx)
	if err != nil {
		return nil, err
	}
	s, err := w.openSession(ctx, p, "cut", "--usage-period", w.sizes.sample.String())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.end(ctx)) }()
	_, held := s.session.at()
	s.forwarder.cut()
	mended := time.Now().Add(w.sizes.cut)
	s.session.close()
	pods := shuffled(p.running(func(pod *corev1.Pod) bool { return pod.Labels["app"] != wideApp }))
	if _, err := changeAll(ctx, p.Cluster, pods[:w.sizes.cutChanges], float64(w.sizes.cutChanges)/w.sizes.cut.Seconds()*2); err != nil {
		return nil, err
	}
	if err := sleep(ctx, time.Until(mended)); err != nil {
		return nil, err
	}
	s.forwarder.mend()
	before := s.forwarder.down.Load()
	if s.session, err = dial(ctx, s.agent, s.forwarder, w.sizes.period, held); err != nil {
		return nil, err
	}
	if _, err := s.session.await(ctx, 0, anyFlush); err != nil {
		return nil, err
	}
	first := s.session.between(0, 1)[0]
	bytes := first.down - before
	return []row{goal("reconnect.bytes", fmt.Sprintf("reconnect after a cut of %s, %d changes meanwhile, %s pods", w.sizes.cut, w.sizes.cutChanges, thousands(len(p.pods))),
		"≤ 5 kB", bytes <= reconnectGoal,
		"%s to the master, TLS handshake included: snapshot %d, delta %d (%d objects), usage %d", inBytes(float64(bytes)), first.snapshot, first.delta, len(first.changed), first.usage)}, nil
}
