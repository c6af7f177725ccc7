"""axe-core for the browser tests, from the npm registry: python -m benchmarks.axe build/axe.min.js"""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import urllib.request
from pathlib import Path

ADDRESS = "https://registry.npmjs.org/axe-core/-/axe-core-4.14.1.tgz"
DIGEST = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"


def main(out: Path) -> None:
    """Fetch it unless it is there."""
    if out.exists() and hashlib.sha256(out.read_bytes()).hexdigest() == DIGEST:
        return
    with urllib.request.urlopen(ADDRESS, timeout=120) as answer:
        packed = io.BytesIO(answer.read())
    with tarfile.open(fileobj=packed) as archive:
        file = archive.extractfile("package/axe.min.js")
        content = file.read() if file else b""
    if hashlib.sha256(content).hexdigest() != DIGEST:
        sys.exit(f"{ADDRESS} holds another file than it did")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
