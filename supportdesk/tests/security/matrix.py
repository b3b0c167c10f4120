"""Who may do what: every route and method of the product, and what each kind of caller gets.

    +  does it: the answer has the code of the row
    -  is asked who they are: 401; in the admin the way to its login
    .  may not: 403
    ?  sees nothing there: 404; in the admin the way back to its first page
    !  may not with this body, which names what they do not see or may not set: 400; in the admin the form again

    anon   nobody                                  agent   of the department that has the ticket; their own things
    off    a login or a key that was good once     other   an agent of another department
    boss   a supervisor of the department          senior  a colleague of the agent
    rival  a supervisor of the other one           admin   an administrator
    tr tw nr cr cw ar   an API key of one scope (tickets, notes, customers, agents; read, write)   all   of all of them

A new route is a new line. Its path names objects of `world.World.values` by the words before its parameters; so does
its body, with a $. A body is JSON, FILE (an upload), or @ and the name of one of the forms at the end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NAMES = ("anon", "off", "agent", "other", "senior", "boss", "rival", "admin", "tr", "tw", "nr", "cr", "cw", "ar", "all")

API = """
                                                                                   a o   a o s b r a  t t n c c a a
                                                                                   n f   g t e o i d  r w r r w r l
                                                                                   o f   e h n s v m              l
                                                                                   n     n e i s a i
                                                                                         t r o   l n
                                                                                             r
POST   api/auth/login                                                     200      + +   + + + + + +  + + + + + + +  {"email": "$agent_email", "password": "$password"}
POST   api/auth/refresh                                                   200      + +   + + + + + +  + + + + + + +  {"refresh": "$refresh"}

GET    api/agents                                                         200      - -   + + + + + +  . . . . . + +
POST   api/agents                                                         201      - -   . . . . . +  . . . . . . .  {"email": "new@example.com", "name": "New"}
GET    api/agents/<id:pk>                                                 200      - -   + + + + + +  . . . . . + +
PATCH  api/agents/<id:pk>                                                 200      - -   + ? ! + ? +  . . . . . . .  {"availability": "busy"}
POST   api/agents/<id:pk>/login                                           200      + +   + + + + + +  + + + + + + +  {"email": "$agent_email", "password": "$password"}
POST   api/agents/<id:pk>/logout                                          204      - -   + ? ? ? ? ?  . . . . . . .
POST   api/agents/<id:pk>/ws-ticket                                       201      - -   + ? ? ? ? ?  . . . . . . .
GET    api/agents/<id:pk>/stream                                          421      + +   + + + + + +  + + + + + + +
GET    api/agents/<id:pk>/queue                                           200      - -   + ? + + ? +  ? ? ? . . . +
GET    api/agents/available                                               200      - -   + + + + + +  . . . . . + +

GET    api/ai/customers/<id:pk>/churn                                     200      - -   + ? + + ? +  . . . + + . +
GET    api/ai/customers/<id:pk>/dna                                       200      - -   + ? + + ? +  . . . + + . +
GET    api/ai/tickets/<id:pk>/draft                                       200      - -   + ? + + ? +  . . . . . . .
POST   api/ai/tickets/<id:pk>/draft                                       200      - -   + ? + + ? +  . . . . . . .  {"tone": "formal"}
GET    api/ai/tickets/<id:pk>/recommend                                   200      - -   + ? + + ? +  . . . . . . .
GET    api/ai/report                                                      200      - -   . . . + + +  . . . . . . .

GET    api/api-keys                                                       200      - -   . . . . . +  . . . . . . .
POST   api/api-keys                                                       201      - -   . . . . . +  . . . . . . .  {"name": "New", "scopes": ["tickets:read"], "expires_at": "$soon"}
DELETE api/api-keys/<id:pk>                                               204      - -   . . . . . +  . . . . . . .

