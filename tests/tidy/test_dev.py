"""./dev and .ci/run, with stand-ins for cmake, ninja and ctest: what is built and run, how results are summed up, and
that a failure anywhere ends in a failing last line and exit status."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cluster import wait_for

TREE = Path(__file__).resolve().parents[2]

CMAKE = 'mkdir -p "build/$2"; touch "build/$2/build.ninja"'
NINJA = 'echo "ninja $*" >>calls; case "$*" in *build/$BROKEN*) exit 1 ;; esac'
# Three tests in every build; in $FAILING one fails, in $CRASHING ctest itself does.
CTEST = """
echo "ctest $*" >>calls
dir=$2 failures=0
while [ $# -gt 0 ]; do [ "$1" = --output-junit ] && xml=$2; shift; done
case $dir in *build/$CRASHING) exit 8 ;; *build/$FAILING) failures=1; mkdir -p $dir/Testing/Temporary
    echo "2:unit_x" >$dir/Testing/Temporary/LastTestsFailed.log ;; esac
printf '<testsuite name="x"\\n\\ttests="3"\\n\\tfailures="%d"\\n\\tdisabled="0">\\n<testcase tests="9"/>\\n' $failures >$xml
exit $failures
"""


@pytest.fixture
def tree(tmp_path):
    """A tree of nothing but the two scripts, where the tools are stand-ins."""
    (tmp_path / "bin").mkdir()
    for name, text in (("cmake", CMAKE), ("ninja", NINJA), ("ctest", CTEST)):
        path = tmp_path / "bin" / name
        path.write_text("#!/bin/bash\n" + text)
        path.chmod(0o755)
    shutil.copy(TREE / "dev", tmp_path / "dev")
    (tmp_path / ".ci").mkdir()
    shutil.copy(TREE / ".ci/run", tmp_path / ".ci/run")
    return tmp_path


def run(tree, *command, **env):
    tools = {"PATH": f"{tree}/bin:/usr/bin:/bin", "TONGBAN_INSIDE": "stand-in"}
    troubles = dict.fromkeys(("BROKEN", "FAILING", "CRASHING"), "-")
    full = {**tools, **troubles, **env}
    done = subprocess.run(command, cwd=tree, env=full, capture_output=True, text=True, timeout=60)
    calls = tree / "calls"
    done.calls = re.findall(r"ctest --test-dir \S+/build/(\w+)", calls.read_text()) if calls.exists() else []
    done.last = (done.stdout.rstrip().splitlines() or [""])[-1]
    return done


def test_all_builds_are_tested_and_summed(tree):
    done = run(tree, "./dev", "test")
    assert (done.returncode, done.last) == (0, "100% tests passed, 0 tests failed out of 15"), done
    assert done.calls == ["debug", "clang", "asan", "tsan", "fuzz"]
    calls = (tree / "calls").read_text()
    assert re.search(r"build/debug -j \d+$", calls, re.M), "debug builds everything"
    assert "tests_threads tests_whole" in calls and "tests_fuzz" in calls
    assert not re.search(r"ctest \S+ \S+/build/debug .* -L ", calls), "debug runs everything"
    assert "-L ^(unit|vectors|prop|sim|whole)$" in calls and "-L ^tidy$" in calls


@pytest.mark.parametrize(
    "trouble, last, said",
    [
        ({"FAILING": "asan"}, "93% tests passed, 1 tests failed out of 15", "FAILED  asan: unit_x "),
        ({"BROKEN": "clang"}, "92% tests passed, 1 tests failed out of 13", "FAILED  clang: does not build"),
        ({"CRASHING": "tsan"}, "92% tests passed, 1 tests failed out of 13", "FAILED  tsan: ctest ended with status 8"),
    ],
)
def test_one_failure_fails_the_whole(tree, trouble, last, said):
    done = run(tree, "./dev", "test", **trouble)
    assert (done.returncode, done.last) == (1, last), done
    assert said in done.stdout
    assert "fuzz" in done.stdout, "the other builds are tested all the same"


def test_selection(tree):
    assert run(tree, "./dev", "test", "--quick").calls == ["debug"]
    (tree / "calls").unlink()
    assert run(tree, "./dev", "test", "--preset", "tsan", "unit_x").calls == ["tsan"]
    calls = (tree / "calls").read_text()
    assert "-R unit_x" in calls and "-L" not in calls, "a named test runs whatever its label"
    assert "tests_threads" not in calls, "and is built"


def test_nothing_is_configured_twice(tree):
    run(tree, "./dev", "build", "debug")
    marker = tree / "build/debug/marker"
    marker.touch()
    (tree / "bin/cmake").write_text("#!/bin/bash\nexit 1\n")
    assert run(tree, "./dev", "build", "debug").returncode == 0
    assert marker.exists()
    done = run(tree, "./dev", "build", "debug", TONGBAN_INSIDE="another")
    assert done.returncode == 1 and "made on another system" in done.stdout
    assert not marker.exists(), "what was built against other headers is not mixed with new"


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["frobnicate"], "unknown command 'frobnicate'"),
        (["test", "--fast"], "unknown option '--fast'"),
        (["test", "--preset", "fast"], "'fast' is no preset"),
        (["test", "--preset"], "--preset needs a name"),
        (["test", "a", "b"], "got 'a' and 'b'"),
        (["build", "fast"], "'fast' is no preset"),
        (["fmt", "--chek"], "unknown option '--chek'"),
        (["clean", "all"], "unknown option 'all'"),
        (["bench", "../dev"], "'../dev' is no name"),
        (["soak"], "how long is missing"),
        (["demo"], "tests/whole/demo is missing"),
    ],
)
def test_wrong_use_is_refused(tree, arguments, said):
    done = run(tree, "./dev", *arguments)
    assert done.returncode != 0 and said in done.stderr, done
    assert done.calls == []


@pytest.mark.parametrize(
    "docker, said",
    [
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            "dev: a Docker engine runs here, but user 'mei' may not talk to it\n     as root: usermod -aG docker mei;",
        ),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "dev: the Docker engine does not run, and "),
    ],
)
def test_an_engine_that_cannot_be_had(tree, docker, said):
    """A user outside the group docker, and one who may not start the engine, are told so, and what to do."""
    stand_ins = {"docker": f'echo "{docker}" >&2; exit 1', "dockerd": "exit 9", "systemctl": "echo no >&2; exit 1",
                 "id": 'case $1 in -un) echo mei ;; *) echo 1000 ;; esac', "apt-get": "touch installed"}
    for name, text in stand_ins.items():
        path = tree / "bin" / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)
    done = run(tree, "./dev", "--yes", "cluster")
    assert done.returncode == 1 and said in done.stderr, done
    assert "     as root: " in done.stderr and done.stderr.endswith("     then run ./dev cluster again\n"), done
    assert not (tree / "installed").exists()


def stand_in(tree, name, text):
    path = tree / "bin" / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def test_an_engine_elsewhere_that_does_not_answer(tree):
    """None is started on this machine in its place."""
    for name, text in (("docker", "exit 1"), ("dockerd", "touch started"), ("systemctl", "touch started"), ("apt-get", "touch started")):
        stand_in(tree, name, text)
    done = run(tree, "./dev", "--yes", "cluster", DOCKER_HOST="tcp://192.0.2.1:2376")
    assert done.returncode == 1 and "dev: the Docker engine at tcp://192.0.2.1:2376 does not answer\n" in done.stderr, done
    assert "     start it, or unset what names it: DOCKER_HOST, TONGBAN_TEST_DOCKER\n" in done.stderr, done
    assert not (tree / "started").exists()


def test_an_engine_elsewhere_without_a_client(tree):
    for name in ("dockerd", "systemctl", "apt-get"):
        stand_in(tree, name, "touch started")
    without = '[ "$1" != docker ] && command -v "$1" >/dev/null'
    done = sourced(tree, f"""have() {{ {without}; }}; YES=1; need_engine || echo "$? ${{ENGINE_LACK[*]}}" """, DOCKER_HOST="tcp://192.0.2.1:2376")
    assert done.stdout.startswith("1 there is no docker client here to talk to tcp://192.0.2.1:2376 install one"), done
    assert not (tree / "started").exists()


def sourced(tree, command, **env):
    """@command among the functions of dev."""
    script = f"""source <(sed -e '/^# ---- Dispatch/,$d' -e "s,^TREE=.*,TREE=$PWD," dev); {command}"""
    return run(tree, "bash", "-c", script, "dev", **env)


@pytest.mark.parametrize("socket", ["", "/run/other.sock"])
def test_images_are_made_where_the_tests_look_for_them(tree, socket):
    """Whatever engine the user's own settings name: tests/cluster use one of this machine."""
    stand_in(tree, "docker", 'echo "$1 at $DOCKER_HOST $DOCKER_TLS_VERIFY$DOCKER_CONTEXT" >>docker-calls')
    done = sourced(tree, "cluster_images() { docker build; }; prepare_cluster_tests", DOCKER_HOST="ssh://office", DOCKER_TLS_VERIFY="1",
                   DOCKER_CONTEXT="office", TONGBAN_TEST_DOCKER=socket)
    here = f"unix://{socket or '/run/docker.sock'}"
    assert done.returncode == 0 and f"the Docker engine at {here}, not that of DOCKER_HOST" in done.stdout, done
    assert (tree / "docker-calls").read_text() == f"info at {here} \nbuild at {here} \n"


