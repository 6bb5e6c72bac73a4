#!/bin/sh
# A machine's part of a night that several share by a queue; see docs/lab.md. All machines
# begin at the same time, one of them with the word judge: it prints what the night found.
set -eu
: "${QUEUE:?want the URL of the database, as postgres://lab@db/nights}"
NIGHT=${NIGHT:-$(date -u +%F)}
status=0
entrylab work -queue "$QUEUE" -matrix lab.toml -night "$NIGHT" || status=$?
[ "${1-}" = judge ] || exit "$status"
exec entrylab nightly -store "$QUEUE" -matrix lab.toml -night "$NIGHT" -shard 1/1 -html pages
