"""Exercises about lists of numbers, pairs, flags and rows."""

from __future__ import annotations

from itertools import accumulate, groupby, pairwise

from quintet.tasks.rust_family import Family

SMALL = (2, 3, 4, 5)
LIMITS = (-3, -1, 1, 2, 3, 4, 5)


def _unique(a: list[int]) -> list[int]:
    return list(dict.fromkeys(a))


def _best_part(a: list[int]) -> int:
    return max((sum(a[i:j]) for i in range(len(a)) for j in range(i, len(a) + 1)), default=0)


def _rising(a: list[int]) -> int:
    return max((j - i for i in range(len(a)) for j in range(i + 1, len(a) + 1)
                if all(x < y for x, y in pairwise(a[i:j]))), default=0)  # fmt: skip


def _most_common(a: list[int]) -> int | None:
    return max(sorted(set(a)), key=a.count) if a else None


def _rotated(a: list[int], k: int) -> list[int]:
    return a[k % len(a) :] + a[: k % len(a)] if a else []


def _interleaved(a: list[int], b: list[int]) -> list[int]:
    return [x for pair in zip(a, b, strict=False) for x in pair]


FAMILIES = [
    Family("total", 1, "returns the sum of the numbers", "ints", "i32", "$a.iter().sum()", sum),
    Family("largest", 1, "returns the largest number, None for an empty list", "ints", "Option<i32>",
           "$a.iter().copied().max()",
           lambda a: max(a, default=None)),
    Family("smallest", 1, "returns the smallest number, None for an empty list", "ints", "Option<i32>",
           "$a.iter().copied().min()", lambda a: min(a, default=None)),
    Family("has_$k", 1, "tells whether $k is among the numbers", "repeats", "bool", "$a.contains(&$k)", lambda a, k: k in a,
           (0, 1, 2, 3)),
    Family("first_or_$k", 1, "returns the first number, $k for an empty list", "ints", "i32",
           "$a.first().copied().unwrap_or($k)",
           lambda a, k: a[0] if a else k, SMALL),
    Family("last", 1, "returns the last number, None for an empty list", "ints", "Option<i32>", "$a.last().copied()",
           lambda a: a[-1] if a else None),
    Family("at_least_$k_items", 1, "tells whether the list has at least $k numbers", "ints", "bool", "$a.len() >= $k",
           lambda a, k: len(a) >= k, SMALL),
    Family("count_of_$k", 1, "returns how often $k is among the numbers", "repeats", "usize",
           "$a.iter().filter(|&&v| v == $k).count()", lambda a, k: a.count(k), (0, 1, 2, 3)),
    Family("count_multiples_of_$k", 1, "returns how many of the numbers are divisible by $k", "ints", "usize",
           "$a.iter().filter(|&&v| v % $k == 0).count()", lambda a, k: sum(v % k == 0 for v in a), SMALL),
    Family("count_above_$k", 1, "returns how many of the numbers are above $k", "ints", "usize",
           "$a.iter().filter(|&&v| v > $k).count()", lambda a, k: sum(v > k for v in a), LIMITS),
    Family("sum_above_$k", 1, "returns the sum of the numbers above $k", "ints", "i32", "$a.iter().filter(|&&v| v > $k).sum()",
           lambda a, k: sum(v for v in a if v > k), LIMITS),
    Family("sum_of_multiples_of_$k", 1, "returns the sum of the numbers divisible by $k", "ints", "i32",
           "$a.iter().filter(|&&v| v % $k == 0).sum()", lambda a, k: sum(v for v in a if v % k == 0), SMALL),
    Family("sum_of_squares", 1, "returns the sum of the squares of the numbers", "ints", "i32",
           "$a.iter().map(|v| v * v).sum()", lambda a: sum(v * v for v in a)),
    Family("scale_by_$k", 1, "returns each number times $k", "ints", "Vec<i32>", "$a.iter().map(|v| v * $k).collect()",
           lambda a, k: [v * k for v in a], SMALL),
    Family("raise_by_$k", 1, "returns each number plus $k", "ints", "Vec<i32>", "$a.iter().map(|v| v + $k).collect()",
           lambda a, k: [v + k for v in a], SMALL),
    Family("keep_above_$k", 1, "returns the numbers above $k in their order", "ints", "Vec<i32>",
           "$a.iter().copied().filter(|&v| v > $k).collect()", lambda a, k: [v for v in a if v > k], LIMITS),
    Family("keep_multiples_of_$k", 1, "returns the numbers divisible by $k in their order", "ints", "Vec<i32>",
           "$a.iter().copied().filter(|v| v % $k == 0).collect()", lambda a, k: [v for v in a if v % k == 0], SMALL),
    Family("absolute", 1, "returns each number without its sign", "ints", "Vec<i32>", "$a.iter().map(|v| v.abs()).collect()",
           lambda a: [abs(v) for v in a]),
    Family("turned_round", 1, "returns the numbers in reverse order", "ints", "Vec<i32>", "$a.iter().rev().copied().collect()",
           lambda a: a[::-1]),
    Family("first_$k", 1, "returns the first $k numbers, or all where there are fewer", "ints", "Vec<i32>",
           "$a.iter().take($k).copied().collect()", lambda a, k: a[:k], SMALL),
    Family("without_first_$k", 1, "returns the numbers behind the first $k", "ints", "Vec<i32>",
           "$a.iter().skip($k).copied().collect()", lambda a, k: a[k:], SMALL),
    Family("every_$kth", 1, "returns the first number and every ${k}th after it", "ints", "Vec<i32>",
           "$a.iter().step_by($k).copied().collect()", lambda a, k: a[::k], (4, 5, 6)),
    Family("all_above_$k", 1, "tells whether all numbers are above $k", "ints", "bool", "$a.iter().all(|&v| v > $k)",
           lambda a, k: all(v > k for v in a), (-12, -9, -6, -3, 0)),
    Family("any_below_$k", 1, "tells whether any number is below $k", "ints", "bool", "$a.iter().any(|&v| v < $k)",
           lambda a, k: any(v < k for v in a), (-9, -6, -3, 0)),
    Family("clipped_to_$k", 1, "returns each number, but at most $k", "ints", "Vec<i32>",
           "$a.iter().map(|&v| v.min($k)).collect()",
           lambda a, k: [min(v, k) for v in a], LIMITS),
    Family("all_true", 1, "tells whether all flags are true", "flags", "bool", "$a.iter().all(|&flag| flag)", all),
    Family("sum_of_firsts", 1, "returns the sum of the first numbers of all pairs", "pairs", "i32",
           "$a.iter().map(|pair| pair.0).sum()", lambda a: sum(x for x, _ in a)),
    Family("swapped", 1, "returns the pairs with their two numbers swapped", "pairs", "Vec<(i32, i32)>",
           "$a.iter().map(|&(x, y)| (y, x)).collect()", lambda a: [(y, x) for x, y in a]),
    Family("sorted_up", 2, "returns the numbers sorted, the smallest first", "ints", "Vec<i32>",
           "let mut sorted = $a.to_vec();\nsorted.sort();\nsorted", sorted),
    Family("sorted_down", 2, "returns the numbers sorted, the largest first", "ints", "Vec<i32>",
           "let mut sorted = $a.to_vec();\nsorted.sort();\nsorted.reverse();\nsorted", lambda a: sorted(a, reverse=True)),
    Family("sum_of_products", 2, "returns the sum of the products of all pairs", "pairs", "i32",
           "$a.iter().map(|(x, y)| x * y).sum()", lambda a: sum(x * y for x, y in a)),
    Family("majority", 2, "tells whether more than half of the flags are true", "flags", "bool",
           "2 * $a.iter().filter(|&&flag| flag).count() > $a.len()", lambda a: 2 * sum(a) > len(a)),
    Family("sum_of_known", 2, "returns the sum of the numbers that are not None", "options", "i32", "$a.iter().flatten().sum()",
           lambda a: sum(v for v in a if v is not None)),
    Family("num_missing", 2, "returns how many of the values are None", "options", "usize",
           "$a.iter().filter(|v| v.is_none()).count()", lambda a: a.count(None)),
    Family("known_or_$k", 2, "returns the values with $k in place of each None", "options", "Vec<i32>",
           "$a.iter().map(|v| v.unwrap_or($k)).collect()", lambda a, k: [k if v is None else v for v in a], SMALL),
    Family("without_repeats", 2, "returns the numbers with neighbours that are equal reduced to one", "repeats", "Vec<i32>",
           "let mut kept = $a.to_vec();\nkept.dedup();\nkept", lambda a: [v for v, _ in groupby(a)]),
    Family("unique", 2, "returns each number once, in the order of first appearance", "repeats", "Vec<i32>",
           "let mut seen = Vec::new();\nfor v in $a {\n    if !seen.contains(v) {\n        seen.push(*v);\n    }\n}\nseen",
           _unique),
    Family("num_distinct", 2, "returns how many different numbers there are", "repeats", "usize",
           "let mut sorted = $a.to_vec();\nsorted.sort();\nsorted.dedup();\nsorted.len()", lambda a: len(set(a))),
    Family("running_sum", 2, "returns for each place the sum of the numbers up to it", "ints", "Vec<i32>",
           "let mut sum = 0;\nlet mut sums = Vec::new();\nfor v in $a {\n    sum += v;\n    sums.push(sum);\n}\nsums",
           lambda a: list(accumulate(a))),
    Family("running_largest", 2, "returns for each place the largest number up to it", "ints", "Vec<i32>",
           "let mut best = i32::MIN;\nlet mut found = Vec::new();\nfor v in $a {\n    best = best.max(*v);\n"
           "    found.push(best);\n}\n"
           "found", lambda a: list(accumulate(a, max))),
    Family("differences", 2, "returns the difference of each number to the one before it", "ints", "Vec<i32>",
           "$a.windows(2).map(|w| w[1] - w[0]).collect()", lambda a: [y - x for x, y in pairwise(a)]),
    Family("spread", 2, "returns the difference of the largest and the smallest number, 0 for an empty list", "ints", "i32",
           "match ($a.iter().max(), $a.iter().min()) {\n    (Some(high), Some(low)) => high - low,\n    _ => 0,\n}",
           lambda a: max(a) - min(a) if a else 0),
    Family("is_rising", 2, "tells whether each number is larger than the one before it", "sorted", "bool",
           "$a.windows(2).all(|w| w[0] < w[1])", lambda a: all(x < y for x, y in pairwise(a))),
    Family("place_of", 2, "returns the first place of the second argument among the numbers, None where it is not there",
           "repeats tiny", "Option<usize>", "$a.iter().position(|&v| v == $b)", lambda a, b: a.index(b) if b in a else None),
    Family("without", 2, "returns the numbers without those equal to the second argument", "repeats tiny", "Vec<i32>",
           "$a.iter().copied().filter(|&v| v != $b).collect()", lambda a, b: [v for v in a if v != b]),
    Family("dot_product", 2, "returns the sum of the products of numbers at the same place in both lists", "ints ints", "i32",
           "$a.iter().zip($b).map(|(x, y)| x * y).sum()", lambda a, b: sum(x * y for x, y in zip(a, b, strict=False))),
    Family("interleave", 2, "returns numbers of both lists in turn, until the shorter one ends", "ints ints", "Vec<i32>",
           "$a.iter().zip($b).flat_map(|(x, y)| [*x, *y]).collect()", _interleaved),
    Family("joined", 2, "returns the numbers of the first list and then those of the second", "ints ints", "Vec<i32>",
           "[$a, $b].concat()", lambda a, b: a + b),
    Family("num_equal_places", 2, "returns at how many places both lists have the same number", "repeats repeats", "usize",
           "$a.iter().zip($b).filter(|(x, y)| x == y).count()", lambda a, b: sum(x == y for x, y in zip(a, b, strict=False))),
    Family("mean_of", 2, "returns the mean, cutting off its fraction, None for an empty list", "ints", "Option<i32>",
           "if $a.is_empty() {\n    return None;\n}\nSome($a.iter().sum::<i32>() / $a.len() as i32)",
           lambda a: int(sum(a) / len(a)) if a else None),
    Family("window_sums_$k", 2, "returns the sum of each run of $k neighbours", "ints", "Vec<i32>",
           "$a.windows($k).map(|w| w.iter().sum()).collect()", lambda a, k: [sum(a[i : i + k]) for i in range(len(a) - k + 1)],
           SMALL),
    Family("chunk_sums_$k", 2, "cuts the list into pieces of $k numbers, the last may be shorter, and returns their sums",
           "ints",
           "Vec<i32>", "$a.chunks($k).map(|c| c.iter().sum()).collect()",
           lambda a, k: [sum(a[i : i + k]) for i in range(0, len(a), k)], SMALL),
    Family("even_then_odd", 2, "returns the even numbers and then the odd ones, each in their order", "ints", "Vec<i32>",
           "let (mut even, odd): (Vec<i32>, Vec<i32>) = $a.iter().partition(|v| *v % 2 == 0);\neven.extend(odd);\neven",
           lambda a: [v for v in a if v % 2 == 0] + [v for v in a if v % 2]),
    Family("zeros_last", 2, "returns the numbers with all zeros moved to the end", "repeats", "Vec<i32>",
           "let mut moved: Vec<i32> = $a.iter().copied().filter(|&v| v != 0).collect();\nmoved.resize($a.len(), 0);\nmoved",
           lambda a: [v for v in a if v] + [0] * a.count(0)),
    Family("row_sums", 2, "returns the sum of each row", "grid", "Vec<i32>", "$a.iter().map(|row| row.iter().sum()).collect()",
           lambda a: [sum(row) for row in a]),
    Family("largest_in_grid", 2, "returns the largest number of all rows, None where there is none", "grid", "Option<i32>",
           "$a.iter().flatten().copied().max()", lambda a: max((v for row in a for v in row), default=None)),
    Family("flattened", 2, "returns the numbers of all rows in one list", "grid", "Vec<i32>", "$a.concat()",
           lambda a: [v for row in a for v in row]),
    Family("diagonal_sum", 2, "returns the sum of the numbers whose row and column are the same", "square", "i32",
           "$a.iter().enumerate().map(|(i, row)| row[i]).sum()", lambda a: sum(row[i] for i, row in enumerate(a))),
    Family("second_largest", 3, "returns the second largest of the different numbers, None where there is none", "repeats",
           "Option<i32>", "let mut sorted = $a.to_vec();\nsorted.sort();\nsorted.dedup();\nsorted.into_iter().rev().nth(1)",
           lambda a: sorted(set(a))[-2] if len(set(a)) > 1 else None),
    Family("place_of_largest", 3, "returns the first place of the largest number, None for an empty list", "ints",
           "Option<usize>", "let largest = $a.iter().max()?;\n$a.iter().position(|v| v == largest)",
           lambda a: a.index(max(a)) if a else None),
    Family("rotate_by_$k", 3, "moves the first number to the end, $k times", "ints", "Vec<i32>",
           "let mut turned = $a.to_vec();\nif !turned.is_empty() {\n    let steps = $k % turned.len();\n"
           "    turned.rotate_left(steps);\n}\n"
           "turned", _rotated, SMALL),
    Family("num_pairs_with_sum_$k", 3, "returns how many pairs of two places have numbers that add up to $k", "repeats",
           "usize",
           "let mut count = 0;\nfor (i, x) in $a.iter().enumerate() {\n"
           "    count += $a[i + 1..].iter().filter(|&y| x + y == $k).count();\n"
           "}\ncount", lambda a, k: sum(a[i] + a[j] == k for j in range(len(a)) for i in range(j)), SMALL),
    Family("longest_run", 3, "returns the length of the longest run of equal neighbours", "repeats", "usize",
           "let mut best = 0;\nlet mut run = 0;\nfor (i, v) in $a.iter().enumerate() {\n"
           "    run = if i > 0 && $a[i - 1] == *v { run + 1 } else { 1 };\n    best = best.max(run);\n}\nbest",
           lambda a: max((len(list(g)) for _, g in groupby(a)), default=0)),
    Family("longest_rise", 3, "returns the length of the longest run in which each number is larger than the one before",
           "ints",
           "usize", "let mut best = 0;\nlet mut run = 0;\nfor (i, v) in $a.iter().enumerate() {\n"
           "    run = if i > 0 && $a[i - 1] < *v { run + 1 } else { 1 };\n    best = best.max(run);\n}\nbest", _rising),
    Family("best_part", 3, "returns the largest sum of any run of neighbours, 0 for the empty run", "ints", "i32",
           "let mut best = 0;\nlet mut sum = 0;\nfor v in $a {\n    sum = (sum + v).max(0);\n    best = best.max(sum);\n}\n"
           "best",
           _best_part),
    Family("num_peaks", 3, "returns how many numbers are larger than both neighbours", "ints", "usize",
           "$a.windows(3).filter(|w| w[1] > w[0] && w[1] > w[2]).count()",
           lambda a: sum(x < y > z for x, y, z in zip(a, a[1:], a[2:], strict=False))),
    Family("most_common", 3, "returns the number that comes most often, the smallest of several, None for an empty list",
           "repeats", "Option<i32>",
           "let mut sorted = $a.to_vec();\nsorted.sort();\nsorted.reverse();\n"
           "sorted.iter().copied().max_by_key(|v| $a.iter().filter(|w| *w == v).count())", _most_common),
    Family("binary_search_for", 3, "returns the place of the second argument in the sorted list, None where it is not there",
           "sorted tiny", "Option<usize>", "$a.binary_search(&$b).ok()", lambda a, b: a.index(b) if b in a else None),
    Family("merge_sorted", 3, "merges two sorted lists into one sorted list", "sorted sorted", "Vec<i32>",
           "let mut merged = [$a, $b].concat();\nmerged.sort();\nmerged", lambda a, b: sorted(a + b)),
    Family("transposed", 3, "returns the grid with rows and columns swapped; all rows have the same length", "grid",
           "Vec<Vec<i32>>",
           "(0..$a[0].len()).map(|i| $a.iter().map(|row| row[i]).collect()).collect()",
           lambda a: [list(column) for column in zip(*a, strict=True)]),
    Family("smallest_and_largest", 3, "returns the smallest and the largest number, None for an empty list", "ints",
           "Option<(i32, i32)>", "Some((*$a.iter().min()?, *$a.iter().max()?))", lambda a: (min(a), max(a)) if a else None),
    Family("common_numbers", 3, "returns the numbers of the first list that are in the second, in their order", "repeats"
           " repeats",
           "Vec<i32>", "$a.iter().copied().filter(|v| $b.contains(v)).collect()", lambda a, b: [v for v in a if v in b]),
    Family("middle_of_sorted", 3, "sorts the numbers and returns the one in the middle, the larger of two", "some", "i32",
           "let mut sorted = $a.to_vec();\nsorted.sort();\nsorted[sorted.len() / 2]", lambda a: sorted(a)[len(a) // 2]),
]  # fmt: skip
