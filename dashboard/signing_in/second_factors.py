"""Tells django-allauth how Floorline keeps and shows the secrets of second factors."""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import urlsplit

import qrcode
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.totp.internal.auth import generate_totp_secret
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from qrcode.image.svg import SvgPathImage

from conferences.secrets import second_factor_cipher

log = logging.getLogger(__name__)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Floorline's answers to what allauth asks about second factors."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("This code is not valid, or was used already. Wait for the next one."),
    }

    def get_totp_label(self, user: Any) -> str:
        """Return what the authenticator app calls the account."""
        return str(user.get_username())

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return for which host passkeys are made: the one that people know, whatever host a request names."""
        return {"id": urlsplit(settings.PUBLIC_URL).hostname or "localhost", "name": "Floorline"}

    def generate_authenticator_name(self, user: Any, type: Any) -> str:  # noqa: A002 - allauth's name
        """Return what a passkey is called where its owner names it by nothing."""
        return str(_("Passkey"))

    def build_totp_svg(self, url: str) -> str:
        """Return the QR code as an element of the page: no style, no script, no data address."""
        drawn = qrcode.make(url, image_factory=SvgPathImage).to_string(encoding="unicode")
        named = format_html('<svg class="qr" role="img" aria-label="{}" ', _("A QR code of the key below"))
        return re.sub(r"^<\?xml[^>]*\?>\s*", "", drawn).replace("<svg ", named, 1)

    def encrypt(self, text: str) -> str:
        """Return a secret as the database may hold it."""
        return second_factor_cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return a secret; one that no key reads any more is answered by a new one, so that no code fits."""
        try:
            return second_factor_cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            log.error("no key reads a second factor: put its key back, or remove the second factor")
            return str(generate_totp_secret())
