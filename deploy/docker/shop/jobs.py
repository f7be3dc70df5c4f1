"""The example that the files of deploy/ run. Put your own application in its place."""

from toril import Exponential, Toril
from toril.messaging import Mailer

app = Toril()  # TORIL_URL or REDIS_HOST say where jobs live
mailer = Mailer(app)  # TORIL_MAIL_URL says who carries mail


@app.task(queue="orders", attempts=3, backoff=Exponential(2.0), timeout=60)
async def confirm_order(number: int, email: str) -> str:
    """Confirm an order by mail; a repeated run sends nothing twice, because of the key."""
    context = {"name": email.partition("@")[0], "link": f"https://shop.example.com/orders/{number}"}
    await mailer.send("welcome", to=email, context=context, key=f"order-{number}")
    return f"order {number} is confirmed"


@app.cron("0 3 * * *")
@app.task(queue="reports")
async def nightly_report() -> str:
    """Run at 03:00 (TORIL_TIMEZONE), once, however many workers there are."""
    return "reports/yesterday.pdf"
