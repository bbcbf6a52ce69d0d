#!/usr/bin/env bash
# Provides all binaries of a real Kubernetes cluster for tests and demos, once per user, and prints their folder
# to stdout. Progress goes to stderr. hack/kube-download downloads those that are published, and the others are built.
# Building all takes some ten minutes on two cores. Later runs (from any clone) take a few milliseconds.
#
#   kube-binaries.sh        kube-apiserver kube-controller-manager kube-scheduler kubectl etcd kwok metrics-server
#   kube-binaries.sh node   kubelet kube-proxy
#
#   kube-binaries.sh sums   updates hack/kube-binaries/kubernetes/node.sum, after a change of versions
#
# Two Go modules under hack/kube-binaries/ pin the versions: etcd's, and one for everything from Kubernetes. node.sum
# has the checksums of modules that only the node's binaries need: in go.sum, their changes would rebuild all other
# binaries.
# If $KUBEBUILDER_ASSETS has kube-apiserver, etcd and kubectl (see setup-envtest), those three are taken from there.
#
# Nothing is downloaded with ROLLCALL_KUBE_DOWNLOADS=off, in CI (CI=true), or if all binaries were built before.
# ROLLCALL_KUBE_INDEX and ROLLCALL_KUBE_RELEASE replace the URLs of setup-envtest's index and of Kubernetes' releases by
# those of a mirror; an empty value leaves that source out. Downloaded binaries have a folder of their own, since they may
# be of another patch release.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
modules=$here/kube-binaries
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rollcall/kube
recipe=2 # increment it if the build changes without a change of versions
node_recipe=1 # the same for the node's binaries, which are in a separate folder

kubernetes=$(awk '$1 == "k8s.io/kubernetes" {print $2}' "$modules/kubernetes/go.mod")
kubernetes_version="-X k8s.io/component-base/version.gitVersion=$kubernetes"
node_binaries=(k8s.io/kubernetes/cmd/kubelet k8s.io/kubernetes/cmd/kube-proxy)
control_plane=(kube-controller-manager kube-scheduler)
from_assets=(kube-apiserver kubectl etcd)

log() { printf 'kube-binaries: %s\n' "$*" >&2; }

# have_assets succeeds if KUBEBUILDER_ASSETS has all binaries of from_assets.
have_assets() {
	[[ -n ${KUBEBUILDER_ASSETS:-} ]] || return 1
	local binary
	for binary in "${from_assets[@]}"; do
		[[ -x $KUBEBUILDER_ASSETS/$binary ]] || return 1
	done
}

# The key depends on all versions, so that each combination has its own folder. Binaries in a folder are never replaced.
version_key() {
	local assets=none
	if have_assets; then assets=$KUBEBUILDER_ASSETS; fi
	local digest
	digest=$({ cat "$modules"/*/go.mod "$modules"/*/go.sum; echo "$recipe $assets"; } | sha256sum | cut -c1-12)
	echo "$kubernetes-$(go env GOOS)-$(go env GOARCH)-$digest"
}

node_version_key() {
	local digest
	digest=$({ cat "$modules"/kubernetes/go.mod "$modules"/kubernetes/{go,node}.sum; echo "node $node_recipe"; } | sha256sum | cut -c1-12)
	echo "$kubernetes-$(go env GOOS)-$(go env GOARCH)-node-$digest"
}

# show_progress MODULE reads the package names that `go build -v` prints, and prints a line of progress every
# ten seconds, with the time left. A line "total: N" starts the compilation of at most N packages.
show_progress() {
	local module=$1 line downloaded=0 compiled=0 start=$SECONDS shown=$SECONDS status total=0 compiling=$SECONDS left
	while true; do
		if IFS= read -r -t 5 line; then
			case $line in
			"go: downloading "*) downloaded=$((downloaded + 1)) ;;
			"total: "*) total=${line#total: } compiling=$SECONDS ;;
			*[[:space:]]*) printf '%s\n' "$line" >&2 ;; # not a package name: a warning or an error
			*) compiled=$((compiled + 1)) ;;
			esac
		else
			status=$?
			((status > 128)) || break # above 128: the read timed out; otherwise the build has ended
		fi
		if ((SECONDS - shown >= 10)); then
			shown=$SECONDS
			left=
			if ((compiled > 0 && total > compiled)); then
				left=", at most $(((SECONDS - compiling) * (total - compiled) / compiled)) s left"
			fi
			log "$module: $((SECONDS - start)) s, $downloaded modules downloaded, $compiled of $total packages compiled$left"
		fi
	done
	log "$module: done in $((SECONDS - start)) s"
}

# build MODULE FLAGS OUTPUT [FLAG…] PACKAGE… builds commands of one module, with linker flags FLAGS.
build() {
	local module=$1 flags=$2 output=$3
	shift 3
	log "$module: building"
	(
		cd "$modules/$module"
		echo "total: $(GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0 go list -deps "$@" | wc -l)"
		GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0 go build -v -trimpath -ldflags "-s -w $flags" -o "$output" "$@"
	) 2>&1 | show_progress "$module"
}

