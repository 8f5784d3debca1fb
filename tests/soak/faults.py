"""What is done to the federation during a soak: a plan from a seed, and what carries it out.

Every kind comes once, in mixed order, before the dice decide; no node has two faults of its own at a time. The nodes of KEPT are
killed during warm-up only: what grows in them afterwards, grows (rules.py).
"""
import ctypes
import heapq
import http.client
import itertools
import os
import random
import shutil
import sqlite3
import subprocess
import threading
import time

import rules

KEPT = {"510000", "520000"}  # the busiest desk; a window with a small disk
SMALL_DISKS = ("520000", "500000")
KINDS = {  # how often, against the others; longest duration in seconds
    "kill": (5, 15), "kill_at_start": (2, 3), "restart": (1, 3), "pause": (4, 20), "cut": (6, 60), "isolate": (3, 40), "flap": (2, 20),
    "oneway": (3, 40), "full": (2, 20), "restore": (1, 60), "backup": (2, 0), "reload": (1, 0), "renew": (1, 0), "clock": (4, 40), "drift": (2, 60),
    "clock_restart": (2, 40),
}
DEADLY = {"kill", "kill_at_start", "restart", "clock_restart"}
WAYS = ("stall", "drop", "reset")
CLOCKS = {"clock", "drift", "clock_restart"}  # a wall clock is wrong while it lasts
JUMPS_S = (-86400, -3600, -300, 300, 3600, 86400)  # of a clock: up to a day, so that no limit of the law runs out by it
DRIFTS = (-1.5, -0.5, -0.1, 0.1, 1.0, 10.0)  # seconds more each second: below -1 it runs backwards
DISK_BYTES = 512 << 20  # of a small disk at the start: a node begins no file that leaves less than 256 MiB free
SETTLE_S = 5  # a fault without a length of its own is not over sooner
APART_S = 3  # between two faults of one node
RESTORE_S = 60  # so long others may take to hold everything of a node that is put back; then it is left as it is, until the next time

libc = ctypes.CDLL(None, use_errno=True)


class Fault:
    def __init__(self, at, kind, targets, seconds, way=None):
        self.at, self.kind, self.targets, self.seconds, self.way = at, kind, targets, seconds, way

    def __repr__(self):
        way = f" {self.way}" if self.way else ""
        return f"{self.kind}{way} {' '.join(self.targets)} {self.seconds:.1f} s"


def ways_of(kind):
    """How a line can be cut, what a clock can be wrong by; nothing else has ways."""
    if kind in ("cut", "flap", "isolate"):
        return WAYS
    return {"oneway": WAYS[:2], "drift": DRIFTS, "clock": JUMPS_S, "clock_restart": JUMPS_S}.get(kind, (None,))


def plan(seed, length, every, regions, disks, longest=60):
    """The faults of a run of @length seconds, one about every @every; @disks: who can have a full one; @longest: of one, in seconds."""
    dice = random.Random(f"{seed}/faults")
    first, found, free, at = [k for k in KINDS if k != "full" or disks], [], dict.fromkeys(regions, 0.0), 0.0
    dice.shuffle(first)
    warm = rules.warm_up(length)
    while True:
        at += dice.uniform(0.5, 1.5) * every
        kind = first[-1] if first else dice.choices(list(KINDS), [w for w, _ in KINDS.values()])[0]
        if at > length:
            return found
        places = disks if kind == "full" else [rules.RESTORED] if kind == "restore" else regions
        can = [r for r in places if free[r] <= at and not (kind in DEADLY and r in KEPT and at > warm)]
        wanted = 2 if kind in ("cut", "oneway", "flap") else 1
        if len(can) < wanted:
            first = first[-1:] + first[:-1]
            continue
        first = first[:-1]
        targets = dice.sample(can, wanted)
        seconds = min(KINDS[kind][1], longest) * dice.uniform(0.1, 1.0)
        found.append(Fault(at, kind, targets, seconds, dice.choice(ways_of(kind))))
        for region in targets:
            free[region] = at + seconds + APART_S


