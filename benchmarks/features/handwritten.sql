-- The catalogue as an engineer would write it for DuckDB by hand: the yardstick of against_sql.py.
-- A line with {d} stands for one line per window; {cutoff} and {oldest} are instants. The views orders, order_items
-- and so on read the event files. Every table whose name begins with by_customer is one grain of the result.

CREATE OR REPLACE MACRO days(age) AS age / 86400000000;
CREATE OR REPLACE MACRO within(age, n) AS age <= n * 86400000000;
CREATE OR REPLACE MACRO per(part, whole) AS part / nullif(whole, 0);
CREATE OR REPLACE MACRO trend(newer, whole) AS (2 * newer - whole) / (whole + 1);
CREATE OR REPLACE MACRO weight(age) AS CASE WHEN age // 2592000000000 <= 5 THEN 5 - 2 * (age // 2592000000000) ELSE 0 END;
CREATE OR REPLACE MACRO fade(age, tau) AS floor(exp(-days(age) / tau) * 1048576)::BIGINT;

CREATE OR REPLACE TEMP TABLE purchases AS
SELECT customer_id, order_id, {cutoff} - occurred_at AS age, revenue, coalesce(discount, 0) AS discount,
    coalesce(discount, 0) > 0 OR coupon IS NOT NULL AS is_discounted
FROM orders
WHERE event = 'Order Completed' AND occurred_at >= {oldest} AND occurred_at < {cutoff} AND loaded_at < {cutoff};

