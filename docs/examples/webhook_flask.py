"""Takes Nexevo's alerts in Flask: flask --app webhook_flask run."""

import os

from flask import Flask, abort, request

from nexevo_sync import WebhookVerificationError, webhooks

app = Flask(__name__)


@app.post("/billing-alert")
def billing_alert() -> tuple[str, int]:
    secrets = os.environ["NEXEVO_WEBHOOK_SECRETS"].split()
    try:
        event = webhooks.verify(request.get_data(), request.headers, secrets=secrets)
    except WebhookVerificationError as error:
        abort(400, str(error))
    if event.type == "key.spend_threshold_reached" and event.data is not None:
        print(f"{event.data.key_id} has spent {event.data.month_spend_usd} USD this month")
    return "", 204
