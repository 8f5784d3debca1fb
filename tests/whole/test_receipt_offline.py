"""Receipts without any node: `tongban receipt verify` and the second verifier (tests/lib/c2sp_verify.py), which shares no code with
it, come to the same verdict on whole receipts, in all four forms, and on thousands of damaged ones; the QR code on the page is read
by zbarimg; the exit status and the reasons are those that the help promises."""
import base64
import hashlib
import json
import os
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import c2sp_verify
from cluster import IS_DEBUG
from receipt_maker import LOG, WITNESS, Signer, World, damage, flips, make_leaf, to_base45

BIN = Path(os.environ["TONGBAN_BIN"]).resolve()
FORMS = ["text", "compact", "qr", "html"]
AUTHOR = 110000


class Desk:
    """A folder with a policy, and the program run in it."""

    def __init__(self, folder, world=None):
        self.folder, self.world = folder, world or World()
        (folder / "policy.txt").write_bytes(self.world.policy)
        self.policy = c2sp_verify.Policy(self.world.policy)

    def run(self, command, file, *options, stdin=None):
        words = [BIN / "tongban", "receipt", command, file, "--policy", "policy.txt", *options]
        return subprocess.run(words, cwd=self.folder, input=stdin, capture_output=True)

    def convert(self, data, form, *options):
        done = self.run("convert", "-", "--as", form, *options, stdin=data)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def verdict(self, data, *options):
        """(exit status, what it said as JSON) of the program."""
        done = self.run("verify", "-", "--json", *options, stdin=data)
        assert done.returncode in (0, 1), done
        return done.returncode, json.loads(done.stdout)

    def second_verdict(self, data, lenient=False):
        try:
            return 0, c2sp_verify.verify(data, self.policy, lenient)
        except c2sp_verify.Refused as e:
            return 1, str(e)

    def agree(self, data, lenient=False):
        """Both verdicts on @data, which must be one; true when it is proven."""
        status, said = self.verdict(data, *["--lenient"] * lenient)
        second, facts = self.second_verdict(data, lenient)
        assert status == second, (said, facts, data)
        if status == 1:
            assert not said["proven"] and re.fullmatch(r"[a-z]+\.[a-z0-9-]+", said["id"]) and said["message"]
            return False
        times = sorted(row["time_s"] for row in said["witnesses"])
        assert {**{key: said[key] for key in facts.keys() & said.keys()}, "witness_times": times} == facts
        assert facts.keys() - said.keys() == {"witness_times"}
        return True


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def whole(desk, cosigned=(0, 1, 2), index=7, size=1000, foreign=(), **leaf):
    leaf = make_leaf(author=AUTHOR, index=index, **leaf)
    return desk.world.receipt(AUTHOR, leaf, index, size, cosigned, foreign=foreign)


STRANGER = Signer("stranger.example/witness", WITNESS)
RECEIPTS = {
    "submit": dict(act="submit", attributes=[(1, b"\0\7\xc8\x30"), (2, b"11510000TEMP00013D20007KSTB0052")]),
    "accept, entry 0 of 1": dict(index=0, size=1),
    "accept, last entry, numbered": dict(index=999, attributes=[(7, b"N-2026-1")]),
    "decide": dict(act="decide", attributes=[(6, b"\1"), (8, b"ok.then")], cosigned=(3, 1, 0, 2)),
    "deny": dict(act="decide", attributes=[(6, b"\2")]),
    "a decision that is malformed": dict(act="decide", attributes=[(6, b"\3"), (7, b"N")]),
    "an event of a later version": dict(act=333),
    "heads": dict(kind=2, case=bytes(16)),
    "public": dict(act=1000, case=bytes(16)),
    "2^32 entries": dict(index=2**31 + 5, size=2**32),
    "a stranger's line": dict(foreign=[STRANGER], cosigned=(2, 3, 1)),
}


