"""How the servers are set: quiet, without headers that name them, without what no page of ours uses."""

from __future__ import annotations

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
