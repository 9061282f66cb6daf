from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from quintet.data import Prompt, Sampling
from quintet.models.load import PRESETS, Policy, from_nothing, load, tokenizer_for
from tests.tiny import policy, sampler, tokens, weights_of


class Pieces:
    """A task that names the pieces of its texts."""

    name = "pieces"

    def __init__(self, *pieces: str) -> None:
        self._pieces = list(pieces)

    def pieces(self) -> list[str]:
        return self._pieces


class Texts:
    """A task that gives examples of its texts."""

    name = "texts"

    def texts(self) -> list[str]:
        return ["the cat sat on the mat\n", "the hat and the cat, again and again"] * 20


class Neither:
    name = "neither"


MAZE = tokenizer_for(Pieces("Step ", "<up>", "\n", "\n\n", " 1", "12", ": Go "))
BPE = tokenizer_for(Texts())
any_text = st.text(st.characters(exclude_categories=["Cs"]))


# ---- tokenizers ------------------------------------------------------------------------------------------------------------


@given(any_text, st.sampled_from([MAZE, BPE]))
def test_every_text_decodes_to_itself(text: str, tokenizer: PreTrainedTokenizerBase):
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.lists(st.sampled_from(["Step ", "<up>", "\n\n", " 1", ": Go ", "x", " ", "é"]), max_size=12).map("".join))
def test_texts_made_of_pieces_decode_to_themselves(text: str):
    assert MAZE.decode(MAZE.encode(text), skip_special_tokens=True) == text


@pytest.mark.parametrize("piece", ["Step ", "<up>", "\n", "\n\n", " 1", "12", ": Go "])
def test_each_piece_is_one_token(piece):
    assert len(MAZE.encode(piece)) == 1
    assert len(MAZE.encode(f"x{piece}y")) == 3
    assert MAZE.decode(MAZE.encode(piece), skip_special_tokens=True) == piece


@pytest.mark.parametrize("piece", ["é", "×", "÷", "ñandú", "°", "Ġ", "→", "π", "日本", "🙂"])
def test_piece_of_any_script_is_one_token_and_decodes_to_itself(piece):
    """Latin-1 letters are the awkward ones: a byte-level alphabet uses them as names of bytes."""
    made = tokenizer_for(Pieces("go", piece))
    assert len(made.encode(piece)) == 1
    assert made.decode(made.encode(f"go {piece} go")) == f"go {piece} go"


def test_longest_piece_wins():
    assert MAZE.convert_ids_to_tokens(MAZE.encode("\n\n\n")) == ["\n\n", "\n"]


def test_vocabulary_of_pieces_is_256_bytes_the_pieces_and_two_specials():
    assert len(MAZE) == 256 + 7 + 2
    assert (MAZE.eos_token, MAZE.pad_token) == ("<|end|>", "<|pad|>")
    assert MAZE.eos_token_id != MAZE.pad_token_id


def test_texts_make_a_bpe_whose_frequent_words_are_one_token():
    assert len(BPE.encode("the cat")) <= 3
    assert len(BPE.encode("qxz")) == 3


def test_task_without_pieces_or_texts_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"The task neither names neither .* --model FOLDER"):
        tokenizer_for(Neither())


# ---- presets ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "millions"), [("1m", 1), ("5m", 5), ("50m", 50)])
def test_presets_have_about_the_parameters_they_say(size, millions):
    with torch.device("meta"):
        made = from_nothing(size, MAZE, 0)
    assert 0.8 < sum(p.numel() for p in made.model.parameters()) / (millions * 1e6) < 1.4


def test_every_preset_is_named_after_its_size():
    assert list(PRESETS) == ["1m", "5m", "50m"]


