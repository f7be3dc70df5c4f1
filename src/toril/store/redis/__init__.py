"""The Store seam on Redis, on BullMQ's keys: Node's queues, workers and boards may use the same ones."""
