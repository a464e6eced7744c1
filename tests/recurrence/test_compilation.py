"""The compiled code on disk: where it is kept, and that processes which compile at the same time do not collide."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rnnexp
from rnnexp.latent_steps import activations
from rnnexp.recurrence.fused import compilation

KERNEL = """
import logging, sys, numba, torch
from rnnexp.recurrence.fused.compilation import kernel, run
logging.basicConfig(stream=sys.stdout, format="%(message)s")

@kernel
def double(part, start, stop, x):
    for i in range(start, stop):
        x[i] *= 2

x = torch.arange(40.0, dtype=getattr(torch, sys.argv[1]))
run(double, 40, 1, x)
assert torch.equal(x, 2 * torch.arange(40.0, dtype=x.dtype))
print("from disk" if double.stats.cache_hits else "compiled")
"""


def start(folder, words, **environment):
    """Run code in a new process that finds modules in a folder first."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [sys.executable, *words], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    )


def output(process):
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return text


@pytest.fixture
def folder(tmp_path):
    """A folder with a copy of the package, without compiled code, and a module with a kernel."""
    package = Path(rnnexp.__file__).parent
    shutil.copytree(package, tmp_path / "rnnexp", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "small_kernel.py").write_text(KERNEL)
    return tmp_path


def forbid_writing(folder):
    """Let nothing be kept next to the source, whoever runs the test: no folder can be made where a file is."""
    (folder / "__pycache__").write_text("")


def test_code_of_a_package_that_cannot_be_written_is_kept_in_the_user_cache(folder):
    forbid_writing(folder)
    run = (folder, ["small_kernel.py", "float32"])
    assert output(start(*run, XDG_CACHE_HOME=str(folder / "cache"))) == "compiled\n"
    assert output(start(*run, XDG_CACHE_HOME=str(folder / "cache"))) == "from disk\n"
    assert list((folder / "cache").rglob("*.nbi"))


def test_without_any_folder_for_it_the_code_is_compiled_in_every_process(folder):
    forbid_writing(folder)
    nowhere = str(folder / "__pycache__" / "cache")
    text = output(start(folder, ["small_kernel.py", "float32"], XDG_CACHE_HOME=nowhere))
    assert (
        text == "no folder to keep compiled code: set NUMBA_CACHE_DIR to one that can be written\ncompiled\n"
    )


def test_the_name_of_compiled_code_depends_on_the_constants_that_it_holds():
    assert Path(activations.__file__) in compilation._SOURCE_FILES


def test_one_process_compiles_while_another_waits_for_its_result(folder):
    processes = [start(folder, ["small_kernel.py", "float32"]) for _ in range(2)]
    assert sorted(output(process) for process in processes) == ["compiled\n", "from disk\n"]


def test_code_is_kept_next_to_the_source_until_that_changes_and_processes_do_not_collide(folder):
    runs = [(folder, ["small_kernel.py", dtype]) for dtype in ("float32", "float64")]
    for found in ("compiled\n", "from disk\n"):
        processes = [start(*run) for run in runs]
        assert [output(process) for process in processes] == [found, found]
    assert any(path.suffix == ".nbi" for path in (folder / "__pycache__").iterdir())
    blocks = (
        folder / "rnnexp" / "recurrence" / "fused" / "blocks.py"
    )  # its code may be a part of the kernel's
    blocks.write_text(blocks.read_text() + "\n# another version\n")
    assert output(start(*runs[0])) == "compiled\n"


@pytest.mark.thinned
@pytest.mark.parametrize(("ending", "size"), [("nbc", 100), ("nbi", 0)])
def test_code_on_disk_that_was_cut_short_is_compiled_anew(folder, ending, size):
    assert output(start(folder, ["-m", "small_kernel", "float32"])) == "compiled\n"
    (damaged,) = (folder / "__pycache__").glob(f"small_kernel.*.{ending}")
    os.truncate(damaged, size)
    both = [start(folder, ["-m", "small_kernel", "float32"]) for _ in range(2)]
    told = sorted(output(process) for process in both)
    remarks = [line for text in told for line in text.splitlines() if "is damaged" in line]
    assert len(remarks) == 1
    assert remarks[0].startswith(f"compiled code in {folder / '__pycache__'} is damaged (")
    assert output(start(folder, ["-m", "small_kernel", "float32"])) == "from disk\n"
