// Package stack runs Rollcall's own binaries, with tokens and pinned certificates,
// against the clusters of package kube. The end-to-end tests, the benchmarks and
// the demo use it.
package stack

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/proc"
)

// Namespace is the namespace of master and agent in the trees under config/.
const Namespace = "rollcall-system"

// stopTimeout is more than the 10 s within which master and agent must end after SIGTERM.
const stopTimeout = 15 * time.Second

// Options configures a Stack.
type Options struct {
	// Dir is the folder for all files.
	Dir string
	// Race builds the binaries with the race detector; Close returns the races that it reports.
	Race bool
	// Log receives a line for each step. Default: no log.
	Log func(format string, args ...any)
}

// Stack has the built binaries, a signing key, and the started processes.
type Stack struct {
	options Options
	root    string // of the repository
	ports   proc.Ports

	mu        sync.Mutex
	running   []*proc.Process
	installed map[installation]func() (string, error)
}

// installation identifies a role in a cluster. The role is master or agent.
type installation struct {
	cluster *kube.Cluster
	role    string
}

// New builds the binaries and creates a signing key.
func New(ctx context.Context, options Options) (*Stack, error) {
	if options.Log == nil {
		options.Log = func(string, ...any) {}
	}
	root, err := repository(ctx)
	if err != nil {
		return nil, err
	}
	s := &Stack{options: options, root: root, installed: map[installation]func() (string, error){}}
	for _, name := range []string{"rollcall-master", "rollcall-agent"} {
		if err := s.build(ctx, name); err != nil {
			return nil, err
		}
	}
	if _, err := s.Run(ctx, "rollcall-master", "keygen", s.SigningKey()); err != nil {
		return nil, err
	}
	return s, nil
}

// repository returns the root directory of the repository.
func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "rollcall.dev/rollcall").Output()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// build builds one of the binaries.
func (s *Stack) build(ctx context.Context, name string) error {
	s.options.Log("building %s", name)
	args := []string{"build", "-o", s.executable(name)}
	if s.options.Race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/"+name)...)
	cmd.Dir = s.root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return nil
}

// Build builds another one of the binaries, with the ones of New.
func (s *Stack) Build(ctx context.Context, name string) error { return s.build(ctx, name) }

// BinDir returns the folder of the built binaries.
func (s *Stack) BinDir() string { return filepath.Join(s.options.Dir, "bin") }

// executable returns the path of one of the binaries.
func (s *Stack) executable(name string) string { return filepath.Join(s.BinDir(), name) }

// SigningKey returns the path of the master's private key. The public key has the same path
// with the suffix .pub.
func (s *Stack) SigningKey() string { return filepath.Join(s.options.Dir, "signing.key") }

// Run runs one of the binaries until it exits and returns its standard output.
func (s *Stack) Run(ctx context.Context, name string, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, s.executable(name), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// Close stops all running processes. It returns an error for each process that did not stop cleanly or in whose log the
// race detector reported a race.
func (s *Stack) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	errs := make([]error, len(s.running))
	var stopping sync.WaitGroup
	for i, p := range s.running {
		stopping.Go(func() { errs[i] = errors.Join(stopIfRunning(ctx, p), racesIn(p.LogFile)) })
	}
	stopping.Wait()
	s.ports.Release()
	return errors.Join(errs...)
}

// stopIfRunning stops a process, unless it has ended.
func stopIfRunning(ctx context.Context, p *proc.Process) error {
	select {
	case <-p.Ended():
		return nil
	default:
		return p.Stop(ctx)
	}
}

// racesIn returns an error if a log has a report of the race detector.
func racesIn(logFile string) error {
	content, err := os.ReadFile(logFile)
	if err != nil {
		return err
	}
	if _, race, found := strings.Cut(string(content), "WARNING: DATA RACE"); found {
		return fmt.Errorf("data race in %s:%s", logFile, race[:min(len(race), 4000)])
	}
	return nil
}

// start starts one of the binaries, with a separate log file.
func (s *Stack) start(name, title string, args []string) (*proc.Process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := proc.Start(proc.Command{
		Executable: s.executable(name), Args: args, Home: s.options.Dir,
		LogFile: filepath.Join(s.options.Dir, "logs", fmt.Sprintf("%02d-%s.log", len(s.running), title)),
	})
	if err != nil {
		return nil, err
	}
	s.running = append(s.running, p)
	return p, nil
}

// address returns the address reserved for a use.
func (s *Stack) address(use string) (string, error) {
	port, err := s.ports.Of(use)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", port), nil
}

// install applies the trees that a role needs in its cluster, and returns the path of the
// kubeconfig of its service account. It applies them once, since tests start many agents of one
// cluster at the same time, and concurrent kubectl processes that create the same namespace can fail.
func (s *Stack) install(ctx context.Context, cluster *kube.Cluster, role string, trees ...string) (string, error) {
	key := installation{cluster, role}
	s.mu.Lock()
	once, ok := s.installed[key]
	if !ok {
		once = sync.OnceValues(func() (string, error) { return s.apply(context.WithoutCancel(ctx), cluster, role, trees) })
		s.installed[key] = once
	}
	s.mu.Unlock()
	return once()
}

// apply applies the namespace, the trees and the RBAC of a role. Others may apply the same namespace at the same time, so
// it is applied by the server.
func (s *Stack) apply(ctx context.Context, cluster *kube.Cluster, role string, trees []string) (string, error) {
	if _, err := cluster.Kubectl("apply", "--server-side", "-f", filepath.Join(s.root, "config", role, "namespace.yaml")); err != nil {
		return "", err
	}
	for _, tree := range append(trees, "rbac/"+role) {
		if _, err := cluster.Kubectl("apply", "--server-side", "-k", filepath.Join(s.root, "config", tree)); err != nil {
			return "", err
		}
	}
	_, path, err := cluster.ServiceAccount(ctx, Namespace, "rollcall-"+role)
	return path, err
}

// client returns a client that does not verify certificates.
func client() *http.Client {
	return &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 300},
	}
}

// Response is an HTTP response with its body.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Decode decodes the body as JSON.
func (a *Response) Decode(into any) error {
	if err := json.Unmarshal(a.Body, into); err != nil {
		return fmt.Errorf("decode %q: %w", a.Body[:min(len(a.Body), 200)], err)
	}
	return nil
}

// getResponse sends a GET and reads the response.
func getResponse(ctx context.Context, c *http.Client, url string, header http.Header) (*Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(request.Header, header)
	response, err := c.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read the response of %s: %w", url, err)
	}
	return &Response{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// healthy returns a probe that succeeds if the URL responds with status 200.
func healthy(c *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		response, err := getResponse(ctx, c, url, nil)
		if err != nil {
			return err
		}
		if response.Status != http.StatusOK {
			return fmt.Errorf("%s: %d %s", url, response.Status, strings.TrimSpace(string(response.Body)))
		}
		return nil
	}
}
