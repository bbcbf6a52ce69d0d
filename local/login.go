package local

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/httpapi/signin"
	"rollcall.dev/rollcall/web"
)

const (
	// linkParameter is the query parameter of the one-time token in the address of the page.
	linkParameter = "token"
	// maxLogins limits the browsers that are signed in. The oldest one is signed out.
	maxLogins = 16
	// userName is the name of the only user.
	userName = "local"
)

// login lets only the user who started the process read. Other users of the machine can connect to the port, too.
type login struct {
	// url is the base URL of the page, token the bearer token of other clients.
	url, token string
	// cookie is the name of the cookie. Cookies do not depend on the port, so its name has it.
	cookie  string
	console *console

	mu sync.Mutex
	// Under mu. once is the token in the address of the page, empty once it was used. secrets has the cookies of the
	// signed-in browsers.
	once    string
	secrets []string
}

// newLogin returns a login for the page at an address.
func newLogin(address net.Addr, console *console) *login {
	_, port, _ := net.SplitHostPort(address.String())
	return &login{url: "http://" + address.String(), token: rand.Text(), once: rand.Text(), cookie: "rollcall-local-" + port, console: console}
}

// link returns the address of the page with the one-time token.
func (l *login) link() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.url + "/?" + linkParameter + "=" + l.once
}

// start adds a signed-in browser and returns the secret in its cookie.
func (l *login) start() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	secret := rand.Text()
	l.secrets = append(l.secrets, secret)
	if len(l.secrets) > maxLogins {
		l.secrets = l.secrets[1:]
	}
	return secret
}

// end signs a browser out.
func (l *login) end(secret string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.secrets {
		if equal(s, secret) {
			l.secrets = append(l.secrets[:i:i], l.secrets[i+1:]...)
			return
		}
	}
}

// redeem reports whether a token is the one-time token and was not used before.
func (l *login) redeem(token string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.once == "" || !equal(token, l.once) {
		return false
	}
	l.once = ""
	return true
}

// equal compares two secrets in constant time.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// signedIn reports whether a request has the cookie of a signed-in browser.
func (l *login) signedIn(r *http.Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, cookie := range r.CookiesNamed(l.cookie) {
		for _, secret := range l.secrets {
			if equal(cookie.Value, secret) {
				return true
			}
		}
	}
	return false
}

// authenticate implements httpapi.Authenticate: any caller with the cookie or the bearer token may read everything.
func (l *login) authenticate(r *http.Request) (httpapi.Authorizer, error) {
	if _, err := l.user(r); err != nil {
		return nil, err
	}
	return func(context.Context, httpapi.Access) error { return nil }, nil
}

// user implements signin.Config.User.
func (l *login) user(r *http.Request) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && equal(strings.TrimSpace(token), l.token) || l.signedIn(r) {
		return userName, nil
	}
	return "", fmt.Errorf("%w: only the user who started `kubectl rollcall local` can read: open the address that it has printed, or send its ROLLCALL_TOKEN as bearer token", httpapi.ErrUnauthenticated)
}

// signIn returns the callbacks of the page's form, which takes the bearer token.
func (l *login) signIn() signin.Config {
	return signin.Config{
		Cookie: l.cookie,
		Start: func(_ *http.Request, token string) (secret, user string, err error) {
			if !equal(token, l.token) {
				return "", "", fmt.Errorf("%w: this is not the ROLLCALL_TOKEN that `kubectl rollcall local` has printed", httpapi.ErrUnauthenticated)
			}
			return l.start(), userName, nil
		},
		End:  l.end,
		User: l.user,
	}
}

// page returns the handler of the page. It is served to everybody, as it has no data, but the address with the
// one-time token sets the cookie.
func (l *login) page() http.Handler {
	page := web.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := r.URL.Query()[linkParameter]
		if r.URL.Path != "/" || len(token) == 0 || r.Method != http.MethodGet {
			page.ServeHTTP(w, r)
			return
		}
		l.openLink(w, r, token[0])
	})
}

// openLink sets the cookie and redirects to the page without the token, so that the token is in no history and no
// Referer.
func (l *login) openLink(w http.ResponseWriter, r *http.Request, token string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	switch {
	case l.redeem(token):
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure would need TLS, and the address is a loopback address
			Name: l.cookie, Value: l.start(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
		l.console.printf("The page was opened.")
	case !l.signedIn(r):
		l.console.printf("An address of the page was refused, because it was used before or belongs to another run.")
		http.Error(w, usedLink, http.StatusForbidden)
		return
	}
	w.Header().Set("Location", (&url.URL{Path: "/"}).String())
	w.WriteHeader(http.StatusSeeOther)
}

// usedLink says what to do if the address of the page does not work any more.
const usedLink = `This address was used before, or belongs to another run of ` + "`kubectl rollcall local`" + `. It works once.

If you opened it yourself, go to / in the same browser.
To use another browser, go to / there, and sign in with the ROLLCALL_TOKEN in the terminal.
If you have not opened it, another user of this machine has: end the command with Ctrl-C, and start it again.
`
