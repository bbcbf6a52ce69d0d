#!/usr/bin/env bash
# web.sh build builds the page into web/dist, which the Go package web embeds. The other commands:
#   check    fails if web/dist is out of date
#   types    generates src/stream/openapi.ts from docs/openapi.json, and compiles a generated client
#   lint     runs Biome on the source, and checks the length of lines
#   format   formats the source
#   test     runs the unit tests
#   browser  runs the tests in Chromium against a fake master
#   real     runs the tests in Chromium against a real master, agents and API servers
#   frames   measures how smoothly large lists scroll and filter; needs an otherwise idle machine
#   images   renews the screenshots in docs/images
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# No colors in logs.
[[ -t 1 ]] || export NO_COLOR=1

# The maximum compressed size of the page, in bytes.
max_size=250000
# The maximum length of lines of the source.
max_line=120

install() {
	if [[ ! -d web/node_modules ]] || [[ web/package-lock.json -nt web/node_modules/.package-lock.json ]]; then
		npm ci --prefix web --no-fund --no-audit --loglevel=error
	fi
}

# build DIR: builds the page into a folder.
build() {
	(cd web && npx tsc --noEmit && npx vite build --outDir "$1" --emptyOutDir --logLevel warn)
}

# check_size: fails if the built page is larger than max_size.
check_size() {
	local total=0 size
	while IFS= read -r -d '' file; do
		size=$(gzip -9 -n -c "$file" | wc -c)
		total=$((total + size))
	done < <(find web/dist -type f ! -name licenses.txt -print0)
	echo "web: the page has $total bytes compressed, of at most $max_size"
	if ((total > max_size)); then
		echo "web: the page is too large" >&2
		exit 1
	fi
}

# lint: Biome checks the rules of web/biome.jsonc and the format. Its formatter does not break strings and comments, so
# the length of lines is checked here.
lint() {
	(cd web && npx biome check --error-on-warnings)
	local files
	mapfile -t files < <(git ls-files --cached --others --exclude-standard \
		'web/*.'{ts,tsx,css,html,go} ':!web/dist' ':!web/src/stream/openapi.ts' hack/web.sh)
	if LC_ALL=C.UTF-8 grep -nE ".{$((max_line + 1))}" "${files[@]}"; then
		echo "web: these lines are longer than $max_line characters" >&2
		exit 1
	fi
}

# types: openapi-typescript needs TypeScript 5, and so has a folder of its own, with a client that has to compile.
types() {
	local folder=test/openapi
	if [[ ! -d $folder/node_modules ]] || [[ $folder/package-lock.json -nt $folder/node_modules/.package-lock.json ]]; then
		npm ci --prefix "$folder" --no-fund --no-audit --loglevel=error
	fi
	(cd "$folder" && node generate.mjs && npx tsc -p .)
}

# build_server NAME: builds test/web/NAME, which the browser tests start.
build_server() {
	install
	hack/need.sh chromium chromium
	folder=${folder:-$(mktemp -d)}
	trap 'rm -rf "$folder"' EXIT
	go build -o "$folder/$1" "./test/web/$1"
}

browser() {
	build_server fakemaster
	(cd web && FAKEMASTER=$folder/fakemaster npx vitest run --project browser "$@")
}

real() {
	ROLLCALL_KUBE_BINARIES=$(hack/kube-binaries.sh)
	export ROLLCALL_KUBE_BINARIES
	build_server realstack
	(cd web && REALSTACK=$folder/realstack npx vitest run --project real "$@")
}

case ${1:-build} in
build)
	install
	build "$PWD/web/dist"
	check_size
	;;
check)
	install
	fresh=$(mktemp -d)
	trap 'rm -rf "$fresh"' EXIT
	build "$fresh"
	if ! diff -rq "$fresh" web/dist; then
		echo "web: web/dist is out of date; run hack/web.sh and commit web/dist" >&2
		exit 1
	fi
	check_size
	;;
types)
	types
	;;
lint)
	install
	lint
	;;
format)
	install
	(cd web && npx biome check --write)
	;;
test)
	install
	(cd web && npx vitest run --project unit)
	;;
browser)
	browser "${@:2}"
	;;
real)
	real "${@:2}"
	;;
frames)
	FRAMES=1 browser e2e/scale.test.ts "${@:2}"
	;;
images)
	export SHOTS=${SHOTS:-$PWD/docs/images}
	browser "${@:2}"
	real "${@:2}"
	;;
*)
	echo "usage: hack/web.sh [build | check | types | lint | format | test | browser | real | frames | images]" >&2
	exit 2
	;;
esac
