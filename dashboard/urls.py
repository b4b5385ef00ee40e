"""Routes the screens; webhooks, the stream and the health check are raw routes in asgi.py."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path, re_path

from .views import audit, ear, floor, own_log, pages, passkeys, personal, sign_in, single_sign_on, supervise

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
    path("accounts/sessions/", personal.sessions, name="sessions"),
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
    path("setup/<int:account_id>/applications/", pages.look_at_applications, name="setup-applications"),
    path("accounts/login/", sign_in.SignIn.as_view(), name="login"),
    # Names with an underscore are allauth's: its flows lead to them.
    path("accounts/login/", sign_in.SignIn.as_view(), name="account_login"),
    path("accounts/login/code/", sign_in.SecondFactor.as_view(), name="mfa_authenticate"),
    path("accounts/login/again/", sign_in.start_again, name="start-again"),
    path("accounts/password/reset/", sign_in.PasswordReset.as_view(), name="account_reset_password"),
    path("accounts/password/reset/done/", sign_in.PasswordResetDone.as_view(), name="account_reset_password_done"),
    path(
        "accounts/password/reset/set/done/",
        sign_in.PasswordIsSet.as_view(),
        name="account_reset_password_from_key_done",
    ),
    re_path(
        r"^accounts/password/reset/set/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        sign_in.PasswordFromLink.as_view(),
        name="account_reset_password_from_key",
    ),
    path("accounts/reauthenticate/", sign_in.Reauthenticate.as_view(), name="account_reauthenticate"),
    path("accounts/reauthenticate/code/", sign_in.ReauthenticateByCode.as_view(), name="mfa_reauthenticate"),
    path("accounts/login/passkey/", passkeys.SignInByPasskey.as_view(), name="mfa_login_webauthn"),
    path(
        "accounts/reauthenticate/passkey/",
        passkeys.ReauthenticateByPasskey.as_view(),
        name="mfa_reauthenticate_webauthn",
    ),
    path("accounts/login/single-sign-on/", single_sign_on.to_issuer, name="single-sign-on"),
    path("accounts/login/single-sign-on/back/", single_sign_on.back, name="single-sign-on-back"),
    path("accounts/passkeys/add/", passkeys.AddPasskey.as_view(), name="mfa_add_webauthn"),
    path("accounts/passkeys/<int:pk>/remove/", passkeys.RemovePasskey.as_view(), name="mfa_remove_webauthn"),
    path("accounts/second-factor/", sign_in.SecondFactors.as_view(), name="mfa_index"),
    path("accounts/second-factor/add/", sign_in.AddSecondFactor.as_view(), name="mfa_activate_totp"),
    path("accounts/second-factor/remove/", sign_in.RemoveSecondFactor.as_view(), name="mfa_deactivate_totp"),
    path("accounts/recovery-codes/", sign_in.RecoveryCodes.as_view(), name="mfa_view_recovery_codes"),
    path("accounts/recovery-codes/new/", sign_in.NewRecoveryCodes.as_view(), name="mfa_generate_recovery_codes"),
    path("accounts/logout/", pages.sign_out, name="logout"),
    path("admin/login/", sign_in.admin_sign_in),
    path("admin/", admin.site.urls),
]
