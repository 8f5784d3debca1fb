"""The socket file of the API, removed under a running node: nobody has to restart it."""
import os
import threading

from cluster import wait_for


def test_a_removed_socket_is_made_again(cluster):
    a = cluster.add_node("510000", "四川省")
    cluster.start()
    answers = lambda: cluster.cli("status", check=False, env={"TONGBAN_DIR": str(a.dir)}).returncode == 0
    for _ in range(2):
        os.unlink(a.socket_path)
        wait_for(answers, what="the socket to be back")
        assert a.socket_path.stat().st_mode & 0o777 == 0o660
    assert [x.text.split(": ")[-1] for x in a.log_lines("http.socket-gone")] == ["made again"] * 2
    answered = []
    clients = [threading.Thread(target=lambda: answered.append(a.get("/healthz").status)) for _ in range(50)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert answered == [200] * 50
    a.stop()
    assert not a.socket_path.exists()
    a.start()


def test_what_stands_in_its_place_is_left_alone(cluster):
    """It is said once, TCP answers, and when the place is free, the socket is back."""
    a = cluster.add_node("510000", "四川省")
    cluster.start()
    (a.dir / "note").write_text("x")
    os.replace(a.dir / "note", a.socket_path)
    line = a.wait_log("http.socket-gone")[0]
    assert "is no socket" in line.text and a.socket_path.read_text() == "x"
    assert a.request("GET", "/healthz", over="tcp").status == 200
    a.socket_path.unlink()
    wait_for(lambda: a.get("/healthz").status == 200, what="the socket to be back")
    assert len(a.log_lines("http.socket-gone")) == 2
    (a.dir / "note").write_text("not ours")
    os.replace(a.dir / "note", a.socket_path)
    a.stop()
    assert a.socket_path.read_text() == "not ours"
    a.socket_path.unlink()
    a.start()
