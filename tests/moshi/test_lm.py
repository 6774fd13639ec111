"""A language model in process: the real mlx-lm on a tiny model in its own layout, generated here."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import mlx.core as mx
import pytest

from workbench.cache import Store, cache_folder
from workbench.config import load, override
from workbench.errors import WorkbenchError
from workbench.moshi.generate import Recipe
from workbench.moshi.lm import MlxLm, open_mlx_lm
from workbench.simulation.step_costs import MeasuredCosts
from workbench.stacks import make_stack
from workbench.stages.lm import CachedLm, open_lm
from workbench.stages.openai_lm import SYSTEM
from workbench.stages.protocols import ReplyRemark
from workbench.stages.recorded_lm import read_replies

pytest.importorskip("mlx_lm")

TEXT = "You are a voice assistant. Hello, what time is it? It is nine, it is ten past nine, naïve 你好."
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}{% if enable_thinking %} no{% endif %}"
)
HISTORY = ("Hello.", "Hello!", "What time is it?")


def make_model(folder: Path, *, template: str | None = TEMPLATE, seed: int = 9) -> Path:
    """A llama of two layers with a byte-level tokenizer, as ``mlx_lm.convert`` would leave it."""
    from mlx.utils import tree_flatten, tree_map
    from mlx_lm.models.llama import Model, ModelArgs
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    from workbench.moshi.load import PrivateKey

    folder.mkdir()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about | ({"chat_template": template} if template else {})))
    config = {
        "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64,
        "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "vocab_size": tokenizer.get_vocab_size(), "tie_word_embeddings": False, "eos_token_id": 0,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    with PrivateKey(seed).use():
        model = Model(ModelArgs.from_dict(config))
        weights = tree_map(lambda a: mx.random.normal(a.shape) if a.ndim == 2 else a, model.parameters())
        mx.save_safetensors(str(folder / "model.safetensors"), dict(tree_flatten(weights)), {"format": "mlx"})
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("lm") / "tiny")


def pieces_of(stream: Iterator[str]) -> list[str]:
    """The tokens of a reply that may be cut off, as a model's without meaning always is."""
    out = []
    with suppress(ReplyRemark):
        for piece in stream:
            out.append(piece)
    return out


def reference(model: Path, messages: list[dict[str, str]], tokens: int) -> str:
    """What mlx-lm's own ``generate`` says, greedily."""
    from mlx_lm import generate
    from mlx_lm import load as load_model

    lm, tokenizer = load_model(str(model))
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    return generate(lm, tokenizer, prompt, max_tokens=tokens)


