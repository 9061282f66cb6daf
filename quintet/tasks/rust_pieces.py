"""The pieces that generated exercises and their answers are made of: one token each for a small model trained from nothing.

An answer is half frame. With the frame in a few tokens, a word in one and a number in one, it is two thirds as long as with a
byte-level BPE of the same texts, and every name is spelled the same way in prompt, signature, tests and comment.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

FRAME = (
    "Write a function `", "` that ", ".\nfn ", "```rust\n// ",
    "\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn test_", "() {\n        assert_eq!(",
    "() {\n        assert!(", ");\n        assert_eq!(", ");\n        assert!(", ");\n    }\n}\n```", " {\n    ",
    " {\n        ", " {\n            ", "\n}", "\n    }", "\n    }\n    ", "\n        }", "\n    ", "\n        ",
    "\n            ", " -> ", ", ", ", -", ": ", "&[", "vec![", "(&[", "[-", "(-", "]), ", "), ", ".iter().",
    ".chars().", "().", ": &[i32]) -> ", ": &str) -> ", ": i32) -> ", ": u32) -> ", "i32", "u32", "u64",
)  # fmt: skip
SEEN = 4
"""How often a word must occur to be a piece; rarer ones are spelled in bytes."""
_WORD = re.compile(r"[A-Za-z]+|\d\d?|[^\w\s]{1,4}")


def pieces(texts: Iterable[str]) -> list[str]:
    """The frame, and the words, numbers and runs of signs that those texts have more than a few times, words also with the
    space before them. The same texts give the same pieces in the same order."""
    seen = Counter(word for text in texts for word in _WORD.findall(text))
    words = sorted(word for word, times in seen.items() if times >= SEEN)
    spaced = [f" {word}" for word in words if word.isalpha() or not word[0].isdigit()]
    return list(dict.fromkeys([*FRAME, *words, *spaced]))
