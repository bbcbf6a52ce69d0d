#!/usr/bin/env bash
# Fails if a generated file is out of date. It leaves the new version in place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

generated=(api/v1alpha1/zz_generated.deepcopy.go config/crd/bases config/charts client/join/manifests docs/REFERENCE.md api/wire/wirepb api/wire/columnar/zz_generated.fields.go agent/informer/slimpb master/view/rows/zz_generated.rows.go docs/openapi.json web/src/stream/openapi.ts)
kept=$(mktemp -d)
trap 'rm -rf "$kept"' EXIT
cp -r --parents "${generated[@]}" "$kept"
hack/generate.sh
for path in "${generated[@]}"; do
	if ! diff -ru "$kept/$path" "$path"; then
		echo "verify-generated: $path was out of date; the new version is in place: commit it" >&2
		exit 1
	fi
done