def conversation(history, system=SYSTEM):
    return [
        {"role": "system", "content": system},
        *({"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(history)),
    ]


@pytest.mark.parametrize("history", [("Hello.",), HISTORY])
def test_says_what_mlx_lm_says(model, history):
    pieces = pieces_of(MlxLm(f"mlx-lm:{model}", max_tokens=20).reply(history))
    assert len(pieces) > 5
    assert "".join(pieces) == reference(model, conversation(history), 20)


def test_tokens_come_one_by_one_and_leaving_early_is_fine(model):
    lm = MlxLm(f"mlx-lm:{model}", max_tokens=10**9)
    stream = lm.reply(HISTORY)
    assert isinstance(stream, Iterator)
    first = [next(stream) for _ in range(3)]
    stream.close()
    again = lm.reply(HISTORY)
    assert [next(again) for _ in range(3)] == first


def test_drawn_replies_are_seeded_by_the_conversation(model):
    def lm(temp):
        return MlxLm(f"mlx-lm:{model}#temp={temp}", max_tokens=20)

    other = ("no",)
    warm = lm(0.9)
    outside = mx.random.state[0].tolist()
    first, second = pieces_of(warm.reply(HISTORY)), pieces_of(warm.reply(other))
    assert mx.random.state[0].tolist() == outside
    cold = lm(0.9)
    mx.random.seed(17)
    assert pieces_of(cold.reply(other)) == second
    assert pieces_of(cold.reply(HISTORY)) == first
    assert first != pieces_of(lm(0).reply(HISTORY))
    assert warm.fingerprint == cold.fingerprint != lm(0.8).fingerprint


def test_weights_words_and_prompt_are_in_the_fingerprint(model, tmp_path):
    def name(folder, **options):
        return MlxLm(f"mlx-lm:{folder}", **options).fingerprint

    assert name(model) == name(shutil.copytree(model, tmp_path / "same"))
    others = [make_model(tmp_path / "seed", seed=4), make_model(tmp_path / "template", template=TEMPLATE + " ")]
    names = {name(model), *map(name, others), name(model, system="be brief"), name(model, max_tokens=9)}
    assert len(names) == 5


def test_a_replay_asks_once_and_its_tokens_are_timed(model, tmp_path):
    lm, store, timer = MlxLm(f"mlx-lm:{model}", tmp_path / "replies.jsonl", max_tokens=8), Store(None), MeasuredCosts()
    said = CachedLm(lm, store, timer).reply(HISTORY, 0)
    [kept] = read_replies(tmp_path / "replies.jsonl")
    assert (kept.history, kept.tokens) == (HISTORY, said)
    assert kept.remark == "the reply was cut off at 8 tokens"
    stages = timer.profile("").stages
    assert (len(stages["lm_first"]), len(stages["lm_token"])) == (1, len(said) - 1)
    assert min(stages["lm_first"]) > 0
    forgetful = CachedLm(MlxLm(f"mlx-lm:{model}", max_tokens=8), store)
    assert forgetful.reply(HISTORY, 0) == said
    assert "_loaded" not in vars(forgetful._lm), "what the store knows needs no model"
    forgetful._lm.reply(HISTORY)
    assert "_loaded" in vars(forgetful._lm), "loading must not count as the first token"
    assert tuple(pieces_of(open_lm(f"recorded:{tmp_path / 'replies.jsonl'}").reply(HISTORY))) == said


def test_the_stack_opens_it_and_names_its_weights(model, zoo):
    paths = {role: str(zoo.directory(Recipe(role))) for role in ("stt", "tts")}
    config = load(None, {"stack.name": "moshi", "stt_model_path": paths["stt"], "tts_model_path": paths["tts"]})
    stack = make_stack(override(config, {"lm": f"mlx-lm:{model}"}))
    lm = stack.stages(()).lm
    assert isinstance(lm, MlxLm)
    assert {"lm.config.json", "lm.model.safetensors", "lm.tokenizer.json"} <= set(stack.weights)
    next(lm.reply(("Hello.",)))
    pieces_of(open_mlx_lm(f"mlx-lm:{model}").reply(("Hello.",)))
    [path] = (cache_folder() / "replies").iterdir()
    assert len(read_replies(path)) == 1


def test_a_template_without_a_system_prompt_gets_it_before_the_first_words(tmp_path):
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    model = make_model(tmp_path / "strict", template=strict + TEMPLATE)
    said = "".join(pieces_of(MlxLm(f"mlx-lm:{model}", max_tokens=20).reply(HISTORY)))
    merged = (f"{SYSTEM}\n\n{HISTORY[0]}", *HISTORY[1:])
    assert said == reference(model, conversation(merged)[1:], 20)


def refused(work) -> str:
    with pytest.raises(WorkbenchError) as error:
        work()
    assert "\n" not in str(error.value)
    return str(error.value)


def without(model: Path, folder: Path, name: str) -> Path:
    shutil.copytree(model, folder, ignore=lambda *_: [name])
    return folder


def test_what_is_no_model_is_refused_at_once(model, tmp_path, monkeypatch):
    def opened(folder):
        return refused(lambda: MlxLm(f"mlx-lm:{folder}"))

    assert "none: no such directory ([stack] lm)" in opened(tmp_path / "none")
    assert "has no config.json, so it is no model" in opened(tmp_path)
    for name in ("model.safetensors", "tokenizer_config.json"):
        assert f"has no {name.replace('model.', 'model*.')}" in opened(without(model, tmp_path / name, name))
    cut = without(model, tmp_path / "cut", "model.safetensors")
    (cut / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes()[:-5000])
    assert "cut/model.safetensors: truncated, 5000 bytes are missing" in opened(cut)
    odd = without(model, tmp_path / "odd", "config.json")
    (odd / "config.json").write_text('{"dim": 4}')
    assert "names no model_type" in opened(odd)
    for spec in ("mlx-lm:", f"mlx-lm:{model}#temp=", f"mlx-lm:{model}#temp=hot", f"mlx-lm:{model}#temp=-1"):
        assert "must be mlx-lm:DIRECTORY or mlx-lm:DIRECTORY#temp=0.7" in refused(lambda: MlxLm(spec))  # noqa: B023
    monkeypatch.setitem(sys.modules, "mlx_lm", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert opened(model).endswith("takes mlx-lm; in the project's folder: .venv/bin/pip install -e '.[mlx-lm]'")


def test_what_cannot_be_loaded_is_one_line(model, tmp_path, capfd):
    def asked(folder):
        return refused(lambda: list(MlxLm(f"mlx-lm:{folder}").reply(HISTORY)))

    config = json.loads((model / "config.json").read_text())
    for name, change, said in (
        ("deep", {"num_hidden_layers": 3}, "deep: mlx-lm cannot load it: Missing"),
        ("new", {"model_type": "llama99"}, "does not know models of type 'llama99'"),
    ):
        other = without(model, tmp_path / name, "config.json")
        (other / "config.json").write_text(json.dumps(config | change))
        assert said in asked(other)
    assert "has no chat template" in asked(make_model(tmp_path / "base", template=None))
    never = "{{ raise_exception('roles must alternate') }}"
    assert "refuses a conversation: roles must alternate" in asked(make_model(tmp_path / "never", template=never))
    assert capfd.readouterr().err == ""
