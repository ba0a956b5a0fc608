"""Words that stand in headings of tables everywhere, and so tell of nobody.

A name nobody declared may be a person's (`Erika Mustermann` as the key of an object, the first record of a file
without a header), and looks as a heading does (`Cost Center`). So what may be read is what is known, and everything
else may tell of somebody. Entry: `familiar` for the words of a text, `tells_nobody` for all of it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator

_RUN = re.compile(r"[^\W\d_]+")
_HUMP = re.compile(r"[^\W\d_]+?(?=[A-ZÀ-Þ][a-zß-ÿ]|(?<=[a-zß-ÿ])[A-ZÀ-Þ]|$)")
_TELLING = re.compile(r"[^/]@|\d{5}|(?:\d\D{0,3}){9}|\d\.\d+\.\d+\.\d")
"""An address, where no attribute's path has its sign (`@id`, `fee/@currency`), a number longer than a year, in groups
longer than a date, or of a machine."""
_HALF = 3
"""Letters of a word that may stand in another without a sign between; of a few, two do."""
_SHORT = ("id", "no", "nr")
_LONGEST = 100
"""Letters in a row of a heading; data may have a book as the name of a column."""


def familiar(text: str, own: Container[str] = frozenset()) -> frozenset[str]:
    """The runs of letters in `text` that tell of nobody; those that are also names of people only beside others.

    Args:
        own: further words that are known, as `words` gives them.
    """
    runs = _RUN.findall(text)
    sure = frozenset(run for run in runs if all(_sure(word, own) for word in _words(run)))
    known = frozenset(run for run in runs if all(word in DOUBTFUL or _sure(word, own) for word in _words(run)))
    return known if sure and known.issuperset(runs) else sure


def tells_nobody(text: str, own: Container[str] = frozenset()) -> bool:
    """Whether every word of `text` is familiar, and there is no address or number of somebody in it."""
    return not _TELLING.search(text) and familiar(text, own).issuperset(_RUN.findall(text))


def words(texts: Iterable[str]) -> frozenset[str]:
    """The words of texts that somebody declared; single letters are none."""
    return frozenset(word for text in texts for run in _RUN.findall(text) for word in _words(run) if len(word) > 1)


def _words(run: str) -> Iterator[str]:
    """The words of a run of letters: `costCenter` has two; of a very long one nobody knows any."""
    found = _HUMP.findall(run) if len(run) <= _LONGEST else [run]
    return (word.casefold() for word in found)


def _sure(word: str, own: Container[str]) -> bool:
    if word in CERTAIN or word in own:
        return True
    return len(word) <= _LONGEST and any(
        word[:end] in CERTAIN and word[end:] in CERTAIN and (len(word) - end >= _HALF or word[end:] in _SHORT)
        for end in range(_HALF, len(word) - 1)
    )


_DOUBTFUL = """
    and april art at august bank banks best bill black bond branch brand brown by carrier case cash cell child cross
    day delta dollar ende faith field fields firma floor for from geo grace grade grant green gross grund h hall
    holiday hope in is job joy june key kind kunde land lane lat law link linkage list lng loan lohn lon long low
    mac main major march mark max may merchant meta miles min minor mode new not of on or ort page pais park per
    post pound preis price q rank rich rose row sales schicht self short single small stelle stock street stunde
    summit swift the to town trace trust ward werk wert white will worth yes young ziel
