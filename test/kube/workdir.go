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

// workdir is the folder of one cluster. A temporary folder is locked while its process runs. A folder that is not
// locked was left by a killed process; the next cluster removes it.
type workdir struct {
	path string
	lock *os.File // nil for a folder of the caller, which is not removed
}

// newWorkdir returns the folder dir or, if dir is empty, a new temporary folder.
func newWorkdir(dir, name string) (*workdir, error) {
	if dir != "" {
		path, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("resolve the cluster's folder: %w", err)
		}
		return &workdir{path: path}, os.MkdirAll(path, 0o700)
	}
	removeAbandoned()
	path, err := os.MkdirTemp("", workdirPrefix+name+"-")
	if err != nil {
		return nil, fmt.Errorf("create the cluster's folder: %w", err)
	}
	lock, err := lockWorkdir(path)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	return &workdir{path: path, lock: lock}, nil
}

// lockWorkdir locks a folder. It returns an error if another process has locked it.
func lockWorkdir(path string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(path, workdirLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of %s: %w", path, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), lock.Close())
	}
	return lock, nil
}

// removeAbandoned removes the folders of killed processes. A folder without a lock file is just being created.
func removeAbandoned() {
	locks, err := filepath.Glob(filepath.Join(os.TempDir(), workdirPrefix+"*", workdirLock))
	if err != nil {
		return
	}
	for _, path := range locks {
		abandoned := workdir{path: filepath.Dir(path)}
		if abandoned.lock, err = lockWorkdir(abandoned.path); err == nil {
			abandoned.remove()
		}
	}
}

// remove deletes a temporary folder, unless ROLLCALL_KEEP is set, which keeps its logs.
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

// write writes a file with mode 0600, and creates its parent folders. It returns the file's path.
func (d *workdir) write(content []byte, elements ...string) (string, error) {
	path := d.file(elements...)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("create the folder of %s: %w", path, err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", path, err)
	}
	return path, nil
}
