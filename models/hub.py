"""Find a model by its Hub id, typed by anybody, as a folder of this machine.

An id is owner/name. It is looked for, in this order,
    1. below the folder named by PLAYGROUND_MODELS, in owner/name, and never outside that folder;
    2. in the cache of huggingface_hub;
    3. on the Hub, without a token and unless HF_HUB_OFFLINE is set.
Only weights as safetensors and files of plain text are asked for: nothing found here runs when it
is read. The size of what is needed is known and compared with the limit before a byte is fetched.

Units: bytes. Source: huggingface_hub documentation, "Download files"; safetensors documentation.
"""

import os
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

FOLDER = "PLAYGROUND_MODELS"  # environment variable
MAX_LENGTH = 96  # characters of an id
ENDINGS = (".safetensors", ".json", ".txt", ".model")  # .model: vocabularies of sentencepiece
PART = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"

SENTENCES = {
    "bad_id": "{given} is no model id: owner/name of at most {limit} letters, digits, -, _ and .",
    "not_found": "There is no public model {name} on the Hub.",
    "offline": "The model {name} is not on this machine, and the network is off.",
    "unreachable": "The Hub did not answer: {found}.",
    "too_large": "The model {name} needs {found} bytes; at most {limit} are read.",
    "no_safetensors": "The model {name} has no weights as safetensors; other kinds are not read.",
    "no_package": "The package {package} is not installed.",
    "wrong_class": "The {what} is of class {found}; only {expected} is read.",
    "conditional": "The network asks for a class; only unconditional ones are read.",
    "shape": "The network makes pictures of shape {found}; {expected} is read.",
    "parameters": "The network has {found} parameters; at most {limit} are read.",
    "nowhere": "The model {name} is neither in the package {package} nor on the Hub in reach.",
    "not_pinned": "The weights of {name} are not the expected ones (another SHA-256).",
    "schedule": "The schedule is of a kind that is not read: {found}.",
    "damaged": "The model cannot be read: {found}.",
}


class HubError(ValueError):
    """Why a model cannot be used.

    Attributes:
        code: A key of `SENTENCES`, stable, for translation.
        details: The values its sentence names.
    """

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(SENTENCES[code].format(**details))
        self.code = code
        self.details = details


def resolve(
    name: str, *, patterns: Sequence[str], most_bytes: int, pinned: Sequence[str] = ()
) -> Path:
    """Return the folder that holds a model, fetched if that is needed and allowed.

    Args:
        name: owner/name.
        patterns: What is needed, as shell patterns of paths in the repository. Files that end in
            none of `ENDINGS` are left out whatever the patterns say.
        most_bytes: Largest sum of the sizes of the needed files, at least 1.
        pinned: Weights of another kind that may be had by name, since the caller knows their hash.

    Raises:
        HubError: bad_id, not_found, offline, unreachable, too_large or no_safetensors.
    """
    if not is_id(name):
        raise HubError("bad_id", given=repr(name)[:MAX_LENGTH], limit=MAX_LENGTH)
    folder = _own_folder(name) or _cached_folder(name, patterns, pinned)
    if folder is None:
        return _fetched_folder(name, patterns, most_bytes, pinned)
    _check(name, _sizes(folder), patterns, most_bytes, pinned)
    return folder


def is_id(name: str) -> bool:
    """Return whether a text is owner/name, as the Hub spells ids."""
    fits = len(name) <= MAX_LENGTH and re.fullmatch(f"{PART}/{PART}", name)
    odd = ".." in name or "--" in name or name.endswith((".git", ".", "-"))
    return bool(fits) and not odd


def _sizes(folder: Path) -> dict[str, int]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _needed(paths: Iterable[str], patterns: Sequence[str], pinned: Sequence[str]) -> list[str]:
    return [
        path
        for path in paths
        if path in pinned
        or (path.endswith(ENDINGS) and any(fnmatchcase(path, pattern) for pattern in patterns))
    ]


def _check(
    name: str,
    sizes: dict[str, int],
    patterns: Sequence[str],
    most_bytes: int,
    pinned: Sequence[str],
) -> list[str]:
    """Return the needed files of a repository, given the size of each of its files."""
    if any(path in pinned for path in sizes):  # the same weights may lie there in several kinds
        sizes = {p: size for p, size in sizes.items() if p in pinned or not _has_weights([p], ())}
    needed = _needed(sizes, patterns, pinned)
    if not _has_weights(needed, pinned):
        raise HubError("no_safetensors", name=name)
    total = sum(sizes[path] for path in needed)
    if total > most_bytes:
        raise HubError("too_large", name=name, found=total, limit=most_bytes)
    return needed


def _has_weights(paths: Iterable[str], pinned: Sequence[str]) -> bool:
    return any(path.endswith(".safetensors") or path in pinned for path in paths)


def _own_folder(name: str) -> Path | None:
    if not os.environ.get(FOLDER):
        return None
    root = Path(os.environ[FOLDER]).resolve()
    folder = (root / name).resolve()  # a link may point anywhere
    return folder if folder.is_relative_to(root) and folder.is_dir() else None


def _cached_folder(name: str, patterns: Sequence[str], pinned: Sequence[str]) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = snapshot_download(name, allow_patterns=[*patterns, *pinned], local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    folder = Path(found)  # may hold only what another program asked for
    return folder if _has_weights(_needed(_sizes(folder), patterns, pinned), pinned) else None


def _fetched_folder(
    name: str, patterns: Sequence[str], most_bytes: int, pinned: Sequence[str]
) -> Path:
    import httpx2
    from huggingface_hub import HfApi, errors, is_offline_mode, snapshot_download

    if is_offline_mode():
        raise HubError("offline", name=name)
    try:
        api = HfApi(token=False)  # else a visitor would read what this machine's token may
        revision = api.resolve_revision(name)  # else the files could change between the two calls
        facts = api.model_info(name, revision=revision.resolved, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in facts.siblings or ()}
        needed = _check(name, sizes, patterns, most_bytes, pinned)
        return Path(snapshot_download(name, revision=revision, allow_patterns=needed, token=False))
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError):
        raise HubError("not_found", name=name) from None
    except (httpx2.HTTPError, OSError, errors.RevisionResolutionError) as error:
        raise HubError("unreachable", found=type(error).__name__) from error
