"""A recurrent net keeps its state through a clip, and only there: against the file in a loop."""

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from PIL import Image
from recurrent_net import CHANNELS, HEIGHT, PAIRS, STATES, WIDTH, rvm_like, tensor

import edgematte
from edgematte.arrays import Bytes, Floats
from edgematte.cli import main
from edgematte.export.foreign.importer import import_onnx
from edgematte.export.seal import sealed
from edgematte.manifest import FILE
from edgematte.pictures import alpha_bytes
from edgematte.runtime.bundle import Bundle, open_bundle
from edgematte.runtime.host.mask import band_around
from edgematte.runtime.nets.foreign.host import ForeignHost, State
from edgematte.runtime.proof.goldens import FOLDER
from edgematte.testcard import testcard as drawn

CLOSE = 1e-5  # float32 sums of some hundred products; the graph's are in another order
BY_HAND: dict[str, Any] = {
    "kind": "matte", "scale": 1 / 255, "output_name": "pha", "states": PAIRS,
}  # fmt: skip
Run = tuple[Floats, list[Floats]]


def in_a_loop(
    path: Path, frames: Sequence[Bytes], ratio: float | None, *, carry: bool = True
) -> list[Floats]:
    """Alpha of every frame (of the graph's size), by the file as its authors' code runs it."""
    session = onnxruntime.InferenceSession(str(path))
    whole = [value.shape for value in session.get_inputs()][1:5]
    start = [
        np.zeros([s if isinstance(s, int) else 1 for s in shape], np.float32) for shape in whole
    ]
    states, found = start, []
    more = {} if ratio is None else {"downsample_ratio": np.array([ratio], np.float32)}
    for frame in frames:
        source = np.ascontiguousarray(frame.transpose(2, 0, 1)[None].astype(np.float32) / 255)
        given = dict(zip(STATES, states, strict=True))
        _, alpha, *after = session.run(None, {"src": source, **given, **more})
        states = after if carry else start
        found.append(alpha[0, 0])
    return found


def moving(count: int = 6, seed: int = 0) -> list[Bytes]:
    card = drawn(WIDTH, HEIGHT)
    return [np.roll(card, 5 * n + 17 * seed, axis=1) for n in range(count)]


def apart(mattes: Sequence[edgematte.Matte], expected: Sequence[Floats]) -> float:
    pairs = zip(mattes, expected, strict=True)
    return max(float(np.abs(matte.alpha - alpha).max()) for matte, alpha in pairs)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rvm_like(tmp_path_factory.mktemp("rvm") / "rvm.onnx")


@pytest.fixture(scope="module")
def bundle(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    place = tmp_path_factory.mktemp("rvm") / "rvm.edgematte"
    said = ["import", str(file), "-o", str(place), "--preset", "rvm", "--size", "64x48"]
    assert main(said) == 0
    return open_bundle(place)


def test_a_clip_is_what_the_file_says_frame_after_frame(file: Path, bundle: Bundle) -> None:
    frames = moving()
    carried, alone = in_a_loop(file, frames, 1.0), in_a_loop(file, frames, 1.0, carry=False)
    assert np.abs(carried[-1] - alone[-1]).max() > 0.05  # so that a lost state would be seen
    matter = edgematte.load(bundle.path)
    assert apart(list(matter.stream(frames)), carried) < CLOSE
    assert apart(list(matter.stream(frames)), carried) < CLOSE  # each clip from the first state
    assert apart([matter(frame) for frame in frames], alone) < CLOSE
    assert apart(matter.many(frames), alone) < CLOSE
    assert matter.reuses
    assert apart(list(matter.stream(frames, reuse=False)), alone) < CLOSE


@pytest.mark.parametrize(
    ("target", "precision"), [("openvino", "fp32"), ("onnx", "fp16"), ("onnx", "int8-weights")]
)
def test_other_targets_and_precisions_keep_the_states(
    target: str, precision: str, file: Path, tmp_path: Path
) -> None:
    if target == "openvino":
        pytest.importorskip("openvino")
    made, _ = import_onnx(
        file, output=tmp_path / "b", preset="rvm", size=(WIDTH, HEIGHT), target=target,
        precision=precision,
    )  # fmt: skip
    assert main(["check", str(made.path)]) == 0  # consecutive frames, too
    assert any("frame 2" in d.where for d in made.manifest.accuracy.differences)


def test_clips_in_several_threads_keep_states_of_their_own(file: Path, bundle: Bundle) -> None:
    matter = edgematte.load(bundle.path, threads=1)
    found: dict[int, list[edgematte.Matte]] = {}
    clips = {n: moving(8, n) for n in range(4)}

    def work(n: int) -> None:
        found[n] = []
        for matte in matter.stream(clips[n]):
            matter(clips[0][0])  # a picture alone does not touch a clip's state
            found[n].append(matte)

    threads = [threading.Thread(target=work, args=(n,)) for n in clips]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, frames in clips.items():
        assert apart(found[n], in_a_loop(file, frames, 1.0)) < CLOSE


def test_the_check_proves_consecutive_frames(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(bundle.path)]) == 0
    said = capsys.readouterr().out
    assert all(f"alpha, frame {n}" in said for n in (1, 2, 3, 4)) and "matte.next4" in said
    report = (bundle.path / "REPORT.md").read_text()
    assert "takes the states that the one before it gave" in report and "alpha, frame 4" in report
    with np.load(bundle.path / FOLDER / "matte.npz") as record:
        assert all(record[f"in.state{n}"].any() for n in (1, 2, 3, 4))


