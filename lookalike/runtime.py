"""Choose the hardware that runs an encoder: onnxruntime's providers, and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime as ort

from lookalike.contract import RunDevice
from lookalike.errors import DeviceError

PROVIDERS: dict[RunDevice, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
# What to install if onnxruntime does not have a device, or cannot run it.
REMEDIES: dict[RunDevice, str] = {
    "cuda": "it needs onnxruntime-gpu, an NVIDIA driver and the CUDA 13 libraries",
    "tensorrt": "it needs what cuda needs, and TensorRT's libraries (`pip install tensorrt-cu13`)",
    "openvino": "it needs onnxruntime-openvino instead of onnxruntime or onnxruntime-gpu",
}

CPU_INFO = Path("/proc/cpuinfo")
# It quantises the weights of convolutions that an int8 file keeps in fp32, with one scale for all channels.
UNWANTED = ["WeightBiasQuantization"]


def open_session(model: Path | bytes, device: RunDevice, threads: int | None) -> ort.InferenceSession:
    """Open an ONNX file, or its bytes, on the requested device, never on another.

    device: `auto` takes cuda if there is a driver for it, else cpu. TensorRT, which takes minutes to build an engine,
    and OpenVINO are used only on request. threads: cores for one run on a CPU; None takes all.
    Raises: DeviceError that says what is missing; onnxruntime's errors for a broken file.
    """
    chosen = pick(device)
    where, options = str(model) if isinstance(model, Path) else model, _options(threads)
    session = ort.InferenceSession(where, options, providers=_providers(chosen), disabled_optimizers=UNWANTED)
    if (got := session.get_providers()[0]) != PROVIDERS[chosen]:
        raise DeviceError(f"asked for {chosen}, onnxruntime gave {got}: {REMEDIES[chosen]}; or use --device cpu")
    return session


def pick(device: RunDevice) -> RunDevice:
    """Resolve `auto`, and check the device. Raises: DeviceError if onnxruntime or the driver does not support it."""
    available = ort.get_available_providers()
    if device == "auto":
        return "cuda" if PROVIDERS["cuda"] in available and has_nvidia_driver() else "cpu"
    if PROVIDERS[device] not in available:
        names = ", ".join(available)
        raise DeviceError(f"asked for {device}: onnxruntime has {names}; {REMEDIES[device]}; or use --device cpu")
    if device in ("cuda", "tensorrt") and not has_nvidia_driver():
        raise DeviceError(f"asked for {device}: no NVIDIA driver is loaded; {REMEDIES[device]}; or use --device cpu")
    return device


def _options(threads: int | None) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what it would log as errors is raised, too
    # Idle worker threads would spin on the cores that decode the next batch.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without VNNI, CPUs add products of int8 in 16 bits, which overflow; then use slower kernels, which do not.
    options.add_session_config_entry("session.x64quantprecision", "0" if _has_vnni() else "1")
    if threads:
        options.intra_op_num_threads = threads
    return options


def _has_vnni() -> bool:
    """Whether the CPU has VNNI, as far as Linux reports it. Source: proc_cpuinfo(5)."""
    return CPU_INFO.exists() and "vnni" in CPU_INFO.read_text()


def _providers(device: RunDevice) -> list[Any]:
    """Return the providers with their options, best first; the CPU computes what the first cannot."""
    if device == "cpu":
        return [PROVIDERS["cpu"]]
    if device == "openvino":
        return [PROVIDERS["openvino"], PROVIDERS["cpu"]]
    ort.preload_dlls()  # finds the CUDA libraries that came as packages
    # Batch sizes vary. By default, cuDNN tries all algorithms again for each size, and the arena doubles.
    options = {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}
    cuda: list[Any] = [(PROVIDERS["cuda"], options), PROVIDERS["cpu"]]
    return [PROVIDERS["tensorrt"], *cuda] if device == "tensorrt" else cuda


def has_nvidia_driver() -> bool:
    """Return whether Linux, or Windows below it, has loaded a driver for an NVIDIA GPU."""
    return Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()
