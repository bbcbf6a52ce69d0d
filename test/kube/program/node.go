package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// private lists the folders to which the programs of a node write at fixed paths. Each node mounts them separately, in
// memory.
var private = []string{"/run", "/var/log", "/var/lib/kubelet", "/var/lib/cni"}

// sysctls are kernel settings of the whole host that the kubelet writes unless they have these values. The node sees
// files with these values in their place, so that the host's settings do not change.
var sysctls = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// nodeInit runs as the first process of a node, in separate PID, mount and network
// namespaces. It prepares the mounts, writes "ready" to standard output, and reaps children. Killing
// it ends all other processes, the mounts and the network of the node.
func nodeInit() error {
	if os.Getpid() != 1 {
		return fmt.Errorf("node-init must be the first process of a PID namespace")
	}
	// First private, so that mounts do not propagate to the host; then shared, as the volumes of pods require.
	for _, propagation := range []uintptr{syscall.MS_PRIVATE, syscall.MS_SHARED} {
		if err := syscall.Mount("", "/", "", syscall.MS_REC|propagation, ""); err != nil {
			return fmt.Errorf("change the propagation of mounts: %w", err)
		}
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	for _, folder := range private {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("create a mount point: %w", err)
		}
		if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "mode=0755"); err != nil {
			return fmt.Errorf("mount %s: %w", folder, err)
		}
	}
	if err := hideSysctls(); err != nil {
		return err
	}
	fmt.Println("ready")
	pause()
	return nil
}

// hideSysctls mounts files with the values of sysctls over those in /proc/sys.
func hideSysctls() error {
	folder := "/run/sysctls"
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("create the folder of sysctls: %w", err)
	}
	for name, value := range sysctls {
		file := filepath.Join(folder, filepath.Base(name))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return fmt.Errorf("write a sysctl: %w", err)
		}
		if err := syscall.Mount(file, "/proc/sys/"+name, "", syscall.MS_BIND, ""); err != nil {
			return fmt.Errorf("hide the sysctl %s: %w", name, err)
		}
	}
	return nil
}
