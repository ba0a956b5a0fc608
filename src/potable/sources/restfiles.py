"""Pages of an endpoint as files: answers in XML, and lists inside the records of answers in JSON.

What such a page says is read as a file of the kind is, so that its tables have the paths that those of files have.

Entry: `as_xml` and `as_json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from potable.errors import MissingExtra
from potable.sources.json import JsonSource, JsonTable

if TYPE_CHECKING:
    from potable.sources.resttables import RestTable
    from potable.sources.xml import XmlSource, XmlTable


def as_xml(source: str, tables: Mapping[str, RestTable]) -> XmlSource:
    """A source of XML files with these tables, as they are: their columns may be read as texts.

    Raises:
        MissingExtra: the reader of XML is not installed.
    """
    files, table_of_files = xml_files()
    as_files = {
        name: table_of_files.model_construct(columns=table.columns, record=table.record or "")
        for name, table in tables.items()
    }
    return files.model_construct(source=source, type="xml", path="", tables=as_files)


def as_json(source: str, tables: Mapping[str, RestTable]) -> JsonSource:
    """A source of JSON files with these tables; a page may lack the lists inside its records."""
    as_files = {
        name: JsonTable.model_construct(columns=table.columns, records=table.records, optional=True, format="document")
        for name, table in tables.items()
    }
    return JsonSource.model_construct(source=source, type="json", path="", tables=as_files)


def xml_files() -> tuple[type[XmlSource], type[XmlTable]]:
    """The source of XML files and its tables.

    Raises:
        MissingExtra: their reader is not installed.
    """
    try:
        from potable.sources.xml import XmlSource, XmlTable
    except ModuleNotFoundError as absent:
        raise MissingExtra(absent.name or "xml2arrow", "xml") from None
    return XmlSource, XmlTable
