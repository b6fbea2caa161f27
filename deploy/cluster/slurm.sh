#!/usr/bin/env bash
# A Ray cluster on the nodes of one Slurm job, and a command of ours on it: see docs/cluster.md.
#
#     sbatch --nodes 4 --gpus-per-node 8 deploy/cluster/slurm.sh \
#         python -m robust_model evaluate MODEL --suite autoattack-rand --out results --json report.json
#
# The command gets "--cluster auto". The same environment has to be there on every node, as it is in a home that all
# share; activate it before sbatch, which hands on what it finds, or here.
#SBATCH --job-name=crossmax
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=04:00:00
set -euo pipefail

[ $# -gt 0 ] || { echo "Usage: sbatch deploy/cluster/slurm.sh COMMAND..." >&2; exit 2; }

# Who knows the token may run anything as you: it is this job's own, and nobody else reads the file.
umask 077
RAY_AUTH_TOKEN_PATH=$(mktemp "${SLURM_SUBMIT_DIR:-$PWD}/.ray-token-XXXXXX")
trap 'rm -f "$RAY_AUTH_TOKEN_PATH"' EXIT
python -c 'import secrets; print(secrets.token_hex(32), end="")' > "$RAY_AUTH_TOKEN_PATH"
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH RAY_USAGE_STATS_ENABLED=0

nodes=${SLURM_JOB_NUM_NODES:-1}
cpus=${SLURM_CPUS_ON_NODE:-$(nproc)}
gpus=${SLURM_GPUS_ON_NODE:-0}
port=$((20000 + ${SLURM_JOB_ID:-0} % 10000)) # two jobs may share a node
if [ -n "${SLURM_JOB_NODELIST:-}" ]; then
  head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
  address=$(srun --nodes 1 --ntasks 1 --nodelist "$head" hostname --ip-address | awk '{print $1}')
  start=(srun --nodes "$nodes" --ntasks "$nodes" --ntasks-per-node 1)
else # tried without Slurm, on one machine
  address=127.0.0.1
  start=()
fi
"${start[@]}" ray symmetric-run --address "$address:$port" --min-nodes "$nodes" --num-cpus "$cpus" --num-gpus "$gpus" \
  -- "$@" --cluster auto
