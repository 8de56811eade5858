"""Measure the U-Nets of the DDPM tab: assets/ddpm/reader_*.safetensors and quality.csv.

    python -m training.ddpm_quality reader digits --data mnist_5k.npz
    python -m training.ddpm_quality reader hanzi --data sans.npz serif.npz
    python -m training.ddpm_quality table digits --data mnist_5k.npz --work FOLDER
    python -m training.ddpm_quality table hanzi --data sans.npz serif.npz --work FOLDER

Data and what is held out are those of `training.ddpm`; `--fonts` works as there.

reader: a small network (`models.reader`) learns from the pictures trained on, moved a little. Of
digits it learns the class. Of characters it learns the face, and to tell which two pictures, one of
each face, show the same character among a batch (InfoNCE on a linear map of the features, which is
then dropped); so the features hold what is drawn and in which manner.

table: our version of table 1 of the DDIM paper. For each number of steps S and each rule, n
pictures are drawn, classes in turn, guidance 1, trailing steps, x0_hat never clipped on the way,
pixels clipped to [-1, 1] and rounded to 8 bits at the end. Rules: eta0 .. eta1 are DDIM; sigma_hat
is DDPM with sigma = b (`ddpm_b` of `models.ddpm_samplers`) and no noise in the step to time 0;
sigma_hat_end is the same run with that noise, as in the post's code. The paper adds none there
either, but its steps are leading: the last goes from t = 1 to 0, and the noise of the large step
into t = 1 stays in the picture. That is what ruins its sigma-hat at small S, and sigma_hat_end is
what to compare it with (its code also clips x0_hat for sigma-hat alone). Picture i starts from the
same noise in every cell. Cells with more than 100 steps have --samples_long pictures; those with
fewer have a second row for that many, since the Frechet distance falls with n. With few pictures
the floor is mostly that bias, and samples of less variety than real ones may lie below it: of
characters, quote figures of 500 pictures or more. Columns:

    set, rule, n_steps, n   the cell; rule "real" holds the held-out pictures in place of samples
    frechet                 samples against held-out pictures, squared; the figure to quote
    frechet_floor           n pictures trained on in place of the samples, mean over up to 5 draws
    frechet_trained         samples against all pictures trained on
    trained_floor           held-out pictures (n, or all if fewer) in place of the samples
    accuracy, confidence    share read as the class asked for; mean probability of the class read
    nearest, nearest_real   median distance to the nearest picture trained on, of samples and of
                            held-out pictures: root mean square over pixels in [-1, 1]

FOLDER keeps the pictures after every batch, so a run that was stopped goes on where it was; the
table is written anew after every cell, and only the rows of its set are replaced.

Source: Song, Meng and Ermon 2020, arXiv 2010.02502, table 1 and appendix D.3, and their code,
github.com/ermongroup/ddim, functions/denoising.py (`ddpm_steps` is sigma-hat); Heusel et al. 2017,
arXiv 1706.08500 (Frechet distance); van den Oord, Li and Vinyals 2018, arXiv 1807.03748 (InfoNCE).
"""

import argparse
import csv
import hashlib
import math
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.ddpm import su, transition
from models.ddpm_samplers import Rule, final, make_plan, noise_streams, sample, visited_times
from models.reader import N_FEATURES, Reader, frechet_distance, load, save
from models.unet import SIDE, Denoiser
from training.ddpm import ASSETS, NAMES, Bytes, Data, Labels, Pictures, digits, hanzi, nearest, thin

STEPS = (10, 20, 50, 100, 1000)
LONG = 100  # cells with more steps have fewer pictures
RULES = {f"eta{eta:g}": Rule(eta=eta) for eta in (0, 0.2, 0.5, 1)}
RULES["sigma_hat"] = Rule("ddpm", sigma="b")
LABELS = {"sigma_hat": ("sigma_hat", "sigma_hat_end")}  # one run, without and with noise at the end
COLUMNS = ["set", "rule", "n_steps", "n", "frechet", "frechet_floor", "frechet_trained"]
COLUMNS += ["trained_floor", "accuracy", "confidence", "nearest", "nearest_real"]
REPEATS = 5  # draws of a floor
# Most that a picture is turned (radians), stretched (share) and shifted (pixels) for the reader.
MOVES = {"digits": (0.2, 0.12, 2.0), "hanzi": (0.03, 0.05, 1.5)}
TRAINED = {"digits": 1500, "hanzi": 4000}  # updates of a reader
TEMPERATURE = 0.1  # of InfoNCE, on cosines

Floats = NDArray[np.float64]
Row = dict[str, str]
Loss = Callable[[np.random.Generator], Tensor]  # draws a batch and returns its loss


