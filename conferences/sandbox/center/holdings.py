"""Lists what the demo center has at its Telnyx account: applications, connections, credentials, numbers, profiles."""

from __future__ import annotations

import itertools

from conferences.sandbox.center import directory
from conferences.sandbox.formats.resources import Json
from conferences.sandbox.telephony.state import iso

PROFILE_ID = "2781903345512846700"
_FIRST_NEW_ID = 2781903345512847001
_FIRST_PHONE_ID = 2781903345512846801


class Holdings:
    """Everything that the account has. Applications can be added and changed; the rest is only read."""

    def __init__(self, *, webhook_url: str, now: float) -> None:
        self._ids = itertools.count(_FIRST_NEW_ID)
        self._at = iso(now)
        self.applications: dict[str, Json] = {}
        for connection_id in (directory.CALLS_CONNECTION_ID, directory.EAR_CONNECTION_ID):
            self._keep(
                connection_id,
                {
                    "application_name": directory.CONNECTION_NAMES[connection_id].capitalize(),
                    "webhook_event_url": webhook_url,
                    "webhook_api_version": "2",
                    "outbound": {"outbound_voice_profile_id": PROFILE_ID},
                },
            )
        self.profiles = [self._profile()]
        self.connections = [
            self._connection(directory.CREDENTIAL_CONNECTION_ID, name="Agents' phones", user_name="centeragents"),
            *(
                self._connection(str(_FIRST_PHONE_ID + number), name=phone.label, user_name=_user_of(phone))
                for number, phone in enumerate(SIP_PHONES)
            ),
        ]
        self.credentials = [self._credential(agent) for agent in directory.agents(0)]
        self.numbers = [
            self._number(number) for number in (directory.FROM_NUMBER, *(team.number for team in directory.TEAMS))
        ]

    def add_application(self, fields: Json) -> Json:
        """Keep a new application, with Telnyx' defaults for what was not said."""
        return self._keep(str(next(self._ids)), fields)

    def _keep(self, application_id: str, fields: Json) -> Json:
        self.applications[application_id] = {
            "id": application_id,
            "record_type": "call_control_application",
            "active": True,
            "anchorsite_override": "Latency",
            "dtmf_type": "RFC 2833",
            "first_command_timeout": False,
            "first_command_timeout_secs": 30,
            "webhook_api_version": "1",
            "webhook_event_failover_url": None,
            "webhook_timeout_secs": None,
            "inbound": {"channel_limit": None, "sip_subdomain": None},
            "created_at": self._at,
            "updated_at": self._at,
            **fields,
            "outbound": {"channel_limit": None, "outbound_voice_profile_id": None, **fields.get("outbound", {})},
        }
        return self.applications[application_id]

    def _profile(self) -> Json:
        return {
            "id": PROFILE_ID,
            "record_type": "outbound_voice_profile",
            "name": "Center",
            "enabled": True,
            "concurrent_call_limit": 10,
            "connections_count": len(self.applications),
            "whitelisted_destinations": ["US", "CA", "GB", "DE"],
            "created_at": self._at,
            "updated_at": self._at,
        }

    def _connection(self, connection_id: str, *, name: str, user_name: str) -> Json:
        return {
            "id": connection_id,
            "record_type": "credential_connection",
            "active": True,
            "connection_name": name,
            "user_name": user_name,
            "password": "********",
            "sip_uri_calling_preference": "internal",
            "webhook_api_version": "2",
            "created_at": self._at,
            "updated_at": self._at,
        }

    def _credential(self, agent: directory.DirectoryAgent) -> Json:
        return {
            "id": f"credential-{agent.reference}",
            "record_type": "credential",
            "name": agent.name,
            "resource_id": f"connection:{directory.CREDENTIAL_CONNECTION_ID}",
            "sip_username": agent.sip_username,
            "sip_password": "********",
            "expired": False,
            "created_at": self._at,
            "updated_at": self._at,
        }

    def _number(self, number: str) -> Json:
        return {
            "id": f"number-{number.removeprefix('+')}",
            "record_type": "phone_number",
            "phone_number": number,
            "phone_number_type": "toll_free",
            "country_iso_alpha2": "US",
            "status": "active",
            "connection_id": directory.CALLS_CONNECTION_ID,
            "connection_name": "Calls",
            "deletion_lock_enabled": False,
            "tags": [],
            "purchased_at": self._at,
            "created_at": self._at,
        }


SIP_PHONES = tuple(
    phone for phone in (*directory.SUPERVISOR_PHONES, directory.MARA_SIP) if phone.address.startswith("sip:")
)


def _user_of(phone: directory.Phone) -> str:
    return phone.address.removeprefix("sip:").partition("@")[0]
