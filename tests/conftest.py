"""What all tests share: property tests have no deadline (machines are noisy), and each process keeps to one thread."""

import torch
from hypothesis import settings

settings.register_profile("quintet", deadline=None)
settings.load_profile("quintet")
torch.set_num_threads(1)
