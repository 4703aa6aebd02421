"""A plugin that fails each test in whose log, output or report the API key is shown.

A warning is an error here, and so in the report.
"""

import base64
from collections.abc import Generator
from typing import Final

import pytest

KEY: Final = "sk-xc-canary5b1f0c9d7e3a48266f0d"
"""The key of the common fixtures; tests that have a canary of their own look for it themselves."""


def _forms() -> Generator[str]:
    """Give the ways in which the key can be written, base64 at each of its three offsets."""
    yield KEY
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + KEY.encode()).decode()
        yield encoded[4 if offset else 0 : -4]


_FORMS: Final = [*_forms()]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    written = [text for name, text in report.sections if name.endswith(f" {report.when}")]
    everything = "\n".join([*written, report.longreprtext])
    if any(form in everything for form in _FORMS):
        report.outcome = "failed"
        report.sections = []
        report.longrepr = "the API key can be read in what this test logs, prints or fails with"
    return report
