"""What the panel ``latents`` is asked for, what it costs, and which controls it reads."""

from dataclasses import dataclass, replace

from demos.ddpm._pictures import KINDS, unused_sources

COUNTS = (10, 20, 50, 100)  # S of the study
STUDIED = 4  # pictures of the study
QUICK_CALLS = 10  # steps of the first look
QUICK_PASSES = 72  # of the first look through the network: below 0.3 s
QUICK_WAY = 7  # places on the way, of the first look


@dataclass(frozen=True)
class Wish:
    """What to do, the pictures aside; hashable."""

    task: str
    what: str
    model: str
    n_pictures: int
    classes: str
    n_visits: int
    n_refinements: int
    veil: int
    path: str
    n_between: int
    seed: int
    other: int

    @property
    def network(self) -> str:
        """Name of the network."""
        is_real = self.task == "encode" and self.what in KINDS
        return KINDS[self.what] if is_real else self.model

    @property
    def passes(self) -> float:
        """Pictures that go through the network, all in all."""
        if self.task == "interpolate":
            return self.n_visits * self.n_pictures * self.n_between
        there_and_back = 2 + self.n_refinements
        study = sum(S for S in COUNTS if S != self.n_visits) * min(STUDIED, self.n_pictures)
        return self.n_visits * self.n_pictures * (there_and_back + 1) + study * there_and_back

    def quick(self) -> "Wish":
        """Return less of the same, for a first look."""
        if self.task == "interpolate":
            n, between = 1, min(self.n_between, QUICK_WAY)
        else:
            fitting = QUICK_PASSES // (QUICK_CALLS * (2 + self.n_refinements))
            n, between = min(fitting, self.n_pictures), self.n_between
        calls = min(self.n_visits, QUICK_CALLS)
        return replace(self, n_pictures=n, n_between=between, n_visits=calls)


def unused(wish: Wish) -> frozenset[str]:
    """Return the controls without influence."""
    is_trip = wish.task == "encode"
    is_real = wish.what in KINDS
    sources = unused_sources(wish.what, "n_pictures")
    reads = {
        "what": is_trip,
        "model": not (is_trip and is_real),
        "upload": is_trip and sources["upload"],
        "drawn": is_trip and sources["drawn"],
        "n_pictures": not is_trip or is_real,
        "classes": not is_trip or is_real,
        "n_refinements": is_trip,
        "veil": is_trip,
        "path": not is_trip,
        "n_between": not is_trip,
        "seed": not is_trip or wish.veil > 0,
        "other": not is_trip,
    }
    return frozenset(name for name, needed in reads.items() if not needed)
