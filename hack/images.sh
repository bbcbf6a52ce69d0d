#!/usr/bin/env bash
# Builds the container images for all platforms, with the version of the file VERSION, which config/components/version has
# too: hack/images.sh [REGISTRY/PREFIX] (default: rollcall, kept by the builder)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(<VERSION)
for target in master agent; do
	docker buildx build --platform linux/amd64,linux/arm64 --build-arg "VERSION=$version" --build-arg "COMMIT=$(git rev-parse HEAD)" --target "$target" \
		--tag "${1:-rollcall}-$target:$version" ${1:+--push} .
done
