"""Takes Nexevo's alerts in FastAPI: uvicorn webhook_fastapi:app."""

import os

from fastapi import FastAPI, HTTPException, Request

from nexevo_async import WebhookVerificationError, webhooks

app = FastAPI()


@app.post("/billing-alert", status_code=204)
async def billing_alert(request: Request) -> None:
    secrets = os.environ["NEXEVO_WEBHOOK_SECRETS"].split()
    try:
        event = webhooks.verify(await request.body(), request.headers, secrets=secrets)
    except WebhookVerificationError as error:
        raise HTTPException(400, str(error)) from None
    if event.type == "key.spend_threshold_reached" and event.data is not None:
        print(f"{event.data.key_id} has spent {event.data.month_spend_usd} USD this month")
