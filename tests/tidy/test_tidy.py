"""The rules of the tree, checked on its text: who may include whom, sizes, banned calls, guards, words, files.

Each check is a function (path, text) -> problems ("path:line: what"), so that the second half of this file can feed it
offending snippets: a check that cannot fail is worth nothing. The tables are the rules; CONTRIBUTING.md explains them.
A line that must break the rule on calls says so: /* tidy: NAME, because … */ on the line itself or the one above.
"""
import os
import re
import subprocess
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[2]

# ---- the rules -------------------------------------------------------------------------------------------------------

FILE_LINES_MAX = 1000
FUNCTION_LINES_MAX = 70

# Which project headers the files under a path may include (regexes, matched from the start). The first row that matches
# a file is its row; a folder may always include itself. Arrows point downwards only: see CONTRIBUTING.md.
BOXES = [
    (r"node/base/", []),
    (r"certs/", [r"node/base/"]),
    (r"federation/ledger/", [r"node/base/", r"certs/crypto\.h"]),
    (r"federation/wire/", [r"node/base/", r"federation/ledger/"]),
    (r"federation/witness/", [r"node/base/", r"certs/crypto\.h", r"federation/ledger/"]),
    (
        r"federation/(sync|peer)/",
        [r"node/base/", r"certs/crypto\.h", r"federation/ledger/", r"federation/wire/wire\.h"],
    ),
    (r"federation/link\.h$", [r"node/base/"]),
    (r"federation/members\.", [r"node/base/", r"certs/", r"federation/members\.h", r"federation/ledger/"]),
    (r"federation/tls_engine", [r"node/base/", r"certs/", r"federation/tls_engine(_impl)?\.h"]),
    (
        r"federation/",
        [r"node/base/", r"certs/", r"federation/(link|link_\w+|members|tls_engine)\.h", r"federation/ledger/"],
    ),
    (r"catalog/", [r"node/base/", r"certs/"]),
    (r"node/cases/", [r"node/base/"]),
    (r"node/store/", [r"node/base/", r"certs/", r"node/cases/", r"federation/ledger/"]),
    (r"node/files/", [r"node/base/", r"certs/crypto\.h", r"federation/ledger/"]),
    (r"node/receipt/", [r"node/base/", r"certs/crypto\.h", r"node/cases/", r"federation/ledger/", r"federation/members\.h"]),
    (
        r"node/http/",
        [
            r"node/base/", r"certs/", r"catalog/", r"node/cases/", r"node/receipt/", r"federation/ledger/",
            r"node/app\.h", r"node/app_bundle\.h",
        ],
    ),
    (r"node/ctl/cmd_restore\.c", [r"node/base/", r"node/ctl/", r"node/store/store\.h"]),
    (r"node/ctl/", [r"node/base/", r"certs/", r"node/receipt/", r"federation/ledger/", r"federation/members\.h"]),
    (r"node/", [r"node/(?!ctl/)", r"certs/", r"catalog/", r"federation/"]),
]

# A library's headers, and the only files that may include them. Headers are named only where nothing else will do.
LIBRARIES = [
    (r"nng/", r"federation/(link_nng(_\w+)?\.c|link_nng_impl\.h|tls_engine(_\w+)?\.c|tls_engine_impl\.h)$"),
    (r"openssl/", r"certs/|federation/tls_engine(_\w+)?\.c$|federation/tls_engine_impl\.h$"),
    (r"uv\.h$", r"node/[a-z_]+\.c$|node/loop\.h$|node/http/server[a-z_]*\.c$"),
    (r"sqlite3\.h$", r"node/store/"),
    (r"microhttpd\.h$", r"node/http/server[a-z_]*\.[ch]$"),
    (r"yyjson\.h$", r"node/http/|node/ctl/|catalog/|node/[a-z_]+\.c$"),
    (r"(protobuf-c/|.*\.pb-c\.h$)", r"federation/wire/(?:[a-z_]+\.c|wire_internal\.h)$"),
    (r"(freexl\.h$|minizip/)", r"catalog/xlsx\.c$"),
    (r"unicode/", r"catalog/tools/make_pinyin\.c$"),
    (r"qrencode\.h$", r"node/receipt/receipt_qr\.c$"),
    (r"curl/", r"node/ctl/|node/poster\.c$"),
]