@pytest.mark.parametrize("name", RECEIPTS)
def test_four_forms_one_verdict(desk, name):
    receipt = whole(desk, **RECEIPTS[name])
    said = []
    for form in FORMS:
        data = receipt.text if form == "text" else desk.convert(receipt.text, form)
        lenient = "stranger" in name and form in ("text", "html")  # the short forms leave that line out
        assert desk.agree(data, lenient), form
        if lenient:
            assert not desk.agree(data) and desk.verdict(data)[1]["id"] == "receipt.not-exact"
        said.append(desk.verdict(data, *["--lenient"] * lenient)[1])
        assert said[-1].pop("form") == form
        back = desk.convert(data, "text")
        assert c2sp_verify.parse_proof(back)[:3] == c2sp_verify.parse_proof(receipt.text)[:3]
    assert said[1:] == said[:-1], "all forms say the same"


def make(desk, form, receipt):
    return receipt.text if form == "text" else desk.convert(receipt.text, form)


def damage_page(page, rng):
    """A page changed in its proof, or (one time in eight, or when its proof cannot be found any more) anywhere."""
    at = page.find(c2sp_verify.PRE)
    end = page.find(b"</pre>", at)
    if rng.randrange(8) == 0 or at < 0 or end < 0:
        return damage(page, rng)
    end += len(b"</pre>")
    return page[:at] + damage(page[at:end], rng) + page[end:]


def damage_compact(data, rng, world):
    """A short form changed anywhere, or (one time in four) in the key id of one cosignature."""
    places = [data.find(witness.id) for witness in world.witnesses]
    at = rng.choice(places)
    if rng.randrange(4) or at < 0:
        return damage(data, rng)
    return data[: at + 3] + bytes([data[at + 3] ^ 1 << rng.randrange(8)]) + data[at + 4 :]


def damage_form(form, data, rng, world):
    if form == "html":
        return damage_page(data, rng)
    if form == "compact":
        return damage_compact(data, rng, world)
    if form == "qr" and rng.randrange(2):
        try:  # so that what is below the Base45 changes too
            return b"TB1:" + to_base45(damage_compact(c2sp_verify.from_base45(data[4:]), rng, world))
        except c2sp_verify.Refused:
            pass  # damaged before
    return damage(data, rng)


def is_without_spare(form, data, receipts):
    lines = data.splitlines()
    return form == "text" and any(set(lines) <= set(r.splitlines()) and len(data) < len(r) for r in receipts)


@pytest.mark.parametrize("form", FORMS)
def test_damaged_receipts_one_verdict(desk, form):
    """Thousands in all in the debug build, from fixed seeds. None is proven, but for a text from which the line of a witness beyond the quorum was taken as a
    whole: that is a receipt too. By the signatures alone more are proven, and then both say of what."""
    rng = random.Random(f"damaged {form}")
    receipts = [make(desk, form, whole(desk)), make(desk, form, whole(desk, cosigned=(0, 1, 2, 3)))]
    assert all(desk.agree(data) for data in receipts)
    damaged = []
    count = 800 if IS_DEBUG else 160  # each is four processes; unit_receipt_flip has more, in one
    for _ in range(count):
        data = rng.choice(receipts)
        for _ in range(rng.choice([1, 1, 1, 2])):
            if len(data) > 1:
                data = damage_form(form, data, rng, desk.world)
        damaged.append(data)
    with ThreadPoolExecutor(max_workers=2) as pool:
        for data, passed in zip(damaged, pool.map(desk.agree, damaged)):
            assert not passed or is_without_spare(form, data, receipts), data
        proven = sum(pool.map(lambda data: desk.agree(data, lenient=True), damaged))
    assert count / 80 < proven < count / 2, f"{proven} of {len(damaged)} are still proven by their signatures"


def test_no_flip_passes_the_second_verifier(desk):
    """The second one by itself, every third bit: none may change. By the signatures alone, with one to spare, only in the name or key id of
    a cosignature, or in the stranger's line."""
    receipt = whole(desk)
    for place, data in flips(receipt.text, 3):
        assert desk.second_verdict(data)[0] == 1, (place, receipt.part_of(place))
    for form in ("compact", "qr"):
        for place, data in flips(desk.convert(receipt.text, form), 3):
            assert desk.second_verdict(data)[0] == 1, (form, place)
    spare = whole(desk, cosigned=(0, 1, 2, 3), foreign=[STRANGER])
    for place, data in flips(whole(desk, cosigned=(0, 1, 2, 3)).text, 3):
        assert desk.second_verdict(data)[0] == 1, place
    lenient = lambda data: desk.second_verdict(data, True)[0] == 0
    tolerated = {spare.part_of(place) for place, data in flips(spare.text, 3) if lenient(data)}
    assert tolerated == {f"cosignature {i}" for i in range(4)} | {"foreign 0"}


