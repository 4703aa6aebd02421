"""The samples of docs/webhooks.md, as they run in FastAPI and in Flask."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from fastapi.testclient import TestClient

from nexevo_async.testing import sign_webhook

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
SECRET = "whsec_c2VjcmV0"
BODY = (
    b'{"type": "key.spend_threshold_reached",'
    b' "data": {"key_id": "key_1", "month_spend_usd": "80.00"}}'
)


def sample(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # FastAPI looks up the annotations of the routes there
    spec.loader.exec_module(module)
    return module


def post(framework: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    app = sample(f"webhook_{framework}").app
    if framework == "fastapi":
        with TestClient(app) as browser:
            answer = browser.post("/billing-alert", content=body, headers=headers)
            return answer.status_code, answer.text
    response = app.test_client().post("/billing-alert", data=body, headers=headers)
    return response.status_code, response.text


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_the_sample_takes_what_is_signed_and_refuses_the_rest(framework, monkeypatch, capsys):
    monkeypatch.setenv("NEXEVO_WEBHOOK_SECRETS", f"whsec_b2xk {SECRET}")
    assert post(framework, BODY, sign_webhook(BODY, SECRET)) == (204, "")
    assert "key_1 has spent 80.00 USD" in capsys.readouterr().out
    status, said = post(framework, BODY + b" ", sign_webhook(BODY, SECRET))
    assert (status, "is of this body" in said) == (400, True)
    assert post(framework, BODY, {})[0] == 400
    assert capsys.readouterr().out == ""