GET    api/customers                                                      200      - -   + + + + + +  . . . + + . +
POST   api/customers                                                      201      - -   + + + + + +  . . . . + . +  {"name": "New"}
GET    api/customers/<id:pk>                                              200      - -   + ? + + ? +  . . . + + . +
PATCH  api/customers/<id:pk>                                              200      - -   + ? + + ? +  . . . . + . +  {"language": "fr"}
POST   api/customers/<id:pk>/erase                                        200      - -   . . . . . +  . . . . . . .  {"confirm": "erase"}
GET    api/customers/<id:pk>/export                                       200      - -   . . . . . +  . . . . . . .
GET    api/customers/<id:pk>/orders                                       200      - -   + ? + + ? +  . . . + + . +
GET    api/customers/<id:pk>/tickets                                      200      - -   + ? + + ? +  ? ? ? . . . +

POST   api/integrations/gorgias/webhook/<public_id:public_id>             202      - -   - - - - - -  - - - - - - -  {"event": "ticket-updated"}
POST   api/integrations/shopify/webhook/<public_id:public_id>             202      - -   - - - - - -  - - - - - - -  {"id": 7}
GET    api/integrations/shopify/products/<id:pk>                          200      - -   + + + + + +  . . . . . . .
POST   api/integrations/shopify/webhook                                   202      - -   - - - - - -  - - - - - - -  {"id": 7}

GET    api/sla/policies                                                   200      - -   + + + + + +  + + + . . . +
POST   api/sla/policies                                                   201      - -   . . . + + +  . . . . . . .  @promises
GET    api/sla/policies/<id:pk>                                           200      - -   + + + + + +  + + + . . . +
PATCH  api/sla/policies/<id:pk>                                           200      - -   . . . + + +  . . . . . . .  {"name": "Other"}
GET    api/sla/policies/<id:pk>/versions                                  200      - -   + + + + + +  + + + . . . +
POST   api/sla/policies/<id:pk>/activate                                  200      - -   . . . + + +  . . . . . . .
POST   api/sla/policies/<id:pk>/apply                                     202      - -   . . . + + +  . . . . . . .  {"preview": true}
POST   api/sla/policies/<id:pk>/simulate                                  202      - -   . . . + + +  . . . . . . .  {"days": 7}
GET    api/sla/simulations/<id:pk>                                        200      - -   + + + + + +  + + + . . . +
GET    api/sla/applications/<id:pk>                                       200      - -   + + + + + +  + + + . . . +
GET    api/sla/calendars                                                  200      - -   + + + + + +  + + + . . . +
POST   api/sla/calendars                                                  201      - -   . . . + + +  . . . . . . .  {"name": "New", "timezone": "UTC", "week": {"monday": ["09:00-17:00"]}}
GET    api/sla/calendars/<id:pk>                                          200      - -   + + + + + +  + + + . . . +
PATCH  api/sla/calendars/<id:pk>                                          200      - -   . . . + + +  . . . . . . .  {"name": "Other"}
GET    api/sla/calendars/<id:pk>/versions                                 200      - -   + + + + + +  + + + . . . +
POST   api/sla/calendars/<id:pk>/holidays/import                          200      - -   . . . + + +  . . . . . . .  {"country": "DE", "years": [2027]}
GET    api/sla/tickets/<id:pk>                                            200      - -   + ? + + ? +  + + + . . . +
GET    api/sla/breaches                                                   200      - -   + + + + + +  + + + . . . +
POST   api/sla/breaches/<id:pk>/acknowledge                               200      - -   . . . + ? +  . . . . . . .  {"reason": "New"}
GET    api/sla/dashboard                                                  200      - -   + + + + + +  + + + . . . +
GET    api/sla/at-risk                                                    200      - -   + + + + + +  + + + . . . +

