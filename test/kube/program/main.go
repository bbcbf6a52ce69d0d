// Command program is all that runs on a real node of package kube besides Kubernetes: the first process of the node, the
// pause container, and in the containers of tests a program that behaves as its arguments say. It is one static file
// which needs nothing else in its image.
//
//	program node-init    the first process of a node, see node.go
//	program pause        wait for SIGTERM
//	program exit N D     wait for the duration D, then end with exit code N
//	program allocate N   take N MiB of memory, then wait for SIGTERM
//	program serve P...   answer on ports, as 8080/tcp (HTTP) or 53/udp, until SIGTERM
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
	case "serve":
		return serve(args)
	default:
		return fmt.Errorf("unknown command %q", command)
	}
}

// pause waits for SIGTERM. As the first process of a PID namespace it reaps the processes that lost their parent.
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
	fmt.Println("ends with exit code", code, "after", duration)
	<-time.After(duration)
	os.Exit(code)
	return nil
}

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
			blocks[i][at] = 1 // memory is taken when it is written
		}
	}
	fmt.Println("holds", size, "MiB")
	pause()
	runtime.KeepAlive(blocks)
	return nil
}