"""
_CERTAIN = """
    abschluss absence absences absent abteilung abteilungen abzug abzüge access accident accidents account
    accounting accounts accrual accrued activated active activities activity actual added additional address
    addresses adjustment admin administration adresse after age agent agents ages agreement aktiv allowance
    allowances alter alternate alternative altitude amount amounts analysis angelegt annee annual annualised
    annualized annually année ano anonymous anrede anschrift answer answers anteil anzahl apellido apellidos app
    applicant applicants application applications appraisal appraisals apprentice approved approver arbeitszeit
    archived area array arrears article articles asset assets assigned assignee assignment assignments attachment
    attachments attempt attempts attendance attendee attribute attributes attrition aud auftrag ausbildung austritt
    austrittsdatum author auto automatic average avg award awards año background backup balance band bands base
    basic basis batch before befristet befristung began begin beginn beitrag beiträge bemerkung bemerkungen
    beneficiary benefit benefits bereich bereiche beruf beschreibung bestellung betrag betrieb beurteilung bewertung
    bezeichnung bic birth board body bonus bonuses born brl browser brut brutto budget budgets building business cad
    calculated calendar campaign campaigns canceled cancelled candidate candidates cantidad caption career carryover
    cases categories category cause cd center centre certificate certificates certification certifications change
    changed changes channel charge charges chart checklist checksum chf children churn citizen citizenship city
    ciudad claim claims class classes clean client clients closed closing cluster cny code codes coefficient cohort
    column columns comentario comment commentaire comments commission commute commuting companies company
    compensation competencies competency complaint complaints completed compliance computed confidence confidential
    confirmed conge congé congés contact contacts content contract contractor contractors contracts contractual
    contrat contrato contribution contributions coordinates copy corporate correo cost costcenter costs count
    countries country counts courriel course courses coverage create created creation credit critical currencies
    currency current custom customer customers czk dashboard data database dataset date dates datetime datum dauer
    days deadline debit debut december deductible deduction deductions default degree degrees delete deleted
    deliveries delivery demo demotion departamento departement department departments dependent dependents
    deprecated dept depth derived desc description desk destination detail details development device devices diff
    difference digest diploma direccion dirección director directors disability disabled disciplinary discount
    distance district division divisions dkk dob document documents double draft dt due duracion duración duration
    duree durée début département earliest earnings education effective einheit eintritt eintrittsdatum element
    elevation eligibility eligible email emergency emp employee employees employer employment empresa enabled
    encoding end ended ends engagement engineering enrolled enrollee enrollment enrolment enterprise entitlement
    entity entries entry environment equipe equipment equipo equity ergebnis error errors erste erstellt erster
    erstes escalation estado estimated ethnicity eur evaluation evening event events exam example exams executive
    exit exits expected expense expenses expiration expired expires expiry exported external extra extracted factor
    failed false familienstand family fax february fecha fee feedback fees fehlzeit fehlzeiten file filename files
    filiale fin final finance financial finish first firstname fiscal flag flags fmla folder forecast forename
    format formation fourth fte full fullname fulltime function functions funktion fy gbp geaendert geburtsdatum
    geburtsname geburtsort gehalt gehälter gelöscht gender general genero geography gesamt geschlecht gesellschaft
    geändert given global goal goals government grades grants group groups growth gruppe gueltig guid género gültig
    half hash hausnummer headcount header heading health height heure heures high hire hired hires hiring hkd
    holidays homepage honorific horas host hostname hour hourly hours hoursworked household hrbp href huf human
    hybrid iban id identification identifier identity ids idx image importe imported inactive inaktiv incident
    incidents income increase increment index indicator individual info information inicio initial initials injury
    inr inserted instance instructor insurance intern internal international interns interview interviewer
    interviews inventory invoice invoices ip issue issues item items jahr jahre january jobs jobtitle jour journal
    jpy july kategorie kennung kennzeichen keys klasse kommentar konfession konto kontonummer kosten kostenstelle
    kostenstellen kpi krankheit krankheitstage krw kuendigung kunden kundennummer kurs kündigung label labels
    language languages large last lastname latest latitude lead learning leave leaver leavers leaving ledger legal
    leistung length lesson letzte letzter letztes level levels libelle libellé licence license lieferant likelihood
    limit limits line lines lists loaded local location locations log login logins logistics logs longitude loss
    loyalty lunch löhne mail managed management manager managers mandatory manual manufacturer map margin marital
    marker marketing marriage matricule maximum meal mean measure median medical medium member members menge
    merchants mes message metadata metric metrics middle middlename minimum minute minutes misc miscellaneous
    mitarbeiter mitarbeiterin mobile mobility model models modification modified module modules mois monat monate
    montant month monthly months mood morning motif motivo mtd mth multiple mxn na nachname nacimiento naissance
    name names national nationality nationalität nbr net netto network next nickname niederlassung night niveau no
    node nok nom nombre none normalised normalized note notes notice notiz november nr null num number numbers
    numero nummer numéro nzd número object objective objectives objects obsolete occupation october offboarding
    offer offers office offices offline old onboarding online open opened opening operational operations opportunity
    option optional options order orders ordinal org organisation organization organizational origin original other
    others overtime overview owner owners package packages paid parameter parameters parent parking part partner
    partners parttime passed passport password path pay payable paygrade payload payment payments payroll pays
    payscale payslip payslips país pct pending pension people percent percentage performance period periods
    permanent permission permissions permit person personal personalnummer personen personnel persons phase phone
    photo picture pipeline place plan planned plans platform pln plz points policies policy position postal postcode
    poste posting postleitzahl potential praemie precio prediction prefix premium prenom prev previous prices
    primary prime priority private prix probability probation processed procurement product production products
    profession profit project projects promoted promotion promotions properties property provider providers province
    prozent prämie prénom public publication published publisher puesto purchase purchases qtr qty qualification
    qualifications quality quantite quantity quantité quarter quarterly quarters quelle question questions quote
    rabatt race raise rate rates rating ratings ratio raw reason reasons received rechnung recognition record
    recorded records recruiter ref reference referral referrals refs region regional regions rehire rehired
    reimbursement rejected religion relocation remaining remark remarks remote removed rente report reported reports
    request requests required requisition research resignation resolution resource resources respondent responsable
    response responses restricted result results retirement retro retry revenue revenues review reviewer reviewers
    reviews reward risk role roles rolle room root roster rows run runs safety salaire salaries salario salary
    salutation sample satisfaction schedule scheduled schema schluessel schlüssel school schulung schulungen score
    scores screening seasonal second secondary seconds section security segment segments sek semester seniority
    sensitive sent sentiment september seq sequence serial server service services session sessions set severity sex
    sexe sgd share shares shift shifts shipment shipping shop sick sickness signature signed since site sites size
    skill skills sku social societe société source sources special sprache staatsangehörigkeit stadt staff staffing
    stage standard standort standorte start started starts state statistics stats status statut stellen step steps
    steuern store stores strasse stufe stunden subcategory subdepartment subgroup subject submitted subscription
    subscriptions subtotal succession suffix sum summary summe supervisor supplement supplier suppliers support
    surname survey surveys suspended synced system systems table tables taetigkeit tag tags taken talent target tasa
    task tasks taux tax taxable taxes team teams technical technology teilzeit telefon telefonnummer telefono
    telephone telework teléfono temp temporary tenant tenure term terminated termination territory test text texts
    third threshold ticket tickets tier time times timestamp timezone titel title titles token topic total totals
    tracking trainee training trainings transaction transactions transfer transfers travel trend ts turnover typ
    type types tätigkeit téléphone ueberstunden uhrzeit uid umsatz unit units university unknown unternehmen until
    update updated urgency uri url urlaub urlaubstage ursache usd used user username users uuid vacancies vacancy
    vacation valid validity value values variance vehicle vendor vendors verified versicherung version versions
    vertrag vertragsart verträge vesting visa vollzeit volume volunteer vorgesetzter vorname waehrung wage wages
    warehouse warning warnings website week weekday weekend weekends weekly weeks weight werte width with without
    woche wochen work workday workdays worked worker workers workforce working workload workplace workstation
    währung year yearly years yr ytd zar zeit zielerreichung zip zone zulage zuschlag zustand équipe überstunden
"""
DOUBTFUL = frozenset(_DOUBTFUL.split())
"""Words of headings that are names of people too, or say nothing alone."""
CERTAIN = frozenset(_CERTAIN.split())
"""Words of headings, in lower case; none is a common name of people, nor are two of them together."""
