"""Pipelines of the Hub: a tiny one is made here, saved, found by its id and sampled."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from demos.ddpm import DEMO  # noqa: E402
from demos.frame import payloads  # noqa: E402
from demos.words import TEXT  # noqa: E402
from models import ddpm_samplers as samplers  # noqa: E402
from models import hub_unet  # noqa: E402
from models.ddpm_samplers import Rule  # noqa: E402
from models.hub import FOLDER, SENTENCES, HubError, resolve  # noqa: E402
from models.hub_unet import MAX_BYTES, PATTERNS, load_pipeline  # noqa: E402

T = 100
PANEL = next(panel for panel in DEMO.panels if panel.key == "denoising")


@pytest.fixture(autouse=True)
def _alone():
    """Nothing kept, and one thread: for so small a network more only wait for each other."""
    hub_unet._load.cache_clear()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write(folder, scheduler=None, **network):
    """Save a tiny pipeline."""
    torch.manual_seed(0)
    made = diffusers.UNet2DModel(
        **{
            "sample_size": 8,
            "in_channels": 1,
            "out_channels": 1,
            "block_out_channels": (8, 8),
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
            "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        }
        | network
    )
    pipeline = diffusers.DDPMPipeline(
        made, scheduler or diffusers.DDIMScheduler(num_train_timesteps=T, clip_sample=False)
    )
    pipeline.save_pretrained(folder)
    return pipeline


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "owner" / "tiny"


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def refused(code, folder):
    with pytest.raises(HubError) as caught:
        load_pipeline(folder)
    assert caught.value.code == code
    return caught.value.details


def peer(pipeline, scheduler, x, n_visits, skipped=0):
    """Return the last x of diffusers' own loop."""
    scheduler.set_timesteps(n_visits)
    at = torch.from_numpy(x)
    with torch.inference_mode():
        for i in scheduler.timesteps[skipped:]:
            at = scheduler.step(pipeline.unet(at, i).sample, i, at).prev_sample
    return at.numpy()


# --- Sampling -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("clip", [False, True])
def test_a_pipeline_found_by_its_id_samples_as_in_diffusers(
    folder, tmp_path, monkeypatch, rng, kind, clip
):
    scheduler = diffusers.DDIMScheduler(
        num_train_timesteps=T,
        prediction_type=kind,
        clip_sample=clip,
        beta_schedule="squaredcos_cap_v2",
        timestep_spacing="trailing",
    )
    pipeline = write(folder, scheduler)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    found = resolve("owner/tiny", patterns=PATTERNS, most_bytes=MAX_BYTES)
    denoise = load_pipeline(found)
    assert denoise.shape == (1, 8, 8) and denoise.schedule.n_steps == T
    assert denoise.clip == (1.0 if clip else None) and denoise.n_parameters < 20_000
    x = rng.standard_normal((3, 1, 8, 8)).astype(np.float32)
    plan = samplers.make_plan(denoise.schedule, samplers.visited_times(T, 10)[1:], Rule())
    states = samplers.sample(plan, denoise, x, predicts=denoise.predicts, clip=denoise.clip)
    ours = samplers.final(states).x
    theirs = peer(pipeline, scheduler, x, 10, skipped=1)  # at T hardly any x_0 is left to tell
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=1e-5)


def test_a_linear_schedule_from_pure_noise(folder, rng):
    pipeline = write(folder)
    denoise = load_pipeline(folder)
    scheduler = diffusers.DDIMScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="trailing"
    )
    betas = scheduler.betas.double().numpy()
    np.testing.assert_array_equal(denoise.schedule.betas, betas)
    x = rng.standard_normal((2, 1, 8, 8)).astype(np.float32)
    plan = samplers.make_plan(denoise.schedule, samplers.visited_times(T, 20), Rule())
    ours = samplers.final(samplers.sample(plan, denoise, x)).x
    np.testing.assert_allclose(ours, peer(pipeline, scheduler, x, 20), atol=1e-5, rtol=1e-5)


def test_an_older_layout_without_subfolders(folder, rng):
    write(folder, in_channels=3, out_channels=3)
    for place in ("unet", "scheduler"):
        for file in (folder / place).iterdir():
            file.rename(folder / file.name)
        (folder / place).rmdir()
    denoise = load_pipeline(folder)
    x = rng.standard_normal((2, 3, 8, 8)).astype(np.float32)
    assert denoise(x, T).shape == x.shape and denoise(x[:0], 1).shape == (0, 3, 8, 8)
    for bad, t, message in [(x[0], 1, "x must"), (x[:, :1], 1, "x must"), (x, 0, "t must")]:
        with pytest.raises(ValueError, match=message):
            denoise(bad, t)


