package local

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

const long = `Show the clusters of your kubeconfig in a page and in the commands of this plugin, without installing
anything. Agents, master and page run in this process until Ctrl-C, on a loopback address.

Each cluster is watched with the rights of your kubeconfig's user, read only. What you may not read is shown as a
section with an error that names the missing right. If you may read some namespaces only, those are shown: the ones
in --namespaces, else the ones of your kubeconfig's contexts for the same cluster and user.

The page is served at once and fills in as the clusters answer. A cluster that cannot be reached, or whose
credentials have expired, is tried again until it answers, with the kubeconfig as it is then. Credential plugins that
may ask for something run one after another.

Other users of this machine can connect to the port, but cannot read: the printed address of the page works once and
gives its browser a cookie, and other clients send the printed token.

With --simulate, simulated clusters are shown instead, some of them with trouble, and no kubeconfig is needed.`

const example = `  # The cluster of the current context
  kubectl rollcall local

  # Several clusters, and open the page in a browser
  kubectl rollcall local --contexts prod-eu,prod-us --open

  # Try it without a cluster
  kubectl rollcall local --simulate 20`

// CommandConfig configures Command.
type CommandConfig struct {
	Version string
}

// Command returns the command local of kubectl's plugin. Of the plugin's other flags, it uses --kubeconfig and
// --context.
func Command(cc CommandConfig) *cobra.Command {
	var c Config
	var open, verbose bool
	cmd := &cobra.Command{
		Use: "local", Short: "Show the clusters of your kubeconfig without an installation", Long: long, Example: example, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := inherit(cmd.InheritedFlags(), &c); err != nil {
				return err
			}
			c.Version, c.Out, c.Log = cc.Version, cmd.OutOrStdout(), slog.New(slog.DiscardHandler)
			if verbose {
				c.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			}
			klog.SetSlogLogger(c.Log) // client-go has messages without a context
			if open {
				c.Open = openBrowser
			}
			return Run(cmd.Context(), c)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringSliceVar(&c.Contexts, "contexts", nil, "contexts of the kubeconfig to show, separated by commas; default: the current context")
	f.BoolVar(&c.AllContexts, "all-contexts", false, "show all contexts of the kubeconfig")
	f.StringSliceVar(&c.Namespaces, "namespaces", nil, "namespaces to read where you may not read all; default: those of the kubeconfig's contexts for the same cluster and user")
	f.IntVar(&c.Simulate, "simulate", 0, "show this number of simulated clusters instead")
	f.Uint64Var(&c.Seed, "seed", 1, "with --simulate: the same seed gives the same clusters")
	f.StringVar(&c.Address, "address", "127.0.0.1", "loopback address to serve the page on")
	f.IntVar(&c.Port, "port", 0, "port to serve the page on; 0 means any free port")
	f.BoolVar(&open, "open", false, "open the page in your browser")
	f.BoolVar(&verbose, "verbose", false, "print the messages of agents and master to stderr")
	hideInherited(cmd)
	return cmd
}

// inherit applies the flags of the plugin that this command uses. It returns an error for the others.
func inherit(flags *pflag.FlagSet, c *Config) error {
	var unused []string
	// Visit would visit nothing: the set of inherited flags does not know which ones are set.
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Changed {
			return
		}
		switch f.Name {
		case "kubeconfig":
			c.Kubeconfig = f.Value.String()
		case "context":
			c.Contexts = append(c.Contexts, f.Value.String())
		default:
			unused = append(unused, "--"+f.Name)
		}
	})
	if len(unused) > 0 {
		return fmt.Errorf("%s: not used by `kubectl rollcall local`, which connects to no master", strings.Join(unused, ", "))
	}
	return nil
}

// hideInherited hides the flags of the plugin in the help of a command that does not use them.
func hideInherited(cmd *cobra.Command) {
	help := cmd.HelpFunc()
	cmd.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) {
			f.Hidden = f.Name != "kubeconfig" && f.Name != "context"
		})
		help(cmd, args)
	})
}

// openBrowser opens a URL in the user's browser.
func openBrowser(url string) error {
	name, args := "xdg-open", []string{url}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	return exec.CommandContext(context.Background(), name, args...).Start() //nolint:gosec // the URL is that of the page
}
