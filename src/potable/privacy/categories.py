"""The vocabulary of privacy categories: fideslang 3's `user.*` strings and the few that HR data lacks.

The strings are vendored, because fideslang's own package pins an old pydantic. Which of them name a
person directly is said here; what a project does with each is in its privacy.yaml (`potable.privacy.policy`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

FREE_TEXT = "free_text"
NONE = "none"

FIDESLANG: Mapping[str, str] = {
    "user": "anything about a person",
    "user.account": "registration of an account",
    "user.account.settings": "settings of an account",
    "user.account.username": "login name",
    "user.authorization": "rights in a system",
    "user.authorization.biometric": "biometric credentials",
    "user.authorization.biometrics": "biometric credentials",
    "user.authorization.credentials": "credentials of a system",
    "user.authorization.password": "password",
    "user.behavior": "observed behaviour",
    "user.behavior.browsing_history": "pages visited",
    "user.behavior.media_consumption": "media watched, read or heard",
    "user.behavior.purchase_history": "things bought",
    "user.behavior.search_history": "things searched for",
    "user.biometric": "bodily characteristics",
    "user.biometric.fingerprint": "fingerprint",
    "user.biometric.health": "bodily measurements",
    "user.biometric.retinal": "retina scan",
    "user.biometric.voice": "voice recording",
    "user.biometrics": "bodily characteristics",
    "user.biometrics.fingerprint": "fingerprint",
    "user.biometrics.retinal": "retina scan",
    "user.biometrics.voice": "voice recording",
    "user.children": "about children",
    "user.children.children_under_thirteen": "about children under 13",
    "user.children.thirteen_to_sixteen": "about children of 13 to 16",
    "user.childrens": "about children",
    "user.contact": "ways to reach the person",
    "user.contact.address": "postal address",
    "user.contact.address.city": "city of residence",
    "user.contact.address.country": "country of residence",
    "user.contact.address.mailing_address": "address for letters",
    "user.contact.address.postal_code": "postal code of residence",
    "user.contact.address.state": "state of residence",
    "user.contact.address.street": "street and house number",
    "user.contact.email": "e-mail address",
    "user.contact.fax_number": "fax number",
    "user.contact.organization": "organisation the person is reached at",
    "user.contact.phone_number": "telephone number",
    "user.contact.social_url": "personal page or profile",
    "user.contact.url": "personal page or profile",
    "user.content": "things the person made",
    "user.content.private": "things the person made, not public",
    "user.content.public": "things the person made, public",
    "user.content.self_image": "picture of the person",
    "user.criminal_history": "criminal record",
    "user.demographic": "demographic facts",
    "user.demographic.age_range": "age or age band",
    "user.demographic.citizenship_or_immigration_status": "citizenship or residence status",
    "user.demographic.date_of_birth": "date of birth",
    "user.demographic.gender": "gender",
    "user.demographic.language": "language spoken",
    "user.demographic.marital_status": "marital status",
    "user.demographic.philosophical_belief": "world view",
    "user.demographic.political_opinion": "political opinion",
    "user.demographic.profile": "interests and preferences",
    "user.demographic.protected_classifications": "attributes protected by law",
    "user.demographic.race_ethnicity": "race or ethnicity",
    "user.demographic.religious_belief": "religion",
    "user.demographic.sexual_orientation": "sexual orientation",
    "user.demographic.union_membership": "membership of a union",
    "user.device": "a device and its settings",
    "user.device.cookie": "content of a cookie",
    "user.device.cookie_id": "number of a cookie",
    "user.device.device_id": "number of a device",
    "user.device.ip_address": "internet address",
    "user.device.sensor": "readings of a device",
    "user.device.telemetry": "measurements of a device",
    "user.financial": "money matters",
    "user.financial.bank_account": "bank account",
    "user.financial.credit_card": "payment card",
    "user.government_id": "identity given by a state",
    "user.government_id.birth_certificate": "birth certificate",
    "user.government_id.drivers_license_number": "driving licence",
    "user.government_id.immigration": "residence permit",
    "user.government_id.national_identification_number": "national or tax number",
    "user.government_id.passport_number": "passport",
    "user.government_id.vehicle_registration": "number plate",
    "user.health": "health",
    "user.health.baby_formula": "use of baby formula",
    "user.health.condition": "health condition",
    "user.health.genetic": "genetic make-up",
    "user.health.insurance_beneficiary_id": "number in a health insurance",
    "user.health.maternity_clothing": "use of maternity clothing",
    "user.health.medical_diagnosis": "diagnosis",
    "user.health.medications": "medication",
    "user.health.prescriptions": "prescription",
    "user.health.record_id": "number of a health record",
    "user.health.reproductive_or_sexual": "reproductive or sexual health",
    "user.health.social_psychological_behavioral": "mental and social health",
    "user.health.symptons": "symptoms",
    "user.health.treatment": "treatment",
    "user.health_and_medical": "health",
    "user.health_and_medical.genetic": "genetic make-up",
    "user.health_and_medical.insurance_beneficiary_id": "number in a health insurance",
    "user.health_and_medical.record_id": "number of a health record",
    "user.job_title": "job title",
    "user.location": "where the person was",
    "user.location.coarse": "position, coarser than 500 m",
    "user.location.imprecise": "position, coarser than 500 m",
    "user.location.precise": "position, finer than 500 m",
    "user.name": "full name",
    "user.name.first": "first name",
    "user.name.last": "last name",
    "user.payment": "payments",
    "user.privacy_preferences": "privacy choices",
    "user.professional_information": "profession and employment",
    "user.professional_information.job_title": "job title",
    "user.professional_information.workplace": "place of work",
    "user.sensor": "readings of sensors",
    "user.settings": "preferences and settings",
    "user.social": "social activity",
    "user.social_activity": "social activity",
    "user.telemetry": "measurements of systems",
    "user.unique_id": "number a system gave the person",
    "user.unique_id.deterministic": "number derived from the person's data",
    "user.unique_id.probablistic": "number guessed from the person's data",
    "user.unique_id.pseudonymous": "pseudonym",
    "user.user_sensor": "readings of sensors",
    "user.workplace": "place of work",
    "system": "data of a system, about nobody",
    "system.authentication": "access to a system",
    "system.operations": "operation of a system",
}
"""Category and meaning, deprecated strings included, so that older catalogues keep working."""

HUMAN_RESOURCES: Mapping[str, str] = {
    "user.financial.salary": "pay, bonus, raise",
    "user.performance": "rating of the person's work",
    "user.survey": "the person's answers to a survey",
    "user.demographic.dependents": "number of dependents",
    "user.professional_information.history": "jobs, grades, promotions, contracts",
    "user.professional_information.exit": "that, when and why the person left",
    "user.professional_information.education": "degrees and schools",
    "user.professional_information.training": "courses and certificates",
    "user.professional_information.hours": "working time, overtime, absence",
    FREE_TEXT: "text a person wrote; may hold anything",
    NONE: "says nothing about a person by itself",
}
"""What fideslang has no word for."""

CATEGORIES: Mapping[str, str] = {**FIDESLANG, **HUMAN_RESOURCES}
"""Every category a column may be declared with."""

DIRECT_IDENTIFIERS: tuple[str, ...] = (
    "user.name",
    "user.contact",
    "user.government_id",
    "user.unique_id",
    "user.account.username",
    "user.authorization",
    "user.biometric",
    "user.biometrics",
    "user.content.self_image",
    "user.device.cookie_id",
    "user.device.device_id",
    "user.device.ip_address",
    "user.financial.bank_account",
    "user.financial.credit_card",
    "user.health.insurance_beneficiary_id",
    "user.health.record_id",
    "user.health_and_medical.insurance_beneficiary_id",
    "user.health_and_medical.record_id",
    "user.location.precise",
)
"""Categories, and all below them, that name or reach one person; they never leave the restricted zones."""

INDIRECT: frozenset[str] = frozenset(
    f"user.contact.{part}"
    for part in ("organization", "address.city", "address.country", "address.postal_code", "address.state")
)
"""Below a direct identifier, yet shared by many: a policy may keep these."""


def ancestry(category: str) -> Iterator[str]:
    """`category` and what it is part of, most specific first."""
    parts = category.split(".")
    for end in range(len(parts), 0, -1):
        yield ".".join(parts[:end])


def is_direct(category: str) -> bool:
    """Whether values of `category` name or reach one person by themselves."""
    if category in INDIRECT:
        return False
    return any(part in DIRECT_IDENTIFIERS for part in ancestry(category))