def test_a_lost_state_is_outside_the_tolerance_from_the_second_frame(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = onnx.load(bundle.path / "matte.onnx")
    for node in model.graph.node:
        node.input[:] = ["lost" if name == "state1" else name for name in node.input]
    lost = helper.make_node("Mul", ["state1", "nothing"], ["lost"])
    nodes = [lost, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0), "nothing"))
    broken = tmp_path / "broken.edgematte"
    shutil.copytree(bundle.path, broken)
    onnx.save(model, broken / "matte.onnx")
    (broken / FILE).unlink()
    sealed(broken, bundle.manifest)
    assert main(["check", str(broken)]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("!!")]
    assert any("alpha, frame 2" in line for line in failed)
    assert not any("alpha, frame 1" in line for line in failed)  # its state is zero anyway


def test_a_folder_of_stills_is_matted_in_the_first_state(
    file: Path, bundle: Bundle, tmp_path: Path
) -> None:
    frames = moving(3)
    (tmp_path / "in").mkdir()
    for n, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "in" / f"{n}.png")
    said = ["matte", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--write", "alpha"]
    assert main([*said, "--bundle", str(bundle.path)]) == 0
    for n, alpha in enumerate(in_a_loop(file, frames, 1.0, carry=False)):
        with Image.open(tmp_path / "out" / f"{n}-alpha.png") as image:
            found = np.asarray(image).astype(int)
        assert np.abs(found - alpha_bytes(alpha)).max() <= 1  # at a border between two bytes


def test_a_clip_from_the_shell(
    file: Path, bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = lossless(tmp_path / "clip.mkv", moving(5))
    common = ["matte", str(clip), "--bundle", str(bundle.path), "--write", "alpha"]
    for name, more, carry in (("a", [], True), ("b", ["--no-reuse"], False)):
        assert main([*common, "-o", f"{tmp_path / name}/", *more]) == 0
        expected = in_a_loop(file, moving(5), 1.0, carry=carry)
        found = sorted((tmp_path / name).glob("*.png"))
        assert len(found) == len(expected)
        for path, alpha in zip(found, expected, strict=True):
            with Image.open(path) as image:
                grey = np.asarray(image.convert("L")).astype(int)
            assert np.abs(grey - alpha_bytes(alpha)).max() <= 1


def lossless(path: Path, frames: Sequence[Bytes]) -> Path:
    """A clip whose frames are these pixels exactly."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for frame in frames:
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


@pytest.mark.parametrize("sides", ["open", "static"])
def test_by_hand_and_reduced_inside(sides: str, tmp_path: Path) -> None:
    net = rvm_like(tmp_path / "net.onnx", sides=sides, seed=1)
    ratio = 0.5 if sides == "open" else 1.0
    bundle, _ = import_onnx(
        net, output=tmp_path / "b", size=(WIDTH, HEIGHT), constants={"downsample_ratio": ratio},
        **BY_HAND,
    )  # fmt: skip
    found = list(edgematte.load(bundle.path).stream(moving()))
    assert apart(found, in_a_loop(net, moving(), ratio)) < CLOSE
    states = states_of(bundle)
    finest = int(WIDTH * ratio) // 2, int(HEIGHT * ratio) // 2
    assert states[0].shape == (1, CHANNELS[0], *finest[::-1]) and len(states) == 4
    assert bundle.manifest.options["constants"] == f"downsample_ratio {ratio:g}"


def test_as_the_first_stage_of_another_net(file: Path, bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    said = ["export", "--model", "vitmatte-tiny", "--random-weights", "--size", "64"]
    said += ["--cascade", str(bundle.path), "--target", "onnx", "--output", str(tmp_path / "c")]
    assert main([*said, "--band", "1"]) == 0
    matter, frames = edgematte.load(tmp_path / "c"), moving(4)
    mattes = list(matter.stream(frames))
    for carry, found in (
        (True, mattes),
        (True, list(matter.stream(frames))),
        (False, list(matter.stream(frames, reuse=False))),
        (False, [matter(frame) for frame in frames]),
    ):
        alphas = in_a_loop(file, frames, 1.0, carry=carry)
        for matte, alpha in zip(found, alphas, strict=True):
            wanted = band_around(alpha, (WIDTH, HEIGHT), 1)
            assert (matte.trimap != wanted).mean() < 0.002  # rounding moves an edge's pixel
    assert (mattes[-1].trimap != matter(frames[-1]).trimap).mean() > 0.01
    assert matter.reuses
    several = edgematte.load(tmp_path / "c", threads=2, in_flight=2).stream(frames)
    for matte, same in zip(several, mattes, strict=True):  # in their order all the same
        np.testing.assert_array_equal(matte.trimap, same.trimap)


def test_the_preset_reduces_to_512_and_does_without_the_input(tmp_path: Path) -> None:
    net = rvm_like(tmp_path / "net.onnx", seed=2)
    wide, _ = import_onnx(net, output=tmp_path / "wide", preset="rvm", size=(768, 96))
    assert wide.manifest.options["constants"] == "downsample_ratio 0.666666687"  # of float32
    assert states_of(wide)[0].shape[2:] == (32, 256)
    plain = rvm_like(tmp_path / "plain.onnx", ratio=False, seed=2)
    bundle, _ = import_onnx(plain, output=tmp_path / "plain", preset="rvm", size=(WIDTH, HEIGHT))
    assert "constants" not in bundle.manifest.options
    found = list(edgematte.load(bundle.path).stream(moving()))
    assert apart(found, in_a_loop(plain, moving(), None)) < CLOSE


def states_of(bundle: Bundle) -> tuple[State, ...]:
    host = bundle.manifest.host
    assert isinstance(host, ForeignHost) and host.states
    return host.states


def grown(path: Path) -> Path:
    """A state that comes out larger than it went in."""
    nodes = [
        helper.make_node("Concat", ["h", "h"], ["after"], axis=1),
        helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=1),
    ]
    return one_state(path, nodes, [1, 1, 4, 4], [1, 2, 4, 4])


def biased(path: Path) -> Path:
    """A state that is no zero when it is stretched from one zero: the file pads it with ones."""
    nodes = [
        helper.make_node("Shape", ["h"], ["s"]),
        helper.make_node("Sub", ["full", "s"], ["lacking"]),
        helper.make_node("Concat", ["none", "lacking"], ["pads"], axis=0),
        helper.make_node("Pad", ["h", "pads", "one"], ["after"]),
        helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=1),
    ]
    held = {"full": np.array([1, 1, 4, 4]), "none": np.zeros(4, np.int64), "one": np.float32(1)}
    return one_state(path, nodes, [1, 1, "a", "b"], [1, 1, 4, 4], held)


def one_state(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    before: Sequence[int | str],
    after: Sequence[int],
    held: dict[str, Any] | None = None,
) -> Path:
    graph = helper.make_graph(
        list(nodes),
        "net",
        [tensor("x", [1, 3, HEIGHT, WIDTH]), tensor("h", before)],
        [tensor("y", [1, 1, HEIGHT, WIDTH]), tensor("after", after)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in (held or {}).items()],
    )
    known = [helper.make_opsetid("", 12)]
    onnx.save(helper.make_model(graph, opset_imports=known, ir_version=7), path)
    return path


SIZED = ["--scale", "1/255", "--size", "64x48"]
FOUR = [f"--state={a}={b}" for a, b in PAIRS.items()]


@pytest.mark.parametrize(
    ("make", "options", "sentence"),
    [
        (rvm_like, SIZED, "has 6 inputs (src, r1i, r2i, r3i, r4i, downsample_ratio): nets with"),
        (rvm_like, [*SIZED, *FOUR], "2 inputs (src, downsample_ratio) beside its states"),
        (rvm_like, [*SIZED, *FOUR, "--constant=downsample_ratio=1"], "has 2 outputs, fgr, pha"),
        (rvm_like, [*SIZED, "--state", "r9i=r1o"], "--state 'r9i': the inputs of"),
        (rvm_like, [*SIZED, "--state", "r1i=r9o"], "--state 'r9o': the outputs of"),
        (rvm_like, [*SIZED, "--state=r1i=r1o", "--state=r2i=r1o"], "one output cannot be two"),
        (rvm_like, [*SIZED, "--state", "r1i"], "--state 'r1i' should be two parts"),
        (rvm_like, [*SIZED, "--state=r1i=r1o", "--state=r1i=r2o"], "r1i is given twice"),
        (rvm_like, [*SIZED, "--constant", "ratio=1"], "--constant 'ratio': the inputs of"),
        (rvm_like, [*SIZED, "--constant", "src=1"], "--constant 'src': the input of"),
        (rvm_like, [*SIZED, "--constant", "downsample_ratio=x"], "'x' should be a number"),
        (rvm_like, [*SIZED, "--constant", "downsample_ratio=1,2"], "'1,2': one number"),
        (rvm_like, ["--preset=rvm", "--size=64x48", "--precision=int8"], "would have no ranges"),
        (grown, ["--scale", "1", "--state", "h=after"], "[1, 1, 4, 4] and comes out as 'after'"),
        (biased, ["--scale", "1", "--state", "h=after"], "starts in another way with zeros of"),
    ],
)
def test_refusals(
    make: Callable[[Path], Path],
    options: list[str],
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    net = make(tmp_path / "net.onnx")
    said = ["import", str(net), "-o", str(tmp_path / "b.edgematte"), "--kind", "matte", *options]
    assert main(said) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("edgematte")]
    assert len(lines) == 1 and sentence in lines[0], lines
    assert sorted(tmp_path.iterdir()) == [net]
