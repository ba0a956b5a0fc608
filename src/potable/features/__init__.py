"""Point-in-time features and labels: `language` says what, `check` proves it, `build` makes it."""
