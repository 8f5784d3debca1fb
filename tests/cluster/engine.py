"""The Docker engine over its socket: what the tests of this folder need of it, and nothing installed for it.

    engine = Engine()                       # OSError when none answers
    id = engine.create("name", {...})       # body of POST /containers/create
    engine.start(id)
    status, text = engine.execute(id, ["tc", "qdisc", …], privileged=True)

Engine API 1.41, or the oldest that a newer engine still has. One connection a request; any thread.
"""
import http.client
import json
import os
import struct
from urllib.parse import quote, urlencode

from cluster import UnixConnection, wait_for

API = (1, 41)
SOCKET = os.environ.get("TONGBAN_TEST_DOCKER", "/run/docker.sock")
ENGINE_SECONDS = 300  # seconds: an engine beside other work, on a slow disk
REMOVE_SECONDS = 60  # for one that says it cannot yet


class EngineError(AssertionError):
    pass


def is_there():
    try:
        return Engine()._request("GET", "/_ping", timeout=60)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


class Engine:
    def __init__(self, socket_path=SOCKET):
        self.socket_path = socket_path
        self._api = None

    @property
    def api(self):
        """What paths begin with."""
        if self._api is None:
            oldest = json.loads(self._request("GET", "/version")[1]).get("MinAPIVersion", "1.12")
            major, minor = max(API, tuple(map(int, oldest.split("."))))
            self._api = f"/v{major}.{minor}"
        return self._api

    def request(self, method, path, body=None, timeout=ENGINE_SECONDS):
        """(status, bytes)"""
        return self._request(method, self.api + path, body, timeout)

    def _request(self, method, path, body=None, timeout=ENGINE_SECONDS):
        connection = UnixConnection(self.socket_path, timeout)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, method, path, body=None, allow=(), **options):
        status, text = self.request(method, path, body, **options)
        if status >= 300 and status not in allow:
            raise EngineError(f"{method} {path}: {status} {text.decode(errors='replace')}")
        return json.loads(text) if text.strip().startswith((b"{", b"[")) else None

    def _delete(self, path):
        """Until it is gone. Refused for a while where a container has not ended yet, or is being taken off a network."""

        def gone():
            status, text = self.request("DELETE", path)
            if status not in (204, 404):
                raise OSError(f"{status} {text.decode(errors='replace')}")
            return True

        wait_for(gone, REMOVE_SECONDS, what=f"the engine to remove {path}")

    # -- containers

    def create(self, name, body):
        return self.call("POST", f"/containers/create?name={quote(name)}", body)["Id"]

    def start(self, container):
        self.call("POST", f"/containers/{container}/start", allow=(304,))

    def kill(self, container, signal="KILL"):
        self.call("POST", f"/containers/{container}/kill?signal={signal}")

    def stop(self, container, seconds):
        self.call("POST", f"/containers/{container}/stop?t={seconds}", allow=(304,), timeout=seconds + ENGINE_SECONDS)

    def pause(self, container):
        self.call("POST", f"/containers/{container}/pause")

    def unpause(self, container):
        self.call("POST", f"/containers/{container}/unpause")

    def remove(self, container):
        self._delete(f"/containers/{container}?force=true&v=true")

    def inspect(self, container):
        return self.call("GET", f"/containers/{container}/json")

    def logs(self, container):
        _, raw = self.request("GET", f"/containers/{container}/logs?stdout=1&stderr=1")
        return _unframe(raw).decode(errors="replace")

    def execute(self, container, command, user="", privileged=False, timeout=ENGINE_SECONDS):
        """Runs @command inside: (exit status, its output)."""
        body = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(map(str, command)), "User": user,
                "Privileged": privileged}
        job = self.call("POST", f"/containers/{container}/exec", body)["Id"]
        status, raw = self.request("POST", f"/exec/{job}/start", {"Detach": False, "Tty": False}, timeout=timeout)
        if status >= 300:
            raise EngineError(f"exec {command}: {status} {raw.decode(errors='replace')}")
        ended = lambda: not (told := self.call("GET", f"/exec/{job}/json"))["Running"] and told  # noqa: E731
        return wait_for(ended, 60, what=f"the end of {command}")["ExitCode"], _unframe(raw)

    def execute_detached(self, container, command, user="", privileged=False):
        body = {"Cmd": list(map(str, command)), "User": user, "Privileged": privileged}
        job = self.call("POST", f"/containers/{container}/exec", body)["Id"]
        self.call("POST", f"/exec/{job}/start", {"Detach": True, "Tty": False})

    # -- networks, volumes, images

    def create_network(self, name, labels=None):
        return self.call("POST", "/networks/create", {"Name": name, "CheckDuplicate": True, "Labels": labels or {}})["Id"]

    def gateway(self, network):
        """The IPv4 address of this machine in @network."""
        return next(x["Gateway"] for x in self.call("GET", f"/networks/{network}")["IPAM"]["Config"] if "." in x.get("Gateway", ""))

    def remove_network(self, network):
        self._delete(f"/networks/{network}")

    def create_volume(self, name, options=None, labels=None):
        body = {"Name": name, "Driver": "local", "DriverOpts": options or {}, "Labels": labels or {}}
        self.call("POST", "/volumes/create", body)
        return name

    def remove_volume(self, name):
        self._delete(f"/volumes/{name}?force=true")

    def has_image(self, name):
        return self.request("GET", f"/images/{name}/json")[0] == 200

    def labelled(self, label):
        """All containers with @label, running or not."""
        query = urlencode({"all": "true", "filters": json.dumps({"label": [label]})})
        return self.call("GET", f"/containers/json?{query}")

    def labels(self):
        """(path, labels) of every container, network and volume, in the order in which they can be removed."""
        for row in self.call("GET", "/containers/json?all=true"):
            yield f"/containers/{row['Id']}", row["Labels"] or {}
        for row in self.call("GET", "/networks"):
            yield f"/networks/{row['Id']}", row["Labels"] or {}
        for row in self.call("GET", "/volumes")["Volumes"] or []:
            yield f"/volumes/{row['Name']}", row["Labels"] or {}


def _unframe(raw):
    """Output of a container without a terminal: frames of stream number, 3 zero bytes, length, data."""
    out, at = [], 0
    while at + 8 <= len(raw):
        size = struct.unpack(">I", raw[at + 4 : at + 8])[0]
        out.append(raw[at + 8 : at + 8 + size])
        at += 8 + size
    return b"".join(out)
