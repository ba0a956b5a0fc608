"""What commands print with `-o json`: types with a text below each key, from which docs/reference/json.md is made."""
