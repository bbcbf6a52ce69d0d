#!/usr/bin/env bash
# need.sh COMMAND PACKAGE installs Debian's PACKAGE unless COMMAND exists. Without the permission to install it, the
# script prints what to install and fails.
set -euo pipefail

command=$1 package=$2
if command -v "$command" >/dev/null; then exit; fi
install=(apt-get install -y -qq --no-install-recommends "$package")
as_root=()
if ((EUID != 0)); then as_root=(sudo -n); fi
if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
	echo "need: installing $package" >&2
	"${as_root[@]}" apt-get update -qq >&2
	DEBIAN_FRONTEND=noninteractive "${as_root[@]}" "${install[@]}" >&2
	# Debian starts a server when it is installed. Tests start their own servers.
	case $package in
		redis-server | prometheus | influxdb | containerd | nginx-light) "${as_root[@]}" service "${package%-light}" stop >&2 || true ;;
	esac
	exit
fi
echo "need: $command is missing and cannot be installed from here: install it (Debian: apt-get install $package)" >&2
exit 1
