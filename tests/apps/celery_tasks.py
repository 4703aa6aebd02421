"""Celery tasks on the client of `module_level`; broker and results are folders."""

import os
from pathlib import Path

import module_level
from celery import Celery

folder = Path(os.environ["CELERY_FOLDER"])
app = Celery(broker="filesystem://", backend=f"file://{folder}")
app.conf.broker_transport_options = {
    "data_folder_in": folder,
    "data_folder_out": folder,
    "control_folder": folder / "control",
    "polling_interval": 0.1,
}


@app.task
def fifty_calls() -> int:
    return module_level.fifty_calls()
