#!/usr/bin/env bash
# Fails when a generated file is not what its source gives.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

generated=(api/v1alpha1/zz_generated.deepcopy.go config/crd/bases api/wire/wirepb agent/informer/slimpb)
kept=$(mktemp -d)
trap 'rm -rf "$kept"' EXIT
cp -r --parents "${generated[@]}" "$kept"
hack/generate.sh
for path in "${generated[@]}"; do
	if ! diff -ru "$kept/$path" "$path"; then
		echo "verify-generated: $path was out of date; it is made anew, commit it" >&2
		exit 1
	fi
done
