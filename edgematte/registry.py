"""Every model of the SDK, in one literal table. To add a model, see CONTRIBUTING.md."""

from dataclasses import dataclass

from edgematte.errors import OptionError


@dataclass(frozen=True)
class Count:
    """Published and reproduced size of one configuration."""

    config: dict[str, int]
    parameters: int
    macs_g: float  # 1e9 multiply-adds at 512x512
    published_parameters: str
    published_macs_g: str


@dataclass(frozen=True)
class Family:
    """One network: where its classes live, without importing them."""

    name: str
    paper: str
    torch_class: str  # module:class
    cut_module: str  # torch side: graphs(), reference()
    host_module: str  # torch-free side: pipeline(), host_steps()
    multiple: int  # sides of the graph's picture are multiples of this
    config: dict[str, int]
    weights: str  # name under edgematte/weights, empty where none are shipped
    counts: tuple[Count, ...]


LIGHTWEIGHT = Family(
    name="lightweight",
    paper="Highly Efficient Natural Image Matting, BMVC 2021",
    torch_class="edgematte.models.lightweight:Lightweight",
    cut_module="edgematte.export.cuts.lightweight",
    host_module="edgematte.runtime.lightweight",
    multiple=64,
    config={"cfm": 1, "ena": 1, "k": 16},
    weights="lightweight",
    counts=(
        Count({"cfm": 1, "ena": 1}, 344_820, 0.938, "344.82K", "0.93"),
        Count({"cfm": 0, "ena": 1}, 342_692, 0.938, "342.70K", "0.93"),
        Count({"cfm": 1, "ena": 0}, 287_924, 0.645, "287.83K", "0.63"),
        Count({"cfm": 0, "ena": 0}, 285_796, 0.645, "285.70K", "0.63"),
    ),
)

FAMILIES: dict[str, Family] = {"lightweight": LIGHTWEIGHT}


def family(name: str) -> Family:
    """The family of that name.

    Raises:
        OptionError: no such model; the message lists those there are.
    """
    if name not in FAMILIES:
        raise OptionError(f"unknown model {name!r}; there are: {', '.join(FAMILIES)}")
    return FAMILIES[name]
