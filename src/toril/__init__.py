"""Background jobs and messages for Python web applications."""
