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
	maxMachines           = 250
	machinePrefixLength   = 30
	machinePrefixLengthV6 = 64
	cgroupMount           = "/sys/fs/cgroup"
	cgroupPrefix          = "rollcall-machine-"
)

// machine isolates a cluster with a real node: it has a PID, a mount and a network namespace, and cgroups. Its first
// process dies with this process, also if this process is killed. The kernel then ends everything else in the machine:
// containers, mounts, network. Only empty cgroups can remain; the next machine removes them.
//
// A pair of virtual network devices connects the machine with this host. It has no other network.
type machine struct {
	// index is unique on the host while reserved is open; it is part of the names of network devices and cgroups.
	index    int
	reserved net.Listener
	// address is the machine's IP address, host the address of this host on the same link. The IPv6 addresses are empty
	// if the host has no IPv6.
	address, host     string
	addressV6, hostV6 string

	init *proc.Process
	// Namespaces of init. Processes in the machine join them.
	pid, mount, network *os.File
	cgroups             []string // folders
}

// startMachine starts a machine; program is the path of the executable built from ./program.
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

// reserveMachine reserves a free index, and removes the cgroups of killed machines.
func reserveMachine() (*machine, error) {
	var m *machine
	for index := range maxMachines {
		reserved, err := net.Listen("unix", fmt.Sprintf("@rollcall/machine/%d", index))
		if err != nil {
			continue // in use
		}
		removeCgroups(cgroupsOf(fmt.Sprintf("%s%d-*", cgroupPrefix, index)))
		if m != nil {
			reserved.Close()
			continue
		}
		// 198.18.0.0/15 is reserved for benchmarks of network devices (RFC 2544), so no real network uses it.
		m = &machine{
			index: index, reserved: reserved,
			address: fmt.Sprintf("198.18.%d.2", index), host: fmt.Sprintf("198.18.%d.1", index),
		}
		if _, err := os.Stat("/proc/net/if_inet6"); err == nil {
			// 2001:2::/48 is reserved for the same purpose (RFC 5180).
			m.addressV6, m.hostV6 = fmt.Sprintf("2001:2:0:%x::2", index), fmt.Sprintf("2001:2:0:%x::1", index)
		}
	}
	if m == nil {
		return nil, fmt.Errorf("start a machine: all %d indices are in use", maxMachines)
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
// unknown cgroups of pods, so each kubelet needs a separate cgroup.
func (m *machine) makeCgroups() error {
	hierarchies := []string{cgroupMount}
	if !cgroupV2() {
		hierarchies = cgroupsOf("")
	} else if err := enableControllers(); err != nil {
		return err
	}
	if len(hierarchies) == 0 {
		return fmt.Errorf("create a cgroup: no cgroups are mounted below %s", cgroupMount)
	}
	for _, hierarchy := range hierarchies {
		folder := hierarchy + m.cgroup()
		if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("create a cgroup: %w", err)
		}
		m.cgroups = append(m.cgroups, folder)
		if filepath.Base(hierarchy) != "cpuset" {
			continue
		}
		// In version 1 a new cpuset is empty and accepts no processes.
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
// cgroup, in version 2.
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

// cgroupV2 reports whether the host uses cgroups version 2.
func cgroupV2() bool {
	_, err := os.Stat(filepath.Join(cgroupMount, "cgroup.controllers"))
	return err == nil
}

// cgroupsOf returns the folders of the cgroups that match a pattern. An empty pattern matches the hierarchies
// themselves.
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

// removeCgroups removes cgroups without processes, including their children.
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

// startInit starts the machine's first process and waits until it has prepared the mounts.
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
		output, err := os.ReadFile(m.init.LogFile)
		if err == nil && !strings.HasPrefix(string(output), "ready") {
			err = errors.New("node-init is not ready")
		}
		return err
	})
}

// openNamespaces opens the namespaces of the first process.
func (m *machine) openNamespaces() (err error) {
	for name, file := range map[string]**os.File{"pid": &m.pid, "mnt": &m.mount, "net": &m.network} {
		if *file, err = os.Open(fmt.Sprintf("/proc/%d/ns/%s", m.init.PID(), name)); err != nil {
			return fmt.Errorf("open the machine's namespaces: %w", err)
		}
	}
	return nil
}

