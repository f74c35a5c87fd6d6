import csv
import json
import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from edgematte import nets
from edgematte.builtin import BUILTIN
from edgematte.checkpoint import load_model
from edgematte.errors import CheckpointError, EngineError, OptionError, TrainingError
from edgematte.models.lightweight.network import Lightweight
from edgematte.net import Variant
from edgematte.nets import find
from edgematte.training.engine import checkpoint
from edgematte.training.engine.device import choose_device, choose_precision
from edgematte.training.engine.run import Run
from edgematte.training.engine.table import Table
from edgematte.training.nets.lightweight import LIGHTWEIGHT as PAPER
from edgematte.training.nets.lightweight import crop_probabilities
from edgematte.training.pictures.data import Batch
from edgematte.training.pictures.sources import Library
from edgematte.training.recipe.schedule import Settings, Stage, adapted, learning_rate
from edgematte.training.recipes import recipe

TINY = (Stage(0.5, 128, 64, 2), Stage(1.0, 128, 128, 1, keep_norms=True))
RECIPE = replace(PAPER, stages=TINY, tune_stages=TINY[1:], norm_batches=1)


def _run(output: Path, steps: int = 4, **changes: object) -> Run[Lightweight]:
    values: dict[str, object] = {
        "output": output,
        "steps": steps,
        "workers": 0,
        "log_every": 1,
        "samples_every": 1000,
    }
    settings = Settings(**{**values, **changes})  # type: ignore[arg-type]
    torch.manual_seed(settings.seed)
    return Run(RECIPE, settings, Library(), Lightweight())


def _weights(run: Run[Lightweight]) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in run.learner.model.parameters()])


def _log(output: Path) -> list[dict[str, str]]:
    with (output / "training.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_without_an_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="end"):
        Run(RECIPE, Settings(tmp_path), Library(), Lightweight())


def test_a_model_without_a_recipe_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = "lightweight, lightweight-wide, reg"
    with pytest.raises(OptionError, match=f"unknown model 'nonsense'; there are: {listed}"):
        recipe("nonsense")
    untaught = replace(BUILTIN[0], name="own", recipes="", variants={"own": Variant({})})
    monkeypatch.setattr(nets, "_plugged", {"own": untaught})
    with pytest.raises(OptionError, match=f"no recipe to train 'own' yet.*: {listed}"):
        recipe("own")
    assert recipe("lightweight") == PAPER


def test_the_recipe_is_the_paper_s() -> None:
    assert (PAPER.betas, PAPER.learning_rate) == ((0.5, 0.999), 4e-4)
    for stages in (PAPER.stages, PAPER.tune_stages):
        assert stages[-1].until == 1 and stages[-1].side_px == 512
        assert all(s.crop_px <= s.side_px and not s.crop_px % 64 for s in stages)


def test_the_rate_warms_up_and_ends_at_zero() -> None:
    rates = [learning_rate(p, 1.0, 0.02) for p in np.linspace(0, 1, 101)]
    assert rates[0] < 0.05 and rates[2] == 1.0 and rates[-1] < 1e-6
    assert all(a >= b for a, b in zip(rates[2:], rates[3:], strict=False))


def test_vitmatte_s_rate_drops_where_its_authors_does() -> None:
    """To a tenth at 30 % of the run, to a twentieth at 90 %; fine-tuning has a cosine."""
    known = recipe("vitmatte-s")
    shares = (0.01, 0.02, 0.29, 0.3, 0.89, 0.9, 1.0)
    rates = [learning_rate(p, 2.0, known.warm_up, known.drops) for p in shares]
    assert rates == pytest.approx([1.0, 2.0, 2.0, 0.2, 0.2, 0.1, 0.1])


def test_settings_replace_sizes_and_batches_of_all_stages() -> None:
    stages = adapted(TINY, Settings(Path(), size_px=64, batch=3))
    assert [(s.until, s.side_px, s.crop_px, s.batch) for s in stages] == [
        (0.5, 64, 64, 3),
        (1.0, 64, 64, 3),
    ]
    assert adapted(TINY, Settings(Path())) == TINY


def test_a_batch_too_small_for_batchnorm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="batch of 1 at 64 pixels"):
        _run(tmp_path, size_px=64)


