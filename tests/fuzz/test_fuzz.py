"""Broken files of every format and command lines that make no sense: one line or a result, never a traceback.

``pytest -m fuzz -n 0 tests/fuzz`` runs all of it, each case in a process of its own: every target with 40 mutations,
and 500 structured cases; ``FUZZ_SEED=15`` before it draws others. A hundred of them run with the fast tests, in this
process.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from ..command_line import Done
from . import world
from .mutations import broken
from .running import Forks, check, of_target, run_here
from .structured import FAMILIES, Case
from .targets import TARGETS, Target

MUTATIONS = 40
SEED = int(os.environ.get("FUZZ_SEED", "14"))

quiet = settings(
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=False,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world, whole."""
    folder = tmp_path_factory.mktemp("fuzz") / "world"
    folder.mkdir()
    patch = pytest.MonkeyPatch()
    patch.setenv("WORKBENCH_STORE", str(folder / "store"))
    patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    world.build(folder)
    patch.undo()
    return folder


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    running = Forks()
    yield running
    print(f"\n{running.says}")
    running.close()


def test_the_world_is_whole(whole: Path) -> None:
    """Every command of a target does its work as long as nothing is broken."""
    assert len({(target.file, target.command) for target in TARGETS}) == len(TARGETS) >= 34
    assert sum(count for _, count in FAMILIES.values()) == 500
    for target in TARGETS:
        assert (whole / target.file).is_file(), target.file


@pytest.mark.parametrize(
    "done",
    [
        Done(1, "", "Traceback (most recent call last):\n"),
        Done(70, "", ""),
        Done(-11, "", ""),
        Done(2, "", "no\n"),
        Done(0, "\x1b[31mred", ""),
        Done(2, "", "error: a\u202eb\n"),
        Done(0, "a\x9bb", ""),
    ],
)
def test_what_must_not_be_is_found(done: Done, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        check(Case(("x",)), done, tmp_path)


def test_a_control_character_in_a_report_is_found(tmp_path: Path) -> None:
    good = Done(2, "a\n", "note: b\nerror: c\n")
    (tmp_path / "report.md").write_text("whole")
    check(Case(("x",)), good, tmp_path)
    (tmp_path / "report.md").write_text("\x1b[31m")
    with pytest.raises(AssertionError, match="control character"):
        check(Case(("x",)), good, tmp_path)


@st.composite
def any_case(draw: st.DrawFn, whole: Path) -> tuple[Case, Target | None]:
    """A case of any target or family, in the proportion that all of them have."""
    targets, families = len(TARGETS) * MUTATIONS, sum(count for _, count in FAMILIES.values())
    if draw(st.integers(0, targets + families - 1)) < targets:
        target = draw(st.sampled_from(TARGETS))
        return of_target(target, draw(broken(target, (whole / target.file).read_bytes()))), target
    family = draw(st.sampled_from([name for name, (_, count) in FAMILIES.items() for _ in range(count // 10)]))
    return draw(FAMILIES[family][0]()), None


def test_a_hundred_cases_end_in_one_line_or_a_result(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORKBENCH_STORE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(whole))  # each case sets its own

    @seed(SEED)
    @settings(quiet, max_examples=100)
    @given(any_case(whole))
    def run(case: tuple[Case, Target | None]) -> None:
        run_here(whole, *case)

    run()


@pytest.mark.fuzz
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_broken_file_is_one_line_or_a_result(target: Target, whole: Path, forks: Forks) -> None:
    @seed(SEED)
    @settings(quiet, max_examples=MUTATIONS)
    @given(broken(target, (whole / target.file).read_bytes()))
    def run(data: bytes) -> None:
        forks.run(whole, of_target(target, data), target)

    run()


@pytest.mark.fuzz
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_whole_file_is_taken(target: Target, whole: Path, forks: Forks) -> None:
    """Without this a target that always fails would show nothing."""
    done = forks.run(whole, of_target(target, (whole / target.file).read_bytes()), target)
    assert done.returncode in (0, 1), done.stderr


@pytest.mark.fuzz
@pytest.mark.parametrize("family", FAMILIES)
def test_structured_cases_are_one_line_or_a_result(family: str, whole: Path, forks: Forks) -> None:
    cases, count = FAMILIES[family]

    @seed(SEED)
    @settings(quiet, max_examples=count)
    @given(cases())
    def run(case: Case) -> None:
        forks.run(whole, case)

    run()