// joinNamespaces moves the calling thread into the machine, permanently.
func (m *machine) joinNamespaces() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil { // a thread that shares its root cannot change its mount namespace
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

// connect creates the network devices of machine and host.
func (m *machine) connect() error {
	device := m.device()
	_, _ = output("ip", "link", "delete", device) // of a killed machine, unless the kernel has removed it
	pid := fmt.Sprint(m.init.PID())
	outside := []string{
		"link add " + device + " type veth peer name eth0 netns " + pid,
		fmt.Sprintf("address add %s/%d dev %s", m.host, machinePrefixLength, device),
		"link set " + device + " up",
	}
	inside := []string{
		"link set lo up",
		fmt.Sprintf("address add %s/%d dev eth0", m.address, machinePrefixLength),
		"link set eth0 up",
		// Processes in the node's network reach ClusterIPs: the kernel looks for a route before kube-proxy's rules apply.
		"route add " + serviceCIDR + " dev eth0",
	}
	if m.addressV6 != "" {
		outside = append(outside, fmt.Sprintf("address add %s/%d dev %s nodad", m.hostV6, machinePrefixLengthV6, device))
		inside = append(inside, fmt.Sprintf("address add %s/%d dev eth0 nodad", m.addressV6, machinePrefixLengthV6), "route add "+serviceCIDRV6+" dev eth0")
	}
	for _, line := range outside {
		if _, err := output("ip", strings.Fields(line)...); err != nil {
			return fmt.Errorf("connect the machine: %w", err)
		}
	}
	for _, line := range inside {
		if _, err := m.output("ip", strings.Fields(line)...); err != nil {
			return fmt.Errorf("connect the machine: %w", err)
		}
	}
	return nil
}

// output runs a command in the machine and returns its standard output.
func (m *machine) output(name string, args ...string) (printed string, err error) {
	proc.OnThread(func() bool {
		if err = m.joinNamespaces(); err == nil {
			printed, err = output(name, args...)
		}
		return false
	})
	return printed, err
}

// output runs a command and returns its standard output. Errors include its standard error.
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

// dial connects from inside the machine, where pods, ClusterIPs and the machine's loopback addresses are reachable. The
// source address is optional and only for TCP. The address must not contain a name.
func (m *machine) dial(ctx context.Context, source net.IP, network, address string) (conn net.Conn, err error) {
	host, _, err := net.SplitHostPort(address)
	if err == nil && net.ParseIP(host) == nil {
		err = fmt.Errorf("%s is not an IP address", host)
	}
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	failed := m.inNetwork(func() {
		// For an IP address, net creates the socket on this thread.
		dialer := &net.Dialer{}
		if source != nil {
			dialer.LocalAddr = &net.TCPAddr{IP: source}
		}
		conn, err = dialer.DialContext(ctx, network, address)
	})
	return conn, errors.Join(failed, err)
}

// listen listens inside the machine, on TCP at one of its IP addresses.
func (m *machine) listen(ctx context.Context, address string) (listener net.Listener, err error) {
	failed := m.inNetwork(func() { listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", address) })
	return listener, errors.Join(failed, err)
}

// inNetwork calls f on a thread in the machine's network namespace. Sockets that f creates stay in that namespace.
func (m *machine) inNetwork(f func()) (err error) {
	proc.OnThread(func() bool {
		own, failed := os.Open("/proc/thread-self/ns/net")
		if err = failed; err != nil {
			return true
		}
		defer own.Close()
		if err = unix.Setns(int(m.network.Fd()), unix.CLONE_NEWNET); err != nil {
			return true
		}
		f()
		return unix.Setns(int(own.Fd()), unix.CLONE_NEWNET) == nil
	})
	runtime.KeepAlive(m.network)
	return err
}

// close ends all processes of the machine, and removes its network device and cgroups. It returns when they are gone.
func (m *machine) close() {
	if m.init != nil {
		m.init.Kill() // ends after all other processes of its PID namespace
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
