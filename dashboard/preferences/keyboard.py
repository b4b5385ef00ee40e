"""Defines the keyboard map, and stores what a supervisor changed in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import ascii_lowercase, ascii_uppercase

from django.contrib.auth.models import User
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conferences.models import Preferences


@dataclass(frozen=True, slots=True)
class Action:
    """An effect of a key; the page's script uses its name."""

    name: str
    key: str
    label: str | Promise


class Unusable(Exception):
    """A key that cannot be used; `sentence` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


# Not changeable: Enter opens a link, Escape goes back to Monitor, 1–9 choose who hears a whisper.
ACTIONS = (
    Action("next", "j", gettext_lazy("next call")),
    Action("previous", "k", gettext_lazy("previous call")),
    Action("needs", "g", gettext_lazy("next call that needs you")),
    Action("monitor", "m", gettext_lazy("monitor the call: nobody hears you")),
    Action("whisper", "w", gettext_lazy("whisper in the call you are in")),
    Action("barge", "b", gettext_lazy("barge in the call you are in: everyone hears you (press twice)")),
    Action("leave", "x", gettext_lazy("leave the call")),
    Action("hangup", "h", gettext_lazy("hang up my phone")),
    Action("follow", "a", gettext_lazy("follow the agent of the open call, or stop following")),
    Action("summary", "s", gettext_lazy("say which call, your role, who hears you and since when")),
    Action("note", "c", gettext_lazy("write a note")),
    Action("search", "/", gettext_lazy("search")),
    Action("filters", "f", gettext_lazy("filters")),
    Action("views", "v", gettext_lazy("saved views")),
    Action("new", "n", gettext_lazy("show the new calls")),
    Action("help", "?", gettext_lazy("this list")),
)


@dataclass(frozen=True, slots=True)
class Keyboard:
    """One supervisor's keys and their actions."""

    actions: tuple[Action, ...]
    off: bool

    @property
    def script(self) -> str:
        """The map as the page's script reads it: key to action, empty where the shortcuts are off."""
        return json.dumps({} if self.off else {action.key: action.name for action in self.actions})


def keyboard_of(user: User) -> Keyboard:
    """Return a supervisor's map."""
    preferences = Preferences.objects.filter(user=user).first() or Preferences(user=user)
    return Keyboard(actions=_arranged(preferences.keys), off=preferences.keys_off)


def _arranged(changed: Mapping[str, str]) -> tuple[Action, ...]:
    """Return the actions with a supervisor's keys: what they chose stays theirs where a newer action wants that key."""
    taken = set(changed.values())
    usual = {action.key for action in ACTIONS}
    free = iter([letter for letter in ascii_lowercase + ascii_uppercase if letter not in taken | usual])

    def key_of(action: Action) -> str:
        return changed.get(action.name) or (action.key if action.key not in taken else next(free))

    return tuple(replace(action, key=key_of(action)) for action in ACTIONS)


def change(user: User, keys: Mapping[str, str], *, off: bool) -> None:
    """Store a supervisor's keys, by what they do; raises Unusable, and then nothing has changed."""
    wanted = {action.name: keys.get(action.name, "").strip() or action.key for action in ACTIONS}
    for key in wanted.values():
        if len(key) != 1 or not key.isprintable() or key.isdigit():
            raise Unusable(_("“%(key)s” cannot be a shortcut. Use one letter or sign, not a digit.") % {"key": key})
        if list(wanted.values()).count(key) > 1:
            raise Unusable(_("“%(key)s” is used twice. Give each action its own key.") % {"key": key})
    changed = {action.name: wanted[action.name] for action in ACTIONS if wanted[action.name] != action.key}
    Preferences.objects.update_or_create(user=user, defaults={"keys": changed, "keys_off": off})
