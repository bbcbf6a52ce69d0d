//go:build unix

package connlimit

import "syscall"

// maxOpenFiles returns the limit of open files of this process. Go has raised it to the system's
// maximum.
func maxOpenFiles() (uint64, bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Cur), true //nolint:unconvert // it is signed on some systems
}
