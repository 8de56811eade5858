"""Models by their Hub id: what counts as an id, where it is looked for, what is refused.

The Hub itself is played by stand-ins; no test reaches it.
"""

from types import SimpleNamespace

import httpx2
import huggingface_hub
import pytest
from huggingface_hub import errors

from models import hub
from models.hub import FOLDER, HubError, is_id, resolve

NEEDED = ("config.json", "*.safetensors", "*.bin", "*.py")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REVISION = huggingface_hub.ResolvedRevision(resolved=COMMIT)


def put(folder, **sizes):
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in sizes.items():
        (folder / name.replace("__", ".")).write_bytes(bytes(size))
    return folder


def refused(code, name="owner/name", patterns=NEEDED, most_bytes=1000):
    with pytest.raises(HubError) as caught:
        resolve(name, patterns=patterns, most_bytes=most_bytes)
    assert caught.value.code == code
    return caught.value.details


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """An empty cache, an empty folder of own models, and a network that is off."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(FOLDER, str(tmp_path / "own"))
    (tmp_path / "own").mkdir()


@pytest.fixture
def cached(tmp_path):
    """Return a snapshot folder as huggingface_hub keeps it."""
    root = tmp_path / "cache" / "models--owner--name"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(COMMIT)
    return put(root / "snapshots" / COMMIT)


@pytest.fixture
def online(monkeypatch):
    """Return a list of what was downloaded from a Hub with one model, and the sizes it tells."""
    fetched, sizes = [], {"config.json": 10, "model.safetensors": 500, "model.bin": 5000}

    def download(name, *, local_files_only=False, **told):
        if local_files_only:
            raise errors.LocalEntryNotFoundError("nothing here")
        fetched.append((name, told))
        return "/fetched"

    class Api:
        def __init__(self, token):
            assert token is False

        def resolve_revision(self, name):
            if name == "owner/down":
                raise errors.RevisionResolutionError
            return REVISION

        def model_info(self, name, revision, files_metadata):
            assert files_metadata and revision == COMMIT
            request = httpx2.Request("GET", "https://hub.invalid")
            if name == "owner/none":
                answer = httpx2.Response(404, request=request)
                raise errors.RepositoryNotFoundError("", response=answer)
            if name == "owner/slow":
                raise httpx2.ConnectTimeout("", request=request)
            files = [SimpleNamespace(rfilename=k, size=v) for k, v in sizes.items()]
            return SimpleNamespace(siblings=files)

    monkeypatch.setattr(huggingface_hub, "is_offline_mode", lambda: False)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return fetched, sizes


# --- Ids ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a/b", "google/ddpm-cifar10-32", "_a/B.1_x", "a/" + "b" * 94])
def test_ids(name):
    assert is_id(name)


@pytest.mark.parametrize(
    "name",
    ["", "a", "a/", "/b", "a/b/c", "../b", "a/..", "a/../b", "..", ".a/b", "a/.b", "a/b..c",
     "a\\b/c", "a/b\n", "a b/c", "a/b\0", "~/b", "/etc/passwd", "C:/x", "名/字", "a/b.git", "a/b.",
     "a/b--c", "https://x/y", "a%2e/b", "a/" + "b" * 95],
)  # fmt: skip
def test_no_ids(name):
    assert not is_id(name)
    assert refused("bad_id", name)["limit"] == 96


# --- Own folder -----------------------------------------------------------------------------------


def test_a_model_of_the_own_folder(tmp_path):
    folder = put(tmp_path / "own" / "owner" / "name", config__json=10, model__safetensors=490)
    assert resolve("owner/name", patterns=NEEDED, most_bytes=500) == folder
    assert refused("too_large", most_bytes=499) == {
        "name": "owner/name",
        "found": 500,
        "limit": 499,
    }


def test_pickles_and_programs_are_not_counted_as_weights(tmp_path):
    folder = put(tmp_path / "own" / "owner" / "name", config__json=1, model__bin=5000, x__ckpt=1)
    refused("no_safetensors")
    put(folder, model__safetensors=1, more__py=5000)
    assert resolve("owner/name", patterns=NEEDED, most_bytes=2) == folder
    refused("no_safetensors", patterns=("unet/*.safetensors",))


def test_a_link_out_of_the_own_folder_is_not_followed(tmp_path):
    outside = put(tmp_path / "outside", model__safetensors=1)
    (tmp_path / "own" / "owner").mkdir()
    (tmp_path / "own" / "owner" / "name").symlink_to(outside)
    refused("offline")


def test_without_an_own_folder_nothing_is_looked_for_in_the_working_folder(tmp_path, monkeypatch):
    put(tmp_path / "own" / "owner" / "name", model__safetensors=1)
    monkeypatch.chdir(tmp_path / "own")
    for value in (None, ""):
        monkeypatch.setenv(FOLDER, value) if value is not None else monkeypatch.delenv(FOLDER)
        assert refused("offline") == {"name": "owner/name"}


# --- Cache and Hub --------------------------------------------------------------------------------


def test_a_model_of_the_cache(cached):
    put(cached, config__json=10, model__safetensors=490)
    assert resolve("owner/name", patterns=NEEDED, most_bytes=500) == cached
    assert refused("too_large", most_bytes=100)["found"] == 500


def test_half_a_model_in_the_cache_is_none(cached):
    put(cached, config__json=10)
    refused("offline")


def test_the_own_folder_goes_before_the_cache(cached, tmp_path):
    put(cached, model__safetensors=1)
    folder = put(tmp_path / "own" / "owner" / "name", model__safetensors=1)
    assert resolve("owner/name", patterns=NEEDED, most_bytes=1) == folder


def test_only_what_is_needed_and_safe_is_fetched(online):
    fetched, _ = online
    assert str(resolve("owner/name", patterns=NEEDED, most_bytes=510)) == "/fetched"
    told = {"revision": REVISION, "token": False}
    assert fetched == [
        ("owner/name", {"allow_patterns": ["config.json", "model.safetensors"], **told})
    ]


def test_sizes_are_asked_for_before_anything_is_fetched(online):
    fetched, sizes = online
    assert refused("too_large", most_bytes=509)["found"] == 510
    del sizes["model.safetensors"]
    refused("no_safetensors")
    assert fetched == []


@pytest.mark.parametrize(
    ("name", "code"), [("none", "not_found"), ("slow", "unreachable"), ("down", "unreachable")]
)
def test_a_hub_that_has_no_answer(online, name, code):
    refused(code, f"owner/{name}")


def test_each_code_has_a_sentence_that_its_details_fill():
    error = HubError("too_large", name="a/b", found=3, limit=2)
    assert str(error) == "The model a/b needs 3 bytes; at most 2 are read."
    assert isinstance(error, ValueError) and set(hub.SENTENCES) >= {error.code, "no_package"}
