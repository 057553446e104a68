"""OpenTelemetry: off, unless the standard variables name a collector. BentoML makes the spans."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from lookalike.errors import LookalikeError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = {"http/protobuf": "http", "grpc": "grpc"}  # as the standard names them, and BentoML
OFF = {"excluded_urls": "."}  # matches every URL; a span for each message takes a fifth of a small encoder's throughput
PROBES = "/livez,/readyz,/metrics"


def tracing(env: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The argument `tracing` of bentoml.service. The exporter reads the endpoint and its headers from the environment.

    Raises: LookalikeError if an endpoint is set and the exporter is not installed, or if another variable is invalid.
    Source: OpenTelemetry, "OTLP Exporter Configuration" and "General SDK Configuration".
    """
    endpoint = next((name for name in ENDPOINTS if env.get(name)), None)
    if endpoint is None or env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return OFF
    protocol = _protocol(env)
    package = f"opentelemetry-exporter-otlp-proto-{protocol}"
    if not _is_installed(f"opentelemetry.exporter.otlp.proto.{protocol}"):
        raise LookalikeError(f"{endpoint} is set, but {package} is not installed; pip install {package}")
    return {
        "exporter_type": "otlp",
        "sample_rate": _sample_rate(env),
        "otlp": {"protocol": protocol},
        "excluded_urls": PROBES,
    }


def _protocol(env: Mapping[str, str]) -> str:
    names = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    name = next((name for name in names if env.get(name)), names[-1])
    text = env.get(name) or "http/protobuf"
    if text not in PROTOCOLS:
        raise LookalikeError(f"{name} is {text!r}, expected one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[text]


def _sample_rate(env: Mapping[str, str]) -> float:
    """The share of requests without a sampled parent that are traced; those with one are."""
    text = env.get("OTEL_TRACES_SAMPLER_ARG") or "1"
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 1:
        raise LookalikeError(f"OTEL_TRACES_SAMPLER_ARG is {text!r}, expected a share from 0 to 1")
    return rate


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package above it
        return False
