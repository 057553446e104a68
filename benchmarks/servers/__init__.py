"""The same encoder behind other servers, each as its documentation writes it: decode, run, answer JSON.

`python -m benchmarks.servers.NAME encoder.onnx PORT`; each imports what only benchmarks.serve installs.
"""

BATCH, WAIT_S = 16, 0.005  # of those that batch
