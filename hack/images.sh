#!/usr/bin/env bash
# Builds the container images for all platforms, with the version in the file VERSION, which config/components/version
# also has: hack/images.sh [REGISTRY/PREFIX]. It pushes the images if a prefix is given; otherwise they stay in the
# builder's cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(<VERSION)
for target in master agent; do
	docker buildx build --platform linux/amd64,linux/arm64 --build-arg "VERSION=$version" --build-arg "COMMIT=$(git rev-parse HEAD)" --target "$target" \
		--tag "${1:-rollcall}-$target:$version" ${1:+--push} .
done
