#!/usr/bin/env bash
# A Slurm cluster of one node, this one, for `make test-engines`. Needs root and Debian's packages
# slurmctld, slurmd, slurm-client and munge; run again it changes nothing.
set -euo pipefail

if sinfo --noheader >/dev/null 2>&1; then
    sinfo
    exit 0
fi
for command in slurmctld slurmd munged sbatch; do
    command -v "$command" >/dev/null || {
        echo "no $command here: apt-get install slurmctld slurmd slurm-client munge" >&2
        exit 1
    }
done

host=$(hostname -s)
mkdir -p /etc/slurm /run/munge /var/spool/slurmctld /var/spool/slurmd /var/log/slurm
[ -s /etc/munge/munge.key ] || /usr/sbin/mungekey --create
chown -R munge:munge /etc/munge /run/munge /var/lib/munge /var/log/munge
pgrep -x munged >/dev/null || runuser -u munge -- /usr/sbin/munged

cat > /etc/slurm/slurm.conf <<CONF
ClusterName=one
SlurmctldHost=$host
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd.log
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=60
KillWait=10
NodeName=$host CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF

pgrep -x slurmctld >/dev/null || slurmctld
pgrep -x slurmd >/dev/null || slurmd
for _ in $(seq 60); do
    sinfo --noheader --states=idle,mix,alloc 2>/dev/null | grep -q . && break
    scontrol update nodename="$host" state=resume 2>/dev/null || true
    sleep 0.5
done
sinfo
