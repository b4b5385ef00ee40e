"""The keyboard map: what each key does, and what a supervisor changed about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.contrib.auth.models import User
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from conferences.models import Preferences


@dataclass(frozen=True, slots=True)
class Action:
    """Something a key does; the page's script knows it by its name."""

    name: str
    key: str
    label: str | Promise


class Unusable(Exception):
    """A key that cannot be used; `sentence` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


# Enter opens a link, Escape gets quieter and 1–9 choose: these stay what they are everywhere.
ACTIONS = (
    Action("next", "j", gettext_lazy("next call")),
    Action("previous", "k", gettext_lazy("previous call")),
    Action("needs", "g", gettext_lazy("next call that needs me")),
    Action("monitor", "m", gettext_lazy("monitor it: nobody hears you")),
    Action("whisper", "w", gettext_lazy("whisper, in the call your ear is in")),
    Action("barge", "b", gettext_lazy("barge (press twice), in the call your ear is in: everyone hears you")),
    Action("leave", "x", gettext_lazy("leave")),
    Action("note", "c", gettext_lazy("write a note")),
    Action("search", "/", gettext_lazy("search")),
    Action("filters", "f", gettext_lazy("filters")),
    Action("new", "n", gettext_lazy("show the new calls")),
    Action("help", "?", gettext_lazy("this list")),
)


@dataclass(frozen=True, slots=True)
class Keyboard:
    """What the keys do for one supervisor."""

    actions: tuple[Action, ...]
    off: bool

    @property
    def script(self) -> str:
        """The map as the page's script reads it: key to action, empty where the shortcuts are off."""
        return json.dumps({} if self.off else {action.key: action.name for action in self.actions})


def keyboard_of(user: User) -> Keyboard:
    """Return a supervisor's map."""
    preferences = Preferences.objects.filter(user=user).first() or Preferences(user=user)
    changed = preferences.keys
    actions = tuple(replace(action, key=changed.get(action.name, action.key)) for action in ACTIONS)
    return Keyboard(actions=actions, off=preferences.keys_off)


def change(user: User, keys: Mapping[str, str], *, off: bool) -> None:
    """Store a supervisor's keys, by what they do; raises Unusable, and then nothing has changed."""
    wanted = {action.name: keys.get(action.name, "").strip() or action.key for action in ACTIONS}
    for key in wanted.values():
        if len(key) != 1 or not key.isprintable() or key.isdigit():
            raise Unusable(_("“%(key)s” cannot be a key here: write one letter or sign, but no digit.") % {"key": key})
        if list(wanted.values()).count(key) > 1:
            raise Unusable(_("“%(key)s” would do two things. Give each its own key.") % {"key": key})
    changed = {action.name: wanted[action.name] for action in ACTIONS if wanted[action.name] != action.key}
    Preferences.objects.update_or_create(user=user, defaults={"keys": changed, "keys_off": off})
