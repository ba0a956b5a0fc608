import re
import zipfile

from lxml import etree

from potable.estate.interviews import LABELS


def test_documents_are_valid_packages_with_the_form_and_some_text(documents):
    assert len(documents) > 50
    for name, (form, text) in documents.items():
        assert re.fullmatch(r"exit_E\d{7}_[12]\.docx", name)
        assert tuple(form) == LABELS
        assert len(text) > 60


def test_every_part_is_declared_and_every_relation_has_its_target(estate):
    path = next(iter(sorted(estate.directory.glob("exit_interviews/*.docx"))))
    with zipfile.ZipFile(path) as package:
        names = set(package.namelist())
        types = etree.fromstring(package.read("[Content_Types].xml"))
        relations = etree.fromstring(package.read("word/_rels/document.xml.rels"))
    declared = {node.get("PartName")[1:] for node in types if node.get("PartName")}
    assert {"word/document.xml", "word/styles.xml"} == declared <= names
    assert {f"word/{node.get('Target')}" for node in relations} <= names


def test_words_are_split_over_runs_and_breaks_and_tabs_occur(estate):
    xml = b"".join(
        zipfile.ZipFile(path).read("word/document.xml")
        for path in sorted(estate.directory.glob("exit_interviews/*.docx"))[:60]
    )
    assert b"<w:tab/>" in xml
    assert b"<w:br/>" in xml


def test_names_are_cut_in_the_middle_of_words(estate, truth):
    told = [row for row in truth("pii") if row["system"] == "exit_interviews" and row["kind"] == "full_name"]
    whole = 0
    for row in told:
        with zipfile.ZipFile(estate.directory / "exit_interviews" / row["locator"]) as package:
            raw = package.read("word/document.xml").decode()
        whole += row["value"] in raw
    # the words are there (test_truth finds them), but mostly not in one piece
    assert told
    assert whole < len(told) / 2


def test_about_sixty_percent_of_those_who_went_were_heard(estate, hrms):
    exits = [row for row in hrms("exits") if row["kind"] in ("voluntary", "involuntary")]
    heard = {path.name.split("_")[1] for path in estate.directory.glob("exit_interviews/*.docx")}
    assert heard <= {row["emp_no"] for row in exits} | {row["emp_no"] for row in hrms("people")}
    assert 0.5 < len(heard) / len(exits) < 0.7