def test_a_full_disk_is_one_sentence_and_the_old_checkpoint_stays(tmp_path: Path) -> None:
    """The limit on a file's size makes writing fail half-way, as a full disk does."""
    run = _run(tmp_path, 1)
    run.train()
    before = {f.name: f.read_bytes() for f in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(
            TrainingError, match=r"cannot be written .*step 1 is there, whole; make"
        ):
            run.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {f.name: f.read_bytes() for f in tmp_path.iterdir()} == before


def test_a_missing_device_is_an_error_and_none_is_needed() -> None:
    if torch.cuda.is_available():
        assert choose_device(None).type == "cuda"
    else:
        assert choose_device(None).type == "cpu"
        with pytest.raises(EngineError, match="device cuda.*device cpu"):
            choose_device("cuda")
    assert choose_device("cpu").type == "cpu"
    assert choose_precision(torch.device("cpu")) in {torch.bfloat16, torch.float32}


def test_cropped_probabilities_are_those_of_the_part() -> None:
    whole = torch.rand(2, 3, 16, 16)
    same = crop_probabilities(whole, torch.tensor([[0.0, 0, 1, 1]] * 2), 16)
    assert torch.allclose(same, whole, atol=1e-5)
    raised = F.interpolate(whole, scale_factor=2, mode="bilinear", align_corners=False)
    part = crop_probabilities(whole, torch.tensor([[0.25, 0.5, 0.75, 1.0]] * 2), 16)
    assert torch.allclose(part, raised[..., 16:32, 8:24], atol=1e-5)


def test_a_run_leaves_a_checkpoint_a_log_and_samples(tmp_path: Path) -> None:
    run = _run(tmp_path, samples_every=3)
    run.train()
    model, _ = load_model(find("lightweight"), tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(value, run.learner.average.model.state_dict()[name]), name
    config = json.loads((tmp_path / "config.json").read_text())
    assert config == {"model": "lightweight", "cfm": 1, "ena": 1, "k": 16, "sn_width": 16}
    rows = _log(tmp_path)
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["side_px"] for row in rows] == ["128"] * 4
    assert all(float(row["total"]) > 0 for row in rows)
    assert [f.name for f in tmp_path.glob("*.png")] == ["samples-000003.png"]
    sheet = np.asarray(Image.open(tmp_path / "samples-000003.png"))
    assert sheet.shape == (4 * 196 + 4, 4 * 196 + 4, 3) and sheet.std() > 20


def test_equal_seeds_give_equal_runs(tmp_path: Path) -> None:
    """Twenty steps, log and weights alike; another seed gives another run."""
    runs = [
        _run(tmp_path / str(i), 20, seed=s, size_px=64, batch=2) for i, s in enumerate((5, 5, 6))
    ]
    for run in runs:
        run.train()
    first, same, other = ([row["total"] for row in _log(tmp_path / str(i))] for i in range(3))
    assert len(first) == 20 and first == same and first != other
    assert torch.equal(_weights(runs[0]), _weights(runs[1]))


def test_a_stopped_run_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    whole = _run(tmp_path / "whole")
    whole.train()
    part = _run(tmp_path / "part")
    for _, batch in zip(range(2), part.batches(TINY[0]), strict=False):
        part.train_step(batch, learning_rate(part.progress, part.peak, RECIPE.warm_up))
    part.save()
    resumed = _run(tmp_path / "part")
    assert (resumed.step, resumed.samples_seen) == (2, 4)
    resumed.train()
    assert torch.allclose(_weights(whole), _weights(resumed), atol=1e-6)


def test_a_finished_run_is_left_as_it_is(tmp_path: Path) -> None:
    _run(tmp_path, 1).train()
    before = (tmp_path / "model.safetensors").stat().st_mtime_ns
    again = _run(tmp_path, 1)
    again.train()
    assert again.step == 1 and (tmp_path / "model.safetensors").stat().st_mtime_ns == before


def test_another_seed_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    _run(tmp_path, 1, seed=1).train()
    with pytest.raises(OptionError, match="seed 1, not 2"):
        _run(tmp_path, 1, seed=2)


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    (tmp_path / checkpoint.STATE).write_bytes(b"PK nothing")
    with pytest.raises(CheckpointError, match=r"training-state\.pt cannot be read"):
        _run(tmp_path)
    torch.save({"model": {}, "step": 1}, tmp_path / checkpoint.STATE)
    with pytest.raises(CheckpointError, match="does not fit"):
        _run(tmp_path)


def test_what_a_killed_run_was_writing_is_swept_away(tmp_path: Path) -> None:
    for name in (".model.abc.safetensors", ".training-state.x1.pt", ".training.q.csv"):
        (tmp_path / name).write_text("half")
    (tmp_path / ".keep").write_text("")
    (tmp_path / "training.csv").write_text("step,total\r\n1,2.0\r\n2,1.0\r\n3,")
    _run(tmp_path, 1).train()
    assert {f.name for f in tmp_path.glob(".*")} == {".keep"}
    assert [row["step"] for row in _log(tmp_path)] == ["1"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "training.csv"])
