package plugin

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"
)

// completionProgram is the name of the program that kubectl runs to complete the arguments of the plugin. It has to be
// on the PATH.
const completionProgram = "kubectl_complete-rollcall"

const completionLong = `Print the program that completes the arguments of the plugin, or install it.

kubectl runs a program named kubectl_complete-rollcall, found on the PATH, to complete the
arguments of the plugin. --install writes it to the folder that has the plugin. The shell
needs kubectl's completion, for example by: source <(kubectl completion bash)`

// completion returns the command that provides the completion. It replaces cobra's, whose
// scripts complete the name kubectl-rollcall only.
func (p *plugin) completion() *cobra.Command {
	var install bool
	var folder string
	cmd := &cobra.Command{
		Use:     "completion",
		Short:   "Print or install the completion for kubectl",
		Long:    completionLong,
		Example: "  kubectl rollcall completion --install",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			name, script := completionScript(runtime.GOOS)
			if !install && folder == "" {
				_, err := fmt.Fprint(p.Out, script)
				return err
			}
			if folder == "" {
				path, err := exec.LookPath("kubectl-rollcall")
				if err != nil {
					return fmt.Errorf("find the folder of the plugin: %w; name a folder of the PATH by --directory", err)
				}
				folder = filepath.Dir(path)
			}
			file := filepath.Join(folder, name)
			if err := os.WriteFile(file, []byte(script), 0o755); err != nil { //nolint:gosec // all users may run the script
				return fmt.Errorf("install the completion: %w; name another folder of the PATH by --directory", err)
			}
			_, err := fmt.Fprintf(p.Out, "installed %s\n", file)
			return err
		},
	}
	cmd.Flags().BoolVar(&install, "install", false, "write "+completionProgram+" to the folder of the plugin")
	cmd.Flags().StringVar(&folder, "directory", "", "write it to this folder, which must be on the PATH")
	return cmd
}

// completionScript returns the name and the content of the program for an operating system.
func completionScript(system string) (name, script string) {
	if system == "windows" {
		return completionProgram + ".cmd", "@kubectl-rollcall __complete %*\r\n"
	}
	return completionProgram, "#!/bin/sh\n# kubectl runs this to complete `kubectl rollcall …`.\nexec kubectl-rollcall __complete \"$@\"\n"
}
