from __future__ import annotations

import pytest
from tokenizers.processors import TemplateProcessing

from quintet.data import Prompt
from quintet.models.load import tokenizer_for
from quintet.models.text import encode_answer, encode_prompt, tokens_until
from tests.tiny import END, token, tokenizer, tokens

HELLO = ({"role": "system", "content": "abc"}, {"role": "user", "content": "de"})


def test_plain_text_is_encoded_as_it_is():
    assert encode_prompt(tokenizer(), Prompt("p", text="ab?\n")) == tokens("ab?\n")


def test_messages_go_through_the_chat_template_up_to_the_answers_beginning():
    assert encode_prompt(tokenizer(chat=True), Prompt("p", messages=HELLO)) == tokens("abc!de!?")


def test_text_of_a_chat_model_stays_plain():
    assert encode_prompt(tokenizer(chat=True), Prompt("p", text="ab")) == tokens("ab")


def test_messages_without_a_template_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"Prompt p-7 .* no chat template\. Use plain text"):
        encode_prompt(tokenizer(), Prompt("p-7", messages=HELLO))


@pytest.mark.parametrize("prompt", [Prompt("p-7", text=""), Prompt("p-7")])
def test_prompt_without_a_token_is_refused_in_a_sentence(prompt):
    with pytest.raises(ValueError, match=r"Prompt p-7 is empty.* Give it a text"):
        encode_prompt(tokenizer(), prompt)


def test_demonstrated_answer_ends_with_the_end_of_text():
    assert encode_answer(tokenizer(), "ab") == [*tokens("ab"), token(END)]
    assert encode_answer(tokenizer(), "") == [token(END)]


def test_tokenizers_beginning_goes_before_the_prompt_and_not_into_the_answer():
    made = tokenizer()
    made.backend_tokenizer.post_processor = TemplateProcessing(single="! $A", special_tokens=[("!", token("!"))])
    assert encode_prompt(made, Prompt("p", text="ab")) == tokens("!ab")
    assert encode_answer(made, "ab") == [*tokens("ab"), token(END)]


class Words:
    """A task whose tokenizer has tokens of several characters, and bytes."""

    name = "words"

    def pieces(self) -> list[str]:
        return ["ab", "cde", "=", "f"]


@pytest.mark.parametrize(("characters", "needed"), [(0, 0), (1, 1), (2, 1), (3, 2), (4, 3), (5, 3), (6, 3), (7, 4), (8, 4)])
def test_token_that_writes_a_character_is_the_one_it_is_in(characters: int, needed: int):
    """ab · = · cde · f, and the end of text, which writes nothing."""
    made = tokenizer_for(Words())
    assert tokens_until(made, encode_answer(made, "ab=cdef"), characters) == (needed if characters < 8 else 5)


def test_character_of_several_tokens_is_written_by_the_last_of_them():
    """The first piece of `é`, a byte, is shown as one character too: what counts is that what follows stays in its place."""
    made = tokenizer_for(Words())
    answer = encode_answer(made, "é=f")
    assert len(answer) == 5
    assert (tokens_until(made, answer, 2), tokens_until(made, answer, 3)) == (3, 4)


def test_special_tokens_write_nothing():
    assert tokens_until(tokenizer(), [token("?"), token(END), token("a")], 2) == 3
