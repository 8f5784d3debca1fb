"""What a soak allows, in one place, and the rule by which growth is judged."""

# (name, limit, unit, why). Growth is judged on the processes that live through the whole run (KEPT in faults.py): a restart
# would hide a leak.
LIMITS = {
    "memory_growth": (4.0, "MiB/h", "heap in use without caches and databases, to the byte: what the C library keeps free, resident or not, is no part of it; a node has about 4 MiB; what the caches hold needs a tenth of it around; 100 bytes kept of each request would be 10 MiB an hour"),
    "anon_max": (64.0, "MiB", "RssAnon at any moment, all of the heap and the stacks: blocks that are free and cannot be given back, and memory that does not come from the heap, end here"),
    "cached_max": (26.0, "MiB", "tongban_cached_bytes: 16 MiB of cases in use, 4 MiB of newest entries; beyond it cases with commands under way, and cases up to 32 MiB in their first five seconds"),
    "store_max": (24.0, "MiB", "tongban_store_bytes: caches of pages, 8 MiB of the writer, 2 of each reader, 1 of each small database"),
    "descriptor_growth": (4.0, "/h", "without files of cases and what is needed (below); a connection that a peer has reset is held for two minutes at most; one descriptor lost per fault would be 100 an hour"),
    "files_open": (32, "", "files of cases: 16 that were given last stay open, one for each request under way"),
    "thread_growth": (2.0, "/h", "beyond the 17 that a node has once it has worked; their number is fixed"),
    "wal_growth": (8.0, "MiB/h", "a WAL is used again from its beginning after 2000 pages (16 MiB)"),
    "wal_max": (64.0, "MiB", "journal_size_limit of the store; more means a reader that never ends"),
    "bytes_per_entry": (8192.0, "bytes", "growth of ledger.db for each entry held, own or of others, with its payload, indexes and case rows"),
    "catch_up": (120.0, "s", "from the last repair until every node holds every ledger"),
    "drain": (180.0, "s", "from the last repair until every request of every case has its answer"),
    "lag_p99_calm": (5000.0, "ms", "an event visible at the other side, where neither has a fault of its own; the machine may be busy"),
}
# How many descriptors of a kind a node may need; growth is judged on what is beyond. Which connections stand at a moment varies with the
# faults (seen: 9 to 17), and SQLite keeps the descriptors of a closed reader for the next one (seen: 13 to 17).
DESCRIPTORS_NEEDED = {
    "for_events": 10,  # connections with five peers, dialled by both
    "for_files": 10,  # the same, made when a file travels
    "database": 20,  # ledger.db, heads.db, keys.db: writer and one reader each with WAL and shared memory, one set more for a backup
}
THREADS_NEEDED = 17
FLOOR = 0.1  # the quantile by which dead connections are judged
JUDGED_FROM_S = 600  # shorter runs have no growth to speak of: shown, not judged; of their few lags the median is, as the machine's worst moment decides on p99
WARM_UP_PART = 1 / 6  # of the run: caches fill, every node is killed at least once

# Error lines that a fault explains; any other one fails the run.
ERRORS_OF_FAULTS = {
    "full": {"store.full"},
}

# The node that is put back to an older backup, and the error lines that this explains in its own log. It forgets what it held beside its
# ledger: the keys of requests answered since, uploads under way; so nobody repeats a request there or uploads a file.
RESTORED = "500000"
ERRORS_OF_RESTORE = {"ledger.behind", "ledger.missing"}  # the latter while a member that holds some is cut off; it ends with that

# What reconciliation may find between nodes that are cut off and behind: it waits, and nothing was wrong.
RECONCILE_WAITS = {"lag_there", "lag_here", "third_there", "pending"}

# What the time of an event may differ by from the clock that its author had (federation/FORMATS.md, "hlc"), and what a node says of clocks.
CLOCK_AHEAD_S = 10.0  # its author's last event counts when it is no more than this ahead of the clock
CLOCK_SLACK_S = 2.0  # between what clients and daemons call the moment of an answer
SKEW_S = 60.0  # from this on a node warns of another one's clock
SKEW_LATE_S = 30.0  # so late a greeting may still tell of a clock that is right again: it waited on a line that was cut, or in a paused node

# What a node writes of its own accord, as role system.
BY_ITSELF = {"receipt", "ack", "part", "part_done", "part_lapsed"}


def limit(name):
    return LIMITS[name][0]


def warm_up(length):
    """The second when warm-up of a run of @length seconds, as it was planned, is over."""
    return length * WARM_UP_PART


def quantile(values, part):
    """Of @values, not empty; between two of them when it falls there, so that 0.5 is the median."""
    at = sorted(values)
    place = part * (len(at) - 1)
    low = int(place)
    high = min(low + 1, len(at) - 1)
    return at[low] + (at[high] - at[low]) * (place - low)


def windows(warm, end):
    """(first quarter, second half) of what comes after warm-up, which is over at second @warm."""
    length = end - warm
    return (warm, warm + length / 4), (warm + length / 2, end)


def growth(points, warm, end, part=0.5):
    """Growth an hour of [(second, value)]: a quantile of the second half against that of the first quarter, by the hours between
    those moments of the windows; None without points in both. The median: a fault's peak is no growth. @part 0.1: the floor, of what
    is held for minutes after each fault, so that peaks follow each other."""
    (a0, a1), (b0, b1) = windows(warm, end)
    first = sorted((v, t) for t, v in points if a0 <= t <= a1)
    second = sorted((v, t) for t, v in points if b0 <= t <= b1)
    if not first or not second:
        return None
    hours = (quantile([t for _, t in second], part) - quantile([t for _, t in first], part)) / 3600
    return (quantile([v for v, _ in second], part) - quantile([v for v, _ in first], part)) / hours
