package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"rollcall.dev/rollcall/test/proc"
)

const (
	maxMachines         = 250
	machinePrefixLength = 30
	cgroupMount         = "/sys/fs/cgroup"
	cgroupPrefix        = "rollcall-machine-"
)

// machine is what a cluster with a real node runs in: a PID, a mount and a network namespace, and cgroups. Its first
// process dies with this process, whatever way it ends; the kernel then ends everything else in the machine: containers,
// mounts, network. Empty cgroups are all that can be left, and go when the next machine starts.
//
// A pair of virtual network devices connects the machine with this host, and nothing connects it further.
type machine struct {
	// index is reserved in the whole host; network devices and cgroups are named by it.
	index    int
	reserved net.Listener
	// address is the machine's, host is ours.
	address, host string

	init *proc.Process
	// Of init: joined by the processes that run in the machine.
	pid, mount, network *os.File
	cgroups             []string // folders
}

// startMachine starts a machine; program is the executable of ./program.
func startMachine(ctx context.Context, program string, dir *workdir) (*machine, error) {
	m, err := reserveMachine()
	if err != nil {
		return nil, err
	}
	steps := []func() error{
		m.makeCgroups,
		func() error { return m.startInit(ctx, program, dir) },
		m.openNamespaces,
		m.connect,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			m.close()
			return nil, err
		}
	}
	return m, nil
}

// reserveMachine finds an index that is free, and removes what machines that were killed left.
func reserveMachine() (*machine, error) {
	var m *machine
	for index := range maxMachines {
		reserved, err := net.Listen("unix", fmt.Sprintf("@rollcall/machine/%d", index))
		if err != nil {
			continue // somebody has it
		}
		removeCgroups(cgroupsOf(fmt.Sprintf("%s%d-*", cgroupPrefix, index)))
		if m != nil {
			reserved.Close()
			continue
		}
		// 198.18.0.0/15 is set aside for tests of network devices (RFC 2544): nobody's network has it.
		m = &machine{
			index: index, reserved: reserved,
			address: fmt.Sprintf("198.18.%d.2", index), host: fmt.Sprintf("198.18.%d.1", index),
		}
	}
	if m == nil {
		return nil, fmt.Errorf("start a machine: %d are running", maxMachines)
	}
	return m, nil
}

// device returns the name of the network device on the host's side.
func (m *machine) device() string { return fmt.Sprintf("rollcall%d", m.index) }

// cgroup returns the path of the machine's cgroup in every hierarchy. It contains this
// process's ID, since indices are unique only within one network namespace.
func (m *machine) cgroup() string {
	return fmt.Sprintf("/%s%d-%d", cgroupPrefix, m.index, os.Getpid())
}

// makeCgroups creates the machine's cgroup in every hierarchy. A kubelet kills processes in
// cgroups of pods that it does not know, so each kubelet needs its own.
func (m *machine) makeCgroups() error {
	hierarchies := []string{cgroupMount}
	if !cgroupV2() {
		hierarchies = cgroupsOf("")
	} else if err := enableControllers(); err != nil {
		return err
	}
	if len(hierarchies) == 0 {
		return fmt.Errorf("make a cgroup: no cgroups are mounted below %s", cgroupMount)
	}
	for _, hierarchy := range hierarchies {
		folder := hierarchy + m.cgroup()
		if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("make a cgroup: %w", err)
		}
		m.cgroups = append(m.cgroups, folder)
		if filepath.Base(hierarchy) != "cpuset" {
			continue
		}
		// In version 1 a new cpuset is empty, and refuses processes.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			parent, err := os.ReadFile(filepath.Join(hierarchy, file))
			if err != nil {
				return fmt.Errorf("read the parent's cpuset: %w", err)
			}
			if err := os.WriteFile(filepath.Join(folder, file), parent, 0o644); err != nil {
				return fmt.Errorf("write the cpuset: %w", err)
			}
		}
	}
	return nil
}

// enableControllers enables the controllers that a kubelet needs for the children of the root
// cgroup (version 2).
func enableControllers() error {
	available, err := os.ReadFile(filepath.Join(cgroupMount, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("read the controllers of cgroups: %w", err)
	}
	for _, controller := range strings.Fields(string(available)) {
		if !slices.Contains([]string{"cpu", "cpuset", "memory", "hugetlb", "pids"}, controller) {
			continue
		}
		if err := os.WriteFile(filepath.Join(cgroupMount, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
			return fmt.Errorf("enable the cgroup controller %s: %w", controller, err)
		}
	}
	return nil
}

// cgroupV2 reports whether the host has the one hierarchy of cgroups version 2.
func cgroupV2() bool {
	_, err := os.Stat(filepath.Join(cgroupMount, "cgroup.controllers"))
	return err == nil
}

// cgroupsOf returns the folders of the cgroups that match a pattern, of the hierarchies themselves when it is empty.
func cgroupsOf(pattern string) []string {
	folders, _ := filepath.Glob(filepath.Join(cgroupMount, "*", pattern, "cgroup.procs"))
	if cgroupV2() {
		folders, _ = filepath.Glob(filepath.Join(cgroupMount, pattern, "cgroup.procs"))
	}
	for i := range folders {
		folders[i] = filepath.Dir(folders[i])
	}
	return folders
}

// removeCgroups removes cgroups that have no process any more, with those below them.
func removeCgroups(folders []string) {
	for _, folder := range folders {
		var below []string
		_ = filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				below = append(below, path)
			}
			return nil
		})
		for i := len(below) - 1; i >= 0; i-- {
			_ = syscall.Rmdir(below[i])
		}
	}
}

