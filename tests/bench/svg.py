"""Charts as SVG, as little as the report needs: lines over categories, horizontal bars, targets."""
from html import escape

COLOURS = ("#c8102e", "#1f77b4", "#2ca02c", "#98df8a", "#ff7f0e", "#9467bd", "#c5b0d5", "#8c564b")
GREY = "#666666"


def nice_max(value):
    """The end of an axis: 1, 2, 2.5 or 5 times a power of ten, not below @value."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(power * f for f in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if power * f >= value)


class Page:
    def __init__(self, width, height, title, subtitle):
        self.out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
            'font-family="sans-serif" font-size="13">',
            f'<rect width="{width}" height="{height}" fill="white"/>',
        ]
        self.write(40, 32, title, size=20, weight="bold")
        self.write(40, 54, subtitle, colour=GREY)

    def write(self, x, y, text, anchor="start", size=13, colour="#222222", weight="normal"):
        self.out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
                        f'fill="{colour}">{escape(str(text))}</text>')

    def line(self, x1, y1, x2, y2, colour="#dddddd", width=1.0):
        self.out.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>')

    def rect(self, x, y, width, height, colour):
        self.out.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" fill="{colour}"/>')

    def lines(self, x, y, width, height, title, categories, series):
        """@series: (name, [(category, value)]); the first one is ours and drawn thick. The legend stands below."""
        self.write(x, y, title, weight="bold")
        if not series:
            self.write(x, y + 24, "not measured", colour=GREY)
            return
        left, top, bottom = x + 60, y + 18, y + height - 20
        high = nice_max(max(v for _, points in series for _, v in points))
        for step in range(6):
            at = bottom - (bottom - top) * step / 5
            self.line(left, at, x + width, at)
            self.write(left - 8, at + 4, f"{high * step / 5:,.0f}", "end", colour=GREY)
        place = {c: left + 30 + (x + width - left - 60) * i / (len(categories) - 1) for i, c in enumerate(categories)}
        for c in categories:
            self.write(place[c], bottom + 18, c, "middle", colour=GREY)
        for i, (name, points) in enumerate(series):
            colour, thick = COLOURS[i % len(COLOURS)], 3 if i == 0 else 1.8
            xy = [(place[c], bottom - (bottom - top) * v / high) for c, v in points]
            self.out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="{thick}" points="'
                            + " ".join(f"{a:.1f},{b:.1f}" for a, b in xy) + '"/>')
            self.out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{colour}"/>' for a, b in xy]
            lx, ly = x + 20 + (i % 3) * 235, bottom + 42 + (i // 3) * 20
            self.line(lx, ly - 4, lx + 22, ly - 4, colour, thick)
            self.write(lx + 28, ly, name, size=12)

    def bars(self, x, y, width, height, title, rows, form):
        """@rows: (name, value); the first one is ours."""
        self.write(x, y, title, weight="bold")
        if not rows:
            self.write(x, y + 24, "not measured", colour=GREY)
            return
        pitch = min(28, (height - 20) / len(rows))
        high = max(v for _, v in rows)
        for i, (name, value) in enumerate(rows):
            top = y + 14 + i * pitch
            self.write(x + 150, top + pitch / 2 + 4, name, "end", size=12)
            self.rect(x + 156, top + 2, (width - 220) * value / high, pitch - 5, COLOURS[0] if i == 0 else "#8fa8bf")
            self.write(x + 160 + (width - 220) * value / high, top + pitch / 2 + 4, form.format(value), size=12)

    def verdicts(self, x, y, width, height, title, rows):
        """A row for each targets.Verdict: how much of the target was reached, cut off at twice of it."""
        self.write(x, y, title, weight="bold")
        pitch = min(34, (height - 20) / max(len(rows), 1))
        left, unit = x + 470, (width - 470 - 320) / 2
        for i, v in enumerate(rows):
            top = y + 14 + i * pitch
            middle = top + pitch / 2 + 4
            self.write(x, middle, f"({v.key}) {v.text}", size=12)
            if v.is_met is None:
                self.write(left, middle, v.why, size=12, colour=GREY)
                continue
            lower_is_better = v.is_met == (v.measured <= v.wanted) and v.measured != v.wanted
            reached = (v.wanted / v.measured if lower_is_better else v.measured / v.wanted) if v.measured and v.wanted else 0
            self.rect(left, top + 4, unit * min(reached, 2), pitch - 10, "#2ca02c" if v.is_met else "#d62728")
            digits = 2 if v.unit in ("s", "times") else 0
            self.write(left + 2 * unit + 12, middle, f"{v.measured:,.{digits}f} of {v.wanted:,.{digits}f} {v.unit}: "
                       + ("met" if v.is_met else "NOT MET"), size=12)
        self.line(left + unit, y + 14, left + unit, y + 14 + pitch * len(rows), "#222222", 1.5)

    def text(self):
        return "\n".join([*self.out, "</svg>"]) + "\n"
