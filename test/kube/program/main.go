// Command program is the only executable on a real node of package kube that is not part of Kubernetes or containerd.
// Its arguments select what it does: be the first process of the node, the pause container, or a container of a test.
// It is one static file, so that its image needs no other file.
//
//	program node-init    runs as the first process of a node, see node.go
//	program pause        waits for SIGTERM
//	program exit N D     waits for the duration D, then exits with code N
//	program allocate N   allocates N MiB of memory, then waits for SIGTERM
//	program burn N       uses N millicores of CPU until SIGTERM
//	program fill F N     writes N MiB to the file F, then waits for SIGTERM
//	program serve P...   serves ports, for example 8080/tcp (HTTP) or 53/udp, until SIGTERM
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "program:", err)
		os.Exit(2)
	}
}

// run runs the command in the first argument; without one it runs pause.
func run(args []string) error {
	if len(args) == 0 {
		args = []string{"pause"}
	}
	switch command, args := args[0], args[1:]; command {
	case "node-init":
		return nodeInit()
	case "pause":
		pause()
		return nil
	case "exit":
		return exit(args)
	case "allocate":
		return allocate(args)
	case "burn":
		return burn(args)
	case "fill":
		return fill(args)
	case "serve":
		return serve(args)
	default:
		return fmt.Errorf("unknown command %q", command)
	}
}

// pause waits for SIGTERM. As the first process of a PID namespace it reaps orphaned processes.
func pause() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

// reap waits for every child that has ended.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if err == nil && pid <= 0 || err != nil && err != syscall.EINTR {
			return
		}
	}
}

// exit waits, then exits with a code.
func exit(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: exit CODE DURATION")
	}
	code, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("read the exit code: %w", err)
	}
	duration, err := time.ParseDuration(args[1])
	if err != nil {
		return fmt.Errorf("read the duration: %w", err)
	}
	fmt.Println("exits with code", code, "after", duration)
	<-time.After(duration)
	os.Exit(code)
	return nil
}

// allocate keeps an amount of memory resident until SIGTERM.
func allocate(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: allocate MEBIBYTES")
	}
	size, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("read the size: %w", err)
	}
	blocks := make([][]byte, size)
	for i := range blocks {
		blocks[i] = make([]byte, 1<<20)
		for at := 0; at < len(blocks[i]); at += os.Getpagesize() {
			blocks[i][at] = 1 // a page is resident only after it is written
		}
	}
	fmt.Println("allocated", size, "MiB")
	pause()
	runtime.KeepAlive(blocks)
	return nil
}

// burn uses an amount of CPU until SIGTERM: in each tenth of a second it is busy for the wanted part of it.
func burn(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: burn MILLICORES")
	}
	millis, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("read the amount of CPU: %w", err)
	}
	go func() {
		const period = 100 * time.Millisecond
		for start := range time.Tick(period) {
			for time.Since(start) < period*time.Duration(millis)/1000 {
			}
		}
	}()
	pause()
	return nil
}

// fill writes a file of an amount of MiB, and waits for SIGTERM.
func fill(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: fill FILE MEBIBYTES")
	}
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("read the size: %w", err)
	}
	if err := os.WriteFile(args[0], make([]byte, size<<20), 0o644); err != nil {
		return fmt.Errorf("fill a file: %w", err)
	}
	pause()
	return nil
}
