"""Training of the U-Nets: data, what a step sees, 20 steps on 64 pictures, going on, samples."""

import csv

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image, ImageFont  # noqa: E402

from models.unet import Config, Denoiser, UNet, levels, load  # noqa: E402
from training import ddpm  # noqa: E402

SIZES = ["--width", "16", "--n_blocks", "1", "--batch", "16", "--rows", "1", "--rate", "0.003"]


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def source(tmp_path, rng):
    """Digits that are bars: class k is a bar in column 2 k + 4."""
    labels = np.arange(100) // 10
    images = np.zeros((100, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        top = int(rng.integers(2, 8))
        image[top : top + 18, 2 * label + 4 : 2 * label + 6] = 255
    path = tmp_path / "bars.npz"
    np.savez(path, images=images, labels=labels)
    return path


@pytest.fixture
def faces(tmp_path, rng):
    paths = [tmp_path / "sans.npz", tmp_path / "serif.npz"]
    for path in paths:
        np.savez(path, images=rng.integers(0, 256, (50, 32, 32), dtype=np.uint8))
    return paths


def command(tmp_path, source, steps, folder="work"):
    words = ["digits", "--data", source, "--work", tmp_path / folder, "--assets", tmp_path / "out"]
    return [*map(str, words), *SIZES, "--pictures", "64", "--steps", str(steps), "--every", "5"]


def same(first, second):
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(one, other) for one, other in pairs)


# --- Data -----------------------------------------------------------------------------------------


def test_gb2312_has_its_characters():
    characters = ddpm.gb2312()
    assert len(characters) == len(set(characters)) == 6763
    assert characters[0] == "啊" and characters[3754] == "座" and characters[3755] == "亍"


def test_digits_lie_in_the_middle_and_every_tenth_is_held_out(source):
    data = ddpm.digits(source)
    assert data.images.shape == (100, 32, 32) and data.held.sum() == 10
    assert not data.images[:, :2].any() and data.images.any()
    pictures, labels = data.part(is_held=False)
    assert pictures.shape == (90, 32, 32) and labels.shape == (90,)
    assert pictures.min() == -1 and pictures.max() == 1
    few = ddpm.digits(source, 64)
    assert len(few.images) == 64 and set(few.labels) == set(range(10))


def test_a_character_is_held_out_in_both_faces(faces):
    data = ddpm.hanzi(faces)
    assert data.images.shape == (100, 32, 32)
    np.testing.assert_array_equal(data.labels, np.repeat([0, 1], 50))
    np.testing.assert_array_equal(data.held[:50], data.held[50:])
    assert len(ddpm.hanzi(faces, n_pictures=20).images) == 20
    with pytest.raises(ValueError, match="a file for each"):
        ddpm.hanzi(faces[:1])
    assert data.digest != ddpm.hanzi(faces[::-1]).digest


def test_a_font_is_drawn_in_the_middle(tmp_path):
    built_in = ImageFont.load_default(size=20)
    if not (isinstance(built_in, ImageFont.FreeTypeFont) and hasattr(built_in.path, "getvalue")):
        pytest.skip("no scalable font comes with Pillow")
    path = tmp_path / "latin.ttf"
    path.write_bytes(built_in.path.getvalue())
    pictures = ddpm.draw(path, "Ho")
    assert pictures.shape == (2, 32, 32) and pictures.max() == 255
    rows, columns = np.nonzero(pictures[0])
    ends = [rows.min() + rows.max(), columns.min() + columns.max()]
    np.testing.assert_allclose(ends, 31, atol=2)  # twice the middle, each end rounded to a pixel


# --- Training -------------------------------------------------------------------------------------


def test_noise_has_its_level_and_the_steps_cover_all_of_t(rng):
    config = Config(n_classes=10)
    pictures = np.ones((1000, 32, 32), dtype=np.float32)
    x, eps, t, classes = ddpm.noised(pictures, np.zeros(1000, dtype=int), config, rng, 0.1)
    np.testing.assert_array_equal(np.sort(t.numpy()), np.arange(1, 1001))
    assert 60 < (classes == 10).sum() < 140  # 100 expected, standard deviation 9.5
    signal, noise = levels(config)
    expected = signal[t][:, None, None, None] + noise[t][:, None, None, None] * eps.numpy()
    np.testing.assert_allclose(x.numpy(), expected, atol=1e-6)
    assert abs(eps.mean()) < 0.005 and abs(eps.std() - 1) < 0.005  # of a million: 5 and 7 sigma


def test_the_rate_warms_up_stays_and_falls():
    plan = ddpm.Plan(steps=10_000)
    rates = np.array([plan.rate_at(step) for step in range(plan.steps)])
    assert rates[0] == plan.rate / 200 and rates.max() == plan.rate
    assert (rates[200:6000] == plan.rate).all() and 0 < rates[-1] < plan.rate / 1000
    longer = ddpm.Plan(steps=20_000)
    assert [longer.rate_at(step) for step in range(6000)] == rates[:6000].tolist()


def test_an_epoch_shows_every_picture_once(source):
    data = ddpm.digits(source)
    trainer = ddpm.Trainer(UNet(Config(10, 16, 1)), data, ddpm.Plan(batch=45))
    trainer.pictures = np.broadcast_to(np.arange(90)[:, None, None], (90, 32, 32)).astype("f4")
    level = levels(trainer.network.config)
    seen = []
    for step in range(4):
        x, eps, t, _ = trainer.batch(step)
        ground = (x.numpy()[:, 0, 0, 0] - level[1][t] * eps.numpy()[:, 0, 0, 0]) / level[0][t]
        seen.append(np.rint(ground))
    assert sorted(np.concatenate(seen[:2])) == sorted(np.concatenate(seen[2:])) == list(range(90))
    assert (seen[0] != seen[2]).any()


def test_twenty_steps_on_64_pictures_and_the_loss_falls(tmp_path, source):
    trainer = ddpm.main(command(tmp_path, source, 20))
    losses = [loss for _, loss, _ in trainer.log]
    assert trainer.step == 20 and len(losses) == 20
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5]) < 1024
    network, facts = load(tmp_path / "out" / "digits.safetensors")
    assert facts["steps"] == 20 and facts["n_pictures"] == 58 and 0 < facts["held_out_loss"] < 1024
    assert facts["classes"] == [str(k) for k in range(10)] and network.config.n_classes == 10
    with (tmp_path / "out" / "digits.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == [str(k) for k in range(1, 21)]
    with Image.open(tmp_path / "out" / "digits.png") as page:
        assert page.size == (680, 68)


def test_a_run_taken_up_again_equals_an_unbroken_one(tmp_path, source):
    whole = ddpm.main(command(tmp_path, source, 8))
    told = ddpm.arguments(command(tmp_path, source, 8, "broken"))
    data = ddpm.digits(source, 64)
    torch.manual_seed(0)
    plan = ddpm.Plan(steps=8, batch=16, rate=0.003)
    half = ddpm.Trainer(UNet(Config(10, 16, 1)), data, plan)
    for _ in range(4):
        half.advance()
    told.work.mkdir()
    half.store(told.work / "digits.pt")
    again = ddpm.main(command(tmp_path, source, 8, "broken"))
    assert same(whole.average, again.average) and same(whole.network, again.network)
    other = ddpm.Trainer(UNet(Config(10, 16, 1)), data, ddpm.Plan(seed=1))
    with pytest.raises(ValueError, match="another seed"):
        other.restore(told.work / "digits.pt")


# --- Results --------------------------------------------------------------------------------------


def test_samples_of_an_untrained_network_do_not_depend_on_the_batch():
    denoiser = Denoiser(UNet(Config(2, 16, 1)))
    first = ddpm.sample(denoiser, np.array([0, 1, 2]), n_steps=4, seed=3)
    assert first.shape == (3, 32, 32) and np.abs(first).max() <= 1
    np.testing.assert_allclose(first[:2], ddpm.sample(denoiser, np.array([0, 1]), 4, 3), atol=1e-4)


def test_a_copy_is_found_and_its_class(source):
    data = ddpm.digits(source)
    trained, labels = data.part(is_held=False)
    distances, found = ddpm.nearest(trained[5:8], trained)
    np.testing.assert_allclose(distances, 0, atol=1e-6)
    np.testing.assert_array_equal(trained[found], trained[5:8])
    told = ddpm.figures(trained, labels, data)
    assert told["nearest"] == 0 and told["agreement"] == told["agreement_held_out"] == 1
    np.testing.assert_allclose(ddpm.nearest(trained[:1], -trained[:1])[0], 2, rtol=1e-6)


def test_the_log_is_thinned_to_means():
    rows = ddpm.thinned([(k + 1, float(k), k / 10) for k in range(1000)], n_rows=100)
    assert len(rows) == 100 and rows[0] == ["10", "4.500", "0.9"] and rows[-1][0] == "1000"
