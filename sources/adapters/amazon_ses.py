"""Amazon SES: event records, as they come through SNS, Firehose or EventBridge."""

from sources.adapters.base import GUESSABLE, Adapter

_EVENTS = """
WITH unwrapped AS (
    SELECT
        _row,
        CASE
            -- SNS puts the record as text into Message, EventBridge as an object into detail.
            WHEN json_type(TRY_CAST(doc->>'$.Message' AS JSON)) = 'OBJECT' THEN TRY_CAST(doc->>'$.Message' AS JSON)
            WHEN json_type(doc, '$.detail.mail') = 'OBJECT' THEN doc->'$.detail'
            ELSE doc
        END AS doc
    FROM records
),
kinds AS (
    SELECT
        _row, doc, doc->'$.subscription.newTopicPreferences' AS preferences,
        -- The older feed calls the kind notificationType.
        coalesce(doc->>'$.eventType', doc->>'$.notificationType') AS kind,
        json_extract_string(doc, '$.mail.destination[*]') AS destination
    FROM unwrapped
),
events AS (
    SELECT
        _row, doc, kind, destination,
        -- Whom it is about: of a mail to three people one may bounce.
        CASE kind
            WHEN 'Bounce' THEN json_extract_string(doc, '$.bounce.bouncedRecipients[*].emailAddress')
            WHEN 'Complaint' THEN json_extract_string(doc, '$.complaint.complainedRecipients[*].emailAddress')
            WHEN 'Delivery' THEN json_extract_string(doc, '$.delivery.recipients[*]')
            ELSE destination
        END AS recipients,
        -- mail.timestamp is the time of the sending, whatever the record is about.
        CASE kind
            WHEN 'Send' THEN doc->>'$.mail.timestamp'
            WHEN 'Delivery' THEN doc->>'$.delivery.timestamp'
            WHEN 'Open' THEN doc->>'$.open.timestamp'
            WHEN 'Click' THEN doc->>'$.click.timestamp'
            WHEN 'Bounce' THEN doc->>'$.bounce.timestamp'
            WHEN 'Complaint' THEN doc->>'$.complaint.timestamp'
            WHEN 'Subscription' THEN doc->>'$.subscription.timestamp'
        END AS occurred_at,
        -- Somebody stays only where all that is said is known and says so: one topic left is enough, and what has
        -- another shape is a no.
        NOT coalesce(
            lower(preferences->>'$.unsubscribeAll') = 'false'
            AND len(list_filter(json_keys(preferences), lambda key: key NOT IN (
                'unsubscribeAll', 'topicSubscriptionStatus', 'topicDefaultSubscriptionStatus'))) = 0
            AND coalesce(json_type(preferences, '$.topicSubscriptionStatus'), 'ARRAY') = 'ARRAY'
            AND coalesce(json_type(preferences, '$.topicDefaultSubscriptionStatus'), 'ARRAY') = 'ARRAY'
            AND len(list_filter(
                list_concat(
                    json_extract(preferences, '$.topicSubscriptionStatus[*]'),
                    json_extract(preferences, '$.topicDefaultSubscriptionStatus[*]')
                ),
                lambda topic: coalesce(
                    regexp_replace(lower(topic->>'$.subscriptionStatus'), '[^a-z]', '', 'g'), '') <> 'optin'
            )) = 0, false) AS has_left,
        -- Nothing tells who of several people opened the mail.
        coalesce(kind IN ('Open', 'Click') AND len(destination) > 1, false) AS is_vague
    FROM kinds
),
people AS (
    SELECT *, unnest(recipients) AS email, generate_subscripts(recipients, 1) AS place FROM events
)
"""

_EMAIL_EVENTS = f"""{_EVENTS}
SELECT
    _row,
    -- SNS repeats records. The place among the recipients stands for the address, which must not be part of an id.
    concat_ws(':', doc->>'$.mail.messageId', kind, occurred_at,
        coalesce(list_position(list_transform(destination, lambda x: lower(x)), lower(email)), -place),
        -- A link to leave or to log in may hold an address.
        md5(doc->>'$.click.link') || '{GUESSABLE}') AS message_id,
    email,
    CASE kind
        WHEN 'Send' THEN 'Email Sent'
        WHEN 'Delivery' THEN 'Email Delivered'
        WHEN 'Open' THEN 'Email Opened'
        WHEN 'Click' THEN 'Email Link Clicked'
        WHEN 'Bounce' THEN 'Email Bounced'
        WHEN 'Complaint' THEN 'Email Marked as Spam'
        WHEN 'Subscription' THEN 'Unsubscribed'
    END AS event,
    occurred_at,
    doc->>'$.mail.messageId' AS email_id,
    coalesce(doc->>'$.mail.tags.campaign_id[0]', doc->>'$.mail.tags.campaign[0]') AS campaign_id,
    CASE WHEN kind = 'Bounce' THEN
        CASE (doc->>'$.bounce.bounceType')
            WHEN 'Permanent' THEN 'hard'
            WHEN 'Transient' THEN 'soft'
            WHEN 'Undetermined' THEN 'soft'
            ELSE doc->>'$.bounce.bounceType'
        END
    END AS bounce_type,
    coalesce(doc->>'$.open.userAgent', doc->>'$.click.userAgent') AS user_agent,
    doc->>'$.click.link' AS link_url
FROM people
WHERE kind IN ('Send', 'Delivery', 'Open', 'Click', 'Bounce', 'Complaint') AND NOT is_vague
    OR kind = 'Subscription' AND has_left
"""

_CONSENT_EVENTS = f"""{_EVENTS}
SELECT
    _row, email, occurred_at, 'amazon_ses' AS source,
    CASE WHEN kind = 'Complaint' OR has_left THEN 'unsubscribed' ELSE 'subscribed' END AS status
FROM people
-- Who of several people came back is not known, so that nobody did.
WHERE kind = 'Complaint' OR kind = 'Subscription' AND (has_left OR len(destination) = 1)
"""

_LEFT_OUT = f"""{_EVENTS}
SELECT _row, kind AS reason FROM events WHERE kind IN ('Reject', 'Rendering Failure', 'DeliveryDelay')
UNION ALL
SELECT _row, kind || ' of a mail to several people' FROM events
WHERE is_vague OR kind = 'Subscription' AND NOT has_left AND len(destination) > 1
UNION ALL
SELECT _row, 'notice of SNS itself' FROM records
WHERE (doc->>'$.Type') IN ('SubscriptionConfirmation', 'UnsubscribeConfirmation')
"""

ADAPTER = Adapter(
    name="amazon_ses",
    title="Amazon SES, event records",
    source="https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html",
    formats=("jsonl",),
    columns=(),
    optional=(),
    logs={"email_events": _EMAIL_EVENTS, "consent_events": _CONSENT_EVENTS},
    left_out=_LEFT_OUT,
    settings={"consent_events": {"duplicates": "set_aside"}},
)
"""Event records of SES: one row per recipient."""