def test_forgeries(desk):
    """What somebody with one key but not the others can make."""
    world, leaf = desk.world, make_leaf(author=AUTHOR, index=7)
    good = world.receipt(AUTHOR, leaf, 7, 1000, [0, 1, 2])
    other = world.receipt(AUTHOR, leaf, 7, 1000, [0, 1, 2], seed=1)  # another root of the same size, all signed
    assert desk.agree(good.text) and desk.agree(other.text), "only gossip tells such two apart"
    part = lambda receipt, name: receipt.text[receipt.spans[name].start : receipt.spans[name].stop]

    def swapped(*names):
        text = b""
        for name in good.spans:
            text += part(other if name in names else good, name)
        return text

    for names in (["checkpoint"], ["log signature"], ["cosignature 0"], ["hash 3"], ["checkpoint", "log signature"],
                  ["cosignature 0", "cosignature 1", "cosignature 2"]):
        assert not desk.agree(swapped(*names)), names
    twice = whole(desk, cosigned=(0, 1, 1))
    assert not desk.agree(twice.text), "one witness twice is one"
    renamed = good.text.replace(f"— {world.witnesses[0].name} ".encode(), f"— {STRANGER.name} ".encode())
    assert not desk.agree(renamed)
    impostor = Signer(world.witnesses[3].name, WITNESS)
    impostor.id = bytes(4)
    assert not desk.agree(whole(desk, cosigned=(0, 1), foreign=[impostor]).text)
    log_as_witness = Signer(world.logs[AUTHOR].name, LOG)
    assert not desk.agree(whole(desk, cosigned=(0, 1), foreign=[log_as_witness]).text)


def test_reasons(desk):
    receipt = whole(desk)
    lines = receipt.text.split(b"\n")
    rows = {
        "receipt.quorum": whole(desk, cosigned=(0, 1)).text,
        "receipt.no-leaf": b"\n".join(lines[:1] + lines[2:]),
        "receipt.index": receipt.text.replace(b"\nindex 7\n", b"\nindex 8\n"),
        "receipt.form": b"no receipt",
        "receipt.page": b"<html></html>",
        "receipt.version": b"TBR\2",
        "receipt.not-exact": whole(desk, foreign=[STRANGER]).text,
        "receipt.page-digest": desk.convert(receipt.text, "html").replace("受理".encode(), "决定".encode(), 1),
        "receipt.page-layout": b"<pre id=\"tlog-proof\">" + receipt.text + b"</pre>",
        "receipt.base45": b"TB1:abc",
        "policy.unknown-log": receipt.text.replace(b"\n110000.", b"\n110001."),
        "note.bad-signature": receipt.text.replace(b"\n1000\n", b"\n1001\n"),
        "merkle.inclusion": receipt.text.replace(lines[4], lines[5], 1),
        "merkle.proof-length": receipt.text.replace(lines[4] + b"\n", b"", 1),
        "proof.header": receipt.text.replace(b"@v1", b"@v2"),
    }
    for id, data in rows.items():
        status, said = desk.verdict(data)
        assert (status, said["id"]) == (1, id)
        assert desk.second_verdict(data)[0] == 1
        done = desk.run("verify", "-", stdin=data)
        assert done.returncode == 1 and done.stdout == "未证实 NOT PROVEN\n".encode() and f"({id})" in done.stderr.decode()


