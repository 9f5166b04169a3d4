"""Mailchimp: reports of a campaign on activity, opting out and abuse, one member per line or whole pages of the API."""

from sources.adapters.base import GUESSABLE, Adapter, harmless
from sources.adapters.refusals import refused_channels

_MEMBERS = """
WITH members AS (
    -- A page of the API holds its members in emails[]; a line may also be one member.
    SELECT _row,
        unnest(CASE WHEN json_type(doc, '$.emails') = 'ARRAY' THEN json_extract(doc, '$.emails[*]') ELSE [doc] END)
            AS member
    FROM records
)
"""

_ACTIVITIES = f"""{_MEMBERS},
activities AS (
    SELECT _row, member, unnest(json_extract(member, '$.activity[*]')) AS activity
    FROM members
),
named AS (SELECT *, activity->>'$.action' AS action FROM activities)
"""

# The reports on opting out and on abuse have other pages: unsubscribes[] and abuse_reports[].
_LEAVERS = """
leavers AS (
    SELECT _row, 'Unsubscribed' AS event, unnest(json_extract(doc, '$.unsubscribes[*]')) AS leaver FROM records
    UNION ALL
    SELECT _row, 'Email Marked as Spam' AS event, unnest(json_extract(doc, '$.abuse_reports[*]')) AS leaver FROM records
),
gone AS (
    SELECT _row, event, leaver->>'$.email_address' AS email, leaver->>'$.campaign_id' AS campaign_id,
        coalesce(leaver->>'$.timestamp', leaver->>'$.date') AS occurred_at
    FROM leavers
)
"""

_EMAIL_EVENTS = f"""{_ACTIVITIES}, {_LEAVERS}
SELECT
    _row,
    -- Mailchimp numbers no event. This name is the same whenever the report is read again.
    md5(concat_ws('|', member->>'$.campaign_id', member->>'$.email_id', member->>'$.email_address', action,
        activity->>'$.timestamp', activity->>'$.url')) || '{GUESSABLE}' AS message_id,
    member->>'$.email_address' AS email,
    CASE action
        WHEN 'open' THEN 'Email Opened'
        WHEN 'click' THEN 'Email Link Clicked'
        WHEN 'bounce' THEN 'Email Bounced'
    END AS event,
    activity->>'$.timestamp' AS occurred_at,
    member->>'$.campaign_id' AS email_id,
    member->>'$.campaign_id' AS campaign_id,
    CASE WHEN action = 'bounce' THEN activity->>'$.type' END AS bounce_type,
    CASE WHEN action = 'click' THEN activity->>'$.url' END AS link_url
FROM named
-- An activity without action is set aside by the contract rather than lost beside the others of its member.
WHERE action IN ('open', 'click', 'bounce') OR action IS NULL
UNION ALL BY NAME
SELECT
    _row, md5(concat_ws('|', event, campaign_id, email, occurred_at)) || '{GUESSABLE}' AS message_id,
    email, event, occurred_at, campaign_id AS email_id, campaign_id
FROM gone
"""

_REFUSED = refused_channels("action")
_CONSENT_EVENTS = f"""{_ACTIVITIES}, {_LEAVERS}
SELECT _row, email, occurred_at, 'unsubscribed' AS status, 'email' AS channel, 'mailchimp' AS source FROM gone
UNION ALL
SELECT _row, member->>'$.email_address', activity->>'$.timestamp', 'unsubscribed', unnest({_REFUSED}), 'mailchimp'
FROM named WHERE len({_REFUSED}) > 0
"""

_LEFT_OUT = f"""{_ACTIVITIES}
SELECT _row, {harmless("action")} AS reason FROM named
WHERE action NOT IN ('open', 'click', 'bounce') AND len({_REFUSED}) = 0
UNION ALL
-- The report has every recipient, but no time at which the mail was sent.
SELECT _row, 'member without activity' FROM members
WHERE json_type(member, '$.activity') = 'ARRAY' AND json_array_length(member, '$.activity') = 0
UNION ALL
SELECT _row, 'page without members'
FROM (SELECT _row, unnest([doc->'$.emails', doc->'$.unsubscribes', doc->'$.abuse_reports']) AS page FROM records)
WHERE json_type(page) = 'ARRAY' AND json_array_length(page) = 0
"""

ADAPTER = Adapter(
    name="mailchimp",
    title="Mailchimp, reports of campaigns",
    source="https://mailchimp.com/developer/marketing/api/email-activity-reports/",
    formats=("jsonl",),
    columns=(),
    optional=(),
    logs={"email_events": _EMAIL_EVENTS, "consent_events": _CONSENT_EVENTS},
    left_out=_LEFT_OUT,
    guessed=f"{_ACTIVITIES} SELECT {harmless('action')} AS name FROM named WHERE len({_REFUSED}) > 0",
    settings={"consent_events": {"duplicates": "set_aside"}},
)
"""Opens, clicks and bounces of the members of a campaign, and who left because of it."""
