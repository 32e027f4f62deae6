"""sansocket from Python, by ctypes: a blocking client in one class, which sends three messages and expects them back.

    cargo build --release
    python3 client.py target/release/libsansocket_c.so ws://127.0.0.1:9001/
"""

import ctypes as c
import socket
import sys
import time

NONE, UPGRADE, HTTP, OPENED, TEXT, BINARY, PING, PONG, CLOSE, FAILED, REFUSED = range(11)
RUN, DIAL, START_TLS = range(3)
OK, CLOSED, FULL, INVALID = range(4)
NO_DEADLINE = 2**64 - 1


class Bytes(c.Structure):
    _fields_ = [("ptr", c.c_void_p), ("len", c.c_size_t)]

    def copy(self):
        return c.string_at(self.ptr, self.len) if self.len else b""


class Event(c.Structure):
    _fields_ = [("kind", c.c_int), ("code", c.c_uint16), ("payload", Bytes)]


class Step(c.Structure):
    _fields_ = [("kind", c.c_int), ("port", c.c_uint16), ("name", Bytes)]


FUNCTIONS = {  # name: result, arguments
    "client": (c.c_void_p, [c.c_char_p, c.c_void_p]),
    "free": (None, [c.c_void_p]),
    "recv": (None, [c.c_void_p, c.c_char_p, c.c_size_t]),
    "recv_eof": (None, [c.c_void_p]),
    "recv_error": (None, [c.c_void_p]),
    "next_event": (Event, [c.c_void_p]),
    "step": (Step, [c.c_void_p]),
    "connected": (None, [c.c_void_p]),
    "send_text": (c.c_int, [c.c_void_p, c.c_char_p, c.c_size_t]),
    "send_binary": (c.c_int, [c.c_void_p, c.c_char_p, c.c_size_t]),
    "ping": (c.c_int, [c.c_void_p, c.c_char_p, c.c_size_t]),
    "close": (c.c_int, [c.c_void_p, c.c_uint16, c.c_char_p]),
    "output": (Bytes, [c.c_void_p]),
    "written": (None, [c.c_void_p, c.c_size_t]),
    "wants_read": (c.c_bool, [c.c_void_p]),
    "should_shutdown": (c.c_bool, [c.c_void_p]),
    "is_ended": (c.c_bool, [c.c_void_p]),
    "handle_timeout": (None, [c.c_void_p, c.c_uint64]),
    "next_timeout": (c.c_uint64, [c.c_void_p]),
}


class WebSocket:
    """A blocking client for ws:// URLs."""

    def __init__(self, library, url):
        self._library = library
        self._stream = None
        self._shut_down = False
        self._ws = None
        self._ws = self._call("client", url.encode(), None, endpoint=False)
        if not self._ws:
            raise ValueError(f"not a WebSocket URL: {url}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._stream:
            self._stream.close()
        self._call("free")
        self._ws = None

    def send(self, message):
        if isinstance(message, str):
            return self._send("send_text", message.encode())
        return self._send("send_binary", message)

    def ping(self, payload):
        self._send("ping", payload)

    def close(self, code, reason):
        return self._call("close", code, reason.encode())

    def recv(self):
        """The next event as kind, code and payload; None at the end."""
        while True:
            event = self._call("next_event")
            if event.kind != NONE:
                return event.kind, event.code, event.payload.copy()
            self._call("handle_timeout", now())
            if self._call("is_ended"):
                return None
            self._step()
            self._write()
            if self._call("should_shutdown") and not self._shut_down:
                self._shut_down = True
                self._stream.shutdown(socket.SHUT_WR)
            if self._call("wants_read"):
                self._read()

    def _step(self):
        step = self._call("step")
        if step.kind == START_TLS:
            raise ValueError("this client has no TLS")
        if step.kind == DIAL:
            self._stream = socket.create_connection((step.name.copy().decode(), step.port), timeout=5)
            self._call("connected")

    def _write(self):
        while output := self._call("output").copy():
            self._stream.settimeout(5)
            try:
                self._call("written", self._stream.send(output))
            except OSError:
                self._call("recv_error")

    def _read(self):
        deadline = self._call("next_timeout")
        left = None if deadline == NO_DEADLINE else max(deadline - now(), 1) / 1000
        self._stream.settimeout(left)
        try:
            data = self._stream.recv(65536)
        except TimeoutError:
            return
        except OSError:
            self._call("recv_error")
            return
        if data:
            self._call("recv", data, len(data))
        else:
            self._call("recv_eof")

    def _send(self, function, payload):
        status = self._call(function, payload, len(payload))
        if status != OK:
            raise RuntimeError(f"{function}: status {status}")

    def _call(self, function, *arguments, endpoint=True):
        if endpoint:
            arguments = (self._ws, *arguments)
        return getattr(self._library, "sansocket_" + function)(*arguments)


def now():
    return time.monotonic_ns() // 1_000_000


def load(path):
    library = c.CDLL(path)
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, "sansocket_" + name)
        function.restype, function.argtypes = result, arguments
    return library


def main(path, url):
    library = load(path)
    with WebSocket(library, url) as ws:
        opened = ws.recv()
        assert opened[0] == OPENED, opened
        messages = ["Hello", b"\x00" * 300_000, "gr\u00fcn"]
        for message in messages:
            ws.send(message)
        ws.ping(b"still there?")
        for message in messages:
            kind, _, payload = ws.recv()
            assert payload == (message.encode() if isinstance(message, str) else message)
            assert kind == (TEXT if isinstance(message, str) else BINARY)
        assert ws.recv() == (PONG, 0, b"still there?")
        assert ws.close(999, "") == INVALID and ws.close(1000, "bye") == OK
        assert ws.recv() == (CLOSE, 1000, b"")
        assert ws.recv() is None
    print("all came back")


if __name__ == "__main__":
    main(*sys.argv[1:])