@pytest.mark.parametrize(
    "docker, said", [("exit 9", "could not be made\n"), ("exec tail -f /dev/null", "was not made within 0.1 s\n")], ids=["fails", "too slow"])
def test_an_image_that_cannot_be_made(tree, docker, said):
    stand_in(tree, "docker", f"echo step 1; {docker}")
    done = sourced(tree, "IMAGE_SECONDS=0.1; docker_build x; echo made")
    assert done.returncode == 1 and f"dev: the image x {said}     log: " in done.stderr and "made" not in done.stdout, done
    assert "      | step 1\n" in done.stderr, done


@pytest.mark.parametrize("command", ["docker_build x", "engine_info", str(TREE / "docker/base-image")], ids=["build", "info", "base"])
def test_the_users_interrupt_ends_it(tree, command):
    """It goes to the processes of the terminal's foreground."""
    stand_in(tree, "docker", "echo $$ >pid.new; mv pid.new pid; exec tail -f /dev/null")
    script = f"""source <(sed -e '/^# ---- Dispatch/,$d' -e "s,^TREE=.*,TREE=$PWD," dev); {command}"""
    default = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 # a shell's job in the background ignores it
    env = {"PATH": f"{tree}/bin:/usr/bin:/bin"}
    job = subprocess.Popen(["bash", "-c", script, "dev"], cwd=tree, env=env, start_new_session=True, preexec_fn=default,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for((tree / "pid").exists, what="docker to run")
        os.killpg(job.pid, signal.SIGINT)
        job.wait(30)
    finally:
        job.kill()
        job.wait()
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((tree / "pid").read_text()), signal.SIGKILL)


