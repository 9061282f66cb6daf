"""Exercises about single numbers."""

from __future__ import annotations

from math import factorial, gcd, isqrt, lcm

from quintet.tasks.rust_family import Family

SMALL = (2, 3, 4, 5, 6, 7, 8, 9)


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def _collatz(n: int) -> int:
    return 0 if n == 1 else 1 + _collatz(n // 2 if n % 2 == 0 else 3 * n + 1)


def _fibonacci(n: int) -> int:
    a, b = 0, 1
    for _ in range(n):
        a, b = b, a + b
    return a


def _days(m: int) -> int | None:
    return {2: 28, 4: 30, 6: 30, 9: 30, 11: 30}.get(m, 31) if 1 <= m <= 12 else None


def _power_of(n: int, k: int) -> bool:
    while n and n % k == 0:
        n //= k
    return n == 1


def _largest_power(n: int, k: int) -> int:
    power = 1
    while power * k <= n:
        power *= k
    return power


def _in_base(n: int, k: int) -> str:
    return (_in_base(n // k, k) if n >= k else "") + str(n % k)


FAMILIES = [
    Family("add_$k", 1, "returns the number plus $k", "int", "i32", "$a + $k", lambda a, k: a + k, SMALL),
    Family("times_$k", 1, "returns the number times $k", "int", "i32", "$a * $k", lambda a, k: a * k, SMALL),
    Family("square_plus_$k", 1, "returns the square of the number plus $k", "int", "i32", "$a * $a + $k",
           lambda a, k: a * a + k, SMALL),
    Family("divisible_by_$k", 1, "tells whether the number is divisible by $k", "int", "bool", "$a % $k == 0",
           lambda a, k: a % k == 0, SMALL),
    Family("distance", 1, "returns how far two numbers are apart", "int int", "i32", "($a - $b).abs()", lambda a,
           b: abs(a - b)),
    Family("larger", 1, "returns the larger of two numbers", "int int", "i32", "$a.max($b)", max),
    Family("smaller", 1, "returns the smaller of two numbers", "int int", "i32", "$a.min($b)", min),
    Family("limit_to_$k", 1, "returns the number, but at least 0 and at most $k", "int", "i32", "$a.clamp(0, $k)",
           lambda a, k: min(max(a, 0), k), SMALL),
    Family("sign", 1, "returns 1 for a positive number, -1 for a negative one and 0 for zero", "int", "i32", "$a.signum()",
           lambda a: (a > 0) - (a < 0)),
    Family("wrap_at_$k", 1, "returns the remainder of the number divided by $k, never negative", "int", "i32",
           "$a.rem_euclid($k)", lambda a, k: a % k, SMALL),
    Family("last_digit", 1, "returns the last digit of the number, without its sign", "int", "i32", "$a.abs() % 10",
           lambda a: abs(a) % 10),
    Family("from_1_to_$k", 1, "tells whether the number is from 1 to $k", "int", "bool", "(1..=$k).contains(&$a)",
           lambda a, k: 1 <= a <= k, SMALL),
    Family("middle", 1, "returns half the sum of two numbers, rounded down", "int int", "i32", "($a + $b).div_euclid(2)",
           lambda a, b: (a + b) // 2),
    Family("positive_times_$k", 1, "returns $k times the number if it is positive, and 0 otherwise", "int", "i32",
           "if $a > 0 { $a * $k } else { 0 }", lambda a, k: a * k if a > 0 else 0, SMALL),
    Family("cube_minus_$k", 1, "returns the cube of the number minus $k", "tiny", "i32", "$a.pow(3) - $k",
           lambda a, k: a**3 - k, SMALL),
    Family("nth_odd", 1, "returns the odd number at that place, counted from 0: 1, 3, 5", "nat", "u32", "2 * $a + 1",
           lambda a: 2 * a + 1),
    Family("opposite_signs", 1, "tells whether one number is negative and the other positive", "int int", "bool",
           "$a.signum() * $b.signum() < 0", lambda a, b: a * b < 0),
    Family("fahrenheit", 1, "turns degrees Celsius into Fahrenheit, cutting off the fraction", "int", "i32",
           "$a * 9 / 5 + 32", lambda a: int(a * 9 / 5) + 32),
    Family("sum_up_to", 2, "returns the sum of all numbers from 1 to the given one", "nat", "u32", "(1..=$a).sum()",
           lambda a: sum(range(a + 1))),
    Family("sum_of_powers_$k", 2, "returns the sum of the powers of $k of all numbers from 1 to the given one", "small", "u64",
           "(1..=u64::from($a)).map(|i| i.pow($k)).sum()", lambda a, k: sum(i**k for i in range(a + 1)), (2, 3, 4)),
    Family("factorial", 2, "returns the product of all numbers from 1 to the given one", "small", "u64",
           "(1..=u64::from($a)).product()", factorial),
    Family("multiples_of_$k_below", 2, "returns the sum of the multiples of $k below the given number", "nat", "u32",
           "(0..$a).step_by($k).sum()", lambda a, k: sum(range(0, a, k)), SMALL),
    Family("digit_sum", 2, "returns the sum of the number's decimal digits", "big", "u32",
           "let mut rest = $a;\nlet mut sum = 0;\nwhile rest > 0 {\n    sum += rest % 10;\n    rest /= 10;\n}\nsum",
           lambda a: sum(map(int, str(a)))),
    Family("num_digits", 2, "returns how many decimal digits the number has", "big", "usize", "$a.to_string().len()",
           lambda a: len(str(a))),
    Family("reverse_digits", 2, "returns the number with its decimal digits in reverse order", "big", "u32",
           "let mut rest = $a;\nlet mut turned = 0;\nwhile rest > 0 {\n    turned = turned * 10 + rest % 10;\n"
           "    rest /= 10;\n}\n"
           "turned", lambda a: int(str(a)[::-1])),
    Family("is_prime", 2, "tells whether the number is prime", "pos", "bool", "$a > 1 && (2..$a).all(|d| $a % d != 0)",
           lambda a: len(_divisors(a)) == 2),
    Family("num_divisors", 2, "returns how many numbers divide the given one", "pos", "usize",
           "(1..=$a).filter(|d| $a % d == 0).count()", lambda a: len(_divisors(a))),
    Family("sum_of_divisors", 2, "returns the sum of the number's divisors, without the number itself", "pos", "i32",
           "(1..$a).filter(|d| $a % d == 0).sum()", lambda a: sum(_divisors(a)) - a),
    Family("is_perfect", 2, "tells whether the number equals the sum of its divisors below it", "pos", "bool",
           "(1..$a).filter(|d| $a % d == 0).sum::<i32>() == $a", lambda a: sum(_divisors(a)) == 2 * a),
    Family("power", 2, "raises the first number to the power of the second", "tiny small", "i32", "$a.pow($b)",
           lambda a, b: a**b),
    Family("is_square", 2, "tells whether the number is the square of a whole number", "pos", "bool",
           "(1..=$a).any(|root| root * root == $a)", lambda a: isqrt(a) ** 2 == a),
    Family("whole_root", 2, "returns the largest whole number whose square is not above the given one", "nat", "u32",
           "let mut root = 0;\nwhile (root + 1) * (root + 1) <= $a {\n    root += 1;\n}\nroot", isqrt),
    Family("binary", 2, "writes the number in binary digits", "nat", "String", 'format!("{$a:b}")', lambda a: f"{a:b}"),
    Family("ones_in_binary", 2, "returns how many ones the number's binary form has", "big", "u32", "$a.count_ones()",
           lambda a: f"{a:b}".count("1")),
    Family("fizz_$k", 2, "returns Fizz for multiples of $k and the number as text for all others", "pos", "String",
           'if $a % $k == 0 {\n    "Fizz".to_string()\n} else {\n    $a.to_string()\n}',
           lambda a, k: "Fizz" if a % k == 0 else str(a), SMALL),
    Family("is_leap_year", 2, "tells whether the year is a leap year", "year", "bool",
           "$a % 4 == 0 && ($a % 100 != 0 || $a % 400 == 0)", lambda a: a % 4 == 0 and (a % 100 != 0 or a % 400 == 0)),
    Family("mark", 2, "returns A from 90 points on, B from 70 on, C from $k on and D below", "score", "char",
           "match $a {\n    90.. => 'A',\n    70.. => 'B',\n    $k.. => 'C',\n    _ => 'D',\n}",
           lambda a, k: "A" if a >= 90 else "B" if a >= 70 else "C" if a >= k else "D", (30, 40, 50, 60)),
    Family("days_in_month", 2, "returns how many days the month from 1 to 12 has in a year of 365 days, and None for other"
           " numbers", "month", "Option<u32>",
           "match $a {\n    2 => Some(28),\n    4 | 6 | 9 | 11 => Some(30),\n    1..=12 => Some(31),\n    _ => None,\n"
           "}", _days),
    Family("divide", 2, "divides the first number by the second, cutting off the fraction, and returns None for a division"
           " by 0",
           "int tiny", "Option<i32>", "$a.checked_div($b)", lambda a, b: int(a / b) if b else None),
    Family("digits", 2, "returns the number's decimal digits, the first one first", "big", "Vec<u32>",
           "$a.to_string().chars().filter_map(|c| c.to_digit(10)).collect()", lambda a: [int(d) for d in str(a)]),
    Family("divisors", 2, "returns all divisors of the number in order", "pos", "Vec<i32>",
           "(1..=$a).filter(|d| $a % d == 0).collect()", _divisors),
    Family("table_of_$k", 2, "returns the first multiples of $k from $k on, as many as the number says", "small", "Vec<u32>",
           "(1..=$a).map(|i| i * $k).collect()", lambda a, k: [i * k for i in range(1, a + 1)], SMALL),
    Family("countdown_by_$k", 2, "returns the numbers from the given one down in steps of $k, while they are above 0", "nat",
           "Vec<u32>", "(1..=$a).rev().step_by($k).collect()", lambda a, k: list(range(a, 0, -k)), SMALL),
    Family("alternating_sum", 2, "returns 1 - 2 + 3 - 4 and so on up to the number", "nat", "i32",
           "(1..=$a as i32).map(|i| if i % 2 == 1 { i } else { -i }).sum()",
           lambda a: sum(i if i % 2 else -i for i in range(a + 1))),
    Family("greatest_common_divisor", 3, "returns the largest number that divides both", "pos pos", "i32",
           "let (mut large, mut small) = ($a, $b);\nwhile small != 0 {\n    (large, small) = (small, large % small);\n}\n"
           "large", gcd),
    Family("least_common_multiple", 3, "returns the smallest positive number that both divide", "pos pos", "i32",
           "let mut multiple = $a;\nwhile multiple % $b != 0 {\n    multiple += $a;\n}\nmultiple", lcm),
    Family("fibonacci", 3, "returns the Fibonacci number at that place: 0, 1, 1, 2, 3, 5", "nat", "u32",
           "let (mut now, mut next) = (0, 1);\nfor _ in 0..$a {\n    (now, next) = (next, now + next);\n}\nnow", _fibonacci),
    Family("collatz_steps", 3, "returns how many steps of halving even numbers and turning odd n into 3n + 1 lead to 1", "pos",
           "i32", "let mut rest = $a;\nlet mut count = 0;\nwhile rest != 1 {\n"
           "    rest = if rest % 2 == 0 { rest / 2 } else { 3 * rest + 1 };\n    count += 1;\n}\ncount", _collatz),
    Family("is_power_of_$k", 3, "tells whether the number is a power of $k, 1 included", "pos", "bool",
           "let mut rest = $a;\nwhile rest % $k == 0 {\n    rest /= $k;\n}\nrest == 1", _power_of, (2, 3, 4, 5, 6)),
    Family("largest_power_of_$k", 3, "returns the largest power of $k that is not above the number", "pos", "i32",
           "let mut power = 1;\nwhile power * $k <= $a {\n    power *= $k;\n}\npower", _largest_power, (2, 3, 4, 5, 6)),
    Family("digital_root", 3, "adds up the decimal digits again and again until one digit is left", "big", "u32",
           "let mut rest = $a;\nwhile rest > 9 {\n    rest = rest / 10 + rest % 10;\n}\nrest",
           lambda a: 1 + (a - 1) % 9 if a else 0),
    Family("in_base_$k", 3, "writes the number in base $k", "nat", "String",
           "let mut rest = $a;\nlet mut digits = Vec::new();\nloop {\n    digits.push((rest % $k).to_string());\n"
           "    rest /= $k;\n"
           "    if rest == 0 {\n        break;\n    }\n}\ndigits.reverse();\ndigits.concat()", _in_base, (3, 4, 5, 6, 7)),
    Family("prime_factors", 3, "returns the prime factors of the number in order, each as often as it divides", "pos",
           "Vec<i32>",
           "let mut rest = $a;\nlet mut factors = Vec::new();\nlet mut factor = 2;\nwhile rest > 1 {\n"
           "    while rest % factor == 0 {\n"
           "        factors.push(factor);\n        rest /= factor;\n    }\n    factor += 1;\n}\nfactors",
           lambda a: [p for p in range(2, a + 1) if len(_divisors(p)) == 2 for e in range(1, 7) if a % p**e == 0]),
    Family("num_primes", 3, "returns how many primes there are up to the number", "nat", "usize",
           "(2..=$a).filter(|&n| (2..n).all(|d| n % d != 0)).count()",
           lambda a: sum(len(_divisors(p)) == 2 for p in range(2, a + 1))),
]  # fmt: skip
