"""What the demo shows while it runs, and at its end."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from toril.demo.summary import Summary

__all__ = ["Bars", "show_summary"]


class Bars:
    """Live bars for the mails and for the report's progress."""

    def __init__(self, console: Console, mails: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=not console.is_terminal,
        )
        self._queued = self._progress.add_task("mails queued", total=mails)
        self._sent = self._progress.add_task("sent or refused", total=mails)
        self._report = self._progress.add_task("monthly report, percent", total=100)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def queued(self, mails: int) -> None:
        """Show how many mails are queued."""
        self._progress.update(self._queued, completed=mails)

    def ended(self, mails: int) -> None:
        """Show how many mails have come to an end."""
        self._progress.update(self._sent, completed=mails)

    def report(self, share: float) -> None:
        """Show how far the report is, from 0 to 1."""
        self._progress.update(self._report, completed=round(share * 100))


def show_summary(console: Console, summary: Summary) -> None:
    """Print what happened."""
    table = Table(title="What happened", title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    table.add_row("queued", str(summary.queued))
    table.add_row("sent", f"[green]{summary.sent}[/]")
    table.add_row("retried", f"{summary.retried} (the server first answered 451: try again later)")
    for reason, count in summary.failures.items():
        table.add_row("failed", f"[red]{count}[/] {reason}")
    table.add_row("duplicates, missing", f"{summary.duplicates}, {summary.missing}")
    table.add_row(
        "time to first attempt", f"p50 {summary.first_attempt_p50_ms} ms, p95 {summary.first_attempt_p95_ms} ms"
    )
    table.add_row("mails per second", f"{summary.mails_per_second:g}, retries' waits included")
    table.add_row("delayed job", summary.delayed_job)
    table.add_row("job with progress", summary.report_job)
    table.add_row("schedule, every 1 s", f"ran {summary.schedule_runs} times")
    console.print(table)
