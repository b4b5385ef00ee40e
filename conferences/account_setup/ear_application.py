"""Creates the application that supervisors' phones are dialled on, and tells what is wrong with an existing one."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from conferences.telnyx.setup import API_VERSION, Application, OutboundProfile
from conferences.webhook_addresses import PLAIN_PATH

from .inventory import Inventory


def application_name() -> str:
    """Return the name of a new application: by it people find in the portal whose it is."""
    return f"Floorline ear ({urlsplit(settings.PUBLIC_URL).hostname})"[:100]


def why_no_address() -> str:
    """Return why webhooks cannot come to our address, empty where they can."""
    if settings.SANDBOX or urlsplit(settings.PUBLIC_URL).scheme == "https":
        return ""
    return _(
        "PUBLIC_URL is %(address)s. Telnyx sends webhooks over the internet, so it must be an https:// address that "
        "the internet reaches. Set it, restart Floorline, and come back."
    ) % {"address": settings.PUBLIC_URL}


def comes_here(url: str, *, webhook_url: str) -> bool:
    """Return whether an address is ours: an account's own `webhook_url`, or the plain one."""
    ours = (webhook_url, f"{settings.PUBLIC_URL}{PLAIN_PATH}")
    return url.rstrip("/") in {each.rstrip("/") for each in ours}


def faults_of(application: Application, *, webhook_url: str) -> list[str]:
    """Return what an ear application must not be like, each as a sentence; `webhook_url` is the account's own."""
    faults = []
    if application.webhook_version != API_VERSION:
        faults.append(
            _("Its webhooks are of API version %(version)s; Floorline reads version 2.")
            % {"version": application.webhook_version or "?"}
        )
    if not comes_here(application.webhook_url, webhook_url=webhook_url):
        faults.append(_("Its webhooks go to another address than Floorline’s."))
    if application.failover_url:
        faults.append(_("It has a failover address: what goes there never comes to Floorline."))
    if not application.profile_id:
        faults.append(_("It has no outbound voice profile, so no phone can be rung on it."))
    if application.first_command_timeout:
        faults.append(_("It hangs up calls that get no command for a while; supervisors’ phones wait without any."))
    return faults


def why_not_create(inventory: Inventory) -> str:
    """Return why no ear application may be created for an account that has none, empty where it may."""
    if not inventory.applications.complete:
        return _("The applications of this account cannot be read, so none can be created.")
    if application_name() in {each.name for each in inventory.applications.rows}:
        return _("There is an application “%(name)s” already. Choose it as ear application.") % {
            "name": application_name()
        }
    return why_no_address() or _why_no_profile(inventory)


def why_not_correct(application: Application, inventory: Inventory) -> str:
    """Return why an ear application may not be changed, empty where it may.

    What customers call is a call flow's, whatever somebody has entered here: with another address it would stop.
    """
    if not inventory.numbers.complete:
        return _(
            "The numbers of this account cannot be read: customers may call this application, so it stays as it is."
        )
    if application.id in {each.connection_id for each in inventory.numbers.rows}:
        return _("Numbers are assigned to it, so a call flow may need it as it is. Choose another ear application.")
    return why_no_address() or ("" if application.profile_id else _why_no_profile(inventory))


def usable(profiles: Iterable[OutboundProfile]) -> list[OutboundProfile]:
    """Return the profiles that a phone can be rung by."""
    return [profile for profile in profiles if profile.enabled]


def _why_no_profile(inventory: Inventory) -> str:
    if usable(inventory.profiles.rows):
        return ""
    return _("The key sees no outbound voice profile. Create one in the portal: without it no phone can be rung.")
