#!/usr/bin/env bash
# Runs every fuzz target for a while each: hack/fuzz.sh [DURATION [FOLDER…]] (default: $FUZZTIME, else 3s; all folders)
#
# The corpora under testdata/fuzz are seeds. What is found besides is kept in Go's build cache (go env GOCACHE, below
# fuzz/), from which the next run goes on; go clean -fuzzcache forgets it. An input that fails is written under
# testdata/fuzz of its package and printed with how to run it again: it belongs into the commit that fixes the fault.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

duration=${1:-${FUZZTIME:-3s}}
mapfile -t folders < <(printf '%s\n' "${@:2}" | grep . || git grep -l --untracked '^func Fuzz' -- '*_test.go' | xargs -n 1 dirname | sort -u)
binaries=$(mktemp -d)
trap 'rm -rf "$binaries"' EXIT
began=$SECONDS
failed=0
count=0

# One package has one binary for all of its targets, built with what guides the search.
for folder in "${folders[@]}"; do
	binary=$binaries/${folder//\//-}.test
	go test -c -fuzz=. -o "$binary" "./$folder"
	cache=$(go env GOCACHE)/fuzz/$(go list "./$folder")
	for target in $(cd "$folder" && "$binary" -test.list '^Fuzz' | grep '^Fuzz'); do
		count=$((count + 1))
		printf 'fuzz: %s %s for %s\n' "$folder" "$target" "$duration"
		if ! (cd "$folder" && "$binary" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$duration" \
			-test.fuzzminimizetime 1s -test.fuzzcachedir "$cache" -test.parallel 2) >"$binaries/output" 2>&1; then
			failed=1
			cat "$binaries/output" >&2
			printf 'fuzz: %s failed. Run it again with the input named above:\n  go test -run %q ./%s\n' "$target" "^$target\$" "$folder" >&2
		fi
	done
done

printf 'fuzz: %d targets in %d s\n' "$count" $((SECONDS - began))
exit "$failed"
