"""Contracts: what the data must look like, in Great Expectations' vocabulary. Verb: `validate`."""
