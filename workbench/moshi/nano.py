"""The embedded default: a Moshi small enough to ship, in Kyutai's formats, with a closed vocabulary.

It is the stack ``moshi`` on the checkpoints in ``workbench/data/nano``; nothing outside this file knows the difference.
"""

from importlib.resources import files
from pathlib import Path

from workbench.config import Config, override
from workbench.files import read_json
from workbench.moshi.stack import MoshiStack, locate
from workbench.stages.lm import CannedLm
from workbench.stages.protocols import TextLm

_WORD_MARK = "\u2581"
"""SentencePiece's mark of a word's beginning."""


def folder() -> Path:
    """Where the package keeps the checkpoints."""
    return Path(str(files("workbench"))) / "data" / "nano"


class NanoStack(MoshiStack):
    """See :class:`workbench.stages.protocols.Stack`.

    Args:
        config: its ``models`` and voice are nano's own unless given.
        lm: where replies come from; None is nano's own table, which stays inside the vocabulary.
    """

    def __init__(self, config: Config, lm: TextLm | None = None) -> None:
        config = override(config, {"stack.models": config.stack.models or str(folder())})
        super().__init__("nano", config, lm or canned())
        self.vocabulary = vocabulary(config)


def canned() -> CannedLm:
    """The LM's table: what to answer when a pattern is heard."""
    table = read_json(folder() / "replies.json")
    return CannedLm([(entry["pattern"], entry["reply"]) for entry in table])


def vocabulary(config: Config) -> frozenset[str]:
    """All words the STT can write: its tokenizer has a piece for each."""
    from sentencepiece import SentencePieceProcessor

    tokenizer = SentencePieceProcessor(str(locate(config, "stt").tokenizer))
    pieces = (tokenizer.id_to_piece(index) for index in range(tokenizer.get_piece_size()))
    return frozenset(piece[1:] for piece in pieces if piece.startswith(_WORD_MARK) and len(piece) > 1)
