"""Options between loudspeaker and listener: echo path, canceller and filter."""

from dataclasses import dataclass

from workbench.config_sections import ECHO_PRESETS, EchoConfig
from workbench.units import ms_to_samples


@dataclass(frozen=True)
class EchoKnobs:
    """Echo path: that of the session, or (delay in samples, linear gain) of each tap, or a preset; else none.

    Attributes:
        clip: level, linear full scale, towards which the loudspeaker saturates; 0: it does not.
    """

    of_session: bool
    taps: tuple[tuple[int, float], ...]
    preset: str = ""
    clip: float = 0.0


@dataclass(frozen=True)
class FilterKnobs:
    """What stands between microphone and listener; false where nothing does.

    Attributes:
        canceller: name of an echo canceller, see :mod:`workbench.simulation.filters`.
        filter: name of a filter behind it.
        ratio_db: level over what is played from which the canceller ``ratio`` lets a frame pass.
    """

    canceller: str = "none"
    filter: str = "none"
    ratio_db: float = 0.0

    def __bool__(self) -> bool:
        return (self.canceller, self.filter) != ("none", "none")


def resolve_echo(echo: EchoConfig) -> EchoKnobs:
    """The echo path that a config names."""
    taps = ((ms_to_samples(echo.echo_delay_ms), 10 ** (echo.echo_gain_db / 20)),)
    return EchoKnobs(
        of_session=echo.path == "session",
        taps=taps if echo.path == "config" else (),
        preset=echo.path if echo.path in ECHO_PRESETS and echo.path != "headset" else "",
        clip=10 ** (echo.echo_clip_dbfs / 20) if echo.echo_clip_dbfs and echo.path not in ("off", "headset") else 0.0,
    )


def resolve_filters(echo: EchoConfig) -> FilterKnobs:
    """What a config puts in front of the listener."""
    ratio_db = echo.echo_ratio_db if echo.canceller == "ratio" else 0.0
    return FilterKnobs(echo.canceller, echo.filter, ratio_db)
