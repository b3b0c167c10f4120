"""Everything that Shopify is asked, in its words (GraphQL Admin 2026-10). No field here is deprecated."""

_CUSTOMER = """
    id legacyResourceId firstName lastName displayName state locale note verifiedEmail tags numberOfOrders
    defaultEmailAddress { emailAddress }
    defaultPhoneNumber { phoneNumber }
    defaultAddress { address1 address2 zip city province country }
    amountSpent { amount currencyCode }
    createdAt updatedAt
"""
_LINES = """
    nodes {
        name quantity currentQuantity
        product { id productType }
        originalUnitPriceSet { shopMoney { amount currencyCode } }
    }
    pageInfo { hasNextPage endCursor }
"""
_ORDER = f"""
    id legacyResourceId name email createdAt processedAt updatedAt cancelledAt test
    displayFinancialStatus displayFulfillmentStatus
    currentTotalPriceSet {{ shopMoney {{ amount currencyCode }} }}
    totalPriceSet {{ shopMoney {{ amount currencyCode }} }}
    customer {{ {_CUSTOMER} }}
    lineItems(first: 100) {{ {_LINES} }}
    fulfillments {{ status trackingInfo {{ company number url }} }}
"""
_PRODUCT = """
    id legacyResourceId title handle status vendor productType tags updatedAt
    featuredMedia { preview { image { url altText } } }
    variants(first: 100) { nodes { id sku title price } }
"""


def _pages(operation: str, field: str, selected: str) -> str:
    return f"""
query {operation}($first: Int!, $after: String, $query: String) {{
  {field}(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    nodes {{ {selected} }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
"""


def _count(operation: str, field: str) -> str:
    return f"query {operation}($query: String) {{ {field}(query: $query) {{ count precision }} }}"


CUSTOMERS = _pages("Customers", "customers", _CUSTOMER)
ORDERS = _pages("Orders", "orders", _ORDER)
PRODUCTS = _pages("Products", "products", _PRODUCT)
CUSTOMERS_COUNT = _count("CustomersCount", "customersCount")
ORDERS_COUNT = _count("OrdersCount", "ordersCount")
PRODUCTS_COUNT = _count("ProductsCount", "productsCount")

CUSTOMER = f"query Customer($id: ID!) {{ customer(id: $id) {{ {_CUSTOMER} }} }}"
PRODUCT = f"query Product($id: ID!) {{ product(id: $id) {{ {_PRODUCT} }} }}"
ORDER_LINES = f"""
query OrderLines($id: ID!, $first: Int!, $after: String) {{
  order(id: $id) {{ lineItems(first: $first, after: $after) {{ {_LINES} }} }}
}}
"""
INSTALLATION = "query Installation { currentAppInstallation { accessScopes { handle } } shop { myshopifyDomain } }"

SUBSCRIPTIONS = """
query Subscriptions($first: Int!) {
  webhookSubscriptions(first: $first) { nodes { id topic uri } pageInfo { hasNextPage endCursor } }
}
"""
SUBSCRIBE = """
mutation Subscribe($topic: WebhookSubscriptionTopic!, $uri: String!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: {uri: $uri, format: JSON}) {
    webhookSubscription { id } userErrors { field message }
  }
}
"""

UPDATE_CUSTOMER = """
mutation UpdateCustomer($input: CustomerInput!) {
  customerUpdate(input: $input) { customer { id updatedAt } userErrors { field message } }
}
"""
ADD_TAGS = """
mutation AddTags($id: ID!, $tags: [String!]!) { tagsAdd(id: $id, tags: $tags) { userErrors { field message } } }
"""
REMOVE_TAGS = """
mutation RemoveTags($id: ID!, $tags: [String!]!) { tagsRemove(id: $id, tags: $tags) { userErrors { field message } } }
"""
