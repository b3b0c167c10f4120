"""A Shopify of our own on this machine, as strict as theirs: for tests, drills and the demo.

`python -m integrations.shopify.sandbox --port 8032` has one shop with customers, orders and products, which it shows at
`/`. It knows the operations that we send, by their names, and refuses any other; it answers the fields that are
selected and no more; tokens rotate, queries cost points, and every subscription is delivered to, signed, when something
changes. It serves the version that is asked for, or instead of one that it does not know the oldest that it does. Other
answers can be scripted, and every request is noted with the instant at which it came.
"""
