"""`potable identify`: scores lead back to the right people, for whom infosec allows it, and never without a record."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.runs.conftest import Bench
from tests.runs.test_object_store import copied
from tests.runs.test_scoring import Shop

from potable.errors import DataError, EnvironmentFailure, PotableError, PrivacyRefusal
from potable.project import Project, load
from potable.report.metrics import samples, standing
from potable.runs import handed
from potable.runs.disclosed import broken, recent
from potable.runs.identified import Asked, Told, identify
from potable.runs.processes import who
from potable.store.layout import Lake

PURPOSE = "retention calls"
DECLARED = f"""
identify:
  columns: [crm.customers.customer_id, crm.customers.email]
  purposes: [{PURPOSE}, audit]
  most: 50
"""
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def done(finished_small: Bench) -> Shop:
    """The small example, published, with nothing said about who may know people."""
    return Shop(finished_small.root)


@pytest.fixture
def shop(done: Shop, tmp_path: Path) -> Shop:
    """A copy of it, where infosec allows it."""
    shop = Shop(Path(shutil.copytree(done.root, tmp_path / "shop")))
    declare(shop, DECLARED)
    return shop


def declare(shop: Shop, text: str) -> None:
    path = shop.root / "privacy.yaml"
    before = path.read_text().partition("\nidentify:")[0]
    path.write_text(f"{before.rstrip()}\n{text}")


def ids(shop: Shop) -> list[str]:
    return shop.rows("customer_churn")["customer_id"].to_pylist()


def scored(shop: Shop, wanted: list[str], name: str = "scores.csv") -> Path:
    """A file of scores as a data scientist writes it."""
    path = shop.root.parent / name
    lines = [f"{one},0.{place:04d}" for place, one in enumerate(wanted)]
    path.write_text("\n".join(["customer_id,score", *lines, ""]))
    return path


def asked(file: Path, purpose: str = PURPOSE, name: str = "people.csv", column: str = "") -> Asked:
    return Asked(file, purpose, file.parent / name, column)


def ask(shop: Shop, wanted: Asked, now: datetime = NOW) -> Told:
    return identify(load(shop.root), wanted, now=now)


def refused(shop: Shop, wanted: Asked, kind: type[PotableError], code: str, now: datetime = NOW) -> PotableError:
    with pytest.raises(kind) as caught:
        ask(shop, wanted, now)
    assert caught.value.code == code and caught.value.exit_code == {"G": 4, "D": 1, "E": 3}[code[0]]
    assert not wanted.target.exists()
    return caught.value


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def lake(shop: Shop) -> Lake:
    return load(shop.root).lake()


def entries(shop: Shop) -> list[dict[str, Any]]:
    return lake(shop).identified.entries()


def customers(shop: Shop) -> dict[str, str]:
    """E-mail addresses by the customer's number, as the export has them."""
    return {row["customer_id"]: row["email"] for row in rows(shop.root / "data/customers.csv")}


def test_scores_lead_to_the_people_they_are_about(shop: Shop) -> None:
    wanted = ids(shop)[:40]
    told = ask(shop, asked(scored(shop, wanted)))
    assert (told.rows, told.asked, told.found, told.several, told.entry) == (40, 40, 40, 0, 1)
    # the dataset calls its ids as the table does its numbers, so the latter are named in full
    assert told.columns == ["crm.customers.customer_id", "email"]
    found, mails = rows(shop.root.parent / "people.csv"), customers(shop)
    assert [(row["customer_id"], row["score"]) for row in found] == [
        (one, f"0.{at:04d}") for at, one in enumerate(wanted)
    ]
    subjects, named = subject_of_key(load(shop.root)), pseudonym_of_subject(load(shop.root))
    for row in found:
        number = row["crm.customers.customer_id"]
        assert named[subjects["customer_id", number]] == row["customer_id"] and row["email"] == mails[number]
    assert stat.S_IMODE((shop.root.parent / "people.csv").stat().st_mode) == 0o600