GET    api/tickets                                                        200      - -   + + + + + +  + + + . . . +
POST   api/tickets                                                        201      - -   + ! + + ! +  . ! . . . . +  {"customer_id": "$customer", "subject": "New", "description": "x"}
GET    api/tickets/export                                                 200      - -   . . . + + +  + + + . . . +
POST   api/tickets/bulk                                                   200      - -   + + + + + +  . + . . . . +  {"tickets": [{"id": "$ticket"}], "changes": {"priority": "low"}}
GET    api/tickets/<id:pk>                                                200      - -   + ? + + ? +  + + + . . . +
PATCH  api/tickets/<id:pk>                                                200      - -   + ? + + ? +  . + . . . . +  {"priority": "low"}
DELETE api/tickets/<id:pk>                                                204      - -   + ? + + ? +  . + . . . . +
GET    api/tickets/<id:pk>/messages                                       200      - -   + ? + + ? +  + + + . . . +
POST   api/tickets/<id:pk>/messages                                       201      - -   + ? + + ? +  . + . . . . +  {"body": "New", "sender": "customer"}
GET    api/tickets/<id:pk>/attachments                                    200      - -   + ? + + ? +  + + + . . . +
POST   api/tickets/<id:pk>/attachments                                    201      - -   + ? + + ? +  . + . . . . +  FILE
GET    api/tickets/<id:pk>/attachments/<id:attachment>                    200      - -   + ? + + ? +  + + + . . . +
GET    api/tickets/<id:pk>/notes                                          200      - -   + ? + + ? +  . . + . . . +
POST   api/tickets/<id:pk>/notes                                          201      - -   + ? + + ? +  . . . . . . .  {"body": "New", "mentions": ["$agent"]}
GET    api/tickets/<id:pk>/events                                         200      - -   + ? + + ? +  + + + . . . +
GET    api/tickets/<id:pk>/rank                                           200      - -   + ? + + ? +  . . . ? ? . +
GET    api/tickets/unassigned                                             200      - -   + + + + + +  + + + . . . +
POST   api/tickets/<id:pk>/assign                                         200      - -   + ? + + ? +  . ! . . . . +  {"agent_id": "$agent"}
POST   api/tickets/<id:pk>/auto-assign                                    409      - -   + ? + + ? +  . + . . . . +
POST   api/tickets/<id:pk>/transfer                                       200      - -   + ? + + ? +  . ! . . . . +  {"from_agent_id": "$agent", "agent_id": "$colleague", "reason": "New"}
GET    api/tickets/<id:pk>/assignments                                    200      - -   + ? + + ? +  + + + . . . +

GET    api/topic-alerts                                                   200      - -   + + + + + +  + + + . . . +
POST   api/topic-alerts                                                   201      - -   . . . + ! +  . . . . . . .  {"tag": "new", "minutes": 30, "ends_at": "$tomorrow", "department_id": "$department"}
GET    api/topic-alerts/<id:pk>                                           200      - -   + ? + + ? +  + + + . . . +
POST   api/topic-alerts/<id:pk>/end                                       200      - -   . . . + ? +  . . . . . . .

GET    api/views                                                          200      - -   + + + + + +  . . . . . . .
POST   api/views                                                          201      - -   + + + + + +  . . . . . . .  {"name": "New", "query": {"status": "open"}}
GET    api/views/<id:pk>                                                  200      - -   + ? ? ? ? ?  . . . . . . .
PATCH  api/views/<id:pk>                                                  200      - -   + ? ? ? ? ?  . . . . . . .  {"name": "Other"}
DELETE api/views/<id:pk>                                                  204      - -   + ? ? ? ? ?  . . . . . . .
GET    api/views/<id:pk>/tickets                                          200      - -   + ? ? ? ? ?  . . . . . . .
"""  # noqa: E501

OPEN = """
                                                                                   a o   a o s b r a  t t n c c a a
                                                                                   n f   g t e o i d  r w r r w r l
                                                                                   o f   e h n s v m              l
                                                                                   n     n e i s a i
                                                                                         t r o   l n
                                                                                             r
GET    <nothing>                                                          302      + +   + + + + + +  + + + + + + +
GET    healthz                                                            200      + +   + + + + + +  + + + + + + +
GET    readyz                                                             200      + +   + + + + + +  + + + + + + +
GET    metrics                                                            200      + +   + + + + + +  + + + + + + +
GET    api/schema                                                         200      + +   + + + + + +  + + + + + + +
GET    api/docs                                                           200      + +   + + + + + +  + + + + + + +
"""

# Braces stand for each of what they hold. The admin takes any other method for a GET; `test_safe_methods` sees to it
# that none of them writes.
ADMIN = """
                                                                                   a o   a o s b r a  t t n c c a a
                                                                                   n f   g t e o i d  r w r r w r l
                                                                                   o f   e h n s v m              l
                                                                                   n     n e i s a i
                                                                                         t r o   l n
                                                                                             r
