"""The parts of `benchmarks.versus_trl`."""
