"""The SQL behind the three products: numbers stand for people and products, scores are whole numbers.

Words in braces are filled in by campaigns/products.py.
"""

INPUT = """
CREATE OR REPLACE TEMP TABLE product_lines AS
SELECT customer_id, product_id, category, i.occurred_at AS bought_at, i.loaded_at AS known_at
FROM order_items i ANTI JOIN (SELECT order_id FROM orders WHERE event = 'Order Cancelled') USING (order_id)
WHERE i.event = 'Order Completed' AND product_id IS NOT NULL AND customer_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE product_looks AS
SELECT customer_id, product_id, category, occurred_at AS bought_at, loaded_at AS known_at,
       event = 'Product Added' AS carted
FROM web_events
WHERE event IN ('Product Viewed', 'Product Added') AND product_id IS NOT NULL AND customer_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE product_people AS
SELECT customer_id, (row_number() OVER (ORDER BY NOT asked, customer_id))::INTEGER AS person, asked
FROM (
    SELECT customer_id, bool_or(asked) AS asked
    FROM (
        SELECT customer_id, true AS asked FROM {wanted} WHERE customer_id IS NOT NULL
        UNION ALL SELECT customer_id, false FROM product_lines
        UNION ALL SELECT customer_id, false FROM product_looks
    ) GROUP BY customer_id
);
"""

# What is known before an instant: the products on sale by popularity, and what each person bought and looked at.
KNOWN = """
CREATE OR REPLACE TEMP TABLE product_sales AS
SELECT person, product_id, category, ({before} - bought_at) // {day} AS age, bought_at // {day} AS on_day
FROM {source} JOIN product_people USING (customer_id)
WHERE bought_at < {before} AND known_at < {before};

CREATE OR REPLACE TEMP TABLE product_shelf AS
WITH active AS (SELECT count(DISTINCT person) AS people FROM product_sales WHERE age < {popular_days}),
kinds AS (
    SELECT product_id, arg_max(category, (-age, category)) AS category
    FROM product_sales WHERE category IS NOT NULL GROUP BY product_id
),
sold AS (
    SELECT product_id, count(DISTINCT person) FILTER (WHERE age < {popular_days}) AS buyers
    FROM product_sales WHERE age < {sold_within_days} GROUP BY product_id
)
SELECT product_id, category, buyers,
       (row_number() OVER (ORDER BY buyers DESC, product_id))::INTEGER AS product,
       (row_number() OVER (PARTITION BY category ORDER BY buyers DESC, product_id))::INTEGER AS place,
       floor({one} * sqrt(50.0 * buyers / greatest(people, 1)))::BIGINT AS trend
FROM sold LEFT JOIN kinds USING (product_id), active
QUALIFY row_number() OVER (ORDER BY buyers DESC, product_id) < {most_products};

CREATE OR REPLACE TEMP TABLE product_owned AS
SELECT person, product_id, count(*) AS times, min(age) AS age, max(age) AS first_age
FROM (SELECT person, product_id, on_day, min(age) AS age FROM product_sales{purchases} GROUP BY ALL)
GROUP BY person, product_id;

CREATE OR REPLACE TEMP TABLE product_replenished AS
WITH owners AS (
    SELECT product_id, category, count(*) AS owners, count(*) FILTER (WHERE times > 1) AS again
    FROM product_owned JOIN product_shelf USING (product_id) GROUP BY ALL
),
shop AS (SELECT sum(again) / greatest(sum(owners), 1) AS share FROM owners),
kinds AS (
    SELECT category, (sum(again) + {prior_category} * any_value(share)) / (sum(owners) + {prior_category}) AS share
    FROM owners, shop GROUP BY category
)
SELECT product_id FROM owners JOIN kinds ON owners.category IS NOT DISTINCT FROM kinds.category
WHERE (again + {prior_owners} * share) / (owners + {prior_owners}) >= {replenishable_share};

CREATE OR REPLACE TEMP TABLE product_bought AS
SELECT person, product_id, product, times, age, trend, r.product_id IS NULL AS keep_away
FROM product_owned LEFT JOIN product_shelf s USING (product_id) LEFT JOIN product_replenished r USING (product_id);

CREATE OR REPLACE TEMP TABLE product_seen AS
SELECT person, product, max(floor({one} * pow(0.5, age / 7.0) * if(carted, 3, 1)))::BIGINT AS weight
FROM (
    SELECT person, product, ({before} - bought_at) // {day} AS age, carted
    FROM product_looks JOIN product_people USING (customer_id) JOIN product_shelf USING (product_id)
    WHERE bought_at < {before} AND known_at < {before} AND bought_at >= {before} - {seen_days} * {day}
)
GROUP BY person, product QUALIFY row_number() OVER (PARTITION BY person ORDER BY weight DESC, product) <= 10;

CREATE OR REPLACE TEMP TABLE product_interest AS
WITH counted AS (
    SELECT person, category, count(*) FILTER (WHERE age < {history_days}) AS lately, count(*) AS ever
    FROM product_sales WHERE category IS NOT NULL GROUP BY ALL
), looked AS (
    SELECT person, category, -1 AS lately, count(*) AS ever FROM product_seen JOIN product_shelf USING (product)
    WHERE category IS NOT NULL GROUP BY ALL
)
SELECT person, category FROM (FROM counted UNION ALL FROM looked)
QUALIFY row_number() OVER (PARTITION BY person ORDER BY lately DESC, ever DESC, category) = 1;
"""

