#!/bin/bash
# Extraction on a Ray cluster of the nodes of one Slurm job: a node that is lost costs the shards that it has in hand.
#   VIDEOS=LLP/video STORE=llp.store sbatch --nodes=4 ray_cluster.sh --backbone languagebind --labels llp.txt
#SBATCH --job-name=avreplay
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-task=4
#SBATCH --cpus-per-task=64
#SBATCH --mem=0
#SBATCH --time=24:00:00
# the loss of a node does not end the job
#SBATCH --no-kill
set -euo pipefail
export RAY_USAGE_STATS_ENABLED=0
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes%%$'\n'*}
address="$head:$((20000 + SLURM_JOB_ID % 10000))"
# the batch script runs on the first node, and so does the command: it has to be on a node of the cluster
ray start --head --port="${address##*:}" --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats
trap 'ray stop' EXIT
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" --kill-on-bad-exit=0 \
        ray start --address="$address" --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats --block &
fi
avreplay extract "$VIDEOS" --store "$STORE" --ray "$address" "$@"
