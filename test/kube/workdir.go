package kube

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	workdirPrefix = "rollcall-kube-"
	workdirLock   = "in-use"
)

// workdir is the folder of one cluster. A temporary one is held by a lock, which ends with its process: folders that
// nobody holds were left by a process that was killed, and go when the next cluster starts.
type workdir struct {
	path string
	lock *os.File // nil in a folder of the caller's, which stays
}

func newWorkdir(wanted, name string) (*workdir, error) {
	if wanted != "" {
		path, err := filepath.Abs(wanted)
		if err != nil {
			return nil, fmt.Errorf("find the cluster's folder: %w", err)
		}
		return &workdir{path: path}, os.MkdirAll(path, 0o700)
	}
	removeAbandoned()
	path, err := os.MkdirTemp("", workdirPrefix+name+"-")
	if err != nil {
		return nil, fmt.Errorf("make the cluster's folder: %w", err)
	}
	lock, err := holdWorkdir(path)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	return &workdir{path: path, lock: lock}, nil
}

// holdWorkdir locks a folder, or fails if another process has locked it.
func holdWorkdir(path string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(path, workdirLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of %s: %w", path, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), lock.Close())
	}
	return lock, nil
}

// removeAbandoned removes what killed processes left. A folder without its lock file is just being made.
func removeAbandoned() {
	locks, err := filepath.Glob(filepath.Join(os.TempDir(), workdirPrefix+"*", workdirLock))
	if err != nil {
		return
	}
	for _, path := range locks {
		abandoned := workdir{path: filepath.Dir(path)}
		if abandoned.lock, err = holdWorkdir(abandoned.path); err == nil {
			abandoned.remove()
		}
	}
}

// remove deletes a temporary folder; ROLLCALL_KEEP keeps it, to look at its logs.
func (d *workdir) remove() {
	if d.lock == nil {
		return
	}
	if os.Getenv("ROLLCALL_KEEP") == "" {
		_ = os.RemoveAll(d.path)
	} else {
		_ = os.Remove(d.file(workdirLock))
	}
	_ = d.lock.Close()
	d.lock = nil
}

// file returns the path of a file in the folder.
func (d *workdir) file(elements ...string) string {
	return filepath.Join(append([]string{d.path}, elements...)...)
}

// write writes a file that only this user may read, with the folders above it.
func (d *workdir) write(content []byte, elements ...string) (string, error) {
	path := d.file(elements...)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("make the folder of %s: %w", path, err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	return path, nil
}