# downloads succeeds if binaries may be downloaded.
downloads() { [[ ${ROLLCALL_KUBE_DOWNLOADS:-on} != off && ${CI:-} != true ]] && ! have_assets; }

# download BIN downloads binaries that are published. Every one that it cannot get is built.
download() {
	local -a urls=()
	if [[ -v ROLLCALL_KUBE_INDEX ]]; then urls+=("-index=$ROLLCALL_KUBE_INDEX"); fi
	if [[ -v ROLLCALL_KUBE_RELEASE ]]; then urls+=("-release=$ROLLCALL_KUBE_RELEASE"); fi
	log "downloading what is published (ROLLCALL_KUBE_DOWNLOADS=off builds all)"
	(cd "$here/.." && GOFLAGS="-mod=readonly -trimpath" CGO_ENABLED=0 go run ./hack/kube-download -version "$kubernetes" -output "$1" -pins "$modules/downloads.sum" "${urls[@]}" >"$1.downloaded") ||
		log "the download has failed; building what is missing"
}

# build_all BIN builds the binaries of the control plane, kwok and metrics-server, except those that BIN has.
build_all() {
	local bin=$1 binary
	local -a commands=()
	if have_assets; then
		log "kube-apiserver, kubectl and etcd come from $KUBEBUILDER_ASSETS"
		for binary in "${from_assets[@]}"; do ln -s "$KUBEBUILDER_ASSETS/$binary" "$bin/$binary"; done
	elif downloads; then
		download "$bin"
	fi
	[[ -x $bin/etcd ]] || build etcd "" "$bin/etcd" go.etcd.io/etcd/server/v3
	for binary in kube-apiserver kubectl "${control_plane[@]}"; do
		[[ -x $bin/$binary ]] || commands+=("$binary")
	done
	build kubernetes "$kubernetes_version" "$bin/" \
		"${commands[@]/#/k8s.io/kubernetes/cmd/}" sigs.k8s.io/kwok/cmd/kwok sigs.k8s.io/metrics-server/cmd/metrics-server
}

# build_node BIN builds the node's binaries. The module's requirements are the same as for the other binaries, so that
# nearly all packages come from Go's build cache.
build_node() {
	local mod=$1/../mod
	merge_sums "$mod"
	build kubernetes "$kubernetes_version" "$1/" -modfile="$mod/go.mod" "${node_binaries[@]}"
	rm -r "$mod"
}

# merge_sums FOLDER writes a go.mod and go.sum to FOLDER, with the checksums for the node's binaries.
merge_sums() {
	mkdir -p "$1"
	cp "$modules/kubernetes/go.mod" "$1/go.mod"
	cat "$modules/kubernetes/"{go,node}.sum >"$1/go.sum"
}

# write_sums updates node.sum.
write_sums() {
	local mod
	mod=$(mktemp -d)
	: >"$modules/kubernetes/node.sum"
	merge_sums "$mod"
	(cd "$modules/kubernetes" && GOFLAGS=-mod=mod GOWORK=off go list -modfile="$mod/go.mod" -deps "${node_binaries[@]}" >/dev/null)
	LC_ALL=C comm -13 <(LC_ALL=C sort "$modules/kubernetes/go.sum") <(LC_ALL=C sort "$mod/go.sum") >"$modules/kubernetes/node.sum"
	rm -r "$mod"
}

# provide KEY BUILD DURATION prints the folder of that key, or KEY-downloaded if binaries may be downloaded. If neither
# exists, the function BUILD builds its binaries; DURATION is printed as the expected time.
provide() {
	local folder=$cache/$1 build=$2 duration=$3
	if ! existing "$folder"; then
		mkdir -p "$cache"
		exec 9>"$cache/lock"
		if ! flock --nonblock 9; then
			log "another build is running, waiting for it"
			flock 9
		fi
		if ! existing "$folder"; then
			log "building Kubernetes $kubernetes into $folder (once; $duration)"
			local building=$folder.building
			rm -rf "$building"
			mkdir -p "$building/bin"
			"$build" "$building/bin"
			if [[ -s $building/bin.downloaded ]]; then folder+=-downloaded; fi
			mv "$building" "$folder"
			log "ready in $SECONDS s"
			echo "$folder/bin"
		fi
	fi
}

# existing FOLDER prints the folder with binaries and succeeds if it exists: FOLDER or FOLDER-downloaded.
existing() {
	if [[ -d $1/bin ]]; then
		echo "$1/bin"
	elif downloads && [[ -d $1-downloaded/bin ]]; then
		echo "$1-downloaded/bin"
	else
		return 1
	fi
}

case ${1:-} in
"") provide "$(version_key)" build_all "some ten minutes on two cores if nothing can be downloaded" ;;
node) provide "$(node_version_key)" build_node "a minute, after the other binaries" ;;
sums) write_sums ;;
*)
	echo "usage: kube-binaries.sh [node|sums]" >&2
	exit 2
	;;
esac
