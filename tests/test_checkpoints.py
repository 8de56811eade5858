"""The shipped networks: read once, the pictures they draw, batches; a pipeline as an engine."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models import checkpoints, ddpm_samplers  # noqa: E402
from models.hub import HubError  # noqa: E402

FLOORS = {"digits": 0.9, "hanzi": 0.9}  # share read as asked for; both lie near 1, see quality.csv


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def draw(name, classes, n_steps, seed=0):
    engine = checkpoints.engine(name)
    times = ddpm_samplers.visited_times(engine.schedule.n_steps, n_steps)
    plan = ddpm_samplers.make_plan(engine.schedule, times, ddpm_samplers.RULES["ddim"])
    noises = ddpm_samplers.noise_streams(seed, len(classes), engine.shape, np.float32)
    run = ddpm_samplers.sample(plan, engine.denoiser(classes, 1.0), next(noises), noises)
    return ddpm_samplers.final(run).x


@pytest.mark.parametrize("name", checkpoints.NETWORKS)
def test_a_small_seeded_batch_reaches_the_floor(name):
    classes = np.arange(20) % checkpoints.CLASSES[name]
    pictures = draw(name, classes, 12)
    read = checkpoints.reader(name).probabilities(np.clip(pictures, -1, 1)).argmax(1)
    assert (read == classes).mean() >= FLOORS[name]
    assert ((np.abs(pictures) > 1.2).mean()) < 0.01, "ink and ground, no specks"


def test_a_picture_does_not_depend_on_the_batch():
    classes = np.arange(3)
    together = draw("digits", classes, 4)
    assert np.abs(draw("digits", classes[:1], 4)[0] - together[0]).max() < 1e-4


def test_a_network_is_read_once_for_everybody():
    with ThreadPoolExecutor(4) as pool:
        found = set(map(id, pool.map(checkpoints.network, ["digits"] * 8)))
    assert len(found) == 1


def test_facts_agree_with_the_files():
    for name in checkpoints.NETWORKS:
        config = checkpoints.network(name).config
        schedule = checkpoints.schedule_of(name)
        assert config.n_classes == checkpoints.CLASSES[name]
        assert (schedule.n_steps, schedule.b[-1] ** 2) == (config.n_times, pytest.approx(0.02))


def test_an_unknown_name_is_refused():
    asks = (checkpoints.network, checkpoints.engine, checkpoints.reader, checkpoints.schedule_of)
    for ask in asks:
        with pytest.raises(ValueError, match="name must be one of"):
            ask("cats")
    with pytest.raises(HubError):
        checkpoints.hub_engine("../secret")
