"""The wheel carries all that it needs: it runs from an empty directory, without the clone."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*words, **options):
    result = subprocess.run(words, capture_output=True, text=True, timeout=300, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_wheel_trains_from_an_empty_directory(tmp_path):
    wheels, site, empty = (tmp_path / name for name in ("wheels", "site", "empty"))
    empty.mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT))
    (wheel,) = wheels.iterdir()
    run(*pip, "install", "--no-deps", "--target", str(site), str(wheel))
    assert not (site / "conf").exists()
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    rnnexp = [sys.executable, "-c", "import sys; from rnnexp.cli import main; sys.exit(main())"]
    where = {"cwd": empty, "env": environment}
    location = run(sys.executable, "-c", "import rnnexp; print(rnnexp.__file__)", **where)
    assert Path(location.strip()).is_relative_to(site)
    assert "latent_dim: 50" in run(*rnnexp, "train", "--cfg", "job", **where)
    assert str(site) in run(*rnnexp, "train", "--info", "searchpath", **where)
    run(*rnnexp, "train", "experiment=debug", "task.T=300", "hydra.run.dir=run", **where)
    assert (empty / "run" / "summary.json").exists()
    run(
        *rnnexp, "train", "-m", "experiment=debug", "task.T=300", "seed=0,1", "hydra.sweep.dir=sweep", **where
    )
    if importlib.util.find_spec("plotly"):
        run(*rnnexp, "report", "sweep", **where)
        assert (empty / "sweep" / "report.html").stat().st_size > 1_000_000
