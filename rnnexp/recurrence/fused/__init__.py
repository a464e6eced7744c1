"""Compiled recurrences on the CPU: the values and gradients of the reference rollout in a fraction of its time.

    selection.py       reference or fused, and why
    compilation.py     compiler flags, the cache on disk, threads
    almost_linear.py   PLRNN and ALRNN: kernels, derivation of the gradient, autograd function
    shallow.py         shPLRNN, the same for one hidden layer

A latent step offers a kernel by a method `fused_rollout`. The two equation files import numba; import them only
where a rollout needs them.
"""
