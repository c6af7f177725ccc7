"""`reskin studio` in a process of its own, and whoever asks it as a browser would, without one."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

PATIENCE = 300.0


class Asker:
    """A studio in a process of its own, and a browser that is logged in, without the browser."""

    def __init__(self, root: Path) -> None:
        words = [sys.executable, "-m", "reskin", "studio", str(root), "--no-browser", "--port", "8990"]
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        assert self.process.stdout is not None
        found = re.search(r"http://127.0.0.1:(\d+)/login#(\S+)", self.process.stdout.readline())
        assert found
        self.cpu_seconds = cpu_seconds(self.process.pid)
        self.base = f"127.0.0.1:{found[1]}"
        self.headers = {"origin": f"http://{self.base}", "content-type": "application/json"}
        self.connection = http.client.HTTPConnection(self.base, timeout=PATIENCE)
        answer = self.ask("POST", "/login", {"token": found[2]})
        self.headers["cookie"] = answer.headers["set-cookie"].partition(";")[0]
        answer.read()

    def ask(self, verb: str, path: str, values: dict[str, Any] | None = None) -> http.client.HTTPResponse:
        body = None if values is None else json.dumps(values)
        self.connection.request(verb, path, body, self.headers)
        return self.connection.getresponse()

    def json(self, path: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.ask("GET" if values is None else "POST", path, values)
        content = answer.read()
        assert answer.status == 200, content
        found = json.loads(content)
        assert isinstance(found, dict)
        return found

    def kill(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def cpu_seconds(process: int) -> float:
    values = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def memory(process: int) -> int:
    return int(Path(f"/proc/{process}/status").read_text().partition("VmRSS:")[2].split()[0])