# Whoever bought one product, which others did they buy? Few buyers prove nothing; many pairs are sampled by person.
NEIGHBOURS = """
CREATE OR REPLACE TEMP TABLE product_basis AS
WITH enough AS (
    SELECT product_id FROM product_owned WHERE age < {history_days} GROUP BY product_id HAVING count(*) >= 5
), capped AS (
    SELECT person, product_id FROM product_owned SEMI JOIN enough USING (product_id) WHERE age < {history_days}
    QUALIFY row_number() OVER (PARTITION BY person ORDER BY age, product_id) <= {cap}
), within AS (
    SELECT person FROM (SELECT person, count(*) AS products FROM capped GROUP BY person)
    JOIN product_people USING (person)
    QUALIFY sum(products * products) OVER (ORDER BY md5(customer_id), person) <= {pairs}
)
SELECT person, product_id FROM capped SEMI JOIN within USING (person);

CREATE OR REPLACE TEMP TABLE product_neighbours AS
WITH alone AS (SELECT product_id, count(*) AS buyers FROM product_basis GROUP BY product_id),
together AS (
    SELECT a.product_id AS one, b.product_id AS other, count(*) AS shared
    FROM product_basis a JOIN product_basis b ON a.person = b.person AND a.product_id <> b.product_id
    GROUP BY ALL HAVING count(*) >= 3
)
SELECT one AS product_id, product, round({hundred_thousand} * (shared / x.buyers + shared / sqrt(x.buyers * y.buyers)))
       ::BIGINT AS closeness
FROM together JOIN alone x ON x.product_id = one JOIN alone y ON y.product_id = other
JOIN product_shelf s ON s.product_id = other
QUALIFY row_number() OVER (PARTITION BY one ORDER BY closeness DESC, product) <= {neighbours};

CREATE OR REPLACE TEMP TABLE product_profile AS
SELECT person, product_id, (1000 * weight // sum(weight) OVER (PARTITION BY person))::BIGINT AS weight
FROM (
    SELECT person, product_id, 1 + floor(1024 * pow(0.5, age / {half_life_days}.0))::BIGINT AS weight
    FROM product_bought
    QUALIFY row_number() OVER (PARTITION BY person ORDER BY age, product_id) <= {profile}
);
"""

# One row per person and product with any reason; `ground` orders what has no other reason.
EVIDENCE = """
    SELECT person, product, sum(own)::BIGINT AS own, sum(others)::BIGINT AS others,
           sum(seen)::BIGINT AS seen,
           max(ground) AS ground
    FROM (
        SELECT person, product, times * trend AS own, 0 AS others, 0 AS seen, 0 AS ground, keep_away
        FROM product_bought SEMI JOIN product_batch USING (person)
        UNION ALL
        SELECT person, product, 0, p.weight * closeness, 0, 0, false
        FROM product_profile p SEMI JOIN product_batch USING (person) JOIN product_neighbours USING (product_id)
        UNION ALL
        SELECT person, product, 0, 0, weight, 300, false FROM product_seen SEMI JOIN product_batch USING (person)
        UNION ALL
        SELECT person, product, 0, 0, 0, 200, false
        FROM product_interest SEMI JOIN product_batch USING (person) JOIN product_shelf USING (category)
        WHERE place <= {deep}
        UNION ALL
        SELECT person, product, 0, 0, 0, 100, false FROM product_batch, product_shelf WHERE product <= {deep}
    )
    WHERE product IS NOT NULL
    GROUP BY person, product HAVING NOT bool_or(keep_away)
"""

# Score and place in one number: the greatest three are the choice, equal scores go to what sells more.
BEST = """
SELECT person, max(least((own * {own} + seen * {seen}) // 100 + others + ground, {ceiling})
                   * {most_products} + {most_products} - product, 3) AS best
FROM ({evidence}) GROUP BY person
"""
