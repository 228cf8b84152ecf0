"""Addresses outside any account: start page, sign-up, sign-in, the person's security pages, theme.

allauth's names, since its own redirects go by them; of its pages only those that are used.
"""

from allauth.account import views as allauth
from allauth.mfa.base import views as second_step
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.webauthn import views as passkeys
from django.conf import settings
from django.urls import path, re_path
from django.views.decorators.cache import never_cache
from django.views.generic import RedirectView

from accounts import entrance, invitation_views, outbox, security, staff_views, views
from accounts.roles import open_to

anyone, signed_in = open_to("anyone"), open_to("signed_in")  # the second is what these views see to

urlpatterns = [
    path("", views.home, name="home"),
    path("theme/", views.theme, name="theme"),
    path("staff/", staff_views.accounts, name="staff"),
    path("staff/export/", staff_views.accounts_csv, name="staff_csv"),
    path("staff/open/<id:account>/", staff_views.enter, name="staff_open"),
    path("staff/leave/", staff_views.leave, name="staff_leave"),
    path("outbox/", outbox.outbox, name="outbox"),
    path("outbox/<id:key>/", outbox.outbox_mail, name="outbox_mail"),
    # Before somebody is signed in.
    path("login/", anyone(allauth.login), name="account_login"),
    path("login/inactive/", anyone(allauth.account_inactive), name="account_inactive"),
    path("login/link/", entrance.link_request, name="account_link"),
    path("login/link/sent/", entrance.link_sent, name="account_link_sent"),
    path("login/link/<str:token>/", entrance.link_open, name="account_link_open"),
    path("login/passkey/", anyone(passkeys.login_webauthn), name="mfa_login_webauthn"),
    path("login/second/", anyone(security.SecondStep.as_view()), name="mfa_authenticate"),
    path("invitation/<str:token>/", invitation_views.invitation, name="invitation"),
    path("logout/", anyone(allauth.logout), name="account_logout"),
    path("signup/", anyone(entrance.SignUp.as_view()), name="account_signup"),
    path("verify/", anyone(allauth.email_verification_sent), name="account_email_verification_sent"),
    path("verify/<str:key>/", anyone(never_cache(entrance.VerifyAddress.as_view())), name="account_confirm_email"),
    path("password/", anyone(allauth.password_reset), name="account_reset_password"),
    path("password/sent/", anyone(allauth.password_reset_done), name="account_reset_password_done"),
    path("password/done/", anyone(allauth.password_reset_from_key_done), name="account_reset_password_from_key_done"),
    re_path(
        r"^password/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        anyone(never_cache(entrance.ResetPassword.as_view())),
        name="account_reset_password_from_key",
    ),
    # How the sign-in of a person is protected.
    path("security/", security.overview, name="mfa_index"),
    path("security/sessions/<int:session>/end/", security.end_session, name="end_session"),
    path("security/email/", signed_in(security.ChangeAddress.as_view()), name="account_email"),
    path("security/password/", signed_in(security.ChangePassword.as_view()), name="account_change_password"),
    path("security/password/first/", signed_in(security.SetPassword.as_view()), name="account_set_password"),
    path("security/app/add/", signed_in(security.AddApp.as_view()), name="mfa_activate_totp"),
    path("security/app/remove/", signed_in(security.RemoveApp.as_view()), name="mfa_deactivate_totp"),
    path("security/codes/", signed_in(never_cache(codes.view_recovery_codes)), name="mfa_view_recovery_codes"),
    path("security/codes/new/", signed_in(security.NewCodes.as_view()), name="mfa_generate_recovery_codes"),
    path("security/passkeys/", signed_in(RedirectView.as_view(pattern_name="mfa_index")), name="mfa_list_webauthn"),
    path("security/passkeys/add/", signed_in(security.AddPasskey.as_view()), name="mfa_add_webauthn"),
    path("security/passkeys/<int:pk>/rename/", signed_in(passkeys.edit_webauthn), name="mfa_edit_webauthn"),
    path("security/passkeys/<int:pk>/remove/", signed_in(security.RemovePasskey.as_view()), name="mfa_remove_webauthn"),
    path("security/again/", signed_in(allauth.reauthenticate), name="account_reauthenticate"),
    path("security/again/code/", signed_in(second_step.reauthenticate), name="mfa_reauthenticate"),
    path("security/again/passkey/", signed_in(passkeys.reauthenticate_webauthn), name="mfa_reauthenticate_webauthn"),
]
if settings.DEBUG:
    urlpatterns += [
        path("styleguide/", views.styleguide, name="styleguide"),
        path("styleguide/mails/<slug:kind>/", views.styleguide_mail, name="styleguide_mail"),
    ]
