"""docs/monitoring/alerts.yml in Prometheus: each alert fires for the fault it is for, and none otherwise."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.serving.test_monitoring import FOLDER, RULES

# Series as promtool writes them, a value each minute: FIRST+STEPxCOUNT. Its clock begins at 1970-01-01.
HEALTHY = [
    'lookalike_encoder{provider="CPUExecutionProvider"} 1x600',
    "lookalike_index_up 1x600",
    'lookalike_requests_total{route="/search",status="200"} 0+100x600',
    'lookalike_requests_total{route="/search",status="503"} 0+4x600',
    'lookalike_rejects_total{reason="busy"} 0+4x600',
    'lookalike_request_seconds_bucket{route="/search",le="1"} 0+100x600',
    'lookalike_request_seconds_bucket{route="/search",le="5"} 0+100x600',
    'lookalike_request_seconds_bucket{route="/search",le="+Inf"} 0+100x600',
    'lookalike_queue_depth{queue="proxy"} 1x50 0x550',
    'lookalike_disk_free_bytes{disk="index"} 100e9-1e6x600',
    'lookalike_camera_newest_timestamp_seconds{camera="gate"} 0+60x600',
    "lookalike_index_frames 100000x600",
    "lookalike_index_unindexed_frames 1000x600",
]
FAULTS = {
    "LookalikeDown": ['lookalike_encoder{provider="CPUExecutionProvider"} _x600'],
    "LookalikeIndexDown": ["lookalike_index_up 0x600"],
    "LookalikeFails": ['lookalike_requests_total{route="/search",status="500"} 0+1x600'],
    "LookalikeOverloaded": ['lookalike_rejects_total{reason="busy"} 0+6x600'],
    "LookalikeSlow": ['lookalike_request_seconds_bucket{route="/search",le="1"} 0+98x600'],
    "LookalikeQueueLong": ['lookalike_queue_depth{queue="proxy"} 1x600'],
    "LookalikeDiskNearlyFull": ['lookalike_disk_free_bytes{disk="index"} 100e9-100e6x600'],
    "LookalikeCameraSilent": ['lookalike_camera_newest_timestamp_seconds{camera="gate"} 0x600'],
    "LookalikeClockAhead": ['lookalike_camera_newest_timestamp_seconds{camera="gate"} 400+60x600'],
    "LookalikeGraphBehind": ["lookalike_index_unindexed_frames 30000x600"],
}
AT = "5h"


def series(fault: list[str]) -> list[dict[str, str]]:
    """HEALTHY, with other values of the series of a fault."""
    named = {name: values for name, _, values in (line.partition(" ") for line in (*HEALTHY, *fault))}
    return [{"series": name, "values": values} for name, values in named.items()]


def test_each_alert_has_a_fault() -> None:
    assert {rule["alert"] for rule in RULES} == FAULTS.keys()


@pytest.mark.trust
@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_an_alert_fires_for_its_fault_only(fault: str, tmp_path: Path) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("NOT TRIED: promtool, of Prometheus, is not installed, so nothing shows when the alerts fire")
    firing = [{"labels": f'{{alertname="{fault}"}}', "value": 1}] if fault else []
    asked = {"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": AT, "exp_samples": firing}
    test = {"interval": "1m", "input_series": series(FAULTS.get(fault, [])), "promql_expr_test": [asked]}
    path = tmp_path / "alerts.test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(FOLDER / "alerts.yml")], "tests": [test]}))
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
