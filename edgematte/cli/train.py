"""``edgematte train``."""

import argparse
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgematte.cli.arguments import add_json, print_json
from edgematte.cli.sources import add_sources, parse_sources
from edgematte.cli.streams import remarks
from edgematte.errors import EngineError, OptionError
from edgematte.extras import importing
from edgematte.ranges import OPTIONS, SIDE, check

if TYPE_CHECKING:
    import torch

    from edgematte.net import Variant
    from edgematte.training.recipe.schedule import Recipe, Settings

SHIPPED = "shipped"
NUMBERS: tuple[str, ...] = (
    *("steps", "time_limit", "learning_rate", "batch", "threads", "workers", "seed"),
    *("save_every", "log_every", "samples_every", "hold_out"),
)
RESIDENT_PX = 384  # side of a pack's pictures on the device
LEAST_PX = 64  # the five levels of a Laplacian loss need at least this


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "--model",
        required=True,
        help="what to train: see `edgematte models`; docs/training.md has the recipes",
    )
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="a run in it is gone on with"
    )
    add_sources(parser)
    parser.add_argument(
        "--pack",
        type=Path,
        metavar="FILE",
        help="instead of folders: pictures packed by `python -m edgematte.training.pack`; "
        "recipes that can are then shown scenes that the device composes",
    )
    parser.add_argument(
        "--procedural", action="store_true", help="train on made subjects alone: no folders"
    )
    parser.add_argument(
        "--weights", metavar="FILE", help=f"start from these, or from {SHIPPED!r}: fine-tuning"
    )
    parser.add_argument(
        "--backbone",
        type=Path,
        metavar="FILE",
        help="start from this plain pretrained backbone, of models that have one: a ViT as DINO or "
        "MAE saves it, a ResNet-34 or a Swin-T; docs/training.md says which",
    )
    parser.add_argument(
        "--part",
        default="",
        help="train this network of the model alone, the rest stays as it is; needs --weights; "
        "docs/training.md has the names, and so has the answer to a wrong one",
    )
    parser.add_argument(
        "--quantize-aware",
        action="store_true",
        help="fine-tune with what int8 leaves of weights and activations; needs --weights",
    )
    parser.add_argument("--steps", type=int, metavar="N", help="the end of the run, or ...")
    parser.add_argument("--time-limit", type=float, metavar="MIN", help="... this, if it is first")
    parser.add_argument("--learning-rate", type=float, help="at its peak (default: the recipe's)")
    parser.add_argument("--size", type=int, metavar="PX", help="instead of the recipe's stages")
    parser.add_argument("--batch", type=int, metavar="N", help="pictures a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="default: cuda where there is one"
    )
    parser.add_argument(
        "--precision",
        choices=("auto", "fp32"),
        default="auto",
        help="auto: bf16 or fp16 where the device has it; fp32 with --quantize-aware",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="of a processor (default: 1; more of them wait for each other wherever something "
        "else runs too: start a process a core with torchrun instead)",
    )
    parser.add_argument("--workers", type=int, help="processes that prepare pictures")
    parser.add_argument("--save-every", type=float, default=4.0, metavar="MIN", help="default: 4")
    parser.add_argument("--log-every", type=int, default=20, metavar="N", help="steps; default: 20")
    parser.add_argument(
        "--samples-every", type=int, default=500, metavar="N", help="steps; default: 500"
    )
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train, or go on with what the output folder holds; print where the weights are."""
    _refuse(arguments)
    sentence = "training needs a package that is not installed"
    with importing(sentence, 'pip install "edgematte[train]"', EngineError):
        from edgematte.training.engine import processes
        from edgematte.training.engine.device import choose_device
        from edgematte.training.recipes import recipe

    chosen = recipe(arguments.model, arguments.part)
    if arguments.backbone is not None and chosen.backbone is None:
        raise OptionError(f"--backbone: {arguments.model} has none that is trained elsewhere")
    with processes.joined(choose_device(arguments.device)) as device:
        result = _train(arguments, chosen, device)
        if processes.rank():
            return 0
    if arguments.json:
        print_json(result)
    else:
        print(result["weights"])
    return 0


def _refuse(arguments: argparse.Namespace) -> None:
    for name in NUMBERS:
        value = getattr(arguments, name)
        if value is not None:
            allowed = OPTIONS["training_steps" if name == "steps" else name]
            check(f"--{name.replace('_', '-')}", value, allowed)
    if arguments.steps is None and arguments.time_limit is None:
        raise OptionError("give the run an end: --steps or --time-limit")
    if arguments.backbone is not None and arguments.weights is not None:
        raise OptionError("--backbone starts a run and --weights goes on from one: give only one")
    if arguments.quantize_aware and arguments.weights is None:
        raise OptionError("--quantize-aware adapts a trained model: give --weights FILE with it")
    if arguments.part and arguments.weights is None:
        raise OptionError("--part leaves the rest as it is: give --weights FILE with it")
    if arguments.part and arguments.quantize_aware:
        raise OptionError("--quantize-aware adapts the whole model: leave out --part")
    sources = [arguments.foregrounds, arguments.veils, getattr(arguments, "photos", None)]
    if arguments.pack is not None:
        if any(sources) or arguments.backgrounds or arguments.procedural:
            raise OptionError("--pack holds all pictures of a run: leave out folders of pictures")
        return
    if any(sources) and arguments.procedural:
        raise OptionError(
            "--procedural trains on made subjects alone: leave it out, or the folders of subjects"
        )
    if arguments.hold_out and not any(sources) and not arguments.backgrounds:
        raise OptionError("--hold-out keeps pictures of folders apart: there are none")
    if not any(sources) and not arguments.procedural:
        raise OptionError(
            "nothing to train on: give --foregrounds and --backgrounds, or --images and --alphas, "
            "or --procedural for made subjects alone"
        )


def _train(
    arguments: argparse.Namespace, chosen: "Recipe[Any]", device: "torch.device"
) -> dict[str, Any]:
    import torch

    from edgematte.training.batched.resident import Resident
    from edgematte.training.engine import checkpoint, processes
    from edgematte.training.engine.run import Run
    from edgematte.training.pictures.folders import Reading
    from edgematte.training.pictures.packed import read_pack
    from edgematte.training.pictures.sources import count, load_library

    torch.set_num_threads(arguments.threads)
    settings = _settings(arguments, device, chosen)
    folders = parse_sources(arguments)
    model = _model(arguments, chosen)
    reading = Reading(bar=remarks() and not processes.rank())
    if arguments.pack is None:
        library = load_library(folders, hold_out=arguments.hold_out, reading=reading)
    else:
        library = read_pack(arguments.pack, hold_out=arguments.hold_out)
    counted = ", ".join(f"{number} {kind}" for kind, number in count(library).items() if number)
    if not counted and not arguments.procedural:
        raise OptionError(f"--hold-out {arguments.hold_out} leaves no picture to train on")
    log = logging.getLogger(__name__)
    precision = str(settings.precision).removeprefix("torch.")
    log.info("%s, on %s in %s", counted or "made subjects only", device, precision)
    if library.skipped:
        number = len(library.skipped)
        log.warning("%d %s skipped", number, "file was" if number == 1 else "files were")
    resident = None
    if arguments.pack is not None and chosen.batched is not None:
        resident = Resident.of(library, device, RESIDENT_PX)
    tune, pretrained = arguments.weights is not None, arguments.backbone is not None
    running = Run(
        chosen, settings, library, model, tune=tune, pretrained=pretrained, resident=resident
    )
    running.train()
    return {
        "weights": str(settings.output / checkpoint.WEIGHTS),
        "steps": running.step,
        "seconds": round(running.elapsed_s, 1),
        "losses": running.losses,
        "pictures": count(library),
        "skipped": library.skipped,
    }


def _settings(
    arguments: argparse.Namespace, device: "torch.device", chosen: "Recipe[Any]"
) -> "Settings":
    import torch

    from edgematte.nets import find
    from edgematte.training.engine.device import choose_precision
    from edgematte.training.recipe.schedule import Settings

    multiple = find(chosen.model).multiple
    least_px = max(multiple, LEAST_PX)
    if arguments.size is not None and (
        arguments.size not in SIDE or arguments.size < least_px or arguments.size % multiple
    ):
        raise OptionError(
            f"--size {arguments.size}: a multiple of {multiple}, {least_px} pixels or more, "
            f"at most {SIDE.most:g}"
        )
    # bfloat16 rounds as coarsely as int8, which quantization-aware training is about.
    automatic = arguments.precision == "auto" and not arguments.quantize_aware
    workers = min(8, os.cpu_count() or 1) if device.type == "cuda" else 1
    return Settings(
        output=arguments.output,
        steps=arguments.steps,
        time_limit_s=arguments.time_limit and arguments.time_limit * 60,
        size_px=arguments.size,
        batch=arguments.batch,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
        workers=workers if arguments.workers is None else arguments.workers,
        device=device,
        precision=choose_precision(device) if automatic else torch.float32,
        save_every_s=arguments.save_every * 60,
        log_every=arguments.log_every,
        samples_every=arguments.samples_every,
        bar=remarks(),
        quantize_aware=arguments.quantize_aware,
    )


def _model(arguments: argparse.Namespace, chosen: "Recipe[Any]") -> Any:
    """A new model, from a backbone or weights if given, or as the output folder's run has it."""
    import torch

    from edgematte.checkpoint import build, load_model
    from edgematte.nets import find
    from edgematte.state_dict import read_state_dict
    from edgematte.training.engine import checkpoint

    kind = find(chosen.model)
    if (arguments.output / checkpoint.STATE).is_file():
        return build(kind, _config(arguments.output, kind))
    if arguments.weights is not None:
        shipped = arguments.weights == SHIPPED
        model, origin = load_model(kind, None if shipped else Path(arguments.weights))
        logging.getLogger(__name__).info("starts from %s", origin.source)
        return model
    torch.manual_seed(arguments.seed)
    model = build(kind)
    if arguments.backbone is not None:
        assert chosen.backbone is not None
        stored = read_state_dict(arguments.backbone)
        chosen.backbone(model, stored.tensors, str(arguments.backbone))
        log = logging.getLogger(__name__)
        log.info("starts from %s", "; ".join((arguments.backbone.name, *stored.notes)))
    return model


def _config(output: Path, kind: "Variant") -> dict[str, int]:
    """The options of the run in a folder; its state holds them, and alone is enough to go on."""
    import torch

    from edgematte.checkpoint import read_config
    from edgematte.training.engine import checkpoint

    state = checkpoint.read_run(output, torch.device("cpu"))
    if "config" not in state:  # of an older version
        return read_config(output / checkpoint.WEIGHTS, kind)
    return {key: value for key, value in state["config"].items() if key in kind.config}
