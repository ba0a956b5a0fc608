"""Runs: the plan as data, its execution step by step, and the record that every run leaves."""