GET    admin/login/                                                       200|302  + +   + + + + + +  + + + + + + +
POST   admin/login/                                                       302      + +   + + + + + +  + + + + + + +  {"username": "$boss_email", "password": "$password"}
GET    admin/logout/                                                      302|405  + +   + + + + + +  + + + + + + +
POST   admin/logout/                                                      302      + +   + + + + + +  + + + + + + +
GET    admin/                                                             200      - -   - - - + + +  - - - - - - -
POST   admin/                                                             200      - -   - - - + + +  - - - - - - -
GET    admin/{password_change/done/,jsi18n/}                              200      - -   - - - + + +  - - - - - - -
POST   admin/{password_change/done/,jsi18n/}                              405      - -   - - - + + +  - - - - - - -
GET    admin/password_change/                                             302      - -   - - - + + +  - - - - - - -
POST   admin/password_change/                                             302      - -   - - - + + +  - - - - - - -
GET    admin/<app_label>/                                                 200      - -   - - - + + +  - - - - - - -
POST   admin/<app_label>/                                                 200      - -   - - - + + +  - - - - - - -
GET    admin/{<url>,autocomplete/,r/<content_type_id>/<object_id>/}       200      - -   - - - ? ? ?  - - - - - - -
POST   admin/{<url>,autocomplete/,r/<content_type_id>/<object_id>/}       200      - -   - - - ? ? ?  - - - - - - -

GET    admin/agents/agent/                                                200      - -   - - - + + +  - - - - - - -
POST   admin/agents/agent/                                                200      - -   - - - + + +  - - - - - - -
GET    admin/agents/agent/add/                                            200      - -   - - - . . +  - - - - - - -
POST   admin/agents/agent/add/                                            302      - -   - - - . . +  - - - - - - -  @agent
GET    admin/agents/agent/<object_id>/change/                             200      - -   - - - + ? +  - - - - - - -
POST   admin/agents/agent/<object_id>/change/                             302      - -   - - - + ? +  - - - - - - -  @agent
GET    admin/agents/agent/<object_id>/history/                            200      - -   - - - ? ? ?  - - - - - - -
POST   admin/agents/agent/<object_id>/history/                            200      - -   - - - ? ? ?  - - - - - - -

GET    admin/agents/{department,specialization}/                          200      - -   - - - + + +  - - - - - - -
POST   admin/agents/{department,specialization}/                          200      - -   - - - + + +  - - - - - - -
GET    admin/agents/{department,specialization}/add/                      200      - -   - - - . . +  - - - - - - -
POST   admin/agents/{department,specialization}/add/                      302      - -   - - - . . +  - - - - - - -  {"name": "New", "slug": "new"}
GET    admin/agents/{department,specialization}/<object_id>/change/       200      - -   - - - + + +  - - - - - - -
POST   admin/agents/{department,specialization}/<object_id>/change/       302      - -   - - - ! ! +  - - - - - - -  {"name": "Other", "slug": "other"}
GET    admin/agents/{department,specialization}/<object_id>/history/      200      - -   - - - ? ? ?  - - - - - - -
POST   admin/agents/{department,specialization}/<object_id>/history/      200      - -   - - - ? ? ?  - - - - - - -

GET    admin/agents/apikey/                                               200      - -   - - - . . +  - - - - - - -
POST   admin/agents/apikey/                                               302      - -   - - - . . +  - - - - - - -  {"action": "revoke", "_selected_action": "$apikey"}
GET    admin/agents/apikey/add/                                           200      - -   - - - . . +  - - - - - - -
POST   admin/agents/apikey/add/                                           302      - -   - - - . . +  - - - - - - -  @apikey
GET    admin/agents/apikey/<object_id>/change/                            200      - -   - - - ? ? +  - - - - - - -
POST   admin/agents/apikey/<object_id>/change/                            302      - -   - - - ? ? +  - - - - - - -  @apikey
GET    admin/agents/apikey/<object_id>/history/                           200      - -   - - - ? ? ?  - - - - - - -
POST   admin/agents/apikey/<object_id>/history/                           200      - -   - - - ? ? ?  - - - - - - -

