"""Recommendation for a run by the studies in ``studies/`` that saw its sessions under its settings."""

from collections.abc import Iterator
from pathlib import Path

from workbench.config import to_dict
from workbench.errors import WorkbenchError
from workbench.files import read_json
from workbench.reports.material import Material
from workbench.tuning.spec import STUDIES, StudySpec, read_spec


def study_advice(data: Material, studies: Path = STUDIES) -> Iterator[str]:
    """What each study recommends for the settings of a run, with what it buys and costs; by name of the study.

    Args:
        data: the run.
        studies: folder of studies; one that cannot be read is left out.
    """
    for path in sorted(studies.glob("*/result.json")):
        try:
            spec, answer = read_spec(path.parent), read_json(path)["answer"]
            title, sentence = str(answer["title"]), str(answer["sentence"])
        except (WorkbenchError, KeyError, TypeError):
            continue
        if _same(spec, data):
            changes = ", ".join(f"{row['name']} {row['was']} → {row['now']}" for row in answer["changes"])
            words = f"{title}{f': {changes}' if changes else ''}. {sentence}".replace("`", "")
            yield f"Study {spec.name}: {words} Its page: {path.parent / 'index.html'}"


def _same(spec: StudySpec, data: Material) -> bool:
    """Whether a study began with the settings of a run (where step costs are kept may differ), on its recordings."""
    ours, theirs = to_dict(data.run.config), to_dict(spec.config)
    ours.pop("step_costs"), theirs.pop("step_costs")
    heard = {(ref.name, ref.mic) for ref in spec.sessions}
    return ours == theirs and heard == {(item["name"], item["mic"]) for item in data.manifest["sessions"]}
