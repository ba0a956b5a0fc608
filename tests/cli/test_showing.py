"""What `potable show` picks of a version."""

from potable.cli.showing import few


def test_every_column_is_shown_once_and_the_label_always():
    assert few(("id", "as_of", "pay", "left")) == ["id", "as_of", "pay", "left"]
    assert few(tuple("abcdefghijk")) == [*"abcdefg", "k"]
