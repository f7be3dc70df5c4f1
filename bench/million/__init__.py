"""Every page and every list of the API, beside a queue of a million jobs."""
