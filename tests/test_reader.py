"""The reader, the Frechet distance against SciPy's square root, and the command that measures."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from scipy.linalg import sqrtm

torch = pytest.importorskip("torch")

from models import ddpm_samplers, jl, unet  # noqa: E402
from models.ddpm import su  # noqa: E402
from models.reader import Reader, frechet, frechet_distance, load, save  # noqa: E402
from training import ddpm, ddpm_quality  # noqa: E402


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def reader():
    torch.manual_seed(0)
    return Reader(3).eval()


@pytest.fixture
def pictures(rng):
    return rng.uniform(-1, 1, (300, 32, 32)).astype(np.float32)


def covariance(rng, d, rank):
    factor = rng.standard_normal((d, rank))
    return factor @ factor.T


# --- Distance -------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 3, 40])
def test_the_distance_agrees_with_scipy(rng, d):
    C_1, C_2 = covariance(rng, d, d + 5), covariance(rng, d, d + 5)
    m_1, m_2 = rng.standard_normal((2, d))
    root = sqrtm(C_1 @ C_2).real
    expected = ((m_1 - m_2) ** 2).sum() + np.trace(C_1 + C_2 - 2 * root)
    np.testing.assert_allclose(frechet(m_1, C_1, m_2, C_2), expected, rtol=1e-8)


def test_the_distance_of_independent_numbers_is_that_of_their_deviations(rng):
    s_1, s_2 = rng.uniform(0, 3, (2, 20))  # standard deviations
    s_1[:4] = s_2[2:6] = 0
    m_1, m_2 = rng.standard_normal((2, 20))
    expected = ((m_1 - m_2) ** 2).sum() + ((s_1 - s_2) ** 2).sum()
    told = frechet(m_1, np.diag(s_1**2), m_2, np.diag(s_2**2))
    np.testing.assert_allclose(told, expected, rtol=1e-12)


def test_the_distance_is_symmetric_grows_with_the_unit_and_ignores_a_turn(rng):
    one, other = rng.standard_normal((50, 6)), rng.standard_normal((40, 6)) * 2 + 1
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    told = frechet_distance(one, other)
    np.testing.assert_allclose(frechet_distance(other, one), told, rtol=1e-10)
    np.testing.assert_allclose(frechet_distance(3 * one, 3 * other), 9 * told, rtol=1e-10)
    np.testing.assert_allclose(frechet_distance(one @ turn, other @ turn), told, rtol=1e-10)
    np.testing.assert_allclose(frechet_distance(one, one + 2), 4 * 6, rtol=1e-10)


def test_few_pictures_give_singular_covariances_and_a_larger_distance(rng):
    drawn = rng.standard_normal((4000, 30))
    assert frechet_distance(drawn[:10], drawn[:10]) < 1e-6
    apart = [frechet_distance(drawn[:n], drawn[2000:]) for n in (10, 100, 2000)]
    assert apart[0] > apart[1] > apart[2] > 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros((1, 3)), np.zeros((5, 3))),
        (np.zeros((5, 3)), np.zeros((5, 2))),
        (np.zeros(5), np.zeros((5, 1))),
        (np.full((5, 3), np.nan), np.zeros((5, 3))),
    ],
)
def test_what_has_no_distance_is_refused(one, other):
    with pytest.raises(ValueError, match="need|finite"):
        frechet_distance(one, other)
    with pytest.raises(ValueError, match="need means"):
        frechet(np.zeros(2), np.eye(3), np.zeros(2), np.eye(2))


# --- Reader ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 300])
def test_shapes_and_types(reader, pictures, n):
    features, chances = reader.features(pictures[:n]), reader.probabilities(pictures[:n])
    assert features.shape == (n, 64) and features.dtype == np.float64
    assert chances.shape == (n, 3) and chances.dtype == np.float64
    np.testing.assert_allclose(chances.sum(1), 1, rtol=1e-12)


def test_a_picture_alone_and_in_a_batch_is_read_the_same(reader, pictures):
    together = reader.features(pictures)
    for k in (0, 255, 256, 299):
        alone = reader.features(pictures[k : k + 1])[0]
        np.testing.assert_allclose(alone, together[k], atol=1e-5)


def test_files_return_reader_and_facts_in_half_precision(reader, pictures, tmp_path):
    path = tmp_path / "reader.safetensors"
    save(reader, path, {"steps": 7})
    n_weights = sum(weight.numel() for weight in reader.parameters())
    assert n_weights < 120_000 and 2 * n_weights < path.stat().st_size < 2 * n_weights + 4000
    again, facts = load(path)
    assert facts == {"steps": 7} and again.n_classes == 3
    exact, rounded = reader.features(pictures[:5]), again.features(pictures[:5])
    assert 0 < np.abs(exact - rounded).max() < 0.01 * np.abs(exact).max()
    save(again, tmp_path / "again.safetensors", facts)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_a_file_of_something_else_is_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    for facts in ({}, {"n_classes": 3}, {"n_classes": 0}):
        save_file({"weight": torch.zeros(2)}, path, {"reader": json.dumps(facts)})
        with pytest.raises(ValueError, match="no reader"):
            load(path)
    for classes in (0, 1001, 2.5):
        with pytest.raises(ValueError, match="n_classes must"):
            Reader(classes)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(32, 32), (2, 28, 28), (2, 1, 32, 32)])
def test_other_shapes_are_refused(reader, shape):
    with pytest.raises(ValueError, match="pictures must"):
        reader.features(np.zeros(shape))


# --- Files of the project -------------------------------------------------------------------------


def test_the_shipped_reader_reads_digits_of_another_source():
    """Digits of 8x8 pixels by other people, enlarged to the size of those it was trained on."""
    digits = jl.load_points("digits")
    pictures = np.full((len(digits.points), 32, 32), -1, dtype=np.float32)
    for picture, points in zip(pictures, digits.points, strict=True):
        small = Image.fromarray(points.reshape(8, 8).astype(np.float32))
        large = np.asarray(small.resize((20, 20), Image.Resampling.BICUBIC))
        picture[6:26, 6:26] = np.clip(large / 8 - 1, -1, 1)
    reader, facts = load(ddpm.ASSETS / "reader_digits.safetensors")
    assert facts["accuracy"] > 0.97 and len(facts["classes"]) == reader.n_classes == 10
    found = reader.probabilities(pictures).argmax(1)
    assert (found == digits.labels).mean() > 0.8


def test_the_shipped_reader_of_characters_says_what_it_reached():
    reader, facts = load(ddpm.ASSETS / "reader_hanzi.safetensors")
    assert facts["accuracy"] > 0.99 and facts["retrieval"] > 0.9
    assert facts["classes"] == ["sans", "serif"] and reader.n_classes == 2


# --- Command --------------------------------------------------------------------------------------


@pytest.fixture
def bars(tmp_path, rng):
    """Digits that are bars: class k is a bar in column 2 k + 4."""
    labels = np.arange(100) // 10
    images = np.zeros((100, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        top = int(rng.integers(2, 8))
        image[top : top + 18, 2 * label + 4 : 2 * label + 6] = 255
    path = tmp_path / "bars.npz"
    np.savez(path, images=images, labels=labels)
    return path


def test_a_picture_is_moved_only_a_little(rng, pictures):
    ink = np.full((40, 32, 32), -1, dtype=np.float32)
    ink[:, 10:22, 14:18] = 1
    still = ddpm_quality.moved(ink, rng, (0, 0, 0)).numpy()[:, 0]
    np.testing.assert_allclose(still, ink, atol=1e-5)
    moved = ddpm_quality.moved(ink, rng, (0, 0, 2)).numpy()[:, 0]
    mass = (moved + 1).sum((1, 2))
    np.testing.assert_allclose(mass, (ink + 1).sum((1, 2)), rtol=1e-4)
    rows = ((moved + 1).sum(2) * np.arange(32)).sum(1) / mass - 15.5
    assert 1 < np.abs(rows).max() <= 2 and rows.std() > 0.5


def test_retrieval_finds_partners_and_only_them(rng):
    faces = rng.standard_normal((200, 8))
    assert ddpm_quality.retrieval(np.concatenate([faces, faces + 5])) == 1
    assert ddpm_quality.retrieval(np.concatenate([faces, rng.standard_normal((200, 8))])) < 0.1


def test_a_reader_of_two_faces_learns_from_pairs(tmp_path, rng):
    paths = [tmp_path / "sans.npz", tmp_path / "serif.npz"]
    ink = rng.integers(0, 2, (60, 8, 8), dtype=np.uint8).repeat(4, 1).repeat(4, 2)
    for path, grey in zip(paths, (255, 120), strict=True):
        np.savez(path, images=ink * np.uint8(grey))
    words = ["reader", "hanzi", "--data", *map(str, paths), "--assets", str(tmp_path)]
    ddpm_quality.main([*words, "--steps", "25", "--batch", "32"])
    _, facts = load(tmp_path / "reader_hanzi.safetensors")
    assert facts["accuracy"] > 0.9 and facts["retrieval"] > 0.4  # one in six by chance


def test_reader_and_table_of_64_pictures(tmp_path, bars):
    common = ["digits", "--data", str(bars), "--pictures", "64", "--assets", str(tmp_path)]
    ddpm_quality.main(["reader", *common, "--steps", "3", "--batch", "16"])
    torch.manual_seed(0)
    network = unet.UNet(unet.Config(10, 16, 1))
    unet.save(network, tmp_path / "digits.safetensors", {})
    table = tmp_path / "quality.csv"
    ddpm_quality.write(
        table, "hanzi", [dict.fromkeys(ddpm_quality.COLUMNS, "1") | {"set": "hanzi"}]
    )
    work = tmp_path / "work"
    command = ["table", *common, "--work", str(work), "--steps", "2", "--samples_long", "4"]
    command += ["--samples", "6", "--batch", "4", "--rules", "eta1", "sigma_hat"]
    ddpm_quality.main(command)
    first = table.read_bytes()
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    drawn = ("eta1", "sigma_hat", "sigma_hat_end")
    expected = [("real", "0", "6")]
    expected += [(rule, "2", n) for rule in drawn for n in ("6", "4")]
    assert [(r["rule"], r["n_steps"], r["n"]) for r in rows[:-1]] == expected
    assert rows[-1]["set"] == "hanzi" and all(list(r) == ddpm_quality.COLUMNS for r in rows)
    assert all(float(r["frechet"]) > 0 and 0 <= float(r["accuracy"]) <= 1 for r in rows)

    kept = work / "digits_sigma_hat_2.npz"
    with np.load(kept) as stored:
        pictures, mark = stored["pictures"], stored["mark"]
    assert pictures.shape == (6, 2, 32, 32) and len(np.unique(pictures[:, 0], axis=0)) == 6
    np.savez(kept, pictures=pictures[:4], mark=mark)  # stopped on the way
    ddpm_quality.main(command)
    assert table.read_bytes() == first
    with pytest.raises(ValueError, match="other weights or another seed"):
        ddpm_quality.main([*command, "--seed", "1"])


def test_samples_are_those_of_the_sampler_however_they_are_cut():
    torch.manual_seed(0)
    denoiser = unet.Denoiser(unet.UNet(unet.Config(2, 16, 1)))
    classes = np.array([0, 1, 0])
    drawn = ddpm_quality.draw(denoiser, "sigma_hat", 2, classes, 4, 0).astype(int)
    part = ddpm_quality.draw(denoiser, "sigma_hat", 2, classes[2:], 4, 2).astype(int)
    assert drawn.shape == (3, 2, 32, 32) and np.abs(drawn[2:] - part).max() <= 1  # rounded apart
    for k, at_end in enumerate((False, True)):
        rule = ddpm_samplers.Rule("ddpm", sigma="b", noise_at_end=at_end)
        plan = ddpm_samplers.make_plan(su(), [1000, 500], rule)
        noises = ddpm_samplers.noise_streams(4, 3, (32, 32), np.float32)
        states = ddpm_samplers.sample(
            plan, lambda x, t: denoiser(x, t, classes), next(noises), noises
        )
        expected = np.clip(ddpm_samplers.final(states).x, -1, 1) * 127.5 + 127.5
        np.testing.assert_allclose(drawn[:, k], expected, atol=0.51)
