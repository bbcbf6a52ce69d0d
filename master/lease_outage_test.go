package master

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// outageLease is a Lease on a hub that may not answer. Two masters may share its record.
type outageLease struct {
	resourcelock.LeaseLock
	mu      sync.Mutex
	away    bool
	record  resourcelock.LeaderElectionRecord
	version string
}

var errAway = errors.New("the API server does not answer")

func (o *outageLease) Get(context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.away:
		return nil, nil, errAway
	case o.version == "":
		return nil, nil, apierrors.NewNotFound(schema.GroupResource{}, leaseName)
	}
	return new(o.record), []byte(o.version), nil
}

func (o *outageLease) Create(_ context.Context, record resourcelock.LeaderElectionRecord) error {
	return o.write(record)
}

func (o *outageLease) Update(_ context.Context, record resourcelock.LeaderElectionRecord) error {
	o.mu.Lock()
	taken := !o.away && o.record.HolderIdentity != "" && o.record.HolderIdentity != o.Identity() && record.HolderIdentity == o.Identity()
	o.mu.Unlock()
	if taken {
		return apierrors.NewConflict(schema.GroupResource{}, leaseName, nil)
	}
	return o.write(record)
}

func (o *outageLease) write(record resourcelock.LeaderElectionRecord) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away {
		return errAway
	}
	o.record, o.version = record, time.Now().String()+record.HolderIdentity
	return nil
}

// set makes the hub answer or not, and makes another master the holder if holder is not "".
func (o *outageLease) set(away bool, holder string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away = away; holder != "" {
		o.record.HolderIdentity, o.version = holder, holder
	}
}

// elect runs a leader election with a Lease, and returns a channel that is closed when it ends.
func elect(t *testing.T, l *lease) <-chan struct{} {
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: l, LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: 2 * time.Second, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) {}, OnStoppedLeading: func() {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		elector.Run(l.stop)
	}()
	return ended
}

// TestMasterLeadsWhileTheHubDoesNotAnswer checks that an outage of the hub ends only the writing of status, and that
// another holder ends the leadership.
func TestMasterLeadsWhileTheHubDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := &outageLease{LeaseLock: resourcelock.LeaseLock{LockConfig: resourcelock.ResourceLockConfig{Identity: "m-1"}}}
		l := &lease{Interface: hub, stop: t.Context(), log: slog.New(slog.DiscardHandler)}
		ended := elect(t, l)
		check := func(after time.Duration, leads, writes bool) {
			t.Helper()
			<-time.After(after)
			select {
			case <-ended:
				if leads {
					t.Fatal("the leadership was lost, want the master to lead")
				}
			default:
				if !leads {
					t.Fatal("the master leads, want the leadership to be lost")
				}
			}
			if got := l.mayWrite(""); got != writes {
				t.Errorf("mayWrite: got %t, want %t", got, writes)
			}
		}
		check(time.Second, true, true)
		hub.set(true, "")
		check(leaseDuration-4*time.Second, true, true)
		check(6*time.Second, true, false)
		check(5*time.Minute, true, false)
		hub.set(false, "")
		check(5*time.Second, true, true)
		hub.set(true, "m-2") // only this master cannot reach the hub, and another one takes the Lease
		check(time.Minute, true, false)
		hub.set(false, "")
		check(renewDeadline+5*time.Second, false, false)
	})
}

// TestStoppingMasterDoesNotWaitForTheHub stops a master while the hub does not answer.
func TestStoppingMasterDoesNotWaitForTheHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		hub := &outageLease{LeaseLock: resourcelock.LeaseLock{LockConfig: resourcelock.ResourceLockConfig{Identity: "m-1"}}}
		ended := elect(t, &lease{Interface: hub, stop: ctx, log: slog.New(slog.DiscardHandler)})
		<-time.After(time.Second)
		hub.set(true, "")
		<-time.After(time.Minute)
		stop()
		began := time.Now()
		<-ended
		if took := time.Since(began); took > 0 {
			t.Errorf("the election ended after %s, want at once", took)
		}
	})
}
