"""Weights to and from the files of PsychRNN and spikeRNN; importing this package imports neither torch nor scipy."""
