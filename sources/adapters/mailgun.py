"""Mailgun: events of the Events API or of the webhooks, one per line."""

from sources.adapters.base import Adapter

_EVENTS = r"""
WITH unwrapped AS (
    -- A webhook puts its event beside a signature, the Events API gives it bare.
    SELECT _row, coalesce(doc->'$."event-data"', doc) AS doc FROM records
),
events AS (
    SELECT
        _row, doc, doc->>'$.event' AS name, doc->>'$.recipient' AS email,
        coalesce(doc->>'$.flags."is-test-mode"', 'false') = 'true' AS is_test,
        -- Not sent at all, because the address had bounced, complained or unsubscribed before.
        coalesce(starts_with(doc->>'$.reason', 'suppress-'), false) AS is_suppressed,
        -- Seconds with a fraction; as text in whole microseconds, so that nothing is rounded.
        CASE WHEN regexp_full_match(doc->>'$.timestamp', '\d{1,11}(\.\d+)?')
            THEN split_part(doc->>'$.timestamp', '.', 1)
                || rpad(left(split_part(doc->>'$.timestamp', '.', 2), 6), 6, '0')
            ELSE doc->>'$.timestamp'
        END AS occurred_at
    FROM unwrapped
)
"""

_EMAIL_EVENTS = f"""{_EVENTS}
SELECT
    _row, doc->>'$.id' AS message_id, email,
    CASE name
        WHEN 'accepted' THEN 'Email Sent'
        WHEN 'delivered' THEN 'Email Delivered'
        WHEN 'opened' THEN 'Email Opened'
        WHEN 'clicked' THEN 'Email Link Clicked'
        WHEN 'failed' THEN 'Email Bounced'
        WHEN 'unsubscribed' THEN 'Unsubscribed'
        ELSE 'Email Marked as Spam'
    END AS event,
    occurred_at,
    doc->>'$.message.headers."message-id"' AS email_id,
    coalesce(doc->>'$.campaigns[0].id', doc->>'$.tags[0]') AS campaign_id,
    CASE WHEN name = 'failed' THEN
        CASE (doc->>'$.severity')
            WHEN 'permanent' THEN 'hard'
            WHEN 'temporary' THEN 'soft'
            ELSE doc->>'$.severity'
        END
    END AS bounce_type,
    -- Names the kind of machine that asked for the picture or the link; empty for a person.
    CASE WHEN name = 'opened' AND nullif(doc->>'$."client-info".bot', '') IS NOT NULL THEN 'true' END AS machine_open,
    CASE WHEN name = 'clicked' AND nullif(doc->>'$."client-info".bot', '') IS NOT NULL THEN 'true' END AS bot_click,
    doc->>'$."client-info"."user-agent"' AS user_agent,
    CASE WHEN name = 'clicked' THEN doc->>'$.url' END AS link_url
FROM events
WHERE NOT is_test AND NOT (name = 'failed' AND is_suppressed)
    AND name IN ('accepted', 'delivered', 'opened', 'clicked', 'failed', 'unsubscribed', 'complained')
"""

_CONSENT_EVENTS = f"""{_EVENTS}
SELECT _row, email, occurred_at, 'unsubscribed' AS status, 'mailgun' AS source
FROM events
-- What was not sent because of a suppression says that there is one.
WHERE NOT is_test AND (name IN ('unsubscribed', 'complained') OR name = 'failed' AND is_suppressed)
"""

_LEFT_OUT = f"""{_EVENTS}
SELECT _row, 'test mode' AS reason FROM events WHERE is_test
UNION ALL
-- Those of mailing lists are about uploads of members, not about a mail.
SELECT _row, name FROM events
WHERE NOT is_test
    AND name IN ('rejected', 'stored', 'list_member_uploaded', 'list_member_upload_error', 'list_uploaded')
"""

ADAPTER = Adapter(
    name="mailgun",
    title="Mailgun, events",
    source="https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-types",
    formats=("jsonl",),
    columns=(),
    optional=(),
    logs={"email_events": _EMAIL_EVENTS, "consent_events": _CONSENT_EVENTS},
    left_out=_LEFT_OUT,
    settings={
        "email_events": {"time_format": "epoch_us"},
        "consent_events": {"time_format": "epoch_us", "duplicates": "set_aside"},
    },
)
"""Events of the Events API or the webhooks: e-mails, opt-outs and complaints."""
