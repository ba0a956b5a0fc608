"""The tables of a large company as typed Parquet, made in whole columns by DuckDB: for `largest.py`, and only for that.

What decides the size of a query is as in the reference company: how many rows, people, keys, identifiers and distinct
texts there are, in what order rows stand, and how wide they are. What does not is left out: systems, files, most
comments, and the smaller tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

MONTHS = 240
LEDGER = "ledger"
_TYPES = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "date32[day]": "DATE",
    "timestamp[us]": "TIMESTAMP",
    "bool": "BOOLEAN",
}

_PEOPLE = """
CREATE MACRO drawn(of_, salt, n) AS (hash(of_, salt) % n)::BIGINT;
CREATE MACRO one(words, number) AS words[number % len(words) + 1];
CREATE MACRO day(month, of_month) AS (DATE '2006-01-01' + to_months(month::INTEGER))::DATE + of_month::INTEGER - 1;
CREATE TABLE drawn_people AS
    SELECT p, 'E' || lpad((10000 + p)::VARCHAR, 7, '0') AS emp_no, drawn(p, 1, 97) + 12 AS months,
        one($given, drawn(p, 2, 10000)) AS first_name, one($family, drawn(p, 3, 10000)) AS surname,
        if(p % 9 = 0, surname || '-' || one($family, drawn(p, 4, 10000)), surname) AS last_name,
        (200000000000 + p * 1000003)::VARCHAR AS national_id, drawn(p, 5, 10000) AS luck, drawn(p, 6, 800000) AS pay
    FROM range($people) AS them(p);
CREATE TABLE people AS
    SELECT *, first_name || ' ' || last_name AS name, drawn(p, 7, 241 - months) AS first,
        regexp_replace(strip_accents(lower(first_name || '.' || last_name)), '[^a-z.]', '', 'g') || p AS mailbox
    FROM drawn_people;
CREATE MACRO employed(after, until) AS TABLE
    SELECT *, (hash(p * 240 + m) >> 1)::BIGINT AS h
    FROM people, range(after, until) AS month(m) WHERE m >= first AND m < first + months
