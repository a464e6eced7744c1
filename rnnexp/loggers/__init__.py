"""Where else the numbers of a training go, beside metrics.csv; a file each, imported only when chosen."""

from rnnexp.training.watchers import Watcher


class NoLogger(Watcher):
    """logger=none: metrics.csv and summary.json alone."""
