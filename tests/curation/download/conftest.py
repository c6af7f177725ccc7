"""A web server on this machine that tests can spoil, and a small set."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest
from tests.support.toy_archives import picture, zip_of
from tests.support.toy_server import Server, handler_of


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(state)) as http:
        state.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture
def toy_zip() -> bytes:
    """A set as the makers of CycleGAN pack theirs."""
    members = {f"toy/{folder}/{n}.png": picture(n) for folder in ("trainA", "trainB") for n in (1, 2)}
    return zip_of(
        {**members, "toy/readme.txt": b"x" * 3000, "__MACOSX/toy/._1.png": b"x", "toy/.DS_Store": b""}
    )
