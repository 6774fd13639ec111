"""A sentencepiece model without training: the protobuf written by hand, any vocabulary size, fixed bytes.

Generated checkpoints need a text tokenizer of exactly ``text_card`` pieces with Kyutai's special ids (0 also
serves as "a word begins", 3 is padding). The messages are sentencepiece's ``ModelProto``, ``TrainerSpec`` and
``NormalizerSpec`` (sentencepiece_model.proto).
"""

from collections.abc import Iterator
from itertools import count, product

_UNKNOWN, _CONTROL, _NORMAL, _UNIGRAM = 2, 3, 1, 1


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*out, n])


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value & (1 << 64) - 1)


def _float(field: int, value: float) -> bytes:
    import struct

    return _varint(field << 3 | 5) + struct.pack("<f", value)


def syllables() -> Iterator[str]:
    """Pieces that read like words: ``▁ba ba ▁be be …``, then two syllables, without end or repeats."""
    plain = [c + v for c, v in product("bdfghjklmnprstvwz", "aeiou")]
    for n in count(1):
        for parts in product(plain, repeat=n):
            yield "▁" + "".join(parts)
            yield "".join(parts)


def pieces(vocabulary: int) -> list[str]:
    """Four special pieces, the word border, printable ASCII, then syllables: ``vocabulary`` in all."""
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    characters = ["▁", *(chr(i) for i in range(33, 127))]
    words = syllables()
    rest = vocabulary - len(special) - len(characters)
    if rest < 0:
        raise ValueError(f"a vocabulary needs at least {len(special) + len(characters)} pieces")
    return special + characters + [next(words) for _ in range(rest)]


def model(vocabulary: int) -> bytes:
    """Bytes of a unigram model with :func:`pieces`, longer ones first by score."""
    out = b""
    for i, piece in enumerate(pieces(vocabulary)):
        kind = _UNKNOWN if i == 0 else _CONTROL if i < 4 else _NORMAL
        # One long piece must score above any chain of shorter ones that spells it.
        score = 0.0 if i < 4 else -10.0 - 0.001 * i if len(piece.strip("▁")) > 1 else -20.0
        out += _bytes(1, _bytes(1, piece.encode()) + _float(2, score) + _int(3, kind))
    trainer = _int(3, _UNIGRAM) + _int(4, vocabulary) + _int(40, 0) + _int(41, 1) + _int(42, 2) + _int(43, 3)
    normalizer = _bytes(1, b"identity") + _int(3, 1) + _int(4, 1) + _int(5, 1)
    return out + _bytes(2, trainer) + _bytes(3, normalizer)
