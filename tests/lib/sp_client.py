"""A peer that says what it likes: SP request/reply over TLS with a real certificate (PROTOCOL.md, "Sockets"), message by
message, from the documents alone. For hostile tests: nothing here keeps to the protocol unless told to.

    peer = SpClient("172.18.0.3", 7510, folder)       # tls.crt, tls.key, ca.crt of a node's folder
    answer = peer.ask(hello(340000))                  # {field number: value} of the Envelope's body, with "body": its number
    peer.send_raw(b"...")

Messages are protobuf; message() and fields() know varints and byte strings, which is all that federation.proto uses here.
"""
import socket
import ssl
import struct

GREETING_REQ = b"\x00SP\x00\x00\x30\x00\x00"  # SP TCP mapping: protocol 0x30, req
GREETING_REP = b"\x00SP\x00\x00\x31\x00\x00"
FINAL = 0x80000000  # the last part of an SP request's backtrace

HELLO, HINT, PULL, BATCH, ERROR, OK, ADD_CHECKPOINT, COSIG, GOSSIP, KEY_PULL = range(1, 11)


# ---- protobuf --------------------------------------------------------------------------------------------------------


def varint(value):
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def message(fields):
    """[(number, int or bytes or str)] as a protobuf message."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def fields(data):
    """{number: [values]} of a protobuf message with varints and byte strings."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = number()
        if key & 7 == 0:
            value = number()
        else:
            assert key & 7 == 2, f"wire type {key & 7}"
            size = number()
            value = data[at : at + size]
            at += size
        found.setdefault(key >> 3, []).append(value)
    return found


def envelope(body, content):
    return message([(body, message(content))])


def hello(code, size=0, your_size=0):
    return envelope(HELLO, [(1, 1), (2, 1), (3, "SHA-256/Ed25519/AES-256-GCM"), (4, code), (5, "hostile"), (6, 1), (7, size),
                            (9, your_size)])


def pull(origin, start, root, wait_ms=0, max_bytes=1 << 20):
    return envelope(PULL, [(1, origin), (2, start), (3, root), (6, max_bytes), (7, wait_ms)])


# ---- the connection --------------------------------------------------------------------------------------------------


class SpClient:
    def __init__(self, host, port, folder, timeout=90, receive_buffer=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.load_verify_locations(folder / "ca.crt")
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        raw = socket.socket()
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(timeout)
        raw.connect((host, port))
        self.sock = context.wrap_socket(raw)
        self.next_id = 1
        self.sock.sendall(GREETING_REQ)
        assert self._read(8) == GREETING_REP

    def _read(self, size):
        out = b""
        while len(out) < size:
            part = self.sock.recv(size - len(out))
            if not part:
                raise ConnectionError("closed by the other side")
            out += part
        return out

    def send_raw(self, data):
        self.sock.sendall(data)

    def send(self, body):
        """One request; its number."""
        number = self.next_id
        self.next_id += 1
        self.send_raw(struct.pack(">QI", len(body) + 4, FINAL | number) + body)
        return number

    def receive(self):
        """(request number, body) of the next answer."""
        size = struct.unpack(">Q", self._read(8))[0]
        data = self._read(size)
        return struct.unpack(">I", data[:4])[0] & ~FINAL, data[4:]

    def ask(self, body):
        """The answer's body number and its fields; (None, {}) for an empty one ("refused without a reading")."""
        number = self.send(body)
        while True:
            got, answer = self.receive()
            if got == number:
                break
        if not answer:
            return None, {}
        (kind, (content, *_)), *_ = fields(answer).items()
        return kind, fields(content)

    def close(self):
        self.sock.close()
