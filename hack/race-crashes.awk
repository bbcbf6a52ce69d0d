# Reads the output of go test for several packages, and prints the packages whose test process ended by a fault of the
# race detector itself (go.dev/issue/78156): a signal outside of Go code, after which the Go runtime prints the
# registers. The programs under test contain no other code that is not Go's. A package with a failed test is not printed.
/^SIG(SEGV|BUS|ABRT|ILL|FPE): / { signal = 1 }
/^PC=0x[0-9a-f]+ m=[0-9]+ sigcode=/ { crashed = signal }
/^ *--- FAIL|^panic: |^WARNING: DATA RACE/ { failed = 1 }
/^(ok|FAIL|\?) *\t/ {
	if ($1 == "FAIL" && crashed && !failed) print $2
	signal = crashed = failed = 0
}
