#!/bin/bash
# Ends exactly what start.sh started; the province stays in run/demo.
# SPDX-License-Identifier: MPL-2.0
set -euo pipefail
. "$(dirname "$0")/lib.sh"

if ! pid=$(demo_pid); then
	say "The demo is not running."
	exit 0
fi
kill -TERM "$pid"
for ((i = 0; i < 300; i++)); do
	kill -0 "$pid" 2>/dev/null || { rm -f "$run/serve.pid"; say "Stopped."; exit 0; }
	sleep 0.1
done
die "pid $pid does not end; its log is $run/serve.log"
