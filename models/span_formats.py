r"""Read and write annotated text, or say exactly what is wrong with it and in which line.

inline  One sentence per line, nesting allowed: [[北京大学|ORG]第三医院|ORG]在北京. A backslash
        before [ ] | or \ makes the character plain text. Crossing entities cannot be written.
bio     CoNLL: one token per line, last column the tag, a blank line between sentences. Columns are
        parted by tabs, or by blanks in a line without tabs. If all columns after the first hold
        nothing but tags in the whole text, each is a layer and nested entities can be read; else
        the last one counts. BIOES and BMES are read as BIO; I-x without B-x begins an entity.
brat    The text, then its lines T1<TAB>TYPE start end<TAB>surface, with or without a blank line
        between; several such documents may follow one another. Lines R, E, A, M, N, # and * are
        skipped. A document without entities, if not the last, needs one such line to close it.
json    {"text": ..., "entities": [{"start": 0, "end": 4, "label": "ORG"}]}, one object, several in
        a row, or a list of them. An entity may also be a row [start, end, label], and the rows may
        stand under "label". CLUENER: {"text": ..., "label": {type: {surface: [[start, end]]}}}.

Convention: positions count Python code points from 0. In a document `Entity.end` is INCLUSIVE, as
in CLUENER; in json "entities" and brat the end is EXCLUSIVE, as in spaCy, and is converted here.
Entities come out sorted, and one given twice comes out once. Labels lose blanks around them. BOM
and Windows line ends are removed; full-width brackets are text.

Source: brat standoff, brat.nlplab.org/standoff; Tjong Kim Sang and De Meulder, 2003, W03-0419
(CoNLL columns); Xu et al., 2020, arXiv 2001.04351 (CLUENER); layers of columns as in Bamman,
Popat and Shen, 2019, N19-1220 (LitBank).
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from models.crf import clashes, from_bio, to_bio
from models.spans import Entity, lanes

Document = tuple[str, list[Entity]]
Span = tuple[int, Any, Any, Any]  # line, start, exclusive stop, label: as read, not yet checked

MOST_SENTENCES = 500
MOST_CHARACTERS = 2000  # in a sentence
MOST_ENTITIES = 1000  # in a sentence
MOST_TYPES = 200
MOST_LABEL = 40  # characters in a label
MOST_INPUT = 2_000_000  # characters in all

SENTENCES = {
    "unknown_kind": "The format {found} is unknown; known are {expected}.",
    "empty": "There is no sentence in it.",
    "too_large": "The text has {found} characters in all; at most {limit} are read.",
    "too_many_sentences": "Line {line}: there are {found} sentences; at most {limit} are read.",
    "too_long": "Line {line}: the sentence has {found} characters; at most {limit} are allowed.",
    "too_many_entities": "Line {line}: the sentence has {found} entities; at most {limit} are "
    "allowed.",
    "too_many_types": "Line {line}: with {found} there are more than {limit} entity types.",
    "long_label": "Line {line}: the label {found} has {length} characters; at most {limit} are "
    "allowed.",
    "empty_label": "Line {line}: an entity has an empty label.",
    "label_type": "Line {line}: a label must be text, not {found}.",
    "empty_text": "Line {line}: the sentence has no text.",
    "character": "Line {line}: the character {found} is not allowed.",
    "offset": "Line {line}: a position must be a whole number, not {found}.",
    "order": "Line {line}: an entity from {start} to {stop} (exclusive) holds no character.",
    "range": "Line {line}: an entity from {start} to {stop} (exclusive) leaves the text of "
    "{length} characters.",
    "surface": "Line {line}: characters {start} to {stop} (exclusive) read {expected}, not "
    "{found}.",
    "unopened": "Line {line}, column {column}: ] closes no bracket. Write \\] for a plain one.",
    "unclosed": "Line {line}, column {column}: [ is never closed. Write \\[ for a plain one.",
    "untyped": "Line {line}, column {column}: this bracket names no type; write [text|TYPE], or "
    "\\[ and \\] for plain brackets.",
    "bracket_in_label": "Line {line}, column {column}: {found} inside a label; write \\{found}.",
    "empty_span": "Line {line}, column {column}: this bracket holds no text.",
    "columns": "Line {line} has {found} columns where {expected} were expected.",
    "no_tag": "Line {line} has one column; a token and its tag are needed.",
    "no_token": "Line {line} has no token.",
    "tag": "Line {line}: {found} is no tag; tags are O, B-type and I-type.",
    "brat_line": "Line {line} is not T1, tab, type start end, tab, text: {found}.",
    "brat_text": "Line {line}: annotations stand here before any text.",
    "discontinuous": "Line {line}: {found} is in several pieces, which is not supported.",
    "json": "Line {line}, column {column}: this is not JSON, near {found}.",
    "json_deep": "Line {line}: the JSON is nested too deeply.",
    "json_item": "Line {line}: an object with text and entities was expected, not {found}.",
    "json_text": 'Line {line}: "text" must be text, not {found}.',
    "json_entities": "Line {line}: these are not entities: {found}.",
    "crossing": "Sentence {line}: {first} and {second} cross; brackets can only nest.",
    "not_bio": "Sentence {line}: {first} and {second} share {found}; a token has one tag.",
    "unaligned": "Sentence {line}: {found} does not begin and end where tokens do.",
    "unwritable": "Sentence {line}: {found} cannot be written as {kind}.",
}


class FormatError(ValueError):
    """What is wrong with an annotated text.

    Attributes:
        code: A key of `SENTENCES`, stable, for translation.
        line: Number of the bad line, from 1; in `write`, number of the sentence.
        details: All values its sentence may name, line among them. Foreign text is shortened.
    """

    def __init__(self, code: str, line: int, **details: Any) -> None:
        self.code, self.line = code, line
        self.details: dict[str, Any] = {"line": line, **details}
        super().__init__(SENTENCES[code].format(**self.details))


# --- What all formats share -----------------------------------------------------------------------

_BAD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def read(text: str, kind: str = "auto", joiner: str | None = None) -> list[Document]:
    """Read annotated text.

    Args:
        text: What somebody pasted or uploaded.
        kind: One of `KINDS`, or "auto" for what `detect` says.
        joiner: Only for bio: what stands between tokens. By default nothing in a sentence whose
            tokens are single characters, one of them Han or kana, and otherwise a blank.

    Returns:
        At least one (text, entities), entities sorted and different.

    Raises:
        FormatError: If the text is too large, or is not of that format.
    """
    if len(text) > MOST_INPUT:
        raise FormatError("too_large", 1, found=len(text), limit=MOST_INPUT)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if bad := _BAD.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        raise FormatError("character", line, found=_code_point(bad.group()))
    kind = detect(text) if kind == "auto" else kind
    if kind not in KINDS:
        raise FormatError("unknown_kind", 1, found=_shown(kind), expected=", ".join(KINDS))
    checked = _Checked()
    if kind == "bio":
        _read_bio(text, checked, joiner)
    else:
        _READERS[kind](text, checked)
    return checked.finish()


def detect(text: str) -> str:
    """Guess the format: json, brat and bio by their marks, and otherwise inline.

    Plain text is inline without brackets. Always returns one of `KINDS`.
    """
    if re.match(r"\s*(\[\s*)?\{\s*[\"}]|\s*\[\s*\]\s*$", text):
        return "json"
    if re.search(r"^T[0-9]+\t.+ [0-9]+ [0-9]+", text, re.MULTILINE):
        return "brat"
    rows = [_cells(line) for line in text.split("\n") if line.strip()]
    is_bio = all(len(row) > 1 and _TAG.fullmatch(row[-1]) for row in rows)
    return "bio" if rows and is_bio else "inline"


def write(
    documents: Iterable[Document], kind: str, *, layered: bool = False, joiner: str | None = None
) -> str:
    """Write documents so that `read` with the same kind and joiner gives them back.

    Args:
        documents: (text, entities), under the same limits as when read.
        kind: One of `KINDS`.
        layered: Only for bio: spread overlapping entities over several tag columns.
        joiner: Only for bio: "" makes every character a token, " " parts tokens at blanks; by
            default characters if one of them is Han or kana.

    Returns:
        Text with a line end at its end; empty if there is no document (for json an empty list).

    Raises:
        FormatError: If a document breaks a limit or the format cannot hold it; line is then the
            number of the sentence.
    """
    if kind not in KINDS:
        raise FormatError("unknown_kind", 1, found=_shown(kind), expected=", ".join(KINDS))
    checked = _Checked()
    for number, (text, entities) in enumerate(documents, start=1):
        spans = ((number, e.start, e.end + 1, e.label) for e in entities)
        checked.add(number, text, spans)
    done = checked.finish() if checked.n_sentences else []
    written = _write_bio(done, layered, joiner) if kind == "bio" else _WRITERS[kind](done)
    return "\ufeff" + written if written.startswith("\ufeff") else written  # read drops one


class _Checked:
    """Documents under the limits; the one place where texts and spans are checked."""

    def __init__(self) -> None:
        self.done: list[Document] = []
        self.types: set[str] = set()
        self.n_sentences = 0
        self.late = 0  # line of the first sentence too many

    def add(self, line: int, text: str, spans: Iterable[Span]) -> None:
        self.n_sentences += 1
        if self.n_sentences > MOST_SENTENCES:
            self.late = self.late or line
            return
        if bad := _BAD.search(text):
            raise FormatError("character", line, found=_code_point(bad.group()))
        if not text.strip():
            raise FormatError("empty_text", line)
        if len(text) > MOST_CHARACTERS:
            raise FormatError("too_long", line, found=len(text), limit=MOST_CHARACTERS)
        entities = {self._entity(len(text), *span) for span in spans}
        if len(entities) > MOST_ENTITIES:
            raise FormatError("too_many_entities", line, found=len(entities), limit=MOST_ENTITIES)
        self.done.append((text, sorted(entities)))

    def _entity(self, length: int, line: int, start: Any, stop: Any, label: Any) -> Entity:
        for offset in (start, stop):
            if not isinstance(offset, int) or isinstance(offset, bool):
                raise FormatError("offset", line, found=_shown(offset))
        place = {"start": _shown(start), "stop": _shown(stop)}
        if start >= stop:
            raise FormatError("order", line, **place)
        if start < 0 or stop > length:
            raise FormatError("range", line, length=length, **place)
        return Entity(start, stop - 1, self._label(line, label))

    def _label(self, line: int, label: Any) -> str:
        if not isinstance(label, str):
            raise FormatError("label_type", line, found=_shown(label))
        name = label.strip()
        if not name:
            raise FormatError("empty_label", line)
        if bad := _BAD.search(name) or re.search("[\t\n\r]", name):
            raise FormatError("character", line, found=_code_point(bad.group()))
        if len(name) > MOST_LABEL:
            raise FormatError(
                "long_label", line, found=_shown(name), length=len(name), limit=MOST_LABEL
            )
        self.types.add(name)
        if len(self.types) > MOST_TYPES:
            raise FormatError("too_many_types", line, found=name, limit=MOST_TYPES)
        return name

    def finish(self) -> list[Document]:
        if self.late:
            raise FormatError(
                "too_many_sentences", self.late, found=self.n_sentences, limit=MOST_SENTENCES
            )
        if not self.done:
            raise FormatError("empty", 1)
        return self.done


def _shown(value: Any) -> str:
    """Return foreign content as one line of characters that can be shown, cut to a length."""
    if isinstance(value, (dict, list)):
        value = "{…}" if isinstance(value, dict) else "[…]"
    if isinstance(value, int) and value.bit_length() > 10_000:
        value = hex(value)  # decimal digits of such numbers are refused by Python
    text = _BAD.sub("\ufffd", " ".join(str(value).split()))
    return text if len(text) <= MOST_LABEL else text[: MOST_LABEL - 1] + "…"


def _code_point(character: str) -> str:
    return f"U+{ord(character):04X}"


def _named(text: str, entity: Entity) -> str:
    return f"{_shown(text[entity.start : entity.end + 1])} ({entity.label})"


def _unwritable(line: int, kind: str, found: str) -> FormatError:
    return FormatError("unwritable", line, kind=kind, found=_shown(found))


# --- Inline brackets ------------------------------------------------------------------------------

_INLINE = re.compile(r"\\[\[\]|\\]|[\[\]|]|[^\[\]|\\]+|\\")


def _read_inline(text: str, checked: _Checked) -> None:
    for line, source in enumerate(text.split("\n"), start=1):
        if source.strip():
            plain, spans = _parse_inline(line, source)
            checked.add(line, plain, spans)


def _parse_inline(line: int, source: str) -> tuple[str, list[Span]]:
    plain: list[str] = []
    length = 0  # of plain, in characters
    spans: list[Span] = []
    opened: list[tuple[int, int]] = []  # (column, start in the plain text)
    label: list[str] | None = None  # of the innermost bracket, once its | is passed
    for match in _INLINE.finditer(source):
        piece, column = match.group(), match.start() + 1
        if piece == "]":
            start = _closed(line, column, opened, length, label is None)
            spans.append((line, start, length, "".join(label or ())))
            label = None
        elif label is not None:
            if piece in ("[", "|"):
                raise FormatError("bracket_in_label", line, column=column, found=piece)
            label.append(piece[-1] if piece[0] == "\\" else piece)
        elif piece == "[":
            opened.append((column, length))
        elif piece == "|" and opened:
            label = []
        else:
            plain.append(piece[-1] if piece[0] == "\\" else piece)
            length += len(plain[-1])
    if opened:
        raise FormatError("unclosed", line, column=opened[-1][0])
    return "".join(plain), spans


def _closed(
    line: int, column: int, opened: list[tuple[int, int]], length: int, is_untyped: bool
) -> int:
    """Take the innermost bracket off and return its start, or say why it cannot be closed here."""
    if not opened:
        raise FormatError("unopened", line, column=column)
    begun, start = opened.pop()
    if is_untyped or start == length:
        raise FormatError("untyped" if is_untyped else "empty_span", line, column=begun)
    return start


def _write_inline(documents: Sequence[Document]) -> str:
    lines = []
    for number, (text, entities) in enumerate(documents, start=1):
        if re.search("[\n\r]", text):
            raise _unwritable(number, "inline", "a line break")
        lines.append(_bracketed(number, text, entities) + "\n")
    return "".join(lines)


def _bracketed(number: int, text: str, entities: Sequence[Entity]) -> str:
    waiting = sorted(entities, key=lambda e: (-e.start, e.end, e.label))  # the next one is last
    opened: list[Entity] = []
    pieces = []
    for index, character in enumerate(text):
        while waiting and waiting[-1].start == index:
            entity = waiting.pop()
            if opened and entity.end > opened[-1].end:
                first, second = _named(text, opened[-1]), _named(text, entity)
                raise FormatError("crossing", number, first=first, second=second)
            opened.append(entity)
            pieces.append("[")
        pieces.append(_escaped(character))
        while opened and opened[-1].end == index:
            pieces.append(f"|{_escaped(opened.pop().label)}]")
    return "".join(pieces)


def _escaped(text: str) -> str:
    return re.sub(r"([\[\]|\\])", r"\\\1", text)


# --- CoNLL columns --------------------------------------------------------------------------------

_TAG = re.compile(r"O|[BIMES]-.*\S")
_EAST_ASIAN = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]"
)
_FILE_MARK = "-DOCSTART-"
_MARKS = str.maketrans("MES", "IIB")

Row = tuple[int, list[str]]  # line, columns


def _read_bio(text: str, checked: _Checked, joiner: str | None) -> None:
    sentences = list(_bio_sentences(text))
    rows = [row for sentence in sentences for _, row in sentence]
    layered = all(_TAG.fullmatch(tag) for row in rows for tag in row[1:])
    width = len(rows[0]) if rows else 0
    for sentence in sentences:
        for line, row in sentence:
            if len(row) != width:
                raise FormatError("columns", line, found=len(row), expected=width)
        tokens = [row[0] for _, row in sentence]
        between = joiner if joiner is not None else _joiner(tokens)
        starts, spans = [0], []
        for token in tokens:
            starts.append(starts[-1] + len(token) + len(between))
        for column in range(1, width) if layered else [width - 1]:
            for span in from_bio([_bio_tag(line, row[column]) for line, row in sentence]):
                stop = starts[span.end] + len(tokens[span.end])
                spans.append((sentence[span.start][0], starts[span.start], stop, span.label))
        checked.add(sentence[0][0], between.join(tokens), spans)


def _bio_sentences(text: str) -> Iterator[list[Row]]:
    """Yield the rows of each sentence, the file marks of CoNLL 2003 left out."""
    sentence: list[Row] = []
    for line, source in enumerate([*text.split("\n"), ""], start=1):
        if source.strip():
            cells = _cells(source)
            if len(cells) < 2:
                raise FormatError("no_tag", line)
            if not cells[0]:
                raise FormatError("no_token", line)
            sentence.append((line, cells))
        elif sentence:
            if not (len(sentence) == 1 and sentence[0][1][0] == _FILE_MARK):
                yield sentence
            sentence = []


def _cells(source: str) -> list[str]:
    row = source.rstrip()
    if "\t" not in row:
        return row.split()
    token, *others = row.split("\t")
    return [token, *(cell.strip() for cell in others)]


def _bio_tag(line: int, tag: str) -> str:
    if not _TAG.fullmatch(tag):
        raise FormatError("tag", line, found=_shown(tag))
    return tag[0].translate(_MARKS) + tag[1:]


def _joiner(tokens: Iterable[str]) -> str:
    single = all(len(token) == 1 for token in tokens)
    return "" if single and any(map(_EAST_ASIAN.match, tokens)) else " "


def _write_bio(documents: Sequence[Document], layered: bool, joiner: str | None) -> str:
    sentences = []
    width = 1
    for number, (text, entities) in enumerate(documents, start=1):
        tokens, spans = _in_tokens(number, text, entities, joiner)
        if not layered and (found := clashes(entities)):
            pair = found[0]
            raise FormatError(
                "not_bio",
                number,
                first=_named(text, pair.first),
                second=_named(text, pair.second),
                found=_shown(text[pair.tokens.start : pair.tokens.stop]),
            )
        layers: list[list[Entity]] = []
        for span, lane in zip(spans, lanes(spans), strict=True):
            layers += [[] for _ in range(lane + 1 - len(layers))]
            layers[lane].append(span)
        width = max(width, len(layers))
        types = [span.label for span in spans]
        sentences.append((tokens, [to_bio(layer, len(tokens), types) for layer in layers]))
    blocks = []
    for tokens, columns in sentences:
        columns += [("O",) * len(tokens)] * (width - len(columns))
        blocks.append("".join("\t".join(row) + "\n" for row in zip(tokens, *columns, strict=True)))
    return "\n".join(blocks)


def _in_tokens(
    number: int, text: str, entities: Sequence[Entity], joiner: str | None
) -> tuple[list[str], list[Entity]]:
    if re.search("[\t\n\r]", text):
        raise _unwritable(number, "bio", "a tab or line break")
    if joiner is None:
        joiner = "" if _EAST_ASIAN.search(text) else " "
    if joiner == "":
        return list(text), list(entities)
    tokens = text.split(joiner)
    if tokens == [_FILE_MARK]:
        raise _unwritable(number, "bio", _FILE_MARK)
    if not all(tokens):
        raise _unwritable(number, "bio", "a blank at an edge or beside another")
    at, starts, stops = 0, {}, {}
    for index, token in enumerate(tokens):
        starts[at], stops[at + len(token) - 1] = index, index
        at += len(token) + len(joiner)
    for entity in entities:
        if entity.start not in starts or entity.end not in stops:
            raise FormatError("unaligned", number, found=_named(text, entity))
    return tokens, [Entity(starts[e.start], stops[e.end], e.label) for e in entities]


# --- brat standoff --------------------------------------------------------------------------------

_BRAT = re.compile(r"(?:[TREAMN#][0-9]+|\*)\t|T[0-9]+ +\S+ +[0-9]+ +[0-9]+(?: |$)")
_BRAT_ENTITY = re.compile(r"T[0-9]+\t(.*?) (-?[0-9]{1,9}) (-?[0-9]{1,9})\t(.*)")
_PIECES = re.compile(r"T[0-9]+\t.* [0-9]+ [0-9]+(?:;[0-9]+ [0-9]+)+\t")


def _read_brat(text: str, checked: _Checked) -> None:
    block: list[str] = []
    first = 1  # line of the block's first line
    notes: list[tuple[int, str]] = []
    previous = ""
    for line, source in enumerate(text.split("\n"), start=1):
        if _BRAT.match(source):
            notes.append((line, source))
        elif notes and source.strip():
            if previous.strip():
                raise FormatError("brat_line", line, found=_shown(source))
            _add_brat(block, first, notes, checked)
            block, first, notes = [source], line, []
        elif not notes and (block or source.strip()):
            first = first if block else line
            block.append(source)
        previous = source
    _add_brat(block, first, notes, checked)


def _add_brat(
    block: list[str], first: int, notes: list[tuple[int, str]], checked: _Checked
) -> None:
    while block and not block[-1].strip():
        block.pop()
    if not block:
        if notes:
            raise FormatError("brat_text", notes[0][0])
        return
    text = "\n".join(block)
    spans = [_brat_span(text, line, note) for line, note in notes if note.startswith("T")]
    checked.add(first, text, spans)


def _brat_span(text: str, line: int, source: str) -> Span:
    if _PIECES.match(source):
        raise FormatError("discontinuous", line, found=_shown(source))
    match = _BRAT_ENTITY.fullmatch(source)
    if not match:
        raise FormatError("brat_line", line, found=_shown(source))
    label, start, stop, surface = match[1], int(match[2]), int(match[3]), match[4]
    if 0 <= start < stop <= len(text):
        _check_surface(text, line, start, stop, surface)
    return line, start, stop, label


def _check_surface(text: str, line: int, start: int, stop: int, surface: str) -> None:
    there = text[start:stop]
    if there.replace("\n", " ") != surface.replace("\n", " "):
        raise FormatError(
            "surface", line, start=start, stop=stop, expected=_shown(there), found=_shown(surface)
        )


def _write_brat(documents: Sequence[Document]) -> str:
    blocks = []
    for number, (text, entities) in enumerate(documents, start=1):
        lines = text.split("\n")
        if "\r" in text or not (lines[0].strip() and lines[-1].strip()):
            raise _unwritable(number, "brat", "a blank line at an edge or a carriage return")
        if noted := next(filter(_BRAT.match, lines), None):
            raise _unwritable(number, "brat", noted)
        notes = [
            f"T{k}\t{e.label} {e.start} {e.end + 1}\t"
            + text[e.start : e.end + 1].replace("\n", " ")
            for k, e in enumerate(entities, start=1)
        ]
        closing = [] if notes or number == len(documents) else ["#1\tAnnotatorNotes\t-"]
        blocks.append("\n".join([text, *([""] if notes or closing else []), *notes, *closing, ""]))
    return "\n".join(blocks)


# --- JSON -----------------------------------------------------------------------------------------


def _read_json(text: str, checked: _Checked) -> None:
    for line, item in _json_items(text):
        if not isinstance(item, dict) or "text" not in item:
            raise FormatError("json_item", line, found=_shown(item))
        content = item["text"]
        if not isinstance(content, str):
            raise FormatError("json_text", line, found=_shown(content))
        if "entities" not in item and isinstance(item.get("label"), dict):
            spans = _cluener(content, line, item["label"])
        else:
            spans = _json_spans(line, item.get("entities", item.get("label", [])))
        checked.add(line, content, spans)


def _json_items(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the line and value of each item of a list, or of each value in a row."""
    skip = re.compile(r"[ \t\n]*")
    decoder = json.JSONDecoder()

    def after_blanks(at: int) -> int:
        found = skip.match(text, at)
        return found.end() if found else at

    def failed(at: int) -> FormatError:
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
        return FormatError("json", line, column=column, found=_shown(text[at : at + 20]))

    at = after_blanks(0)
    in_list = text.startswith("[", at)
    at = after_blanks(at + 1) if in_list else at
    line, counted = 1, 0
    is_open = in_list and not text.startswith("]", at)
    while is_open or (not in_list and at < len(text)):
        line, counted = line + text.count("\n", counted, at), at
        try:
            item, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise failed(error.pos) from None
        except RecursionError:
            raise FormatError("json_deep", line) from None
        except ValueError:  # a number of thousands of digits
            raise failed(at) from None
        yield line, item
        at = after_blanks(end)
        if in_list:
            if text[at : at + 1] not in (",", "]"):
                raise failed(at)
            is_open = text[at] == ","
            at = after_blanks(at + 1) if is_open else at
    if in_list and after_blanks(at + 1) < len(text):
        raise failed(after_blanks(at + 1))


