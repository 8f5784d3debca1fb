"""What the measurements are held against: each target is judged from the figures of one run, on one machine."""
from collections import namedtuple

# measured and wanted are numbers of @unit (None: not measured, @why says so); is_met is None then.
Verdict = namedtuple("Verdict", "key text measured wanted unit is_met why")

DURABLE_PEERS = ("pg.sync", "etcd", "etcd2", "nats.sync", "rabbit")


def best(figures, prefix, metric, of=max):
    """The best value of @metric over the runs PREFIX.c…; (value, run) or (None, None)."""
    rows = [(row[metric], name) for name, row in figures.items() if name.startswith(prefix) and metric in row]
    return of(rows) if rows else (None, None)


def value(figures, run, metric):
    return figures.get(run, {}).get(metric)


def at_least(key, text, measured, wanted, unit, why=None):
    if measured is None or wanted is None:
        return Verdict(key, text, measured, wanted, unit, None, why or "not measured in this run")
    return Verdict(key, text, measured, wanted, unit, measured >= wanted, why)


def at_most(key, text, measured, wanted, unit, why=None):
    verdict = at_least(key, text, measured, wanted, unit, why)
    return verdict if verdict.is_met is None else verdict._replace(is_met=measured <= wanted)


def throughput(figures):
    ours = value(figures, "tongban.sync.c64", "rate")
    pg, pg_run = best(figures, "pg.sync.c", "rate_at_a")
    etcd, etcd_run = max((best(figures, p, "rate_at_a") for p in ("etcd.c", "etcd2.c")), key=lambda x: x[0] or 0)
    yield at_least("a", f"64 in flight: 3 x PostgreSQL's best ({pg_run})", ours, pg and 3 * pg, "events/s")
    yield at_least("a", f"64 in flight: above etcd's best ({etcd_run})", ours, etcd, "events/s")
    ours, our_run = best(figures, "tongban.sync.batch100.", "rate")
    pg, pg_run = best(figures, "pg.sync.batch100.", "rate_at_a")
    yield at_least("b", f"batches, {(our_run or '-').rsplit('.', 1)[1] if our_run else '-'}: above PostgreSQL's best ({pg_run})", ours, pg, "events/s")


def one_event(figures):
    rows = [best(figures, f"{peer}.probe", "e2e_p50_us", min) for peer in DURABLE_PEERS + ("pg.async",)]
    rows = [row for row in rows if row[0] is not None]
    peer, run = min(rows) if rows else (None, None)
    yield at_most("c", f"one event to B, p50: not above the best peer's ({run})",
                  value(figures, "tongban.probe", "e2e_p50_us"), peer, "µs")


def sizes(figures):
    catch_up, start = figures.get("tongban.catch_up", {}), figures.get("tongban.start", {})
    yield at_least("d", f"catch-up of {catch_up.get('entries', 0):.0f} entries, all verified", catch_up.get("entries_per_s"), 50000,
                   "entries/s")
    files = figures.get("tongban.files", {})
    plain = files.get("plain_tls_mb_per_s")
    yield at_least("f", "files between nodes: 60 % of plain TLS", files.get("between_mb_per_s"), plain and 0.6 * plain, "MB/s")
    yield at_most("g", f"start with {start.get('cases', 0):.0f} cases", start.get("start_s"), 2, "s")
    memory = figures.get("tongban.memory", {})
    cases = max((int(k[1:-4]) for k in memory if k.endswith("_mib") and k[0] == "c"), default=0)
    yield at_most("h", f"memory of a node with {cases} cases", memory.get(f"c{cases}_mib"), 50, "MiB")
    growth = figures.get("tongban.growth", {})
    yield at_most("j", f"cost of an event at {growth.get('entries', 0):.0f} entries against 10,000", growth.get("ratio"), 1.5, "times")


def judge(figures):
    return [*throughput(figures), *one_event(figures), *sizes(figures)]