def test_words_and_names(desk):
    receipt = whole(desk, act="decide", attributes=[(6, b"\1")])
    page = desk.convert(receipt.text, "html")
    (desk.folder / "receipt.html").write_bytes(page)
    members, key = desk.world.members(["北京市", "天津市", "河北省", "山西省"])
    (desk.folder / "members.note").write_bytes(members)
    (desk.folder / "federation.pub").write_text(key + "\n")
    plain = desk.run("verify", "receipt.html").stdout.decode()
    assert "北京市" not in plain and "110000.tongban.example/log/1" in plain
    for given in (key, "federation.pub"):
        done = desk.run("verify", "receipt.html", "--members", "members.note", "--federation-key", given)
        text = done.stdout.decode()
        assert done.returncode == 0, done.stderr
        for part in ("已证实 PROVEN", "决定凭证 (html)", "北京市 (110000)", "准予 (grant)", "7 of 1000",
                     "000102030405060708090a0b0c0d0e0f", "3 of 4 needed, 3 signed", "天津市 (120000) 2026-09-21 22:14:20",
                     "不证明的内容 What is NOT proven:", "申请人是谁", "as registered"):
            assert part in text, part
    said = json.loads(desk.run("verify", "receipt.html", "--members", "members.note", "--federation-key", key,
                               "--json").stdout)
    assert (said["node"], said["node_name"], said["decision"]) == (110000, "北京市", "grant")
    assert [(row["name"], row["own"]) for row in said["witnesses"]] == [("北京市", True), ("天津市", False), ("河北省", False)]
    assert [row["own"] for row in desk.verdict(page)[1]["witnesses"]] == [True, False, False], "by the names alone"
    named = desk.convert(receipt.text, "html", "--members", "members.note", "--federation-key", key).decode()
    assert "北京市 (110000)" in named and "天津市 (120000) · 2026-09-21 22:14:20" in named

    # an entry of one node in the ledger of another
    alien = desk.world.receipt(AUTHOR, make_leaf(author=120000, index=7), 7, 1000, [0, 1, 2])
    done = desk.run("verify", "-", "--members", "members.note", "--federation-key", key, "--json", stdin=alien.text)
    assert (done.returncode, json.loads(done.stdout)["id"]) == (1, "receipt.author")


def reseal(page):
    """@page with the digest of what it says now, as a forger makes it."""
    at = page.index(c2sp_verify.DIGEST) + len(c2sp_verify.DIGEST)
    digest = hashlib.sha256(page[:at] + c2sp_verify.ZEROS + page[at + 64 :]).hexdigest().encode()
    return page[:at] + digest + page[at + 64 :]


def test_forged_pages(desk):
    """A page whose words were changed and whose digest fits again: what it says is not what its proof makes."""
    members, key = desk.world.members(["北京市", "天津市", "河北省", "山西省"])
    (desk.folder / "members.note").write_bytes(members)
    named = ("--members", "members.note", "--federation-key", key)
    receipt = whole(desk, act="decide", attributes=[(6, b"\2")])
    page = desk.convert(receipt.text, "html", "--number", "N-1", *named)
    assert reseal(page) == page and desk.agree(page)
    assert desk.verdict(page, *named)[0] == 0
    for old, new in (("不予 (deny)", "准予 (grant)"), ("决定凭证", "受理凭证"), ("</style>", "td{display:none}</style>"),
                     ("</body>", "<p>另已批准</p></body>"), ("2026-09-21 22:13:20", "2025-09-21 22:13:20"), ("北京市", "四川省"),
                     (">N-1<", ">N-2<"), ("M4 4h", "M5 4h"), ("<h1>", "<h1 >")):
        forged = reseal(page.replace(old.encode(), new.encode()))
        assert forged != page
        status, said = desk.verdict(forged)
        assert (status, said["id"]) == (1, "receipt.page-altered"), old
        assert re.search(r"from byte \d+, line \d+, on", said["message"])
        assert desk.verdict(forged, "--lenient")[0] == 0, "the receipt in it is still one"
    # the data changed too: a name that only a member list can tell to be wrong
    other = desk.world.members(["四川省", "天津市", "河北省", "山西省"])[0]
    (desk.folder / "other.note").write_bytes(other)
    lie = desk.convert(receipt.text, "html", "--members", "other.note", "--federation-key", key)
    assert desk.verdict(lie)[0] == 0
    status, said = desk.verdict(lie, *named)
    assert (status, said["id"]) == (1, "receipt.page-name") and "四川省" in said["message"]
    layout = page.replace(base64.b64encode(b"tongban-page/1\nnu")[:20], base64.b64encode(b"tongban-page/2\nnu")[:20])
    assert desk.verdict(reseal(layout))[1]["id"] == "receipt.page-layout"


