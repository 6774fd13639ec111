"""The search: trials are asked for, handed out, and told in the order of their numbers.

Trial *i* + ``in_flight`` is asked for once trial *i* was told, and not before. So what Optuna knows when it draws a
trial does not depend on how many workers there are, how fast they are, or whether the search was stopped on the way.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import optuna
from optuna.trial import FrozenTrial, TrialState

from workbench.assistants import knobs_of
from workbench.config import Config
from workbench.errors import WorkbenchError
from workbench.execution import Here, JobPool
from workbench.metrics import SessionScores
from workbench.tuning.interrupts import Patience
from workbench.tuning.objective import Outcome, Refused, Scorer, at_fidelity, evaluate, pooled, score_session
from workbench.tuning.spec import StudySpec
from workbench.tuning.study import best, create, finished, outcome_of

Told = Callable[[int], None]
"""Is given how many trials are finished, after each."""


@dataclass
class _Handed:
    """A trial and the jobs that it waits for: one, or with ``--prune`` one for each session."""

    trial: optuna.Trial
    key: str = ""
    refused: str = ""
    outcome: Future[Outcome] | None = None
    scores: list[Future[SessionScores]] = field(default_factory=list)


class Objective:
    """Outcomes of settings on the sessions that a search sees; settings that act alike are replayed once.

    Args:
        spec: the study.
        scorer: scores in this process.
        sessions: names of those the search sees.
        pool: scores the trials; this process by default.
        exact: whether the STT itself is asked, or its stand-in; by default as the study wants it.
    """

    def __init__(
        self,
        spec: StudySpec,
        scorer: Scorer,
        sessions: tuple[str, ...],
        pool: JobPool | None = None,
        exact: bool | None = None,
    ) -> None:
        self._exact = spec.exact if exact is None else exact
        self._spec = spec
        self._goal = spec.goal
        self._scorer = at_fidelity(scorer, self._exact)
        self._sessions = sorted(sessions)
        self._pool = pool or Here(scorer)
        self._known: dict[str, Outcome] = {}
        self._asked: dict[str, Future[Outcome]] = {}

    def on(self, sessions: tuple[str, ...]) -> "Objective":
        """The same on other sessions."""
        return Objective(self._spec, self._scorer, sessions, self._pool, self._exact)

    def judge(self, config: Config) -> Outcome:
        """Replay and score a config in this process."""
        key = knobs_of(config).key
        if key not in self._known:
            self._known[key] = self._goal.outcome([self._scorer.score(config, name) for name in self._sessions])
        return self._known[key]

    def learn(self, trial: FrozenTrial) -> None:
        """Take over what a finished trial found."""
        if (found := outcome_of(trial)) and trial.user_attrs["scored"]["key"]:
            self._known.setdefault(trial.user_attrs["scored"]["key"], found)

    def hand_out(self, trial: optuna.Trial) -> _Handed:
        """Draw a trial's setting, and submit what it needs."""
        params = self._spec.space.suggest(trial)
        try:
            config = self._spec.space.config(self._spec.config, params)
        except WorkbenchError as error:
            return _Handed(trial, refused=str(error))
        handed = _Handed(trial, knobs_of(config).key)
        if self._spec.prune:
            # A known setting reports its sessions too: it may be the best, which others are compared with.
            handed.scores = [self._pool.submit(score_session, name, config, self._exact) for name in self._sessions]
        elif handed.key not in self._known:
            if handed.key not in self._asked:
                job = self._pool.submit(evaluate, self._goal, self._sessions, config, self._exact)
                self._asked[handed.key] = job
            handed.outcome = self._asked[handed.key]
        return handed

    def wait(self, handed: _Handed, patience: Patience) -> Outcome:
        """Outcome of a trial that was handed out.

        Raises:
            optuna.TrialPruned: its sessions say that it is hopeless.
            WorkbenchError: it cannot be worked out, here or elsewhere.
        """
        try:
            if handed.refused:
                raise Refused(handed.refused)
            if self._spec.prune:
                return self._by_session(handed, patience)
            if handed.outcome is not None:
                with patience.stoppable():
                    self._known[handed.key] = handed.outcome.result()
                self._asked.pop(handed.key, None)
            return self._known[handed.key]
        except Refused as error:
            handed.trial.set_user_attr("refused", str(error))
            handed.key = ""
            return self._goal.refused()

    def _by_session(self, handed: _Handed, patience: Patience) -> Outcome:
        trial, pairing = handed.trial, True
        reported = trial.study._storage.get_trial(trial._trial_id).intermediate_values
        scored: list[SessionScores] = []
        for step, job in enumerate(handed.scores):
            with patience.stoppable():
                scored.append(job.result())
            value = pooled(self._spec.objectives, scored[-1:])[self._spec.objectives[0]]
            pairing = pairing and value is not None  # else the sessions cannot be paired from here on
            if not pairing or value is None:
                continue
            if step not in reported:
                trial.report(value, step)
            if trial.should_prune():
                for other in handed.scores[step + 1 :]:
                    other.cancel()
                raise optuna.TrialPruned
        return self._goal.outcome(scored)


def run_trials(study: optuna.Study, spec: StudySpec, objective: Objective, told: Told = lambda _: None) -> None:
    """Run trials until the study has those that it is to have.

    Trials that were running when a search was stopped or killed are taken up again first, under their numbers. One that
    Ctrl-C or an error meets stays running, for the next search.

    Args:
        study: on its storage.
        spec: the study.
        objective: of its settings.
        told: see :data:`Told`.

    Raises:
        WorkbenchError: a trial cannot be worked out.
    """
    trials = study.get_trials(deepcopy=False)
    for trial in trials:
        objective.learn(trial)
    done = len(finished(study))
    asked = sum(trial.state != TrialState.WAITING for trial in trials)
    flight: deque[_Handed] = deque()
    with Patience() as patience:
        for trial in trials:
            if trial.state == TrialState.RUNNING:
                flight.append(objective.hand_out(optuna.Trial(study, trial._trial_id)))
        while True:
            while len(flight) < spec.in_flight and asked < spec.trials and _is_left(study, spec):
                flight.append(objective.hand_out(study.ask()))
                asked += 1
            if not flight:
                return
            _tell(study, objective, flight.popleft(), patience)
            done += 1
            told(done)
            patience.check()


def _is_left(study: optuna.Study, spec: StudySpec) -> bool:
    """Whether there is a trial to ask for: of a grid one of those that are queued."""
    return spec.sampler != "grid" or bool(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _tell(study: optuna.Study, objective: Objective, handed: _Handed, patience: Patience) -> None:
    """Wait for a trial and write down what it found."""
    trial = handed.trial
    try:
        outcome = objective.wait(handed, patience)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
        return
    for name, over in outcome.over.items():
        trial.set_constraint(name, over)
    trial.set_user_attr("scored", {"key": handed.key, "scores": dict(outcome.scores)})
    study.tell(trial, outcome.values)


def search(spec: StudySpec, objective: Objective, told: Told = lambda _: None) -> FrozenTrial:
    """Best trial of a study in memory over the objective's sessions."""
    study = create(spec, optuna.storages.InMemoryStorage())
    run_trials(study, spec, objective, told)
    return best(study, spec.goal)
