"""The U-Net: shapes, bounded start, null class, guidance, files in half precision, the adapter."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.unet import Config, Denoiser, UNet, levels, load, save  # noqa: E402

SMALL = Config(n_classes=3, width=16, n_blocks=1)


@pytest.fixture(scope="module")
def network():
    """Weights that do something: layers that start at 0 are filled."""
    torch.manual_seed(0)
    made = UNet(SMALL)
    with torch.no_grad():
        for weight in made.parameters():
            if not weight.any():
                weight.normal_(std=0.05)
    return made.eval()


@pytest.fixture
def noisy(rng):
    return rng.standard_normal((5, 32, 32)).astype(np.float32)


def test_levels_are_those_of_the_method_file():
    signal, noise = levels(Config())
    at = [0, 1, 100, 263, 500, 1000]
    np.testing.assert_allclose(signal[at[:3]], [1, 0.9999899999, 0.9507217281], atol=1e-10)
    np.testing.assert_allclose(noise[at[:3]], [0, 0.0044721360, 0.3100454737], atol=1e-10)
    np.testing.assert_allclose(signal[at[4:]], [0.2845915689, 0.0064820309], atol=1e-10)
    assert signal[262] ** 2 > 0.5 > signal[263] ** 2
    np.testing.assert_allclose(signal**2 + noise**2, 1, rtol=1e-12)


def test_an_untrained_network_answers_with_the_noise_level_times_the_picture(noisy):
    fresh = UNet(SMALL)
    torch.nn.init.zeros_(fresh.head.bias)  # the weights of this layer start at 0
    eps = Denoiser(fresh)(noisy, 700)
    np.testing.assert_allclose(eps, levels(SMALL)[1][700] * noisy, rtol=1e-5)


def test_the_default_network_is_of_the_size_stated():
    n_weights = sum(weight.numel() for weight in UNet(Config(n_classes=10)).parameters())
    assert 0.8e6 < n_weights < 1.5e6


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("t", [1, 500, 1000])
def test_shapes_and_types(network, noisy, n, t):
    eps = Denoiser(network)(noisy[:n], t, np.arange(n))
    assert eps.shape == (n, 32, 32) and eps.dtype == np.float32 and np.isfinite(eps).all()


@pytest.mark.parametrize("t", [1, 300, 1000])
def test_a_picture_alone_and_in_a_batch_have_the_same_noise(network, noisy, t):
    denoise = Denoiser(network)
    together = denoise(noisy, t, np.array([0, 1, 2, 3, 0]))
    for k, one in enumerate([0, 1, 2, 3, 0]):
        np.testing.assert_allclose(denoise(noisy[k : k + 1], t, one)[0], together[k], atol=1e-4)


def test_each_picture_of_a_batch_may_have_its_own_step(network, noisy):
    times = torch.tensor([1, 10, 100, 500, 1000])
    with torch.inference_mode():
        x = torch.from_numpy(noisy)[:, None]
        together = network(x, times, torch.full((5,), 3))[:, 0].numpy()
    for k, t in enumerate(times.tolist()):
        np.testing.assert_allclose(
            Denoiser(network)(noisy[k : k + 1], t)[0], together[k], atol=1e-4
        )


def test_no_class_is_the_null_class_and_classes_differ(network, noisy):
    denoise = Denoiser(network)
    np.testing.assert_array_equal(denoise(noisy, 400), denoise(noisy, 400, SMALL.n_classes))
    assert np.abs(denoise(noisy, 400, 0) - denoise(noisy, 400, 1)).max() > 1e-3
    np.testing.assert_array_equal(denoise(noisy, 400, 1), denoise(noisy, 400, np.full(5, 1)))


def test_guidance_is_a_straight_line_through_null_and_class(network, noisy):
    denoise = Denoiser(network)
    null, own = denoise(noisy, 400), denoise(noisy, 400, 2)
    np.testing.assert_array_equal(denoise(noisy, 400, 2, guidance=0), null)
    np.testing.assert_array_equal(denoise(noisy, 400, 2, guidance=1), own)
    np.testing.assert_allclose(denoise(noisy, 400, 2, guidance=3), 3 * own - 2 * null, atol=1e-5)


def test_files_return_network_and_facts_in_half_precision(network, noisy, tmp_path):
    path = tmp_path / "small.safetensors"
    save(network, path, {"steps": 7, "classes": ["a", "b", "c"]})
    n_weights = sum(weight.numel() for weight in network.parameters())
    assert 2 * n_weights < path.stat().st_size < 2 * n_weights + 8000
    again, facts = load(path)
    assert facts == {"steps": 7, "classes": ["a", "b", "c"]} and again.config == SMALL
    exact, rounded = Denoiser(network)(noisy, 300, 1), Denoiser.load(path)(noisy, 300, 1)
    difference = np.abs(exact - rounded).max()
    assert 0 < difference < 0.01  # eps is about 1, half precision rounds by 1/2048
    save(again, tmp_path / "again.safetensors", facts)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_a_file_of_something_else_is_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    for facts in ({}, {"config": {"width": 16}}, {"config": {"depth": 1}}):
        save_file({"weight": torch.zeros(2)}, path, {"unet": json.dumps(facts)})
        with pytest.raises(ValueError, match="no U-Net"):
            load(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"t": 0}, "t must"),
        ({"t": 1001}, "t must"),
        ({"t": 2.5}, "t must"),
        ({"classes": 4}, "classes must"),
        ({"classes": -1}, "classes must"),
        ({"classes": np.zeros(4, dtype=int)}, "classes must"),
        ({"classes": 0.5}, "classes must"),
        ({"guidance": float("nan")}, "guidance must"),
        ({"x": np.zeros((2, 28, 28))}, "x must"),
        ({"x": np.zeros((32, 32))}, "x must"),
    ],
)
def test_the_adapter_refuses_what_it_cannot_do(network, noisy, arguments, message):
    with pytest.raises(ValueError, match=message):
        Denoiser(network)(**({"x": noisy, "t": 5} | arguments))


@pytest.mark.parametrize(
    "sizes", [{"width": 12}, {"width": 0}, {"n_blocks": 0}, {"n_times": 0}, {"last": 1.0}]
)
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="must be"):
        Config(**sizes)
