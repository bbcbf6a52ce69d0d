#!/usr/bin/env bash
# web.sh builds the page into web/dist, from which Go embeds it. web.sh check fails where the built files are not what
# their source gives; web.sh test runs the unit tests; web.sh browser runs the page in a real browser with a master that
# is played, web.sh real with a real master, a real agent and real API servers. web.sh frames measures how smoothly much
# is scrolled and filtered, on a machine that does nothing else; web.sh images makes the pictures of docs/images anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Where nobody looks at a terminal, nothing is coloured.
[[ -t 1 ]] || export NO_COLOR=1

# The page as a browser fetches it, compressed, in bytes.
bound=250000

install() {
	if [[ ! -d web/node_modules ]] || [[ web/package-lock.json -nt web/node_modules/.package-lock.json ]]; then
		npm ci --prefix web --no-fund --no-audit --loglevel=error
	fi
}

build() { # into a folder
	(cd web && npx tsc --noEmit && npx vite build --outDir "$1" --emptyOutDir --logLevel warn)
}

measure() {
	local total=0 size
	while IFS= read -r -d '' file; do
		size=$(gzip -9 -n -c "$file" | wc -c)
		total=$((total + size))
	done < <(find web/dist -type f ! -name licenses.txt -print0)
	echo "web: the page is $total bytes compressed, of $bound"
	if ((total > bound)); then
		echo "web: that is too much" >&2
		exit 1
	fi
}

# served WHAT: builds test/web/WHAT, which the tests of a project run by the path in a variable of its name.
served() {
	install
	hack/need.sh chromium chromium
	folder=${folder:-$(mktemp -d)}
	trap 'rm -rf "$folder"' EXIT
	go build -o "$folder/$1" "./test/web/$1"
}

browser() {
	served fakemaster
	(cd web && FAKEMASTER=$folder/fakemaster npx vitest run --project browser "$@")
}

real() {
	ROLLCALL_KUBE_BINARIES=$(hack/kube-binaries.sh)
	export ROLLCALL_KUBE_BINARIES
	served realstack
	(cd web && REALSTACK=$folder/realstack npx vitest run --project real "$@")
}

case ${1:-build} in
build)
	install
	build "$PWD/web/dist"
	measure
	;;
check)
	install
	fresh=$(mktemp -d)
	trap 'rm -rf "$fresh"' EXIT
	build "$fresh"
	if ! diff -rq "$fresh" web/dist; then
		echo "web: web/dist is not what its source gives; run hack/web.sh and commit it" >&2
		exit 1
	fi
	measure
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
	echo "web: build, check, test, browser, real, frames or images" >&2
	exit 2
	;;
esac
