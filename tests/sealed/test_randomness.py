"""After its second byte a bundle is random bytes to whoever has no keys: by statistics, and by trained classifiers.

Everything is seeded, so a verdict never changes from run to run. Each bound lies where truly random bytes would fall
beyond it less than once in a million.

Each detector is also shown bundles that are broken on purpose (`BREAKS`) and has to see it: the header without its
mask, a mark that is the same for the whole day, a stream cipher whose key is used twice, padding that is not
encrypted. Taking the mask out of `sealed.bundle.seal` itself (`masked = clear`) turns nine tests of this file red.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise

import pytest

from chasqui.sealed.bundle import seal
from chasqui.sealed.chain import advance
from chasqui.sealed.kinds import BundleClass
from tests.sealed.makers import DAY, Epoch, epoch

TEXT = b"Meet at the north gate, bring water. " * 3
SIZE = 207
CLEAR = 2  # version, class, lifetime; day
Break = Callable[[bytes, int, int], bytes]  # (bundle, counter, group) -> what a mistake would have made of it


def bundles(group: int, count: int, leaf: int = 0) -> Iterator[bytes]:
    """Consecutive bundles of one text, by one member, in one group, on one day."""
    some: Epoch = epoch(1000 + group, 3)
    chain, keys = some.chain(leaf), some.secrets.days.keys
    for counter in range(count):
        step = advance(chain, counter)
        plaintext = some.text(leaf, counter, body=TEXT[:100], seq=counter + 1).to_short()
        made = seal(
            plaintext,
            message_key=step.message_key,
            keys=keys,
            leaf=leaf,
            counter=counter,
            bundle_class=BundleClass.TEXT,
            day=DAY,
        )
        chain = step.chain
        yield made.data


def intact(data: bytes, counter: int, group: int) -> bytes:
    return data


def without_header_mask(data: bytes, counter: int, group: int) -> bytes:
    leaf = group * 37 % 128  # each sender sits somewhere else
    return data[:10] + (leaf << 16 | counter).to_bytes(4, "big") + data[14:]


def with_one_mark_a_day(data: bytes, counter: int, group: int) -> bytes:
    return data[:2] + random.Random(group).randbytes(8) + data[10:]


def with_one_keystream(data: bytes, counter: int, group: int) -> bytes:
    """A stream cipher under one key: the texts of a group differ from each other in few bytes."""
    pad = random.Random(group).randbytes(SIZE - 30)
    return data[:30] + bytes(a ^ b for a, b in zip(pad, TEXT[:100] + data[-77:], strict=True))


def with_clear_padding(data: bytes, counter: int, group: int) -> bytes:
    return data[:-6] + bytes(6)


BREAKS: dict[str, Break] = {
    "no header mask": without_header_mask,
    "one mark a day": with_one_mark_a_day,
    "one keystream": with_one_keystream,
    "clear padding": with_clear_padding,
}


@cache
def sample(broken: Break = intact, group: int = 0, count: int = 3000) -> list[bytes]:
    """What an outsider cannot explain: everything behind the second byte."""
    return [broken(data, n, group)[CLEAR:] for n, data in enumerate(bundles(group, count))]


def deviation(found: float, expected: float, variance: float) -> float:
    """How many standard deviations the finding lies off."""
    return abs(found - expected) / math.sqrt(variance)


def chi_square_deviation(counts: Sequence[int], bins: int) -> float:
    """Chi-square against the even distribution, by Wilson and Hilferty's cube root as standard deviations."""
    total = sum(counts)
    expected = total / bins
    squares = sum((n - expected) ** 2 for n in counts) + (bins - len(counts)) * expected**2
    chi, free = squares / expected, bins - 1
    spread = 2 / (9 * free)
    return float((chi / free) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)


# -- statistics: each gives how many standard deviations the bundles are off --------------------------------------


