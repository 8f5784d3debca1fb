#!/usr/bin/env python3
"""Writes divisions_historic.tsv and divisions_successors.tsv from the history of division codes of yescallop/areacodes
(README.md): make_divisions.py [--check] RESULT.CSV, its result.csv. What the source does not have (steps of the code that are no
divisions: 市辖区) is kept from the divisions_historic.tsv that stands here.

A code's life is from the year in which it was first in use to the year in which it was not any more (each year as it was on its
31 December), under whatever names. What became of it is what its area became in that last year; a village that moved to
a neighbour before is no succession. Where there were several, one is taken, by the first of these rules that tells:

  only   there was but one
  same   all of them are the same division today
  most   of a prefecture, whose counties all got other codes: the city or prefecture that took the most of them, of equals the
         one that bore the proper name; of others: one of MOST, which took more than half of the townships or streets
  name   one alone bore the proper name (新都县, 新都区)
  whole  none of these: the smallest division that holds them all
"""
import collections
import csv
import hashlib
import re
import sys

import generated

SOURCE_SHA256 = "e3b69e8e13fcb3151b5cd6a03674f89e043f301f308dcb67283533f1a8239794"  # result.csv of commit eed219a, 2025-11-04
USED = 9999  # still in use
KINDS = ["特别行政区", "自治县", "自治旗", "自治州", "地区", "林区", "特区", "新区", "市", "区", "县", "旗", "盟"]  # as succession.c