def test_without_a_declaration_it_is_refused_and_says_what_to_add(shop: Shop) -> None:
    declare(shop, "")
    failure = refused(shop, asked(scored(shop, ids(shop)[:3])), PrivacyRefusal, "G005")
    assert failure.place and failure.place.file == "privacy.yaml" and not entries(shop)
    declare(shop, failure.allowed + "\n")
    assert ask(shop, asked(scored(shop, ids(shop)[:3]))).found == 3


@pytest.mark.parametrize(
    ("change", "purpose", "key"),
    [
        (("", ""), "curiosity about Mona", "purposes"),
        (("most: 50", "most: 2"), PURPOSE, "most"),
        (("", "  by: [nobody]\n"), PURPOSE, "by"),
    ],
)
def test_what_is_not_declared_is_refused_and_recorded(
    shop: Shop, change: tuple[str, str], purpose: str, key: str
) -> None:
    declare(shop, DECLARED.replace(*change) if change[0] else DECLARED + change[1])
    failure = refused(shop, asked(scored(shop, ids(shop)[:3]), purpose), PrivacyRefusal, "G005")
    assert failure.place and failure.place.line > 17
    (entry,) = entries(shop)
    assert (entry["outcome"], entry["refused"], entry["found"], entry["why"]) == ("refused", key, 0, purpose)
    assert "Mona" not in json.dumps(lake(shop).audit.entries()), "what nobody declared is not told in the open root"


def test_many_calls_tell_of_no_more_people_than_one(shop: Shop) -> None:
    everybody = ids(shop)
    ask(shop, asked(scored(shop, everybody[:30])))
    failure = refused(shop, asked(scored(shop, everybody[30:60]), name="b.csv"), PrivacyRefusal, "G005")
    assert failure.given.startswith("30 since 2026-01-30")
    # the same people again, in another file, are no more people
    again = ask(shop, asked(scored(shop, everybody[29::-1]), "audit", "c.csv"))
    assert again.found == 30 and recent(load(shop.root), NOW) == (2, 30)
    ask(shop, asked(scored(shop, everybody[30:50]), name="d.csv"))
    refused(shop, asked(scored(shop, everybody[50:51]), name="e.csv"), PrivacyRefusal, "G005", NOW + timedelta(days=29))
    # a clock that is set back forgets nothing
    refused(shop, asked(scored(shop, everybody[50:51]), name="e.csv"), PrivacyRefusal, "G005", NOW - timedelta(days=90))
    assert ask(shop, asked(scored(shop, everybody[50:51]), name="e.csv"), NOW + timedelta(days=31)).found == 1
    assert [entry["outcome"] for entry in entries(shop)].count("refused") == 3 and not broken(lake(shop))


