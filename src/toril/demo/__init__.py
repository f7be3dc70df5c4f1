"""`toril demo`: the main job on real input, from `send` to a mailbox, with a worker process and an SMTP server.

* `shop`      the application: what a user of Toril would write
* `story`     what the demo enqueues, and what must become of it
* `play`      starts the mailbox and the worker, enqueues the story, waits for its end
* `screen`    live progress
* `summary`   what happened, as a table or as JSON
* `dashboard` what it ends on, unless it is to end by itself
"""