GET    admin/core/delivery/                                               200      - -   - - - . . +  - - - - - - -
POST   admin/core/delivery/                                               302      - -   - - - . . +  - - - - - - -  {"action": "try_again", "_selected_action": "$delivery"}
GET    admin/core/delivery/add/                                           200      - -   - - - . . .  - - - - - - -
POST   admin/core/delivery/add/                                           302      - -   - - - . . .  - - - - - - -
GET    admin/core/delivery/<object_id>/change/                            200      - -   - - - ? ? +  - - - - - - -
POST   admin/core/delivery/<object_id>/change/                            200      - -   - - - ? ? +  - - - - - - -
GET    admin/core/delivery/<object_id>/history/                           200      - -   - - - ? ? ?  - - - - - - -
POST   admin/core/delivery/<object_id>/history/                           200      - -   - - - ? ? ?  - - - - - - -

GET    admin/quimbi/call/                                                 200      - -   - - - . . +  - - - - - - -
POST   admin/quimbi/call/                                                 200      - -   - - - . . +  - - - - - - -
GET    admin/quimbi/call/add/                                             200      - -   - - - . . .  - - - - - - -
POST   admin/quimbi/call/add/                                             302      - -   - - - . . .  - - - - - - -
GET    admin/quimbi/call/<object_id>/change/                              200      - -   - - - ? ? +  - - - - - - -
POST   admin/quimbi/call/<object_id>/change/                              200      - -   - - - ? ? +  - - - - - - -
GET    admin/quimbi/call/<object_id>/history/                             200      - -   - - - ? ? ?  - - - - - - -
POST   admin/quimbi/call/<object_id>/history/                             200      - -   - - - ? ? ?  - - - - - - -
GET    admin/integrations/connection/                                     200      - -   - - - . . +  - - - - - - -
POST   admin/integrations/connection/                                     200      - -   - - - . . +  - - - - - - -
GET    admin/integrations/connection/add/                                 200      - -   - - - . . +  - - - - - - -
POST   admin/integrations/connection/add/                                 302      - -   - - - . . +  - - - - - - -  {"provider": "gorgias", "account_key": "new"}
GET    admin/integrations/connection/<object_id>/change/                  200      - -   - - - ? ? +  - - - - - - -
POST   admin/integrations/connection/<object_id>/change/                  302      - -   - - - ? ? +  - - - - - - -  {"do": "pause"}
GET    admin/integrations/connection/<object_id>/history/                 200      - -   - - - ? ? ?  - - - - - - -
POST   admin/integrations/connection/<object_id>/history/                 200      - -   - - - ? ? ?  - - - - - - -
GET    admin/integrations/connection/callback/<str:provider>/             200      + +   + + + + + +  + + + + + + +
POST   admin/integrations/connection/callback/<str:provider>/             200      + +   + + + + + +  + + + + + + +
GET    admin/integrations/connection/complete/<str:provider>/             200      - -   - - - . . +  - - - - - - -
POST   admin/integrations/connection/complete/<str:provider>/             302      - -   - - - . . +  - - - - - - -
GET    admin/integrations/connection/install/<str:provider>/              200      + +   + + + + + +  + + + + + + +
POST   admin/integrations/connection/install/<str:provider>/              200      + +   + + + + + +  + + + + + + +
GET    admin/integrations/connection/wanted/<str:provider>/               302      - -   - - - . . +  - - - - - - -
POST   admin/integrations/connection/wanted/<str:provider>/               302      - -   - - - . . +  - - - - - - -

GET    admin/integrations/synccursor/                                     200      - -   - - - . . +  - - - - - - -
POST   admin/integrations/synccursor/                                     200      - -   - - - . . +  - - - - - - -
GET    admin/integrations/synccursor/add/                                 200      - -   - - - . . .  - - - - - - -
POST   admin/integrations/synccursor/add/                                 302      - -   - - - . . .  - - - - - - -
GET    admin/integrations/synccursor/<object_id>/change/                  200      - -   - - - ? ? +  - - - - - - -
POST   admin/integrations/synccursor/<object_id>/change/                  200      - -   - - - ? ? +  - - - - - - -
GET    admin/integrations/synccursor/<object_id>/history/                 200      - -   - - - ? ? ?  - - - - - - -
POST   admin/integrations/synccursor/<object_id>/history/                 200      - -   - - - ? ? ?  - - - - - - -

