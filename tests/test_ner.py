"""The recognisers of entities: windows, places in characters, what is kept, and a floor on F1."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import crf, encoder, global_pointer, ner, ner_heads, span_formats, weights
from models.ner_examples import EXAMPLES
from models.spans import Entity, owner, prf, prf_nested

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "ner"
# what the bundled sentences must give at least: F1, and recall of nested entities
FLOORS = {"nested": ("zh.txt", 0.84, 0.80), "litbank": ("en.txt", 0.80, 0.70)}


def test_importing_brings_no_torch():
    code = "import sys, models.ner; print('torch' in sys.modules, 'transformers' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


def bundled(name):
    lines = (ASSETS / name).read_text(encoding="utf-8").splitlines()
    return span_formats.read(
        "\n".join(line for line in lines if not line.startswith("#")), "inline"
    )


@pytest.mark.parametrize("types", FLOORS)
def test_the_shipped_weights_reach_their_floor(types):
    name, floor, nested_floor = FLOORS[types]
    documents = bundled(name)
    assert len(documents) >= 60
    gold = [entities for _, entities in documents]
    marked = ner.mark_all([text for text, _ in documents], types)
    found = [one.entities() for one in marked]
    everything, nested = prf(gold, found), prf_nested(gold, found)
    assert everything.f1 is not None and everything.f1 >= floor
    assert nested.recall is not None and nested.recall >= nested_floor


def test_nested_entities_of_a_teacher_are_found():
    text = EXAMPLES["hospital"]
    found = {text[e.start : e.end + 1] for e in ner.mark(text, "nested").entities()}
    assert {"北京大学第三医院", "北京大学", "北京"} <= found
    text = EXAMPLES["king"]
    found = {text[e.start : e.end + 1] for e in ner.mark(text, "litbank").entities()}
    assert {"The king of England's brother", "The king of England", "England"} <= found


@pytest.mark.parametrize("language", ner.LANGUAGES)
def test_files_of_weights_say_what_they_are(language):
    tensors, facts = weights.load(ASSETS / f"{language}.safetensors", ner.FACTS)
    assert set(facts["sets"]) == set(ner.SETS[language])
    for name, types in facts["sets"].items():
        assert tuple(types) == ner.TYPES[name]
    assert (ASSETS / f"{language}.safetensors").stat().st_size < 10_000_000
    assert facts["encoder"] in encoder.KNOWN and tensors


@pytest.mark.parametrize("kind", ner.HEADS)
def test_every_head_is_shipped_for_every_set(kind):
    for language, sets in ner.SETS.items():
        reader = ner.reader(language)
        for name in sets:
            counts = global_pointer.parameter_counts(384, ner_heads.HEAD_DIM, len(ner.TYPES[name]))
            column = {"crf": "crf"}.get(kind, f"{kind.removesuffix('_bare')}_bias")
            assert reader.n_parameters[name, kind] == counts[column]


@pytest.mark.parametrize("kind", ner.SPAN_HEADS)
def test_scores_are_the_formula_on_the_hidden_states(kind):
    text = EXAMPLES["museum"]
    marked = ner.mark(text, "nested", kind)
    _, h = ner.hidden(text, "zh")
    head = ner.reader("zh").heads["nested", kind]
    layers: Any = [
        (one.get_parameter("weight").double().numpy().T, one.get_parameter("bias").double().numpy())
        for one in head.children()
    ]
    rope = not kind.endswith("bare")
    states: Any = h.astype(float)
    if kind.startswith("egp"):
        given: Any = (states, *layers[0], *layers[1], rope)
        exact = global_pointer.efficient(*given)
    else:
        given = (states, *layers[0], ner_heads.HEAD_DIM, rope)
        exact = global_pointer.global_pointer(*given)
    seen = np.isfinite(marked.matrix)
    # single precision in the network: 1e-6 of scores of some tens
    np.testing.assert_allclose(marked.matrix[seen], exact[seen], rtol=1e-4, atol=1e-3)
    assert (seen == global_pointer.upper(len(h))).all()


def test_entities_are_the_cells_above_the_threshold():
    text = EXAMPLES["hospital"]
    marked = ner.mark(text, "nested")
    for threshold in (-3.0, 0.0, 2.0):
        cells = {
            (int(kind), int(i), int(j)) for kind, i, j in np.argwhere(marked.matrix > threshold)
        }
        found = marked.entities(threshold)
        places = {(e.label, marked.cell(e.start, e.end)) for e in found}
        assert places == {(marked.types[kind], (i, j)) for kind, i, j in cells}
        assert found == sorted(found, key=lambda e: (e.start, -e.end, e.label))
        assert all(e.score is not None and e.score > threshold for e in found)
    assert marked.cell(0, 1000) is None and marked.cell(-1, 0) is None


def test_a_long_text_is_read_in_windows():
    text = " ".join([EXAMPLES["king"]] * 14)[: ner.MOST_CHARACTERS]
    marked = ner.mark(text, "litbank")
    assert len(marked.windows) > 1
    n = len(marked.offsets)
    covered = np.zeros((n, n), int)
    for window in marked.windows:
        for i in range(window.start, window.stop):
            for j in range(i, window.stop):
                if window.low <= i + j < window.high:
                    covered[i, j] += 1
    near = np.triu(np.ones((n, n), bool)) & ~np.triu(np.ones((n, n), bool), ner.OVERLAP)
    assert (covered[near] == 1).all() and covered.max() == 1
    with pytest.raises(ValueError, match="one window of at most 126 pieces"):
        _ = marked.matrix


def test_windows_agree_with_the_rule_for_spans():
    text = " ".join([EXAMPLES["king"]] * 14)[: ner.MOST_CHARACTERS]
    marked = ner.mark(text, "litbank")
    parts = [(window.start, window.stop) for window in marked.windows]
    for i in range(0, len(marked.offsets), 7):
        for length in (1, 5, 20):
            j = min(i + length, len(marked.offsets) - 1)
            judge = [k for k, w in enumerate(marked.windows) if w.low <= i + j < w.high]
            nearest = owner(Entity(i, j, "PER"), parts)
            middles = [abs(a + b - 1 - i - j) for a, b in parts]
            assert len(judge) == 1 and nearest is not None
            assert middles[judge[0]] <= middles[nearest] + 1  # at equal distance either will do


def test_what_lies_far_away_does_not_matter():
    """A short text reads the same alone and with its own copy of everything else unread."""
    long = EXAMPLES["king"] * 30
    marked = ner.mark(long, "litbank")
    assert marked.n_cut == len(long) - ner.MOST_CHARACTERS and len(marked.text) == 2000
    assert max(e.end for e in marked.entities()) < 2000


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n\t",
        "a",
        "北",
        "\ud800",
        "<b>&",
        "👩‍🔬👩‍🔬",
        "é" * 50,
        "\u202eabc",
        "x" * 2500,
        "。" * 300,
    ],
)
@pytest.mark.parametrize("types", ["nested", "litbank"])
def test_any_text_is_read(text, types):
    for head in ("egp", "gp_bare"):
        marked = ner.mark(text, types, head)
        for one in marked.entities(-1e9)[:50]:
            assert 0 <= one.start <= one.end < len(text)
    tokens, made, transitions = ner.emissions(text, types)
    assert made.shape == (len(tokens.offsets), len(transitions)) and np.isfinite(made).all()
    tokens, shared, start, _ = ner.efficient_parts(text, types)
    assert shared.shape == (len(tokens.offsets),) * 2 and start.shape[1] == len(tokens.offsets)


def test_parts_add_up_to_the_score():
    text = EXAMPLES["weather"]
    for head in ("egp", "egp_bare"):
        _, shared, start, end = ner.efficient_parts(text, "nested", head)
        total = shared + start[:, :, None] + end[:, None, :]
        matrix = ner.mark(text, "nested", head).matrix
        seen = np.isfinite(matrix)
        np.testing.assert_allclose(total[seen], matrix[seen], rtol=0, atol=1e-4)


def test_the_crf_reads_a_flat_text():
    text = EXAMPLES["letters"]
    tokens, made, transitions = ner.emissions(text, "litbank")
    path = crf.viterbi(made, transitions).path
    spans = crf.from_bio([crf.tags(ner.TYPES["litbank"])[tag] for tag in path])
    found = {text[tokens.offsets[s.start][0] : tokens.offsets[s.end][1]] for s in spans}
    assert {"Paris", "London"} <= found


def test_a_text_is_read_once():
    text = EXAMPLES["ship"]
    assert ner.mark(text, "litbank") is ner.mark(text, "litbank")
    assert ner.mark_all([text], "litbank")[0] is ner.mark(text, "litbank")


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(ner, "MOST_KEPT", 10)
    first = ner.mark("London and Paris.", "litbank")
    assert first is not ner.mark("London and Paris.", "litbank")
    assert not ner._scores


def test_readers_leave_the_encoder_alone():
    base = encoder.load("roformer")
    before = base.network.get_parameter("encoder.layer.0.output.dense.weight").clone()
    ner.reader("zh")
    assert torch.equal(before, base.network.get_parameter("encoder.layer.0.output.dense.weight"))
    assert ner.reader("zh").encoder is not base


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ner.mark("a", "nested", "crf"), "head must be one of egp, gp"),
        (lambda: ner.mark("a", "conll"), "types must be one of nested, cluener, litbank"),
        (lambda: ner.reader("fr"), "language must be one of zh, en"),
        (lambda: ner.efficient_parts("a", "nested", "gp"), "head must be one of egp, egp_bare"),
    ],
)
def test_out_of_domain(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("text", "language"), [("北京", "zh"), ("Beijing", "en"), ("", "en"), ("in 北京", "zh")]
)
def test_language_is_guessed(text, language):
    assert ner.guess_language(text) == language
