"""ViTMatte's speed and accuracy on this CPU beside transformers', everything in turns in one run.

    pip install transformers
    python benchmarks/vitmatte.py [--model vitmatte-s] [--size 512] [--rounds 8] [--threads 2]
    python benchmarks/vitmatte.py --threads 1 --clock processor    # on a machine that is shared

Random weights, the same in every row. `share` is how much of what a dense matrix product of the
row's arithmetic reaches here the net reaches, at the multiply-adds of the plain net: what the
rewritten graph does not compute counts as done. `max` and `mad` are alpha's differences from
PyTorch, over the whole tile; with random weights they say that the arithmetic is right, not what
quantizing trained weights costs.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import openvino
import torch

from edgematte.arrays import Floats
from edgematte.calibration.quantizers import quantizable
from edgematte.calibration.scheme import Scheme
from edgematte.checkpoint import random_model
from edgematte.export.capture import capture
from edgematte.export.cuts.vitmatte import CUT
from edgematte.export.passes import for_onnx, for_openvino
from edgematte.export.targets import onnx as onnx_target
from edgematte.export.targets import openvino as openvino_target
from edgematte.models.vitmatte.keys import to_official
from edgematte.models.vitmatte.network import ViTMatte
from edgematte.nets import find
from edgematte.runtime.nets.vitmatte.host import Sizes
from edgematte.targets import TARGETS, OnnxOptions, OpenVinoOptions
from edgematte.testcard import testcard, testcard_trimap

Run = Callable[[], Floats]
REST_S = 0.05  # the threads of one engine spin for a while after it is done
WIDTH = 2048  # of the dense matrix product


def main(name: str, size: int, rounds: int, threads: int, clock: str) -> None:
    torch.set_num_threads(threads)
    model, _ = random_model(find(name), {}, 0)
    assert isinstance(model, ViTMatte)
    host = CUT.host("tiles", (size, size), Sizes(overlap=size // 4), model)
    (source,) = CUT.graphs(model, host)
    feeds = [feed(size, shift) for shift in range(3)]
    inputs = [torch.from_numpy(v) for v in feeds[0].values()]
    with TemporaryDirectory() as scratch:
        runs: dict[str, tuple[Run, str]] = {}  # and the dense product it is measured by
        if oracle := transformers_run(model, inputs):
            runs["transformers eager"] = (oracle, "float32")
        runs["PyTorch eager"] = (lambda: eager(model, inputs), "float32")
        options = OnnxOptions("fp32")
        made = capture(source, for_onnx(options))
        file = Path(scratch) / "matte.onnx"
        file.write_bytes(onnx_target.WRITER.build(made, options).SerializeToString())
        runs["ONNX Runtime fp32"] = (ort_run(file, feeds[0], threads), "float32")
        plain, small = OpenVinoOptions("fp32"), OpenVinoOptions("int8")
        build = openvino_target.WRITER.build
        floats = build(capture(source, for_openvino(plain)), plain)
        rounded = build(capture(source, for_openvino(small)), small)
        part = quantizable(TARGETS["openvino"], rounded, feeds)
        int8 = part.quantize(Scheme())
        for label, one, hint, dense in (
            ("OpenVINO f32", floats, "f32", "float32"),
            ("OpenVINO bf16", floats, "bf16", "bfloat16"),
            ("OpenVINO INT8 + f32", int8, "f32", "int8"),
            ("OpenVINO INT8 + bf16", int8, "bf16", "int8"),
        ):
            runs[label] = (openvino_run(one, hint, feeds[0], threads), dense)
        limits = {kind: dense_run(kind) for kind in ("float32", "bfloat16", "int8")}
        seconds, answers = measure({k: r for k, (r, _) in runs.items()} | limits, rounds, clock)
        report(made_macs(model, size), runs, limits, seconds, answers)
        print(fused(file))


def feed(size: int, shift: int) -> dict[str, Floats]:
    """A tile of the test card and its trimap, differently cut each time."""
    picture, trimap = testcard(2 * size, size), testcard_trimap(2 * size, size)
    left = size // 2 + shift * size // 8
    image = picture[:, left : left + size].transpose(2, 0, 1)[None] / np.float32(255)
    classes = trimap[None, None, :, left : left + size] / np.float32(255)
    return {"image": np.ascontiguousarray(image), "trimap": np.ascontiguousarray(classes)}


def eager(model: ViTMatte, inputs: list[torch.Tensor]) -> Floats:
    with torch.inference_mode():
        return np.asarray(model(*inputs).numpy())


def transformers_run(model: ViTMatte, inputs: list[torch.Tensor]) -> Run | None:
    """The published module with the same weights, None where transformers is not installed."""
    try:
        from transformers import VitDetConfig, VitMatteConfig, VitMatteForImageMatting
    except ImportError:
        print("without transformers' own module: pip install transformers")
        return None
    c = model.config
    blocks = range(c["depth"])
    backbone = VitDetConfig(
        hidden_size=c["dim"],
        num_hidden_layers=c["depth"],
        num_attention_heads=c["heads"],
        image_size=16 * c["grid"],
        pretrain_image_size=16 * c["pretrained"],
        num_channels=4,
        window_size=c["window"],
        window_block_indices=[i for i in blocks if i % c["group"] < c["local"]],
        residual_block_indices=[i for i in blocks if (i + 1) % c["group"] == 0],
        use_relative_position_embeddings=True,
        out_features=[f"stage{c['depth']}"],  # type: ignore[call-arg]
    )
    config = VitMatteConfig(
        backbone_config=backbone,
        hidden_size=c["dim"],
        convstream_hidden_sizes=[c["detail"] << i for i in range(3)],
        fusion_hidden_sizes=[c["fusion"] >> i for i in range(4)],
    )
    oracle = VitMatteForImageMatting(config).eval()  # type: ignore[no-untyped-call]
    oracle.load_state_dict(to_official(model.state_dict()))
    pixels = model.normalise(*inputs)

    def run() -> Floats:
        with torch.inference_mode():
            return np.asarray(oracle(pixel_values=pixels).alphas.numpy())

    return run


def ort_run(file: Path, inputs: dict[str, Floats], threads: int) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda: np.asarray(session.run(None, inputs)[0])


def openvino_run(model: object, hint: str, inputs: dict[str, Floats], threads: int) -> Run:
    config = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads}
    request = openvino.Core().compile_model(model, "CPU", config).create_infer_request()
    return lambda: np.array(request.infer(inputs)[0])


def dense_run(kind: str) -> Run:
    """One product of two square matrices."""
    if kind == "int8":
        one = torch.ones(WIDTH, WIDTH, dtype=torch.int8)
        return lambda: np.asarray(torch._int_mm(one, one).float().numpy())
    left = torch.ones(WIDTH, WIDTH, dtype=getattr(torch, kind))
    return lambda: np.asarray((left @ left).float().numpy())


def measure(
    runs: dict[str, Run], rounds: int, clock: str
) -> tuple[dict[str, list[float]], dict[str, Floats]]:
    """Seconds of every run, in turns; the first two rounds only warm up."""
    now = time.perf_counter if clock == "wall" else time.process_time
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    answers = {}
    for _ in range(rounds + 2):
        for name, run in runs.items():
            time.sleep(REST_S)
            start = now()
            answers[name] = run()
            seconds[name].append(now() - start)
    return {name: values[2:] for name, values in seconds.items()}, answers


def made_macs(model: ViTMatte, size: int) -> float:
    """1e9 multiply-adds of the plain net: padded tokens projected, positions added to logits."""
    from torch.utils.flop_counter import FlopCounterMode

    shapes = (
        torch.zeros(1, 3, size, size, device="meta"),
        torch.zeros(1, 1, size, size, device="meta"),
    )
    c = model.config
    with torch.device("meta"):
        flags = {**c, "conv_neck": bool(c["conv_neck"])}
        empty = type(model)(**flags).eval()  # type: ignore[arg-type]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        empty(*shapes)
    side, window = size // 16, c["window"]
    windows = sum(i % c["group"] < c["local"] for i in range(c["depth"]))
    whole = -(-side // window) * window
    padding = windows * (whole**2 - side**2) * 4 * c["dim"] ** 2
    spread = (c["depth"] - windows) * side**4 * 2 * side
    spread += windows * (whole // window) ** 2 * window**4 * 2 * window
    return float((counter.get_total_flops() / 2 + padding - c["heads"] * spread) / 1e9)


def report(
    macs_g: float,
    runs: dict[str, tuple[Run, str]],
    limits: dict[str, Run],
    seconds: dict[str, list[float]],
    answers: dict[str, Floats],
) -> None:
    rates = {k: 2e-9 * WIDTH**3 / statistics.median(seconds[k]) for k in limits}
    print(
        f"{macs_g:.1f} G multiply-adds; " + ", ".join(f"{k} {v:.0f} G/s" for k, v in rates.items())
    )
    print(f"load of the machine over the last minute: {os.getloadavg()[0]:.1f}")
    base = statistics.median(seconds[next(iter(runs))])
    wanted = answers["PyTorch eager"]
    print("| run | ms | best | ratio | share | max | mad |\n|---|---|---|---|---|---|---|")
    for name, (_, dense) in runs.items():
        middle, best = statistics.median(seconds[name]), min(seconds[name])
        share = 2 * macs_g / middle / rates[dense]
        apart = np.abs(answers[name] - wanted)
        print(
            f"| {name} | {1000 * middle:.0f} | {1000 * best:.0f} | {base / middle:.2f}x "
            f"| {100 * share:.0f} % | {apart.max():.0e} | {apart.mean():.0e} |"
        )


def fused(file: Path) -> str:
    """What ONNX Runtime's optimizer makes of the graph: operators by number."""
    from collections import Counter

    import onnx

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    after = file.with_name("optimized.onnx")
    options.optimized_model_filepath = str(after)
    onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    texts = []
    for label, one in (("exported", file), ("as ONNX Runtime runs it", after)):
        count = Counter(node.op_type for node in onnx.load(one).graph.node)
        texts.append(f"{label}: " + ", ".join(f"{n} {op}" for op, n in count.most_common()))
    return "\n".join(texts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", dest="name", default="vitmatte-s")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    main(**vars(parser.parse_args()))
