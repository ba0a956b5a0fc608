"""Privacy: what each column is, what may happen to it, and the proof that nothing else happens."""
