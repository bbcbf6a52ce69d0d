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
	"rollcall.dev/rollcall/master/httpapi/signin"
)

const (
	// idleTimeout ends a login session that is not used, maxLifetime any session. The token
	// can expire earlier.
	idleTimeout, maxLifetime = time.Hour, 12 * time.Hour
	// maxLogins limits all login sessions, maxLoginsPerUser those of one user. If one of the
	// limits is reached, the session that was used least recently ends.
	maxLogins, maxLoginsPerUser = 4096, 16
)

// loginSessions holds the browsers that are signed in. A session has a random secret, which the
// browser keeps in a cookie, and the token that the user signed in with. The token stays in the
// master and is reviewed with each request, so the session ends when the token expires or is
// revoked. Sessions are lost when the master restarts.
type loginSessions struct {
	tokens authenticator.Token
	now    func() time.Time

	mu       sync.Mutex
	sessions map[[sha256.Size]byte]*loginSession // by the hash of the cookie's secret
}

type loginSession struct {
	token, user       string
	startedAt, usedAt time.Time
}

func (s *loginSession) expired(now time.Time) bool {
	return now.Sub(s.usedAt) >= idleTimeout || now.Sub(s.startedAt) >= maxLifetime
}

func newLoginSessions(tokens authenticator.Token) *loginSessions {
	return &loginSessions{tokens: tokens, now: time.Now, sessions: map[[sha256.Size]byte]*loginSession{}}
}

// secretKey returns the map key of a secret. It is a hash, so that the duration of a lookup does
// not reveal how close a guessed secret is.
func secretKey(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

// start starts a session and returns its secret.
func (s *loginSessions) start(token, user string) (secret string) {
	secret = rand.Text() + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.evictLocked(user)
	now := s.now()
	s.sessions[secretKey(secret)] = &loginSession{token: token, user: user, startedAt: now, usedAt: now}
	return secret
}

// evictLocked removes expired sessions. If there are still too many, of the user or in total, it
// also removes the least recently used one.
func (s *loginSessions) evictLocked(user string) {
	now, count := s.now(), 0
	for key, session := range s.sessions {
		switch {
		case session.expired(now):
			delete(s.sessions, key)
		case session.user == user:
			count++
		}
	}
	if count >= maxLoginsPerUser {
		s.evictOldestLocked(func(session *loginSession) bool { return session.user == user })
	}
	if len(s.sessions) >= maxLogins {
		s.evictOldestLocked(func(*loginSession) bool { return true })
	}
}

// evictOldestLocked removes the least recently used session among those that match.
func (s *loginSessions) evictOldestLocked(matches func(*loginSession) bool) {
	var oldest [sha256.Size]byte
	var used time.Time
	for key, session := range s.sessions {
		if matches(session) && (used.IsZero() || session.usedAt.Before(used)) {
			oldest, used = key, session.usedAt
		}
	}
	delete(s.sessions, oldest)
}

// end ends the session with the given secret, if there is one.
func (s *loginSessions) end(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, secretKey(secret))
}

// token returns the token of a session and marks the session as used. It returns false if there
// is no such session.
func (s *loginSessions) token(secret string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session, now := s.sessions[secretKey(secret)], s.now()
	if session == nil || session.expired(now) {
		return "", false
	}
	session.usedAt = now
	return session.token, true
}

// AuthenticateRequest implements authenticator.Request. It ignores the cookie of a request that
// has an Authorization header, whether that is valid or not.
func (s *loginSessions) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	secret := signin.Secret(r)
	if secret == "" || r.Header.Get("Authorization") != "" {
		return nil, false, nil
	}
	token, ok := s.token(secret)
	if !ok {
		return nil, false, nil
	}
	response, ok, err := s.tokens.AuthenticateToken(r.Context(), token)
	if err == nil && !ok {
		s.end(secret)
	}
	return response, ok, err
}

// SignIn returns the callbacks for signing in and out.
func (a *Authenticator) SignIn() signin.Config {
	return signin.Config{Start: a.signIn, End: a.logins.end, User: a.userName}
}

// signIn starts a login session for a token that the hub accepts.
func (a *Authenticator) signIn(r *http.Request, token string) (secret, user string, err error) {
	response, ok, err := a.logins.tokens.AuthenticateToken(a.withAddress(r), token)
	switch {
	case errors.Is(err, httpapi.ErrTooManyRequests):
		return "", "", err
	case errors.Is(err, httpapi.ErrAuthorizerUnavailable):
		return "", "", errHubUnavailable
	case err != nil || !ok:
		return "", "", fmt.Errorf("%w: the hub does not accept this token: it may have expired, or be for another cluster or audience", httpapi.ErrUnauthenticated)
	}
	user = response.User.GetName()
	return a.logins.start(token, user), user, nil
}

// userName returns the user of a request.
func (a *Authenticator) userName(r *http.Request) (string, error) {
	response, err := a.identify(r)
	if err != nil {
		return "", err
	}
	return response.User.GetName(), nil
}