def monobit(data: list[bytes]) -> float:
    bits = 8 * sum(map(len, data))
    return deviation(sum(int.from_bytes(piece, "big").bit_count() for piece in data), bits / 2, bits / 4)


def worst_bit(data: list[bytes]) -> float:
    """Monobit for each of the 1,640 places on its own."""
    numbers = [int.from_bytes(piece, "big") for piece in data]
    ones = [0] * (8 * len(data[0]))
    for number in numbers:
        for at in range(len(ones)):
            ones[at] += number >> at & 1
    return max(deviation(n, len(data) / 2, len(data) / 4) for n in ones)


def byte_values(data: list[bytes]) -> float:
    return chi_square_deviation(list(Counter(b"".join(data)).values()), 256)


def worst_place(data: list[bytes]) -> float:
    """The values at each place on their own."""
    return max(chi_square_deviation(list(Counter(place).values()), 256) for place in zip(*data, strict=True))


def serial(data: list[bytes]) -> float:
    """Pairs of neighbouring bytes, of which there should be as many of each kind."""
    pairs = Counter((a >> 4) << 4 | b >> 4 for piece in data for a, b in zip(piece[::2], piece[1::2], strict=False))
    return chi_square_deviation(list(pairs.values()), 256)


def successive(data: list[bytes]) -> float:
    """The difference of each bundle to the next one of its sender."""
    return worst_place([bytes(x ^ y for x, y in zip(a, b, strict=True)) for a, b in pairwise(data)])


def shared_strings(data: list[bytes]) -> float:
    """Strings of four bytes that two bundles have in common, anywhere in each; Poisson."""
    owners: dict[bytes, int] = {}
    shared = total = 0
    for piece in data[:1500]:
        grams = {piece[i : i + 4] for i in range(len(piece) - 3)}
        shared += sum(owners.get(gram, 0) for gram in grams)
        total += len(grams)
        for gram in grams:
            owners[gram] = owners.get(gram, 0) + 1
    expected = total * total / 2 / 2**32
    return (shared - expected) / math.sqrt(expected)


STATISTICS = [monobit, worst_bit, byte_values, worst_place, serial, successive, shared_strings]
LIMIT = 6.0  # one in 10^9; the worst of 1,640 places stays below it, too
SEEN_BY: dict[str, list[Callable[[list[bytes]], float]]] = {
    "no header mask": [monobit, worst_bit, byte_values, worst_place, successive],
    "one mark a day": [worst_bit, worst_place, successive, shared_strings],
    "one keystream": [worst_bit, worst_place, successive, shared_strings],
    "clear padding": [monobit, worst_bit, byte_values, worst_place, successive, shared_strings],
}


@pytest.mark.parametrize("statistic", STATISTICS)
def test_bundles_of_one_text_are_random_bytes(statistic: Callable[[list[bytes]], float]) -> None:
    assert statistic(sample()) < LIMIT


@pytest.mark.parametrize("statistic", STATISTICS)
def test_true_randomness_passes(statistic: Callable[[list[bytes]], float]) -> None:
    dice = random.Random(3)
    assert statistic([dice.randbytes(SIZE - CLEAR) for _ in range(3000)]) < LIMIT


@pytest.mark.parametrize("broken", BREAKS)
def test_the_statistics_see_what_is_broken(broken: str) -> None:
    data = sample(BREAKS[broken])
    for statistic in SEEN_BY[broken]:
        assert statistic(data) > LIMIT, statistic.__name__


# -- classifiers ------------------------------------------------------------------------------------------------

Example = tuple[bytes, bool]


class NaiveBayes:
    """The log-likelihood of each byte value at each place, with one imagined example of each."""

    def __init__(self, examples: list[Example]) -> None:
        size = len(examples[0][0])
        counts = [[[1.0] * 256 for _ in range(size)] for _ in range(2)]
        for data, label in examples:
            for place, value in zip(counts[label], data, strict=True):
                place[value] += 1
        totals = [256 + sum(label is kind for _, label in examples) for kind in (False, True)]
        self.weights = [
            [math.log(yes / totals[1]) - math.log(no / totals[0]) for no, yes in zip(a, b, strict=True)]
            for a, b in zip(*counts, strict=True)
        ]

    def __call__(self, data: bytes) -> bool:
        return sum(place[value] for place, value in zip(self.weights, data, strict=True)) > 0