def data_of(told: argparse.Namespace) -> Data:
    """Read the data that the command line names."""
    if told.name == "hanzi":
        return hanzi(told.data, told.fonts, told.pictures)
    if len(told.data) != 1:
        raise SystemExit("digits need one --data file")
    return digits(told.data[0], told.pictures)


# --- Reader ---------------------------------------------------------------------------------------


def moved(pictures: Pictures, rng: np.random.Generator, moves: Sequence[float]) -> Tensor:
    """Return pictures (n, 1, 32, 32), each turned, stretched and shifted at random a little."""
    turn, stretch, shift = moves
    n = len(pictures)
    angle, scale = rng.uniform(-turn, turn, n), 1 + rng.uniform(-stretch, stretch, (2, n))
    offset = rng.uniform(-shift, shift, (2, n)) * 2 / SIDE
    cosine, sine = np.cos(angle), np.sin(angle)
    maps = np.array([[scale[0] * cosine, -sine, offset[0]], [sine, scale[1] * cosine, offset[1]]])
    theta = torch.from_numpy(np.ascontiguousarray(maps.transpose(2, 0, 1), dtype=np.float32))
    grid = functional.affine_grid(theta, [n, 1, SIDE, SIDE], align_corners=False)
    ink = torch.from_numpy(pictures)[:, None] + 1  # 0 outside the picture
    return functional.grid_sample(ink, grid, align_corners=False) - 1


def class_loss(reader: Reader, data: Data, moves: Sequence[float], batch: int) -> Loss:
    """Return the loss of telling the classes."""
    pictures, labels = data.part(is_held=False)

    def loss(rng: np.random.Generator) -> Tensor:
        chosen = rng.integers(len(pictures), size=batch)
        _, logits = reader(moved(pictures[chosen], rng, moves))
        return functional.cross_entropy(logits, torch.from_numpy(labels[chosen]))

    return loss