GET    admin/integrations/datasubjectrequest/                             200      - -   - - - . . +  - - - - - - -
POST   admin/integrations/datasubjectrequest/                             302      - -   - - - . . +  - - - - - - -  {"action": "mark_delivered", "_selected_action": "$datasubjectrequest"}
GET    admin/integrations/datasubjectrequest/add/                         200      - -   - - - . . .  - - - - - - -
POST   admin/integrations/datasubjectrequest/add/                         302      - -   - - - . . .  - - - - - - -
GET    admin/integrations/datasubjectrequest/<object_id>/change/          200      - -   - - - ? ? +  - - - - - - -
POST   admin/integrations/datasubjectrequest/<object_id>/change/          200      - -   - - - ? ? +  - - - - - - -
GET    admin/integrations/datasubjectrequest/<object_id>/history/         200      - -   - - - ? ? ?  - - - - - - -
POST   admin/integrations/datasubjectrequest/<object_id>/history/         200      - -   - - - ? ? ?  - - - - - - -

GET    admin/integrations/webhookreceipt/                                 200      - -   - - - . . +  - - - - - - -
POST   admin/integrations/webhookreceipt/                                 302      - -   - - - . . +  - - - - - - -  {"action": "replay", "_selected_action": "$webhookreceipt"}
GET    admin/integrations/webhookreceipt/add/                             200      - -   - - - . . .  - - - - - - -
POST   admin/integrations/webhookreceipt/add/                             302      - -   - - - . . .  - - - - - - -
GET    admin/integrations/webhookreceipt/<object_id>/change/              200      - -   - - - ? ? +  - - - - - - -
POST   admin/integrations/webhookreceipt/<object_id>/change/              200      - -   - - - ? ? +  - - - - - - -
GET    admin/integrations/webhookreceipt/<object_id>/history/             200      - -   - - - ? ? ?  - - - - - - -
POST   admin/integrations/webhookreceipt/<object_id>/history/             200      - -   - - - ? ? ?  - - - - - - -

GET    admin/sla/calendar/                                                200      - -   - - - + + +  - - - - - - -
POST   admin/sla/calendar/                                                200      - -   - - - + + +  - - - - - - -
GET    admin/sla/calendar/add/                                            200      - -   - - - + + +  - - - - - - -
POST   admin/sla/calendar/add/                                            200      - -   - - - + + +  - - - - - - -
GET    admin/sla/calendar/<object_id>/change/                             200      - -   - - - + + +  - - - - - - -
POST   admin/sla/calendar/<object_id>/change/                             200      - -   - - - + + +  - - - - - - -
GET    admin/sla/calendar/<object_id>/history/                            200      - -   - - - ? ? ?  - - - - - - -
POST   admin/sla/calendar/<object_id>/history/                            200      - -   - - - ? ? ?  - - - - - - -
GET    admin/sla/policy/                                                  200      - -   - - - + + +  - - - - - - -
POST   admin/sla/policy/                                                  200      - -   - - - + + +  - - - - - - -
GET    admin/sla/policy/add/                                              200      - -   - - - + + +  - - - - - - -
POST   admin/sla/policy/add/                                              200      - -   - - - + + +  - - - - - - -
GET    admin/sla/policy/<object_id>/change/                               200      - -   - - - + + +  - - - - - - -
POST   admin/sla/policy/<object_id>/change/                               200      - -   - - - + + +  - - - - - - -
GET    admin/sla/policy/<object_id>/history/                              200      - -   - - - ? ? ?  - - - - - - -
POST   admin/sla/policy/<object_id>/history/                              200      - -   - - - ? ? ?  - - - - - - -
GET    admin/sla/slaalert/                                                200      - -   - - - + + +  - - - - - - -
POST   admin/sla/slaalert/                                                200      - -   - - - + + +  - - - - - - -
GET    admin/sla/slaalert/add/                                            200      - -   - - - . . .  - - - - - - -
POST   admin/sla/slaalert/add/                                            302      - -   - - - . . .  - - - - - - -
GET    admin/sla/slaalert/<object_id>/change/                             200      - -   - - - + ? +  - - - - - - -
POST   admin/sla/slaalert/<object_id>/change/                             200      - -   - - - + ? +  - - - - - - -
GET    admin/sla/slaalert/<object_id>/history/                            200      - -   - - - ? ? ?  - - - - - - -
POST   admin/sla/slaalert/<object_id>/history/                            200      - -   - - - ? ? ?  - - - - - - -

