"""Compiled recurrences on the CPU: the values and gradients of the reference rollout in a fraction of its time.

    selection.py       reference or fused, and why
    compilation.py     compiler flags, the cache on disk, threads
    products.py        matrix products inside kernels
    exponentials.py    exp, expm1, tanh and log1p inside kernels
    transfer.py        transfer functions inside kernels
    blocks.py          moving data between arrays and the buffers of a kernel
    leaky.py           leaky rate networks and their readout: kernels, derivation of the gradient, autograd function
    almost_linear.py   PLRNN and ALRNN, the same
    shallow.py         shPLRNN, the same for one hidden layer
    gated.py           LSTM and GRU, the same; gates.py has what they do unit by unit

A latent step offers a kernel by a method `fused_rollout`. The files of the equations import numba; import them only
where a rollout needs them.
"""