def _json_spans(line: int, listed: Any) -> Iterator[Span]:
    """Yield spans of {"start", "end", "label"} or [start, end, label], end EXCLUSIVE."""
    if not isinstance(listed, list):
        raise FormatError("json_entities", line, found=_shown(listed))
    for entity in listed:
        if isinstance(entity, dict):
            yield line, entity.get("start"), entity.get("end"), entity.get("label", "")
        elif isinstance(entity, list) and len(entity) == 3:
            yield line, entity[0], entity[1], entity[2]
        else:
            raise FormatError("json_entities", line, found=_shown(entity))


def _cluener(text: str, line: int, labels: dict[str, Any]) -> Iterator[Span]:
    """Yield spans of {type: {surface: [[start, end]]}}, end INCLUSIVE."""
    for label, surfaces in labels.items():
        if not isinstance(surfaces, dict):
            raise FormatError("json_entities", line, found=_shown(surfaces))
        for surface, places in surfaces.items():
            for place in places if isinstance(places, list) else [places]:
                if not isinstance(place, list) or len(place) != 2:
                    raise FormatError("json_entities", line, found=_shown(place))
                start, end = place
                whole = all(isinstance(x, int) and not isinstance(x, bool) for x in place)
                if whole and 0 <= start <= end < len(text):
                    _check_surface(text, line, start, end + 1, surface)
                yield line, start, end + 1 if whole else end, label


def _write_json(documents: Sequence[Document]) -> str:
    items = [
        json.dumps(
            {
                "text": text,
                "entities": [
                    {"start": e.start, "end": e.end + 1, "label": e.label} for e in entities
                ],
            },
            ensure_ascii=False,
        )
        for text, entities in documents
    ]
    return "[\n" + ",\n".join(items) + "\n]\n" if items else "[]\n"


_READERS: dict[str, Callable[[str, _Checked], None]] = {
    "inline": _read_inline,
    "brat": _read_brat,
    "json": _read_json,
}
_WRITERS: dict[str, Callable[[Sequence[Document]], str]] = {
    "inline": _write_inline,
    "brat": _write_brat,
    "json": _write_json,
}
KINDS = ("inline", "bio", "brat", "json")
