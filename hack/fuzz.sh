#!/usr/bin/env bash
# Runs every fuzz target for DURATION: hack/fuzz.sh [DURATION [FOLDER…]] (default: $FUZZTIME or 3s; all folders)
#
# The corpora under testdata/fuzz are seeds. Go keeps further interesting inputs in its build cache (go env GOCACHE,
# in fuzz/), and the next run continues with them; go clean -fuzzcache removes them. An input that fails is written to
# testdata/fuzz of its package, and the command that runs it again is printed. Commit the input with the fix.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

duration=${1:-${FUZZTIME:-3s}}
mapfile -t folders < <(printf '%s\n' "${@:2}" | grep . || git grep -l --untracked '^func Fuzz' -- '*_test.go' | xargs -n 1 dirname | sort -u)
binaries=$(mktemp -d)
trap 'rm -rf "$binaries"' EXIT
start=$SECONDS
failed=0
count=0

# One binary for all targets of a package, instrumented for coverage (-fuzz=.).
for folder in "${folders[@]}"; do
	binary=$binaries/${folder//\//-}.test
	go test -c -fuzz=. -o "$binary" "./$folder"
	cache=$(go env GOCACHE)/fuzz/$(go list "./$folder")
	for target in $(cd "$folder" && "$binary" -test.list '^Fuzz' | grep '^Fuzz'); do
		count=$((count + 1))
		printf 'fuzz: %s %s for %s\n' "$folder" "$target" "$duration"
		# Go before 1.27 at times fails a target when its time ends, though nothing was found (go.dev/issue/75804).
		# Such a run has no failing input and this message; it is repeated.
		for attempt in 1 2 3; do
			status=0
			(cd "$folder" && "$binary" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$duration" \
				-test.fuzzminimizetime 1s -test.fuzzcachedir "$cache" -test.parallel 2) >"$binaries/output" 2>&1 || status=$?
			if [ "$status" = 0 ] || grep -q 'Failing input written' "$binaries/output" ||
				! grep -qx ' *context deadline exceeded' "$binaries/output"; then
				break
			fi
			printf 'fuzz: %s: attempt %d ended by "context deadline exceeded" with no failing input (go.dev/issue/75804)\n' "$target" "$attempt"
		done
		if [ "$status" != 0 ]; then
			failed=1
			cat "$binaries/output" >&2
			printf 'fuzz: %s failed. To run it again with the input named above:\n  go test -run %q ./%s\n' "$target" "^$target\$" "$folder" >&2
		fi
	done
done

printf 'fuzz: %d targets in %d s\n' "$count" $((SECONDS - start))
exit "$failed"
