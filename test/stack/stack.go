// Package stack runs Rollcall's own binaries, with tokens and pinned certificates,
// against the clusters of package kube: for the end-to-end tests, the benchmarks and
// the demo.
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

// Namespace is where the trees under config/ put master and agent.
const Namespace = "rollcall-system"

// stopTimeout is more than the 10 s within which master and agent promise to end.
const stopTimeout = 15 * time.Second

// Options say how a Stack is made.
type Options struct {
	// Dir takes everything that is written.
	Dir string
	// Race builds the binaries with the race detector; what it finds is in their logs.
	Race bool
	// Log receives a line per step. Default: none.
	Log func(format string, args ...any)
}

// Stack is the built binaries, a signing key, and what was started of them.
type Stack struct {
	options Options
	root    string // of the repository
	ports   proc.Ports

	mu        sync.Mutex
	running   []*proc.Process
	installed map[installation]func() (string, error)
}

// installation is a process's role in a cluster.
type installation struct {
	cluster *kube.Cluster
	role    string
}

// New builds the binaries and makes a signing key.
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

func repository(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

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

// Bin returns the folder of the built binaries.
func (s *Stack) Bin() string { return filepath.Join(s.options.Dir, "bin") }

func (s *Stack) executable(name string) string { return filepath.Join(s.Bin(), name) }

// SigningKey returns the path of the master's private key. The public key has the same path
// with the suffix .pub.
func (s *Stack) SigningKey() string { return filepath.Join(s.options.Dir, "signing.key") }

// Run runs one of the binaries to its end and gives what it printed.
func (s *Stack) Run(ctx context.Context, name string, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, s.executable(name), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// Close stops what is still running, and says what did not end well or what a race
// detector found.
func (s *Stack) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	errs := make([]error, len(s.running))
	var stopping sync.WaitGroup
	for i, p := range s.running {
		stopping.Go(func() { errs[i] = errors.Join(end(ctx, p), racesIn(p.LogFile)) })
	}
	stopping.Wait()
	s.ports.Release()
	return errors.Join(errs...)
}

// end stops a process that has not ended by itself.
func end(ctx context.Context, p *proc.Process) error {
	select {
	case <-p.Ended():
		return nil
	default:
		return p.Stop(ctx)
	}
}

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

// start starts one of the binaries, with a log of its own.
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

func (s *Stack) address(use string) (string, error) {
	port, err := s.ports.Of(use)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", port), nil
}

// install applies the trees that a process needs in its cluster, and gives the
// kubeconfig of its service account. It does so once: tests start many agents of one
// cluster at the same time, and of two kubectl that create a namespace one fails.
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

func (s *Stack) apply(ctx context.Context, cluster *kube.Cluster, role string, trees []string) (string, error) {
	if _, err := cluster.Kubectl("apply", "-f", filepath.Join(s.root, "config", role, "namespace.yaml")); err != nil {
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

// client talks to servers whose certificates nobody signed.
func client() *http.Client {
	return &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 300},
	}
}

// Answer is an HTTP answer, read whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Decode reads the body as JSON.
func (a *Answer) Decode(into any) error {
	if err := json.Unmarshal(a.Body, into); err != nil {
		return fmt.Errorf("decode %q: %w", a.Body[:min(len(a.Body), 200)], err)
	}
	return nil
}

func get(ctx context.Context, c *http.Client, url string, header http.Header) (*Answer, error) {
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
		return nil, fmt.Errorf("read the answer of %s: %w", url, err)
	}
	return &Answer{Status: response.StatusCode, Header: response.Header, Body: body}, nil
}

// healthy probes a health endpoint.
func healthy(c *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		answer, err := get(ctx, c, url, nil)
		if err != nil {
			return err
		}
		if answer.Status != http.StatusOK {
			return fmt.Errorf("%s: %d %s", url, answer.Status, strings.TrimSpace(string(answer.Body)))
		}
		return nil
	}
}