def test_the_record_says_who_asked_for_what_and_no_value(shop: Shop) -> None:
    wanted = ids(shop)[:5]
    file = scored(shop, [*wanted, "0" * 32])
    ask(shop, asked(file))
    (entry,) = entries(shop)
    assert entry["who"] == who() and entry["host"] and entry["at"] == NOW.isoformat(timespec="seconds")
    assert (entry["why"], entry["outcome"], entry["legal_basis"]) == (PURPOSE, "given", "legitimate_interest")
    assert (entry["rows"], entry["asked"], entry["found"]) == (6, 6, 5)
    assert entry["dataset"] == ["customer_churn", 1]
    assert entry["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    stored = json.dumps([entry, *lake(shop).audit.entries()])
    found = rows(shop.root.parent / "people.csv")
    assert not any(row["email"] and row["email"] in stored for row in found)
    assert not any(one in stored for one in wanted)
    named = lake(shop).audit.entries()[-1]
    assert named["identify"] == {"entry": 1, "hash": entry["hash"], "outcome": "given"}


def test_who_asks_is_the_account_and_not_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    true = who()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody_else")
    assert who() == true


KILL = """
import os, signal, sys
from pathlib import Path
from potable.project import load
from potable.runs import handed, identified
from potable.runs.scores import _Csv
where = sys.argv[3]
if where == "before":
    handed.private = lambda target: os.kill(os.getpid(), signal.SIGKILL)
else:
    written = _Csv._chunks
    def chunks(self):
        yield from written(self)
        if self.wrote:
            os.kill(os.getpid(), signal.SIGKILL)
    write = _Csv.write
    def begun(self, *given):
        self.wrote = True
        write(self, *given)
    _Csv.wrote, _Csv._chunks, _Csv.write = False, chunks, begun
file = Path(sys.argv[2])
identified.identify(load(Path(sys.argv[1])), identified.Asked(file, "retention calls", file.parent / "people.csv"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["before", "amid"])
def test_a_call_that_is_killed_is_recorded_and_leaves_nothing(shop: Shop, where: str) -> None:
    file = scored(shop, ids(shop)[:5])
    before = sorted(file.parent.iterdir())
    ended = subprocess.run([sys.executable, "-c", KILL, str(shop.root), str(file), where], timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert [(entry["outcome"], entry["found"]) for entry in entries(shop)] == [("given", 5)]
    assert sorted(file.parent.iterdir()) == before and not broken(lake(shop))


def test_a_record_that_cannot_be_written_keeps_everybody_unknown(shop: Shop) -> None:
    # a file in the place of the folder, which root could not write either
    (shop.root / "lake/restricted/audit").write_text("")
    refused(shop, asked(scored(shop, ids(shop)[:5])), EnvironmentFailure, "E004")


def calls(shop: Shop, number: int) -> Path:
    for turn in range(number):
        ask(shop, asked(scored(shop, ids(shop)[turn : turn + 1]), name=f"{turn}.csv"))
    return shop.root / "lake/restricted/audit"


@pytest.mark.parametrize("harm", ["changed", "removed", "cut", "all", "inserted"])
def test_a_record_that_was_tampered_with_is_noticed(shop: Shop, harm: str) -> None:
    folder = calls(shop, 3)
    entry = folder / "00000002.json"
    if harm == "changed":
        entry.write_text(entry.read_text().replace('"found":1', '"found":0'))
    elif harm == "removed":
        entry.unlink()
    elif harm == "cut":
        (folder / "00000003.json").unlink()
    elif harm == "all":
        shutil.rmtree(folder)
    else:
        (folder / "00000004.json").write_text(entry.read_text())
    told = shop.call("identify", "--log", code=4)
    assert "error[G006]" in told
    assert re.search("bad +the record of who was told who people are", shop.call("doctor", code=3))
    if harm in ("changed", "removed", "inserted"):
        refused(shop, asked(scored(shop, ids(shop)[:1]), name="new.csv"), PrivacyRefusal, "G006")


def test_the_log_shows_every_call_and_metrics_and_report_count_them(shop: Shop) -> None:
    assert "nobody was told who people are" in shop.call("identify", "--log")
    scored(shop, ids(shop)[:5])
    out = ["--purpose", PURPOSE, "--out", str(shop.root.parent / "people.csv")]
    told = shop.call("identify", str(shop.root.parent / "scores.csv"), *out)
    assert told.startswith("5 rows with crm.customers.customer_id, email: ") and "@" not in told
    shop.call("identify", str(shop.root.parent / "scores.csv"), *out, code=3)
    shop.call(
        "identify", str(shop.root.parent / "scores.csv"), "--purpose", "x", "--out", str(shop.root / "p.csv"), code=4
    )
    log = shop.call("identify", "--log")
    assert re.search(rf"{PURPOSE} +told +5 +5\n", log) and re.search(r"x +refused \(purposes\) +– +0\n", log)
    assert "5 people within 30d, of 50 allowed" in log
    facts = json.loads(shop.call("identify", "--log", "-o", "json"))
    assert (facts["calls"], facts["people"], len(facts["entries"])) == (1, 5, 2)
    project = load(shop.root)
    gauges = {name: value for name, _, value in samples(project, standing(project))}
    assert (gauges["potable_identify_calls"], gauges["potable_identified_people"]) == (1, 5)
    assert shop.run().privacy.identified == 5


def test_to_allow_it_publishes_nothing_anew(shop: Shop) -> None:
    assert shop.run().outcome == "nothing new"


def test_with_the_open_root_alone_nobody_is_identified(shop: Shop) -> None:
    file = scored(shop, ids(shop)[:5])
    for root in ("vault", "lake/restricted"):
        (shop.root / root).rename(shop.root / "away")
        failure = refused(shop, asked(file), EnvironmentFailure, "E008")
        assert "restricted root and the vault" in failure.hint and not (shop.root / root).exists()
        (shop.root / "away").rename(shop.root / root)
    key = shop.root / "vault/keys/pseudonym.json"
    key.unlink()
    assert "no key" in refused(shop, asked(file), EnvironmentFailure, "E008").problem


def test_the_file_is_new_and_not_in_the_open_root(shop: Shop) -> None:
    file = scored(shop, ids(shop)[:5])
    link = shop.root.parent / "innocent"
    link.symlink_to(shop.root / "lake/open/datasets")
    for place in (shop.root / "lake/open", link):
        refused(shop, Asked(file, PURPOSE, place / "people.csv"), PrivacyRefusal, "G005")
    with pytest.raises(EnvironmentFailure, match="E002"):
        ask(shop, Asked(file, PURPOSE, file))
    refused(shop, Asked(file, PURPOSE, file.parent / "nowhere/people.csv"), EnvironmentFailure, "E004")


def test_a_file_system_without_nameless_files_or_links_does_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*given: object, **options: object) -> None:
        raise PermissionError

    monkeypatch.setattr(handed, "_nameless", lambda folder: None)
    for name in ("a.csv", "b.csv"):
        ask(shop, asked(scored(shop, ids(shop)[:5]), name=name))
        assert stat.S_IMODE((shop.root.parent / name).stat().st_mode) == 0o600
        monkeypatch.setattr(os, "link", none)
    assert not [path for path in shop.root.parent.iterdir() if path.name.startswith(".")]


def test_ids_that_nobody_is_known_by_stay_empty_and_are_counted(shop: Shop) -> None:
    file = scored(shop, [ids(shop)[0], "f" * 32, "", "x"])
    told = ask(shop, asked(file))
    assert (told.rows, told.asked, told.found) == (4, 3, 1)
    assert [bool(row["email"]) for row in rows(file.parent / "people.csv")] == [True, False, False, False]


def test_ids_of_another_vault_epoch_or_column_are_told_apart(shop: Shop) -> None:
    wanted = ids(shop)[:5]
    assert "another vault" in refused(shop, asked(scored(shop, ["e" * 32])), DataError, "D011").hint
    assert "no subject ids" in refused(shop, asked(scored(shop, ["e", "f"])), DataError, "D011").problem
    path = shop.root / "privacy.yaml"
    path.write_text("epoch: 3\n" + path.read_text())
    assert (
        "ids of epoch 1, and privacy.yaml says 3"
        in refused(shop, asked(scored(shop, wanted)), DataError, "D011").problem
    )
    assert [entry["outcome"] for entry in entries(shop)] == ["unknown"] * 3
    assert recent(load(shop.root), NOW) == (0, 0)


TEXTS: list[tuple[bytes, bytes]] = [
    (b"customer_id,score\n{},1\n", b"customer_id,score{}\n{},1{}\n"),
    (b"\xef\xbb\xbfscore;customer_id\r\n1;{}\r\n", b"\xef\xbb\xbfscore;customer_id{}\r\n1;{}{}\r\n"),
    (b'"customer_id"\t"say ""so"""\n" {} "\t"a\nb"', b'"customer_id"\t"say ""so"""{}\n" {} "\t"a\nb"{}\n'),
    (b"customer_id,score\n\n{},007\n\n", b"customer_id,score{}\n\n{},007{}\n\n"),
]


