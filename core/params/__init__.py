"""Options of the decoders, and their forms for kernels and sweeps."""
