"""Line (proxy.py) against a plain echo server: each kind of cut does what its word says, and healing undoes it."""
import socket
import threading

import pytest

from cluster import free_port, wait_for
from proxy import Line


class Echo:
    """Sends back what it gets, on a free port, until closed."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.got = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        with sock:
            try:
                while data := sock.recv(65536):
                    self.got += data
                    sock.sendall(data)
            except OSError:
                return


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.server.close()


@pytest.fixture
def line(echo):
    with Line(echo.port) as made:
        yield made


def dial(line):
    return socket.create_connection(("127.0.0.1", line.port), timeout=60)


def ask(sock, text):
    sock.sendall(text)
    return receive(sock, len(text))


def receive(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            break
        data += part
    return data


def is_silent(sock, seconds=0.2):
    sock.settimeout(seconds)
    try:
        return sock.recv(1) is None
    except TimeoutError:
        return True
    finally:
        sock.settimeout(60)


def assert_dialling_fails(line):
    """The RST may come while dialling already, or at the first use."""
    with pytest.raises(ConnectionError):
        with dial(line) as sock:
            if not ask(sock, b"x"):
                raise ConnectionError("closed")


def test_forwards_both_ways(line):
    with dial(line) as sock:
        assert ask(sock, b"hello") == b"hello"
        big = bytes(range(256)) * 4096
        threading.Thread(target=sock.sendall, args=(big,), daemon=True).start()
        assert receive(sock, len(big)) == big
    wait_for(lambda: line.open_connections == 0, what="the connection to end")
    assert line.forwarded_bytes == 2 * (len(big) + 5)


def test_end_of_stream_is_forwarded(line):
    with dial(line) as sock:
        sock.sendall(b"last")
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock, 100) == b"last"


def test_stall_holds_bytes_and_heal_delivers_them(line, echo):
    with dial(line) as sock:
        assert ask(sock, b"one") == b"one"
        line.cut("stall")
        sock.sendall(b"two")
        assert is_silent(sock)
        assert echo.got == b"one"
        line.heal()
        assert receive(sock, 3) == b"two"


def test_stall_holds_new_connections(line, echo):
    line.cut("stall")
    with dial(line) as sock:
        sock.sendall(b"early")
        assert is_silent(sock)
        line.heal()
        assert receive(sock, 5) == b"early"


@pytest.mark.parametrize("way", ["in", "out"])
def test_one_way_stall(line, echo, way):
    """What goes the other way still arrives."""
    with dial(line) as sock:
        assert ask(sock, b"before") == b"before"
        line.cut("stall", way=way)
        sock.sendall(b"during")
        if way == "out":
            wait_for(lambda: echo.got == b"beforeduring", what="the bytes to arrive")
        assert is_silent(sock)
        assert echo.got == (b"before" if way == "in" else b"beforeduring")
        line.heal()
        assert receive(sock, 6) == b"during"


def test_one_way_drop(line, echo):
    with dial(line) as sock:
        assert ask(sock, b"before") == b"before"
        line.cut("drop", way="out")
        sock.sendall(b"during")
        wait_for(lambda: line.dropped_bytes == 6, what="the answer to be dropped")
        assert echo.got == b"beforeduring"
        line.heal()
        with pytest.raises(ConnectionError):
            sock.recv(1)


def test_drop_swallows_bytes_and_heal_resets(line, echo):
    with dial(line) as sock:
        assert ask(sock, b"one") == b"one"
        line.cut("drop")
        sock.sendall(b"lost")
        wait_for(lambda: line.dropped_bytes == 4, what="the bytes to be dropped")
        line.heal()
        with pytest.raises(ConnectionError):
            sock.recv(1)
    assert echo.got == b"one"
    with dial(line) as sock:
        assert ask(sock, b"again") == b"again"


@pytest.mark.parametrize("how", ["stall", "reset"])
def test_cut_after_so_many_bytes(line, echo, how):
    """By itself, however fast what comes next is sent; once, and not after heal()."""
    with dial(line) as sock:
        line.cut_after(20, how)
        assert ask(sock, b"123456789") == b"123456789"  # 18 of them
        sock.sendall(b"xy")
        wait_for(lambda: line.forwarded_bytes == 20, what="the bytes")
        if how == "stall":
            assert is_silent(sock)
            line.heal()
            assert receive(sock, 2) == b"xy"
        else:
            with pytest.raises(ConnectionError):
                sock.recv(1)
    line.heal()
    with dial(line) as sock:
        assert ask(sock, bytes(100)) == bytes(100)
        line.cut_after(20, how)
        line.heal()
        assert ask(sock, bytes(100)) == bytes(100)


def test_drop_without_traffic_keeps_the_connection(line):
    with dial(line) as sock:
        assert ask(sock, b"one") == b"one"
        line.cut("drop")
        line.heal()
        assert ask(sock, b"two") == b"two"


def test_reset_breaks_old_and_new_connections(line):
    with dial(line) as sock:
        assert ask(sock, b"one") == b"one"
        line.cut("reset")
        with pytest.raises(ConnectionError):
            sock.recv(1)
    assert_dialling_fails(line)
    line.heal()
    with dial(line) as sock:
        assert ask(sock, b"again") == b"again"


def test_cut_of_one_dialler_spares_the_others(echo):
    names = {}
    with Line(echo.port, identify=names.get) as line:
        socks = {}
        for name in ("a", "b"):
            sock = socket.socket()
            sock.settimeout(60)
            sock.bind(("127.0.0.1", 0))
            names[sock.getsockname()[1]] = name
            sock.connect(("127.0.0.1", line.port))
            assert ask(sock, b"hi") == b"hi"
            socks[name] = sock
        line.cut("stall", source="a")
        socks["a"].sendall(b"held")
        assert ask(socks["b"], b"free") == b"free"
        assert is_silent(socks["a"])
        line.heal(source="a")
        assert receive(socks["a"], 4) == b"held"
        for sock in socks.values():
            sock.close()


def test_target_away_resets_the_dialler(echo):
    with Line(echo.port) as line:
        echo.server.close()
        line.target_port = free_port()  # nobody else gets it meanwhile
        assert_dialling_fails(line)


@pytest.mark.parametrize("how, way", [("stall", "up"), ("reset", "in")])
def test_unknown_way_is_refused(line, how, way):
    with pytest.raises(ValueError, match="no such way"):
        line.cut(how, way=way)


def test_unknown_cut_is_refused(line):
    for cut in (lambda: line.cut("snip"), lambda: line.cut_after(1, "snip")):
        with pytest.raises(ValueError, match="no such cut: 'snip'"):
            cut()
