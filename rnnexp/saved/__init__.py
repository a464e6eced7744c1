"""Runs on disk: loaded as networks with their tasks, and gathered into tables."""
