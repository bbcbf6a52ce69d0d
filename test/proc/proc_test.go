package proc

import (
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestProcessesOutliveUnrelatedThreads(t *testing.T) {
	executable, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	var processes []*Process
	for range 20 {
		p, err := Start(Command{Executable: executable, Args: []string{"60"}, LogFile: filepath.Join(t.TempDir(), "log"), Home: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Kill()
		processes = append(processes, p)
	}
	var threads sync.WaitGroup
	for range 200 {
		threads.Go(func() { OnThread(func() bool { return false }) })
	}
	threads.Wait()
	for _, p := range processes {
		select {
		case <-p.Ended():
			t.Fatal("a process ended when an unrelated thread ended")
		default:
		}
	}
}

func TestOnThreadDoesNotUseTheFirstThread(t *testing.T) {
	var threads sync.WaitGroup
	for range 100 {
		threads.Go(func() {
			OnThread(func() bool {
				if unix.Gettid() == unix.Getpid() {
					t.Error("f runs on the first thread, whose namespaces /proc shows as those of the process")
				}
				return false
			})
		})
	}
	threads.Wait()
}
