"""How the cost of an update grows with units, steps, trials and networks; writes outputs/growth.csv and a picture.

    python scripts/growth.py [--out docs/images/growth.png] [--rounds 3]

Two networks, each with all but one size at a middle value: an AL-RNN on Lorenz-63, forced every 16 steps (20 units,
200 steps, 16 windows), and a leaky network on perceptual discrimination (50 units, 200 steps, 128 trials). Milliseconds
of one update per network, medians, on all cores. Use an idle machine; it takes some minutes.
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from benchmark import SHORT_EVALUATION, SHORT_RUNS, seconds_of_fit
from benchmark_many import together_timer
from matplotlib.figure import Figure

from rnnexp.plots import style

LINEAR = "#999999"
NETWORKS = {
    "AL-RNN, Lorenz-63": [
        "experiment=alrnn_lorenz63", "latent_dim=20", "trainer.batch_size=16", *SHORT_EVALUATION, *SHORT_RUNS,
    ],
    "leaky, perceptual discrimination": [
        "task=perceptual_discrim", "latent_step=Basic", "latent_dim=50", "trainer.batch_size=128", *SHORT_EVALUATION,
    ],
}  # fmt: skip
SIZES = {
    "units": ("latent_dim={}", [20, 50, 100, 200, 500, 1000]),
    "time steps": ({"AL-RNN": "task.sequence_length={}", "leaky": "task.T={}0"}, [50, 200, 1000, 5000]),
    "trials": ("trainer.batch_size={}", [1, 16, 128, 1024]),
    "networks": (None, [1, 4, 32, 128, 512]),
}


def milliseconds(overrides: Sequence[str], rounds: int) -> float:
    """Return the milliseconds of an update of one network."""
    short = [*overrides, "trainer.n_steps=1"]
    seconds_of_fit(short)
    once = max(seconds_of_fit([*overrides, "trainer.n_steps=6"]) - seconds_of_fit(short), 1e-3) / 5
    steps = int(min(max(0.5 / once, 3), 400))
    long = [*overrides, f"trainer.n_steps={steps + 1}"]
    return statistics.median(
        1e3 * (seconds_of_fit(long) - seconds_of_fit(short)) / steps for _ in range(rounds)
    )


def measured(rounds: int) -> pd.DataFrame:
    """Return a row for each network, kind of size and size."""
    rows = []
    for name, base in NETWORKS.items():
        kind = name.split(",")[0]
        for what, (key, sizes) in SIZES.items():
            for size in sizes:
                if key is not None:
                    text = key if isinstance(key, str) else key[kind]
                    value = milliseconds([*base, text.format(size)], rounds)
                elif size == 1:
                    value = milliseconds(base, rounds)
                elif kind == "leaky" and size > 128:
                    continue  # their trials alone take more than the memory of a laptop
                else:
                    timer = together_timer([*base, "trainer.n_steps=1"], size, max(3, 400 // size), "auto")
                    value = statistics.median(timer() for _ in range(rounds))
                rows.append({"network": name, "what": what, "size": size, "milliseconds": value})
                print(f"{name:35s} {what:12s} {size:5d} {value:10.3f} ms", flush=True)
    return pd.DataFrame(rows)


@style.styled
def drawn(table: pd.DataFrame) -> Figure:
    """Draw a panel for each kind of size."""
    figure = style.new_figure(style.PAGE_MM, 62)
    panels = figure.subplots(1, len(SIZES), sharey=True)
    for axes, what in zip(panels, SIZES, strict=True):
        for index, (name, part) in enumerate(table[table.what == what].groupby("network", sort=False)):
            axes.plot(part["size"], part.milliseconds, "o-", ms=2.5, color=style.colour(index), label=name)
        axes.set(xscale="log", yscale="log", xlabel=f"number of {what}")
        axes.margins(y=0.15)
        if what != "networks":  # which would cost nothing more each
            low = table[table.what == what].milliseconds.min() / 2
            x = table[table.what == what]["size"]
            axes.plot(
                [x.min(), x.max()], [low, low * x.max() / x.min()], ":", color=LINEAR, lw=0.8, scaley=False
            )
    panels[0].set_ylabel("ms an update and network")
    panels[0].legend(loc="upper left", fontsize=style.FONT_PT - 1.5, frameon=False)
    return figure


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/images/growth.png"))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    table = measured(options.rounds)
    Path("outputs").mkdir(exist_ok=True)
    table.to_csv("outputs/growth.csv", index=False)
    style.save(drawn(table), options.out)


if __name__ == "__main__":
    main()
