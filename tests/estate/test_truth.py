from collections import Counter

from potable.estate import defects


def test_every_planted_defect_occurs_somewhere(bad):
    found = {(table, reason) for table, _column, reason in bad}
    planned = {
        "payslips": defects.PAYSLIPS,
        "trainings": defects.TRAININGS,
        "reviews": defects.REVIEWS,
        "engagement": defects.ENGAGEMENT,
        "exit_interviews": defects.INTERVIEWS,
        "people": defects.PEOPLE,
        "email_history": defects.EMAIL_HISTORY,
        "employment": defects.EMPLOYMENT,
        "exits": defects.EXITS,
        "jobs": defects.JOBS,
        "promotions": defects.PROMOTIONS,
    }
    wanted = {(table, defect.reason) for table, kinds in planned.items() for defect in kinds.values()}
    assert wanted - found == set()


def test_no_row_has_two_defects_and_few_rows_have_one(estate, truth):
    rows = Counter((row["table"], row["locator"]) for row in truth("bad_rows"))
    assert [row for row, count in rows.items() if count > 1 and row[0] != "people"] == []
    assert 0.002 < len(rows) / estate.records < 0.04


def test_records_cover_every_row_of_every_table_but_payroll(truth, hrms, dumps, trainings, estate):
    counted = Counter((row["system"], row["table"]) for row in truth("records"))
    tables = ("people", "email_history", "employment", "jobs", "promotions", "exits")
    expected = {("hrms", table): len(hrms(table)) for table in tables}
    expected["lms", "trainings"] = len(trainings)
    for table in ("reviews", "engagement"):
        expected["reviews", table] = sum(len(rows) for name, rows in dumps.items() if name.startswith(table))
    expected["exit_interviews", "exit_interviews"] = len(list(estate.directory.glob("exit_interviews/*.docx")))
    assert counted == expected
    assert estate.records - sum(counted.values()) == next(s.records for s in estate.systems if s.system == "payroll")


def test_keys_lead_from_records_to_their_person(truth, hrms, dumps, trainings):
    keys = {(row["namespace"], row["value"]): row["person_id"] for row in truth("keys")}
    owner = {(row["table"], row["locator"]): row["person_id"] for row in truth("records")}
    for table in ("people", "email_history", "employment", "jobs", "promotions", "exits"):
        for row in hrms(table):
            assert owner[table, str(row["row_id"])] == keys["emp_no", row["emp_no"].strip()]
    for at, record in enumerate(trainings, 1):
        email = (record["user"]["email"] or "").strip().lower()
        assert owner["trainings", f"#{at}"] == keys.get(("email", email))
    for name, rows in dumps.items():
        for at, row in enumerate(rows, 1):
            number = next(iter(row.values())).strip().upper()
            person = owner[name.split("_")[0], f"{name}#{at}"]
            assert person == keys.get(("emp_no", number)) or number == ""


def test_offsets_point_at_the_value_in_the_text_as_written(truth, dumps, documents):
    checked = Counter()
    for row in truth("pii"):
        if row["system"] == "reviews":
            name, at = row["locator"].split("#")
            text = dumps[name][int(at) - 1][row["column"]]
        else:
            _form, text = documents[row["locator"]]
        assert text[row["start"] : row["end"]] == row["value"]
        checked[row["table"], row["kind"]] += 1
    kinds = ("full_name", "first_name", "email", "phone", "emp_no", "national_id", "address")
    assert [kind for kind in kinds if not checked["exit_interviews", kind]] == []
    assert sum(checked.values()) > 2000


def test_values_in_texts_are_identifiers_of_that_person(truth):
    known = {(row["kind"], row["value"], row["person_id"]) for row in truth("identifiers")}
    unknown = [
        row
        for row in truth("pii")
        if row["kind"] != "first_name" and (row["kind"], row["value"], row["person_id"]) not in known
    ]
    assert unknown == []


def test_no_identifier_stands_in_a_text_without_being_told(truth, dumps):
    told = {}
    for row in truth("pii"):
        told.setdefault((row["locator"], row["column"]), []).append((row["start"], row["end"]))
    sharp = [row["value"] for row in truth("identifiers") if row["kind"] in ("email", "national_id", "emp_no")]
    sharp = {value for value in sharp if len(value) >= 8}
    for name, rows in dumps.items():
        for at, record in enumerate(rows, 1):
            column = next(label for label in record if label.lower().startswith("comment"))
            spans = told.get((f"{name}#{at}", column), [])
            left = "".join(
                char for place, char in enumerate(record[column]) if not any(a <= place < b for a, b in spans)
            )
            assert not any(word.strip('.,;:()"') in sharp for word in left.split())


def test_an_address_number_or_key_belongs_to_one_person(truth):
    for namespace in ("emp_no", "email", "national_id"):
        values = [row["value"] for row in truth("keys") if row["namespace"] == namespace]
        assert len(values) == len(set(values))


def test_people_list_what_identifiers_list(truth):
    single = {(row["kind"], row["value"], row["person_id"]) for row in truth("identifiers")}
    people = truth("people")
    assert len(people) == 500
    columns = {"emp_no": "emp_nos", "email": "emails", "national_id": "national_ids", "phone": "phones"}
    for kind, column in columns.items():
        listed = {(kind, value, row["person_id"]) for row in people for value in row[column]}
        assert listed == {entry for entry in single if entry[0] == kind}
    names = Counter(row["value"] for row in truth("identifiers") if row["kind"] == "full_name")
    assert max(names.values()) > 1
