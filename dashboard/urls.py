"""Routes the screens; webhooks, the stream and the health check are raw routes in asgi.py."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView
from django.urls import URLPattern, URLResolver, path

from .views import audit, ear, floor, own_log, pages, personal, supervise

urlpatterns: list[URLPattern | URLResolver] = [
    path("", floor.floor, name="floor"),
    path("search/", floor.search, name="search"),
    path("conferences/<uuid:conference_id>/", floor.conference, name="conference"),
    path("conferences/<uuid:conference_id>/role/", supervise.role, name="role"),
    path("conferences/<uuid:conference_id>/notes/", personal.note, name="note"),
    path("conferences/<uuid:conference_id>/legs/<uuid:leg_id>/number/", personal.show_number, name="show-number"),
    path("views/", personal.save_view, name="save-view"),
    path("views/<int:view_id>/", personal.change_view, name="change-view"),
    path("views/<int:view_id>/default/", personal.default_view, name="default-view"),
    path("theme/", personal.theme, name="theme"),
    path("accounts/password/", personal.password, name="password"),
    path("keyboard/", personal.keys, name="keyboard"),
    path("density/", personal.density, name="density"),
    path("monitor/", supervise.monitor, name="monitor"),
    path("leave/", supervise.leave, name="leave"),
    path("quieter/", supervise.quieter, name="quieter"),
    path("ear/", ear.my_ear, name="my-ear"),
    path("ear/small/", ear.small_window, name="small-window"),
    path("ear/connect/", ear.connect, name="connect"),
    path("ear/line/", ear.line, name="line"),
    path("ear/follow/", ear.follow, name="follow"),
    path("ear/disconnect/", supervise.disconnect, name="disconnect"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export/", audit.export, name="audit-export"),
    path("my-calls/", own_log.my_calls, name="my-calls"),
    path("still-here/", pages.still_here, name="still-here"),
    path("setup/", pages.setup, name="setup"),
    path(
        "accounts/login/",
        login_not_required(
            LoginView.as_view(template_name="accounts/login.html", redirect_authenticated_user=True),
        ),
        name="login",
    ),
    path("accounts/logout/", pages.sign_out, name="logout"),
    path("admin/", admin.site.urls),
]
