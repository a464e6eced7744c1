"""Many networks trained as one: the trainings of a sweep that have the same structure, update by update.

alike.py      which settings may differ within a group
members.py    one training of a group: its streams, its trials, its noise
scoring.py    the loss terms of all networks, in one pass over all of them
stack.py      their parameters and gradients, a row per network
optimizing.py the updates of all rows
training.py   the loop

A network gets the numbers that it would get alone, to rounding: every random number comes from its own streams.
"""
