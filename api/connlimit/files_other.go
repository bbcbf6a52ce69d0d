//go:build !unix

package connlimit

func openFiles() (uint64, bool) { return 0, false }
