"""A small web server on this machine, which can resume, break off, redirect and refuse."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from reskin.curation.download.catalog import StandardSet


@dataclass
class Server:
    """What the server holds and how it behaves; tests change it while it runs."""

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str = '"first"'
    knows_ranges: bool = True
    drop_after: list[int] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    port: int = 0

    def url(self, path: str = "/set.zip") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def standard_set(self, path: str = "/set.zip") -> StandardSet:
        return StandardSet(
            "toy", "unpaired", "toys", "2 + 2", "none", self.url(path), frozenset({"127.0.0.1"})
        )


def handler_of(server: Server) -> type[BaseHTTPRequestHandler]:
    """A request handler that does as `server` says."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing: pytest shows what matters."""

        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            server.asked.append((self.path, wanted))
            if self.path in server.redirects:
                self.send_response(302)
                self.send_header("Location", server.redirects[self.path])
                self.end_headers()
                return
            if self.path in server.statuses or self.path not in server.files:
                self.send_error(server.statuses.get(self.path, 404))
                return
            self._send(server.files[self.path], wanted)

        def _send(self, body: bytes, wanted: str | None) -> None:
            found = re.fullmatch(r"bytes=(\d+)-", wanted or "")
            start = int(found.group(1)) if found and server.knows_ranges else 0
            if self.headers.get("If-Range", server.etag) != server.etag:
                start = 0
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            self.send_header("Content-Length", str(len(body) - start))
            self.send_header("ETag", server.etag)
            self.end_headers()
            end = server.drop_after.pop(0) if server.drop_after else len(body)
            self.wfile.write(body[start:end])
            self.wfile.flush()
            self.close_connection = True

    return Handler
