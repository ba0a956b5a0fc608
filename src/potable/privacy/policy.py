"""privacy.yaml: what protect does with each category, and what an output column needs to be published.

The most specific rule wins; a category without a rule is refused, and so is a column without a category.
A direct identifier can only be dropped or kept inside the restricted zones. Nothing here reads data.

Entry: `Policy` (the declaration) and `check` (the policy against the contracts).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from potable.declarations import Declaration, Document, Inside
from potable.errors import Place, ProjectError, did_you_mean, raise_all
from potable.privacy.called import part_of_name, snake
from potable.privacy.categories import CATEGORIES, FREE_TEXT, NONE, ancestry, is_direct
from potable.tables import Column, Duration, Table

IDENTIFY = "identify"
"""The key that says who may be told who people are. Nothing that is published depends on it."""

Protect = Literal["drop", "inside", "keep", "redact", "truncate"]
LegalBasis = Literal[
    "consent",
    "contract",
    "legal_obligation",
    "vital_interests",
    "public_task",
    "legitimate_interest",
    "dpdp_voluntary",
    "dpdp_state_benefit",
    "dpdp_state_function",
    "dpdp_legal_obligation",
    "dpdp_judgment",
    "dpdp_medical_emergency",
    "dpdp_epidemic",
    "dpdp_disaster",
    "dpdp_employment",
]
"""GDPR Art. 6(1)(a) to (f), and the legitimate uses of section 7(a) to (i) of India's DPDP Act 2023."""

LEAST = 5
"""Rows below which nothing is told apart, in cards, reports and records, where no `k` is declared."""
STAYS = frozenset({"drop", "inside"})
"""What keeps a column out of the open zones."""


class _RuleError(ProjectError, ValueError):
    """A project error that a validator may raise."""


def _category(name: str) -> str:
    if name not in CATEGORIES:
        raise _RuleError(f"`{name}` is not a privacy category", "P011", given=name, hint=did_you_mean(name, CATEGORIES))
    return name


def _duration(value: object) -> object:
    return Duration.parse(value) if isinstance(value, str) else value


Category = Annotated[str, AfterValidator(_category)]
Span = Annotated[Duration, BeforeValidator(_duration)]


