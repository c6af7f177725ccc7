"""Who may use the studio: one-time links, and the signed cookie that a browser gets for one.

A link's token is in the fragment of its address, which browsers send to nobody; the page posts it once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Mapping

from reskin.web.guard import Refused, Scope

SECONDS = 30 * 86_400
TRIES, TRIES_SECONDS = 5, 60.0
MOST_LINKS = 100
FREE = ("/login",)
"""What needs no cookie, beside what is below /static/."""


class Sessions:
    """Makes links and checks cookies.

    Args:
        secret: signs the cookies.
        port: of the studio; browsers send cookies to all ports, so that the name has to say which.
        key: lets another process of the same user ask for a link.
    """

    def __init__(self, secret: bytes, port: int, key: str) -> None:
        self.secret, self.name, self._key = secret, f"reskin-{port}", key
        self._links: list[str] = []
        self._wrong: list[float] = []
        self._turn = threading.Lock()

    def link(self) -> str:
        """A token for one login; of more than 100 unused ones the oldest end."""
        with self._turn:
            self._links = [*self._links, secrets.token_urlsafe(24)][-MOST_LINKS:]
            return self._links[-1]

    def redeem(self, token: str) -> str:
        """The cookie for a token, which is used up by it.

        Raises:
            Refused: 401 for a token that is not known or was used, 429 after five of those in a minute.
        """
        with self._turn:
            now = time.monotonic()
            self._wrong = [at for at in self._wrong if now - at < TRIES_SECONDS]
            if len(self._wrong) >= TRIES:
                raise Refused(429, "Too many wrong links. Wait a minute.")
            given = token.encode("utf-8", "replace")
            found = [each for each in self._links if hmac.compare_digest(each.encode(), given)]
            if not found:
                self._wrong.append(now)
                raise Refused(401, "This link was used before or is wrong.")
            self._links.remove(found[0])
        return self._signed(f"{int(time.time())}.{secrets.token_urlsafe(12)}")

    def is_key(self, headers: Mapping[str, list[str]]) -> bool:
        """Whether a request comes from a process that can read the studio's folder."""
        given = headers.get("authorization", [])
        wanted = f"Bearer {self._key}".encode()
        return len(given) == 1 and hmac.compare_digest(given[0].encode("utf-8", "replace"), wanted)

    def is_signed(self, value: str) -> bool:
        """Whether a cookie's value is ours and not older than 30 days."""
        body, _, _ = value.rpartition(".")
        if not hmac.compare_digest(self._signed(body).encode(), value.encode("utf-8", "replace")):
            return False
        made = body.partition(".")[0]
        # A clock that is set back leaves people logged in: what is signed was made here.
        return made.isdecimal() and time.time() - int(made) < SECONDS

    def admit(self, scope: Scope, headers: Mapping[str, list[str]]) -> None:
        """Let a request through that needs no cookie or has one.

        Raises:
            Refused: 401, or 303 to the login page where a person opens a page.
        """
        path = str(scope["path"])
        if path in FREE or path.startswith("/static/"):
            return
        if path == "/api/links" and self.is_key(headers):
            return
        values = re.findall(rf"(?:^|;)\s*{self.name}=([^;]*)", ";".join(headers.get("cookie", [])))
        if path != "/api/links" and len(values) == 1 and self.is_signed(values[0].strip()):
            return
        if scope["method"] != "POST" and not path.startswith(("/api/", "/media/")):
            raise Refused(303, "Log in first.", location="/login")
        raise Refused(401, "Log in first.")

    def _signed(self, body: str) -> str:
        text = f"{self.name} {body}".encode("utf-8", "replace")
        return f"{body}.{hmac.new(self.secret, text, hashlib.sha256).hexdigest()}"
