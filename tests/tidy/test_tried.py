"""Each error of node/ERRORS.md is tried: its id stands in a test, or in UNTRIED with the reason why not. The list only gets shorter:
an id that a test names has to go from it. `python3 tests/tidy/test_tried.py` prints what is missing.

Lines of the log that are no error of a request (code `log` alone) are not asked for.
"""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from test_errors import BOOK, TREE, rows  # noqa: E402

UNTRIED = {
    # A test comes to it and holds its code, its sentence or what was left undone, but not the id: found by a build that wrote down every
    # error that was set while the tests ran.
    "comes to it in a test": """
        case.key-missing case.last-leaf-twice catalog.too-many ctl.reply-size erase.node fetch.no-chunk fetch.refused
        file.absent file.create file.mkdir grant.commit http.rate leaf.buffer ledger.asking ledger.checkpoint
        ledger.disputed ledger.kept-proof ledger.no-kept-proof ledger.verify-running link.busy link.connections
        link.empty link.nodes link.not-member link.open link.peer link.peers link.wrong-node members.form
        merkle.consistency merkle.index note.control note.name-size note.no-signatures note.signature-line
        note.text-size note.utf8 peer.closed peer.no-answer pki.federation-name pki.node-name-utf8 poster.closed
        poster.connection proof.extra-size proof.hash-count store.absent store.backup-cancelled store.case-id
        store.no-witness store.open store.proof store.several-cases tiles.path tiles.restore tls.dialer tls.not-member
        tls.revoked verify.bundle verify.cancelled verify.case verify.case-id verify.counter verify.missing
        verify.replica-missing verify.stream wire.file-size witness.form witness.no-line witness.old witness.proof
    """,
    # Damage of this kind of row is tried for every column (whole/test_verify.py), which holds that a place is named, not which id.
    "damage": """
        verify.erasure verify.frontier verify.item verify.leaf verify.no-member verify.payload verify.place
        verify.replica-root verify.root verify.tile
    """,
    # What only a member says that breaks the protocol, or that is of another version; the simulator (tests/sim) has such members, and
    # holds what comes of it, not the id.
    "a member": """
        bundle.no-payload bundle.withdrawal case.pull-answer catalog.no-payload catalog.withdrawal erase.form
        evidence.common-size evidence.no-member fetch.absent ledger.heads link.plain material.size-said material.wrap
        pki.common-name pki.identity pki.serial receipt.no-entry receipt.not-addressed reconcile.row sync.misplaced
        sync.no-member sync.not-a-request sync.not-addressed sync.not-author sync.origin sync.other-node sync.payload
        sync.recovering sync.replaced sync.start sync.target sync.version tls.expired tls.no-peer witness.ahead
    """,
    # The decoder of the request or of the file says it first: this is the line behind, for callers inside the program.
    "said before": """
        calendar.year case.events-of-request case.reason-size file.read material.code material.consent
        members.size person.kind proof.checkpoint-size
    """,
    # It takes more of something than a test should make.
    "a size": """
        archive.files ca.crl-size ca.entries ca.index-size ctl.pages http.metrics import.too-many-sheets poster.size
        region.too-many store.too-many-nodes tiles.size
    """,
    # The refused request has to come within one moment of another one, or a time has to run out.
    "a moment": """
        case.erasing catalog.import-partly catalog.import-running ctl.download ctl.reconcile-running ctl.timeout
        demo.start fetch.busy fetch.slow link.refused material.closing material.upload-busy node.stopping poster.timeout
        receipt.not-yet reconcile.running reconcile.stopped
    """,
    # A system call, a library or a disk has to fail in a way that no test makes.
    "a fault": """
        archive.material ca.issue ca.root demo.port demo.signal file.chunk-sealed file.no-room
        file.rename file.room file.sync http.start import.memory keystore.request ledger.recovery-root
        ledger.root-differs link.thread loop.init material.no-content peer.encode store.lock
        store.no-fts tls.listener tls.register trust.crl trust.own
    """,
}


def named():
    """Ids that stand in tests, but for this folder and inputs of the fuzzers."""
    found = set()
    for path in (TREE / "tests").rglob("*"):
        parts = path.relative_to(TREE / "tests").parts
        if path.is_file() and parts[0] != "tidy" and "corpus" not in parts and path.suffix in (".py", ".c", ".h", ".json", ""):
            found |= set(re.findall(r"[a-z][a-z0-9_]*\.[a-z0-9]+(?:[-_][a-z0-9]+)*", path.read_text(encoding="utf-8", errors="ignore")))
    return found


def listed():
    return {reason: set(ids.split()) for reason, ids in UNTRIED.items()}


def asked():
    return {id for id, (codes, *_) in rows(BOOK.read_text(encoding="utf-8")).items() if codes != "log"}


def test_each_error_is_tried_or_says_why_not():
    missing = asked() - named() - set().union(*listed().values())
    assert not missing, "in no test: " + ", ".join(sorted(missing))


def test_the_list_gets_shorter():
    everything = sorted(id for ids in listed().values() for id in ids)
    assert len(everything) == len(set(everything)), "an id stands twice"
    tried = set(everything) & named()
    assert not tried, "tried by now: " + ", ".join(sorted(tried))
    dead = set(everything) - asked()
    assert not dead, "no errors any more: " + ", ".join(sorted(dead))


if __name__ == "__main__":
    print("\n".join(sorted(asked() - named() - set().union(*listed().values()))))
