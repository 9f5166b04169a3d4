"""SendGrid: events of the Event Webhook, one per line or in the arrays that were posted."""

from sources.adapters.base import Adapter

_EVENTS = """
WITH events AS (
    SELECT _row, doc, doc->>'$.event' AS name, doc->>'$.email' AS email, doc->>'$.timestamp' AS occurred_at,
        -- Not sent, because the address had bounced, complained or unsubscribed before.
        coalesce((doc->>'$.reason') IN ('Unsubscribed Address', 'Bounced Address', 'Spam Reporting Address'), false)
            AS is_suppressed
    FROM records
)
"""

_EMAIL_EVENTS = f"""{_EVENTS}
SELECT
    _row,
    -- The webhook repeats events; this id stays the same.
    doc->>'$.sg_event_id' AS message_id,
    email,
    CASE name
        WHEN 'processed' THEN 'Email Sent'
        WHEN 'delivered' THEN 'Email Delivered'
        WHEN 'open' THEN 'Email Opened'
        WHEN 'click' THEN 'Email Link Clicked'
        WHEN 'bounce' THEN 'Email Bounced'
        WHEN 'spamreport' THEN 'Email Marked as Spam'
        ELSE 'Unsubscribed'
    END AS event,
    occurred_at,
    doc->>'$.sg_message_id' AS email_id,
    coalesce(
        doc->>'$.singlesend_id', doc->>'$.marketing_campaign_id', doc->>'$.mc_auto_id',
        -- category is one text or a list of texts.
        CASE WHEN json_type(doc, '$.category') = 'ARRAY' THEN doc->>'$.category[0]' ELSE doc->>'$.category' END
    ) AS campaign_id,
    CASE WHEN name = 'bounce' THEN
        CASE (doc->>'$.type')
            WHEN 'bounce' THEN 'hard'
            WHEN 'blocked' THEN 'block'
            WHEN 'expired' THEN 'soft'
            ELSE doc->>'$.type'
        END
    END AS bounce_type,
    CASE WHEN name = 'open' THEN doc->>'$.sg_machine_open' END AS machine_open,
    doc->>'$.useragent' AS user_agent,
    CASE WHEN name = 'click' THEN doc->>'$.url' END AS link_url
FROM events
WHERE name IN (
    'processed', 'delivered', 'open', 'click', 'bounce', 'spamreport', 'unsubscribe', 'group_unsubscribe'
)
"""

_CONSENT_EVENTS = f"""{_EVENTS}
SELECT _row, email, occurred_at, 'sendgrid' AS source, 'unsubscribed' AS status
FROM events
WHERE name IN ('unsubscribe', 'group_unsubscribe', 'spamreport') OR name = 'dropped' AND is_suppressed
"""

# Dropped was never sent, and says of some addresses that they are suppressed; deferred is tried again; an account's
# change is about no recipient. Who comes back to one group may have left all mail: that is no consent to whatever a
# shop sends.
_LEFT_OUT = f"""{_EVENTS}
SELECT _row, name AS reason FROM events
WHERE name IN ('deferred', 'account_status_change', 'group_resubscribe') OR name = 'dropped' AND NOT is_suppressed
"""

ADAPTER = Adapter(
    name="sendgrid",
    title="SendGrid, Event Webhook",
    source="https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event",
    formats=("jsonl",),
    columns=(),
    optional=(),
    logs={"email_events": _EMAIL_EVENTS, "consent_events": _CONSENT_EVENTS},
    left_out=_LEFT_OUT,
    settings={
        "email_events": {"time_format": "epoch_s"},
        "consent_events": {"time_format": "epoch_s", "duplicates": "set_aside"},
    },
)
"""Events of the Event Webhook: e-mails and what became of the consent."""
