"""Sources: how records of each kind of system are fetched and parsed. Verb: `ingest`."""
