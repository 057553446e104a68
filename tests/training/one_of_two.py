"""One of the processes of test_distributed: `python -m tests.training.one_of_two RUN`, started by torchrun."""

import sys
from pathlib import Path

import torch

from training.distributed import joined
from training.run import join_run
from training.train import train

if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined(cuda=False) as world:
        run = Path(sys.argv[1])
        train(*join_run(run, "tests/training/own.py:with_batch_norm"), run, world=world)
