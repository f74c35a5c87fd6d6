"""What INT8 is worth where matrix products carry the work: a stack of ViT blocks, random weights.

    python benchmarks/vit_blocks.py [--tokens 1024] [--blocks 12] [--width 384] [--rounds 8]

The size of ViTMatte-S on a picture of 512x512 (32x32 tokens), global attention in every block.
Calibrated and quantized by the same code as any export; OpenVINO with the f32 hint, in turns
(A B A B) in one process. Weights are random: the error says only that the arithmetic is right.
"""

import argparse
import statistics
import time

import numpy as np
import openvino
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgematte.calibration.quantizers import quantizable
from edgematte.calibration.scheme import Scheme
from edgematte.export.capture import TorchGraph, capture
from edgematte.export.targets.openvino import WRITER
from edgematte.manifest import Graph
from edgematte.manifest import Tensor as Spec
from edgematte.targets import TARGETS, OpenVinoOptions

REST_S = 0.03


class Block(nn.Module):
    """Pre-norm attention and MLP, as in ViT."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.raise_, self.lower = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (1, N, C) -> (1, N, C)."""
        tokens, width = int(x.shape[1]), int(x.shape[2])
        qkv = self.qkv(self.norm1(x)).reshape(tokens, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(1, 2, 0, 3).unbind(0)
        weights = (q @ k.transpose(1, 2) * (width // self.heads) ** -0.5).softmax(dim=-1)
        mixed = (weights @ v).permute(1, 0, 2).reshape(1, tokens, width)
        x = x + self.project(mixed)
        lowered: Tensor = self.lower(F.gelu(self.raise_(self.norm2(x))))
        return x + lowered


def main(tokens: int, blocks: int, width: int, rounds: int, threads: int) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(*(Block(width, width // 64) for _ in range(blocks))).eval()
    shape = (1, tokens, width)
    spec = Spec("x", shape, "float32", "NTC", (-4.0, 4.0), "tokens")
    out = Spec("y", shape, "float32", "NTC", (-4.0, 4.0), "tokens")
    captured = capture(TorchGraph(Graph("stack", (spec,), (out,)), net))
    model = WRITER.build(captured, OpenVinoOptions("fp32"))
    random = np.random.default_rng(0)
    feeds = [{"x": random.standard_normal(shape, np.float32)} for _ in range(4)]
    quantized = quantizable(TARGETS["openvino"], model, feeds).quantize(Scheme())
    core = openvino.Core()
    runs = {}
    for name, one, hint in (
        ("fp32", model, "f32"),
        ("int8", quantized, "f32"),
        ("fp32, bf16 hint", model, "bf16"),
    ):
        config = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads}
        runs[name] = core.compile_model(one, "CPU", config).create_infer_request()
    times: dict[str, list[float]] = {name: [] for name in runs}
    results = {}
    for _ in range(rounds + 2):
        for name, request in runs.items():
            time.sleep(REST_S)
            start = time.perf_counter()
            results[name] = request.infer(feeds[0])[0].copy()
            times[name].append(1000 * (time.perf_counter() - start))
    first = statistics.median(times["fp32"][2:])
    print(f"{blocks} blocks, {tokens} tokens of {width}, {captured.graph.macs / 1e9:.1f} GMAC")
    for name, values in times.items():
        ms = statistics.median(values[2:])
        apart = float(np.abs(results[name] - results["fp32"]).mean())
        spread = float(results["fp32"].std())
        print(f"{name}: {ms:.1f} ms ({first / ms:.2f}x), mean error {apart / spread:.1%} of std")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--blocks", type=int, default=12)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    main(given.tokens, given.blocks, given.width, given.rounds, given.threads)
