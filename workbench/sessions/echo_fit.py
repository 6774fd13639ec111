"""Least-squares fit of an echo's impulse response to stretches in which only the agent speaks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.arrays import Floats
from workbench.units import SAMPLE_RATE

BLOCK = SAMPLE_RATE // 50
"""20 ms: where levels are looked at."""
LEAST_SAMPLES = SAMPLE_RATE
"""Less than this, 1 s, is no stretch to fit."""
_DOUBLE_TALK = 10.0
"""Without labels, a block whose residual has this many times the median's power holds somebody else."""


@dataclass(frozen=True)
class AgentOnly:
    """Agent and microphone where only the agent speaks, one stretch behind the other.

    Attributes:
        agent: each stretch with the samples before it that its first echo comes from.
        mic: as long; zero where ``counts`` is not set.
        counts: samples that are fitted.
        half: 0 or 1: to which half of the recording a sample belongs.
    """

    agent: Floats
    mic: Floats
    counts: npt.NDArray[np.bool_]
    half: npt.NDArray[np.int8]


class Convolver:
    """The agent's stretches as the matrix that a response is multiplied by, in blocks of one length (overlap-save)."""

    def __init__(self, agent: Floats, taps: int) -> None:
        self._samples, self._taps, self._size = len(agent), taps, 1 << (4 * taps - 1).bit_length()
        self._hop = self._size - taps + 1
        self._count = -(-len(agent) // self._hop)
        padded = np.pad(agent, (taps - 1, self._count * self._hop - len(agent)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, self._size)[:: self._hop]
        self._spectra = np.fft.rfft(windows, axis=1)

    def echo(self, response: Floats) -> Floats:
        """What the microphone hears of the agent through a response."""
        blocks = np.fft.irfft(self._spectra * np.fft.rfft(response, self._size), self._size, axis=1)
        return blocks[:, self._taps - 1 :].reshape(-1)[: self._samples]

    def correlated(self, wave: Floats) -> Floats:
        """The transposed product: correlation of a wave with the agent at each tap."""
        blocks = np.pad(wave, (0, self._count * self._hop - self._samples)).reshape(-1, self._hop)
        spectra = np.fft.rfft(np.pad(blocks, ((0, 0), (self._taps - 1, 0))), axis=1)
        return np.fft.irfft(np.sum(spectra * np.conj(self._spectra), axis=0), self._size)[: self._taps]


def toeplitz_inverse(column: Floats) -> Callable[[Floats], Floats]:
    """Multiply by the inverse of a symmetric Toeplitz matrix, given its first column, in n log n each time.

    The inverse's first column makes the whole of it (Gohberg & Semencul 1972): two products of triangular Toeplitz
    matrices, which are convolutions.
    """
    from scipy.linalg import solve_toeplitz

    taps = len(column)
    size = 1 << (2 * taps - 1).bit_length()
    first = solve_toeplitz(column, np.eye(1, taps)[0])
    spectra = np.fft.rfft([first, np.append(0.0, first[:0:-1])], size, axis=1)

    def product(wave: Floats) -> Floats:
        upper = np.fft.irfft(np.conj(spectra) * np.fft.rfft(wave, size), size, axis=1)[:, :taps]
        lower = np.fft.irfft(spectra * np.fft.rfft(upper, size, axis=1), size, axis=1)[:, :taps]
        both: Floats = (lower[0] - lower[1]) / first[0]
        return both

    return product


def fit_response(found: AgentOnly, rows: npt.NDArray[np.bool_], agent: Convolver) -> Floats:
    """Least-squares response on some of the samples, by conjugate gradients on the normal equations.

    The agent's autocorrelation, which is what the normal equations are but for the edges of stretches, preconditions
    them, so that a few steps do.
    """
    from scipy.sparse.linalg import LinearOperator, cg

    auto = agent.correlated(found.agent) * rows.sum() / found.counts.sum()
    wanted = agent.correlated(np.where(rows, found.mic, 0.0))
    taps = len(wanted)
    response, prior = np.zeros(taps), auto[0] * 1e-4
    for _ in range(2):

        def normal(h: Floats, prior: float = prior) -> Floats:
            return agent.correlated(rows * agent.echo(h)) + prior * h

        nearly = toeplitz_inverse(auto + prior * (np.arange(taps) == 0))
        matrix, inverse = (LinearOperator((taps, taps), matvec=function) for function in (normal, nearly))
        response = cg(matrix, wanted, x0=response, rtol=1e-4, maxiter=20, M=inverse)[0]
        noise = float(np.mean(np.square(found.mic - agent.echo(response))[rows]))
        prior = max(auto[0] * 1e-9, noise * taps / max(float(np.sum(response**2)), 1e-20))
    return response


def without_others(found: AgentOnly, agent: Convolver) -> AgentOnly:
    """Without the blocks that the agent's echo does not explain: somebody speaks there, or a door falls shut."""
    for _ in range(2):
        left = np.square(found.mic - agent.echo(fit_response(found, found.counts, agent)))
        whole = len(left) // BLOCK * BLOCK
        counted = found.counts[:whole].reshape(-1, BLOCK).all(axis=1)
        power = left[:whole].reshape(-1, BLOCK).mean(axis=1)
        loud = power > _DOUBLE_TALK * np.median(power[counted]) if counted.any() else np.zeros(len(power), dtype=bool)
        loud = np.convolve(loud, np.ones(11), "same") > 0
        keep = np.concatenate([np.repeat(~loud, BLOCK), np.ones(len(left) - whole, dtype=bool)]) & found.counts
        if min(np.sum(keep & (found.half == half)) for half in (0, 1)) < LEAST_SAMPLES // 2:
            return found
        found = AgentOnly(found.agent, found.mic, keep, found.half)
    return found
