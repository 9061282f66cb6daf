"""Exercises about texts and lists of words."""

from __future__ import annotations

from itertools import groupby, takewhile
from typing import Any

from quintet.tasks.rust_family import LETTERS, Family

SMALL = (2, 3, 4, 5)
VOWELS = "aeiou"


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]


def _shifted(a: str, k: int) -> str:
    return "".join(LETTERS[(LETTERS.index(c) + k) % 26] if c in LETTERS else c for c in a)


def _common_start(a: str, b: str) -> str:
    return "".join(x for x, _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _balanced(a: str) -> bool:
    depth = 0
    for c in a:
        depth += 1 if c == "(" else -1
        if depth < 0:
            return False
    return depth == 0


def _deepest(a: str) -> int:
    return max((a[:i].count("(") - a[:i].count(")") for i in range(len(a) + 1)), default=0)


def _parsed(a: str) -> tuple[str, Any]:
    return ("Ok", int(a)) if a.isdigit() else ("Err", "not a number")


def _at_most(a: str, k: int) -> tuple[str, Any]:
    return ("Ok", a) if len(a) <= k else ("Err", f"longer than {k}")


FAMILIES = [
    Family("num_chars", 1, "returns how many characters the text has", "text", "usize", "$a.chars().count()", len),
    Family("loud", 1, "returns the text in upper case", "text", "String", "$a.to_uppercase()", str.upper),
    Family("quiet", 1, "returns the text in lower case", "text", "String", "$a.to_lowercase()", str.lower),
    Family("backwards", 1, "returns the text's characters in reverse order", "text", "String", "$a.chars().rev().collect()",
           lambda a: a[::-1]),
    Family("first_char", 1, "returns the first character, None for an empty text", "text", "Option<char>", "$a.chars().next()",
           lambda a: a[:1] or None),
    Family("last_char", 1, "returns the last character, None for an empty text", "text", "Option<char>", "$a.chars().last()",
           lambda a: a[-1:] or None),
    Family("count_char", 1, "returns how often the character is in the text", "text char", "usize",
           "$a.chars().filter(|&x| x == $b).count()", lambda a, b: a.count(b)),
    Family("has_char", 1, "tells whether the character is in the text", "text char", "bool", "$a.contains($b)",
           lambda a, b: b in a),
    Family("repeat_$k", 1, "returns the text $k times in a row", "word", "String", "$a.repeat($k)", lambda a, k: a * k, SMALL),
    Family("first_$k_chars", 1, "returns the first $k characters", "text", "String", "$a.chars().take($k).collect()",
           lambda a, k: a[:k], SMALL),
    Family("without_first_$k_chars", 1, "returns the text behind its first $k characters", "text", "String",
           "$a.chars().skip($k).collect()", lambda a, k: a[k:], SMALL),
    Family("every_$kth_char", 1, "returns the first character and every ${k}th after it", "text", "String",
           "$a.chars().step_by($k).collect()", lambda a, k: a[::k], (4, 5, 6)),
    Family("dashed", 1, "returns the text with a dash in place of each space", "text", "String", '$a.replace(\' \', "-")',
           lambda a: a.replace(" ", "-")),
    Family("shout_$k", 1, "returns the text with $k exclamation marks behind it", "word", "String",
           'format!("{}{}", $a, "!".repeat($k))', lambda a, k: a + "!" * k, SMALL),
    Family("longer_than_$k", 1, "tells whether the text has more than $k characters", "word", "bool", "$a.chars().count() > $k",
           lambda a, k: len(a) > k, SMALL),
    Family("num_words", 1, "returns how many words the text has", "text", "usize", "$a.split_whitespace().count()",
           lambda a: len(a.split())),
    Family("in_brackets", 1, "returns the text between square brackets", "word", "String", 'format!("[{}]", $a)',
           lambda a: f"[{a}]"),
    Family("starts_like", 1, "tells whether the first text begins with the second", "text word", "bool", "$a.starts_with($b)",
           str.startswith),
    Family("joined_with_dash", 1, "returns the words with a dash between them", "words", "String", '$a.join("-")', "-".join),
    Family("total_length", 1, "returns how many characters the words have together", "words", "usize",
           "$a.iter().map(|w| w.chars().count()).sum()", lambda a: sum(map(len, a))),
    Family("num_vowels", 2, "returns how many of the characters are one of a, e, i, o, u", "text", "usize",
           '$a.chars().filter(|&x| "aeiou".contains(x)).count()', lambda a: sum(c in VOWELS for c in a)),
    Family("without_vowels", 2, "returns the text without the letters a, e, i, o, u", "text", "String",
           '$a.chars().filter(|&x| !"aeiou".contains(x)).collect()', lambda a: "".join(c for c in a if c not in VOWELS)),
    Family("without_char", 2, "returns the text without that character", "text char", "String",
           "$a.chars().filter(|&x| x != $b).collect()", lambda a, b: a.replace(b, "")),
    Family("longest_word", 2, "returns the first of the longest words of the text, None where there is none", "text",
           "Option<String>",
           "$a.split_whitespace().rev().max_by_key(|w| w.chars().count()).map(str::to_string)",
           lambda a: max(a.split(), key=len, default=None)),
    Family("shortest_length", 2, "returns the length of the shortest word, None where there is none", "words", "Option<usize>",
           "$a.iter().map(|w| w.chars().count()).min()", lambda a: min(map(len, a), default=None)),
    Family("is_palindrome", 2, "tells whether the text reads the same backwards", "word", "bool",
           "$a.chars().eq($a.chars().rev())", lambda a: a == a[::-1]),
    Family("num_digits_in", 2, "returns how many of the characters are decimal digits", "text", "usize",
           "$a.chars().filter(|x| x.is_ascii_digit()).count()", lambda a: sum(c.isdigit() for c in a)),
    Family("only_letters", 2, "returns the letters of the text without everything else", "text", "String",
           "$a.chars().filter(|x| x.is_alphabetic()).collect()", lambda a: "".join(c for c in a if c.isalpha())),
    Family("words_turned", 2, "returns the words of the text in reverse order, with one space between them", "text", "String",
           'let words: Vec<&str> = $a.split_whitespace().rev().collect();\nwords.join(" ")',
           lambda a: " ".join(a.split()[::-1])),
    Family("single_spaces", 2, "returns the words of the text with one space between them", "text", "String",
           'let words: Vec<&str> = $a.split_whitespace().collect();\nwords.join(" ")', lambda a: " ".join(a.split())),
    Family("initials", 2, "returns the first characters of the words of the text", "text", "String",
           "$a.split_whitespace().filter_map(|w| w.chars().next()).collect()", lambda a: "".join(w[0] for w in a.split())),
    Family("num_capitals", 2, "returns how many of the characters are upper case letters", "text", "usize",
           "$a.chars().filter(|x| x.is_uppercase()).count()", lambda a: sum(c.isupper() for c in a)),
    Family("swap_case", 2, "turns upper case letters into lower case ones and the other way round", "text", "String",
           "$a.chars()\n    .map(|x| if x.is_ascii_uppercase() { x.to_ascii_lowercase() } else { x.to_ascii_uppercase() })\n"
           "    .collect()", str.swapcase),
    Family("doubled", 2, "returns the text with each character written twice", "word", "String",
           "$a.chars().flat_map(|x| [x, x]).collect()", lambda a: "".join(c * 2 for c in a)),
    Family("digit_total", 2, "returns the sum of all decimal digits in the text", "text", "u32",
           "$a.chars().filter_map(|x| x.to_digit(10)).sum()", lambda a: sum(int(c) for c in a if c.isdigit())),
    Family("sum_of_list", 2, "returns the sum of whole numbers written with commas between them; what is no number counts 0",
           "commas", "i32", "$a.split(',').filter_map(|part| part.parse::<i32>().ok()).sum()",
           lambda a: sum(int(p) for p in a.split(",") if p)),
    Family("word_at_$k", 2, "returns word number $k of the text, counted from 0, None where there is none", "text",
           "Option<String>", "$a.split_whitespace().nth($k).map(str::to_string)",
           lambda a, k: a.split()[k] if len(a.split()) > k else None, (1, 2, 3)),
    Family("words_of_$k", 2, "returns the words with exactly $k characters in their order", "words", "Vec<String>",
           "$a.iter().filter(|w| w.chars().count() == $k).map(|w| w.to_string()).collect()",
           lambda a, k: [w for w in a if len(w) == k], (3, 4, 5)),
    Family("lengths", 2, "returns the number of characters of each word", "words", "Vec<usize>",
           "$a.iter().map(|w| w.chars().count()).collect()", lambda a: [len(w) for w in a]),
    Family("sorted_words", 2, "returns the words sorted, upper case before lower case", "words", "Vec<String>",
           "let mut sorted: Vec<String> = $a.iter().map(|w| w.to_string()).collect();\nsorted.sort();\nsorted", sorted),
    Family("capitalised", 2, "returns the word with its first letter in upper case", "word", "String",
           "let mut rest = $a.chars();\nmatch rest.next() {\n    Some(first) => first.to_uppercase().chain(rest).collect(),\n"
           "    None => String::new(),\n}", _capital),
    Family("positions_of", 2, "returns all places of the character in the text, counted in characters from 0", "text char",
           "Vec<usize>", "$a.chars().enumerate().filter(|(_, x)| *x == $b).map(|(i, _)| i).collect()",
           lambda a, b: [i for i, c in enumerate(a) if c == b]),
    Family("padded_to_$k", 2, "returns the word with spaces before it, so that it has at least $k characters", "word", "String",
           'format!("{:>$k}", $a)', lambda a, k: a.rjust(k), (4, 5, 6, 7)),
    Family("parse_number", 2, "reads a number of digits only; anything else is the error `not a number`", "numeral",
           "Result<u32, String>", '$a.parse().map_err(|_| "not a number".to_string())', _parsed),
    Family("at_most_$k_chars", 2, "returns the word, or the error `longer than $k` where it has more characters", "word",
           "Result<String, String>",
           "if $a.chars().count() > $k {\n    return Err(\"longer than $k\".to_string());\n}\nOk($a.to_string())",
           _at_most, SMALL),
    Family("shift_by_$k", 3, "moves each lower case letter $k places on in the alphabet, from z on to a, and leaves the rest",
           "text",
           "String", "$a.chars()\n    .map(|x| match x {\n        'a'..='z' => ((x as u8 - b'a' + $k) % 26 + b'a') as char,\n"
           "        _ => x,\n    })\n    .collect()", _shifted, (1, 2, 3, 5, 13)),
    Family("are_anagrams", 3, "tells whether both words have the same letters, each as often", "word word", "bool",
           "let (mut left, mut right): (Vec<char>, Vec<char>) = ($a.chars().collect(), $b.chars().collect());\nleft.sort();\n"
           "right.sort();\nleft == right", lambda a, b: sorted(a) == sorted(b)),
    Family("common_start", 3, "returns the longest beginning that both texts share", "text text", "String",
           "$a.chars().zip($b.chars()).take_while(|(x, y)| x == y).map(|(x, _)| x).collect()",
           _common_start),
    Family("num_differences", 3, "returns at how many places two words of the same length differ, None for other words",
           "word word", "Option<usize>",
           "if $a.chars().count() != $b.chars().count() {\n    return None;\n}\n"
           "Some($a.chars().zip($b.chars()).filter(|(x, y)| x != y).count())",
           lambda a, b: sum(x != y for x, y in zip(a, b, strict=True)) if len(a) == len(b) else None),
    Family("is_balanced", 3, "tells whether each bracket that opens is closed and none is closed before", "brackets", "bool",
           "let mut depth = 0;\nfor x in $a.chars() {\n    depth += if x == '(' { 1 } else { -1 };\n    if depth < 0 {\n"
           "        return false;\n    }\n}\ndepth == 0", _balanced),
    Family("deepest", 3, "returns how many brackets are open at most at the same time", "brackets", "i32",
           "let mut depth = 0;\nlet mut most = 0;\nfor x in $a.chars() {\n    depth += if x == '(' { 1 } else { -1 };\n"
           "    most = most.max(depth);\n}\nmost", _deepest),
    Family("run_lengths", 3, "returns each run of equal characters as the character and its number, as in aab to a2b1", "word",
           "String",
           "let mut written = String::new();\nlet mut rest = $a.chars().peekable();\nwhile let Some(x) = rest.next() {\n"
           "    let mut count = 1;\n    while rest.next_if_eq(&x).is_some() {\n        count += 1;\n    }\n"
           "    written.push_str(&format!(\"{x}{count}\"));\n}\nwritten",
           lambda a: "".join(f"{c}{len(list(g))}" for c, g in groupby(a))),
    Family("distinct_chars", 3, "returns each character of the word once, in the order of first appearance", "word", "String",
           "let mut seen = String::new();\nfor x in $a.chars() {\n    if !seen.contains(x) {\n        seen.push(x);\n    }\n"
           "}\nseen",
           lambda a: "".join(dict.fromkeys(a))),
    Family("no_repeated_char", 3, "tells whether no character comes twice in the word", "word", "bool",
           "let mut letters: Vec<char> = $a.chars().collect();\nletters.sort();\nletters.windows(2).all(|w| w[0] != w[1])",
           lambda a: len(set(a)) == len(a)),
    Family("title", 3, "returns the words of the text with their first letters in upper case and one space between them",
           "text",
           "String", "let words: Vec<String> = $a\n    .split_whitespace()\n    .map(|w| w[..1].to_uppercase() + &w[1..])\n"
           "    .collect();\nwords.join(\" \")", lambda a: " ".join(_capital(w) for w in a.split())),
    Family("most_common_char", 3, "returns the character that comes most often, the first in the alphabet of several, None"
           " for none",
           "word", "Option<char>", "let mut letters: Vec<char> = $a.chars().collect();\nletters.sort();\nletters.reverse();\n"
           "letters.iter().copied().max_by_key(|x| $a.chars().filter(|y| y == x).count())",
           lambda a: max(sorted(set(a)), key=a.count, default=None)),
    Family("first_alone", 3, "returns the first character that comes exactly once, None where there is none", "word",
           "Option<char>", "$a.chars().find(|x| $a.chars().filter(|y| y == x).count() == 1)",
           lambda a: next((c for c in a if a.count(c) == 1), None)),
]  # fmt: skip
