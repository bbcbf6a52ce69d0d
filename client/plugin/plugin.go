package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
)

// Exit codes.
const (
	exitFailed = 1
	// exitInterrupted is a shell's for who is ended by Ctrl-C.
	exitInterrupted = 130
)

// Config is what the plugin is started with.
type Config struct {
	genericiooptions.IOStreams
	// Version is the text that --version prints, with the end of its last line.
	Version string
	// Getenv is the environment; nil: none.
	Getenv func(string) string
}

// Run does what the arguments say, and gives the exit code. Errors are told on ErrOut.
func Run(ctx context.Context, c Config, args []string) int {
	p := &plugin{Config: c, now: time.Now}
	root := p.command()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		return exitInterrupted
	case !errors.Is(err, errTold):
		p.complain("", err)
	}
	return exitFailed
}

// plugin is one run.
type plugin struct {
	Config
	connection connection
	now        func() time.Time
}

const long = `Nodes, pods, containers, taken ports and problems of the clusters of a Rollcall master,
as they are now.

Without --server the plugin finds a ready master in the hub cluster, the current
context's, and reaches it by port-forward. In either case it shows the master the
credentials of the kubeconfig; what they may see is decided by RBAC on the hub.`

const example = `  # All clusters, without waking one
  kubectl rollcall status

  # What is wrong, in one cluster and everywhere
  kubectl rollcall problems prod-eu
  kubectl rollcall problems

  # Who has this port?
  kubectl rollcall ports prod-eu --port 31234

  # Containers that wait, as they change
  kubectl rollcall containers prod-eu -n shop --state waiting -w

  # A master that is reached without the hub
  kubectl rollcall status --server https://rollcall.example:8443 --certificate-authority ca.crt`

func (p *plugin) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "kubectl-rollcall",
		Short:         "The live state of many clusters",
		Long:          long,
		Example:       example,
		Version:       p.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl rollcall"},
	}
	root.SetVersionTemplate("{{.Version}}")
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.ErrOut)
	p.connection.register(root.PersistentFlags(), p.getenv)
	root.AddCommand(p.status(), p.nodes(), p.pods(), p.containers(), p.ports(), p.problems())
	return root
}

func (p *plugin) getenv(name string) string {
	if p.Getenv == nil {
		return ""
	}
	return p.Getenv(name)
}

// errTold ends a command whose errors were told already.
var errTold = errors.New("some clusters gave no answer")

// complain tells of an error as kubectl does, and of which cluster it is.
func (p *plugin) complain(cluster string, err error) {
	where := ""
	if cluster != "" {
		where = cluster + ": "
	}
	var problem *client.Problem
	if !errors.As(err, &problem) {
		fmt.Fprintf(p.ErrOut, "error: %s%s\n", where, state.CleanText(err.Error()))
		return
	}
	hint := ""
	if problem.Status == http.StatusUnauthorized {
		hint = "; the master was shown the credentials of your kubeconfig, or --token"
	}
	fmt.Fprintf(p.ErrOut, "Error from server (%s): %s%s%s\n", state.CleanLine(problem.Reason), where, state.CleanText(problem.Detail), hint)
}
