"""HTML in which every text is escaped unless the code says that it is markup already."""

from __future__ import annotations

import html
from collections.abc import Iterable

_VOID = frozenset({"img", "input", "meta", "br", "rect", "line", "path", "circle"})


class Markup(str):
    """Text that is HTML already; only `tag`, `group` and constants of our own make it."""

    __slots__ = ()


Child = str | Markup | Iterable["Child"] | None
"""What goes into a tag: text (escaped), markup (as it is), several of them, or nothing."""


def group(*children: Child) -> Markup:
    """The children one after the other, texts escaped.

    >>> group("a < b", None, tag("b", "c"))
    'a &lt; b<b>c</b>'
    """
    parts: list[str] = []
    for child in children:
        if isinstance(child, Markup):
            parts.append(child)
        elif isinstance(child, str):
            parts.append(html.escape(child))
        elif child is not None:
            parts.append(group(*child))
    return Markup("".join(parts))


def tag(name: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """An element.

    Args:
        name: of the element.
        children: what it holds.
        attributes: a trailing underscore is dropped (`class_`), others become hyphens (`aria_label`). True
        gives
            the bare name, False and None leave it out; values are escaped.

    >>> tag("a", "<x>", href='"', class_="y", hidden=True, title=None)
    '<a href="&quot;" class="y" hidden>&lt;x&gt;</a>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        word = key.rstrip("_").replace("_", "-")
        words.append(word if value is True else f'{word}="{html.escape(str(value))}"')
    opening = f"<{' '.join(words)}>"
    # The slash matters inside an SVG, where nothing else closes an empty element.
    return Markup(f"{opening[:-1]}/>" if name in _VOID else f"{opening}{group(*children)}</{name}>")
