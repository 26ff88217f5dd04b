"""Predicted and measured memory and time: a row of the table, and its summary."""

import time

import pytest
import torch

from benchmarks import budget

ROW = {
    "method": "fixmatch", "encoder": "wrn-28-2", "size": 32, "batch_size": 2, "mu": 7,
    "precision": "fp32", "checkpointing": False, "micro_batch": 0,
    "predicted_bytes": 81e6, "measured_bytes": 90e6,
    "predicted_s": 0.3, "measured_s": 0.2,
}  # fmt: skip


def test_the_table_and_its_summary():
    text = budget.table([ROW, {**ROW, "micro_batch": 8, "checkpointing": True}])
    what = "| wrn-28-2 | 32 | 2:14 | fp32 |  | fixmatch |"
    assert f"{what} 0.081 | 0.090 | 0.90 | 0.300 | 0.200 | 1.50 |" in text
    assert "checkpointing 8 at a time" in text
    words = budget.summary([ROW, {**ROW, "predicted_s": 0.21}])
    assert "2 rows: of memory between 0.90 and 0.90" in words
    assert "between 1.05 and 1.50, 1 of them within 15 %" in words


@pytest.mark.slow
def test_measured_memory_is_near_the_prediction():
    config = budget._config("fixmatch", "wrn-10-1", 32, batch_size=4, mu=2)
    config = config.replace(precision="fp32")
    row = budget.measure(config, time.process_time, torch.device("cpu"))
    assert set(row) == set(ROW) and row["predicted_s"] > 0 < row["measured_s"]
    assert 0.8 < row["predicted_bytes"] / row["measured_bytes"] < 1.2
