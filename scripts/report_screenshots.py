"""Takes the pictures of `rnnexp report` in docs/images: a sweep and a single run, in a headless Chromium.

    python scripts/report_screenshots.py

Trains a small sweep in a temporary folder first, which takes about a minute; chromium must be installed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
SWEEP = [
    "train", "-m", "task=perceptual_discrim", "latent_step=ALRNN,GRU,CTRNN", "optimizer.lr=1e-3,3e-3", "seed=range(3)",
    "trainer.n_trials=6000", "trainer.eval_every=5", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2",
    "hydra.sweep.dir=learning_rates",
]  # fmt: skip


def main() -> None:
    """Train, write the pages, photograph them."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("there is no chromium")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}

        def rnnexp(*words: str) -> None:
            subprocess.run(
                [sys.executable, "-m", "rnnexp.cli", *words], cwd=folder, env=environment, check=True
            )

        rnnexp(*SWEEP)
        for name, directory, height in (("sweep", "learning_rates", 1650), ("run", "learning_rates/0", 1250)):
            page = Path(folder, f"{name}.html")
            rnnexp("report", directory, "--out", str(page))
            subprocess.run(
                [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                 "--virtual-time-budget=6000", f"--window-size=1000,{height}",
                 f"--screenshot={IMAGES / f'report_{name}.png'}", page.as_uri()],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip


if __name__ == "__main__":
    main()
