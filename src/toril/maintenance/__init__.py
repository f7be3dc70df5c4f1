"""Background services of a worker, one a file."""
