"""Numba kernels: arrays in, codes out. They never print, raise, or allocate inside a loop."""
