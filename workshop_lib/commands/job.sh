#!/bin/bash
#SBATCH --job-name={{ name }}
#SBATCH --nodes={{ nodes }}
#SBATCH --ntasks-per-node={{ [gpus, 1] | max }}
{% if gpus %}
#SBATCH --gpus-per-node={{ gpus }}
{% endif %}
#SBATCH --cpus-per-task={{ cpus }}
#SBATCH --time={{ time }}
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.out
{% for option in options %}
#SBATCH --{{ option }}
{% endfor %}
# Written by `workshop slurm`. Submit it with sbatch from the folder where `workshop
# train` would run: data, runs and caches must be where all nodes see them.
#
# Two minutes before its time is over SLURM sends SIGUSR1 to this script. It passes it
# on; the training writes a checkpoint and ends; the job is queued again and resumes. A
# preempted job does the same on SIGTERM, and SLURM itself queues it again.

export OMP_NUM_THREADS={{ cpus }}
MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
MASTER_PORT=$((20000 + SLURM_JOB_ID % 20000))
export MASTER_ADDR MASTER_PORT

again=no
trap 'again=yes; kill -USR1 "$child"' USR1
trap 'kill -TERM "$child"' TERM

# Each task gets the rank of its process, as torchrun would set it.
srun --kill-on-bad-exit=1 --cpus-per-task={{ cpus }} bash -c '
    export RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID
    export WORLD_SIZE=$SLURM_NTASKS LOCAL_WORLD_SIZE={{ [gpus, 1] | max }}
    exec "$@"' task \
    {{ command }} &
child=$!

# A signal ends `wait` before the training has ended: wait again.
while true; do
    wait "$child"
    code=$?
    kill -0 "$child" 2>/dev/null || break
done

if [ "$again" = yes ] && [ "$code" -ne 0 ]; then
    echo "time is over: queued again"
    exec scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
