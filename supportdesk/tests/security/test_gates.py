"""Our source against the gates, and each gate against a mistake planted for it."""

import pytest
from django.conf import settings

from supportdesk.tests.security import gates

pytestmark = pytest.mark.vuln
FOLDERS = [
    "agents", "customers", "integrations", "quimbi", "requirements", "sla", "supportdesk", "templates", "tickets",
]  # fmt: skip


def test_our_source_passes_every_gate_but_where_it_is_said_why() -> None:
    found = list(gates.faults(settings.BASE_DIR, FOLDERS))
    assert [fault for fault in found if (fault[0], fault[2]) not in gates.ALLOWED] == []
    assert set(gates.ALLOWED) == {(path, rule) for path, _, rule in found}  # none that is not needed any more


def test_the_gates_read_all_of_our_source() -> None:
    packages = {path.parent.name for path in settings.BASE_DIR.glob("*/__init__.py")}
    assert packages <= set(FOLDERS)


PLANTED = [
    ("from django.utils.safestring import mark_safe", "takes text for HTML"),
    ("mark_safe(ticket.subject)", "takes text for HTML"),
    ("format_html(f'<b>{name}</b>')", "takes text for HTML"),
    ("format_html('<b>' + name)", "takes text for HTML"),
    ("Ticket.objects.raw(query)", "builds SQL from parts"),
    ("rows.extra(where=[text])", "builds SQL from parts"),
    ("rows.annotate(x=RawSQL(text, []))", "builds SQL from parts"),
    ("cursor.execute(f'SELECT {name}')", "builds SQL from parts"),
    ("cursor.execute('SELECT %s' % name)", "builds SQL from parts"),
    ("cursor.execute(QUERY.format(name=name))", "builds SQL from parts"),
    ("cursor.execute(query)", "builds SQL from parts"),
    ("rows.filter(**request.GET.dict())", "filters by a name from elsewhere"),
    ("rows.exclude(**{name: value})", "filters by a name from elsewhere"),
    ("Ticket.objects.get(**data)", "filters by a name from elsewhere"),
    ("Ticket.objects.create(**request.data)", "filters by a name from elsewhere"),
    ("rows.update(**changes)", "filters by a name from elsewhere"),
    ("rows.order_by(request.GET['order'])", "orders by what comes from elsewhere"),
    ("rows.order_by(*fields)", "orders by what comes from elsewhere"),
    ("rows.order_by(f'-{name}')", "orders by what comes from elsewhere"),
    ("import pickle", "unpickles"),
    ("from pickle import loads", "unpickles"),
    ("import shelve", "unpickles"),
    ("eval(text)", "runs text as code"),
    ("exec(text)", "runs text as code"),
    ("compile(text, '', 'exec')", "runs text as code"),
    ("os.system(text)", "runs text as code"),
    ("subprocess.run(text, shell=True)", "runs text as code"),
    ("yaml.load(text)", "loads YAML that may make objects"),
    ("yaml.load(text, Loader=yaml.UnsafeLoader)", "loads YAML that may make objects"),
    ("yaml.unsafe_load_all(text)", "loads YAML that may make objects"),
    ("requests.get(url)", "waits for ever"),
    ("self.session.post(url, json=body)", "waits for ever"),
    ("urllib.request.urlopen(url)", "waits for ever"),
    ("socket.create_connection(address)", "waits for ever"),
    ("Redis.from_url(url)", "waits for ever"),
    ("requests.get(url, timeout=3, verify=False)", "believes anybody"),
    ("jwt.decode(token, options=dict(verify_signature=False))", "believes anybody"),
    ("jwt.decode(token, options={'verify_signature': False})", "believes anybody"),
    ("context.verify_mode = ssl.CERT_NONE", "believes anybody"),
    ("context = ssl._create_unverified_context()", "believes anybody"),
    ("if token == stored.token: pass", "compares a secret by =="),
    ("if request.headers['x'] != self.secret: pass", "compares a secret by =="),
    ("if signature == expected: pass", "compares a secret by =="),
    ("if hmac.new(key).digest() == given: pass", "compares a secret by =="),
    ("if settings.API_KEY == given: pass", "compares a secret by =="),
    ("template.format(customer=customer)", "formats text from elsewhere"),
    ("text.format_map(values)", "formats text from elsewhere"),
    ("from django.template import Template", "formats text from elsewhere"),
    ("engines['django'].from_string(text)", "formats text from elsewhere"),
    ("from string import Template", "formats text from elsewhere"),
    ("import jinja2", "formats text from elsewhere"),
]
SOUND = [
    "format_html('<b>{}</b>', name)",
    "cursor.execute('SELECT %s', [name])",
    "cursor.execute(QUERY, [name])",
    "rows.filter(**{'status': value})",
    "rows.order_by('-created_at', F('id').desc())",
    "rows.order_by()",
    "yaml.safe_load(text)",
    "requests.get(url, timeout=3)",
    "Redis.from_url(url, socket_timeout=0.3)",
    "if agent.token_version != version: pass",
    "if hmac.compare_digest(token, given): pass",
    "if password == '': pass",
    "'{} of {}'.format(one, all_)",
    "re.compile('x')",
    "form.compile(text)",
]
PLANTED_IN_TEMPLATES = [
    ("<p>{{ ticket.subject|safe }}</p>", "takes text for HTML"),
    ("{{ tags | safeseq }}", "takes text for HTML"),
    ("{% autoescape off %}", "takes text for HTML"),
    ('<a href="{{ customer.website }}">', "links to a value"),
    ("<img src={{ picture }}>", "links to a value"),
    ('<form action="{{ next }}">', "links to a value"),
    ("<script>let name = '{{ name }}'</script>", "has a script of its own"),
    ('<button onclick="go()">', "has a script of its own"),
]


@pytest.mark.parametrize(("source", "rule"), PLANTED)
def test_a_planted_mistake_is_found(source: str, rule: str) -> None:
    assert rule in {found for _, found in gates.in_source(source)}


@pytest.mark.parametrize("source", SOUND)
def test_what_is_sound_passes(source: str) -> None:
    assert list(gates.in_source(source)) == []


@pytest.mark.parametrize(("text", "rule"), PLANTED_IN_TEMPLATES)
def test_a_planted_mistake_in_a_template_is_found(text: str, rule: str) -> None:
    assert rule in {found for _, found in gates.in_template(text)}


def test_every_gate_has_a_mistake_planted_for_it() -> None:
    assert {rule for _, rule in PLANTED} == set(gates.RULES)
    assert {rule for _, rule in PLANTED_IN_TEMPLATES} == set(gates.TEMPLATE_RULES)
