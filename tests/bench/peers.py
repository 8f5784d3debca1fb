"""The peers: scripts of tests/bench/peers, run inside the root that holds their packages.

`./dev bench all` makes that root; `./dev` shows it as /mnt inside the build's own root, where this code runs. Without it (no network, a
native Debian 13 that was not asked to use roots) every peer is reported as not here, with the reason.
"""
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = Path("/mnt")
NEEDS = {  # peer -> a file of its package
    "pg": "usr/lib/postgresql/17/bin/postgres",
    "etcd": "usr/bin/etcd",
    "nats": "usr/sbin/nats-server",
    "rabbit": "usr/lib/rabbitmq/bin/rabbitmq-server",
    "sqlite": "usr/include/sqlite3.h",
}


def missing(peer):
    """Why @peer cannot be measured here, or None."""
    if not (ROOT / "usr").is_dir():
        return "no peers' root: ./dev bench all makes it (network needed)"
    if not any((ROOT / at).exists() for at in (NEEDS[peer], NEEDS[peer].replace("sbin", "bin"))):
        return f"the peers' root has no {NEEDS[peer]}"
    return None


def run(peer, seconds, settings):
    """Runs peers/@peer.sh; returns (its figures, None) or (what there is of them, why it failed)."""
    why = missing(peer)
    if why:
        return {}, why
    enter = ["unshare", *([] if os.getuid() == 0 else ["--map-current-user"]), f"--root={ROOT}", f"--wd={HERE / 'peers'}"]
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "SECS": f"{seconds:g}", **settings}
    process = subprocess.Popen([*enter, f"./{peer}.sh"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=900)
    finally:
        if process.poll() is None:
            process.terminate()  # it stops what it started
            process.wait()
    found = figures_of(out)
    if process.returncode != 0:
        return found, (err.strip().splitlines() or [f"ended with status {process.returncode}"])[-1]
    failed = [name for name, row in found.items() if "failed" in row]
    return found, f"failed: {', '.join(failed)}" if failed else None


def figures_of(text):
    """Lines `run metric value` as {run: {metric: number}}; others are left out."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3:
            try:
                found.setdefault(words[0], {})[words[1]] = float(words[2])
            except ValueError:
                print(f"not a figure: {line}", file=sys.stderr)
    return found