def test_files_of_no_run_are_not_replaced(name: str, tmp_path: Path) -> None:
    """As weights from a hub lie in a folder, and somebody fine-tunes them into it."""
    (tmp_path / name).write_text("of somebody else")
    with pytest.raises(OptionError, match=rf"holds {name}, and no run.*another output"):
        _run(tmp_path, 1)
    assert [f.name for f in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "of somebody else"


def test_of_two_runs_in_one_folder_one_loses(tmp_path: Path) -> None:
    """The other one in a process of its own, killed in the end: then the folder is free."""
    held = [
        "import sys, pathlib",
        "from edgematte.training.engine.output import held",
        "with held(pathlib.Path(sys.argv[1])):",
        "    print('held', flush=True)",
        "    sys.stdin.read()",
    ]
    other = subprocess.Popen(
        [sys.executable, "-c", "\n".join(held), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None and other.stdout.readline() == b"held\n"
    (tmp_path / "config.json").write_text("{}")  # it is in the middle of saving
    try:
        with pytest.raises(OptionError, match="is being written by another run"):
            _run(tmp_path, 1).train()
    finally:
        other.kill()
        other.communicate()
    _run(tmp_path, 1).train()
    assert not list(tmp_path.glob(".*")) and (tmp_path / "model.safetensors").is_file()


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    """Its gradients were finite: a far too large step."""
    run = _run(tmp_path, 1)
    run.train()
    before = (tmp_path / "model.safetensors").read_bytes()
    next(run.learner.average.model.parameters()).fill_(float("inf"))
    with pytest.raises(TrainingError, match="step 1: the weights are not finite; .*step 1 is the"):
        run.save()
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_an_output_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"file cannot be written to .*another output"):
        _run(tmp_path / "file")


def _broken(model: Lightweight, batch: Batch, radius_px: int) -> dict[str, torch.Tensor]:
    parts = PAPER.losses(model, batch, radius_px)
    broken.append(0)
    return {**parts, "total": parts["total"] * (float("nan") if len(broken) == 3 else 1)}


broken: list[int] = []


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    broken.clear()
    settings = Settings(tmp_path, 9, size_px=64, batch=2, workers=0, save_every_s=0.0, log_every=1)
    run = Run(replace(RECIPE, losses=_broken), settings, Library(), Lightweight())
    with pytest.raises(TrainingError, match=r"step 3: the loss \(nan\).*step 2 is there, whole"):
        run.train()
    assert torch.load(tmp_path / checkpoint.STATE, weights_only=True)["step"] == 2
    load_model(find("lightweight"), tmp_path)  # refuses values that are not finite
    assert all(torch.isfinite(p).all() for p in run.learner.model.parameters())


def test_before_the_first_checkpoint_it_says_that_there_is_none(tmp_path: Path) -> None:
    broken[:] = [0, 0]
    run = Run(replace(RECIPE, losses=_broken), Settings(tmp_path, 9), Library(), Lightweight())
    with pytest.raises(TrainingError, match="step 1: .*no checkpoint had been written yet"):
        run.train_step(next(run.batches(Stage(1, 64, 64, 2))), 1e-4)


def test_kept_norms_stay_as_they_were_measured(tmp_path: Path) -> None:
    run = _run(tmp_path)
    run.settle_norms(TINY[1])
    before = {name: buffer.clone() for name, buffer in run.learner.model.named_buffers()}
    for _, batch in zip(range(2), run.batches(TINY[1]), strict=False):
        run.train_step(batch, 1e-3)
    for model in (run.learner.model, run.learner.average.model):
        for name, buffer in model.named_buffers():
            assert torch.allclose(buffer, before[name]), name


def test_fine_tuning_keeps_the_norms_and_moves_the_weights(tmp_path: Path) -> None:
    model, _ = load_model(find("lightweight"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert isinstance(model, Lightweight)
    settings = Settings(tmp_path, 2, size_px=64, batch=1, workers=0)
    run = Run(RECIPE, settings, Library(), model, tune=True)
    assert run.peak == PAPER.tune_rate and len(run.stages) == 1
    run.train()
    tuned, _ = load_model(find("lightweight"), tmp_path)
    for name, value in tuned.state_dict().items():
        if "running" in name:
            assert torch.equal(value, before[name]), name
    assert any(not torch.equal(v, before[n]) for n, v in tuned.state_dict().items())


@pytest.mark.skipif(
    choose_precision(torch.device("cpu")) == torch.float32, reason="no bfloat16 here"
)
def test_bfloat16_is_close_to_float32(tmp_path: Path) -> None:
    """The loss of the same batch; bfloat16 has 8 bits, so a few per cent."""
    runs = [_run(tmp_path / str(p), precision=p) for p in (torch.float32, torch.bfloat16)]
    batch = next(runs[0].batches(TINY[0]))
    plain, mixed = (float(run.learner.losses(batch, 3)["total"].detach()) for run in runs)
    assert mixed == pytest.approx(plain, rel=0.05) and mixed != plain


def test_float16_scales_its_loss_and_skips_steps_that_overflow(tmp_path: Path) -> None:
    """As on a CUDA device without bfloat16: the factor halves until gradients fit."""
    run = _run(tmp_path / "half", precision=torch.float16)
    batch = next(run.batches(TINY[0]))
    before = _weights(run).clone()
    assert run.learner.scaler.is_enabled()
    run.learner.scaler = scaler = torch.amp.GradScaler("cpu", init_scale=1e30)
    loss = run.train_step(batch, 1e-3)["total"]
    assert np.isfinite(loss) and torch.equal(_weights(run), before)
    assert scaler.get_scale() == pytest.approx(5e29)
    scaler.update(1024.0)
    for _ in range(10):  # 1 is reached at the latest, which scales nothing
        run.train_step(batch, 1e-3)
        if not torch.equal(_weights(run), before):
            break
    assert not torch.equal(_weights(run), before) and torch.isfinite(_weights(run)).all()
    run.save()
    resumed = _run(tmp_path / "half", precision=torch.float16)
    assert resumed.learner.scaler.get_scale() == scaler.get_scale()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_trains_and_its_run_goes_on_on_the_processor(tmp_path: Path) -> None:
    device = torch.device("cuda")
    _run(tmp_path, 2, device=device, precision=choose_precision(device)).train()
    resumed = _run(tmp_path, 3)
    assert resumed.step == 2
    resumed.train()
    load_model(find("lightweight"), tmp_path)


def test_a_row_of_the_log_that_does_not_fit_leaves_nothing_of_it(tmp_path: Path) -> None:
    file = tmp_path / "training.csv"
    table = Table(file, 0)
    table.write((1, 0.5, 64, 1e-3), {"total": 0.25})
    before = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 4, hard))
    try:
        with pytest.raises(OSError):
            table.write((2, 0.5, 64, 1e-3), {"total": 0.25})
        with pytest.raises(OSError):
            Table(tmp_path / "other.csv", 0).write((1, 0.5, 64, 1e-3), {"x" * 200: 0.25})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_bytes() == before and not (tmp_path / "other.csv").exists()
