package local

import (
	"fmt"
	"io"
	"sync"

	"rollcall.dev/rollcall/api/state"
)

// console prints lines for the user. It is safe for concurrent use.
type console struct {
	mu  sync.Mutex
	out io.Writer
}

func newConsole(out io.Writer) *console { return &console{out: out} }

// printf prints one line. Texts of clusters and plugins in it are cleaned.
func (c *console) printf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(c.out, state.CleanText(fmt.Sprintf(format, args...)))
}

// printUsage prints what is shown, where, and what an installation adds.
func (c *console) printUsage(title string, l *login) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, `%s
Nothing is installed or changed. Press Ctrl-C to end.

The page opens once with this address; its browser then has a cookie:

  %s

For kubectl rollcall, and for curl in bash or zsh:

  export ROLLCALL_SERVER=%s ROLLCALL_TOKEN=%s
  kubectl rollcall status
  curl -H @<(echo "Authorization: Bearer $ROLLCALL_TOKEN") $ROLLCALL_SERVER/api/v1/clusters
  curl -H @<(echo "Authorization: Bearer $ROLLCALL_TOKEN") $ROLLCALL_SERVER/prometheus/api/v1/query?query=rollcall_cluster_healthy

An installation polls nothing over your own link, serves everybody by the hub's RBAC, keeps running after Ctrl-C,
and exports usage to other systems: %s

`, title, l.link(), l.url, l.token, installHint)
}

// installHint says how to install Rollcall.
const installHint = "see \"Install it\" in its README"

// plural returns a number with a noun, such as "1 cluster" or "3 clusters".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
