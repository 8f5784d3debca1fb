"""The clients of a soak: stories (stories.py) whose requests are repeated until they are answered.

A story is a generator that yields Request and is sent what the request brought. Each node has a queue of its own and a few
threads, so that a node that stands still holds up nobody else's clients. What was answered is written down at once, as lines of
JSON: judge.py holds the nodes to them.
"""
import heapq
import http.client
import itertools
import json
import threading
import time

THREADS_PER_NODE = 4
TIMEOUT_S = 10
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.25
AGAIN = {429, 503, 507}  # busy, shutting down, disk full


class Unexpected(AssertionError):
    """An answer that nothing explains."""


class Request:
    """One request, asked until @done says what it brought. @done gets the Reply and returns None for "not yet"; Unexpected ends the
    story. @types: the event types it writes. @not_yet: statuses that mean the same as None."""

    def __init__(self, node, method, path, body=None, key=None, headers=None, done=None, types=(), not_yet=(), what=""):
        self.node, self.method, self.path, self.body, self.key = node, method, path, body, key
        self.headers = {**(headers or {}), **({"Idempotency-Key": key} if key else {})}
        self.done = done or (lambda reply: reply)
        self.types, self.not_yet = list(types), set(not_yet)
        self.what = what or f"{method} {path}"
        self.begin = self.end = None
        self.tries = 0


class Journal:
    """A file with one JSON object a line, whole at any moment."""

    def __init__(self, path):
        self._file = open(path, "a", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def write(self, **fields):
        line = json.dumps(fields, ensure_ascii=False) + "\n"
        with self._lock:
            self._file.write(line)

    def close(self):
        self._file.close()


class Pool:
    def __init__(self, nodes, journal, seconds):
        self.nodes = {node.region: node for node in nodes}
        self.journal = journal
        self.seconds = seconds  # seconds() since the run began
        self.problems = []
        self.refused = {}  # (region, status, id) -> count
        self.latencies = {node.region: [] for node in nodes}  # (second, ms) of answered requests that write
        self.open = {}  # story -> the Request it waits for
        self.finished = 0
        self.behind = set()  # regions that may not know yet what they knew: 404 there means the same as no answer
        self._held = set()  # regions that nobody asks anything now
        self._asking = dict.fromkeys(self.nodes, 0)
        self._queues = {node.region: [] for node in nodes}
        self._changed = threading.Condition()
        self._order = itertools.count()
        self._end = False
        self._threads = [
            threading.Thread(target=self._serve, args=(region,), name=f"{region}.{i}", daemon=True)
            for region in self.nodes for i in range(THREADS_PER_NODE)
        ]

    def start(self):
        for thread in self._threads:
            thread.start()

    def begin(self, story):
        self._go_on(story, None)

    def stop(self):
        with self._changed:
            self._end = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(2 * TIMEOUT_S)

    def waiting(self):
        with self._changed:
            return [f"story {s.number} ({s.kind}) at {r.node}: {r.what}, asked {r.tries} times in {time.monotonic() - (r.begin or time.monotonic()):.0f} s"
                    for s, r in self.open.items()]

    def hold(self, region):
        """No client asks @region anything from now on."""
        with self._changed:
            self._held.add(region)

    def is_idle(self, region):
        """Held, and every request that was under way has its answer or none."""
        with self._changed:
            return region in self._held and self._asking[region] == 0

    def release(self, region):
        with self._changed:
            self._held.discard(region)
            self._changed.notify_all()

    # -- threads

    def _put(self, story, request, pause):
        with self._changed:
            self.open[story] = request
            heapq.heappush(self._queues[request.node], (time.monotonic() + pause, next(self._order), story, request))
            self._changed.notify_all()

    def _serve(self, region):
        queue = self._queues[region]
        while True:
            with self._changed:
                while not self._end and (not queue or region in self._held or queue[0][0] > time.monotonic()):
                    is_waiting = not queue or region in self._held
                    self._changed.wait(None if is_waiting else max(0.0, queue[0][0] - time.monotonic()))
                if self._end:
                    return
                _, _, story, request = heapq.heappop(queue)
                self._asking[region] += 1
            try:
                self._attempt(story, request)
            except Exception as e:  # a story that cannot go on
                self._failed(story, f"story {story.number} ({story.kind}), {request.what} at {region}: {type(e).__name__}: {e}")
            finally:
                with self._changed:
                    self._asking[region] -= 1

    def _attempt(self, story, request):
        request.begin = request.begin or time.monotonic()
        request.tries += 1
        value = None
        try:
            reply = self.nodes[request.node].request(request.method, request.path, request.body, request.headers, timeout=TIMEOUT_S)
        except (OSError, http.client.HTTPException):
            reply = None
            self._count(request.node, 0, "no answer")
        if reply is not None and reply.status in AGAIN:
            self._count(request.node, reply.status, reply.json().get("id"))
        elif reply is not None and reply.status not in request.not_yet and not (reply.status == 404 and request.node in self.behind):
            if reply.status >= 400 and request.done.__name__ != "any_status":
                raise Unexpected(f"HTTP {reply.status} {reply.body.decode(errors='replace')[:300]}")
            value = request.done(reply)
        if value is None:
            self._put(story, request, min(FIRST_PAUSE_S * 1.4 ** min(request.tries - 1, 20), LONGEST_PAUSE_S))
            return
        request.end = time.monotonic()
        if request.types:
            self.latencies[request.node].append((self.seconds(request.end), (request.end - request.begin) * 1000))
        self._go_on(story, value)

    def _go_on(self, story, value):
        try:
            request = story.run.send(value)
        except StopIteration:
            with self._changed:
                self.open.pop(story, None)
                self.finished += 1
            return
        self._put(story, request, 0)

    def _failed(self, story, text):
        with self._changed:
            self.open.pop(story, None)
            self.problems.append(text)
        self.journal.write(t="problem", at=round(self.seconds(), 3), text=text)

    def _count(self, region, status, id):
        with self._changed:
            key = (region, status, id)
            self.refused[key] = self.refused.get(key, 0) + 1
