"""What a screening found, for people and for scripts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reskin.curation.screen.overlay import Overlay
from reskin.curation.screen.rule import Rule


@dataclass
class Finding:
    """The pictures of a domain for which one rule speaks.

    Attributes:
        rule: the rule.
        threshold: the score from which on a picture is bad.
        pictures: (path below the folder, score), the worst first.
        only_reported: they are not left out for this reason.
    """

    rule: Rule
    threshold: float
    pictures: list[tuple[str, float]] = field(default_factory=list)
    only_reported: bool = False

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass
class DomainResult:
    """What was found in one domain.

    Attributes:
        name: the folder's, with A or B for a half of one.
        folder: where the pictures lie.
        pictures: how many there are.
        left_out: how many go, by a rule or by hand; what balancing leaves out is not in it.
        findings: by name of rule, in the order of the table of rules.
        kept: pictures for which a rule speaks and that stay by hand.
        dropped: pictures that go by hand.
        overlays: by source, what stays in its pictures.
        duplicates: by path of a duplicate, the picture that stays.
        faults: by path, why a picture cannot be read.
    """

    name: str
    folder: Path
    pictures: int = 0
    left_out: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    overlays: dict[str, Overlay] = field(default_factory=dict)
    duplicates: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "name": self.name,
            "folder": self.folder.as_posix(),
            "pictures": self.pictures,
            "left_out": self.left_out,
            "reasons": {
                name: {
                    "why": finding.rule.why,
                    "bad": finding.rule.bad,
                    "threshold": finding.threshold,
                    "count": len(finding),
                    "only_reported": finding.only_reported,
                    "pictures": [{"file": file, "score": score} for file, score in finding.pictures],
                }
                for name, finding in self.findings.items()
            },
            "kept_by_hand": self.kept,
            "dropped_by_hand": self.dropped,
            "overlays": {
                source: {"score": overlay.score, "boxes": overlay.boxes}
                for source, overlay in self.overlays.items()
            },
            "duplicate_of": self.duplicates,
            "damaged": self.faults,
        }


@dataclass
class ScreenResult:
    """What was found in all domains.

    Attributes:
        domains: in the order given; a folder with trainA and trainB makes two.
        is_applied: whether the pictures are left out now.
        unused: names given by hand that fit no picture.
    """

    domains: list[DomainResult]
    is_applied: bool
    unused: list[str]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        domains = [domain.to_dict() for domain in self.domains]
        return {"applied": self.is_applied, "domains": domains, "unused_names": self.unused}
