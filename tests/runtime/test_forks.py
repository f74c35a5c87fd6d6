"""Processes that fork after a bundle was loaded, as servers that load before they fork do.

Each test is a program of its own, killed after a time: what is asserted is that the children answer
as their parent does, or are told why they cannot, and then exit, where the faults were hangs and
crashes. ONNX Runtime's sessions are opened again in a child; OpenVINO's threads are all models', so
that nothing of it works there: one forked amid a call of another thread hangs at its first call.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

LIMIT_S = 60  # a child takes about half a second; one that waits for a thread takes for ever
ENGINES = ("onnxruntime", "openvino")
ROOT = Path(__file__).parents[2]

START = """
import multiprocessing, os, sys, threading
import edgematte
from edgematte import testcard

bundle, engine = sys.argv[1:]
picture = testcard.testcard(70, 50)
matter = edgematte.load(bundle, engine=engine)


def in_child(work):
    "The exit code of a forked child that works and then exits as a program does; below 0: killed."
    pid = os.fork()
    if pid == 0:
        work()
        sys.exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def same():
    assert (matter(picture).alpha == wanted).all()


def told(call):
    try:
        call()
    except edgematte.EdgematteError as error:
        print(type(error).__name__, error, flush=True)
    else:
        raise AssertionError("not refused")


def works():
    "What a child finds: the answer of its parent, or the sentence."
    if engine == "onnxruntime":
        return same()
    told(lambda: matter(picture))
    told(lambda: edgematte.load(bundle, engine=engine))

"""

REFUSED = "EngineError engine openvino was used before this process forked"


def run(program: str, bundle: Path, engine: str) -> str:
    """What a program prints; it may neither fail nor take longer than the limit."""
    pytest.importorskip(engine)
    # Only these: on servers that test, CI and the like change what engines start with.
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LD_LIBRARY_PATH")}
    with subprocess.Popen(
        [sys.executable, "-c", START + program, str(bundle), engine],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=kept | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)  # the children too
            pytest.fail("the program, or a child of it, does not end")
    assert process.returncode == 0, err
    return out


def check_said(said: str, engine: str, children: int) -> None:
    """Children that may not run say so at their call and as they load; the others say nothing."""
    lines = said.splitlines()
    assert len(lines) == (0 if engine == "onnxruntime" else 2 * children)
    assert all(line.startswith(REFUSED) and "call edgematte.load in the" in line for line in lines)


@pytest.mark.parametrize("engine", ENGINES)
def test_workers_of_a_server_that_loads_before_it_forks(engine: str, tiny_bundle: Path) -> None:
    """As gunicorn with --preload: the parent stays, workers answer and exit through sys.exit."""
    program = """
wanted = matter(picture).alpha
assert [in_child(works) for _ in range(3)] == [0, 0, 0]
assert in_child(lambda: None) == 0, "a worker that never calls"
assert in_child(lambda: sys.exit(in_child(works))) == 0, "a worker that forks again"
same()
"""
    check_said(run(program, tiny_bundle, engine), engine, children=4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_bundle_that_the_parent_loaded_and_never_ran(engine: str, tiny_bundle: Path) -> None:
    program = """
assert in_child(lambda: None) == 0
codes = [in_child(lambda: matter(picture))] if engine == "onnxruntime" else [in_child(works)]
assert codes == [0]
"""
    check_said(run(program, tiny_bundle, engine), engine, children=1)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_parent_whose_threads_call_while_it_forks(engine: str, tiny_bundle: Path) -> None:
    program = """
wanted, done = matter(picture).alpha, threading.Event()

def call():
    while not done.is_set():
        same()

threads = [threading.Thread(target=call) for _ in range(3)]
for thread in threads:
    thread.start()
codes = [in_child(works) for _ in range(4)]
done.set()
for thread in threads:
    thread.join()
assert codes == [0] * 4
"""
    check_said(run(program, tiny_bundle, engine), engine, children=4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pool_of_forked_processes(engine: str, tiny_bundle: Path) -> None:
    program = """
wanted = matter(picture).alpha

def work(number):
    works()
    return number

def ends():
    global matter
    del matter

context = multiprocessing.get_context("fork")
with context.Pool(2) as pool:
    assert pool.map(work, range(6)) == list(range(6))
    pool.close()
    pool.join()
