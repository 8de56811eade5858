"""Make ``assets/playground-sans-sc.woff2``: Chinese glyphs for machines that have no Chinese font.

The font stands last in the page's list of fonts, so a browser fetches it only where no Chinese
font is installed. It holds the 3755 characters of GB 2312 level 1, Chinese punctuation, the Latin
and mathematical signs that our words use, whatever else stands in the word tables, and the
Chinese characters of the texts we ship.

Beside it, ``playground-sans-sc.txt`` lists its characters, for the tests.

Run (after ``apt install fonts-noto-cjk`` and ``pip install fonttools brotli``)::

    python -m training.font /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc

Source: Noto Sans CJK SC (SIL Open Font License 1.1), Debian package ``fonts-noto-cjk``.
"""

import argparse
from pathlib import Path

from demos.words import LANGUAGES, TEXT

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "assets" / "playground-sans-sc.woff2"
TEXTS = ("assets/ner/*.txt", "assets/similarity/*.*", "models/*.py")  # whose Chinese is shown
PUNCTUATION = (
    "　、。〈〉《》「」『』【】〔〕…—～‘’“”！（），．／：；＜＝＞？［］｛｜｝￥"
    "％＋－·×÷≤≥≈≠∞√∑∏∫∂∈∪∩→←↑↓⇒✓✗–−°′″αβγδεζηθι"
    "κλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ"
)


def characters() -> set[str]:
    """Return the characters the font must have."""
    level_one = {
        bytes((row, column)).decode("gb2312")
        for row in range(0xB0, 0xD8)
        for column in range(0xA1, 0xFF if row < 0xD7 else 0xFA)
    }
    words = {char for lang in LANGUAGES for word in TEXT[lang].values() for char in word}
    files = (file for pattern in TEXTS for file in ROOT.glob(pattern))
    shipped = {
        char
        for file in files
        if file.suffix in (".txt", ".csv", ".py")
        for char in file.read_text(encoding="utf-8")
        if "\u3400" <= char <= "\u9fff"
    }
    ascii_signs = {chr(code) for code in range(0x20, 0x7F)}
    return level_one | words | shipped | ascii_signs | set(PUNCTUATION)


def main() -> None:
    """Cut the font and write it."""
    from fontTools import subset

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("font", type=Path, help="NotoSansCJK-Regular.ttc")
    source = parser.parse_args().font
    options = subset.Options(font_number=2, flavor="woff2", layout_features=["locl", "ccmp"])
    options.hinting = False
    options.desubroutinize = True
    font = subset.load_font(str(source), options)
    cutter = subset.Subsetter(options)
    cutter.populate(text="".join(sorted(characters())))
    cutter.subset(font)
    subset.save_font(font, str(OUT), options)
    OUT.with_suffix(".txt").write_text("".join(sorted(characters())) + "\n", encoding="utf-8")
    print(f"{OUT.name}: {OUT.stat().st_size / 1000:.0f} kB, {len(characters())} characters")


if __name__ == "__main__":
    main()