class Rule(Declaration):
    """What may happen to the columns of one category."""

    protect: Protect
    """`drop` and `inside` keep it out of the open zones, `redact` is for texts, `truncate` for dates, `keep` changes
    nothing."""
    to: Literal["month", "year"] | None = None
    """What a date is truncated to."""
    publish: Literal["never", "allow"] | Annotated[list[str], Field(min_length=1)] = "never"
    """Operators of which an output column must have passed one; or `allow`, or `never`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.protect == "truncate") != (self.to is not None):
            raise ValueError("`protect: truncate` needs `to: month` or `to: year`; other rules have no `to`")
        if self.protect in STAYS and self.publish != "never":
            raise ValueError(f"a category with `protect: {self.protect}` cannot be published")
        return self

    @property
    def stays(self) -> bool:
        """Whether the column stays in the restricted zones."""
        return self.protect in STAYS


class AnonymityRule(Declaration):
    """How many rows must share their combination of quasi-identifiers."""

    columns: Annotated[list[str], Field(min_length=1)]
    """Output columns that together could single a person out."""
    k: Annotated[int, Field(ge=2)] = LEAST
    """Smallest number of rows that may share one combination."""
    below: Literal["suppress", "refuse"] = "suppress"
    """What happens to smaller groups: their columns are emptied, with every other feature made of the same source
    columns, or nothing is published."""

    @model_validator(mode="after")
    def _once(self) -> Self:
        if twice := [name for name in self.columns if self.columns.count(name) > 1]:
            raise ValueError(f"`{twice[0]}` is listed twice")
        return self


class Identify(Declaration):
    """Of whom `potable identify` may tell who they are, and to whom; without this it refuses."""

    columns: Annotated[list[str], Field(min_length=1)]
    """Columns it tells, as `source.table.column`: direct identifiers, in a table that has a key of the person."""
    purposes: Annotated[list[str], Field(min_length=1)]
    """What for. Each call names one of them."""
    most: Annotated[int, Field(ge=1)]
    """Most people it may tell `within` that time, over all calls. The same people asked for again count once."""
    within: Annotated[Span, Field(json_schema_extra={"default": "30d"})] = Duration.parse("30d")
    """The time up to now in which people are counted, such as 30d; a month counts as 31 days."""
    by: list[str] = Field(default_factory=list)
    """Accounts of the system that may call it; by default all that can read the restricted root and the vault."""
    legal_basis: LegalBasis | None = None
    """Its ground, where that is not the `legal_basis` of the dataset."""

    @model_validator(mode="after")
    def _once(self) -> Self:
        for key in ("columns", "purposes", "by"):
            names = getattr(self, key)
            if twice := [name for name in names if names.count(name) > 1]:
                raise Inside(f"`{twice[0]}` is named twice", key)
        if not self.within.days + self.within.months:
            raise Inside("a day at least", "within")
        return self

    @property
    def days(self) -> int:
        """The days in which people are counted; a month is the longest there is."""
        return self.within.days + 31 * self.within.months


class Policy(Declaration):
    """What a project does with personal data, and why it may."""

    purposes: Annotated[list[str], Field(min_length=1)]
    """What the dataset is for."""
    legal_basis: LegalBasis
    """Legal basis of the processing: GDPR Art. 6 or DPDP s. 7."""
    retention: Span
    """How long a published version is kept, such as 3y; the dataset's card says so, and `doctor` tells of older ones.
    Nothing is removed by itself: `gc --delete --keep-versions` does."""
    epoch: Annotated[int, Field(ge=1)] = 1
    """Increase it to give everybody new pseudonyms."""
    rules: Annotated[dict[Category, Rule], Field(min_length=1)]
    """What happens to each category; the most specific one wins."""
    anonymity: AnonymityRule | None = None
    """k-anonymity of the published dataset."""
    identify: Identify | None = None
    """Who may be told whom a row of the dataset is about."""

    @property
    def least(self) -> int:
        """Rows below which nothing is told apart."""
        return self.anonymity.k if self.anonymity else LEAST

    def rule_for(self, category: str) -> Rule | None:
        """The rule of `category` or of the nearest category it is part of; None refuses."""
        return next((self.rules[part] for part in ancestry(category) if part in self.rules), None)


def check(
    tables: Mapping[str, Table],
    policy: Policy | None,
    *,
    documents: Mapping[str, Document],
    policy_document: Document | None,
    operators: Collection[str],
) -> None:
    """Hold the contracts and the policy against each other.

    Args:
        tables: contracts by `source.table`.
        policy: the project's policy; without one every column must have a category all the same.
        documents: the project file of each source, for places in messages.
        policy_document: privacy.yaml, where it is written.
        operators: names of the operators that protect.

    Raises:
        ProjectError: or ProjectErrors: a column without category (P010), a category that is unknown or has no
            rule (P011), a rule that would expose an identifier or does not fit its column (P012).
    """
    errors = list(_rule_errors(policy, policy_document, operators)) if policy and policy_document else []
    errors += _identify_errors(policy.identify, policy_document, tables) if policy and policy_document else []
    for name, table in tables.items():
        source, _, short = name.partition(".")
        document = documents.get(source, Document(source, {}, {}))
        undecided = {}
        for column, declared in table.columns.items():
            key = ("tables", short, "columns", column)
            place = document.place(*key, "category") if declared.category else document.place(*key, of_key=True)
            if declared.declared_category is None:
                undecided[column] = place
            else:
                errors += _column_errors(f"{name}.{column}", declared, declared.declared_category, policy, place)
            errors += _time_errors(name, column, table, policy, place) if policy else []
        errors += [_undecided(name, undecided)] if undecided else []
    raise_all(errors)


def _rule_errors(policy: Policy, document: Document, operators: Collection[str]) -> Iterator[ProjectError]:
    for category, rule in policy.rules.items():
        place = document.place("rules", category, "protect")
        if is_direct(category) and not rule.stays:
            yield _exposed(f"`{category}`", category, place)
        named = rule.publish if isinstance(rule.publish, list) else []
        for index, operator in enumerate(named):
            if operator not in operators:
                yield ProjectError(
                    f"`{operator}` is not an operator that takes off a category",
                    "P012",
                    place=document.place("rules", category, "publish", index),
                    allowed=", ".join(sorted(operators)),
                    hint=did_you_mean(operator, operators),
                )


def _undecided(name: str, columns: Mapping[str, Place]) -> ProjectError:
    """One error for all columns of a table without a category: what to do is the same for each."""
    first, *others = columns
    problem = f"column `{name}.{first}` has no privacy category"
    if others:
        listed = ", ".join(f"`{column}` (line {place.line})" for column, place in columns.items())
        problem = f"{len(columns)} columns of `{name}` have no privacy category: {listed}"
    return ProjectError(
        problem,
        "P010",
        place=columns[first],
        hint="add `category:` with what the column is about (docs/reference/categories.md); `none` only if it says "
        "nothing about a person",
    )


def _identify_errors(
    declared: Identify | None, document: Document, tables: Mapping[str, Table]
) -> Iterator[ProjectError]:
    """Columns that no table has, or that do not say who the person is."""
    known = {f"{name}.{column}": (table, column) for name, table in tables.items() for column in table.columns}
    for index, name in enumerate(declared.columns if declared else ()):
        place = document.place(IDENTIFY, "columns", index)
        if name not in known:
            hint = did_you_mean(name, known) or "write source.table.column"
            yield ProjectError(f"`{IDENTIFY}`: no table has a column `{name}`", "P031", place=place, hint=hint)
            continue
        table, column = known[name]
        category = table.columns[column].declared_category or NONE
        if not is_direct(category):
            problem, allowed = (
                "is no direct identifier: it tells what somebody is, not who",
                "user.unique_id, user.name …",
            )
        elif table.columns[column].someone_else:
            problem, allowed = "names somebody else than the person its row is about", "columns about the person"
        elif not table.keys:
            problem, allowed = "stands in a table without a key, so nothing says whose it is", "a table with a `key`"
        else:
            continue
        yield ProjectError(f"`{IDENTIFY}`: `{name}` {problem}", "P012", place=place, given=category, allowed=allowed)


def _column_errors(
    name: str, column: Column, category: str, policy: Policy | None, place: Place
) -> Iterator[ProjectError]:
    if category not in CATEGORIES:
        yield ProjectError(
            f"column `{name}` has the unknown category `{category}`",
            "P011",
            place=place,
            hint=did_you_mean(category, CATEGORIES),
        )
    elif column.key and not is_direct(category):
        yield ProjectError(
            f"column `{name}` is a key, so its category must be a direct identifier",
            "P012",
            place=place,
            given=category,
            allowed="user.unique_id, user.contact.email, user.government_id …",
        )
    elif category == NONE and column.type == "string" and _names_people(name, column):
        yield ProjectError(
            f"column `{name}` is declared `{NONE}`, but by what it is called it holds names of people",
            "P012",
            place=place,
            allowed="user.name.first, user.name.last, or the category of what it really holds",
        )
    elif policy and (rule := policy.rule_for(category)) is None:
        yield ProjectError(
            f"column `{name}`: privacy.yaml has no rule for `{category}`",
            "P011",
            place=place,
            allowed=", ".join(policy.rules),
            next=f"add a rule for `{category}` to privacy.yaml",
        )
    elif policy and rule:
        yield from _misfits(name, column, category, rule, place)


def _names_people(name: str, column: Column) -> bool:
    """Whether by what a column is called, here or in the source, it holds first or last names of people."""
    return any(part_of_name(snake(heading)) for heading in (name.rpartition(".")[2], *column.paths("")))


def _misfits(name: str, column: Column, category: str, rule: Rule, place: Place) -> Iterator[ProjectError]:
    if is_direct(category) and not rule.stays:
        yield _exposed(f"column `{name}`", category, place)
    needed = {"redact": ("string",), "truncate": ("date", "timestamp")}.get(rule.protect, (column.type,))
    if column.type not in needed:
        yield ProjectError(
            f"column `{name}`: `protect: {rule.protect}` is only for columns of type {' or '.join(needed)}",
            "P012",
            place=place,
            given=column.type,
        )
    if category == FREE_TEXT and rule.protect == "keep":
        yield ProjectError(
            f"column `{name}`: free text cannot be kept unchanged",
            "P012",
            place=place,
            allowed="redact, drop, inside",
        )


def _time_errors(name: str, column: str, table: Table, policy: Policy, place: Place) -> Iterator[ProjectError]:
    """The times and the order of facts are carried on as they are, whatever else becomes of the column."""
    if column not in (table.time, table.known_column, table.order):
        return
    rule = policy.rule_for(table.columns[column].declared_category or NONE)
    if rule is not None and rule.protect != "keep":
        yield ProjectError(
            f"column `{name}.{column}` is a time or order column, so it must be kept unchanged",
            "P012",
            place=place,
            given=f"protect: {rule.protect}",
            allowed="a category whose rule is `protect: keep`",
        )


def _exposed(what: str, category: str, place: Place) -> ProjectError:
    return ProjectError(
        f"{what} is a direct identifier and would leave the restricted zones",
        "P012",
        place=place,
        given=category,
        allowed="protect: drop, protect: inside",
    )
