"""Datasets: gates, files, card and versions of the finished table. Verb: `publish`."""
