//go:build unix

package connlimit

import "syscall"

// openFiles returns how many files this process may have open. Go has raised it to what
// the system allows at most.
func openFiles() (uint64, bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Cur), true //nolint:unconvert // it is signed on some systems
}
