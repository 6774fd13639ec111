"""The sentencepiece model shared by STT and TTS: one piece per word of the vocabulary, and the letters."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

from training.vocabulary import WORDS

NEW_WORD, PAD = 0, 3


def build(path: Path) -> None:
    """Write the tokenizer to `path`: id 0 unknown (new word), 1 and 2 turns, 3 padding, then the words."""

    # Capitals become small letters and punctuation goes, so that replies may be written as prose.
    rules = [f"{ord(letter.upper()):X}\t{ord(letter):X}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    rules += [f"{ord(mark):X}\t" for mark in ".,;:!?"]
    model = io.BytesIO()
    # The model records the name of the rules' file: a relative one keeps two builds the same.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("rules.tsv").write_text("\n".join(rules) + "\n")
        _train(model, "rules.tsv")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.getvalue())


def _train(model: io.BytesIO, rules: str) -> None:
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS), "abcdefghijklmnopqrstuvwxyz"]),
        model_writer=model,
        model_type="char",
        vocab_size=4 + len(WORDS) + 27,
        user_defined_symbols=["▁" + word for word in WORDS],
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=3,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        normalization_rule_tsv=rules,
    )


def word_ids(path: Path) -> dict[str, int]:
    """The one piece of every word."""
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(path))
    ids = {word: pieces.encode(word) for word in WORDS}
    assert all(len(found) == 1 for found in ids.values()), "every word must be one piece"
    return {word: found[0] for word, found in ids.items()}


def size(path: Path) -> int:
    """How many pieces the tokenizer has."""
    import sentencepiece

    return int(sentencepiece.SentencePieceProcessor(model_file=str(path)).vocab_size())
