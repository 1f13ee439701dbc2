"""The numeric core: NumPy and Numba only, arrays in and arrays out."""
