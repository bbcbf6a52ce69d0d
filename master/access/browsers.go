package access

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"

	"rollcall.dev/rollcall/master/httpapi"
)

const (
	// idleSession is for how long a browser may ask for nothing, longestSession how long
	// it is signed in at most; its token may expire long before.
	idleSession, longestSession = time.Hour, 12 * time.Hour
	// maxSessions are remembered, maxOfOne of them of one user: who signs in too often
	// signs out where they were longest ago, and nobody else.
	maxSessions, maxOfOne = 4096, 16
)

// browsers are those that signed in. Their cookies are random and tell nothing; each
// stands for a token, which stays here and is reviewed like one that is sent: whose
// token has expired, or was revoked, is signed out. They are lost with the process.
type browsers struct {
	tokens authenticator.Token
	now    func() time.Time

	mu  sync.Mutex
	all map[[sha256.Size]byte]*browser // by the hash of the cookie's secret
}

type browser struct {
	token, user string
	began, used time.Time
}

func (b *browser) over(now time.Time) bool {
	return now.Sub(b.used) >= idleSession || now.Sub(b.began) >= longestSession
}

func newBrowsers(tokens authenticator.Token) *browsers {
	return &browsers{tokens: tokens, now: time.Now, all: map[[sha256.Size]byte]*browser{}}
}

// keyOf is what a secret is found by. Looking for a hash tells nothing of how near a
// guess came.
func keyOf(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

// begin remembers the token of a user, and gives the secret that stands for it.
func (b *browsers) begin(token, user string) (secret string) {
	secret = rand.Text() + rand.Text()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.makeRoom(user)
	now := b.now()
	b.all[keyOf(secret)] = &browser{token: token, user: user, began: now, used: now}
	return secret
}

// makeRoom forgets what is over, and then what has too many beside it.
func (b *browsers) makeRoom(user string) {
	now, mine := b.now(), 0
	for key, one := range b.all {
		switch {
		case one.over(now):
			delete(b.all, key)
		case one.user == user:
			mine++
		}
	}
	if mine >= maxOfOne {
		b.forgetOldest(func(one *browser) bool { return one.user == user })
	}
	if len(b.all) >= maxSessions {
		b.forgetOldest(func(*browser) bool { return true })
	}
}

// forgetOldest forgets the one that was not used for longest, among some.
func (b *browsers) forgetOldest(among func(*browser) bool) {
	var oldest [sha256.Size]byte
	var used time.Time
	for key, one := range b.all {
		if among(one) && (used.IsZero() || one.used.Before(used)) {
			oldest, used = key, one.used
		}
	}
	delete(b.all, oldest)
}

// end forgets a secret.
func (b *browsers) end(secret string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.all, keyOf(secret))
}

// tokenOf is the token that a secret stands for, if it still does; it has been used now.
func (b *browsers) tokenOf(secret string) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one, now := b.all[keyOf(secret)], b.now()
	if one == nil || one.over(now) {
		return "", false
	}
	one.used = now
	return one.token, true
}

// AuthenticateRequest implements authenticator.Request. What a request shows besides a
// cookie goes before it, accepted or not.
func (b *browsers) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	secret := httpapi.Secret(r)
	if secret == "" || r.Header.Get("Authorization") != "" {
		return nil, false, nil
	}
	token, ok := b.tokenOf(secret)
	if !ok {
		return nil, false, nil
	}
	who, ok, err := b.tokens.AuthenticateToken(r.Context(), token)
	if err == nil && !ok {
		b.end(secret)
	}
	return who, ok, err
}

// SignIn is httpapi.SignIn.
func (g *Guard) SignIn() httpapi.SignIn {
	return httpapi.SignIn{Begin: g.begin, End: g.browsers.end, Who: g.who}
}

// begin signs a browser in by a token that the hub accepts.
func (g *Guard) begin(r *http.Request, token string) (secret, user string, err error) {
	who, ok, err := g.browsers.tokens.AuthenticateToken(g.withAddress(r), token)
	switch {
	case errors.Is(err, httpapi.ErrTooMany):
		return "", "", err
	case errors.Is(err, httpapi.ErrUndecided):
		return "", "", errNoAnswer
	case err != nil || !ok:
		return "", "", fmt.Errorf("%w: the hub does not accept this token: it may have expired, be of another cluster or meant for another audience", httpapi.ErrUnauthenticated)
	}
	user = who.User.GetName()
	return g.browsers.begin(token, user), user, nil
}

// who says whose request it is.
func (g *Guard) who(r *http.Request) (string, error) {
	who, err := g.identify(r)
	if err != nil {
		return "", err
	}
	return who.User.GetName(), nil
}