def test_same_seed_same_weights():
    first, again, other = (weights_of(load("preset:1m", Pieces("a"), seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_preset_has_float32_weights_and_no_dropout():
    made = from_nothing("1m", MAZE, 0)
    assert {p.dtype for p in made.model.parameters()} == {torch.float32}
    made.model.train()
    row = torch.tensor([[1, 2, 3]])
    assert torch.equal(made.model(input_ids=row).logits, made.model(input_ids=row).logits)


def test_unknown_preset_names_those_there_are():
    with pytest.raises(ValueError, match=r"no preset '7b'; there are 1m, 5m, 50m"):
        load("preset:7b", Pieces("a"))


# ---- folders ---------------------------------------------------------------------------------------------------------------

GREEDY = Sampling(temperature=0, max_new_tokens=8)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Policy, Path]:
    made = from_nothing("1m", tokenizer_for(Pieces("go", " up", "\n")), 1)
    folder = tmp_path_factory.mktemp("model")
    made.save(folder)
    return made, folder


def test_transformers_reads_a_saved_model_and_writes_the_same_text(saved):
    made, folder = saved
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for text in ("go up\n", "x", "go go π"):
        ids = tokenizer(text, return_tensors="pt")
        theirs = model.generate(**ids, do_sample=False, max_new_tokens=8)[0]  # type: ignore[operator, misc]
        (ours,) = sampler(made).generate([Prompt("p", text=text)], 1, GREEDY, seed=0)
        assert ours.tokens == theirs.tolist()
        assert ours.text == tokenizer.decode(theirs[ids["input_ids"].shape[1] :], skip_special_tokens=True)


def test_saved_model_comes_back_bit_for_bit(saved):
    made, folder = saved
    back = load(str(folder), None)
    assert torch.equal(weights_of(back), weights_of(made))
    assert back.ends == made.ends == (made.tokenizer.eos_token_id,)
    assert back.tokenizer.encode("go up\nπ") == made.tokenizer.encode("go up\nπ")
    assert back.tokenizer.pad_token_id == made.tokenizer.pad_token_id
    assert (folder / "model.safetensors").is_file()


def test_model_saved_in_half_precision_is_trained_in_float32(tmp_path):
    half = policy()
    half.model.to(torch.bfloat16)  # type: ignore[arg-type]
    half.save(tmp_path)
    assert {p.dtype for p in load(str(tmp_path), None).model.parameters()} == {torch.float32}


def test_several_ends_survive_saving(tmp_path):
    made = policy()
    assert made.model.generation_config is not None
    made.model.generation_config.eos_token_id = [1, 5]
    made.save(tmp_path)
    assert load(str(tmp_path), None).ends == (1, 5)


def test_tokenizer_without_padding_pads_with_its_end(tmp_path):
    made = policy()
    made.tokenizer.pad_token = None
    made.save(tmp_path)
    assert load(str(tmp_path), None).tokenizer.pad_token_id == 1


def broken(tmp_path: Path, how: str) -> str:
    folder = tmp_path / "model"
    if how != "nowhere":
        policy().save(folder)
    if how == "no weights":
        (folder / "model.safetensors").unlink()
    if how == "half the weights":
        whole = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    if how == "no tokenizer":
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (folder / name).unlink()
    if how == "no json":
        (folder / "config.json").write_text("{")
    if how == "unknown architecture":
        (folder / "config.json").write_text(json.dumps({"model_type": "quintessence"}))
    if how == "no language model":
        (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    return str(folder)


@pytest.mark.parametrize(
    "how",
    [
        "nowhere",
        "no weights",
        "half the weights",
        "no tokenizer",
        "no json",
        "unknown architecture",
        "no language model",
    ],
)
def test_what_cannot_be_loaded_is_named_in_a_sentence(how, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    name = broken(tmp_path, how)
    with pytest.raises(
        ValueError, match=r"(?s)^No causal language model could be loaded from .* Give a transformers folder"
    ) as error:
        load(name, None)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_tiny_tokenizer_is_one_token_a_character():
    assert policy().tokenizer.encode("ab?\n") == tokens("ab?\n")