def test_usage(desk):
    (desk.folder / "r.txt").write_bytes(whole(desk).text)
    (desk.folder / "bad.txt").write_text("witness\n")
    members, key = desk.world.members(list("甲乙丙丁"))
    (desk.folder / "members.note").write_bytes(members)
    run = lambda *words: subprocess.run([BIN / "tongban", "receipt", *words], cwd=desk.folder, capture_output=True)
    with_policy = ("--policy", "policy.txt")
    for words in (["verify"], ["verify", "r.txt"], ["verify", "none.txt", *with_policy], ["verify", "r.txt", "--policy", "none"],
                  ["verify", "r.txt", "--policy", "bad.txt"], ["verify", "r.txt", "x", *with_policy],
                  ["verify", "r.txt", *with_policy, "--members", "members.note"],
                  ["verify", "r.txt", *with_policy, "--federation-key", key],
                  ["verify", "r.txt", *with_policy, "--members", "members.note", "--federation-key", "none"],
                  ["verify", "r.txt", *with_policy, "--members", "r.txt", "--federation-key", key],
                  ["convert", "r.txt", *with_policy], ["convert", "r.txt", *with_policy, "--as", "pdf"]):
        done = run(*words)
        assert done.returncode == 2 and not done.stdout and done.stderr.startswith(b"tongban: "), words
    assert run("verify", "r.txt", *with_policy).returncode == 0
    second = [sys.executable, Path(c2sp_verify.__file__)]
    for words, status in ((["r.txt", *with_policy], 0), (["bad.txt", *with_policy], 1), (["r.txt", "--policy", "bad.txt"], 2)):
        assert subprocess.run([*second, *words], cwd=desk.folder, capture_output=True).returncode == status, words


# ---- the code on paper -----------------------------------------------------------------------------------------------


def pixels(page, scale=4):
    """The QR code of a page as a PGM picture, out of its SVG: one path of rows of dark modules."""
    size = int(re.search(rb'viewBox="0 0 (\d+) \1"', page).group(1))
    rows = re.findall(rb"M(\d+) (\d+)h(\d+)v1h-(\d+)z", page[page.index(b"<svg") : page.index(b"</svg>")])
    modules = [bytearray(b"\xff" * size) for _ in range(size)]
    for x, y, width, back in rows:
        assert width == back
        modules[int(y)][int(x) : int(x) + int(width)] = bytes(int(width))
    lines = [b"".join(bytes([m]) * scale for m in row) * scale for row in modules]
    return b"P5 %d %d 255\n" % (size * scale, size * scale) + b"".join(lines)


@pytest.mark.parametrize("nodes, size, act", [(4, 1000, "submit"), (10, 2**20, "accept"), (20, 2**32, "decide")])
def test_the_code_on_the_page(tmp_path, nodes, size, act):
    """What a reader of QR codes finds on the page is the receipt: also the largest, 32 hashes and 20 cosignatures."""
    desk = Desk(tmp_path, World(nodes, needed=(2 * nodes + 2) // 3))
    attributes = {"submit": [(1, b"\0\7\xc8\x30"), (2, b"11510000TEMP00013D20007KSTB0052")], "decide": [(6, b"\1")]}
    receipt = whole(desk, cosigned=range(nodes), index=3, size=size, act=act, attributes=attributes.get(act, []),
                    parents=2, recipients=2)
    page = desk.convert(receipt.text, "html")
    (tmp_path / "code.pgm").write_bytes(pixels(page))
    done = subprocess.run(["zbarimg", "--quiet", "--raw", "--set", "disable", "--set", "qrcode.enable", "code.pgm"],
                          cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == desk.convert(receipt.text, "qr") + b"\n"
    assert desk.agree(done.stdout) and desk.agree(page)
    assert len(json.loads(desk.run("verify", "-", "--json", stdin=done.stdout).stdout)["witnesses"]) == nodes


def test_fewest_cosignatures_in_the_code(tmp_path):
    """60 cosignatures are too many for a code: it carries as many as the quorum needs, the page all."""
    desk = Desk(tmp_path, World(60, needed=21))
    receipt = whole(desk, cosigned=range(60), size=2**30)
    assert len(desk.verdict(receipt.text)[1]["witnesses"]) == 60
    code = desk.convert(receipt.text, "qr")
    assert desk.agree(code) and len(code) <= 4296
    assert len(desk.verdict(code)[1]["witnesses"]) == 21
    assert len(desk.verdict(desk.convert(receipt.text, "html"))[1]["witnesses"]) == 60