def test_an_engine_that_says_nothing_is_none(tree):
    stand_in(tree, "docker", "exec tail -f /dev/null")
    done = sourced(tree, "ENGINE_ANSWER_SECONDS=0.1; prepare_cluster_tests")
    assert done.returncode == 0 and "no Docker engine answers: tests/cluster will be skipped" in done.stdout, done


def test_half_a_base_image_gets_no_name(tree):
    """mmdebstrap fails in the middle: what docker imported of it must not be taken for the image at the next run, nor stay."""
    stand_in(tree, "docker", "echo $1 >>docker-calls; [ $1-$2 = image-rm ] && echo $3 >>docker-calls\n"
             "case $1 in info) ;; import) cat >/dev/null; echo sha256:1 ;; tag) ;; *) exit 1 ;; esac")
    for status, calls in ((1, "info image pull import image sha256:1"), (0, "info image pull import tag")):
        stand_in(tree, "mmdebstrap", f"echo half; exit {status}")
        done = run(tree, TREE / "docker/base-image")
        assert done.returncode == status and (tree / "docker-calls").read_text().split() == calls.split(), done
        assert status == 0 or "the image could not be made" in done.stderr, done
        (tree / "docker-calls").unlink()


@pytest.mark.parametrize("ci, status", [("", 77), ("true", 1)])
def test_no_engine_for_tests_in_containers(ci, status):
    """Skipped, and ctest is told so; a failure in CI, where nobody would read it."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/cluster/test_identity.py"]
    env = {**os.environ, "CI": ci, "TONGBAN_TEST_DOCKER": "/nowhere/docker.sock"}
    done = subprocess.run(command, cwd=TREE, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done
    assert not ci or "no Docker engine answers at /nowhere/docker.sock" in done.stdout, done


def test_which_tests_need_an_engine(tree):
    """Images are made when a test of tests/cluster can be among those asked for."""
    (tree / "tests/cluster").mkdir(parents=True)
    (tree / "tests/cluster/test_loss.py").touch()
    ask = '''source <(sed -e '/^# ---- Dispatch/,$d' -e "s,^TREE=.*,TREE=$PWD," dev); runs_cluster_tests "$@" && echo yes || echo no'''
    for answer, *words in (("yes", "", "debug", "clang"), ("yes", "", "asan", "release"), ("no", "", "clang", "asan", "tsan", "fuzz"),
                           ("yes", "cluster", "debug"), ("yes", "^cluster_loss$", "asan"), ("yes", ".*", "debug"),
                           ("no", "unit_x", "debug"), ("no", "lib_cluster", "debug"), ("no", "(", "debug")):
        done = run(tree, "bash", "-c", ask, "dev", *words)
        assert done.stdout.strip() == answer, (words, done)


def test_help_names_every_command(tree):
    done = run(tree, "./dev", "help")
    commands = re.search(r"^([\w |]+)\) \"cmd_\$command\"", (tree / "dev").read_text(), re.M).group(1).split(" | ")
    assert done.returncode == 0 and len(commands) > 5
    assert [x for x in commands if not re.search(rf"^  {x}\b", done.stdout, re.M)] == []


def test_ci_passes_the_result_on(tree):
    done = run(tree, ".ci/run")
    assert (done.returncode, done.last) == (0, "100% tests passed, 0 tests failed out of 15"), done
    done = run(tree, ".ci/run", FAILING="fuzz")
    assert (done.returncode, done.last) == (1, "93% tests passed, 1 tests failed out of 15"), done


@pytest.mark.parametrize(
    "script, last, status",
    [
        ("echo broken; exit 3", "0% tests passed, 1 tests failed out of 1", 3),
        ("exit 0", "0% tests passed, 1 tests failed out of 1", 1),
        (
            "echo '100% tests passed, 0 tests failed out of 9'; echo on with it; exec tail -f /dev/null",
            "90% tests passed, 1 tests failed out of 10",
            124,
        ),
    ],
)
def test_ci_ends_with_a_result_whatever_happens(tree, script, last, status):
    (tree / "dev").write_text(f"#!/bin/bash\n{script}\n")
    done = run(tree, ".ci/run", TONGBAN_CI_SECONDS="1")
    assert (done.returncode, done.last) == (status, last), done
