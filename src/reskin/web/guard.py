"""What every request passes first: host, method, origin, size; and the headers on every answer.

Pure ASGI, outermost. A page of another site may not read or change anything here, by any name of this
machine.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

Admit = Callable[[Scope, Mapping[str, list[str]]], None]
"""Takes the request and its headers: lower-case name to values."""

METHODS = ("GET", "HEAD", "POST")
MOST_BODY = 64 * 1024
MOST_PIECE = 8 * 2**20
"""Bytes of a piece of a file that is sent."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    # With no-referrer a form of our own would send `Origin: null`.
    "referrer-policy": "same-origin",
}


class Refused(Exception):
    """A request that does not go on; `status` and text say why.

    Args:
        status: of the answer.
        text: one line.
        location: where the browser is sent instead, for a status of 3xx.
    """

    def __init__(self, status: int, text: str, location: str = "") -> None:
        super().__init__(text)
        self.status, self.location = status, location


class Guard:
    """Lets requests through that come from our own pages, under a name that we go by.

    Args:
        app: what is guarded.
        hosts: exact values of the Host header, such as "127.0.0.1:8765".
        scheme: of our own address, "http" or "https".
        admit: raises `Refused` for a request without the credential that it needs; by default all need none.
        pieces: what is posted below this address are pieces of files instead of JSON; "" for nowhere.
        most_body: bytes that a body of JSON may have.
    """

    def __init__(
        self,
        app: App,
        hosts: Iterable[str],
        scheme: str = "http",
        *,
        admit: Admit | None = None,
        pieces: str = "",
        most_body: int = MOST_BODY,
    ) -> None:
        self.app, self.admit, self.pieces, self.most_body = app, admit, pieces, most_body
        self.hosts = frozenset(host.lower() for host in hosts)
        self.origins = frozenset(f"{scheme}://{host}" for host in self.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        try:
            self._check(scope)
        except Refused as refused:
            await _answer(send, refused)
            return
        body = _Body(receive, MOST_PIECE if self._is_piece(scope) else self.most_body)
        sender = _Sender(send)
        try:
            await self.app(scope, body, sender)
        except Refused as refused:
            if not sender.has_begun:
                await _answer(send, refused)

    def _is_piece(self, scope: Scope) -> bool:
        return bool(self.pieces) and str(scope["path"]).startswith(self.pieces)

    def _check(self, scope: Scope) -> None:
        named: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            named.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        host = named.get("host", [])
        if len(host) != 1 or host[0].lower() not in self.hosts:
            raise Refused(403, "This address is not served here.")
        if scope["method"] not in METHODS:
            raise Refused(405, "This is not done here.")
        origin, site = named.get("origin", []), named.get("sec-fetch-site", [])
        if scope["method"] == "POST":
            if any(each.lower() not in self.origins for each in origin):
                raise Refused(403, "This page may not send anything here.")
            if any(each != "same-origin" for each in site):
                raise Refused(403, "This page may not send anything here.")
            if not origin and not site and "cookie" in named:
                raise Refused(403, "This page may not send anything here.")
            self._check_body(named, is_piece=self._is_piece(scope))
        elif site and site[0] in ("cross-site", "same-site"):
            is_page = named.get("sec-fetch-mode") == ["navigate"] and named.get("sec-fetch-dest") == [
                "document"
            ]
            if not is_page:
                raise Refused(403, "Pages of other sites may not read this.")
        if self.admit is not None:
            self.admit(scope, named)

    def _check_body(self, named: Mapping[str, list[str]], *, is_piece: bool) -> None:
        kind = named.get("content-type", [""])[0].partition(";")[0].strip().lower()
        if kind != ("application/octet-stream" if is_piece else "application/json"):
            raise Refused(
                415, "Only pieces of a file are read here." if is_piece else "Only JSON is read here."
            )
        length = named.get("content-length", ["0"])[0]
        if not length.isdecimal() or int(length) > (MOST_PIECE if is_piece else self.most_body):
            raise Refused(413, "That is too much.")


class _Body:
    """A body that ends the request once it is too long."""

    def __init__(self, receive: Receive, most: int) -> None:
        self.receive, self.most, self.count = receive, most, 0

    async def __call__(self) -> Message:
        message = await self.receive()
        self.count += len(message.get("body", b""))
        if self.count > self.most:
            raise Refused(413, "That is too much.")
        return message


class _Sender:
    """Adds the headers to whatever is answered."""

    def __init__(self, send: Send) -> None:
        self.send, self.has_begun = send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            message = {**message, "headers": _with_ours(message.get("headers", []))}
        await self.send(message)


def _with_ours(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    known = {name.lower() for name, _ in headers}
    ours = {**HEADERS, "cache-control": "no-store"}
    added = [(name.encode(), value.encode()) for name, value in ours.items() if name.encode() not in known]
    return [*headers, *added]


async def _answer(send: Send, refused: Refused) -> None:
    body = f"{refused}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if refused.location:
        headers.append((b"location", refused.location.encode()))
    await send({"type": "http.response.start", "status": refused.status, "headers": _with_ours(headers)})
    await send({"type": "http.response.body", "body": body})


async def json_object(request: Request) -> dict[str, Any]:
    """The JSON object in a request.

    Raises:
        HTTPException: 400, there is none.
    """
    try:
        values = json.loads(await request.body())
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise HTTPException(400, "a JSON object is needed")
    return values
