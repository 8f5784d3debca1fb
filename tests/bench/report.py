"""The report of ./dev bench all: a table for the terminal, JSON, and a picture."""
import json

import svg
import targets

# How the runs are shown: prefix of their names, who, where an event is durable when the client is told so.
SERIES = [
    ("tongban.sync", "Tongban", "A and B"),
    ("pg.sync", "PostgreSQL 17", "A and B"),
    ("etcd", "etcd 3.5, 3 members", "two of three"),
    ("etcd2", "etcd 3.5, 2 members", "A and B"),
    ("rabbit", "RabbitMQ 4.0 quorum", "A"),
    ("nats.sync", "NATS 2.10 synced", "A"),
    ("nats", "NATS 2.10 default", "nowhere yet"),
    ("tongban.local", "Tongban", "A"),
    ("sqlite", "SQLite alone", "one site"),
]
CLIENTS = (1, 8, 32, 64, 128)


def rate_of(row):
    return row.get("rate_at_a", row.get("rate"))


def cell(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def ms(us):
    return None if us is None else us / 1000


# ---- the table -----------------------------------------------------------------------------------------------------------


def rate_table(figures):
    yield f"{'(a) 1 KiB events a second, in flight:':<38}" + "".join(f"{c:>9}" for c in CLIENTS) + "   durable, when told"
    for prefix, who, durable in SERIES:
        rates = [rate_of(figures.get(f"{prefix}.c{c}", {})) for c in CLIENTS]
        if any(rates):
            yield f"  {who:<36}" + "".join(f"{cell(r):>9}" for r in rates) + f"   {durable}"
    yield f"{'    p50 / p99 ms at 64':<38}" + "".join(f"{'p50':>9}{'p99':>9}{'CPU µs':>9}{'MiB A':>9}{'MiB B':>9}")
    for prefix, who, _ in SERIES:
        row = figures.get(f"{prefix}.c64")
        if row and rate_of(row):
            yield f"  {who:<36}" + "".join(
                f"{x:>9}" for x in (cell(ms(row.get("p50_us")), 2), cell(ms(row.get("p99_us")), 2),
                                    cell(row.get("cpu_servers_us_per_event")), cell(row.get("mem_A_mib")), cell(row.get("mem_B_mib"))))
    row = figures.get("tongban.sync.open")
    if row:
        yield (f"  Tongban, open loop at {row['asked_rate']:,.0f}/s (from when each was due): p50 {ms(row['p50_us']):.2f} ms, "
               f"p99 {ms(row['p99_us']):.2f} ms, worst {ms(row['max_us']):.1f} ms")


def batch_table(figures):
    yield f"{'(b) the same in batches of 100':<38}{'clients':>9}{'events/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}"
    for prefix, who, _ in SERIES:
        for name, row in figures.items():
            if name.startswith(f"{prefix}.batch100.c") and rate_of(row):
                yield f"  {who:<36}{name.rsplit('c', 1)[1]:>9}{cell(rate_of(row)):>9}{cell(ms(row.get('p50_us')), 1):>9}" + (
                    f"{cell(ms(row.get('p99_us')), 1):>9}{cell(row.get('cpu_servers_us_per_event'), 1):>9}")
    row = figures.get("sqlite.group100")
    if row:
        yield f"  {'SQLite alone, one site':<36}{1:>9}{cell(row.get('rate')):>9}"


def probe_table(figures):
    yield f"{'(c) one event until visible at B':<38}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}"
    for prefix, who, durable in [("pg.async", "PostgreSQL 17", "A, then B"), *SERIES, ("tongban", "Tongban", "A and B")]:
        row = figures.get(f"{prefix}.probe")
        if row:
            yield f"  {who:<36}" + "".join(f"{cell(ms(row.get(f'e2e_{k}_us')), 2):>9}" for k in ("p50", "p99", "max")) + (
                f"   durable: {durable}")


def other_table(figures):
    shown = {"tongban.sync", "tongban.local", *(p for p, _, _ in SERIES)}
    yield "others"
    for name, row in figures.items():
        is_series = any(name.startswith(f"{p}.") for p in shown) or name.endswith(".probe")
        if not is_series:
            yield f"  {name:<26} " + ", ".join(f"{k} {v:,.10g}" for k, v in row.items() if k not in ("p90_us", "p999_us", "requests"))


def target_table(verdicts):
    yield f"{'targets':<78}{'measured':>12}{'target':>12}"
    for v in verdicts:
        word = "met" if v.is_met else "NOT MET" if v.is_met is False else f"not judged: {v.why}"
        digits = 2 if v.unit in ("s", "times") else 0
        yield f"  ({v.key}) {v.text:<73}{cell(v.measured, digits):>12}{cell(v.wanted, digits):>12} {v.unit:<10} {word}"


def table(result):
    figures = result["figures"]
    parts = [rate_table(figures), batch_table(figures), probe_table(figures), other_table(figures),
             target_table(targets.judge(figures))]
    lines = [f"{result['when']}  {result['machine']}  {result['commit']}  load {result['load']}"]
    for part in parts:
        lines += ["", *part]
    lines += ["", *(f"NOT HERE  {name}: {why}" for name, why in result["missing"].items())]
    return "\n".join(lines) + "\n"


# ---- files ---------------------------------------------------------------------------------------------------------------


def picture(result):
    figures, verdicts = result["figures"], targets.judge(result["figures"])
    lines = []
    for prefix, who, durable in SERIES:
        points = [(c, rate_of(figures.get(f"{prefix}.c{c}", {}))) for c in CLIENTS]
        points = [(c, r) for c, r in points if r]
        if len(points) > 1 and prefix != "tongban.local":
            lines.append((f"{who} ({durable})", points))
    bars = []
    for prefix, who, _ in SERIES:
        rate, _ = targets.best(figures, f"{prefix}.batch100.", "rate_at_a" if not prefix.startswith("tongban") else "rate")
        if rate:
            bars.append((who, rate))
    if rate_of(figures.get("sqlite.group100", {})):
        bars.append(("SQLite alone (one site)", figures["sqlite.group100"]["rate"]))
    probes = []
    for prefix, who, _ in [("tongban", "Tongban", ""), ("pg.async", "PostgreSQL 17 (async)", ""), *SERIES]:
        row = figures.get(f"{prefix}.probe", {})
        if "e2e_p50_us" in row:
            probes.append((who, row["e2e_p50_us"] / 1000))
    page = svg.Page(1200, 980, f"Tongban beside its peers, {result['when'][:10]}", f"{result['machine']}, {result['commit']}")
    page.lines(40, 80, 700, 400, "(a) 1 KiB events a second, by requests in flight", CLIENTS, lines)
    page.bars(790, 80, 370, 190, "(b) events a second in batches of 100, best", bars, "{:,.0f}")
    page.bars(790, 300, 370, 230, "(c) one event until visible at B, p50 ms", probes, "{:.2f}")
    page.verdicts(40, 580, 1120, 360, "Targets, from the same run (bar: how much of the target was reached; line: the target)", verdicts)
    return page.text()


def write(folder, result):
    folder.mkdir(parents=True, exist_ok=True)
    result["targets"] = [v._asdict() for v in targets.judge(result["figures"])]
    (folder / "bench.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    (folder / "bench.txt").write_text(table(result))
    (folder / "bench.svg").write_text(picture(result))
