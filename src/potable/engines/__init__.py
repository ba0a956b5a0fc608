"""Engines run what the verbs say. The seam is `base.Engine`; `duckdb` is the default, embedded one."""