def test_two_pipelines_are_kept_and_one_is_loaded_once_for_all(folder):
    write(folder)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(load_pipeline, [folder] * 8))
    assert all(denoise is found[0] for denoise in found)
    assert hub_unet._load.cache_info().maxsize == 2


# --- Refusals -------------------------------------------------------------------------------------


def test_without_diffusers(folder, monkeypatch):
    write(folder)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    assert refused("no_package", folder) == {"package": "diffusers"}


def test_other_classes(folder):
    write(folder)
    index = folder / "model_index.json"
    kept = index.read_text()
    for part, named in [
        ("unet", ["diffusers", "UNet2DConditionModel"]),
        ("unet", ["my_unet", "UNet2DModel"]),
        ("unet", None),
        ("scheduler", ["diffusers", "ScoreSdeVeScheduler"]),
        ("scheduler", ["os", "system"]),
    ]:
        edit(index, **{part: named})
        assert refused("wrong_class", folder)["what"] in ("network", "scheduler")
        index.write_text(kept)
    edit(folder / "unet" / "config.json", _class_name="UNet2DConditionModel")
    refused("wrong_class", folder)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("conditional", {"num_class_embeds": 10}),
        ("conditional", {"class_embed_type": "identity"}),
        ("shape", {"sample_size": 65}),
        ("shape", {"sample_size": [8, 128]}),
        ("shape", {"sample_size": None}),
        ("shape", {"sample_size": "8"}),
        ("shape", {"in_channels": 4, "out_channels": 4}),
        ("shape", {"out_channels": 2}),
        ("parameters", {"block_out_channels": [4096, 4096]}),
        ("damaged", {"layers_per_block": 10**9}),
        ("damaged", {"block_out_channels": [8] * 9}),
        ("damaged", {"block_out_channels": 8}),
        ("damaged", {"block_out_channels": [8]}),
        ("damaged", {"act_fn": "none such"}),
        ("damaged", {"block_out_channels": [16, 16]}),
    ],
)
def test_networks_out_of_bounds(folder, code, changes):
    write(folder)
    edit(folder / "unet" / "config.json", **changes)
    refused(code, folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_train_timesteps": 10**12},
        {"num_train_timesteps": "100"},
        {"prediction_type": "score"},
        {"beta_schedule": "none such"},
        {"rescale_betas_zero_snr": True},
        {"beta_end": 2.0},
    ],
)
def test_schedules_out_of_bounds(folder, changes):
    write(folder)
    edit(folder / "scheduler" / "scheduler_config.json", **changes)
    refused("schedule", folder)


def test_damaged_files(folder):
    write(folder)
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    refused("damaged", folder)
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    refused("damaged", folder)
    (folder / "model_index.json").write_text("[]")
    refused("damaged", folder)
    (folder / "model_index.json").write_text("{")
    refused("damaged", folder)


# --- On the page ----------------------------------------------------------------------------------


def test_the_panel_draws_with_a_pipeline_typed_by_its_id(folder, tmp_path, monkeypatch):
    write(folder, in_channels=3, out_channels=3)
    monkeypatch.setenv(FOLDER, str(tmp_path))
    wish = {"model": "hub", "hub": "owner/tiny", "n_visits": 5, "n_pictures": 3}
    pages = list(payloads(PANEL, wish))
    assert pages[0]["progress"] == 0 and pages[-1]["progress"] is None
    assert "guidance" in pages[-1]["unused"]
    shown = {picture["name"]: picture["data"][0]["source"] for picture in pages[-1]["figures"][:2]}
    assert all(source.startswith("data:image/jpeg") for source in shown.values())


@pytest.mark.parametrize("name", ["../tiny", "owner/none", ""])
def test_a_pipeline_that_cannot_be_had_is_told_in_both_languages(name, tmp_path, monkeypatch):
    monkeypatch.setenv(FOLDER, str(tmp_path))
    told = list(payloads(PANEL, {"model": "hub", "hub": name}))[-1]["error"]
    assert told["zh"].startswith("Hub 上的 pipeline：") and "error" not in told["en"]


def test_every_refusal_has_its_words():
    for code in SENTENCES:
        assert f"frame.hub_{code}" in TEXT["en"]
