"""The Docker engine over its socket: what the tests of this folder need of it, and nothing installed for it.

    engine = Engine()                       # OSError when none answers
    id = engine.create("name", {...})       # body of POST /containers/create
    engine.start(id)
    status, text = engine.execute(id, ["tc", "qdisc", …], privileged=True)

Engine API 1.41. One connection a request; any thread.
"""
import http.client
import json
import os
import struct
from urllib.parse import quote, urlencode

from cluster import UnixConnection

API = "/v1.41"
SOCKET = os.environ.get("TONGBAN_TEST_DOCKER", "/run/docker.sock")


class EngineError(AssertionError):
    pass


def is_there():
    try:
        return Engine().request("GET", "/_ping", timeout=5)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


class Engine:
    def __init__(self, socket_path=SOCKET):
        self.socket_path = socket_path

    def request(self, method, path, body=None, timeout=60):
        """(status, bytes)"""
        connection = UnixConnection(self.socket_path, timeout)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, API + path, None if body is None else json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, method, path, body=None, allow=(), **options):
        status, text = self.request(method, path, body, **options)
        if status >= 300 and status not in allow:
            raise EngineError(f"{method} {path}: {status} {text.decode(errors='replace')}")
        return json.loads(text) if text.strip().startswith((b"{", b"[")) else None

    # -- containers

    def create(self, name, body):
        return self.call("POST", f"/containers/create?name={quote(name)}", body)["Id"]

    def start(self, container):
        self.call("POST", f"/containers/{container}/start", allow=(304,))

    def kill(self, container, signal="KILL"):
        self.call("POST", f"/containers/{container}/kill?signal={signal}")

    def stop(self, container, seconds):
        self.call("POST", f"/containers/{container}/stop?t={seconds}", allow=(304,), timeout=seconds + 30)

    def pause(self, container):
        self.call("POST", f"/containers/{container}/pause")

    def unpause(self, container):
        self.call("POST", f"/containers/{container}/unpause")

    def remove(self, container):
        self.call("DELETE", f"/containers/{container}?force=true&v=true", allow=(404,))

    def inspect(self, container):
        return self.call("GET", f"/containers/{container}/json")

    def logs(self, container):
        _, raw = self.request("GET", f"/containers/{container}/logs?stdout=1&stderr=1")
        return _unframe(raw).decode(errors="replace")

    def execute(self, container, command, user="", privileged=False, timeout=60):
        """Runs @command inside: (exit status, its output)."""
        body = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(map(str, command)), "User": user,
                "Privileged": privileged}
        job = self.call("POST", f"/containers/{container}/exec", body)["Id"]
        status, raw = self.request("POST", f"/exec/{job}/start", {"Detach": False, "Tty": False}, timeout=timeout)
        if status >= 300:
            raise EngineError(f"exec {command}: {status} {raw.decode(errors='replace')}")
        return self.call("GET", f"/exec/{job}/json")["ExitCode"], _unframe(raw)

    def execute_detached(self, container, command, user="", privileged=False):
        body = {"Cmd": list(map(str, command)), "User": user, "Privileged": privileged}
        job = self.call("POST", f"/containers/{container}/exec", body)["Id"]
        self.call("POST", f"/exec/{job}/start", {"Detach": True, "Tty": False})

    # -- networks, volumes, images

    def create_network(self, name):
        return self.call("POST", "/networks/create", {"Name": name, "CheckDuplicate": True})["Id"]

    def gateway(self, network):
        """The address of this machine in @network."""
        return self.call("GET", f"/networks/{network}")["IPAM"]["Config"][0]["Gateway"]

    def remove_network(self, network):
        self.call("DELETE", f"/networks/{network}", allow=(404,))

    def create_volume(self, name, options=None):
        self.call("POST", "/volumes/create", {"Name": name, "Driver": "local", "DriverOpts": options or {}})
        return name

    def remove_volume(self, name):
        self.call("DELETE", f"/volumes/{name}?force=true", allow=(404,))

    def has_image(self, name):
        return self.request("GET", f"/images/{name}/json")[0] == 200

    def labelled(self, label):
        """All containers with @label, running or not."""
        query = urlencode({"all": "true", "filters": json.dumps({"label": [label]})})
        return self.call("GET", f"/containers/json?{query}")


def _unframe(raw):
    """Output of a container without a terminal: frames of stream number, 3 zero bytes, length, data."""
    out, at = [], 0
    while at + 8 <= len(raw):
        size = struct.unpack(">I", raw[at + 4 : at + 8])[0]
        out.append(raw[at + 8 : at + 8 + size])
        at += 8 + size
    return b"".join(out)
