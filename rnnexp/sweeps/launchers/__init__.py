"""Where the jobs of a sweep run: one after the other, in processes of this machine, on a cluster."""

from rnnexp.sweeps.launchers.base import Launcher
from rnnexp.sweeps.launchers.serial import Serial

__all__ = ["Launcher", "Serial"]
