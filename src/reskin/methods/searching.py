"""The mark of a method whose every translation is a search."""

from __future__ import annotations

from reskin.methods.translator import Translator


class Searching(Translator):
    """A translator that finds each translation by gradient descent: no graph of operators holds it."""
