"""Secrets by reference: for each store of secrets, a function from a reference's text to the secret."""
