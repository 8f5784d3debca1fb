#!/usr/bin/env python3
"""measure.py NAME ROLE=PID[,ROLE=PID] -- CMD...
Runs CMD (prints `metric value` lines, one of them `events N`) and prints
`NAME metric value` lines: CMD's own, then per role the CPU of the process tree rooted at PID
(all four of utime stime cutime cstime, so reaped children count) and its memory (peak sum of PSS seen, MiB)."""
import os, resource, subprocess, sys, threading, time
name, roles = sys.argv[1], [r.split('=') for r in sys.argv[2].split(',') if r]
cmd = sys.argv[sys.argv.index('--') + 1:]
HZ = os.sysconf('SC_CLK_TCK')

def stats():
    st = {}
    for p in os.listdir('/proc'):
        if p.isdigit():
            try:
                f = open(f'/proc/{p}/stat').read().rsplit(')', 1)[1].split()
                st[int(p)] = (int(f[1]), sum(map(int, f[11:15])) / HZ)
            except OSError:
                pass
    return st

def tree(st, root):
    kids = {}
    for p, (pp, _) in st.items():
        kids.setdefault(pp, []).append(p)
    out, todo = [], [root]
    while todo:
        p = todo.pop()
        if p in st:
            out.append(p)
            todo += kids.get(p, [])
    return out

def cpu(root):
    st = stats()
    return sum(st[p][1] for p in tree(st, root))

def pss(root):
    kb = 0
    for p in tree(stats(), root):
        try:
            for l in open(f'/proc/{p}/smaps_rollup'):
                if l.startswith('Pss:'):
                    kb += int(l.split()[1])
        except OSError:
            pass
    return kb / 1024

c0 = {r: cpu(int(p)) for r, p in roles}
t0 = time.monotonic()
mem, stop = {r: 0 for r, _ in roles}, threading.Event()


def sample():                                # peak of a look every 2.5 s
    while not stop.wait(2.5 if mem_seen else 1):
        mem_seen.append(1)
        for r, p in roles:
            mem[r] = max(mem[r], pss(int(p)))


mem_seen = []
th = threading.Thread(target=sample)
th.start()
r = subprocess.run(['timeout', os.environ.get('BENCH_LIMIT', '40')] + cmd, stdout=subprocess.PIPE, text=True)
wall = time.monotonic() - t0
c1 = {r_: cpu(int(p)) for r_, p in roles}
stop.set()
th.join()
mem = {r_: max(mem[r_], pss(int(p))) for r_, p in roles}
events = 0
for l in r.stdout.splitlines():
    k, _, v = l.partition(' ')
    print(name, k, v)
    if k == 'events':
        events = int(v)
if r.returncode:
    print(name, 'failed', r.returncode)
u = resource.getrusage(resource.RUSAGE_CHILDREN)
cc = u.ru_utime + u.ru_stime
tot = 0
for r_, _ in roles:
    d = c1[r_] - c0[r_]
    tot += d
    if events:
        print(name, f'cpu_{r_}_us_per_event', round(d * 1e6 / events, 1))
    print(name, f'mem_{r_}_mib', round(mem[r_], 1))
if events:
    print(name, 'cpu_servers_us_per_event', round(tot * 1e6 / events, 1))
    print(name, 'cpu_client_us_per_event', round(cc * 1e6 / events, 1))
print(name, 'cpu_all_cores', round((tot + cc) / wall, 2))
sys.exit(r.returncode)
