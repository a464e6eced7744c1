"""Sweeps: the jobs of one line, run here or elsewhere, continued, told about and gathered."""
