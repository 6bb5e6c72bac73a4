#!/bin/sh
#SBATCH --job-name=entrylab
#SBATCH --array=1-4
#SBATCH --exclusive
# A part of the night on each node that Slurm gives; see docs/lab.md. Each writes a
# history of its own, so that no file is shared. -constraint on sbatch's command line
# chooses the CPUs by the nodes' features.
set -eu
: "${NIGHT:?give the night to sbatch: --export=ALL,NIGHT=2026-01-31}"
exec entrylab nightly -matrix lab.toml -night "$NIGHT" \
	-store "nights/parts/$NIGHT-$SLURM_ARRAY_TASK_ID" -machine-name "$SLURMD_NODENAME"