GET    admin/customers/customer/                                          200      - -   - - - + + +  - - - - - - -
POST   admin/customers/customer/                                          200      - -   - - - + + +  - - - - - - -
GET    admin/customers/customer/add/                                      200      - -   - - - + + +  - - - - - - -
POST   admin/customers/customer/add/                                      302      - -   - - - + + +  - - - - - - -  {"name": "New", "tier": "standard"}
GET    admin/customers/customer/<object_id>/change/                       200      - -   - - - + ? +  - - - - - - -
POST   admin/customers/customer/<object_id>/change/                       302      - -   - - - + ? +  - - - - - - -  {"name": "Other", "tier": "standard"}
GET    admin/customers/customer/<object_id>/history/                      200      - -   - - - ? ? ?  - - - - - - -
POST   admin/customers/customer/<object_id>/history/                      200      - -   - - - ? ? ?  - - - - - - -

GET    admin/tickets/ticket/                                              200      - -   - - - + + +  - - - - - - -
POST   admin/tickets/ticket/                                              302      - -   - - - + + +  - - - - - - -  {"action": "archive", "_selected_action": "$ticket"}
GET    admin/tickets/ticket/add/                                          200      - -   - - - . . .  - - - - - - -
POST   admin/tickets/ticket/add/                                          302      - -   - - - . . .  - - - - - - -
GET    admin/tickets/ticket/<object_id>/change/                           200      - -   - - - + ? +  - - - - - - -
POST   admin/tickets/ticket/<object_id>/change/                           302      - -   - - - + ? +  - - - - - - -  {"do": "note", "note-body": "New"}
GET    admin/tickets/ticket/<object_id>/history/                          200      - -   - - - ? ? ?  - - - - - - -
POST   admin/tickets/ticket/<object_id>/history/                          200      - -   - - - ? ? ?  - - - - - - -

GET    admin/tickets/topicalert/                                          200      - -   - - - + + +  - - - - - - -
POST   admin/tickets/topicalert/                                          200      - -   - - - + + +  - - - - - - -
GET    admin/tickets/topicalert/add/                                      200      - -   - - - + + +  - - - - - - -
POST   admin/tickets/topicalert/add/                                      302      - -   - - - + ! +  - - - - - - -  {"tag": "new", "minutes": "30", "ends_at": "$tomorrow_typed", "department": "$department"}
GET    admin/tickets/topicalert/<object_id>/change/                       200      - -   - - - + ? +  - - - - - - -
POST   admin/tickets/topicalert/<object_id>/change/                       302      - -   - - - + ? +  - - - - - - -  {"end_now": "on"}
GET    admin/tickets/topicalert/<object_id>/history/                      200      - -   - - - ? ? ?  - - - - - - -
POST   admin/tickets/topicalert/<object_id>/history/                      200      - -   - - - ? ? ?  - - - - - - -

GET    admin/OURS/<object_id>/delete/                                     200      - -   - - - . . .  - - - - - - -
POST   admin/OURS/<object_id>/delete/                                     302      - -   - - - . . .  - - - - - - -  {"post": "yes"}

GET    admin/BEAT/                                                        200      - -   - - - . . +  - - - - - - -
POST   admin/BEAT/                                                        200      - -   - - - . . +  - - - - - - -
GET    admin/BEAT/add/                                                    200      - -   - - - . . +  - - - - - - -
POST   admin/BEAT/add/                                                    302      - -   - - - . . +  - - - - - - -  @MODEL
GET    admin/BEAT/<object_id>/change/                                     200      - -   - - - . . +  - - - - - - -
POST   admin/BEAT/<object_id>/change/                                     302      - -   - - - . . +  - - - - - - -  @MODEL
GET    admin/BEAT/<object_id>/history/                                    200      - -   - - - . . +  - - - - - - -
POST   admin/BEAT/<object_id>/history/                                    200      - -   - - - . . +  - - - - - - -
GET    admin/BEAT/<object_id>/delete/                                     200      - -   - - - . . +  - - - - - - -
POST   admin/BEAT/<object_id>/delete/                                     302      - -   - - - . . +  - - - - - - -  {"post": "yes"}

