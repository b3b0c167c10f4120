"""Which shop a pretend Shopify has, and with what it is called."""

SHOP = "sandbox-shop.myshopify.com"
CLIENT_ID = "the-app-of-the-sandbox"
SECRET = "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"  # noqa: S105 - signs nothing but this
TOKEN = "shpat_sandbox_of_nobody"  # noqa: S105 - opens nothing but this
SCOPES = "read_customers,write_customers,read_orders,read_all_orders,read_products"