one = context.Process(target=ends)
one.start()
one.join()
assert one.exitcode == 0, "a child that lets go of what its parent loaded"
"""
    check_said(run(program, tiny_bundle, engine), engine, children=6)


def test_workers_that_load_for_themselves(tiny_bundle: Path) -> None:
    """The way that the refusal names: the parent loads nothing, or with another engine."""
    pytest.importorskip("openvino")
    program = """
wanted = matter(picture).alpha

def loads():
    found = edgematte.load(bundle, engine="openvino")(picture).alpha
    # 8 bits of mantissa where openvino uses bf16, over two layers
    assert abs(found - wanted).max() < 0.05

assert in_child(loads) == 0
assert in_child(loads) == 0
"""
    run(program, tiny_bundle, "onnxruntime")


def test_children_may_call_from_several_threads(tiny_bundle: Path) -> None:
    program = """
from concurrent.futures import ThreadPoolExecutor
wanted = matter(picture).alpha

def many():
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(same) for _ in range(12)]:
            future.result()

assert in_child(many) == 0
"""
    run(program, tiny_bundle, "onnxruntime")


def test_a_worker_opens_the_bundle_where_it_was_loaded(tiny_bundle: Path) -> None:
    """Daemons change their folder after the fork; the bundle may have been named from the old."""
    program = """
os.chdir(os.path.dirname(bundle))
matter = edgematte.load(os.path.basename(bundle))
wanted = matter(picture).alpha
assert in_child(lambda: [os.chdir("/"), same()]) == 0
"""
    run(program, tiny_bundle, "onnxruntime")


def test_a_bundle_that_was_replaced_after_it_was_loaded_is_refused(tiny_bundle: Path) -> None:
    """A worker would else run new graphs with the old host parameters."""
    program = """
def refused():
    with open(os.path.join(bundle, "refine.onnx"), "ab") as file:
        file.write(b"0")
    told(lambda: matter(picture))

assert in_child(refused) == 0
"""
    assert "refine.onnx is not what was exported" in run(program, tiny_bundle, "onnxruntime")


def test_what_runs_on_a_gpu_refuses_to_run_after_a_fork(tiny_bundle: Path) -> None:
    """The session is a stand-in: only its device counts, which is asked for in the child."""
    program = """
import onnxruntime
real = onnxruntime.InferenceSession

class Gpu:
    def __init__(self, file, options, providers):
        self.real = real(file, options, providers=["CPUExecutionProvider"])
        self.get_providers = lambda: ["CUDAExecutionProvider"]
        self.get_inputs, self.get_outputs = self.real.get_inputs, self.real.get_outputs
        self.io_binding = self.real.io_binding
        self.run_with_iobinding = self.real.run_with_iobinding

onnxruntime.InferenceSession = Gpu
onnxruntime.get_available_providers = lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
matter = edgematte.load(bundle, device="cuda:0")
matter(picture)
assert in_child(lambda: told(lambda: matter(picture))) == 0
"""
    said = run(program, tiny_bundle, "onnxruntime")
    assert said.startswith("EngineError engine onnxruntime on device cuda was used before")
    assert "call edgematte.load in the workers and not before the fork" in said


def test_a_clip_that_was_begun_before_the_fork_is_refused(tiny_bundle: Path) -> None:
    """Its threads are the parent's: a child would wait for their next frame for ever."""
    program = """
mattes = matter.stream(picture for _ in range(5))
wanted = next(mattes).alpha

def refused():
    told(lambda: next(mattes))
    same()
    assert len(list(matter.stream([picture] * 3))) == 3

assert in_child(refused) == 0
assert in_child(lambda: None) == 0
assert len(list(mattes)) == 4
"""
    said = run(program, tiny_bundle, "onnxruntime")
    assert "this stream was started before the process forked" in said


def test_pictures_are_read_in_a_child_though_the_parent_was_reading_one(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    """A fork copies locks as they are; who held one of them does not exist in the child."""
    file = tmp_path / "picture.png"
    program = f"""
import time
from pathlib import Path
from PIL import Image
from edgematte.pictures import read_picture, write_picture
file, inside, real = Path({str(file)!r}), threading.Event(), Image.open
write_picture(picture[:8, :8], file)

def slow(*given, **named):
    inside.set()
    time.sleep(0.3)
    return real(*given, **named)

Image.open = slow
thread = threading.Thread(target=read_picture, args=(file,))
thread.start()
inside.wait()
assert in_child(lambda: [setattr(Image, "open", real), read_picture(file)]) == 0
thread.join()
"""
    run(program, tiny_bundle, "onnxruntime")
