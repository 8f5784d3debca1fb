"""What three nodes with nothing to do cost: memory and processor, looked up in /proc.

The limits hold for builds as they are shipped; a build with sanitizers is measured and printed, not judged.
"""
import os
import time

from cluster import cpu_s
from provinces import start_provinces

RSS_BYTES_MAX = 30 << 20
CPU_PERCENT_MAX = 0.1
WINDOW_SECONDS = 20
WINDOWS = 5  # at most: what a start, or a machine with other things to do, leaves behind is over in one of them; what costs all the time is not


def ticks_s(pid):
    """User and system time of all threads of @pid so far; the clock ticks are 10 ms."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def has_sanitizer(program):
    text = program.read_bytes()
    return b"__asan_init" in text or b"__tsan_init" in text or b"__ubsan_handle" in text


def beyond_the_limits(nodes):
    """Of one window."""
    began = time.monotonic()
    before = {node: (ticks_s(node.pid), cpu_s(node.pid)) for node in nodes}
    time.sleep(WINDOW_SECONDS)  # the window is what is measured: there is nothing to wait for
    seconds = time.monotonic() - began
    found = []
    for node in nodes:
        ticks = ticks_s(node.pid) - before[node][0]
        exact = cpu_s(node.pid) - before[node][1]
        rss = rss_bytes(node.pid)
        percent = 100 * exact / seconds
        print(f"{node.region}: {rss / 2**20:.1f} MiB, {percent:.3f} % of a processor in {seconds:.1f} s ({ticks:.2f} s in ticks)")
        assert abs(ticks - exact) < 0.2, "the two counts contradict each other"
        if rss > RSS_BYTES_MAX:
            found.append(f"{node.region} uses {rss / 2**20:.1f} MiB, the limit is {RSS_BYTES_MAX >> 20}")
        if percent > CPU_PERCENT_MAX:
            found.append(f"{node.region} used {percent:.3f} % of a processor while idle, the limit is {CPU_PERCENT_MAX}")
    return found


def test_idle_nodes_cost_next_to_nothing(cluster):
    nodes = start_provinces(cluster, "440000", "510000", "330000")
    if has_sanitizer(cluster.program("tongband")):
        beyond_the_limits(nodes)
        print("built with sanitizers: measured, not judged")
        return
    for _ in range(WINDOWS):
        found = beyond_the_limits(nodes)
        if not found:
            return
    raise AssertionError("\n".join(found))
