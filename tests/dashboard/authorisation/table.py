"""The matrix: one row for each address, saying who may ask for it, how, and about whose calls.

A new route without a row fails tests/dashboard/authorisation/test_pages.py. Unless a row says otherwise:

- whoever is not signed in is sent to the sign-in page;
- what is about a call is 404 to whoever does not see it (people.SEES), and tells nothing of it;
- a method that the row does not name is 405;
- what answers GET or HEAD changes no row, and what is refused changes none but the audit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from .people import ADMINISTRATORS, MAY_BARGE, MAY_MONITOR, MAY_WHISPER, MEMBERS, SEES, SIGNED_IN, STAFF, Who, Whose
from .world import Call

People = frozenset[Who]
Form = Callable[[Call], dict[str, Any]]
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}
NOBODY = frozenset[Who]()
SUPERUSER = frozenset({Who.SUPERUSER})
READ, POSTED = ("GET", "HEAD"), ("POST",)
BOTH = READ + POSTED


@dataclass(frozen=True, slots=True)
class Row:
    """The answers of one address to those who are signed in; `may` names those of them who are let through."""

    route: str
    methods: tuple[str, ...] = READ
    may: People | Mapping[Whose, People] = SIGNED_IN
    may_post: People | None = None
    """Those who may post, where they are not the same."""
    done: int = 200
    posted: int = 0
    """The answer to a POST, where that is not `done`."""
    refused: int = 404
    head: int = 0
    """The answer to a HEAD, where that is not `done`."""
    stranger: int = 0
    """The answer where nobody is signed in; if nothing is said, the way to the sign-in page."""
    stranger_posted: int = 0
    """The answer to a POST where nobody is signed in, if it is another."""
    about_call: bool = False
    form: Form = lambda _call: {}
    query: Form = lambda _call: {}
    headers: Mapping[str, str] = field(default_factory=dict)
    told: People = NOBODY
    """Those whom it tells of calls that they do not see on the floor."""
    numbers: People = NOBODY
    """Those whom it shows whole telephone numbers."""
    named: str = ""
    path: str = ""
    """An address, where the route is a regular expression."""
    model: str = ""

    @property
    def label(self) -> str:
        return f"/{self.path or self.route} {self.named}".strip()

    @property
    def is_press(self) -> bool:
        """Return whether it may send something to Telnyx; who may not is told so in a sentence, as with a number."""
        return self.refused == 422 and not self.numbers

    def status(self, who: Who, whose: Whose, method: str) -> int:
        """Return the status for somebody who is signed in, and sees the call where it is about one."""
        may = self.may[whose] if isinstance(self.may, Mapping) else self.may
        if method != "POST":
            done = self.head or self.done if method == "HEAD" else self.done
            return done if who in may else self.refused
        return (self.posted or self.done) if who in (may if self.may_post is None else self.may_post) else self.refused


def press(
    route: str, may: People | Mapping[Whose, People], named: str = "", form: Form = lambda _call: {}, **more: Any
) -> Row:
    """Return the row of a press: who may not is told in a sentence, and nothing is sent."""
    return Row(route, POSTED, may, refused=422, named=named, form=form, headers=HTMX, **more)


def own_setting(route: str, form: Form = lambda _call: {}, **more: Any) -> Row:
    """Return the row of something that a person changes for themselves."""
    return Row(route, POSTED, done=302, form=form, **more)


def _role(role: str, **more: Any) -> Form:
    def form(call: Call) -> dict[str, Any]:
        audience = [call.customer.pk, call.agent.pk]
        return {"role": role, "audience": audience, "targets": [call.agent.pk] if role == "whisper" else [], **more}

    return form


FLOOR = [
    Row(""),
    Row("", about_call=True, query=lambda call: {"conference": call.conference.pk}, named="with a call open"),
    Row("", query=lambda _call: {"all": "1", "group": "agent"}, named="by agent"),
    Row("conferences/<uuid:conference_id>/", about_call=True),
    Row("search/", POSTED, done=200, form=lambda _call: {"q": "call"}, headers=HTMX),
    Row("setup/"),
    Row("setup/<int:account_id>/applications/", POSTED, ADMINISTRATORS, done=302),
    Row("ear/"),
    Row("ear/small/"),
    Row(
        "conferences/<uuid:conference_id>/notes/", POSTED, about_call=True, headers=HTMX,
        form=lambda _call: {"text": "x"},
    ),
]  # fmt: skip
TO_AN_AGENT = {Whose.OWN: MAY_WHISPER, Whose.OTHER: MAY_WHISPER, Whose.NONE: NOBODY}
"""In the call of no team there is no agent to whisper to."""
PRESSES = [
    press("conferences/<uuid:conference_id>/role/", MAY_MONITOR, "monitor", _role("monitor"), about_call=True),
    press("conferences/<uuid:conference_id>/role/", TO_AN_AGENT, "whisper", _role("whisper"), about_call=True),
    press(
        "conferences/<uuid:conference_id>/role/", MAY_BARGE, "barge", _role("barge", confirmed="barge"), about_call=True
    ),
    press(
        "conferences/<uuid:conference_id>/role/", MAY_BARGE, "stay", _role("none", confirmed="none"), about_call=True
    ),
    press("conferences/<uuid:conference_id>/legs/<uuid:leg_id>/number/", SUPERUSER, about_call=True, numbers=SUPERUSER),
    press("monitor/", MAY_MONITOR, form=lambda call: {"monitor": call.conference.pk}, about_call=True),
    press("ear/connect/", MAY_MONITOR | MAY_WHISPER | MAY_BARGE),
    Row("ear/line/", POSTED, NOBODY, form=lambda call: {"line": call.line.pk}, named="of a colleague"),
    Row("ear/connect/", POSTED, NOBODY, form=lambda call: {"line": call.line.pk}, named="a colleague's line"),
    Row("ear/follow/", POSTED, SEES[Whose.OTHER], posted=302, query=lambda call: {"agent": call.agent.agent_id}),
    press("leave/", SIGNED_IN),
    press("quieter/", SIGNED_IN),
    press("ear/disconnect/", SIGNED_IN),
]
SHARED = {Whose.OWN: MEMBERS | SUPERUSER, Whose.OTHER: SUPERUSER, Whose.NONE: NOBODY}
"""The saved views that somebody may open: those that are shared in a common team."""
SETTINGS = [
    own_setting("views/", lambda _call: {"name": "Mine"}),
    own_setting("views/<int:view_id>/", lambda _call: {"name": "Yours"}, may=NOBODY, named="of a colleague"),
    own_setting("views/<int:view_id>/default/", lambda _call: {"default": "1"}, may=SHARED, named="of a colleague"),
    own_setting("theme/", lambda _call: {"theme": "dark"}),
    own_setting("keyboard/", lambda _call: {"reset": "1"}),
    own_setting("density/", lambda _call: {"compact": "1"}),
]
ACCOUNTS = [
    Row("my-calls/", may=NOBODY, named="of who is no agent"),
    Row("still-here/", POSTED, done=302),
    Row("accounts/password/", BOTH),
    Row("accounts/login/", BOTH, done=302, stranger=200),
    Row("accounts/logout/", POSTED, done=302),
    Row("accounts/login/code/", BOTH, done=302, stranger=302),
    Row("accounts/login/again/", BOTH, done=302, stranger=302),
    # Nobody has a password here, so nobody can be asked for one.
    Row("accounts/reauthenticate/", BOTH, may=NOBODY, refused=403),
    Row("accounts/reauthenticate/code/", BOTH, may=NOBODY, refused=403),
    Row("accounts/reauthenticate/passkey/", BOTH, may=NOBODY, refused=403),
    Row("accounts/login/passkey/", BOTH, done=302, stranger=302, stranger_posted=200),
    Row("accounts/login/single-sign-on/", BOTH, may=NOBODY, stranger=404),
    Row("accounts/login/single-sign-on/back/", BOTH, may=NOBODY, stranger=404),
    Row("accounts/passkeys/add/", BOTH, may=NOBODY, refused=403),
    Row("accounts/passkeys/<int:pk>/remove/", BOTH, may=NOBODY, refused=403, path="accounts/passkeys/1/remove/"),
    Row("accounts/second-factor/", READ),
    Row("accounts/second-factor/add/", BOTH, may=NOBODY, refused=403),
    Row("accounts/second-factor/remove/", BOTH, may=NOBODY),
    Row("accounts/recovery-codes/", READ, may=NOBODY),
    Row("accounts/recovery-codes/new/", BOTH, may=NOBODY, refused=403),
    Row("accounts/sessions/", BOTH, posted=302),
    Row("accounts/password/reset/", BOTH, stranger=200),
    Row("accounts/password/reset/done/", BOTH, stranger=200),
    Row("accounts/password/reset/set/done/", BOTH, stranger=200),
    Row(
        "^accounts/password/reset/set/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        BOTH,
        stranger=200,
        path="accounts/password/reset/set/1-nonsense/",
    ),
]
AUDIT = [
    Row("audit/", told=STAFF),
    Row("audit/export/", POSTED, form=lambda _call: {"kind": "csv"}, told=STAFF),
]


def admin_page(route: str, methods: tuple[str, ...] = BOTH, **more: Any) -> Row:
    """Return the row of a page of the admin: who is no staff is sent to its sign-in page."""
    return Row(f"admin/{route}", methods, **{"may": ADMINISTRATORS, "refused": 403, "told": ADMINISTRATORS, **more})


ADMIN = [
    admin_page("", may=STAFF),
    admin_page("login/", may=STAFF, done=302, refused=403, stranger=302),
    admin_page("logout/", POSTED, may=STAFF, posted=302),
    admin_page("password_change/", may=STAFF),
    admin_page("password_change/done/", READ, may=STAFF),
    admin_page(
        "autocomplete/", READ,
        query=lambda _call: {"app_label": "conferences", "model_name": "agent", "field_name": "team", "term": ""},
    ),
    admin_page("jsi18n/", READ, may=STAFF),
    admin_page("r/<path:content_type_id>/<path:object_id>/", path="admin/r/1/1/", may=NOBODY, refused=404),
    admin_page("^(?P<app_label>conferences|auth)/$", path="admin/conferences/", refused=404),
    admin_page("(?P<url>.*)$", path="admin/nonsense/", may=NOBODY, refused=404),
    admin_page("conferences/leg/<uuid:leg_id>/agent/", done=302),
    admin_page("auth/user/<id>/password/"),
    admin_page("conferences/teamrule/who-may-see-what/"),
    admin_page("conferences/account/<int:object_id>/telnyx/"),
    admin_page("conferences/account/<int:object_id>/trials/"),
    admin_page("conferences/team/directory/", READ),
    admin_page("conferences/team/directory/<slug:slug>/", path="admin/conferences/team/directory/agents/"),
    admin_page(
        "conferences/team/directory/<slug:slug>/", path="admin/conferences/team/directory/supervisors/",
        named="with a file", form=lambda _call: {"file": SimpleUploadedFile("new.csv", b"user name,team\nzoe,Billing")},
    ),
    admin_page(
        "conferences/team/directory/<slug:slug>/export/", POSTED,
        path="admin/conferences/team/directory/agents/export/", form=lambda _call: {"unrecognised": "1"},
    ),
    admin_page(
        "conferences/team/directory/<slug:slug>/template/", READ,
        path="admin/conferences/team/directory/phones/template/",
    ),
]  # fmt: skip
PAGES_OF_A_MODEL = {
    "list": "", "add": "add/", "history": "<path:object_id>/history/", "delete": "<path:object_id>/delete/",
    "change": "<path:object_id>/change/", "redirect": "<path:object_id>/",
}  # fmt: skip
EVIDENCE: dict[str, dict[str, Any]] = {
    "add": {"may": NOBODY},
    "change": {"may_post": NOBODY, "numbers": SUPERUSER},
    "delete": {"may": NOBODY},
}
"""The pages of models that the admin only shows."""
SCOPE: dict[str, dict[str, Any]] = {
    "add": {"may": SUPERUSER},
    "change": {"may_post": SUPERUSER},
    "delete": {"may": SUPERUSER},
}
"""The pages that staff may look at, and that only a superuser changes."""
MODELS: dict[str, dict[str, dict[str, Any]]] = {
    "conferences/account": {"delete": {"may": NOBODY}},
    "conferences/connection": {},
    "conferences/team": {},
    "conferences/agent": {},
    "conferences/teamrule": SCOPE,
    "conferences/protection": SCOPE,
    "conferences/supervisor": {"delete": {"may": NOBODY}},
    "auth/user": {},
    "auth/group": {"add": {"may": SUPERUSER}, "change": {"may_post": SUPERUSER}, "delete": {"may": SUPERUSER}},
    "conferences/conference": EVIDENCE,
    "conferences/participant": EVIDENCE,
    "conferences/leg": EVIDENCE,
    "conferences/webhookevent": EVIDENCE,
    "conferences/auditentry": EVIDENCE,
    "conferences/command": EVIDENCE,
    "conferences/supervisorsession": EVIDENCE,
    "conferences/unsteeredline": EVIDENCE,
    "conferences/ear": EVIDENCE,
}
"""Each model of the admin, with what is special about one of its pages."""


def _pages_of_models() -> Iterator[Row]:
    for model, special in MODELS.items():
        for kind, route in PAGES_OF_A_MODEL.items():
            # Django sends an address without "change/" on before it asks who may see what.
            usual: dict[str, Any] = {"may": STAFF, "done": 302} if kind == "redirect" else {}
            yield admin_page(f"{model}/{route}", model=model.partition("/")[2], **usual, **special.get(kind, {}))


TABLE = [*FLOOR, *PRESSES, *SETTINGS, *ACCOUNTS, *AUDIT, *ADMIN, *_pages_of_models()]
