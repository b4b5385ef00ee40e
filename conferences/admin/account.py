"""Shows the Telnyx account and its connections in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import format_lazy
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from conferences.account_setup.connection_roles import note_role
from conferences.models import Account, Connection
from conferences.models.account import keys_within
from conferences.models.people import e164
from conferences.secrets import EncryptedTextField
from conferences.telnyx.inbound import is_public_key

from .account_setup_pages import at_telnyx
from .account_trials import trials
from .generic import AccountModelForm
from .memberships import TeamOfForm
from .who_is_who import WhoIsWhoAdmin


class AccountForm(AccountModelForm):
    """An account whose key can be set and cleared, and is never shown."""

    new_api_key = forms.CharField(
        label=_("API key"),
        required=False,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "vTextField"}),
    )
    clear_api_key = forms.BooleanField(label=_("Forget the API key that is stored here"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = getattr(self.instance, "key_is_set", False)
        self.fields["new_api_key"].help_text = _key_in_words(stored=stored)
        if not stored:
            del self.fields["clear_api_key"]
        for name, variable, given in (
            ("public_keys", "TELNYX_PUBLIC_KEY", ", ".join(settings.TELNYX_PUBLIC_KEYS)),
            ("ear_connection_id", "TELNYX_CONNECTION_ID", settings.TELNYX_CONNECTION_ID),
            ("from_number", "TELNYX_FROM_NUMBER", settings.TELNYX_FROM_NUMBER),
        ):
            field = self.fields.get(name)  # absent where somebody may only look
            if field is not None:
                field.help_text = format_lazy("{} {}", field.help_text, _environment_in_words(variable, given))

    def clean_new_api_key(self) -> str:
        key: str = self.cleaned_data["new_api_key"]
        try:
            EncryptedTextField().get_prep_value(key)
        except ImproperlyConfigured as error:
            raise ValidationError(str(error)) from error
        return key

    def clean_public_keys(self) -> str:
        text: str = self.cleaned_data["public_keys"]
        for key in keys_within(text):
            if not is_public_key(key):
                raise ValidationError(
                    _("“%(key)s” is not a public key. Telnyx shows 44 characters of Base64. Copy it again."),
                    params={"key": key[:60]},
                )
        return text

    def clean_from_number(self) -> str:
        number: str = self.cleaned_data["from_number"]
        if number:
            e164(number)
        return number

    def save(self, commit: bool = True) -> Account:  # noqa: FBT001, FBT002 - Django's signature
        # If no key was typed, the column stays deferred, and Django does not write a deferred column.
        if self.cleaned_data.get("new_api_key"):
            self.instance.api_key = self.cleaned_data["new_api_key"]
        elif self.cleaned_data.get("clear_api_key"):
            self.instance.api_key = ""
        return super().save(commit)

    def typed_columns(self) -> list[str]:
        """Return the columns that somebody has changed in this form."""
        stored = {"new_api_key": "api_key", "clear_api_key": "api_key"}
        return [stored.get(name, name) for name in self.changed_data]


PROFILE = ["whisper_reaches", "monitor_reads_muted", "monitor_harms_call"]


@admin.register(Account)
class AccountAdmin(WhoIsWhoAdmin):
    form = AccountForm
    change_form_template = "admin/conferences/account/change_form.html"
    list_display = ["name", "key", "ear_connection_id", "region", "probed", "checked_at", "check_problem"]
    # Only the probe sets the profile: a wrong value typed here would let a customer hear a whisper.
    readonly_fields = [
        "api_base",
        *PROFILE,
        "probed",
        "checked_at",
        "undelivered_read_at",
        "check_problem",
        "unsure_since",
        "heard_at",
        "feed_stopped_since",
        "bridged_call_seen_at",
    ]
    fieldsets = [
        (None, {"fields": ["name", "api_base", "new_api_key", "clear_api_key", "public_keys", "region"]}),
        (
            _("Supervisor phones"),
            {
                "fields": [
                    *("ear_connection_id", "from_number", "max_ears"),
                    *("ear_idle_minutes", "whisper_alone_seconds", "barge_alone_seconds"),
                ]
            },
        ),
        (_("How calls are recognised"), {"fields": ["agent_path", "agent_header", "customer_mark"]}),
        (
            _("What this account does (tested)"),
            {"fields": ["probed", *PROFILE]},
        ),
        (
            _("Comparison with Telnyx"),
            {
                "fields": [
                    *("feed", "heard_at", "feed_stopped_since", "reads_per_second"),
                    *("checked_at", "check_problem", "unsure_since", "undelivered_read_at"),
                    "bridged_call_seen_at",
                ]
            },
        ),
    ]

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:object_id>/telnyx/", wrap(self.at_telnyx), name="account_at_telnyx"),
            path("<int:object_id>/trials/", wrap(self.trials), name="account_trials"),
            *super().get_urls(),
        ]

    def at_telnyx(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Show what an account has at Telnyx, and store what is chosen of it."""
        return at_telnyx(self, request, object_id)

    def trials(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Try an account's key, webhook address and phones."""
        return trials(self, request, object_id)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        # The key is never read here. So it cannot be shown, and the page opens even if FIELD_KEYS is lost.
        key_is_set = Case(When(api_key="", then=Value(False)), default=Value(True))
        accounts: QuerySet[Account] = super().get_queryset(request).defer("api_key").annotate(key_is_set=key_is_set)
        return accounts

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Write only what was typed: the worker and the intake write this row too, also since it was read."""
        if change:
            obj.save(update_fields=form.typed_columns())
        else:
            super().save_model(request, obj, form, change)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        if not getattr(obj, "key_is_set", False):
            name, options = fieldsets[0]
            shown = [field for field in options["fields"] if field != "clear_api_key"]
            return [(name, {"fields": shown}), *fieldsets[1:]]
        return fieldsets

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # with the account all its conferences, webhook events and commands would go

    @admin.display(description=_("API key"))
    def key(self, account: Account) -> Any:
        if getattr(account, "key_is_set", False):
            return _("set")
        return _("from the environment") if settings.TELNYX_API_KEY else _("not set")

    @admin.display(description=_("probed"), ordering="probed_at")
    def probed(self, account: Account) -> Any:
        if account.probed_at is None:
            return _("not tested: run floorline probe")
        return date_format(localtime(account.probed_at), "Y-m-d H:i")

    @admin.display(description=_("Telnyx address"))
    def api_base(self, account: Account) -> str:
        return str(settings.TELNYX_API_BASE)


@admin.register(Connection)
class ConnectionAdmin(WhoIsWhoAdmin):
    form = TeamOfForm
    list_display = ["label", "connection_id", "role", "team", "account"]
    list_editable = ["role"]
    list_filter = ["role", ("team", admin.RelatedOnlyFieldListFilter), ("account", admin.RelatedOnlyFieldListFilter)]
    list_select_related = ["team", "account"]
    search_fields = ["name", "connection_id"]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Connection]:
        connections: QuerySet[Connection] = super().get_queryset(request).defer("account__api_key")
        return connections

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["account", "connection_id"] if obj else []

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        super().save_model(request, obj, form, change)
        if "role" in form.changed_data:
            actor = request.user if isinstance(request.user, User) else None
            note_role(obj, before=form.initial.get("role", ""), actor=actor, now=timezone.now())

    @admin.display(description=_("name"), ordering="name")
    def label(self, connection: Connection) -> Any:
        return connection.name or _("(no name yet)")


def _key_in_words(*, stored: bool) -> Any:
    if stored:
        return _("Set. Leave this empty to keep it. It is stored encrypted and never shown.")
    if settings.TELNYX_API_KEY:
        return _("Not set here; the one in TELNYX_API_KEY is used.")
    return _("Not set, neither here nor in TELNYX_API_KEY. Floorline cannot reach Telnyx.")


def _environment_in_words(variable: str, given: str) -> Any:
    if given:
        return format_lazy(_("Empty: {given} is used, from {variable}."), given=given, variable=variable)
    return format_lazy(_("Neither given by {variable}."), variable=variable)