CREATE OR REPLACE TEMP TABLE by_customer_order_days AS
WITH daily AS (
    SELECT customer_id, age // 86400000000 AS days_ago, min(age) AS age FROM purchases GROUP BY ALL),
gaps AS (
    SELECT *, lag(days_ago) OVER oldest_first - days_ago AS gap, row_number() OVER newest_first AS place FROM daily
    WINDOW oldest_first AS (PARTITION BY customer_id ORDER BY days_ago DESC),
        newest_first AS (PARTITION BY customer_id ORDER BY days_ago)),
sums AS (
    SELECT customer_id,
        days(min(age)) AS days_since_last_order,
        median(gap) AS usual_gap_days,
        avg(gap) AS average_gap_days,
        CASE WHEN count(gap) >= 2 THEN stddev_pop(gap) END AS gap_spread_days,
        max(gap) AS longest_gap_days,
        arg_min(gap, days_ago) AS latest_gap_days,
        count(*) FILTER (within(age, {d})) AS days_with_order_{d}d,
        count(*) AS days_with_order_so_far,
        days(max(age)) AS days_since_first_order,
        avg(days_ago) FILTER (within(age, {d})) AS average_order_age_{d}d,
        sum(fade(age, 90)) / 1048576 AS fading_orders,
        sum(fade(age, 30)) / 1048576 / (sum(fade(age, 180)) / 1048576 + 0.1) AS order_momentum,
        trend(count(*) FILTER (within(age, {d} // 2)), count(*) FILTER (within(age, {d}))) AS order_trend_{d}d,
        count(*) FILTER (days_ago >= 268 AND days_ago < 365) AS orders_same_season_last_year,
        count(*) FILTER (days_ago % 365 >= 268) / count(*) AS coming_season_share,
        arg_max(gap, days_ago) AS days_to_second_order,
        sum(weight(age)) / 35 AS order_slope,
        sum(gap) FILTER (place <= 3) / 3 AS recent_gap,
        count(*) > 3 AS has_three_gaps
    FROM gaps GROUP BY customer_id)
SELECT * EXCLUDE (recent_gap, has_three_gaps),
    CASE WHEN has_three_gaps THEN recent_gap / average_gap_days END AS recent_gaps_to_average,
    CASE WHEN usual_gap_days IS NOT NULL THEN days_since_last_order / greatest(usual_gap_days, 1) END AS overdue_ratio,
    (days_since_last_order - average_gap_days) / (gap_spread_days + 7) AS overdue_score,
    CASE WHEN longest_gap_days IS NOT NULL THEN days_since_last_order / greatest(longest_gap_days, 1) END AS pause_to_longest,
    gap_spread_days / average_gap_days AS gap_variation,
    latest_gap_days / average_gap_days AS latest_gap_to_average,
    (days_with_order_so_far - 1) * 30.0 / greatest(days_since_first_order, 30) AS repeat_rate
FROM sums;

CREATE OR REPLACE TEMP TABLE by_customer_months AS
WITH daily AS (SELECT DISTINCT customer_id, age // 86400000000 AS days_ago FROM purchases),
months AS (SELECT customer_id, days_ago // 30 AS month, count(*) AS days FROM daily GROUP BY ALL)
SELECT customer_id, max(days) / sum(days) AS busiest_month_share FROM months GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_purchases AS
WITH refunds AS (
    SELECT customer_id, order_id, sum(revenue) AS refunded FROM orders
    WHERE event = 'Order Refunded' AND occurred_at >= {oldest} AND occurred_at < {cutoff} AND loaded_at < {cutoff}
    GROUP BY ALL),
priced AS (
    SELECT *, min(CASE WHEN NOT is_discounted THEN age END) OVER everything AS full_price_age,
        age = max(age) OVER everything AS is_first, age = min(age) OVER everything AS is_latest
    FROM purchases LEFT JOIN refunds USING (customer_id, order_id)
    WINDOW everything AS (PARTITION BY customer_id))
SELECT customer_id,
    coalesce(sum(revenue) FILTER (within(age, {d})), 0) AS spend_{d}d,
    avg(revenue) AS average_order_value,
    max(revenue) AS largest_order_value,
    sum(revenue) * 365.0 / greatest(days(max(age)), 30) AS spend_per_year,
    per(coalesce(sum(revenue) FILTER (within(age, {d} // 2)), 0), sum(revenue) FILTER (within(age, {d}))) AS recent_spend_share_{d}d,
    per(count(*) FILTER (is_discounted AND within(age, {d})), count(*) FILTER (within(age, {d}))) AS discounted_order_share_{d}d,
    count(*) FILTER (is_discounted) / count(*) AS discounted_order_share_so_far,
    per(sum(discount) FILTER (within(age, {d})), sum(revenue + discount) FILTER (within(age, {d}))) AS discount_depth_{d}d,
    count(*) FILTER (NOT is_discounted AND within(age, {d})) AS full_price_orders_{d}d,
    days(min(full_price_age)) AS days_since_full_price_order,
    count(*) FILTER (full_price_age IS NULL OR age < full_price_age) AS discounted_streak,
    coalesce(sum(revenue) FILTER (age // 86400000000 >= 268 AND age // 86400000000 < 365), 0) AS spend_same_season_last_year,
    avg(revenue) FILTER (is_first) AS first_order_value,
    per(sum(discount) FILTER (is_first), sum(revenue + discount) FILTER (is_first)) AS first_order_discount,
    per(sum(discount) FILTER (is_latest), sum(revenue + discount) FILTER (is_latest)) AS latest_order_discount,
    per(avg(revenue) FILTER (is_latest), avg(revenue)) AS latest_order_to_average,
    sum(weight(age) * revenue) / 35 AS spend_slope,
    CASE WHEN count(*) >= 2 THEN per(stddev_pop(revenue), avg(revenue)) END AS order_value_variation,
    avg(is_discounted::INTEGER) FILTER (within(age, 180))
        - avg(is_discounted::INTEGER) FILTER (NOT within(age, 180)) AS discount_share_change,
    per(coalesce(sum(refunded) FILTER (is_latest), 0), sum(revenue) FILTER (is_latest)) AS latest_order_refunded_share,
    count(refunded) / count(*) AS refunded_order_share
FROM priced GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_orders AS
WITH seen AS (
    SELECT customer_id, {cutoff} - occurred_at AS age, event, revenue FROM orders
    WHERE occurred_at >= {oldest} AND occurred_at < {cutoff} AND loaded_at < {cutoff})
SELECT customer_id,
    CASE WHEN count(*) FILTER (within(age, {d})) = 0 THEN 0 ELSE per(coalesce(sum(revenue) FILTER (event = 'Order Refunded' AND within(age, {d})), 0), sum(revenue) FILTER (event = 'Order Completed' AND within(age, {d}))) END AS refunded_share_{d}d,
    count(*) FILTER (event = 'Order Refunded' AND within(age, {d})) AS refunds_{d}d,
    days(min(age) FILTER (event = 'Order Refunded')) AS days_since_last_refund,
    count(*) FILTER (event = 'Order Cancelled' AND within(age, {d})) AS cancellations_{d}d,
FROM seen GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE lines AS
SELECT customer_id, {cutoff} - occurred_at AS age, order_id, product_id, category, quantity, price * quantity AS amount
FROM order_items
WHERE event = 'Order Completed' AND occurred_at >= {oldest} AND occurred_at < {cutoff} AND loaded_at < {cutoff};

CREATE OR REPLACE TEMP TABLE by_customer_products AS
WITH daily AS (
    SELECT customer_id, product_id, age // 86400000000 AS days_ago, min(age) AS age FROM lines
    WHERE product_id IS NOT NULL GROUP BY ALL),
products AS (
    SELECT customer_id, product_id, min(age) AS age, count(*) > 1 AS is_repeat, count(*) - 1 AS gaps,
        max(days_ago) - min(days_ago) AS span
    FROM daily GROUP BY ALL)
SELECT customer_id,
    count(*) FILTER (within(age, {d})) AS products_bought_{d}d,
    count(*) FILTER (is_repeat) AS repeat_products,
    count(*) FILTER (is_repeat) / count(*) AS rebuy_share,
    count(*) FILTER (is_repeat AND age * gaps >= span * 86400000000) AS products_due,
    median(days(age) * gaps / span) FILTER (is_repeat) AS product_overdue_ratio
FROM products GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_categories AS
WITH categories AS (
    SELECT customer_id, category, count(*) AS n, min(age) AS age, max(age) AS oldest FROM lines
    WHERE category IS NOT NULL GROUP BY ALL)
SELECT customer_id,
    count(*) FILTER (within(age, {d})) AS categories_bought_{d}d,
    max(n) / sum(n) AS top_category_share,
    sum(n) * sum(n) / sum(n * n) AS effective_categories,
    count(*) FILTER (within(oldest, 90)) AS new_categories
FROM categories GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_baskets AS
WITH baskets AS (
    SELECT customer_id, order_id, min(age) AS age, count(*) AS lines, sum(quantity) AS pieces, sum(amount) AS amount
    FROM lines GROUP BY ALL),
ranked AS (SELECT *, age = max(age) OVER (PARTITION BY customer_id) AS is_first FROM baskets)
SELECT customer_id, sum(pieces) / count(*) AS pieces_per_order, sum(amount) / sum(pieces) AS price_per_piece,
    avg(lines) FILTER (is_first) AS first_order_lines
FROM ranked GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE visits AS
SELECT customer_id, coalesce(session_id, 'day ' || ({cutoff} - occurred_at) // 86400000000) AS session,
    min({cutoff} - occurred_at) AS age, max({cutoff} - occurred_at) AS start_age,
    count(*) FILTER (event = 'Product Viewed') AS product_views,
    count(*) FILTER (event = 'Products Searched') AS searches,
    bool_or(event IN ('Product Added', 'Checkout Started')) AS has_cart,
    bool_or(event = 'Checkout Started') AS has_checkout,
    bool_or(event = 'Order Completed') AS has_order
FROM web_events
WHERE customer_id IS NOT NULL AND occurred_at >= {oldest} AND occurred_at < {cutoff} AND loaded_at < {cutoff}
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE by_customer_visits AS
WITH bought AS (
    SELECT customer_id, min(age) AS order_age, max(age) AS first_order_age FROM purchases GROUP BY customer_id)
SELECT customer_id,
    count(*) FILTER (within(age, {d})) AS visit_count_{d}d,
    days(min(age)) AS days_since_last_visit,
    coalesce(sum(product_views) FILTER (within(age, {d})), 0) AS product_views_{d}d,
    coalesce(sum(searches) FILTER (within(age, {d})), 0) AS searches_{d}d,
    trend(count(*) FILTER (within(age, {d} // 2)), count(*) FILTER (within(age, {d}))) AS visit_trend_{d}d,
    sum(fade(age, 14)) / 1048576 AS fading_visits,
    sum(fade(age, 14)) / 1048576 / (sum(fade(age, 120)) / 1048576 + 0.1) AS visit_momentum,
    per(count(*) FILTER (has_order AND within(age, {d})), count(*) FILTER (within(age, {d}))) AS visit_to_order_share_{d}d,
    count(*) FILTER (order_age IS NULL OR age < order_age) AS visits_since_last_order,
    count(*) FILTER (has_cart AND within(age, {d})) AS cart_visits_{d}d,
    per(count(*) FILTER (has_cart AND NOT has_order AND within(age, {d})), count(*) FILTER (has_cart AND within(age, {d}))) AS abandoned_cart_share_{d}d,
    days(min(age) FILTER (has_cart)) AS days_since_last_cart,
    count(*) FILTER (first_order_age IS NULL OR age > first_order_age) AS visits_before_first_order,
    coalesce(sum(product_views) FILTER (order_age IS NULL OR age < order_age), 0) AS views_since_last_order,
    count(*) FILTER (has_cart AND (order_age IS NULL OR age < order_age)) AS carts_since_last_order,
    sum(weight(age)) / 35 AS visit_slope,
    count(*) FILTER (has_checkout AND NOT has_order AND within(age, 90)) AS checkouts_left
FROM visits LEFT JOIN bought USING (customer_id) GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_visit_days AS
WITH daily AS (SELECT customer_id, age // 86400000000 AS day, min(age) AS age FROM visits GROUP BY ALL),
gaps AS (SELECT *, lead(day) OVER (PARTITION BY customer_id ORDER BY day) - day AS gap FROM daily)
SELECT customer_id,
    count(*) FILTER (within(age, {d})) AS days_with_visit_{d}d,
    median(gap) AS usual_visit_gap_days,
    days(min(age)) / median(gap) AS visit_overdue_ratio
FROM gaps GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_browsing AS
WITH seen AS (
    SELECT customer_id, trend(count(*) FILTER (within(age, 90)), count(*) FILTER (within(age, 180))) AS trend
    FROM visits GROUP BY customer_id),
daily AS (SELECT customer_id, min(age) AS age FROM purchases GROUP BY customer_id, age // 86400000000),
bought AS (
    SELECT customer_id, trend(count(*) FILTER (within(age, 90)), count(*) FILTER (within(age, 180))) AS trend
    FROM daily GROUP BY customer_id)
SELECT customer_id, coalesce(seen.trend, 0) - coalesce(bought.trend, 0) AS browsing_without_buying
FROM seen FULL JOIN bought USING (customer_id);

CREATE OR REPLACE TEMP TABLE mail AS
SELECT customer_id, {cutoff} - occurred_at AS age, event,
    event = 'Email Link Clicked' AND bot_click IS NOT TRUE AS is_click,
    event = 'Email Opened' AND machine_open IS NOT TRUE AS is_open,
    event = 'Email Bounced' AND bounce_type = 'hard' AS is_hard_bounce
FROM email_events
WHERE occurred_at >= {oldest} AND occurred_at < {cutoff} AND loaded_at < {cutoff};

CREATE OR REPLACE TEMP TABLE by_customer_emails AS
SELECT customer_id,
    count(*) FILTER (event = 'Email Delivered' AND within(age, {d})) AS emails_delivered_{d}d,
    per(count(*) FILTER (is_click AND within(age, {d})), count(*) FILTER (event = 'Email Delivered' AND within(age, {d}))) AS email_click_share_{d}d,
    (count(*) FILTER (is_click) + 0.3) / (count(*) FILTER (event = 'Email Delivered') + 10) AS email_click_rate,
    per(count(*) FILTER (is_open AND within(age, {d})), count(*) FILTER (event = 'Email Delivered' AND within(age, {d}))) AS email_open_share_{d}d,
    per(count(*) FILTER (event = 'Email Opened' AND NOT is_open), count(*) FILTER (event = 'Email Opened')) AS machine_open_share,
    days(min(age) FILTER (is_click)) AS days_since_last_click,
    days(min(age) FILTER (is_open)) AS days_since_last_open,
    coalesce(sum(fade(age, 30)) FILTER (is_click), 0) / 1048576 AS fading_clicks,
    coalesce(sum(fade(age, 30)) FILTER (is_open), 0) / 1048576
        / (coalesce(sum(fade(age, 180)) FILTER (is_open), 0) / 1048576 + 0.1) AS open_momentum,
    count(*) FILTER (event = 'Email Bounced' AND within(age, {d})) AS email_bounces_{d}d,
    count(*) FILTER (event IN ('Unsubscribed', 'Email Marked as Spam')) AS email_optouts,
    days(min(age) FILTER (event = 'Email Delivered')) AS days_since_last_email,
    per(6 * count(*) FILTER (event = 'Email Delivered' AND within(age, 30)), count(*) FILTER (event = 'Email Delivered' AND within(age, 180))) AS email_pressure_change,
    count(*) FILTER (is_hard_bounce) AS hard_bounces,
    coalesce(sum(fade(age, 14)) FILTER (is_click), 0) / 1048576
        / (coalesce(sum(fade(age, 120)) FILTER (is_click), 0) / 1048576 + 0.1) AS click_momentum,
    coalesce(sum(weight(age)) FILTER (is_click), 0) / 35 AS click_slope
FROM mail GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_unclicked AS
WITH newest AS (SELECT customer_id, min(age) AS click_age FROM mail WHERE is_click GROUP BY customer_id)
SELECT customer_id, count(*) AS unclicked_streak
FROM mail LEFT JOIN newest USING (customer_id)
WHERE event = 'Email Delivered' AND (click_age IS NULL OR age < click_age)
GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_touches AS
WITH bought AS (SELECT customer_id, min(age) AS bought_age FROM purchases GROUP BY customer_id),
seen AS (SELECT customer_id, min(age) AS seen_age FROM visits GROUP BY customer_id),
clicked AS (SELECT customer_id, min(age) AS clicked_age FROM mail WHERE is_click GROUP BY customer_id),
ages AS (
    SELECT *, greatest(bought_age, seen_age, clicked_age) AS silent_age,
        (bought_age IS NOT NULL)::INTEGER + (seen_age IS NOT NULL)::INTEGER + (clicked_age IS NOT NULL)::INTEGER AS channels
    FROM bought FULL JOIN seen USING (customer_id) FULL JOIN clicked USING (customer_id))
SELECT customer_id,
    days(least(bought_age, seen_age, clicked_age)) AS days_since_any_touch,
    coalesce(within(bought_age, {d}), FALSE)::INTEGER + coalesce(within(seen_age, {d}), FALSE)::INTEGER + coalesce(within(clicked_age, {d}), FALSE)::INTEGER AS active_channels_{d}d,
    CASE WHEN channels > 1 THEN coalesce(bought_age = silent_age, FALSE)::INTEGER END AS orders_first_silent,
    CASE WHEN channels > 1 THEN coalesce(seen_age = silent_age, FALSE)::INTEGER END AS web_first_silent,
    CASE WHEN channels > 1 THEN coalesce(clicked_age = silent_age, FALSE)::INTEGER END AS email_first_silent,
    coalesce(NOT within(bought_age, 60), FALSE)::INTEGER + coalesce(NOT within(seen_age, 60), FALSE)::INTEGER
        + coalesce(NOT within(clicked_age, 60), FALSE)::INTEGER AS silent_channels,
    days(seen_age - bought_age) AS visit_silence_lead_days,
    days(clicked_age - bought_age) AS click_silence_lead_days
FROM ages;

CREATE OR REPLACE TEMP TABLE by_customer_click_moments AS
WITH moments AS (SELECT DISTINCT customer_id, age FROM mail WHERE is_click),
visited AS (
    SELECT moments.customer_id, moments.age, moments.age - visits.start_age AS wait
    FROM moments ASOF LEFT JOIN visits ON moments.customer_id = visits.customer_id AND moments.age >= visits.start_age),
ordered AS (
    SELECT visited.*, visited.age - purchases.age AS order_wait
    FROM visited ASOF LEFT JOIN purchases
        ON visited.customer_id = purchases.customer_id AND visited.age >= purchases.age)
SELECT customer_id,
    median(wait) FILTER (within(wait, 7)) / 3600000000 AS click_to_visit_hours,
    count(*) FILTER (within(wait, 1)) / count(*) AS clicks_with_visit_share,
    count(*) FILTER (within(order_wait, 7)) / count(*) AS clicks_with_order_share
FROM ordered GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE ticket_events AS
SELECT customer_id, {cutoff} - occurred_at AS age, event, ticket_id, satisfaction FROM support_tickets
WHERE occurred_at >= {oldest} AND occurred_at < {cutoff} AND loaded_at < {cutoff};

CREATE OR REPLACE TEMP TABLE by_customer_tickets AS
SELECT customer_id,
    count(*) FILTER (event = 'Ticket Opened' AND within(age, {d})) AS tickets_opened_{d}d,
    days(min(age) FILTER (event = 'Ticket Opened')) AS days_since_last_ticket,
    count(*) FILTER (event = 'Ticket Closed' AND satisfaction <= 2 AND within(age, {d})) AS unhappy_tickets_{d}d,
    min(satisfaction) FILTER (within(age, {d})) AS worst_satisfaction_{d}d,
    days(min(age) FILTER (event = 'Ticket Closed' AND satisfaction <= 2)) AS days_since_unhappy_ticket,
    count(*) FILTER (event = 'Ticket Opened') - count(*) FILTER (event = 'Ticket Closed') AS open_tickets,
    avg(satisfaction) AS average_satisfaction
FROM ticket_events GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_closing AS
WITH closed AS (
    SELECT customer_id, max(age) FILTER (event = 'Ticket Opened') - min(age) FILTER (event = 'Ticket Closed') AS took
    FROM ticket_events GROUP BY customer_id, ticket_id)
SELECT customer_id, max(took) FILTER (took >= 0) / 3600000000 AS slowest_close_hours FROM closed GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_trouble AS
WITH opened AS (
    SELECT customer_id, count(*) AS tickets FROM ticket_events WHERE event = 'Ticket Opened' GROUP BY customer_id),
bought AS (SELECT customer_id, count(*) AS orders FROM purchases GROUP BY customer_id)
SELECT customer_id, coalesce(tickets, 0) / orders AS tickets_per_order FROM bought LEFT JOIN opened USING (customer_id);

CREATE OR REPLACE TEMP TABLE by_customer_deliveries AS
WITH seen AS (
    SELECT customer_id, {cutoff} - occurred_at AS age, delay_hours FROM deliveries
    WHERE occurred_at >= {oldest} AND occurred_at < {cutoff} AND loaded_at < {cutoff})
SELECT customer_id,
    count(*) FILTER (delay_hours >= 24 AND within(age, {d})) AS late_deliveries_{d}d,
    count(*) FILTER (delay_hours >= 24) / count(*) AS late_delivery_share,
    max(delay_hours) FILTER (within(age, {d})) AS worst_delay_hours_{d}d,
    arg_min(delay_hours, (age, -delay_hours)) AS latest_delay_hours,
    latest_delay_hours - avg(delay_hours) AS delay_against_usual,
    days(min(age) FILTER (delay_hours >= 24)) AS days_since_late_delivery
FROM seen GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_undelivered AS
WITH settled AS (
    SELECT customer_id, order_id FROM deliveries
    WHERE occurred_at >= {oldest} AND occurred_at < {cutoff} AND loaded_at < {cutoff}
    UNION ALL
    SELECT customer_id, order_id FROM orders
    WHERE event = 'Order Cancelled' AND occurred_at >= {oldest} AND occurred_at < {cutoff} AND loaded_at < {cutoff})
SELECT customer_id, count(*) AS undelivered_orders
FROM purchases ANTI JOIN settled USING (customer_id, order_id)
WHERE within(age, 60) GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_loyalty AS
WITH seen AS (
    SELECT customer_id, {cutoff} - occurred_at AS age, points FROM loyalty_events
    WHERE occurred_at >= {oldest} AND occurred_at < {cutoff} AND loaded_at < {cutoff})
SELECT customer_id,
    coalesce(sum(points) FILTER (points > 0 AND within(age, {d})), 0) AS points_gained_{d}d,
    coalesce(sum(points), 0) AS points_in_hand,
    coalesce(-sum(points) FILTER (points < 0), 0) AS points_spent,
    days(min(age) FILTER (points < 0)) AS days_since_points_spent
FROM seen GROUP BY customer_id;

CREATE OR REPLACE TEMP TABLE by_customer_contacts AS
WITH seen AS (
    SELECT customer_id, {cutoff} - occurred_at AS age FROM campaign_contacts
    WHERE control IS NOT TRUE AND occurred_at >= {oldest} AND occurred_at < {cutoff} AND loaded_at < {cutoff})
SELECT customer_id,
    count(*) FILTER (within(age, {d})) AS campaigns_received_{d}d,
    days(min(age)) AS days_since_last_campaign
FROM seen GROUP BY customer_id;
