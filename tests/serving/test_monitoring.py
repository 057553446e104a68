"""The dashboard and the alert rules name only metrics that the service has."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from lookalike.index import open_index
from tests.index.circle import SPEC, at, frame, write_circle_encoder
from tests.serving.conftest import encoded, picture
from tests.serving.running import ROOT, bentoml_env, served

FOLDER = ROOT / "docs" / "monitoring"
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
EXPRESSIONS = [
    *(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]),
    *(rule["expr"] for rule in RULES),
]
EIGHT, NINE = (datetime(2026, 1, 5, hour, tzinfo=UTC) for hour in (8, 9))


def named() -> set[str]:
    return {name for expression in EXPRESSIONS for name in re.findall(r"lookalike_\w+", expression)}


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The samples of /metrics of a service that has done a little of everything."""
    home = tmp_path_factory.mktemp("seen")
    encoder = write_circle_encoder(home / "circle.onnx")
    settings = {"LOOKALIKE_ENCODER": encoder, "LOOKALIKE_INDEX": home / "index", "LOOKALIKE_WRITABLE": "1"}
    with served("serving.service:Lookalike", bentoml_env(home, settings), ROOT, home / "log") as client:
        with open_index(str(client.base_url), SPEC) as index:
            index.add([frame("a", 0.0, captured_at=EIGHT), frame("b", 0.0, captured_at=NINE)], at(0, 1))
        assert client.post("/search", files={"image": encoded(picture(0))}).status_code == 200
        assert client.get("/frames/nothing").status_code == 404
        text = client.get("/metrics").text
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def values(exposed: list[Any], name: str, **labels: str) -> list[float]:
    return [one.value for one in exposed if one.name == name and labels.items() <= one.labels.items()]


def test_every_metric_of_the_dashboard_and_the_rules_is_exposed(exposed: list[Any]) -> None:
    assert len(named()) > 20
    assert named() - {sample.name for sample in exposed} == set()


def test_what_is_exposed_is_what_was_done(exposed: list[Any]) -> None:
    assert values(exposed, "lookalike_frames_indexed_total") == [2]
    assert values(exposed, "lookalike_index_up") == [1]
    assert values(exposed, "lookalike_camera_newest_timestamp_seconds", camera="gate") == [NINE.timestamp()]
    assert values(exposed, "lookalike_rejects_total", reason="not_found") == [1]
    assert values(exposed, "lookalike_requests_total", route="/frames/{frame_id}", status="404") == [1]
    assert values(exposed, "lookalike_requests_total", route="/search", status="200") == [1]
    for stage in ("decode", "encode", "search"):
        assert values(exposed, "lookalike_stage_seconds_count", stage=stage) == [1]
    assert values(exposed, "lookalike_encoder", provider="CPUExecutionProvider") == [1]
    for queue in ("decode", "search"):
        assert values(exposed, "lookalike_queue_depth", queue=queue) == [0]
        assert values(exposed, "lookalike_wait_seconds_count", queue=queue)[0] >= 1
    for queue in ("thumbnail", "playback", "proxy", "explore"):
        assert values(exposed, "lookalike_queue_depth", queue=queue) == [0]
        assert values(exposed, "lookalike_wait_seconds_count", queue=queue) == [0]
    for disk in ("index", "cache"):
        assert values(exposed, "lookalike_disk_free_bytes", disk=disk)[0] > 0


def test_no_label_has_values_without_end(exposed: list[Any]) -> None:
    """None is a process, a path or an id."""
    known = {"method", "route", "status", "le", "stage", "outcome", "reason", "queue", "disk", "camera"}
    ours = [sample for sample in exposed if sample.name.startswith("lookalike_")]
    assert {name for sample in ours for name in sample.labels} <= known | {"space", "precision", "provider"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_rule_is_complete(rule: dict[str, Any]) -> None:
    """Source: Prometheus, "Alerting rules"."""
    assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Lookalike[A-Za-z]+", rule["alert"])
    assert re.fullmatch(r"\d+[smhd]", rule["for"])
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description"}
    kept = set(re.findall(r"by \((\w+)\)", rule["expr"])) | {"disk", "camera"}
    assert set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) <= kept


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_is_balanced_and_has_ranges_for_its_rates(expression: str) -> None:
    depth = 0
    for char in re.sub(r'"[^"]*"', "", expression):
        depth += {"(": 1, ")": -1}.get(char, 0)
        assert depth >= 0
    assert depth == 0
    calls = len(re.findall(r"\b(?:rate|predict_linear)\(", expression))
    assert len(re.findall(r"\[(?:\d+[smhd]|\$__rate_interval)\]", expression)) == calls


def test_the_dashboard_asks_for_its_data_source() -> None:
    [variable] = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
