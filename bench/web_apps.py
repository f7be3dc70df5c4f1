"""Two web applications with the same three routes.

`POST /queue` leaves a mail to Toril, `POST /send` sends it itself, `POST /nothing` does nothing.
`web` is for async handlers (uvicorn bench.web_apps:web), `wsgi` for blocking ones (gunicorn bench.web_apps:wsgi).
"""

from __future__ import annotations

import os
import smtplib
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
from fastapi import FastAPI
from flask import Flask

from bench.mail_app import WELCOME, make_mailer, smtp

PORT = int(os.environ["BENCH_PORT"])
TO = "ana@example.com"

app, mailer = make_mailer(Path(os.environ["BENCH_FOLDER"]), smtp(PORT), os.environ.get("BENCH_STORE"))
web = FastAPI(lifespan=app.lifespan())
wsgi = Flask("bench")


def a_mail() -> EmailMessage:
    """Return what a handler without Toril would write."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", TO, "Welcome"
    message.set_content(f"Hello, start here: {WELCOME['link']}")
    message.add_alternative(f"<p>Hello, <a href='{WELCOME['link']}'>start here</a></p>", subtype="html")
    return message


@web.post("/nothing")
async def nothing() -> dict[str, str]:
    """Answer."""
    return {}


@web.post("/queue", status_code=202)
async def queue() -> dict[str, str]:
    """Leave it to Toril."""
    return {"id": (await mailer.send("welcome", to=TO, context=WELCOME)).id}


@web.post("/send")
async def send() -> dict[str, str]:
    """Wait for the server."""
    await aiosmtplib.send(a_mail(), hostname="127.0.0.1", port=PORT, start_tls=False)
    return {}


@wsgi.post("/nothing")
def nothing_sync() -> dict[str, str]:
    """Answer."""
    return {}


@wsgi.post("/queue")
def queue_sync() -> dict[str, str]:
    """Leave it to Toril."""
    return {"id": mailer.send_sync("welcome", to=TO, context=WELCOME).id}


@wsgi.post("/send")
def send_sync() -> dict[str, str]:
    """Wait for the server."""
    with smtplib.SMTP("127.0.0.1", PORT) as client:
        client.send_message(a_mail())
    return {}