func (m *machine) startInit(ctx context.Context, program string, dir *workdir) error {
	var err error
	m.init, err = proc.Start(proc.Command{
		Executable: program, Args: []string{"node-init"}, LogFile: dir.file("logs", "node-init.log"), Home: dir.path,
		Namespaces: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET,
	})
	if err != nil {
		return err
	}
	return m.init.WaitReady(ctx, func(context.Context) error {
		said, err := os.ReadFile(m.init.LogFile)
		if err == nil && !strings.HasPrefix(string(said), "ready") {
			err = errors.New("it is not ready")
		}
		return err
	})
}

func (m *machine) openNamespaces() (err error) {
	for name, file := range map[string]**os.File{"pid": &m.pid, "mnt": &m.mount, "net": &m.network} {
		if *file, err = os.Open(fmt.Sprintf("/proc/%d/ns/%s", m.init.PID(), name)); err != nil {
			return fmt.Errorf("open the machine's namespaces: %w", err)
		}
	}
	return nil
}

// enter moves the calling thread into the machine, for good.
func (m *machine) enter() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // threads share their root, which depends on the mounts
		return err
	}
	for _, join := range []struct {
		namespace *os.File
		kind      int
	}{{m.network, unix.CLONE_NEWNET}, {m.pid, unix.CLONE_NEWPID}, {m.mount, unix.CLONE_NEWNS}} {
		if err := unix.Setns(int(join.namespace.Fd()), join.kind); err != nil {
			return err
		}
	}
	return nil
}

// connect creates the network devices of both sides.
func (m *machine) connect() error {
	device := m.device()
	_, _ = output("ip", "link", "delete", device) // of a machine that was killed, unless the kernel was faster
	pid := fmt.Sprint(m.init.PID())
	for _, line := range []string{
		"link add " + device + " type veth peer name eth0 netns " + pid,
		fmt.Sprintf("address add %s/%d dev %s", m.host, machinePrefixLength, device),
		"link set " + device + " up",
	} {
		if _, err := output("ip", strings.Fields(line)...); err != nil {
			return fmt.Errorf("connect the machine: %w", err)
		}
	}
	for _, line := range []string{
		"link set lo up",
		fmt.Sprintf("address add %s/%d dev eth0", m.address, machinePrefixLength),
		"link set eth0 up",
	} {
		if _, err := m.output("ip", strings.Fields(line)...); err != nil {
			return fmt.Errorf("connect the machine: %w", err)
		}
	}
	return nil
}

// output runs a command in the machine and returns what it printed.
func (m *machine) output(name string, args ...string) (printed string, err error) {
	proc.OnThread(func() bool {
		if err = m.enter(); err == nil {
			printed, err = output(name, args...)
		}
		return false
	})
	return printed, err
}

// output runs a command and returns what it printed; an error has what it complained of.
func output(name string, args ...string) (string, error) {
	printed, err := exec.Command(name, args...).Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(failed.Stderr)))
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(printed), nil
}

// dial connects from inside the machine, where pods, ClusterIPs and loopback addresses are its own, by TCP from a source
// address, or from any where it is nil. The address has no name in it.
func (m *machine) dial(ctx context.Context, source net.IP, network, address string) (conn net.Conn, err error) {
	host, _, err := net.SplitHostPort(address)
	if err == nil && net.ParseIP(host) == nil {
		err = fmt.Errorf("%s is no IP address", host)
	}
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	failed := m.inNetwork(func() {
		// With an IP address the socket is made on this thread.
		dialer := &net.Dialer{}
		if source != nil {
			dialer.LocalAddr = &net.TCPAddr{IP: source}
		}
		conn, err = dialer.DialContext(ctx, network, address)
	})
	return conn, errors.Join(failed, err)
}

// listen listens inside the machine, by TCP at an IP address of it.
func (m *machine) listen(ctx context.Context, address string) (listener net.Listener, err error) {
	failed := m.inNetwork(func() { listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address) })
	return listener, errors.Join(failed, err)
}

// inNetwork calls f on a thread that is in the machine's network namespace. Sockets that f makes stay there.
func (m *machine) inNetwork(f func()) (err error) {
	proc.OnThread(func() bool {
		ours, failed := os.Open("/proc/thread-self/ns/net")
		if err = failed; err != nil {
			return true
		}
		defer ours.Close()
		if err = unix.Setns(int(m.network.Fd()), unix.CLONE_NEWNET); err != nil {
			return true
		}
		f()
		return unix.Setns(int(ours.Fd()), unix.CLONE_NEWNET) == nil
	})
	runtime.KeepAlive(m.network)
	return err
}

// close ends every process of the machine and removes what it had. It returns when they are gone.
func (m *machine) close() {
	if m.init != nil {
		m.init.Kill() // it ends when all others in its PID namespace have ended
	}
	for _, file := range []*os.File{m.pid, m.mount, m.network} {
		if file != nil {
			file.Close()
		}
	}
	_, _ = output("ip", "link", "delete", m.device())
	removeCgroups(m.cgroups)
	m.reserved.Close()
}