# ---- small disks -----------------------------------------------------------------------------------------------------


def own_mounts():
    """Mounts of this process and its children are theirs alone from now on; False where the kernel does not let us. Before any thread."""
    uid, gid = os.getuid(), os.getgid()
    try:
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as f:
                f.write(text)
        return True
    except OSError:
        return False


class SmallDisk:
    """A file system of its own under a node's folder, that is full when we say so."""

    def __init__(self, node, size):
        before = node.dir.with_suffix(".before")
        node.dir.rename(before)
        node.dir.mkdir(mode=0o700)
        if libc.mount(b"tmpfs", str(node.dir).encode(), b"tmpfs", 0, f"size={size},mode=0700".encode()) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(node.dir))
        shutil.copytree(before, node.dir, dirs_exist_ok=True)
        self.filler = node.dir / "filler"

    def fill(self):
        with open(self.filler, "ab", buffering=0) as f:
            room = os.statvfs(self.filler)
            try:
                os.posix_fallocate(f.fileno(), 0, max(1, (room.f_bavail - 16) * room.f_frsize))
                while True:
                    f.write(bytes(1 << 16))
            except OSError:
                pass

    def free(self):
        self.filler.unlink()


# ---- carrying it out -------------------------------------------------------------------------------------------------


class Executor:
    """Carries out a plan. Everything here happens on the main thread: a daemon dies with the thread that has started it."""

    def __init__(self, cluster, nodes, disks, clocks, pool, faults, journal, seconds, dice):
        self.cluster, self.disks, self.clocks, self.pool, self.journal, self.seconds, self.dice = cluster, disks, clocks, pool, journal, seconds, dice
        self.nodes = {node.region: node for node in nodes}
        self.problems = []
        self.done = {}  # kind -> count
        self.quiet = set()  # regions that do not answer by our doing
        self.restoring = set()  # regions between their backup and the moment when they are as before
        self.backups = 0
        self._due, self._order = [], itertools.count()
        for fault in faults:
            self._later(fault.at, lambda f=fault: self._begin(f))

    def finish(self):
        """No new faults; everything is mended and runs when this returns."""
        for disk in self.disks.values():
            disk.filler.unlink(missing_ok=True)
        self.cluster.heal()
        while self.restoring:
            self.step()
            time.sleep(0.05)
        self.cluster.heal()
        for region in self.clocks:
            self._set_clock(region, 0)
        for region, node in self.nodes.items():
            if node.process is None:
                node.start(wait=False)
            node.resume()
        for node in self.nodes.values():
            node.wait_ready(120)
        self.quiet.clear()

    def step(self):
        """Does what is due."""
        self._look_after()
        while self._due and self._due[0][0] <= self.seconds():
            action = heapq.heappop(self._due)[2]
            try:
                action()
            except Exception as e:
                self._problem(f"{type(e).__name__}: {e}")

    # -- inside

    def _later(self, at, action):
        heapq.heappush(self._due, (at, next(self._order), action))

    def _problem(self, text):
        self.problems.append(text)
        self.journal.write(t="problem", at=round(self.seconds(), 3), text=text)

    def _look_after(self):
        """A daemon that has ended of itself is a finding; the run goes on with a new one."""
        for node in self.nodes.values():
            if node.process is not None and node.process.poll() is not None:
                self._problem(f"{node} ended of itself, status {node.process.returncode}: {node.log_tail(3)}")
                node.process = None
                node.start(wait=False)

    def _begin(self, fault):
        if not self.restoring.isdisjoint(fault.targets):  # that one takes as long as it takes
            self._later(self.seconds() + APART_S, lambda: self._begin(fault))
            return
        self.journal.write(t="fault", at=round(self.seconds(), 3), kind=fault.kind, targets=fault.targets, seconds=round(fault.seconds, 1), way=fault.way)
        if fault.kind != "restore":  # which counts when it came to that
            self.done[fault.kind] = self.done.get(fault.kind, 0) + 1

        def end():
            self.journal.write(t="mended", at=round(self.seconds(), 3), kind=fault.kind, targets=fault.targets)

        getattr(self, f"_{fault.kind}")(fault, end)

    def _up(self, node, end, patience=60):
        """Starts @node; end() when it answers."""
        node.start(wait=False)
        self._until_ready(node, end, self.seconds() + patience)

    def _until_ready(self, node, end, deadline):
        try:
            ready = node.get("/healthz", timeout=2).status == 200
        except Exception:
            ready = False
        if ready:
            self.quiet.discard(node.region)
            end()
        elif self.seconds() > deadline:
            self._problem(f"{node} does not answer 60 s after its start: {node.log_tail(3)}")
        else:
            self._later(self.seconds() + 0.2, lambda: self._until_ready(node, end, deadline))

    def _kill(self, fault, end):
        node = self.nodes[fault.targets[0]]
        self.quiet.add(node.region)
        node.kill()
        self._later(self.seconds() + fault.seconds, lambda: self._up(node, end))

    def _kill_at_start(self, fault, end):
        """Killed, started, killed again somewhere on its way up, up to three times."""
        node = self.nodes[fault.targets[0]]
        self.quiet.add(node.region)
        node.kill()

        def again(left):
            node.start(wait=False)
            if left == 0:
                self._until_ready(node, end, self.seconds() + 60)
                return
            self._later(self.seconds() + self.dice.uniform(0.01, 0.6), lambda: (node.kill(), again(left - 1)))

        again(self.dice.randint(1, 3))

    # -- clocks

    def _set_clock(self, region, seconds, rate=0.0):
        """The wall clock of @region is wrong by @seconds from now on, and by @rate more each second; the line says between which two moments
        that began."""
        clock, begin = self.clocks[region], self.seconds()
        clock.set(seconds, rate)
        self.journal.write(t="clock", at=round(begin, 3), until=round(self.seconds(), 3), node=region, shift=seconds, rate=rate)

    def _new_connections(self, node):
        """All that stand are reset, so that certificates are judged and clocks compared anew."""
        others = [x for x in self.nodes.values() if x is not node]
        self.cluster.isolate(node, "reset")
        self.journal.write(t="anew", at=round(self.seconds(), 3), node=node.region)
        self._later(self.seconds() + 0.2, lambda: [self.cluster.heal(node, x) for x in others])

    def _clock(self, fault, end):
        """Jumps while the node runs; half of the time to another wrong time meanwhile; half of the time all connections are made anew."""
        region = fault.targets[0]
        self._set_clock(region, fault.way)
        if self.dice.random() < 0.5:
            self._new_connections(self.nodes[region])
        if self.dice.random() < 0.5:
            self._later(self.seconds() + fault.seconds / 2, lambda: self._set_clock(region, self.dice.choice(JUMPS_S)))
        self._later(self.seconds() + fault.seconds, lambda: (self._set_clock(region, 0), end()))

    def _drift(self, fault, end):
        region = fault.targets[0]
        self._set_clock(region, 0, fault.way)
        self._later(self.seconds() + fault.seconds, lambda: (self._set_clock(region, 0), end()))

    def _clock_restart(self, fault, end):
        """Wrong before the node stops and right before it starts, or the other way round, or wrong all along."""
        node = self.nodes[fault.targets[0]]
        before, after = self.dice.choice([(True, False), (False, True), (True, True)])
        if before:
            self._set_clock(node.region, fault.way)

        def right():
            self._set_clock(node.region, 0)
            end()

        def stop():
            self.quiet.add(node.region)
            node.stop()
            self.problems += [f"{node} {x}" for x in node.problems]
            node.problems.clear()
            if before != after:
                self._set_clock(node.region, fault.way if after else 0)
            self._up(node, lambda: self._later(self.seconds() + fault.seconds / 2, right))

        self._later(self.seconds() + fault.seconds / 2, stop)

    # -- the rest

    def _restart(self, fault, end):
        node = self.nodes[fault.targets[0]]
        self.quiet.add(node.region)
        node.stop()
        self.problems += [f"{node} {x}" for x in node.problems]
        node.problems.clear()
        self._later(self.seconds() + fault.seconds, lambda: self._up(node, end))

    def _pause(self, fault, end):
        node = self.nodes[fault.targets[0]]
        self.quiet.add(node.region)
        node.pause()

        def resume():
            node.resume()
            self.quiet.discard(node.region)
            end()

        self._later(self.seconds() + fault.seconds, resume)

    def _cut(self, fault, end):
        a, b = (self.nodes[r] for r in fault.targets)
        self.cluster.cut(a, b, fault.way)
        self._later(self.seconds() + fault.seconds, lambda: (self.cluster.heal(a, b), end()))

    def _oneway(self, fault, end):
        """One hears the other and is not heard."""
        a, b = (self.nodes[r] for r in fault.targets)
        self.cluster.cut(a, b, fault.way, one_way=True)
        self._later(self.seconds() + fault.seconds, lambda: (self.cluster.heal(a, b), end()))

    def _isolate(self, fault, end):
        node = self.nodes[fault.targets[0]]
        others = [x for x in self.nodes.values() if x is not node]
        self.cluster.isolate(node, fault.way)
        self._later(self.seconds() + fault.seconds, lambda: ([self.cluster.heal(node, x) for x in others], end()))

    def _flap(self, fault, end):
        """A line that comes and goes."""
        a, b = (self.nodes[r] for r in fault.targets)
        last = self.seconds() + fault.seconds

        def turn(is_cut):
            if is_cut:
                self.cluster.heal(a, b)
            else:
                self.cluster.cut(a, b, fault.way)
            if is_cut and self.seconds() > last:
                end()
                return
            self._later(self.seconds() + self.dice.uniform(0.1, 2.0), lambda: turn(not is_cut))

        turn(False)

    def _full(self, fault, end):
        disk = self.disks[fault.targets[0]]
        disk.fill()
        self._later(self.seconds() + fault.seconds, lambda: (disk.free(), self._publish(), end()))

    def _backup(self, fault, end):
        """A copy of the working node must verify by itself, in a folder of its own. The command runs beside."""
        node = self.nodes[fault.targets[0]]
        self.backups += 1
        folder = self.cluster.dir / f"copy{self.backups}"

        def work():
            try:
                shutil.copytree(node.dir, folder, ignore=shutil.ignore_patterns("*.db*", "*.sock", "files", "filler", "writer.lock"))
                env = {"TONGBAN_DIR": str(node.dir)}
                self.cluster.cli("backup", "--out", folder / "ledger.db", env=env, timeout=120)
                self.cluster.cli("backup", "--out", folder / "keys.db", "--keys", env=env, timeout=120)
                shutil.copytree(node.dir / "files", folder / "files", dirs_exist_ok=True)
                verify(self.cluster, folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

        self._beside(f"backup of {node}", work)
        self._later(self.seconds() + SETTLE_S, end)

    def _beside(self, what, work):
        """work() on a thread of its own: for a command that takes long."""

        def guarded():
            try:
                work()
            except Exception as e:
                self._problem(f"{what}: {type(e).__name__}: {e}")

        thread = threading.Thread(target=guarded, name=what, daemon=True)
        thread.start()
        return thread

    def _restore(self, fault, end):
        """A backup of a working node is put in the place of its ledger.db later. It gets what it wrote since back from the others, so that
        it waits until they hold all of it; its clients ask nothing from then until it starts, as those of a dead machine."""
        node = self.nodes[fault.targets[0]]
        self.restoring.add(node.region)
        self.backups += 1
        copy = self.cluster.dir / f"old{self.backups}.db"
        saving = self._beside(f"backup of {node}", lambda: self.cluster.cli(
            "backup", "--out", copy, env={"TONGBAN_DIR": str(node.dir)}, timeout=120))

        def over():
            copy.unlink(missing_ok=True)
            self.restoring.discard(node.region)
            self.pool.behind.discard(node.region)
            end()

        def give_up():
            self.pool.release(node.region)
            self.journal.write(t="left", at=round(self.seconds(), 3), kind="restore", targets=fault.targets)
            over()

        def look(deadline):
            ready = not saving.is_alive() and self.pool.is_idle(node.region) and self._is_held_by_all(node, own_size)
            if ready and self._put_back(node, copy, lambda: self._up(node, over, 2 * RESTORE_S)):
                self.done["restore"] = self.done.get("restore", 0) + 1
            elif self.seconds() > deadline or not copy.exists() and not saving.is_alive():
                give_up()
            else:
                self._later(self.seconds() + 0.3, lambda: look(deadline))

        own_size = lambda: node.get("/v1/status", timeout=3).ok().json()["ledger_size"]
        begin = lambda: (self.pool.hold(node.region), look(self.seconds() + RESTORE_S))
        self._later(self.seconds() + fault.seconds, begin)

    def _is_held_by_all(self, node, size):
        """Whether all others hold the ledger of @node up to size()."""
        try:
            wanted = size()
            for other in self.nodes.values():
                peers = other.get("/v1/peers", timeout=3).ok().json()["peers"] if other is not node else []
                if any(f"{p['code']}" == node.region and p["held_size"] < wanted for p in peers):
                    return False
            return True
        except (OSError, http.client.HTTPException, AssertionError):
            return False

    def _put_back(self, node, copy, start):
        """Stops @node and restores @copy, unless it has written something in its last moment that not all others hold: then False, and
        it runs again."""
        self.quiet.add(node.region)
        node.stop()
        self.problems += [f"{node} {x}" for x in node.problems]
        node.problems.clear()
        if not self._is_held_by_all(node, lambda: ledger_size(node)):
            self._up(node, lambda: None)
            return False
        self.cluster.cli("restore", "--dir", node.dir, "--from", copy, timeout=120)
        for old in node.dir.glob("*.replaced-*"):
            old.unlink()
        self.pool.behind.add(node.region)
        self.pool.release(node.region)
        start()
        return True

    def _publish(self):
        """The CA's files to all nodes whose disk takes them; the others get them when theirs does."""
        nodes = [x for r, x in self.nodes.items() if r not in self.disks or not self.disks[r].filler.exists()]
        self.cluster.cli("ca", "publish", "--dir", self.cluster.ca_dir, *[node.dir for node in nodes])
        for node in nodes:
            if node.is_running and node.region not in self.quiet:  # while it starts, SIGHUP would end it
                node.reload()

    def _reload(self, fault, end):
        self._publish()
        self._later(self.seconds() + SETTLE_S, end)

    def _renew(self, fault, end):
        """A new certificate for a node, published and read by all while they work."""
        self.cluster.cli("ca", "issue", "--dir", self.cluster.ca_dir, "--node", self.nodes[fault.targets[0]].dir)
        self._reload(fault, end)


def ledger_size(node):
    """Of a stopped node's own ledger, as ledger.db has it."""
    with sqlite3.connect(f"file:{node.dir / 'ledger.db'}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT max(id) & ((1 << 40) - 1) FROM entry WHERE id >> 40 = (SELECT slot FROM node WHERE node = ?)", [int(node.region)])
        last = rows.fetchone()[0]
    db.close()
    return 0 if last is None else last + 1


def verify(cluster, folder):
    """`tongband --verify` of a folder that no daemon uses."""
    command = [str(cluster.program("tongband")), "--config", str(folder / "node.json"), "--verify"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode != 0 or "all verified" not in done.stdout:
        raise AssertionError(f"tongband --verify: status {done.returncode}: {(done.stderr + done.stdout)[-500:]}")
    return done.stdout


def calm(times, nodes, begin, end):
    """No fault of @nodes stood between the seconds @begin and @end, nor the moment before. @times: (from, to, targets)."""
    return not any(a <= end and begin <= b + APART_S and not set(nodes).isdisjoint(targets) for a, b, targets in times)
