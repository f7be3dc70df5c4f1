"""The `toril` command: one module for each of its commands."""