# Who took the larger part, where no name tells or the name misleads: townships and streets, of all, that the State Council's
# approval gives to it (quoted in the source's folder diff, with number and day, or from a local chronicle named here).
MOST = {
    "130421": "130403",  # 邯郸县 2016: 丛台区 4 of 7
    "130521": "130503",  # 邢台县 2020: 信都区 15 of 19
    "140102": "140106",  # 太原市南城区 1997: 迎泽区 6 of 9
    "140103": "140107",  # 太原市北城区 1997: 杏花岭区 9 of 15
    "140104": "140109",  # 太原市河西区 1997: 万柏林区 11 of 13
    "140113": "140108",  # 太原市北郊区 1997: 尖草坪区 8 of 15
    "140202": "140213",  # 大同市城区 2018: 平城区 12 of 14
    "140211": "140214",  # 大同市南郊区 2018: 云冈区 6 of 10
    "152427": "150404",  # 赤峰县 1983: 郊区 "basically what 赤峰县 was" (赤峰市志)
    "210822": "211111",  # 盘山县 1984: 郊区, all but the town of 盘山 and the oil field; 盘山县 again in 1986
    "212201": "211302",  # 朝阳市 1984: 双塔区, all but one township
    "219003": "211402",  # 锦西市 1989: 连山区 28 of 32
    "310221": "310112",  # 上海县 1992: 闵行区, all but one township
    "320304": "320312",  # 徐州市九里区 2010: 铜山区 8 of 13
    "320586": "320506",  # 吴县市 2000: 吴中区 15 of 27
    "320881": "321321",  # 宿迁市 1996: 宿豫县 27 of 32
    "320911": "320928",  # 盐城市郊区 1996: 盐都县 20 of 25
    "330104": "330102",  # 杭州市江干区 2021: 上城区, all but two streets
    "330621": "330603",  # 绍兴县 2013: 柯桥区, all but three towns
    "330721": "330702",  # 金华县 2000: 婺城区 14 of 23
    "330821": "330803",  # 衢县 2001: 衢江区 24 of 33
    "340211": "340207",  # 芜湖市郊区 1990: 鸠江区, five of seven townships
    "362401": "360802",  # 吉安市 2000: 吉州区 10 of 12
    "370206": "370213",  # 青岛市沧口区 1994: 李沧区 9 of 14
    "370981": "371202",  # 莱芜市 1992: 莱城区 25 of 30
    "412322": "411403",  # 商丘县 1997: 睢阳区 16 of 27
    "413001": "411502",  # 信阳市 1998: 浉河区 7 of 9
    "413023": "411503",  # 信阳县 1998: 平桥区 17 of 26
    "420521": "420506",  # 宜昌县 2001: 夷陵区, all but three townships
    "420605": "420606",  # 襄樊市郊区 1995: 樊城区 4 of 7
    "430311": "430304",  # 湘潭市郊区 1992: 岳塘区 7 of 12
    "430403": "430406",  # 衡阳市城南区 2001: 雁峰区 5 of 6
    "430404": "430407",  # 衡阳市城北区 2001: 石鼓区 5 of 6
    "432301": "430902",  # 益阳市 1994: 资阳区 11 of 15
    "432321": "430903",  # 益阳县 1994: 赫山区 29 of 32
    "432421": "430703",  # 常德县 1988: 鼎城区 36 of 45
    "432801": "431002",  # 郴州市 1994: 北湖区 6 of 9
    "432821": "431003",  # 郴县 1994: 苏仙区 15 of 26
    "432921": "432901",  # 零陵县 1984: 永州市 41 of 68
    "433102": "430802",  # 大庸市 1988: 永定区, all but two townships
    "440504": "440508",  # 汕头市公园区 1991: 金园区 4 of 6
    "440505": "440508",  # 汕头市金砂区 1991: 金园区, eight streets; one village and a part went elsewhere
    "440506": "440512",  # 汕头市达濠区 2003: 濠江区, all but one neighbourhood
    "440508": "440511",  # 汕头市金园区 2003: 金平区, all but the east of the development zone
    "440581": "445121",  # 潮州市 1991: 潮安县 22 of 31
    "450106": "450107",  # 南宁市永新区 2004: 西乡塘区, all but ten villages
    "452822": "450603",  # 防城各族自治县 1993: 防城区 17 of 19
    "460102": "460108",  # 海口市振东区 2002: 美兰区, all but one street and two neighbourhoods
    "510102": "510104",  # 成都市东城区 1990: 锦江区 17 of 30
    "510222": "510219",  # 巴县 1994: 巴南区 39 of 61
    "510602": "510603",  # 德阳市市中区 1996: 旌阳区 25 of 39
    "511021": "511011",  # 内江县 1989: 东兴区 59 of 61
    "511521": "511504",  # 宜宾县 2018: 叙州区, all but five towns
    "511721": "511703",  # 达县 2013: 达川区, all but nine townships
    "512901": "511302",  # 南充市 1993: 顺庆区 7 of 9
    "520321": "520304",  # 遵义县 2016: 播州区, all but ten towns
    "522201": "520602",  # 铜仁市 2011: 碧江区, all but three townships
    "533221": "530721",  # 丽江纳西族自治县 2002: 玉龙纳西族自治县 18 of 24
    "533322": "533323",  # 碧江县 1986: 福贡县 3 of 5
    "542137": "542122",  # 生达县 1999 (approved in 1983, never set up): 江达县 5 of 6
    "610321": "610304",  # 宝鸡县 2003: 陈仓区 18 of 24
    "622522": "620503",  # 天水县 1985: 北道区 23 of 40
    "640103": "640105",  # 银川市新城区 2002: 西夏区 5 of 7
    "640211": "640223",  # 石嘴山市郊区 1987: 惠农县, "the greater part" (惠农县志)
    "640222": "640221",  # 石嘴山市陶乐县 2003: 平罗县 3 of 4
}


def stem(name):
    for kind in KINDS:
        if name.endswith(kind) and len(name) - len(kind) >= 2:
            return name[: -len(kind)]
    return name


class Record:
    """One line of the source: a code under one name."""

    def __init__(self, row):
        self.code, self.name = row["代码"], row["名称"]
        self.since, self.until = int(row["启用时间"]), int(row["变更/弃用时间"] or USED)
        above = row["二级行政区"] if row["级别"] == "县级" and row["二级行政区"] != "直辖" else ""
        self.path = self.name if row["级别"] == "省级" else row["一级行政区"] + above + self.name
        self.successors = []  # of the year in which it ended; of other years with the year in brackets
        for text in filter(None, row["新代码"].split(";")):
            code, year = re.fullmatch(r"(\d{6})(?:\[(\d{4})\])?", text).groups()
            if year is None or int(year) == self.until:
                self.successors.append(code)


class Life:
    """One code from its first to its last year, under whatever names."""

    def __init__(self, record):
        self.code, self.since, self.names = record.code, record.since, []
        self.add(record)

    def add(self, record):
        self.until, self.path, self.successors = record.until, record.path, record.successors
        self.names.append(record)

    def name_in(self, year):
        return next(r.name for r in self.names if r.since <= year < r.until)


