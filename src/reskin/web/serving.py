"""How the servers are set: quiet, without headers that name them, without what no page of ours uses."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp


def server_config(app: ASGIApp, *, connections: int, **more: Any) -> uvicorn.Config:
    """The settings of a server.

    Args:
        app: what answers.
        connections: how many are answered at once; the others get 503.
        more: further settings of uvicorn.
    """
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="off",
        ws="none",
        limit_concurrency=connections,
        **more,
    )


def tcp_socket(host: str) -> socket.socket:
    """A socket to listen with, on which an answer is sent as soon as it is written.

    The protocol is named because asyncio turns Nagle's algorithm off only on connections of sockets that
    name it; with it the body of an answer waits some 40 ms for the receiver to acknowledge the headers.

    Args:
        host: numeric address or name that it will be bound to; one with ":" is of IPv6.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
