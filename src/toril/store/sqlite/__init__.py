"""Jobs in one SQLite file: nothing to install, several processes at once."""
