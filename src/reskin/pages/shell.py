"""The shell that all pages share: templates, style and script in one file that opens from disk.

A page extends `shell.html`. Everything that a template shows is escaped; a name that it lacks is an error.
The page's policy allows its one script, by its hash, and nothing from outside.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reskin.storage import commit
from reskin.version import __version__

_HERE = "reskin.pages"


@cache
def environment(package: str = _HERE) -> Environment:
    """Templates in the folder `templates` of a package, and those that all pages share.

    Args:
        package: whose templates come first, such as "reskin.curation.inspect".
    """
    packages = dict.fromkeys((package, _HERE))
    made = Environment(
        loader=ChoiceLoader([PackageLoader(name) for name in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["thousands"] = thousands
    made.globals["version"] = __version__
    return made


def render(
    template: str,
    *,
    assets: Sequence[str],
    package: str = _HERE,
    image_sources: str = "data:",
    **values: Any,
) -> str:
    """A page as text.

    Args:
        template: name of a template that extends `shell.html`.
        assets: names, without ending, of the .css and .js files beside the templates, in their order.
        package: whose templates come first.
        image_sources: what the policy allows images to be loaded from.
        values: what the template shows; `title` is the page's.
    """
    pages = environment(package)
    script = _joined(pages, [f"{name}.js" for name in assets])
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src {image_sources}; media-src data:; script-src 'sha256-{digest}'; "
        "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    style = _joined(pages, [f"{name}.css" for name in assets])
    return pages.get_template(template).render(policy=policy, style=style, script=script, **values)


def write_page(out: Path, page: str) -> Path:
    """Write a page, whole or not at all; a name that is no valid text on this system shows question marks.

    Raises:
        StorageError: the disk refuses the write.
    """
    with commit(out) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")
    return out


def thousands(count: int) -> str:
    """A whole number for people.

    >>> thousands(20000)
    '20,000'
    """
    return f"{count:,}"


def _joined(pages: Environment, names: Sequence[str]) -> Markup:
    """Files beside the templates as they are; they must not end the element in which they stand."""
    assert pages.loader is not None, "environment() gives one"
    text = "\n".join(pages.loader.get_source(pages, name)[0] for name in names)
    assert "</" not in text, f"{', '.join(names)} would end its element"
    return Markup(text)  # noqa: S704 - a file of this package
