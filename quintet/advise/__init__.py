"""What a comparison says, from its folder: a table with intervals, what ties with what, two sentences of advice, and the next
run."""

from quintet.advise.applicable import Applies, Given, advice_for, applicable, given_by
from quintet.advise.build import advise

__all__ = ["Applies", "Given", "advice_for", "advise", "applicable", "given_by"]
