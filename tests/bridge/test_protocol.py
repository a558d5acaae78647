"""How answers leave: head and body in one write, which is one packet for whoever waits."""

from __future__ import annotations

import h11
import pytest

from storescope.apps.serve._protocol import _Connection


def asked(request: str) -> _Connection:
    """Return a connection that has read a whole request."""
    connection = _Connection(h11.SERVER)
    connection.receive_data(request.encode())
    assert isinstance(connection.next_event(), h11.Request)
    return connection


@pytest.mark.parametrize(("method", "body"), [("GET", b"{}"), ("HEAD", b"")])
def test_head_and_body_go_out_together(method: str, body: bytes) -> None:
    """A head without a body goes out too."""
    connection = asked(f"{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert isinstance(connection.next_event(), h11.EndOfMessage)
    assert connection.send(h11.Response(status_code=200, headers=[("content-length", "2")])) == b""
    sent = connection.send(h11.Data(data=body))
    assert sent is not None
    assert sent.startswith(b"HTTP/1.1 200")
    assert sent.partition(b"\r\n\r\n")[2] == body
    assert connection.send(h11.EndOfMessage()) == b""
    assert connection.send(h11.ConnectionClosed()) is None


def test_who_asks_before_sending_is_told_at_once() -> None:
    """`Expect: 100-continue`: the body comes only after the answer to that."""
    connection = asked("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    sent = connection.send(h11.InformationalResponse(status_code=100, headers=[]))
    assert sent is not None
    assert sent.startswith(b"HTTP/1.1 100")
