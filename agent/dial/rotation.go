package dial

import (
	"context"
	"crypto"
	"errors"
	"time"

	"github.com/coder/websocket"

	"rollcall.dev/rollcall/api/link"
)

const (
	// announcePeriod is the time between two announcements of a next key that the hub has not accepted. A master takes an
	// agent that replaces its link more than three times a minute for two agents with one key.
	announcePeriod = 40 * time.Second
	// replacedTimeout limits the time until the master closes a link that was replaced.
	replacedTimeout = 5 * time.Second
)

// errKeyChanged ends waiting on a link that has to be replaced, since the agent's key or next key is another one.
var errKeyChanged = errors.New("the agent's key changed")

// nextKey returns the key that is to replace the agent's key, or nil.
func (d *Dialer) nextKey() crypto.Signer {
	if d.cfg.NextKey == nil {
		return nil
	}
	return d.cfg.NextKey()
}

// watchKey cancels waiting on an idle link with errKeyChanged when the link has to be replaced. end must be called when
// the waiting has ended.
func (d *Dialer) watchKey(ctx context.Context, cancel context.CancelCauseFunc) (end func()) {
	var due <-chan time.Time
	if !d.replaceAt.IsZero() {
		due = time.After(time.Until(d.replaceAt))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-d.cfg.KeyChanged:
		case <-due:
		case <-ctx.Done():
			return
		}
		d.replaceAt = time.Now() // also if the master began a summary at the same time
		cancel(errKeyChanged)
	}()
	return func() {
		cancel(nil)
		<-ended
	}
}

// handleKeyAnswer handles what a master has answered to a next key, which may be nil.
func (d *Dialer) handleKeyAnswer(next crypto.Signer, peer *link.Peer) {
	d.replaceAt = time.Time{}
	switch {
	case next == nil:
	case peer.NextKeyAccepted:
		d.cfg.OnNextKeyAccepted(next)
	default:
		d.replaceAt = time.Now().Add(announcePeriod)
		d.cfg.Log.Warn("the hub does not accept the agent's next key yet; the agent keeps its key and tries again", "error", peer.NextKeyRefusal)
	}
}

// replace opens another link in place of an idle one, so that the cluster always has one, and returns it. If that
// fails, it returns the older link.
func (d *Dialer) replace(ctx context.Context, older *idleLink) *idleLink {
	newer, err := d.connect(ctx)
	if err != nil {
		d.logFailure(err)
		d.replaceAt = time.Now().Add(announcePeriod)
		return older
	}
	d.sessions.Go(func() {
		// The master closes the older link, unless it had just begun something on it.
		ctx, cancel := context.WithTimeout(ctx, replacedTimeout)
		defer cancel()
		if _, err := link.AwaitBegin(ctx, textConn{older.conn}); err == nil && !d.cfg.Serve(older.conn, older.masterID, older.channel) {
			return
		}
		_ = older.conn.Close(websocket.StatusNormalClosure, "")
	})
	return newer
}
