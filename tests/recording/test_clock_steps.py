"""Setting the clock is taken out of time stamps that are of the time of day, and out of no others."""

from workbench.recording.clock_steps import ClockSteps

DAY = 1_795_367_000.0


class Clocks:
    """A time of day and a steady clock that pass together, but for what is set."""

    def __init__(self) -> None:
        self.steady, self.set, self.waits = 500.0, 0.0, 0.0

    def day(self) -> float:
        return DAY + self.steady + self.set

    def uptime(self) -> float:
        self.steady += self.waits
        return self.steady


def test_a_clock_that_is_set_and_set_back() -> None:
    clocks = Clocks()
    steps = ClockSteps(clocks.day, clocks.uptime)
    for told, step in enumerate((0.0, 5.0, 4.0, -3600.0, 86_400.0, 0.0)):
        clocks.steady += 1
        clocks.set = step
        now = clocks.day()
        assert abs(steps.taken_out(now - 0.25, now) - (DAY + 500 + told + 0.75)) < 1e-6


def test_stamps_of_another_clock_are_left_alone() -> None:
    clocks = Clocks()
    steps = ClockSteps(clocks.day, clocks.uptime)
    clocks.set = 5.0
    assert steps.taken_out(12.5, 12.75) == 12.5


def test_being_kept_waiting_between_two_clocks_is_no_step() -> None:
    clocks = Clocks()
    steps = ClockSteps(clocks.day, clocks.uptime)
    clocks.waits = 0.3
    for _ in range(5):
        now = clocks.day()
        assert steps.taken_out(now, now) == now


def test_the_real_clocks_have_not_been_set_meanwhile() -> None:
    import time

    steps = ClockSteps()
    for _ in range(100):
        now = time.time()
        assert abs(steps.taken_out(now, now) - now) < 1e-6