GET    admin/EVERY/<object_id>/                                           302      - -   - - - + + +  - - - - - - -
POST   admin/EVERY/<object_id>/                                           302      - -   - - - + + +  - - - - - - -
"""  # noqa: E501

OURS = (
    "agents/agent,agents/apikey,agents/department,agents/specialization,core/delivery,customers/customer,"
    "integrations/connection,integrations/datasubjectrequest,integrations/synccursor,integrations/webhookreceipt,quimbi/call,sla/calendar,sla/policy,sla/slaalert,"
    "tickets/ticket,tickets/topicalert"
)
BEAT = ",".join(
    f"django_celery_beat/{kind}"
    for kind in ("clockedschedule", "crontabschedule", "intervalschedule", "periodictask", "solarschedule")
)
GROUPS = {"OURS": OURS, "BEAT": BEAT, "EVERY": f"{OURS},{BEAT}"}
NO_TASKS = {"periodictask_set-TOTAL_FORMS": "0", "periodictask_set-INITIAL_FORMS": "0"}
# The forms of the admin that need more than fits a line.
FORMS: dict[str, dict[str, Any]] = {
    "agent": {
        "name": "New",
        "email": "new@example.com",
        "role": "agent",
        "department": "$department",
        "languages": "",
        "capacity": "3",
        "availability": "busy",
        "is_active": "on",
    },
    "apikey": {"name": "New", "scopes": "tickets:read", "expires_at": "$soon"},
    "clockedschedule": {**NO_TASKS, "clocked_time_0": "2030-01-01", "clocked_time_1": "00:00:00"},
    "crontabschedule": {
        **NO_TASKS,
        "minute": "1",
        "hour": "1",
        "day_of_month": "*",
        "month_of_year": "*",
        "day_of_week": "*",
        "timezone": "UTC",
    },
    "intervalschedule": {**NO_TASKS, "every": "3", "period": "days"},
    "periodictask": {
        "name": "New",
        "regtask": "",
        "task": "agents.tasks.prune",
        "enabled": "on",
        "interval": "$intervalschedule",
        "args": "[]",
        "kwargs": "{}",
        "headers": "{}",
        "start_time_0": "",
        "start_time_1": "",
    },
    "promises": {
        "name": "New",
        "calendar_id": "$calendar",
        "targets": {name: {"first_response": 30} for name in ("urgent", "high", "normal", "low")},
    },
    "solarschedule": {**NO_TASKS, "event": "sunrise", "latitude": "2", "longitude": "2"},
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: `cells` is the symbol of each kind of caller, `codes` what those get who may."""

    method: str
    route: str
    codes: frozenset[int]
    cells: dict[str, str]
    body: str

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


def rows() -> list[Row]:
    lines = [line for table in (API, OPEN, ADMIN) for line in table.splitlines()]
    return [row for line in lines if line[:1].isalpha() for row in _rows(line)]


def _rows(line: str) -> Iterator[Row]:
    method, route, codes, *rest = line.split(maxsplit=3 + len(NAMES))
    for name, models in GROUPS.items():
        route = route.replace(f"/{name}/", f"/{{{models}}}/")
    before, _, inner = route.partition("{")
    choices, _, after = inner.rpartition("}")
    for choice in choices.split(","):
        yield Row(
            method=method,
            route=f"{before}{choice}{after}".removeprefix("<nothing>"),
            codes=frozenset(int(code) for code in codes.split("|")),
            cells=dict(zip(NAMES, rest[: len(NAMES)], strict=True)),
            body=rest[-1].replace("@MODEL", f"@{choice.rpartition('/')[2]}") if len(rest) > len(NAMES) else "",
        )
