"""The table and the picture of a soak, made from its lines of JSON: of a run that was cut off, too."""
import html
import json
from statistics import median

import judge
import rules
from faults import KEPT, calm

WIDTH, LEFT, TOP, HEIGHT = 1200, 130, 60, 90
COLOURS = ["#c22", "#27a", "#2a7", "#c80", "#82a", "#555"]


def load(folder):
    """{kind of line: [lines]} of run.jsonl; a last line that is not whole is left out."""
    found = {}
    for text in (folder / "run.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        found.setdefault(line["t"], []).append(line)
    return found


def part(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, len(values) * percent // 100)] if values else None


def show(value, form="{:.0f}", none="–"):
    return none if value is None else form.format(value)


def fault_times(lines):
    """(from, to) of each fault; one that was not mended lasts to the end."""
    open_, times = [], []
    for line in sorted(lines.get("fault", []) + lines.get("mended", []), key=lambda x: x["at"]):
        if line["t"] == "fault":
            open_.append(line)
            continue
        for fault in open_:
            if (fault["kind"], fault["targets"]) == (line["kind"], line["targets"]):
                times.append((fault["at"], line["at"], fault))
                open_.remove(fault)
                break
    return times + [(f["at"], float("inf"), f) for f in open_]


def calm_lags(lines, kind="lag"):
    """Lags between two nodes that had no fault of their own meanwhile."""
    times = [(a, b, fault["targets"]) for a, b, fault in fault_times(lines)]
    return [x["ms"] for x in lines.get(kind, []) if calm(times, (x["origin"], x["to"]), x["sent"], x["at"])]


def node_rows(lines, warm, end):
    samples, rows = lines.get("sample", []), []
    regions = list(dict.fromkeys(s["node"] for s in samples))
    sizes = {}
    behind = {region: [] for region in regions}  # how many entries each one lacks of the others, at each sample
    for s in samples:
        if "size" in s:
            sizes[s["node"]] = s["size"]
        for other, held in s.get("held", {}).items():
            if other in sizes:
                behind[s["node"]].append(max(0, sizes[other] - held))
    for region in regions:
        mine = [s for s in samples if s["node"] == region]
        acks = [a for a in lines.get("ack", []) if a["node"] == region]
        waits = [(a["end"] - a["begin"]) * 1000 for a in acks]
        lags = [x["ms"] for x in lines.get("lag", []) if x["to"] == region]
        alive = [s for s in mine if "anon_kib" in s]
        cpu, spans = 0.0, 0.0
        for a, b in zip(alive, alive[1:]):
            if a["pid"] == b["pid"] and b["at"] > a["at"]:
                cpu, spans = cpu + b["cpu_s"] - a["cpu_s"], spans + b["at"] - a["at"]
        log = {}
        for s in mine:
            for id, count in s["log"].items():
                log[id] = log.get(id, 0) + count
        rows.append({
            "node": region, "kept": region in KEPT, "lives": len({s["pid"] for s in alive}), "answers": len(acks), "wait_p50": part(waits, 50),
            "wait_p99": part(waits, 99), "lag_p50": part(lags, 50), "lag_p99": part(lags, 99), "lag_max": max(lags, default=None),
            "behind_max": max(behind[region], default=None), "anon": median(s["anon_kib"] / 1024 for s in alive) if alive else None,
            "anon_last": alive[-1]["anon_kib"] / 1024 if alive else None, "rss_max": max((s["rss_kib"] / 1024 for s in alive), default=None),
            "fds": median(s["fds"] for s in alive) if alive else None, "threads": max((s["threads"] for s in alive), default=None),
            "cpu": 100 * cpu / spans if spans else None, "cached": alive[-1].get("cached_kib", 0) / 1024 if alive else None, "store": alive[-1].get("store_kib", 0) / 1024 if alive else None,
            "own": part([x for x in map(judge.own_memory, alive) if x is not None], 50), "db": mine[-1]["ledger.db"] / judge.MIB, "log": log,
            **judge.figures(samples, region, warm, end)})
    return rows


COLUMNS = [  # title, key, form
    ("node", "node", "{}"), ("lives", "lives", "{}"), ("answers", "answers", "{}"), ("wait p50", "wait_p50", "{:.0f} ms"),
    ("p99", "wait_p99", "{:.0f} ms"), ("lag p50", "lag_p50", "{:.0f} ms"), ("p99", "lag_p99", "{:.0f} ms"), ("max", "lag_max", "{:.0f} ms"),
    ("behind", "behind_max", "{}"), ("memory", "anon_last", "{:.1f} MiB"), ("caches", "cached", "{:.1f}"), ("store", "store", "{:.1f}"), ("rest", "own", "{:.1f}"), ("growth", "memory_growth", "{:+.2f}/h"), ("fds", "fds", "{:.0f}"),
    ("growth", "descriptor_growth", "{:+.1f}/h"), ("thr", "threads", "{}"), ("cpu", "cpu", "{:.1f} %"), ("db", "db", "{:.1f} MiB"),
    ("B/entry", "bytes_per_entry", "{:.0f}"), ("wal max", "wal_max", "{:.1f} MiB"), ("growth", "wal_growth", "{:+.2f}/h"),
]


def table(lines, result):
    """The whole report as text."""
    run = lines["run"][0]
    end = result["end"]
    rows = node_rows(lines, rules.warm_up(run["length"]), end)
    cells = [[title for title, _, _ in COLUMNS]] + [[show(row[key], form) for _, key, form in COLUMNS] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    out = [f"soak of {end / 60:.1f} minutes, seed {run['seed']}, {run['rate']:g} stories/s, a fault every {run['every']:g} s; {run['version']}, commit {run['commit']}", ""]
    out += ["  ".join(c.rjust(w) for c, w in zip(line, widths)).rstrip() for line in cells]
    out += ["", "memory: RssAnon at the end; caches of cases and newest entries, and the databases' memory in it; the rest of the heap in use, which must not grow",
            f"growth: second half against first quarter after warm-up ({rules.WARM_UP_PART:.0%}); judged at {', '.join(sorted(KEPT))}, which lived all the time",
            "lag: from an answer at one node until a client sees it at the other; waiting for answers and lag include the time of faults", ""]
    kinds = {}
    for fault in lines.get("fault", []):
        kinds[fault["kind"]] = kinds.get(fault["kind"], 0) + 1
    out.append("faults: " + ", ".join(f"{n} {k}" for k, n in sorted(kinds.items())))
    out.append("stories: " + ", ".join(f"{n} {k}" for k, n in sorted(result.get("begun", {}).items())))
    for kind, what in (("lag", "lag"), ("file", "time to a file's arrival")):
        calm_ones = calm_lags(lines, kind)
        out.append(f"{what} between nodes without a fault: {len(calm_ones)} measured, p50 {show(part(calm_ones, 50), '{:.0f} ms')}, "
                   f"p99 {show(part(calm_ones, 99), '{:.0f} ms')}, longest {show(max(calm_ones, default=None), '{:.0f} ms')}")
    log = {}
    for row in rows:
        for id, count in row["log"].items():
            log[id] = log.get(id, 0) + count
    out.append("log: " + (", ".join(f"{n} {id}" for id, n in sorted(log.items())) or "no warning, no error"))
    out.append("refused: " + (", ".join(f"{n} {what}" for what, n in sorted(result.get("refused", {}).items())) or "nothing"))
    out.append("")
    for check in result["checks"]:
        out.append(f"{'ok    ' if not check['problems'] else 'FAILED'}  {check['name']}{': ' + check['said'] if check['said'] else ''}")
        out += [f"          {x}" for x in check["problems"][:judge.SHOWN]]
        if len(check["problems"]) > judge.SHOWN:
            out.append(f"          … and {len(check['problems']) - judge.SHOWN} more")
    out += ["", "passed" if result["passed"] else "FAILED"]
    return "\n".join(out) + "\n"


# ---- picture ---------------------------------------------------------------------------------------------------------


def picture(lines, result):
    """One lane per figure, one line per node, faults as bars above them."""
    samples, end = lines.get("sample", []), max(result["end"], 1.0)
    regions = list(dict.fromkeys(s["node"] for s in samples))
    colour = dict(zip(regions, COLOURS))
    lanes = [
        ("memory, MiB", lambda s: s["anon_kib"] / 1024 if "anon_kib" in s else None), ("without caches, MiB", judge.own_memory),
        ("descriptors", judge.own_descriptors),
        ("WAL, MiB", lambda s: s["ledger.db-wal"] / judge.MIB), ("database, MiB", lambda s: s["ledger.db"] / judge.MIB),
        ("status, ms", lambda s: s.get("status_ms")), ("behind, entries", lambda s: s.get("_behind")),
    ]
    sizes = {}
    for s in samples:
        if "size" in s:
            sizes[s["node"]] = s["size"]
        if "held" in s:
            s["_behind"] = max([max(0, sizes[o] - h) for o, h in s["held"].items() if o in sizes], default=0)
    x = lambda second: LEFT + min(second, end) / end * (WIDTH - LEFT - 20)
    height = TOP + 20 + len(regions) * 12 + len(lanes) * HEIGHT + 30
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="20" font-size="14">soak, {end / 60:.1f} minutes, seed {lines["run"][0]["seed"]}: {"passed" if result["passed"] else "FAILED"}</text>']
    for i, region in enumerate(regions):
        out.append(f'<text x="{LEFT + i * 90}" y="40" fill="{colour[region]}">{region}</text>')
    for i, region in enumerate(regions):  # faults of each node
        y = TOP + i * 12
        out.append(f'<text x="10" y="{y + 9}">{region}</text>')
        for begin, until, fault in fault_times(lines):
            if region in fault["targets"]:
                title = html.escape(f"{fault['at']:.0f} s {fault['kind']} {fault.get('way') or ''}")
                out.append(f'<rect x="{x(begin):.1f}" y="{y}" width="{max(1.5, x(until) - x(begin)):.1f}" height="9" fill="{colour[region]}"><title>{title}</title></rect>')
    for number, (title, value) in enumerate(lanes):
        base = TOP + 20 + len(regions) * 12 + (number + 1) * HEIGHT - 8
        points = {r: judge.series(samples, r, value) for r in regions}
        top = max((v for p in points.values() for _, v in p), default=1) or 1
        out.append(f'<text x="10" y="{base - HEIGHT / 2}">{html.escape(title)}</text><text x="{LEFT - 4}" y="{base - HEIGHT + 28}" text-anchor="end">{top:.0f}</text>')
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{base}" y2="{base}" stroke="#ccc"/>')
        for region in regions:
            path = " ".join(f"{x(t):.1f},{base - v / top * (HEIGHT - 24):.1f}" for t, v in points[region])
            out.append(f'<polyline points="{path}" fill="none" stroke="{colour[region]}"/>')
    for i in range(11):
        out.append(f'<text x="{x(end * i / 10):.0f}" y="{height - 8}" text-anchor="middle" fill="#666">{end * i / 600:.1f} min</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


def write(folder, result):
    """report.txt, report.svg and result.json of the run in @folder; returns the text."""
    lines = load(folder)
    text = table(lines, result)
    (folder / "report.txt").write_text(text, encoding="utf-8")
    (folder / "report.svg").write_text(picture(lines, result), encoding="utf-8")
    (folder / "result.json").write_text(json.dumps(result, ensure_ascii=False, indent=1), encoding="utf-8")
    return text


def of_a_run_cut_off(folder):
    """What can be said of a run that has written no result."""
    lines = load(folder)
    end = max((x["at"] for x in lines.get("sample", [])), default=0.0)
    regions = list(dict.fromkeys(s["node"] for s in lines.get("sample", [])))
    problems = judge.check_growth(lines.get("sample", []), KEPT, regions, rules.warm_up(lines["run"][0]["length"]), end)
    told = [x["text"] for x in lines.get("problem", [])]
    checks = [{"name": "growth", "said": "", "problems": problems}, {"name": "while it ran", "said": "", "problems": told},
              {"name": "the end", "said": "", "problems": ["the run was cut off: nothing was compared"]}]
    return {"end": end, "passed": False, "checks": checks}
