"""What a visitor of a pretend Shopify sees."""

from html import escape

from integrations.shopify.sandbox.credentials import SHOP
from integrations.shopify.sandbox.shop import Shop

_STYLE = "<style>body{font:15px sans-serif;margin:2em}td,th{text-align:left;padding:.2em 1em}</style>"


def page(shop: Shop) -> str:
    rows = [
        f"<tr><td>{escape(str(one['displayName']))}<td>{escape(', '.join(one['tags']))}<td>{escape(one['note'] or '')}"
        for one in list(shop.customers.values())[:100]
    ]
    head = f"<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=5><title>Shopify</title>{_STYLE}"
    counts = f"{len(shop.customers)} customers, {len(shop.orders)} orders, {len(shop.subscriptions)} webhooks"
    table = f"<table><tr><th>Customer<th>Tags<th>Note{''.join(rows)}</table>"
    buy = "<form method=post action=/buy><button>Somebody buys something</button></form>"
    return f"{head}<h1>{SHOP}</h1><p>A pretend Shopify: {counts}. What the desk writes appears here.</p>{buy}{table}"
