"""A process that does tasks: one JSON line in, JSON lines out. `python -m reskin.curation.prepare.worker`.

It is started by its own name, not by `multiprocessing`, so that a user's script needs no guard around its
main part. When the process that started it goes away, however it goes, its input ends and it stops at once.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from typing import Any

from reskin.curation.prepare.tasks import perform
from reskin.errors import ReskinError


def main() -> None:
    """Answer every line of standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for our parent, who then ends our input
    # What libraries may print must not fall between our lines.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()

    def say(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    def report(done: int, total: int | None, /, what: str = "", unit: str = "") -> None:
        say({"done": done, "total": total})

    while True:
        task = json.loads(lines.get())
        try:
            say({"result": perform(task, report)})
        except ReskinError as error:
            say({"error": type(error).__name__, "what": error.what, "fix": error.fix})
        except Exception:  # our own bug: it is shown by the parent, with its trace
            say({"trace": traceback.format_exc()})


def _listen(lines: queue.Queue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)  # in the middle of a task too: files are whole or absent, whenever we stop


if __name__ == "__main__":
    main()