class History:
    def __init__(self, text):
        records = collections.defaultdict(list)
        for row in csv.DictReader(text.splitlines()):
            record = Record(row)
            records[record.code].append(record)
        self.lives = collections.defaultdict(list)
        for code, of_code in records.items():
            last = None
            for record in sorted(of_code, key=lambda r: r.since):
                # a prefecture has no successors in the source when it had counties: the same code in the next year is the same one
                goes_on = last is not None and last.until == record.since and (code in last.successors or code.endswith("00"))
                if goes_on:
                    self.lives[code][-1].add(record)
                else:
                    self.lives[code].append(Life(record))
                last = record

    def find(self, code, year):
        return next((life for life in self.lives.get(code, ()) if life.since <= year < life.until), None)

    def above(self, code, year):
        """The city or prefecture of a county in @year, else the province."""
        city = code[:4] + "00"
        return city if code != city and self.find(city, year) is not None else code[:2] + "0000"

    def today(self, code, year):
        """Where all branches from @code on lead."""
        life = self.find(code, year)
        if life is None or life.until == USED or not life.successors:
            return {code}
        return set().union(*(self.today(s, life.until) for s in life.successors))

    def parts(self, life):
        """{city or prefecture that took counties of this one when it ended: how many}."""
        count = collections.Counter()
        for code, of_code in self.lives.items():
            if code[:4] != life.code[:4] or code == life.code:
                continue
            for county in of_code:
                if county.until == life.until and county.successors:
                    heirs = [s if s.endswith("00") else self.above(s, life.until) for s in county.successors]
                    for heir in heirs:
                        count[heir] += 1 / len(heirs)
        return count

    def choose(self, life):
        """(rule, the successor taken, the others)."""
        year, heirs, count = life.until, life.successors, {}
        if not heirs and life.code.endswith("00"):
            count = self.parts(life)
            heirs = sorted(count)
        assert heirs, f"{life.code}: no successor"
        bearers = [h for h in heirs if stem(self.find(h, year).name_in(year)) == stem(life.names[-1].name)]
        most = sorted(heirs, key=lambda h: (-round(count[h], 3), h not in bearers)) if count else [MOST.get(life.code)]
        if len(heirs) == 1:
            rule, taken = "only", heirs[0]
        elif not count and len(set().union(*(self.today(h, year) for h in heirs))) == 1:
            rule, taken = "same", heirs[0]
        elif most[0] in heirs:
            rule, taken = "most", most[0]
        elif not count and len(bearers) == 1:
            rule, taken = "name", bearers[0]
        else:
            cities = {h if h.endswith("00") else self.above(h, year) for h in heirs}
            provinces = {h[:2] for h in heirs}
            assert len(provinces) == 1, f"{life.code}: successors in several provinces"
            rule, taken = "whole", cities.pop() if len(cities) == 1 else provinces.pop() + "0000"
        return rule, taken, [h for h in heirs if h != taken]


def read_tsv(name):
    return dict(line.split("\t", 1) for line in (generated.HERE / name).read_text(encoding="utf-8").splitlines())


def main():
    raw = open(sys.argv.pop(), "rb").read()
    if hashlib.sha256(raw).hexdigest() != SOURCE_SHA256:
        sys.exit("this is not the result.csv that the tables were made from: see SOURCE_SHA256")
    history = History(raw.decode("utf-8-sig"))
    names = {code: path for code, path in read_tsv("divisions_historic.tsv").items() if code not in history.lives}
    current = read_tsv("divisions.tsv")
    rows, unused = [], set(MOST)
    for code, lives in history.lives.items():
        if code not in current and lives[-1].until != USED:
            names[code] = lives[-1].path
        for life in lives:
            if life.until != USED:
                rule, taken, others = history.choose(life)
                if rule == "most":
                    unused.discard(code)
                rows.append(f"{code}\t{life.since}\t{life.until}\t{rule}\t{','.join([taken] + others)}\n")
    assert not unused, f"MOST names what is not so: {unused}"
    return generated.main("make_divisions.py", {
        "divisions_historic.tsv": "".join(f"{code}\t{path}\n" for code, path in sorted(names.items())),
        "divisions_successors.tsv": "".join(sorted(rows)),
    })


if __name__ == "__main__":
    sys.exit(main())
