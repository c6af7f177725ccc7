"""Running a study: every cell once, resumable at any moment, and its pages in the end."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reskin.data.folders import check_domains_differ, training_images
from reskin.errors import RunError, SettingsError
from reskin.methods import find_trained
from reskin.progress import Report, silent
from reskin.storage import lock, read_json, write_json
from reskin.version import __version__
from reskin.workflows.study.cells import Cell, cells_of, complete
from reskin.workflows.study.plan import Study, data_digest
from reskin.workflows.study.report import write_study_report

_log = logging.getLogger("reskin")


def compare(study: Study, *, ray: str | None = None, report: Report = silent) -> Path:
    """Train and measure every row with every seed, and write the study's report.

    Cells that are finished with the same settings, data and code are used again; one whose method has changed
    is trained anew. A cell that fails says why in the table, and the others go on.

    Args:
        study: what is compared.
        ray: address of a Ray cluster whose processes train and measure the cells, HOST:PORT or auto; None for
            this process, one cell after the other.
        report: called with how many cells are done.

    Returns:
        The page.

    Raises:
        SettingsError: something in the study cannot be compared, or nothing answers at the address.
        DataError: a folder of images cannot be used.
        RunError: the folder is in use, or holds a study of other data.
        InterruptedRunError: a signal came; everything is saved. On a cluster trainings go on from their last
            checkpoints instead.
    """
    study.check()
    _check_domains(study)
    data = data_digest(study.request)
    with lock(study.out):
        _check_same(study, data)
        write_json(study.out / "study.json", _described(study, data))
        cells = cells_of(study)
        if ray is not None:
            from reskin.workflows.study.ray_cells import complete_on_ray

            complete_on_ray(cells, study, data, ray, report=report)
        else:
            _complete_all(cells, study, data, report)
        return write_study_report(study.out)


def _complete_all(cells: Sequence[Cell], study: Study, data: str, report: Report) -> None:
    for number, cell in enumerate(cells):
        report(number, len(cells), "cells")
        if complete(cell, study, data):
            _log.info("%s, seed %d: done", cell.row.label, cell.seed)
    report(len(cells), len(cells), "cells")


def _check_domains(study: Study) -> None:
    """Refuse one set of pictures as both domains, but for methods that find pairs side by side in it.

    Raises:
        DataError: both come down to the same pictures.
    """
    if all(find_trained(row.method).pairing == "paired" for row in study.rows):
        return
    of_a, of_b = (training_images(study.request.a, "a"), training_images(study.request.b, "b"))
    check_domains_differ(study.request.a, study.request.b, of_a, of_b)


def _check_same(study: Study, data: str) -> None:
    """Refuse a folder with a study of other data: its rows could not stand beside these.

    Raises:
        RunError: it holds one.
    """
    path = study.out / "study.json"
    if not path.is_file():
        return
    try:
        before = read_json(path)
    except SettingsError as error:
        raise RunError(error.what, "Choose another --out.") from None
    # Where it says nothing of them the study is of an earlier version, and only its paths can be compared.
    is_same = before["images"] == data if "images" in before else _has_paths(before, study)
    if not is_same:
        raise RunError(
            f"{study.out} holds a study of other images ({before.get('a')} and {before.get('b')})",
            "Choose another --out for these, or put the images back as they were.",
        )


def _has_paths(before: Mapping[str, Any], study: Study) -> bool:
    paths = {"a": str(study.request.a), "b": str(study.request.b)}
    return all(before.get(domain, path) == path for domain, path in paths.items())


def _described(study: Study, data: str) -> dict[str, Any]:
    request = study.request
    return {
        "reskin": __version__,
        "images": data,
        "a": str(request.a),
        "b": str(request.b),
        "seeds": study.seeds,
        "length": dict(study.length),
        "metrics": request.chosen(),
        "common": {name: str(value) for name, value in study.common.items()},
        "rows": [
            {
                "label": row.label,
                "method": row.method,
                "preset": row.preset,
                "folder": row.folder,
                "settings": {name: str(value) for name, value in row.settings.items()},
            }
            for row in study.rows
        ],
    }
