"""What ``avreplay doctor`` looks at for extraction: torch and GPUs, decoders, encoders, weights, processors."""
