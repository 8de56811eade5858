"""Files of weights: half precision there and back, facts beside them, readable by all."""

import pytest

torch = pytest.importorskip("torch")

from models import weights  # noqa: E402


def test_weights_return_rounded_to_half_precision_with_their_facts(tmp_path):
    network, path = torch.nn.Linear(3, 2), tmp_path / "small.safetensors"
    weights.save(network, path, "facts", {"steps": 7, "name": "小"})
    values, told = weights.load(path, "facts")
    assert told == {"steps": 7, "name": "小"} and path.stat().st_mode & 0o777 == 0o644
    for name, value in network.state_dict().items():
        assert values[name].dtype == torch.float32
        assert torch.equal(values[name], value.half().float())
    assert weights.load(path, "other")[1] == {}
