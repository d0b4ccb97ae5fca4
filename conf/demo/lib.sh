# lib.sh - what the demo's scripts share: where things are, how to tell what runs.
# SPDX-License-Identifier: MPL-2.0
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
run=${CONGVU_DEMO_DIR:-$root/run/demo}
bin=${CONGVU_DEMO_BIN:-$root/build/release/bin}
conf=$run/congvu.conf
env_file=$run/demo.env
congvu=$bin/congvu

say() { printf '%s\n' "$*"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }

# The pid of the demo's supervisor, if that very process still runs.
demo_pid() {
	local pid
	pid=$(cat "$run/serve.pid" 2>/dev/null) || return 1
	[[ $pid =~ ^[0-9]+$ ]] || return 1
	[[ $(readlink "/proc/$pid/exe" 2>/dev/null) == "$(readlink -f "$congvu")"* ]] || return 1
	tr '\0' ' ' < "/proc/$pid/cmdline" | grep -qF -- "$conf" || return 1
	printf '%s\n' "$pid"
}
