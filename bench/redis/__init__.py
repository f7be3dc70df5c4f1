"""Toril on Redis beside BullMQ on Node and BullMQ's own Python port, in one run on one private server."""