# Pure folders: no system beyond these headers, no clock, chance, log or file.
PURE = re.compile(
    r"(node/cases|federation/ledger|federation/sync|federation/witness)/|node/receipt/receipt_(?:facts|file|html)\."
)
PURE_HEADERS = {
    f"{x}.h" for x in "ctype inttypes limits stdalign stdarg stdbool stddef stdint stdio stdlib string".split()
}
PURE_NOT = re.compile(
    r"\b(log_(?:line|error|warn|info|debug)|time|clock|clock_(?:gettime|wall_ms|mono_ms|mono_us|mono_ns)|rand|random|"
    r"s?rand48|getrandom|crypto_random|f?printf|v?fprintf|f?puts|putchar|fopen|fread|fwrite|open|read|write|getenv|"
    r"file_[a-z_]+)\s*\("
)

ALLOCATION = r"malloc|calloc|realloc|reallocarray|strdup|strndup|v?asprintf"
THREAD = r"pthread_create"
BANNED = {  # call -> what instead
    r"strcpy|stpcpy|strcat|strncpy|strncat": "struct buf or snprintf with the size",
    r"v?sprintf": "snprintf with the size",
    r"gets|tmpnam|mktemp|alloca": "nothing: it cannot be used safely",
    r"strtok|strerror|gmtime|localtime|ctime|asctime": "the _r form",
    r"atoi|atol|atoll|atof": "strtoul and its like, with all their errors checked",
    r"system|popen": "nothing: the programs start no shell",
    r"rand|srand|random|srandom": "prng.h, or crypto_random for secrets",
    r"assert": "xassert, which stays in every build",
    r"sleep|usleep|nanosleep": "a timer of the loop",
    r"setjmp|longjmp": "an error that is returned",
    ALLOCATION: "xmalloc and its like (node/base/xassert.h), or a buffer with a maximum",
    THREAD: "signals_thread (node/base/signals.h): signals are for the loop's thread",
}
BANNED_EXCEPT = {ALLOCATION: re.compile(r"node/base/"), THREAD: re.compile(r"node/base/|tests/")}

# The product speaks of itself alone: no place or tool of one particular workshop.
FOREIGN = re.compile(
    r"/work/|/root/|/home/\w|\bshared/(?!lib)|/tmp/(?:task|h\d)|\bt13\b|\b(?:this|next|last|previous) session\b|"
    r"\bsession started\b|\b(?:the|your) brief\b|(?i:\bas an ai\b|language model|\bclaude\b|\bchatgpt\b|\bcopilot\b)|"
    r"(?i:deb\.debian\.org|pypi\.org|npmjs\.|crates\.io|proxy\.golang|\bregistry\.[a-z]+\.)"
)

TOP_LEVEL = set(
    "node federation catalog certs tests docker CMakeLists.txt CMakePresets.json README.md README.zh-CN.md dev LICENSE "
    "CHANGELOG.md CONTRIBUTING.md".split()
)
TOP_LEVEL_NOT_SHIPPED = {"build"}

DOCUMENTS_ELSEWHERE = {"docs/compact_ranges.md"}  # of works we cite

TEXT_SUFFIXES = {
    f".{x}" for x in "c h py md txt json proto yml yaml sh html css js sql service toml".split()
}
GIVEN = re.compile(r"tests/vectors/data/|tests/fuzz/corpus/")  # others' bytes, kept as they came

# ---- reading C -------------------------------------------------------------------------------------------------------

TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """@text with comments and the inside of literals blanked; lines keep their numbers."""

    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] + token[0]
        return "\n" * token.count("\n") + " "

    return TOKEN.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(text):
    """(line, name, is_system) of every #include. Only comments are blanked: the name is a literal."""
    plain = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.S)
    for number, line in enumerate(plain.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(2), match.group(1) == "<"


# ---- checks ----------------------------------------------------------------------------------------------------------


def is_shipped_c(path):
    return re.match(r"(node|federation|catalog|certs)/.*\.[ch]$", path) is not None


def check_dependencies(path, text):
    if not is_shipped_c(path):
        return []
    row = next((allowed for prefix, allowed in BOXES if re.match(prefix, path)), None)
    if row is None:
        return [f"{path}:1: belongs to no row of BOXES"]
    own = os.path.dirname(path) + "/"
    own_allowed = [] if own == "federation/" else [re.escape(own) + r"[^/]+$"]
    found = []
    for number, name, is_system in includes(text):
        if is_system or name.endswith(".pb-c.h"):
            continue
        if "/" not in name:
            found.append(f'{path}:{number}: include "{name}" by its full path from the top of the tree')
        elif not any(re.match(x, name) for x in row + own_allowed):
            found.append(f"{path}:{number}: may not include {name}: it is above or beside this folder")
    return found


def check_libraries(path, text):
    if not is_shipped_c(path):
        return []
    found = []
    for number, name, _ in includes(text):
        for library, places in LIBRARIES:
            if re.match(library, name) and not re.match(places, path):
                found.append(f"{path}:{number}: may not include {name}: only {places} may")
    return found


def check_pure(path, text):
    if not PURE.match(path) or not is_shipped_c(path):
        return []
    found = [
        f"{path}:{number}: pure code may not include <{name}>"
        for number, name, is_system in includes(text)
        if is_system and name not in PURE_HEADERS
    ]
    code = code_only(text)
    for match in PURE_NOT.finditer(code):
        found.append(f"{path}:{line_of(code, match.start())}: pure code may not call {match.group(1)}()")
    return found


def check_sizes(path, text):
    if not re.search(r"\.([ch]|py)$", path):
        return []
    found = []
    lines = text.splitlines()
    if len(lines) > FILE_LINES_MAX:
        found.append(f"{path}:1: {len(lines)} lines, limit {FILE_LINES_MAX}")
    if not path.endswith((".c", ".h")):
        return found
    start = None
    for at, line in enumerate(lines):
        if line == "{":
            start = at
        elif line == "}" and start is not None:
            size = at - start + 1
            if size > FUNCTION_LINES_MAX and not has_long_comment(lines, start):
                found.append(
                    f"{path}:{start + 1}: function of {size} lines, limit {FUNCTION_LINES_MAX}; "
                    "split it, or say why not: /* long: reason */ above it"
                )
            start = None
    return found


def has_long_comment(lines, brace):
    """Does the comment directly above the function whose body opens at @brace say "long: reason"?"""
    at = brace - 1
    while at >= 0 and lines[at].strip() and not lines[at].rstrip().endswith(("*/", ";", "}")):
        at -= 1
    block = []
    while at >= 0 and lines[at].strip() and not lines[at].rstrip().endswith((";", "}")):
        block.append(lines[at])
        if "/*" in lines[at]:
            break
        at -= 1
    return re.search(r"\blong: \w", "\n".join(block)) is not None


def check_calls(path, text):
    if not is_shipped_c(path):
        return []
    code, lines, found = code_only(text), text.splitlines(), []
    for names, instead in BANNED.items():
        if names in BANNED_EXCEPT and BANNED_EXCEPT[names].match(path):
            continue
        for match in re.finditer(rf"(?<![\w.>])({names})\s*\(", code):
            number = line_of(code, match.start(1))
            near = "\n".join(lines[max(0, number - 2) : number])
            if not re.search(rf"tidy: {match.group(1)}\b, because \w", near):
                found.append(f"{path}:{number}: {match.group(1)}() is not used here; instead: {instead}")
    return found


def check_file_comment(path, text):
    if path.endswith((".c", ".h")):
        comment = re.match(r"/\*(.*?)\*/", text, re.S)
        words = re.findall(r"[\w./-]+", comment.group(1)) if comment else []
        if len(words) < 3 and not (words[:1] == ["See"] and len(words) == 2):
            return [f"{path}:1: the file does not begin with a comment that says what it is"]
    if path.endswith(".py") and not re.match(r'(#![^\n]*\n)?"""\S', text):
        return [f"{path}:1: the file does not begin with a docstring that says what it is"]
    return []


def check_guard(path, text):
    if not path.endswith(".h"):
        return []
    *folders, stem = re.sub(r"\W", "_", path.removesuffix(".h").replace("/", "//")).upper().split("__")
    optional = "".join(f"(?:{x}_)?" for x in folders)
    directives = [x.split() for x in text.splitlines() if x.startswith("#")]
    guard = directives[0][-1] if directives else ""
    is_named = re.fullmatch(f"TB_{optional}{stem}_H", guard) and guard != f"TB_{stem}_H"
    is_used = directives[:2] == [["#ifndef", guard], ["#define", guard]] and text.rstrip().endswith("\n#endif")
    if not is_named or not is_used:
        want = f"TB_{folders[-1]}_{stem}_H"
        return [f"{path}:1: the header is not guarded by {want} (#ifndef, #define, and #endif as the last line)"]
    return []


def check_whitespace(path, text):
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        if "\t" in line:
            found.append(f"{path}:{number}: tab")
        if line.endswith((" ", "\r")):
            found.append(f"{path}:{number}: space or carriage return at the end of the line")
    if text and not text.endswith("\n"):
        found.append(f"{path}:{len(text.splitlines())}: no newline at the end of the file")
    if text.endswith("\n\n"):
        found.append(f"{path}:{len(text.splitlines())}: empty lines at the end of the file")
    return found


def check_words(path, text):
    return [
        f"{path}:{line_of(text, m.start())}: {m.group(0)!r} means nothing to a reader of this tree"
        for m in FOREIGN.finditer(text)
    ]


def check_documents(path, text, known):
    """A named Markdown document exists; @known holds the paths of all files."""
    names = {os.path.basename(x) for x in known}
    found = []
    for match in re.finditer(r"(?<![\w/.*-])[\w./-]*\w\.md\b", re.sub(r"\w+://\S+", "", text)):
        name = match.group(0).removeprefix("./")
        base = os.path.dirname(path)
        there = name in known or os.path.normpath(os.path.join(base, name)) in known
        if not there and not ("/" not in name and name in names) and name not in DOCUMENTS_ELSEWHERE:
            found.append(f"{path}: names {name}, which is not in the tree")
    return found


def check_commands(path, text, script):
    """Every `./dev WORD [--option]` in @text is understood by @script, the text of ./dev."""
    row = re.search(r"^([\w ]+(?: \| [\w ]+)*)\) \"cmd_\$command\"", script, re.M)
    commands = set(re.findall(r"\w+", row.group(1))) | {"help"}
    found = []
    for match in re.finditer(r"\./dev((?: --yes)?) ([a-z][\w-]*)((?: --[a-z-]+)*)", text):
        number = line_of(text, match.start())
        if match.group(2) not in commands:
            found.append(f"{path}:{number}: ./dev has no command '{match.group(2)}'")
        for option in match.group(3).split():
            if match.group(2) not in ("demo", "bench", "shell") and f"{option}" not in script:
                found.append(f"{path}:{number}: ./dev {match.group(2)} has no option {option}")
    return found


def check_top_level(names):
    foreign = [x for x in sorted(names) if x not in TOP_LEVEL and not x.startswith(".")]
    return [f"{x}: does not belong to the top level" for x in foreign]


# ---- the tree --------------------------------------------------------------------------------------------------------


def tree_files():
    for folder, folders, files in os.walk(TREE):
        folders[:] = sorted(
            x
            for x in folders
            if x not in ("__pycache__", ".git", ".cache") and not (folder == str(TREE) and x in TOP_LEVEL_NOT_SHIPPED)
        )
        for name in sorted(files):
            yield os.path.relpath(os.path.join(folder, name), TREE)


def is_text(path):
    is_script = path == "dev" or path.startswith(".ci/") or "CMakeLists.txt" in path
    return not GIVEN.match(path) and (is_script or os.path.splitext(path)[1] in TEXT_SUFFIXES)


@pytest.fixture(scope="module")
def tree():
    """path -> text of every text file of the tree."""
    return {path: (TREE / path).read_text(encoding="utf-8") for path in tree_files() if is_text(path)}


def report(found):
    if found:
        pytest.fail(f"{len(found)} problem(s)\n" + "\n".join(found), pytrace=False)


PER_FILE = [
    check_dependencies,
    check_libraries,
    check_pure,
    check_sizes,
    check_calls,
    check_file_comment,
    check_guard,
    check_whitespace,
    check_words,
]


SELF = "tests/tidy/test_tidy.py"  # holds the very words it looks for


@pytest.mark.parametrize("check", PER_FILE, ids=lambda f: f.__name__)
def test_tree(tree, check):
    assert len(tree) > 30, "the tree was not found"
    about_words = check is check_words
    report([x for path, text in tree.items() if not (about_words and path == SELF) for x in check(path, text)])


def test_documents_exist(tree):
    known = set(tree_files())
    found = {x for path, text in tree.items() if path != SELF for x in check_documents(path, text, known)}
    report(sorted(found))


def test_commands_exist(tree):
    texts = {path: text for path, text in tree.items() if path.endswith(".md")}
    report([x for path, text in texts.items() for x in check_commands(path, text, tree["dev"])])


def test_guards_differ(tree):
    guards = [x.group(1) for path, text in tree.items() if (x := re.search(r"^#ifndef (TB_\w+_H)$", text, re.M))]
    assert sorted(set(guards)) == sorted(guards)


def check_mutants(tree):
    """Faults put in on purpose stay in the simulator's build: nothing else may define TB_MUTANTS, and each has its place."""
    header = "node/base/mutant.h"
    rows = re.findall(r"^ *X\((\w+), ", tree[header], re.M)
    code = {path: code_only(text) for path, text in tree.items() if is_shipped_c(path) and path != header}
    sites = [name for text in code.values() for name in re.findall(r"\bMUTANT\((\w+)\)", text)]
    driver = "".join(text for path, text in tree.items() if path.startswith("tests/sim/") and path.endswith(".c"))
    found = [f"{header}:1: mutant {x} is at no place in the program" for x in rows if x not in sites]
    found += [f"{header}:1: mutant {x} is no row of the table" for x in sites if x not in rows]
    found += [f"{header}:1: mutant {x} is used by no test" for x in rows if not re.search(rf"\b(?:MUTANT_)?{x}\b", driver)]
    for path, text in tree.items():
        if "TB_MUTANTS" in text and path not in (header, "tests/sim/CMakeLists.txt", "tests/sim/README.md", SELF):
            found.append(f"{path}:1: TB_MUTANTS belongs to the simulator's build alone")
        if path in code and "mutant_is_on" in code[path]:
            found.append(f"{path}:1: mutants are asked for by MUTANT() only")
    return found


def test_mutants(tree):
    report(check_mutants(tree))


def test_mutants_are_checked(tree):
    header = "node/base/mutant.h"
    stray = dict(tree, **{"node/x.c": "#define TB_MUTANTS\nif (MUTANT(no_such_one)) mutant_is_on(1);\n"})
    assert len(check_mutants(stray)) == 3
    assert check_mutants(dict(tree, **{header: tree[header].replace("#define MUTANTS(X)", 'X(idle_one, "")\n')}))


def test_top_level():
    names = set(os.listdir(TREE)) - TOP_LEVEL_NOT_SHIPPED
    assert check_top_level(names) == []
    assert TOP_LEVEL - {"README.zh-CN.md", "docker"} <= names, "something is missing at the top"
    for program in ("dev", ".ci/run"):
        assert os.access(TREE / program, os.X_OK), f"{program} cannot be run"


def test_scripts_parse():
    for script in ("dev", ".ci/run"):
        done = subprocess.run(["bash", "-n", TREE / script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


# ---- can each check fail? --------------------------------------------------------------------------------------------

LONG = "{\n" + "    x();\n" * 70 + "}\n"

OFFENCES = [
    (check_dependencies, "node/base/a.c", '#include "certs/crypto.h"\n', "a.c:1: may not include certs/crypto.h"),
    (check_dependencies, "certs/a.c", '\n#include "catalog/item.h"\n', "a.c:2: may not include catalog/item.h"),
    (check_dependencies, "catalog/a.c", '#include "node/app.h"\n', "may not include node/app.h"),
    (check_dependencies, "federation/a.c", '#include "node/store/store.h"\n', "may not include node/store/store.h"),
    (check_dependencies, "federation/ledger/a.c", '#include "federation/sync/sync.h"\n', "include federation/sync"),
    (check_dependencies, "federation/ledger/a.h", '#include "certs/pki.h"\n', "may not include certs/pki.h"),
    (check_dependencies, "federation/sync/a.c", '#include "federation/link.h"\n', "may not include federation/link.h"),
    (check_dependencies, "federation/link_a.c", '#include "federation/tls_engine_impl.h"\n', "may not include federation/tls"),
    (check_dependencies, "federation/link.h", '#include "federation/sync/sync.h"\n', "may not include federation/sync"),
    (check_dependencies, "node/cases/a.c", '#include "node/store/store.h"\n', "may not include node/store/store.h"),
    (check_dependencies, "node/http/a.c", '#include "node/store/store.h"\n', "may not include node/store/store.h"),
    (check_dependencies, "node/http/a.c", '#include "node/ledger_writer.h"\n', "may not include node/ledger_writer.h"),
    (check_dependencies, "node/ctl/a.c", '#include "node/http/json.h"\n', "may not include node/http/json.h"),
    (check_dependencies, "node/a.c", '#include "node/ctl/ctl.h"\n', "may not include node/ctl/ctl.h"),
    (check_dependencies, "node/a.c", '#include "app.h"\n', "by its full path"),
    (check_libraries, "node/a.c", "#include <nng/nng.h>\n", "may not include nng/nng.h"),
    (check_libraries, "federation/link_nng.h", "#include <nng/nng.h>\n", "may not include nng/nng.h"),
    (check_libraries, "federation/ledger/a.c", "#include <openssl/evp.h>\n", "may not include openssl/evp.h"),
    (check_libraries, "node/a.c", "# include <sqlite3.h>\n", "may not include sqlite3.h"),
    (check_libraries, "node/cases/a.c", "#include <uv.h>\n", "may not include uv.h"),
    (check_libraries, "node/http/api_case.c", "#include <microhttpd.h>\n", "may not include microhttpd.h"),
    (check_libraries, "federation/a.c", "#include <yyjson.h>\n", "may not include yyjson.h"),
    (check_libraries, "node/a.c", '#include "federation/wire/federation.pb-c.h"\n', "may not include federation/wire"),
    (check_dependencies, "node/receipt/a.c", '#include "node/store/store.h"\n', "may not include node/store/store.h"),
    (check_libraries, "node/receipt/receipt_html.c", "#include <qrencode.h>\n", "may not include qrencode.h"),
    (check_libraries, "node/http/a.c", "#include <curl/curl.h>\n", "may not include curl/curl.h"),
    (check_pure, "node/cases/a.c", "#include <time.h>\n", "may not include <time.h>"),
    (check_pure, "federation/sync/a.c", "#include <unistd.h>\n", "may not include <unistd.h>"),
    (check_pure, "federation/ledger/a.c", "int x;\nlong t = time(NULL);\n", "a.c:2: pure code may not call time()"),
    (check_pure, "node/cases/a.c", 'log_warn("a", 0, "b", "c");\n', "may not call log_warn()"),
    (check_pure, "node/receipt/receipt_html.c", "x = clock_wall_ms();\n", "may not call clock_wall_ms()"),
    (check_pure, "node/cases/a.c", "x = clock_wall_ms ();\n", "may not call clock_wall_ms()"),
    (check_pure, "federation/sync/a.c", "crypto_random(out, 4);\n", "may not call crypto_random()"),
    (check_sizes, "node/a.c", "x\n" * 1001, "1001 lines, limit 1000"),
    (check_sizes, "node/a.c", "int f(void)\n" + LONG, "a.c:2: function of 72 lines"),
    (check_sizes, "node/a.c", "/* not long */\nint f(void)\n" + LONG, "function of 72 lines"),
    (check_sizes, "node/a.c", "/* long: table */\nint g;\n\nint f(void)\n" + LONG, "function of 72 lines"),
    (check_calls, "node/a.c", "int x;\nstrcpy(a, b);\n", "a.c:2: strcpy() is not used here"),
    (check_calls, "node/a.c", "x = malloc(4);\n", "instead: xmalloc"),
    (check_calls, "node/a.c", "pthread_create(&t, NULL, f, x);\n", "instead: signals_thread"),
    (check_calls, "certs/a.c", "char *s = strdup(x);\n", "strdup()"),
    (check_calls, "node/base/a.c", "sprintf(a, b);\n", "sprintf()"),
    (check_calls, "node/a.c", "/* tidy: strcat, because I like it */\nstrcpy(a, b);\n", "strcpy()"),
    (check_calls, "node/a.c", "/* tidy: strcpy */\nstrcpy(a, b);\n", "strcpy()"),
    (check_calls, "node/a.c", "assert(x);\nif (system (x))\n", "system()"),
    (check_file_comment, "node/a.c", "#include <x.h>\n", "does not begin with a comment"),
    (check_file_comment, "node/a.c", "/* a.c */\n", "does not begin with a comment"),
    (check_file_comment, "tests/lib/a.py", "import os\n", "does not begin with a docstring"),
    (check_guard, "node/base/err.h", "#ifndef ERR_H\n#define ERR_H\n#endif\n", "not guarded by TB_BASE_ERR_H"),
    (check_guard, "node/base/err.h", "#ifndef TB_BASE_ERR_H\n#define TB_BASE_ER_H\n#endif\n", "not guarded"),
    (check_guard, "node/base/err.h", "#pragma once\n", "not guarded"),
    (check_guard, "node/base/err.h", "#ifndef TB_ERR_H\n#define TB_ERR_H\n#endif\n", "not guarded"),
    (check_guard, "node/base/err.h", "#ifndef TB_HTTP_ERR_H\n#define TB_HTTP_ERR_H\n#endif\n", "not guarded"),
    (check_guard, "node/base/err.h", "#ifndef TB_BASE_ERR_H\n#define TB_BASE_ERR_H\n#endif\nint x;\n", "not guarded"),
    (check_whitespace, "a.c", "int x;\n\tint y;\n", "a.c:2: tab"),
    (check_whitespace, "a.md", "words \n", "a.md:1: space"),
    (check_whitespace, "a.md", "words\r\n", "a.md:1: space or carriage"),
    (check_whitespace, "a.md", "words", "no newline"),
    (check_whitespace, "a.md", "words\n\n", "empty lines at the end"),
    (check_words, "a.c", "/* see /work/main/x */", "'/work/' means nothing"),
    (check_words, "a.md", "as shared/design says", "means nothing"),
    (check_words, "a.md", "run t13 ninja", "means nothing"),
    (check_words, "a.md", "what the previous session did", "means nothing"),
    (check_words, "a.sh", "curl https://deb.debian.org/", "means nothing"),
]

GOOD = [
    (check_dependencies, "node/base/a.c", '#include "node/base/err.h"\n#include <stdio.h>\n'),
    (check_dependencies, "node/main.c", '/* #include "node/ctl/ctl.h" */\n#include "federation/link.h"\n'),
    (check_dependencies, "federation/sync/a.c", '#include "federation/ledger/a.h"\n#include "federation/sync/b.h"\n'),
    (check_dependencies, "tests/unit/base/test_a.c", '#include "node/store/store.h"\n'),
    (check_libraries, "federation/link_nng.c", "#include <nng/nng.h>\n"),
    (check_libraries, "certs/pki.h", "#include <openssl/types.h>\n"),
    (check_pure, "node/cases/a.c", '#include <string.h>\n/* time(NULL) */ x = deadline_time(1); s = "log_warn(";\n'),
    (check_pure, "node/loop.c", "#include <time.h>\nx = time(NULL);\n"),
    (check_sizes, "node/a.c", "/* long: one table of transitions */\nint f(int a,\n      int b)\n" + LONG),
    (check_sizes, "node/a.c", "int f(void)\n{\n" + "    x();\n" * 68 + "}\n"),
    (check_sizes, "node/a.c", "static const int t[] = {\n" + "    1,\n" * 100 + "};\n"),
    (check_calls, "node/a.c", "/* strcpy(a, b) */ x = xmalloc(4); f.system(x); p->gets(y); xassert(z); s_rand(1);\n"),
    (check_calls, "node/a.c", "int rc = signals_thread(&t, f, x);\n"),
    (check_calls, "tests/a.c", "pthread_create(&t, NULL, f, x);\n"),
    (check_calls, "node/a.c", "x = strdup(y); /* tidy: strdup, because the library frees it */\n"),
    (check_calls, "node/base/a.c", "x = malloc(4);\n"),
    (check_file_comment, "node/a.c", "/* What it is and where it sits in the flow. */\n"),
    (check_file_comment, "node/a.c", "/* Node (see node.h).\n *\n * Start: identity first.\n */\n"),
    (check_file_comment, "node/a.c", "/* See a.h. */\n"),
    (check_file_comment, "tests/whole/demo.py", '#!/usr/bin/env python3\n"""The demo."""\n'),
    (check_guard, "node/http/api_case.h", "/* x */\n#ifndef TB_HTTP_API_CASE_H\n#define TB_HTTP_API_CASE_H\n#endif\n"),
    (check_guard, "tests/lib/x.h", "#ifndef TB_TESTS_X_H\n#define TB_TESTS_X_H\n#endif\n"),
    (check_whitespace, "a.c", "int x;\n"),
    (check_words, "a.c", "/* a TLS session; a shared lock; the working day; lib/shared/lib */"),
]


@pytest.mark.parametrize("check, path, text, said", OFFENCES)
def test_offence_is_found(check, path, text, said):
    found = check(path, text)
    assert any(said in x for x in found), found


@pytest.mark.parametrize("check, path, text", GOOD)
def test_good_text_passes(check, path, text):
    assert check(path, text) == []


SCRIPT = 'case $command in\ndemo | test | fmt) "cmd_$command" "$@" ;;\n--check) ;;\n'


@pytest.mark.parametrize(
    "text, said",
    [
        ("run ./dev tset", "./dev has no command 'tset'"),
        ("x\n`./dev fmt --chek`", "a.md:2: ./dev fmt has no option --chek"),
        ("`./dev fmt --check` and ./dev --yes test and ./dev demo --keep", None),
    ],
)
def test_command_check(text, said):
    assert [x.removeprefix("a.md:1: ") for x in check_commands("a.md", text, SCRIPT)] == ([said] if said else [])


@pytest.mark.parametrize(
    "text, said",
    [
        ("see OTHER.md", "node/a.c: names OTHER.md, which is not in the tree"),
        ("see certs/API.md", "node/a.c: names certs/API.md, which is not in the tree"),
        ("see API.md, node/API.md, ../README.md and https://example.org/x/ELSE.md", None),
    ],
)
def test_document_check(text, said):
    assert check_documents("node/a.c", text, {"node/API.md", "README.md"}) == ([said] if said else [])


def test_top_level_check():
    assert check_top_level({"node", ".github", "dev", "src"}) == ["src: does not belong to the top level"]
