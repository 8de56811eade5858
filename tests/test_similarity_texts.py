"""The texts of the Similarity tab: the generator makes the corpora, and the pairs are as described.

``python -m pytest tests/test_similarity_texts.py``
"""

import csv
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from training import similarity_corpus

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "similarity"
README = (ASSETS / "README.md").read_text(encoding="utf-8")
LANGUAGES = ["zh", "en"]
KINDS = {  # kind: the scores it may have
    "paraphrase": {4, 5},
    "synonym": {4, 5},
    "detail": {3, 4},
    "number": {2, 3},
    "entity": {2, 3},
    "word_order": {2},
    "negation": {1, 2},
    "topic": {1, 2},
    "unrelated": {0},
}


def lines(language):
    return (ASSETS / f"corpus_{language}.txt").read_text(encoding="utf-8").splitlines()


def rows(name):
    with (ASSETS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def chinese_share(text):
    return sum("\u4e00" <= letter <= "\u9fff" for letter in text) / len(text)


def speaks(text, language):
    """Chinese lines are Chinese but for punctuation, brands and short quotes; English have none."""
    if language == "zh":
        return chinese_share(text) > 0.6 and not re.search("[a-z]", text)
    return text.isascii() or not set(text) - set("éïè’") - set(map(chr, range(128)))


def size(text, language):
    return len(text) if language == "zh" else len(text.split())


def readme_rows(n_columns):
    """The rows of README.md's tables of so many columns, as lists of cells."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in README.splitlines()]
    return [row for row in cells if len(row) == n_columns]


# --- Corpora


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_generator_makes_the_corpus_byte_for_byte(language, tmp_path, monkeypatch):
    monkeypatch.setattr(similarity_corpus, "ASSETS", tmp_path / "similarity")
    similarity_corpus.main()
    name = f"corpus_{language}.txt"
    assert (tmp_path / "similarity" / name).read_bytes() == (ASSETS / name).read_bytes()


@pytest.mark.parametrize(("language", "least", "most"), [("zh", 6, 40), ("en", 5, 25)])
def test_a_corpus_has_many_different_sentences_of_that_language(language, least, most):
    corpus = lines(language)
    assert len(corpus) == len(set(corpus)) >= 2000
    for line in corpus:
        assert least <= size(line, language) <= most, line
        assert speaks(line, language), line
        assert line[-1] in ("。？！”" if language == "zh" else '.?!"'), line
        assert line == line.strip() and not re.search(
            r"[{}|]|  |[，。？！][，。？！]| [,.;?!]", line
        ), line


def test_english_sentences_have_their_capital_and_their_article():
    for line in lines("en"):
        assert line.lstrip('"')[0].isupper(), line
        for article, word in re.findall(r"\b([Aa]n?) (\w+)", line):
            vowel = word[0] in "aeiou" and not word.startswith(("uni", "use", "euro", "one"))
            assert (article[1:] == "n") == (vowel or word.startswith(("hour", "honest"))), line


@pytest.mark.parametrize("language", LANGUAGES)
def test_templates_cover_the_topics_and_use_their_lists(language):
    source = similarity_corpus.read_source(language)
    assert len(source.topics) >= 25
    for topic, templates in source.topics.items():
        assert len(templates) == len(set(templates)) >= 12, topic
    used = {
        slot
        for group in source.topics.values()
        for t in group
        for slot in re.findall(r"{(\w+)}", t)
    }
    assert used == set(source.lists)
    assert all(len(words) == len(set(words)) for words in source.lists.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_first_part_of_a_corpus_covers_the_topics(language):
    """Expected of the first 500: at least 15 of each topic, so none is missing by bad luck."""
    source, first = similarity_corpus.read_source(language), set(lines(language)[:500])
    rng = random.Random(similarity_corpus.SEED)
    for topic, templates in source.topics.items():
        made = [similarity_corpus.sentences(template, source.lists, rng) for template in templates]
        assert len(first & {line for group in made for line in group}) >= 5, topic


def test_slots_of_a_template():
    def made(template, **lists):
        return similarity_corpus.sentences(template, lists, random.Random(0))

    linked = made("{1:p|q|r} is {1:x|y|z}, {now|then}.")
    assert len(linked) == len(set(linked)) == 6
    assert {line[:6] for line in linked} == {"P is x", "Q is y", "R is z"}
    twice = made("{name} met {name}.", name=("Ann", "Ben", "Cy"))
    assert len(twice) == 6 and not any(line in ("Ann met Ann.", "Ben met Ben.") for line in twice)
    assert len(made("one {" + "|".join("abcdefghij") + "}")) == similarity_corpus.MOST
    assert set(made("a {apple|pear|unit|hour}")) == {"An apple", "A pear", "A unit", "An hour"}


def test_a_deck_deals_every_word_before_one_comes_again():
    deck = similarity_corpus.Deck(("a", "b", "c", "d"), random.Random(0))
    dealt = [deck.deal(set()) for _ in range(12)]
    assert all(set(dealt[k : k + 4]) == set("abcd") for k in (0, 4, 8))


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{a|b}", "must make 3 sentences, got 2"),
        ("plain", "must make 3 sentences, got 1"),
        ("{1:a|b|c} {1:x|y}", "as many words"),
        ("{nobody} ran", "got 'nobody'"),
    ],
)
def test_a_template_that_cannot_serve_is_refused(template, message):
    with pytest.raises(ValueError, match=message):
        similarity_corpus.sentences(template, {}, random.Random(0))


# --- Pairs and questions


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["pairs", "questions"])
def test_pairs_are_different_and_in_their_language(name, language):
    table = rows(f"{name}_{language}")
    pairs = [frozenset((row["a"], row["b"])) for row in table]
    assert all(len(pair) == 2 for pair in pairs)
    assert len(pairs) == len(set(pairs)), "a pair comes twice, perhaps swapped"
    for text in (row[side] for row in table for side in "ab"):
        assert speaks(text, language), text
        assert text == text.strip() and text[-1] in "。？！.?!", text
        assert (4 if language == "zh" else 3) <= size(text, language) <= 40, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_scores_are_spread_and_fit_their_kinds(language):
    table = rows(f"pairs_{language}")
    assert list(table[0]) == ["a", "b", "score", "kind"] and len(table) >= 160
    scores = Counter(int(row["score"]) for row in table)
    assert set(scores) == set(range(6)) and max(scores.values()) == min(scores.values())
    for kind, allowed in KINDS.items():
        assert {int(row["score"]) for row in table if row["kind"] == kind} == allowed, kind
    kinds = Counter(row["kind"] for row in table)
    assert set(kinds) == set(KINDS) and min(kinds.values()) >= 12


@pytest.mark.parametrize("language", LANGUAGES)
def test_half_of_the_questions_match(language):
    table = rows(f"questions_{language}")
    assert list(table[0]) == ["a", "b", "label"] and len(table) >= 100
    assert Counter(row["label"] for row in table) == {"0": len(table) / 2, "1": len(table) / 2}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_of_a_pair_is_in_the_corpus(language):
    seen = set(lines(language))
    for row in rows(f"pairs_{language}") + rows(f"questions_{language}"):
        assert not seen & {row["a"], row["b"]}, row


# --- README.md


def test_readme_counts_are_those_of_the_files():
    listed = {row[0].strip("`"): row[1] for row in readme_rows(3) if row[0].startswith("`")}
    assert set(listed) == {path.name for path in ASSETS.iterdir()} - {"README.md"}
    for name, count in listed.items():
        if name.endswith(".safetensors"):
            assert count == "–", name
            continue
        n_lines = len((ASSETS / name).read_text(encoding="utf-8").splitlines())
        assert int(count) == n_lines - name.endswith(".csv"), name


@pytest.mark.parametrize(
    ("name", "column", "n_columns", "values"),
    [
        ("pairs", "score", 4, {str(score) for score in range(6)}),
        ("pairs", "kind", 5, set(KINDS)),
        ("questions", "label", 4, {"0", "1"}),
    ],
)
def test_readme_counts_by_value_are_those_of_the_files(name, column, n_columns, values):
    zh, en = (Counter(row[column] for row in rows(f"{name}_{code}")) for code in LANGUAGES)
    assert set(zh) == set(en) == values
    for value in values:
        assert [str(zh[value]), str(en[value])] in [
            row[-2:] for row in readme_rows(n_columns) if row[0] == value
        ]


def test_readme_figures_of_templates_and_lengths_are_true():
    sources = [similarity_corpus.read_source(language) for language in LANGUAGES]
    zh, en = (sum(map(len, source.topics.values())) for source in sources)
    assert f"{zh} Chinese and {en} English templates on 29 topics, at least 13 a topic" in README
    assert all(len(source.topics) == 29 for source in sources)
    assert min(len(group) for source in sources for group in source.topics.values()) == 13
    for language, unit in (("zh", "characters"), ("en", "words")):
        sizes = [size(line, language) for line in lines(language)]
        stated = f"{min(sizes)} to {max(sizes)} {unit}, {np.median(sizes):.0f} in the median"
        assert stated in README


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("name", "column"), [("pairs", "score"), ("questions", "label")])
def test_readme_states_what_plain_word_counts_reach(name, column, language):
    def words(text):
        return Counter(text if language == "zh" else text.lower().strip(".?!").split())

    def cosine(a, b):
        return sum(a[word] * b[word] for word in a) / np.sqrt(
            sum(n * n for n in a.values()) * sum(n * n for n in b.values())
        )

    table = rows(f"{name}_{language}")
    cosines = [cosine(words(row["a"]), words(row["b"])) for row in table]
    rho = spearmanr([float(row[column]) for row in table], cosines).statistic
    stated = re.search(rf"\.(\d\d) on\s+`{name}_{language}\.csv`", README)
    assert stated and abs(rho - int(stated[1]) / 100) < 0.0051  # rounded to two places