@pytest.mark.parametrize(("text", "wanted"), TEXTS)
def test_a_csv_keeps_every_byte_it_has(shop: Shop, text: bytes, wanted: bytes) -> None:
    declare(shop, DECLARED.replace("crm.customers.customer_id, ", ""))
    one = ids(shop)[0]
    file = shop.root.parent / "scores.csv"
    file.write_bytes(text.replace(b"{}", one.upper().encode()))
    ask(shop, asked(file))
    mails = customers(shop)
    subjects, named = subject_of_key(load(shop.root)), pseudonym_of_subject(load(shop.root))
    (mail,) = [mails[number] for number in mails if named.get(subjects["customer_id", number]) == one]
    sign = b";" if b";" in text else b"\t" if b"\t" in text else b","
    parts = (sign + b"email", one.upper().encode(), sign + mail.encode())
    expected = wanted
    for part in parts:
        expected = expected.replace(b"{}", part, 1)
    assert (file.parent / "people.csv").read_bytes() == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "no column"),
        (b"customer,score\na,1\n", "no column `customer_id`"),
        (b"customer_id,score\na,1,2\n", "is no table"),
        (b'customer_id,score\n"a,1\n', "is no CSV"),
        (b"customer_id,score\n\xff,1\n", "is no UTF-8"),
        (b"customer_id,customer_id\na,1\n", "several columns"),
        (b"customer_id,email,crm.customers.email,crm.customers.customer_id\na,1,2,3\n", "already"),
        (b"PAR1", "is no Parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(shop: Shop, text: bytes, told: str) -> None:
    file = shop.root.parent / "scores.csv"
    file.write_bytes(text)
    assert told in refused(shop, asked(file), DataError, "D011").problem


def test_a_file_that_changes_while_it_is_read_is_not_written(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    file = scored(shop, ids(shop)[:2])
    opened = handed.private

    def meanwhile(target: Path) -> Any:
        file.write_text(file.read_text().replace("0.0001", "0.0009"))
        return opened(target)

    monkeypatch.setattr(handed, "private", meanwhile)
    refused(shop, asked(file), DataError, "D011")


def test_ids_may_stand_in_any_column_of_a_parquet_file(shop: Shop) -> None:
    wanted = ids(shop)[:3]
    file = shop.root.parent / "scores.parquet"
    table = pa.table({"score": [0.1, 0.2, 0.3, 0.4], "who": pa.array([*wanted, None]).dictionary_encode()})
    pq.write_table(table, file)
    refused(shop, Asked(file, PURPOSE, file.parent / "people.parquet"), DataError, "D011")
    ask(shop, Asked(file, PURPOSE, file.parent / "people.parquet", "who"))
    found = pq.read_table(file.parent / "people.parquet")
    assert found.select(["score", "who"]).equals(table) and found["email"].null_count == 1


def test_who_is_gone_from_the_roster_is_not_found(shop: Shop) -> None:
    wanted = ids(shop)
    subjects, named = subject_of_key(load(shop.root)), pseudonym_of_subject(load(shop.root))
    exported = shop.root / "data/customers.csv"
    lines = exported.read_text().splitlines()
    gone = next(line for line in lines[1:] if named.get(subjects["customer_id", line.split(",")[0]]) == wanted[0])
    exported.write_text("\n".join(line for line in lines if line != gone) + "\n")
    assert ask(shop, asked(scored(shop, wanted[:2]), name="a.csv")).found == 2, "until a run has read it"
    shop.run()
    told = ask(shop, asked(scored(shop, wanted[:2]), name="b.csv"))
    assert told.found == 1 and [bool(row["email"]) for row in rows(shop.root.parent / "b.csv")] == [False, True]


def test_what_is_told_is_of_the_last_run_that_found_out_who_is_who(shop: Shop) -> None:
    wanted, before = ids(shop)[:9], customers(shop)
    ask(shop, asked(scored(shop, wanted), name="a.csv"))
    numbers = {row["customer_id"]: row["crm.customers.customer_id"] for row in rows(shop.root.parent / "a.csv")}
    first, second = numbers[wanted[0]], numbers[wanted[1]]
    exported = shop.root / "data/customers.csv"
    text = exported.read_text().replace(before[first], "new.address@mail.example")
    # two customers turn out to be one: they have the same address
    exported.write_text(text.replace(before[second], before[numbers[wanted[2]]]))
    ask(shop, asked(scored(shop, wanted[:1]), name="b.csv"))
    assert rows(shop.root.parent / "b.csv")[0]["email"] == before[first]
    # which of their ages is to count nobody says, so no version is built; but who they are is known
    assert "two people share a key" in shop.call("run", code=1)
    told = ask(shop, asked(scored(shop, wanted), name="c.csv"))
    found = {row["customer_id"]: row["email"] for row in rows(shop.root.parent / "c.csv")}
    assert found[wanted[0]] == "new.address@mail.example"
    assert (told.found, told.several) == (8, 1)
    assert sorted(bool(found[one]) for one in wanted[1:3]) == [False, True], "one of both pseudonyms is theirs now"


def test_where_all_is_again_as_it_was_who_is_who_is_too(shop: Shop) -> None:
    wanted, data = ids(shop)[:3], shop.root / "data/customers.csv"
    ask(shop, asked(scored(shop, wanted)))
    before = (shop.root.parent / "people.csv").read_bytes()
    right = data.read_text()
    first, *others = right.splitlines(keepends=True)
    mails = [line.split(",")[3] for line in others]
    # an export in which everybody has somebody else's address, and the right one again
    turned = [line.replace(mail, other) for line, mail, other in zip(others, mails, mails[1:] + mails[:1], strict=True)]
    data.write_text("".join([first, *turned]))
    assert shop.run().exit_code == 0
    data.write_text(right)
    assert shop.run().exit_code == 0
    ask(shop, asked(scored(shop, wanted, "again.csv"), name="again-people.csv"))
    assert (shop.root.parent / "again-people.csv").read_bytes() == before


def test_a_column_that_was_not_validated_yet_is_told_before_anything_is_recorded(shop: Shop) -> None:
    shop.edit(
        "sources/crm.yaml",
        "      birth_date:",
        "      mobile:  {type: string, category: user.contact.phone_number}\n      birth_date:",
    )
    declare(shop, DECLARED.replace("customers.email", "customers.mobile"))
    failure = refused(shop, asked(scored(shop, ids(shop)[:2])), EnvironmentFailure, "E008")
    assert "contract of today" in failure.problem and not entries(shop)


def test_many_rows_are_told_in_their_order(shop: Shop) -> None:
    wanted = ids(shop)[:20]
    file = shop.root.parent / "scores.csv"
    with file.open("w") as out:
        out.write("customer_id,score\n")
        out.writelines(f"{wanted[at * 7 % 20]},{at}\n" for at in range(100_000))
    told = ask(shop, asked(file))
    assert (told.rows, told.asked, told.found) == (100_000, 20, 20)
    mail: dict[str, set[str]] = {}
    for at, row in enumerate(rows(file.parent / "people.csv")):
        assert row["score"] == str(at)
        mail.setdefault(row["customer_id"], set()).add(row["email"])
    assert len(mail) == 20 and all(len(found) == 1 for found in mail.values())


def test_the_lake_may_lie_in_a_bucket(shop: Shop, object_store: str, tmp_path: Path) -> None:
    path, url = shop.root / "potable.yaml", f"{object_store}/identify"
    for place in ("lake/restricted", "lake/open", "vault"):
        copied(shop.root / place, f"{url}/{place.removeprefix('lake/')}")
    shutil.rmtree(shop.root / "lake")
    shutil.rmtree(shop.root / "vault")
    kept = [line for line in path.read_text().splitlines() if not line.startswith(("lake:", "vault:"))]
    path.write_text(
        "\n".join([*kept, f"lake: {{restricted: {url}/restricted, open: {url}/open}}", f"vault: {url}/vault", ""])
    )
    found = lake(shop).open
    scores = pq.read_table(io.BytesIO(found.get(shop.version("customer_churn").files["parquet"])))["customer_id"]
    told = ask(shop, asked(scored(shop, scores.to_pylist()[:9])))
    assert told.found == 9 and lake(shop).restricted.list("audit") == ["audit/00000001.json"]
    assert not (shop.root / "lake").exists() and not broken(lake(shop))


def test_the_ways_to_ask_are_told(shop: Shop) -> None:
    scored(shop, ids(shop)[:2])
    assert "name the FILE" in shop.call("identify", code=2)
    assert "--log goes alone" in shop.call("identify", "--log", "--purpose", "x", code=2)
    out = ("--purpose", PURPOSE, "--out", "people.parquet")
    assert "in the form they have" in shop.call("identify", str(shop.root.parent / "scores.csv"), *out, code=2)


@pytest.fixture
def bench(published: Bench) -> Bench:
    columns = "hrms.people.emp_no, hrms.people.work_email, hrms.people.last_name"
    path = published.root / "privacy.yaml"
    path.write_text(f"{path.read_text()}\nidentify: {{columns: [{columns}], purposes: [talks], most: 5000}}\n")
    return published


def test_everybody_of_the_estate_is_led_back_to_by_the_truth(bench: Bench, tmp_path: Path) -> None:
    """Whom the truth says a number, an address and a label belong to."""
    project, company = bench.project(), bench.company
    table = bench.table()
    scores = tmp_path / "scores.parquet"
    pq.write_table(table.select(["employee_id"]).append_column("score", pa.array(range(table.num_rows))), scores)
    told = identify(project, Asked(scores, "talks", tmp_path / "people.parquet"))
    assert told.found == told.asked == told.rows == table.num_rows and told.several > 0
    people = pq.read_table(tmp_path / "people.parquet")
    assert people["score"].to_pylist() == list(range(table.num_rows))
    truth = company.truth("people").to_pylist()
    by_number = {number: person["person_id"] for person in truth for number in person["emp_nos"]}
    by_id = {person["person_id"]: person for person in truth}
    whose = [by_number[re.sub("[^A-Z0-9]", "", number.upper())] for number in people["emp_no"].to_pylist()]
    assert len(set(whose)) == len(whose), "each person once"
    # who somebody is by their address must be who they are by their number
    for person, mail, last in zip(
        whose, people["work_email"].to_pylist(), people["last_name"].to_pylist(), strict=True
    ):
        assert mail is None or mail.lower() in by_id[person]["emails"]
        assert last is None or last in by_id[person]["last_names"]
    # the label of a row is what happened to them
    left = {row["person_id"] for row in company.truth("exits").to_pylist() if row["kind"] == "voluntary"}
    assert {
        person for person, label in zip(whose, table["attrition"].to_pylist(), strict=True) if label == "Left"
    } <= left
    # and the pseudonym must be theirs: the ledger holds who it is of, and the vault's own table of pseudonyms knows it
    subjects = subject_of_key(project)
    named = pseudonym_of_subject(project)
    for one, number in zip(people["employee_id"].to_pylist(), people["emp_no"].to_pylist(), strict=True):
        assert named[subjects["emp_no", re.sub("[^A-Z0-9]", "", number.upper())]] == one


def subject_of_key(project: Project) -> dict[tuple[str, str], str]:
    vault = project.lake().vault
    newest = json.loads(vault.get(vault.list("ledger")[-1]))
    found = pa.concat_tables([pq.read_table(vault.locate(file["path"])) for file in newest["files"]["keys"]])
    return {(row["namespace"], row["value"]): row["subject"] for row in found.to_pylist()}


def pseudonym_of_subject(project: Project) -> dict[str, str]:
    vault = project.lake().vault
    files = [path for path in vault.list("vault/pseudonyms") if path.endswith(".parquet")]
    found = pa.concat_tables([pq.read_table(vault.locate(path)) for path in files])
    return {row["subject"]: row["pseudonym"] for row in found.to_pylist()}
