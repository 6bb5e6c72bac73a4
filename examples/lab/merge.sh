#!/bin/sh
#SBATCH --job-name=entrylab-merge
# Puts the parts of a night into the history of all, and judges it; see docs/lab.md.
# What a part did not come to is done here.
set -eu
: "${NIGHT:?give the night to sbatch: --export=ALL,NIGHT=2026-01-31}"
entrylab results merge nights/all nights/parts/"$NIGHT"-*
exec entrylab nightly -matrix lab.toml -night "$NIGHT" -shard 1/1 -store nights/all -html nights/pages
