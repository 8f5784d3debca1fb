"""The picture of one run: when which node answered, how long it took, and what was done to the federation meanwhile. SVG, and
a page of text of the same name beside it, in build/cluster; NAME.history.jsonl has each request and each list (history.py)."""
import html
import json
import time
from pathlib import Path

from cluster import TREE

FOLDER = TREE / "build" / "cluster"
WIDTH, LANE, LEFT, TOP, SLOW_MS = 1200, 60, 90, 40, 2000


class Timeline:
    def __init__(self, name):
        self.name = name
        self.began = time.monotonic()
        self.faults = []  # (second, text)
        self.operations = {}  # region -> [(second of the answer, ms)]
        self.results = {}
        self.loads = []  # RecordedLoad

    def _second(self, at=None):
        return (time.monotonic() if at is None else at) - self.began

    def fault(self, text):
        self.faults.append((self._second(), text))

    def operation(self, region, begin, end):
        self.operations.setdefault(region, []).append((self._second(end), (end - begin) * 1000))

    def write(self, passed):
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.ended = self._second()
        (FOLDER / f"{self.name}.svg").write_text(self.svg(passed))
        (FOLDER / f"{self.name}.md").write_text(self.text(passed))
        with open(FOLDER / f"{self.name}.history.jsonl", "w") as file:
            file.write(json.dumps({"t": "run", "name": self.name, "passed": passed, "began": self.began, "seconds": self.ended}) + "\n")
            for second, text in self.faults:
                file.write(json.dumps({"t": "fault", "at": self.began + second, "text": text}, ensure_ascii=False) + "\n")
            for row in (x for load in self.loads for x in load.records()):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return FOLDER / f"{self.name}.svg"

    def close(self, federation):
        """Ends the federation and writes: what its end finds is part of the run."""
        for load in self.loads:
            load.abandon()  # of a test that has failed: else it goes on beside the next ones
        try:
            federation.close()
        except BaseException:
            federation.failed = True
            raise
        finally:
            self.write(not federation.failed)

    # -- text

    def text(self, passed):
        lines = [f"# {self.name}: {'passed' if passed else 'FAILED'}, {self.ended:.1f} s", "", f"![timeline]({self.name}.svg)", ""]
        lines += ["| what | count |", "|---|---|", *[f"| {k} | {v} |" for k, v in self.results.items()], ""]
        lines += ["| node | answers | median ms | 99 % ms | longest ms |", "|---|---|---|---|---|"]
        for region, done in sorted(self.operations.items()):
            ms = sorted(x[1] for x in done)
            pick = [ms[len(ms) // 2], ms[len(ms) * 99 // 100], ms[-1]]
            lines.append(f"| {region} | {len(ms)} | {' | '.join(f'{x:.0f}' for x in pick)} |")
        lines += ["", "| second | what was done |", "|---|---|", *[f"| {at:.1f} | {text} |" for at, text in self.faults]]
        return "\n".join(lines) + "\n"

    # -- picture

    def _x(self, second):
        return LEFT + second / max(self.ended, 0.001) * (WIDTH - LEFT - 20)

    def svg(self, passed):
        lanes = sorted(self.operations)
        bottom = TOP + LANE * len(lanes)
        height = bottom + 30 + 14 * len(self.faults) + 20
        out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="11">',
               '<rect width="100%" height="100%" fill="white"/>',
               f'<text x="10" y="20" font-size="14">{html.escape(self.name)}: {"passed" if passed else "FAILED"}</text>']
        for i, region in enumerate(lanes):
            base = TOP + LANE * (i + 1) - 6
            out.append(f'<text x="10" y="{base}">{region}</text>')
            out.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{base}" y2="{base}" stroke="#ccc"/>')
            for second, ms in self.operations[region]:  # height: how long the client waited, to SLOW_MS
                top = base - 2 - min(ms, SLOW_MS) / SLOW_MS * (LANE - 16)
                colour = "#2a7" if ms < 500 else "#c80" if ms < SLOW_MS else "#c22"
                out.append(f'<line x1="{self._x(second):.1f}" x2="{self._x(second):.1f}" y1="{base}" y2="{top:.1f}" stroke="{colour}"/>')
        for i, (second, text) in enumerate(self.faults):
            x, y = self._x(second), bottom + 30 + 14 * i
            out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{y - 4}" stroke="#36c" stroke-dasharray="2 3"/>')
            anchor = "start" if x < WIDTH * 0.7 else "end"
            out.append(f'<text x="{x + (4 if anchor == "start" else -4):.1f}" y="{y}" text-anchor="{anchor}" fill="#36c">'
                       f"{second:.1f} s {html.escape(text)}</text>")
        seconds = max(1, int(self.ended // 10))
        for second in range(0, int(self.ended) + 1, seconds):
            out.append(f'<text x="{self._x(second):.1f}" y="{bottom + 14}" text-anchor="middle" fill="#666">{second} s</text>')
        return "\n".join([*out, "</svg>"]) + "\n"
