"""Sentences people write in reviews, surveys and exit interviews, with slots for who is named in them.

A slot is a name in braces; at most two per sentence. Some sentences carry things that look like personal
data and are not (ticket numbers, shared mailboxes, words that are also names), on purpose.
"""

from __future__ import annotations

GOOD = (
    "Excellent half year; goals were met early.",
    "Took over the migration and delivered it on time, within budget.",
    'Customers said: "finally someone who listens".',
    "Will lead the next project, which may start in May.",
    "Made her mark on the new pricing model; the numbers speak for themselves.",
    "Strong technical skills, good judgement, young talents look up to this colleague.",
    "Ticket 4711-2009 was closed in record time.",
    "Always helpful, even on long days; grace under pressure.",
    "Presented at the ISO 27001 audit without a single finding.",
    "A rich source of ideas; hope to see more of it.",
)
MIDDLE = (
    "Solid work overall, no surprises.",
    "Goals partly met; see notes of 12.03. and 14.06.",
    "Needs a little more time for documentation.",
    'The term "ownership" was discussed; we agreed on next steps.',
    "Attendance fine, communication fine, tools: spreadsheet; mail; wiki.",
    "Training plan agreed (REST APIs, negotiation, first aid).",
    "Keeps the queue short, on average 14 tickets a week.",
    "Works from home on Fridays, which is fine with the team.",
    "Please send questions to helpdesk@northwind.example or call extension 2200.",
    "Order PO-2023-001873 was handled well.",
)
BAD = (
    "Deadlines were missed several times; this must change.",
    "The tone in meetings was not acceptable.",
    "Quality dropped after the reorganisation, see incident INC0012345.",
    'Said "not my job" more than once.',
    "Too many open tasks; no clear priorities.",
    "A warning was given, the next talk will be in three months.",
    "Often late, mostly without notice.",
    "Seems tired; overtime has been far too high for a long time.",
)
MODERN = (
    "Hybrid work suits the team – output is up 10 %.",
    "The customer’s feedback: “great job” 👍",
    "OKRs reached: 3 of 4 ✓",
)
REVIEW_NAMED = (
    "{first_name} is on the right way.",
    "{first_name} and {peer_name} work very well together.",
    "{full_name} took part in the leadership programme.",
    "As {peer_name} wrote to me, the handover was smooth.",
    "Please contact {peer_email} for details; {first_name} knows.",
    "Reachable under {phone} also in the evening, which customers value.",
    "Asked HR to correct {email}, the old address still appears.",
    "Talk with {peer_name} (cc {peer_email}) about the transfer.",
    "{first_name}'s numbers: best of the team.",
    "File note {emp_no}: target agreement signed.",
    "Moved to {address} last month, so remote days were agreed.",
    'Quote of {peer_name}: "without {first_name} we would be lost".',
    "Reporting line changes from {peer_name} next quarter.",
    "Mail of the customer went to {email}; he was impressed.",
    "{full_name}, {emp_no}: bonus proposal attached.",
    "Identity checked for the bank project, number {national_id}.",
)
SURVEY_NAMED = (
    "My manager {peer_name} supports me.",
    "{peer_name} decides everything alone.",
    "You can call me: {phone}.",
    "I wrote to {peer_email} twice and got no answer.",
    "Regards, {first_name}",
    "({full_name}, {emp_no})",
    "Ask {peer_name} about the parking spaces.",
    "Answer please to {email}.",
)
EXIT_PLAIN = (
    "The work itself was interesting, the hours were not.",
    "Pay has not kept up with the market for years.",
    "After the merger nobody knew who was responsible.",
    "Commuting takes me\tninety minutes each way.",
    "I would come back if remote work were possible.",
    "Training was promised and never came.",
    "The canteen was great & the colleagues too.",
    "Targets: 120 % < expected by management, > realistic.",
    "No promotion in five years is a clear message.",
    "There was no single reason; it added up.",
    "Handover is documented in the wiki, page 1200345.",
    "Last invoice 2015/0042 is still open.",
)
EXIT_NAMED = (
    "{full_name} was asked about the reasons for leaving.",
    "{first_name} names pay and workload.",
    "Conflict with {peer_name} since the reorganisation.",
    "Private mail for the certificate: {personal_email}, telephone {phone}.",
    "Please send the papers to {address}.",
    "Access of {email} ends with the last working day.",
    "{peer_name} takes over; questions to {peer_email}.",
    "Tax papers under {national_id}.",
    "Employee {emp_no} returned laptop and badge.",
    "{first_name} recommends {peer_name} as successor.",
    "Reference letter signed by {peer_name}.",
    "I, {full_name}, agree that {peer_email} gets a copy.",
)
