"""Make the sentences that whitening is fitted on: assets/similarity/corpus_{zh,en}.txt.

    python -m training.similarity_corpus

The templates are ours, in similarity_zh.txt and similarity_en.txt beside this file, one a line:

    name = Anna|Ben          a list
    ## weather               a topic; its templates follow
    {name} likes {tea|milk}  a template; each slot takes one of its words
    {1:a|b} then {1:c|d}     slots of one number take words at the same place: a c or b d

A list named twice in a template gives two different words. Every template gives three to seven
sentences; its slots deal their words from a shuffled deck, so that all are used before one comes
again. The sentences of all topics are shuffled, so that any first part covers them all.
"""

import random
import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parent / "assets" / "similarity"
LANGUAGES = ("zh", "en")
FEWEST, MOST = 3, 7  # sentences of one template; about 380 templates make about 2 400
SEED = 8348
SLOT = re.compile(r"\{([^{}]*)\}")
LIST = re.compile(r"(\w+) = (.+)")
NUMBERED = re.compile(r"(\d):(.+)")
A_BEFORE_VOWEL = re.compile(r"\b([Aa]) (?=[aeiou](?!ni[a-z]|s[eu]|uro|ne\b|nce\b)|hour|honest)")


@dataclass(frozen=True)
class Source:
    """What a file of templates holds.

    Attributes:
        lists: words by the name of their list.
        topics: templates by topic, in the order of the file.
    """

    lists: dict[str, tuple[str, ...]]
    topics: dict[str, tuple[str, ...]]


def read_source(language: str) -> Source:
    """Return the lists and templates of a language, ``zh`` or ``en``."""
    lists: dict[str, tuple[str, ...]] = {}
    topics: dict[str, tuple[str, ...]] = {}
    topic = ""
    for line in (HERE / f"similarity_{language}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            topic = line.removeprefix("## ")
            topics[topic] = ()
        elif found := LIST.fullmatch(line):
            lists[found[1]] = tuple(found[2].split("|"))
        elif line and not line.startswith("# "):
            topics[topic] += (line,)
    return Source(lists, topics)


class Deck:
    """Words dealt in random order, all of them before one comes again."""

    def __init__(self, words: tuple[str, ...], rng: random.Random) -> None:
        self.words, self.rng = words, rng
        self.left: list[str] = []

    def deal(self, held: set[str]) -> str:
        """Return the next word that is not ``held``."""
        for index, word in enumerate(self.left):
            if word not in held:
                return self.left.pop(index)
        self.left = shuffled(self.words, self.rng)
        return self.left.pop(next(i for i, word in enumerate(self.left) if word not in held))


def shuffled(words: tuple[str, ...], rng: random.Random) -> list[str]:
    """Return the words in random order; by ``random()`` alone, which no release may change."""
    keys = [rng.random() for _ in words]
    return [words[index] for index in sorted(range(len(words)), key=keys.__getitem__)]


def sentences(template: str, lists: dict[str, tuple[str, ...]], rng: random.Random) -> list[str]:
    """Return FEWEST to MOST different sentences that one template makes.

    Args:
        template: as the module explains.
        lists: words by the name of their list.
        rng: the source of chance.

    Raises:
        ValueError: the template has too few words, or a slot is not written as it must be.
    """
    pieces = SLOT.split(template)  # text, slot, text, …, text
    decks = {slot: Deck(_choices(slot, template, lists), rng) for slot in pieces[1::2]}
    found: dict[str, None] = {}
    for _ in range(40 * MOST):
        found[_finished(_filled(pieces, decks))] = None
        if len(found) == MOST:
            break
    if len(found) < FEWEST:
        raise ValueError(f"template must make {FEWEST} sentences, got {len(found)}: {template}")
    return list(found)


def _filled(pieces: list[str], decks: dict[str, Deck]) -> str:
    """Return the pieces (text, slot, text, …) with a word dealt into every slot."""
    filled, held, places = list(pieces), set[tuple[str, str]](), dict[str, int]()
    for index in range(1, len(pieces), 2):
        slot = pieces[index]
        if numbered := NUMBERED.fullmatch(slot):
            if numbered[1] not in places:
                places[numbered[1]] = int(decks[slot].deal(set()))
            filled[index] = numbered[2].split("|")[places[numbered[1]]]
        else:
            filled[index] = decks[slot].deal({word for other, word in held if other == slot})
            held.add((slot, filled[index]))
    return "".join(filled)


def _choices(slot: str, template: str, lists: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return what a slot's deck holds: words, or places for numbered slots."""
    numbered = NUMBERED.fullmatch(slot)
    if numbered:
        count = numbered[2].count("|") + 1
        others = re.findall(rf"\{{{numbered[1]}:([^}}]*)\}}", template)
        if any(other.count("|") + 1 != count for other in others):
            raise ValueError(f"slots of one number must have as many words as another: {template}")
        return tuple(map(str, range(count)))
    if "|" in slot:
        return tuple(slot.split("|"))
    if slot not in lists:
        raise ValueError(f"slot must be a list or words between bars, got {slot!r}: {template}")
    return lists[slot]


def _finished(sentence: str) -> str:
    """Return a sentence with its capital and with "an" where English wants it."""
    sentence = A_BEFORE_VOWEL.sub(r"\1n ", sentence)
    first = next((i for i, letter in enumerate(sentence) if letter.isalpha()), 0)
    return sentence[:first] + sentence[first].upper() + sentence[first + 1 :]


def corpus(language: str) -> list[str]:
    """Return the sentences of a language, all different, in shuffled order."""
    rng = random.Random(SEED)
    source = read_source(language)
    found: dict[str, None] = {}
    for templates in source.topics.values():
        for template in templates:
            found |= dict.fromkeys(sentences(template, source.lists, rng))
    return shuffled(tuple(found), rng)


def main() -> None:
    """Write the files and say how long they are."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        path = ASSETS / f"corpus_{language}.txt"
        lines = corpus(language)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        print(f"{path.name}: {len(lines)} sentences, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
