#!/bin/bash
# Extraction as an array of Slurm jobs: each does its part of the shards of one store. No merge is needed.
#   VIDEOS=LLP/video STORE=llp.store sbatch --array=1-4 job_array.sh --backbone languagebind --labels llp.txt
#SBATCH --job-name=avreplay
#SBATCH --array=1-4
#SBATCH --gpus-per-task=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=24:00:00
# two minutes before the end, and where a job gives way: the shard in hand is written, and the same command resumes
#SBATCH --signal=B:TERM@120
set -euo pipefail
part=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN + 1))
exec avreplay extract "$VIDEOS" --store "$STORE" --shard "$part/$SLURM_ARRAY_TASK_COUNT" "$@"