"""
_TABLES = {
    "hrms.people": """
        SELECT p + 1 AS row_id, emp_no, first_name, last_name, mailbox || '@gmail.example' AS personal_email,
            mailbox || '@northwind.example' AS work_email, '0' || (7000000000 + p * 4001)::VARCHAR AS phone,
            luck % 300 + 1 || ' ' || one($streets, pay) AS street, one($cities, luck) AS city,
            (10000 + pay % 80000)::VARCHAR AS postcode, 'DE' AS country,
            DATE '1950-01-01' + (pay % 18000)::INTEGER AS birth_date, one(['Female', 'Male'], luck) AS gender,
            one(['Single', 'Married', 'Divorced'], luck) AS marital_status, luck % 4 AS dependents, national_id,
            one(['High School', 'Associate Degree', 'Bachelor''s Degree', 'Master''s Degree'], pay) AS education_level
        FROM people""",
    "hrms.email_history": """
        SELECT emp_no, mailbox || '@' || domain AS email, day(first, 1) AS valid_from
        FROM people, (VALUES ('northwind.example', 1), ('oldcorp.example', 3)) AS mail(domain, every)
        WHERE p % every = 0""",
    "hrms.employment": """
        SELECT emp_no, day(first, 1) AS hired_on, day(first, 1)::TIMESTAMP AS recorded_at FROM people
        UNION ALL BY NAME
        SELECT emp_no, day(first, 1) AS hired_on, day(first + months, 1) AS left_on,
            day(first + months - 1, 2)::TIMESTAMP AS recorded_at
        FROM people WHERE first + months < 234""",
    "hrms.jobs": """
        SELECT p * 2 + number AS row_id, emp_no, day(first + number * (months // 2), 1) AS valid_from,
            one(['Finance', 'Technology', 'Education', 'Media'], pay) AS job_role,
            one(['Entry', 'Mid', 'Senior'], pay + number) AS job_level, 'Operations' AS department,
            one(['Small', 'Medium', 'Large'], luck) AS company_size, luck % 900 / 10 AS commute_km,
            one(['No', 'Yes'], luck) AS remote_work, valid_from::TIMESTAMP + INTERVAL 4 DAY AS recorded_at
        FROM people, range(2) AS held(number)""",
    "hrms.exits": """
        SELECT emp_no, day(first + months, 1) AS left_on, day(first + months - 1, 2)::TIMESTAMP AS recorded_at,
            one(['voluntary', 'voluntary', 'involuntary', 'retirement'], luck) AS kind
        FROM people WHERE first + months < 234""",
    # paid for 60 months on average; one in 300 is paid twice, and the pay of one in 1,000 is negative
    "payroll.payslips": """
        SELECT emp_no, national_id, name, day(m, 28) AS pay_date, day(m, 1) AS period_start,
            if(h % 1000 = 0, -1, pay + h % 99991) / 100 AS gross, 'EUR' AS currency,
            800 + (pay + m * (luck % 900)) / 100 AS gross_usd, h % 199 / 10 AS overtime_hours,
            if(h % 11 = 0, pay % 100000 / 100, 0) AS bonus, if(m < 120, NULL, 'CC-' || 100 + luck % 60) AS cost_centre,
            'payroll_' || m || '.xml.gz' AS _object, p + 1 + again * 10000000 AS _row
        FROM employed($from, $to), range(2) AS twice(again)
        WHERE again = 0 OR h % 300 = 0""",
    "reviews.ratings": """
        SELECT emp_no, name, one($given, h % 9973) || ' ' || surname AS reviewer, day(m, 2 + luck % 20) AS reviewed_on,
            one(['Low', 'Below Average', 'Average', 'High'], h % 7) AS rating,
            if(h % 4 > 0, NULL, one([
                'Strong technical skills, good judgement, and colleagues like to ask for advice.',
                name || ' took over the migration and finished it two weeks early.',
                'Agreed with ' || reviewer || ': more time for the customers, fewer meetings.',
                'File note ' || emp_no || ': target agreement signed.',
                'Could plan further ahead; ' || last_name || ' knows that and works on it.'], h % 13)) AS comment,
            if(m < 120, NULL, reviewed_on::TIMESTAMP + INTERVAL 9 DAY) AS submitted_at
        FROM employed($from, $to) WHERE m % 6 = 5""",
    "lms.trainings": """
        SELECT p * 240 + m AS training_id,
            mailbox || if(p % 3 = 0 AND m < 100, '@oldcorp.example', '@northwind.example') AS email,
            'LMS-' || 100 + h % 41 AS course, 'Data protection basics' AS title,
            one(['course', 'certificate', 'workshop'], h % 7) AS kind, h % 83 / 4 AS hours, h % 991 / 10 AS score,
            day(m, 1 + luck % 27)::TIMESTAMP + INTERVAL 9 HOUR AS completed_at,
            completed_at + INTERVAL 1 DAY AS recorded_at
        FROM employed($from, $to) WHERE m % 6 = 2""",
    # of an earlier run, which knew all but one in twenty
    LEDGER: """
        SELECT namespace, value, md5(p::VARCHAR)::UUID::VARCHAR AS subject, true AS rostered
        FROM (
            SELECT p, 'emp_no' AS namespace, emp_no AS value FROM people
            UNION ALL SELECT p, 'national_id', national_id FROM people
            UNION ALL SELECT p, 'email', mailbox || domain
            FROM people, (VALUES ('@gmail.example'), ('@northwind.example')) AS mail(domain))
        WHERE p % 20 > 0 ORDER BY namespace, value""",
}
GIVEN = tuple(name for name in _TABLES if name not in ("payroll.payslips", LEDGER))
"""Tables that count as validated."""


def make(schemas: Mapping[str, pa.Schema], folders: Mapping[str, Path], *, people: int, memory: str) -> None:
    """Write each table of a schema into its folder, which is new, as `part-<number>.parquet`.

    Args:
        schemas: what rows have, by table; a column that nothing is drawn for is null.
        folders: where the tables go.
        people: how many there are.
        memory: what DuckDB may take.
    """
    lists = _lists()
    with duckdb.connect(config={"memory_limit": memory, "preserve_insertion_order": False}) as connection:
        for statement in _PEOPLE.split(";"):
            connection.execute(statement, _named_in(statement, {**lists, "people": people}))
        with ThreadPoolExecutor() as pool:
            made = [pool.submit(_write, connection.cursor(), *part, lists) for part in _parts(schemas, folders)]
        for each in made:
            each.result()


def _parts(schemas: Mapping[str, pa.Schema], folders: Mapping[str, Path]) -> Iterator[tuple[str, pa.Schema, Path, int]]:
    """The files to write, each with the first of its months: as rows come, month after month, a year in a file."""
    for name, schema in schemas.items():
        folders[name].mkdir(parents=True)
        for year in range(MONTHS // 12 if "$from" in _TABLES[name] else 1):
            yield name, schema, folders[name] / f"part-{year}.parquet", year * 12


def _write(
    connection: Any, name: str, schema: pa.Schema, file: Path, month: int, lists: Mapping[str, list[str]]
) -> None:
    query = _TABLES[name]
    named = _named_in(query, {**lists, "from": month, "to": month + 12})
    drawn = connection.execute(f"SELECT * FROM ({query}) LIMIT 0", named).description
    there = {"_object": f"'{file.name}'", "_row": "row_number() OVER ()", "_batch": "1"}
    there |= {each[0]: each[0] for each in drawn}
    columns = ", ".join(f"CAST({there.get(each.name, 'NULL')} AS {_type(each.type)}) AS {each.name}" for each in schema)
    connection.execute(f"COPY (SELECT {columns} FROM ({query})) TO '{file}' (FORMAT parquet)", named)


def _named_in(query: str, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Those values whose names stand in a query; it takes no others."""
    return {name: value for name, value in given.items() if f"${name}" in query} or None


def _type(arrow: pa.DataType) -> str:
    return _TYPES.get(str(arrow)) or str(arrow).replace("decimal128", "DECIMAL")


def _lists() -> dict[str, list[str]]:
    """The words of which names and addresses are made."""
    from potable.estate import names

    countries = names.COUNTRIES
    return {
        "given": [word for country in countries for words in names.given_names(country) for word in words],
        "family": [word for country in countries for word in names.surnames(country)],
        "streets": [word for country in countries for word in names.words(names.STREETS[country])],
        "cities": [word for country in countries for word in names.words(names.CITIES[country])],
    }