def pair_loss(
    reader: Reader, project: nn.Module, data: Data, moves: Sequence[float], batch: int
) -> Loss:
    """Return the loss of telling the faces and of finding a character's other face."""
    pictures, labels = data.part(is_held=False)
    half = len(pictures) // 2  # character k is at k and at half + k

    def loss(rng: np.random.Generator) -> Tensor:
        k = rng.choice(half, size=min(batch // 2, half), replace=False)
        chosen = np.concatenate([k, half + k])
        features, logits = reader(moved(pictures[chosen], rng, moves))
        one, other = functional.normalize(project(features)).chunk(2)
        cosines = one @ other.T / TEMPERATURE
        own = torch.arange(len(k))
        told = functional.cross_entropy(logits, torch.from_numpy(labels[chosen]))
        found = functional.cross_entropy(cosines, own) + functional.cross_entropy(cosines.T, own)
        return told + found / 2

    return loss


def fit(parts: Sequence[nn.Module], loss: Loss, steps: int, rate: float, seed: int) -> None:
    """Train with AdamW, warm-up and half a cosine; the loss is printed ten times."""
    weights = [weight for part in parts for weight in part.parameters()]
    optimiser = torch.optim.AdamW(weights, rate, weight_decay=0.01, fused=True)
    started, recent = time.perf_counter(), 0.0
    for step in range(steps):
        share = min(1.0, (step + 1) / (steps // 20 + 1)) * (1 + math.cos(math.pi * step / steps))
        optimiser.param_groups[0]["lr"] = rate * share / 2
        optimiser.zero_grad(set_to_none=True)
        value = loss(np.random.default_rng([seed, step]))
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        now = float(value.detach())
        recent = now if step == 0 else 0.98 * recent + 0.02 * now
        if (step + 1) % max(1, steps // 10) == 0:
            seconds = time.perf_counter() - started
            print(f"step {step + 1}: loss {recent:.4f}, {seconds:.0f} s", flush=True)


def retrieval(features: Floats) -> float:
    """Return how often the other face of a character is the nearest of all in that face.

    Args:
        features: (2 n, d), the characters of one face, then the same of the other. Each face is
            centred; near is in cosine.
    """
    faces = [each - each.mean(0) for each in np.split(features, 2)]
    one, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in faces)
    cosines = one @ other.T
    own = np.arange(len(one))
    return float(((cosines.argmax(1) == own).mean() + (cosines.argmax(0) == own).mean()) / 2)


def train_reader(told: argparse.Namespace) -> None:
    """Train a reader, write it and say what it reaches."""
    data, name = data_of(told), told.name
    torch.manual_seed(told.seed)
    reader = Reader(len(NAMES[name]))
    parts: list[nn.Module] = [reader]
    if name == "digits":
        loss = class_loss(reader, data, MOVES[name], told.batch)
    else:
        parts.append(nn.Linear(N_FEATURES, N_FEATURES, bias=False))
        loss = pair_loss(reader, parts[1], data, MOVES[name], told.batch)
    steps = told.steps or TRAINED[name]
    fit(parts, loss, steps, told.rate, told.seed)
    told.assets.mkdir(parents=True, exist_ok=True)
    path = told.assets / f"reader_{name}.safetensors"
    facts: dict[str, Any] = {"classes": NAMES[name], "data": data.digest, "steps": steps}
    facts |= {key: getattr(told, key) for key in ("batch", "rate", "seed")}
    save(reader, path, facts)
    rounded, _ = load(path)  # the figures are those of the file
    pictures, labels = data.part(is_held=True)
    chances = rounded.probabilities(pictures)
    facts["accuracy"] = round(float((chances.argmax(1) == labels).mean()), 4)
    facts["confidence"] = round(float(chances.max(1).mean()), 4)
    if name == "hanzi":
        facts["retrieval"] = round(retrieval(rounded.features(pictures)), 4)
    save(rounded, path, facts)
    print(f"{path.name}: {path.stat().st_size} bytes, {facts}")


# --- Samples --------------------------------------------------------------------------------------


def draw(
    denoiser: Denoiser, rule: str, n_steps: int, classes: Labels, seed: int, first: int
) -> Bytes:
    """Return the pictures of numbers first, first + 1, .. by a rule, (n, v, 32, 32), one per class.

    v is 1, or 2 if `LABELS` has two names for the rule.
    """
    config = denoiser.config
    schedule = su(config.n_times, config.last)
    plan = make_plan(schedule, visited_times(config.n_times, n_steps), RULES[rule])
    noises = noise_streams(seed, len(classes), (SIDE, SIDE), np.float32, first)
    states = sample(plan, lambda x, t: denoiser(x, t, classes), next(noises), noises)
    versions = [final(states).x]
    if rule in LABELS:  # the noise that a run with noise at the end would draw now
        spread = transition(schedule, plan.t[-1:], plan.s[-1:]).b
        versions.append(versions[0] + spread.astype(np.float32) * next(noises))
    ends: Bytes = np.rint((np.clip(np.stack(versions, 1), -1, 1) + 1) * 127.5).astype(np.uint8)
    return ends


def cell(
    told: argparse.Namespace, denoiser: Denoiser, mark: str, rule: str, n_steps: int
) -> tuple[Bytes, Labels]:
    """Return the pictures of a cell, (n, v, 32, 32), and classes; what FOLDER has is not redrawn.

    Raises:
        ValueError: If FOLDER has pictures of other weights or another seed, of which mark tells.
    """
    n = told.samples if n_steps <= LONG else told.samples_long
    classes = np.arange(n) % denoiser.config.n_classes
    path = told.work / f"{told.name}_{rule}_{n_steps}.npz"
    done = np.zeros((0, len(LABELS.get(rule, [rule])), SIDE, SIDE), dtype=np.uint8)
    if path.exists():
        with np.load(path, allow_pickle=False) as stored:
            if str(stored["mark"]) != mark:
                raise ValueError(f"{path.name} was drawn by other weights or another seed")
            done = stored["pictures"]
    started, n_before = time.perf_counter(), len(done)
    while len(done) < n:
        part = classes[len(done) : len(done) + told.batch]
        made = draw(denoiser, rule, n_steps, part, told.seed, len(done))
        done = np.concatenate([done, made])
        beside = path.with_suffix(".part.npz")
        np.savez_compressed(beside, pictures=done, mark=mark)
        os.replace(beside, path)
    seconds = time.perf_counter() - started
    if len(done) > n_before:
        print(f"{path.stem}: {len(done) - n_before} pictures in {seconds:.0f} s", flush=True)
    return done[:n], classes


# --- Table ----------------------------------------------------------------------------------------


class Judge:
    """What samples are compared with.

    Args:
        reader: Its features and classes.
        data: Real pictures.
    """

    def __init__(self, reader: Reader, data: Data) -> None:
        self.reader = reader
        self.trained, _ = data.part(is_held=False)
        self.held, self.held_labels = data.part(is_held=True)
        self.of_trained, self.of_held = map(reader.features, (self.trained, self.held))
        self.nearest_real = float(np.median(nearest(self.held, self.trained)[0]))

    def floors(self, n: int) -> tuple[float, float]:
        """Return frechet_floor and trained_floor for n pictures, means over up to 5 even draws."""
        means = []
        for source, target in ((self.of_trained, self.of_held), (self.of_held, self.of_trained)):
            count = min(n, len(source))
            repeats = min(REPEATS, len(source) // count)
            spread = source[thin(len(source), repeats * count)]
            apart = [frechet_distance(spread[k::repeats], target) for k in range(repeats)]
            means.append(float(np.mean(apart)))
        return means[0], means[1]

    def row(self, pictures: Pictures, classes: Labels) -> Row:
        """Return the figures of pictures (n, 32, 32) of which classes were asked for."""
        features, chances = self.reader.features(pictures), self.reader.probabilities(pictures)
        floor, trained_floor = self.floors(len(pictures))
        told = {
            "frechet": frechet_distance(features, self.of_held),
            "frechet_floor": floor,
            "frechet_trained": frechet_distance(features, self.of_trained),
            "trained_floor": trained_floor,
            "accuracy": (chances.argmax(1) == classes).mean(),
            "confidence": chances.max(1).mean(),
            "nearest": np.median(nearest(pictures, self.trained)[0]),
            "nearest_real": self.nearest_real,
        }
        return {"n": str(len(pictures))} | {key: f"{value:.4f}" for key, value in told.items()}

    def real(self) -> Row:
        """Return the figures of the held-out pictures; the distance is that of the floor."""
        row = self.row(self.held, self.held_labels)
        return row | {"frechet": row["frechet_floor"]}


def write(path: Path, name: str, rows: Sequence[Row]) -> None:
    """Replace the rows of a set in the table at path, which need not exist yet."""
    others: list[Row] = []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            others = [row for row in csv.DictReader(file) if row["set"] != name]
    both = sorted([*others, *rows], key=lambda row: list(NAMES).index(row["set"]))
    beside = path.with_suffix(".part")
    with beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(both)
    os.replace(beside, path)


def make_table(told: argparse.Namespace) -> None:
    """Draw what is missing and write the table after every cell."""
    name = told.name
    weights = told.weights or told.assets / f"{name}.safetensors"
    denoiser = Denoiser.load(weights)
    reader, _ = load(told.assets / f"reader_{name}.safetensors")
    judge = Judge(reader, data_of(told))
    mark = f"{hashlib.sha256(weights.read_bytes()).hexdigest()} {told.seed}"
    told.work.mkdir(parents=True, exist_ok=True)
    rows = [{"set": name, "rule": "real", "n_steps": "0"} | judge.real()]
    for n_steps in sorted(told.steps):
        for rule in told.rules:
            drawn, classes = cell(told, denoiser, mark, rule, n_steps)
            for k, label in enumerate(LABELS.get(rule, [rule])):
                pictures = drawn[:, k].astype(np.float32) / 127.5 - 1
                for n in dict.fromkeys((len(pictures), min(told.samples_long, len(pictures)))):
                    row = {"set": name, "rule": label, "n_steps": str(n_steps)}
                    rows.append(row | judge.row(pictures[:n], classes[:n]))
                    print(", ".join(f"{key} {rows[-1][key]}" for key in COLUMNS[1:]), flush=True)
            write(told.assets / "quality.csv", name, rows)


# --- Command --------------------------------------------------------------------------------------


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure the U-Nets of the DDPM tab.")
    tasks = parser.add_subparsers(dest="task", required=True)
    train = tasks.add_parser("reader", help="train the network that judges")
    train.add_argument("--steps", type=int, help="1500 for digits, 4000 for characters")
    train.add_argument("--rate", type=float, default=3e-3)
    train.add_argument("--batch", type=int, default=256)
    table = tasks.add_parser("table", help="draw pictures and judge them")
    table.add_argument("--work", type=Path, required=True, help="folder of the pictures, not ours")
    table.add_argument(
        "--weights", type=Path, help="of the U-Net; those in the assets if not given"
    )
    table.add_argument("--samples", type=int, default=500, help="pictures of a cell")
    table.add_argument("--samples_long", type=int, default=128, help=f"above {LONG} steps")
    table.add_argument("--steps", type=int, nargs="+", default=list(STEPS))
    table.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES))
    table.add_argument("--batch", type=int, default=32, help="pictures drawn at once")
    for task in (train, table):
        task.add_argument("name", choices=list(NAMES))
        task.add_argument("--data", type=Path, nargs="+", default=[], help="npz files")
        task.add_argument("--fonts", type=Path, nargs="+", default=[], help="sans and serif font")
        task.add_argument("--pictures", type=int, help="take so many real pictures only")
        task.add_argument("--assets", type=Path, default=ASSETS, help="folder of the results")
        task.add_argument("--seed", type=int, default=0)
        task.add_argument("--threads", type=int, default=1, help="of torch; 1 repeats exactly")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Do what the command line says."""
    told = arguments(given)
    torch.set_num_threads(told.threads)
    if told.task == "reader":
        train_reader(told)
    else:
        make_table(told)


if __name__ == "__main__":
    main()
