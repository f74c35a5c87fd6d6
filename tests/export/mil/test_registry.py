import inspect
import re
from pathlib import Path

import pytest

from edgematte.export.mil.registry import MOVES, OPERATIONS

pytest.importorskip("coremltools")
pytestmark = pytest.mark.export


def test_every_version_of_every_op_has_its_inputs_taken() -> None:
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    for op, evaluate in OPERATIONS.items():
        versions = SSAOpRegistry.core_ops[op].values()
        named = {name for version in versions for name in version.input_spec.input_types}
        assert set(inspect.signature(evaluate).parameters) == named, op


def test_ops_that_move_values_are_known() -> None:
    assert set(OPERATIONS) >= MOVES


def test_every_op_is_tested_by_name() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [op for op in OPERATIONS if not re.search(rf"\b{op}\b", text)] == []


def test_documented() -> None:
    for op, evaluate in OPERATIONS.items():
        assert evaluate.__doc__ or evaluate.__name__ == "evaluate", op
