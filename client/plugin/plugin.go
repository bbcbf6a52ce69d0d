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
	// exitInterrupted is the exit code of shells after Ctrl-C.
	exitInterrupted = 130
)

// Config configures Run.
type Config struct {
	genericiooptions.IOStreams
	// Version is the text that --version prints, with the end of its last line.
	Version string
	// Commands are commands of other packages.
	Commands []*cobra.Command
	// Getenv reads the environment. Nil means an empty environment.
	Getenv func(string) string
}

// Run runs the command of args, and returns the exit code. Errors are printed to ErrOut.
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
	case !errors.Is(err, errReported):
		p.printError("", err)
		p.printHint(ctx, err)
	}
	return exitFailed
}

// plugin is one run of the plugin.
type plugin struct {
	Config
	connection connection
	now        func() time.Time
}

const long = `Show the current nodes, pods, containers, used ports and problems of the clusters of a
Rollcall master.

Without --server, the plugin finds a ready master in the cluster of the current context, the
hub, and connects to it by port-forward. In both cases it authenticates with the credentials
of the kubeconfig. RBAC on the hub decides which clusters and details they can read.`

const example = `  # List all clusters, without starting a session
  kubectl rollcall status

  # List the problems of one cluster, and of all
  kubectl rollcall problems prod-eu
  kubectl rollcall problems

  # Find out what uses a port
  kubectl rollcall ports prod-eu --port 31234

  # Watch the waiting containers
  kubectl rollcall containers prod-eu -n shop --state waiting -w

  # Connect to a master directly
  kubectl rollcall status --server https://rollcall.example:8443 --certificate-authority ca.crt`

func (p *plugin) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "kubectl-rollcall",
		Short:         "Show the live state of many clusters",
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
	root.AddCommand(p.status(), p.nodes(), p.pods(), p.containers(), p.ports(), p.problems(), p.join(), p.token(), p.check(), p.rotateKey(), p.leave(), p.supportBundle(), p.completion())
	root.AddCommand(p.Commands...)
	return root
}

func (p *plugin) getenv(name string) string {
	if p.Getenv == nil {
		return ""
	}
	return p.Getenv(name)
}

// errReported is the error of a command that has printed its errors already.
var errReported = errors.New("some clusters have failed")

// printError prints an error as kubectl does, with the name of its cluster.
func (p *plugin) printError(cluster string, err error) {
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
		hint = "; check the credentials of your kubeconfig, or set --token"
	}
	fmt.Fprintf(p.ErrOut, "Error from server (%s): %s%s%s\n", state.CleanLine(problem.Reason), where, state.CleanText(problem.Detail), hint)
}