class Logistic:
    """Logistic regression on the bit counts of every byte and on how often each byte value comes."""

    def __init__(self, examples: list[Example], rounds: int = 3, rate: float = 0.01) -> None:
        self.weights = [0.0] * len(self.features(examples[0][0]))
        rows = [(self.features(data), label) for data, label in examples]
        for _ in range(rounds):
            for row, label in rows:
                step = rate * (label - self.probability(row))
                self.weights = [w + step * x for w, x in zip(self.weights, row, strict=True)]

    @staticmethod
    def features(data: bytes) -> list[float]:
        bits = [value.bit_count() / 4 - 1 for value in data]
        return [1.0, sum(bits), data.count(0) - len(data) / 256, *bits]

    def probability(self, row: list[float]) -> float:
        logit = sum(w * x for w, x in zip(self.weights, row, strict=True))
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))

    def __call__(self, data: bytes) -> bool:
        return self.probability(self.features(data)) > 0.5


CLASSIFIERS = [NaiveBayes, Logistic]


def accuracy(trained: Callable[[bytes], bool], examples: list[Example]) -> float:
    return sum(trained(data) is label for data, label in examples) / len(examples)


def margin(examples: int) -> float:
    """Five standard deviations of a guesser's accuracy."""
    return 5 * math.sqrt(0.25 / examples)


@cache
def bundles_and_noise(broken: Break) -> tuple[list[Example], list[Example]]:
    """Bundles of ten groups against random bytes; the groups of the examples to be judged are others."""
    dice = random.Random(17)
    parts: list[list[Example]] = []
    for groups in (range(10), range(10, 20)):
        part = [(data, True) for group in groups for data in sample(broken, group, 120)]
        part += [(dice.randbytes(SIZE - CLEAR), False) for _ in part]
        dice.shuffle(part)
        parts.append(part)
    return parts[0], parts[1]


@cache
def pairs(broken: Break) -> tuple[list[Example], list[Example]]:
    """The XOR of two bundles: of one group, or of two."""
    dice = random.Random(19)
    parts: list[list[Example]] = []
    for groups in (range(20, 50), range(50, 80)):
        made = [sample(broken, group, 60) for group in groups]
        part: list[Example] = []
        for _ in range(1200):
            mine, other = dice.sample(made, 2)
            for partner, label in ((mine, True), (other, False)):
                i, j = dice.sample(range(60), 2)
                part.append((bytes(x ^ y for x, y in zip(mine[i], partner[j], strict=True)), label))
        dice.shuffle(part)
        parts.append(part)
    return parts[0], parts[1]


TASKS = [bundles_and_noise, pairs]
FOUND_OUT = {  # the tasks in which a break must show; what tells bundles from noise need not link them, and so on
    "no header mask": [bundles_and_noise, pairs],
    "one mark a day": [pairs],
    "one keystream": [pairs],
    "clear padding": [bundles_and_noise],
}


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("task", TASKS)
def test_a_trained_classifier_can_only_guess(
    kind: type[NaiveBayes | Logistic], task: Callable[[Break], tuple[list[Example], list[Example]]]
) -> None:
    training, held_out = task(intact)
    assert abs(accuracy(kind(training), held_out) - 0.5) < margin(len(held_out))


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("broken", BREAKS)
def test_the_classifiers_see_what_is_broken(kind: type[NaiveBayes | Logistic], broken: str) -> None:
    for task in FOUND_OUT[broken]:
        training, held_out = task(BREAKS[broken])
        assert accuracy(kind(training), held_out) > 0.5 + margin(len(held_out)), task.__name__
