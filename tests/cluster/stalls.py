"""When this machine stood still, or its disk did: what that takes of a client's wait is nobody's fault here."""
import os
import threading
import time

PAUSE_SECONDS = 0.05
STALL_SECONDS = 0.5  # longer than this for a pause and a small write


class Stalls(threading.Thread):
    """@folder: on the disk that is looked at. From start() to end()."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.found = []  # (begin, end) of time.monotonic()
        self._path = folder / f"stalls-{id(self)}"
        self._ended = threading.Event()

    def run(self):
        with open(self._path, "wb", buffering=0) as file:
            last = time.monotonic()
            while not self._ended.wait(PAUSE_SECONDS):
                file.seek(0)
                file.write(b"x")
                os.fsync(file.fileno())
                now = time.monotonic()
                if now - last > STALL_SECONDS:
                    self.found.append((last, now))
                last = now

    def end(self):
        self._ended.set()

    def within(self, begin, end):
        """Seconds of the time from @begin to @end."""
        return sum(max(0.0, min(end, b) - max(begin, a)) for a, b in list(self.found))
