"""Train, sweep and compare recurrent networks on cognitive tasks and time series."""

__version__ = "0.1.0"
