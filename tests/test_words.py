"""The word tables: the same keys, the same parameters, no missing and no idle word, clean text."""

import ast
import re
from pathlib import Path

import pytest

from demos import DEMOS
from demos.controls import option_words
from demos.words import LANGUAGES, TEXT, W, Word, language, quoted, spell

ROOT = Path(__file__).resolve().parent.parent
CJK = r"[\u3400-\u9fff]"
PARAMETER = re.compile(r"\{(\w+)\}")


def test_languages_have_the_same_keys():
    assert TEXT["zh"].keys() == TEXT["en"].keys()


@pytest.mark.parametrize("key", sorted(TEXT["en"]))
def test_a_word_says_the_same_in_both_languages(key):
    zh, en = TEXT["zh"][key], TEXT["en"][key]
    assert zh.strip() == zh and en.strip() == en and zh and en
    if "$" not in en:
        assert sorted(set(PARAMETER.findall(zh))) == sorted(set(PARAMETER.findall(en)))
    assert re.findall(r"\]\((\S+?)\)", zh) == re.findall(r"\]\((\S+?)\)", en), "links differ"


def test_chinese_uses_chinese_punctuation():
    wrong = {
        key: word
        for key, word in TEXT["zh"].items()
        if re.search(rf"{CJK}[,;:?!]|{CJK}\.(\s|$)|[,;:?!]{CJK}", re.sub(r"\$.*?\$", "", word))
    }
    assert not wrong


def test_formulas_hold_chinese_only_as_text():
    """KaTeX warns of anything else."""
    for key, word in TEXT["zh"].items():
        for formula in re.findall(r"\$\$.+?\$\$|\$.+?\$", word, re.S):
            bare = re.sub(r"\\(text|mathrm|operatorname)\{[^}]*\}", "", formula)
            assert not re.search(r"[\u3000-\u9fff\uff00-\uffef]", bare), (key, formula)


def test_english_has_no_chinese_but_names():
    allowed = {"frame.ui_tagline"}
    found = {k for k, w in TEXT["en"].items() if re.search(CJK, w)} - allowed
    assert not {k for k in found if not k.rpartition(".")[2].startswith("source_")}


def test_chinese_words_are_chinese():
    """A sentence of four English words or more in the Chinese table was forgotten."""
    for key, word in TEXT["zh"].items():
        plain = re.sub(r"\$\$?.*?\$\$?|`.*?`|\]\(\S+?\)|<.*?>|%?\{.*?\}", "", word, flags=re.S)
        if not re.search(CJK, plain):
            assert len(re.findall(r"[A-Za-z]{3,}", plain)) < 4, f"{key}: {word}"


def sources():
    """Return the modules of ``demos`` that hold no word table."""
    return [f for f in (ROOT / "demos").rglob("*.py") if f.parent.name not in ("zh", "en")]


def used_keys():
    """Keys that stand in the source, and those the frame derives from declarations."""
    keys = set()
    for file in sources():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                keys.add(node.value)
    return keys


def test_no_word_is_idle():
    literal, derived = used_keys(), set()
    for demo in DEMOS:
        derived |= {f"{demo.key}.{part}" for part in ("title", "heading", "intro")}
        derived |= {f"{demo.key}.source_{key}" for key in demo.sources}
        for panel in demo.panels:
            derived |= {panel.word(part).key for part in ("title", "lead", "math")}
            for preset in panel.presets:
                derived |= {panel.word(f"try_{preset.key}{end}").key for end in ("", "_see")}
            for name, control in panel.fields.items():
                label = panel.label(name).key
                derived |= {label, f"{label}_info"}
                derived |= {f"{demo.key}.{name}_info", f"{demo.key}.{panel.key}_{name}_info"}
                if hasattr(control, "options"):
                    words = option_words(
                        demo.key, panel.key, control.words or name, control.options
                    )
                    derived |= {word.key for word in words}
    parts = {text for text in literal if "." in text}
    idle = {
        key
        for key in TEXT["en"]
        if key not in derived
        and key not in parts
        and key.partition(".column_")[2] not in literal
        and not key.startswith("frame.ui_")
        and not any(key.startswith(prefix) for prefix in prefixes())
    }
    assert not idle


def prefixes():
    """Beginnings of keys that are completed by an f-string: ``W(f"rope.method_{name}")``."""
    found = set()
    for file in sources():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                start = str(node.values[0].value)
                if "." in start:
                    found.add(start)
    return found


def test_interface_words_are_used_by_the_script():
    script = (ROOT / "assets" / "frame.js").read_text(encoding="utf-8")
    for key in TEXT["en"]:
        if key.startswith("frame.ui_") and not key.startswith("frame.ui_theme_"):
            assert f'"{key.removeprefix("frame.ui_")}"' in script, key


def test_no_sentence_stands_outside_the_tables():
    for file in [ROOT / "app.py", *sources()]:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef))
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert id(node) in docs or not re.search(CJK, node.value), (file, node.value)


def test_the_font_has_every_chinese_character_we_use():
    from training.font import characters

    used = {c for word in TEXT["zh"].values() for c in word if re.match(CJK, c)}
    level_one = {c for c in characters() if re.match(CJK, c)}
    assert used <= level_one
    shipped = (ROOT / "assets" / "playground-sans-sc.txt").read_text(encoding="utf-8")
    missing = used - set(shipped)
    assert not missing, f"run training/font.py again: {''.join(sorted(missing))}"


@pytest.mark.parametrize(
    ("tag", "lang"),
    [("zh", "zh"), ("zh-CN", "zh"), ("zh-TW,zh;q=0.9", "zh"), ("zh-HK", "zh"), ("ZH-hans", "zh")]
    + [("en-US", "en"), ("de", "en"), ("", "en"), (None, "en")],
)
def test_language_of_a_browser(tag, lang):
    assert language(tag) == lang


def test_words_take_parameters_and_leave_plotly_templates():
    word = Word("frame.error_value", {"field": W("frame.seed"), "domain": 1.0, "given": "x"})
    assert word.text("en") == "Seed: please give 1; got x."
    assert "随机种子" in word.text("zh")
    with pytest.raises(KeyError):
        W("frame.no_such_word")


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (1 / 3, "0.33333"), (float("nan"), "–"), (float("inf"), "∞"), (True, "True")]
    + [(1234, "1234"), (1234567, "1\u202f234\u202f567"), (32768.0, "32\u202f768"), ("a", "a")],
)
def test_numbers_are_spelled(value, text):
    assert spell(value) == text


def test_quoted_is_short_and_printable():
    assert len(quoted("x" * 10_000)) < 70
    assert "\n" not in quoted("a\nb\0c")


def test_languages():
    assert LANGUAGES == ("zh", "en")
