"""Identity: which records of which systems are about the same person. Verb: `resolve`."""
