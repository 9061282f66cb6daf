"""An engine builds a sampler and a learner. `embedded` keeps both in this process, on one module."""
