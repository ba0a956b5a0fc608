"""The command line: one verb per command, results to stdout, progress and errors to stderr."""
