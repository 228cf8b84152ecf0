"""The person's own pages, the account's users and its audit log, below /a/<account>/."""

from django.urls import path

from accounts import audit_views, people_acts, people_views, security, views

urlpatterns = [
    path("profile/", views.profile, name="profile"),
    path("profile/security/", security.account_security, name="account_security"),
    path("users/", people_views.users, name="users"),
    path("users/new/", people_views.user_new, name="user_new"),
    path("users/export/", people_views.users_csv, name="users_csv"),
    path("users/permissions/", people_views.permissions, name="user_permissions"),
    path("users/invitations/<id:offer>/<slug:what>/", people_views.invitation_act, name="invitation_act"),
    path("users/<id:member>/", people_views.user, name="user"),
    path("users/<id:member>/<slug:what>/", people_acts.user_act, name="user_act"),
    path("audit/", audit_views.audit_log, name="audit"),
    path("audit/csv/", audit_views.audit_csv, name="audit_csv"),
]
