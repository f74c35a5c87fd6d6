from typing import Any

import numpy as np
import pytest

pytest.importorskip("coremltools")
torch = pytest.importorskip("torch")
pytestmark = pytest.mark.export


@pytest.fixture(scope="module")
def module() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(16, 32, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(32, 32, 3, padding=1, groups=32),
        torch.nn.Conv2d(32, 64, 1),
        torch.nn.Flatten(2),
        torch.nn.Linear(64, 48),
    ).eval()


@pytest.fixture(scope="module")
def picture() -> Any:
    return torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(1))


def decompressed(model: Any) -> Any:
    """The same model with plain weights, expanded by coremltools."""
    import coremltools as ct

    return ct.optimize.coreml.decompress_weights(model)


COMPRESSIONS = [
    ("linear int8", "linear_quantize_weights", "OpLinearQuantizerConfig", "iOS16",
     {"mode": "linear_symmetric"}, "constexpr_affine_dequantize"),
    ("linear uint8", "linear_quantize_weights", "OpLinearQuantizerConfig", "iOS16",
     {"mode": "linear", "dtype": "uint8"}, "constexpr_affine_dequantize"),
    ("blockwise int4", "linear_quantize_weights", "OpLinearQuantizerConfig", "iOS18",
     {"mode": "linear", "dtype": "int4", "granularity": "per_block", "block_size": 8},
     "constexpr_blockwise_shift_scale"),
    ("blockwise int8", "linear_quantize_weights", "OpLinearQuantizerConfig", "iOS18",
     {"mode": "linear_symmetric"}, "constexpr_blockwise_shift_scale"),
    ("palette of 6 bits", "palettize_weights", "OpPalettizerConfig", "iOS16",
     {"nbits": 6, "mode": "uniform"}, "constexpr_lut_to_dense"),
    ("palette of 2 bits", "palettize_weights", "OpPalettizerConfig", "iOS16",
     {"nbits": 2, "mode": "uniform"}, "constexpr_lut_to_dense"),
    ("palettes of 4 bits a group", "palettize_weights", "OpPalettizerConfig", "iOS18",
     {"nbits": 4, "mode": "uniform", "granularity": "per_grouped_channel", "group_size": 8},
     "constexpr_lut_to_dense"),
    ("palette of 3 bits", "palettize_weights", "OpPalettizerConfig", "iOS18",
     {"nbits": 3, "mode": "uniform"}, "constexpr_lut_to_dense"),
    ("sparse", "prune_weights", "OpMagnitudePrunerConfig", "iOS16",
     {"target_sparsity": 0.6}, "constexpr_sparse_to_dense"),
    ("sparse as bits", "prune_weights", "OpMagnitudePrunerConfig", "iOS18",
     {"target_sparsity": 0.6}, "constexpr_sparse_to_dense"),
]  # fmt: skip


@pytest.mark.parametrize("precision", ["FLOAT32", "FLOAT16"])
@pytest.mark.parametrize("case", COMPRESSIONS, ids=[case[0] for case in COMPRESSIONS])
def test_against_the_decompressed_model(
    bench: Any, module: Any, picture: Any, case: Any, precision: str
) -> None:
    import coremltools as ct

    _, function, config, opset, options, op = case
    optimize = ct.optimize.coreml
    plain = bench.convert(
        module,
        [picture],
        minimum_deployment_target=getattr(ct.target, opset),
        compute_precision=getattr(ct.precision, precision),
    )
    chosen = getattr(optimize, config)(weight_threshold=64, **options)
    small = getattr(optimize, function)(plain, optimize.OptimizationConfig(chosen))
    program = bench.load(small)
    kinds = [operation.kind for operation in program._graph.operations]
    assert kinds.count(op) >= 2, kinds
    (name,) = program.inputs
    (got,) = program.run({name: picture.numpy()}).values()
    (expected,) = bench.load(decompressed(small)).run({name: picture.numpy()}).values()
    tolerance = 1e-5 if precision == "FLOAT32" else 2e-3  # fp16 stores the expanded weights
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    exact = module(picture).detach().numpy()
    assert np.abs(got - exact).max() > 1e-4  # it did compress
    assert np.corrcoef(got.ravel(), exact.ravel())[0, 1] > 0.7


def test_weights_are_no_activations(bench: Any, module: Any, picture: Any) -> None:
    import coremltools as ct

    optimize = ct.optimize.coreml
    plain = bench.convert(module, [picture], compute_precision=ct.precision.FLOAT32)
    config = optimize.OptimizationConfig(optimize.OpLinearQuantizerConfig(weight_threshold=64))
    program = bench.load(optimize.linear_quantize_weights(plain, config))
    seen: list[str] = []
    program.run(
        {next(iter(program.inputs)): picture.numpy()},
        observe=lambda name, value: seen.append(name),
    )
    expanded = [
        tensor.name
        for operation in program._graph.operations
        if operation.kind.startswith("constexpr_")
        for tensor in operation.outputs
    ]
    assert expanded and not set(seen) & set(expanded)


def test_vector_palettes(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb
    from coremltools.converters.mil.mil import types
    from coremltools.converters.mil.mil.ops.defs.iOS18.compression import constexpr_lut_to_dense

    indices = random.integers(0, 4, (4, 6)).astype(types.np_uint2_dtype)
    lut = random.normal(size=(2, 1, 4, 3)).astype(np.float32)
    x = np.zeros((4, 18), np.float32)
    for axis in (0, 1, -1):
        shape = [12, 6] if axis == 0 else [4, 18]
        x = np.zeros(shape, np.float32)

        def body(x: Any, axis: int = axis) -> Any:
            dense = mb.constexpr_lut_to_dense(indices=indices, lut=lut, vector_axis=np.int32(axis))
            return mb.add(x=x, y=dense)

        def one(x: Any) -> Any:
            return body(x)

        (got,) = bench.run(one, x, opset="iOS18")
        expected = constexpr_lut_to_dense.decompress(indices, lut, axis)
        np.testing.assert_array_equal(got, expected)


def test_cast_of_stored_halves(bench: Any, random: np.random.Generator) -> None:
    from coremltools.converters.mil import Builder as mb

    weight = random.normal(size=(3, 4)).astype(np.float16)
    x = random.normal(size=(3, 4)).astype(np.float32)
    (got,) = bench.run(
        lambda x: mb.add(x=x, y=mb.constexpr_cast(source_val=weight, output_dtype="fp32")), x
    )
    np.testing.assert_array_equal(got, x + weight.astype(np.float32))
