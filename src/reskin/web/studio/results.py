"""Where one looks at what a job has made."""

from __future__ import annotations

from collections.abc import Mapping

from reskin.web.studio.jobs import Job


def links(job: Job, sets: Mapping[str, str], clips: Mapping[str, str]) -> list[dict[str, str]]:
    """Addresses of datasets that a job made or changed, and of films and pages that it made.

    Args:
        job: whose results are looked for; one that has not ended well has none.
        sets: names of datasets to their ids.
        clips: names of films to their ids.

    Returns:
        for each its address and name; the name "" is that of a film beside the one it was made of.
    """
    if job.state not in ("done", "partly") or job.kind == "train":
        return []
    made, words = job.results, [word.removeprefix("./") for word in job.words]
    found = [{"at": f"/data/{sets[name]}", "name": name} for name in dict.fromkeys(words) if name in sets]
    for number, name in enumerate(made):
        if name in clips:
            sources = [clips[word] for word in words if word in clips and word not in made]
            found += [
                {"at": f"/compare?show={source}&show={clips[name]}", "name": ""} for source in sources[:1]
            ]
            found.append({"at": f"/media/clips/{clips[name]}", "name": name})
        elif name.endswith(".html") and job.kind == "inspect":
            found.append({"at": f"/media/jobs/{job.id}/{number}", "name": name})
    return found
