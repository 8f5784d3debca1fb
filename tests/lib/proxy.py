"""A TCP line between two programs that a test can cut and mend.

    line = Line(target_port)            # listens on line.port, forwards to 127.0.0.1:target_port
    line.cut("stall")                   # bytes wait; nothing is lost; connections stay open
    line.cut("drop")                    # bytes vanish, as behind a dead router; connections look alive
    line.cut("reset")                   # connections break with RST, new ones too
    line.cut_after(4 << 20, "stall")    # by itself, when so many more bytes have been carried
    line.heal()                         # bytes flow again; connections that lost bytes are reset

A cut can be for one way only: cut(how, way="in") touches what the dialler sends, "out" what it gets; a new connection needs both.
It can be for one dialler only: Line(port, identify=f) asks f(remote port) who has dialled, and cut(how, source=who)
touches only that one's connections. One daemon thread with an asyncio loop does the forwarding; the public methods may
be called from any thread and return when the change has happened.
"""
import asyncio
import socket
import struct
import threading

CUTS = ("stall", "drop", "reset")
WAYS = ("in", "out")


class _Connection:
    """One dialled connection: its two transports, who dialled, and whether the stream has lost bytes."""

    def __init__(self, source, writer):
        self.source = source
        self.writers = [writer]
        self.lossy = False

    def reset(self):
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Line:
    def __init__(self, target_port, identify=None, host="127.0.0.1"):
        self.host = host
        self.target_port = target_port
        self.accepted = 0  # connections ever dialled
        self.forwarded_bytes = 0  # both ways
        self.dropped_bytes = 0
        self._identify = identify or (lambda port: None)
        self._routes = {}  # source -> port, where it is not target_port
        self._limit = None  # (forwarded_bytes at which it is cut by itself, how)
        self._cuts = {}  # source (None: everybody) -> ("stall" | "drop" | "reset", "in" | "out" | None: both ways)
        self._connections = set()
        self._tasks = set()
        self._loop = asyncio.new_event_loop()
        self._changed = None  # asyncio.Event, replaced at each change of the cuts
        self._thread = threading.Thread(target=self._run, name=f"line to {target_port}", daemon=True)
        self._thread.start()
        self.port = self._call(self._listen())

    # -- control, any thread

    def cut(self, how="reset", source=None, way=None):
        if how not in CUTS:
            raise ValueError(f"no such cut: {how!r}; one of {CUTS}")
        if way is not None and (way not in WAYS or how == "reset"):
            raise ValueError(f"no such way: {way!r}; one of {WAYS}, and a reset goes both ways")
        self._call(self._set(source, (how, way)))

    def cut_after(self, count, how="stall"):
        """cut(@how) for everybody as soon as @count more bytes have been carried, however late its caller would look."""
        if how not in CUTS:
            raise ValueError(f"no such cut: {how!r}; one of {CUTS}")
        self._call(self._arm(count, how))

    def heal(self, source=None):
        """Mends the cut of one dialler, or all cuts when none is named."""
        self._call(self._set(source, None))

    def route(self, source, port):
        """Connections that @source dials from now on lead to @port; those that stand are reset."""
        self._routes[source] = port
        self._call(self._reset(source))

    @property
    def open_connections(self):
        return len(self._connections)

    def close(self):
        if self._loop.is_closed():
            return
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # -- the loop's thread

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    async def _listen(self):
        self._changed = asyncio.Event()
        self._server = await asyncio.start_server(self._accept, self.host, 0)
        return self._server.sockets[0].getsockname()[1]

    async def _close(self):
        self._server.close()
        for connection in list(self._connections):
            connection.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _arm(self, count, how):
        self._limit = (self.forwarded_bytes + count, how)

    async def _set(self, source, how):
        if how is not None:
            self._cuts[source] = how
        elif source is None:
            self._cuts.clear()
            self._limit = None
        else:
            self._cuts.pop(source, None)
        for connection in list(self._connections):
            mode = self._mode(connection.source)
            if mode == "reset" or (connection.lossy and mode is None):
                connection.reset()
        before, self._changed = self._changed, asyncio.Event()
        before.set()

    async def _reset(self, source):
        for connection in list(self._connections):
            if connection.source == source:
                connection.reset()

    def _mode(self, source, way=None):
        """How the @way is cut, or None; without @way: how any is."""
        how, only = self._cuts.get(source) or self._cuts.get(None) or (None, None)
        return how if way is None or only in (None, way) else None

    async def _pass(self, connection, way=None):
        """Waits while the line is stalled; then None, "drop" or "reset"."""
        while self._mode(connection.source, way) == "stall":
            await self._changed.wait()
        return self._mode(connection.source, way)

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        self.accepted += 1
        connection = _Connection(self._identify(writer.get_extra_info("peername")[1]), writer)
        self._connections.add(connection)
        try:
            mode = await self._pass(connection)
            if mode == "reset":
                connection.reset()
                return
            if mode == "drop":
                connection.lossy = True
                await self._pump(connection, reader, None, "in")
                return
            port = self._routes.get(connection.source, self.target_port)
            far_reader, far_writer = await asyncio.open_connection(self.host, port)
            connection.writers.append(far_writer)
            await asyncio.gather(
                self._pump(connection, reader, far_writer, "in"), self._pump(connection, far_reader, writer, "out")
            )
        except (OSError, asyncio.CancelledError):
            connection.reset()  # the far side refused or broke: so does this one
        finally:
            for end in connection.writers:
                end.close()
            self._connections.discard(connection)
            self._tasks.discard(task)

    async def _pump(self, connection, reader, writer, way):
        """Carries one direction to its end. A stream that lost bytes never carries any again."""
        while data := await reader.read(65536):
            mode = await self._pass(connection, way)
            if mode == "reset":
                return
            if mode == "drop" or connection.lossy or writer is None:
                connection.lossy = True
                self.dropped_bytes += len(data)
                continue
            writer.write(data)
            self.forwarded_bytes += len(data)
            if self._limit is not None and self.forwarded_bytes >= self._limit[0]:
                (_, how), self._limit = self._limit, None
                await self._set(None, (how, None))
            await writer.drain()
        if writer is not None and await self._pass(connection, way) is None and writer.can_write_eof():
            writer.write_eof()
